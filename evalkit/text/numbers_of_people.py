"""Numbers that belong to a person: phone, payment card, bank account (IBAN). Each is told from other
numbers by its own rules; what stands before it counts too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.text.necessary import Hint, necessary

__all__ = ["HINTS", "cards", "ibans", "luhn", "may_hold", "phones"]

_Found = tuple[int, int, str]

# ── a quick look
# ───────────────────────────────────────────────────────────────────────────────────────

_SEPARATORS = b" \t.-/()+"
_ZEROS = bytes(ord("0") if chr(i).isdigit() and i < 128 else i for i in range(256))
#: The shortest run of digits, separators aside, in any number that is found here (an IBAN may have
#: letters between).
_LEAST_RUN = b"00000"
#: Where a number may stand at all. It begins with a set of characters, which is looked for fast; the
#: shapes below are then tried inside such runs only.
_RUN = re.compile(r"[0-9+(][0-9 \t./()+-]{5,}+")
#: What a shape looks at behind a run.
_BEHIND = 16


def may_hold(text: str) -> bool:
    """Whether a text has a run of five digits at all, separators aside."""
    return _LEAST_RUN in text.encode("utf-8", "replace").translate(_ZEROS, _SEPARATORS)


def _in_runs(shape: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for run in _RUN.finditer(text):
        for match in shape.finditer(text, run.start(), run.end() + _BEHIND):
            if match.end() <= run.end():
                yield match


# ── cards
# ───────────────────────────────────────────────────────────────────────────────────────

# A digit before, or a dot or comma after a digit (a decimal), and it is another number's part.
_DIGITS = re.compile(
    r"(?<![A-Za-z0-9])(?<![0-9]\.)(?<!\A0,)(?<![^0-9]0,)(?<![-/.][0-9][-/.])[0-9](?:[ \t+.-]{0,2}[0-9]){12,25}+"
    r"(?![A-Za-z0-9]|[.-][0-9])",
)
#: Known issuers: first digits and lengths. Ranges of ISO/IEC 7812 as the networks publish them.
_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65"), (16, 17, 18, 19)),  # Discover
    (re.compile(r"35(?:2[89]|[3-8])"), (16, 17, 18, 19)),  # JCB
    (re.compile(r"30[0-5]|3[689]"), (14, 16)),  # Diners Club
    (re.compile(r"62"), (16, 17, 18, 19)),  # UnionPay
    (
        re.compile(r"50(?:18|20|38)|5612|5893|6304|6759|676[1-3]|6799"),
        (13, 14, 15, 16, 17, 18, 19),
    ),  # Maestro
    (re.compile(r"220[0-4]"), (16, 17, 18, 19)),  # Mir
    (re.compile(r"60|81|82|508"), (16,)),  # RuPay
)
#: No issuer's numbers begin with another, which most times in nanoseconds do.
_FIRST_DIGITS = "234568"
#: Of a bare number, these lengths alone are a card's more often than an id's.
_TELLING_LENGTHS = (14, 15, 16)
_CARD_WORD = re.compile(
    r"(?:card|visa|mastercard|amex|credit|debit|pan|payment|karte|carte|tarjeta)", re.IGNORECASE
)
_CARD_REACH = 40
_LEAST_CARD, _MOST_CARD = 13, 19
_GROUP = re.compile(r"[0-9]+")
#: How many groups before and after a card may belong to something else.
_WITHIN = tuple((first, last) for first in range(3) for last in range(4))


def luhn(digits: str) -> bool:
    """Whether a number's last digit is its check digit (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def cards(text: str) -> Iterator[_Found]:
    """Payment cards: 13 to 19 digits of a known issuer with a valid check digit, in one piece or in
    the groups that people write. A bare number of an unusual length counts only beside a word that
    says what it is.

    >>> [value for *_, value in cards("card 4111 1111 1111 1111, order 4111111111111112")]
    ['4111111111111111']
    """
    for match in _in_runs(_DIGITS, text):
        groups = list(_GROUP.finditer(text, match.start(), match.end()))
        for first, last in _WITHIN:  # "utf-8 4111 ...", and what stands behind: "... 1111 12/29"
            taken = groups[first : len(groups) - last]
            digits = "".join(group[0] for group in taken)
            if not _LEAST_CARD <= len(digits) <= _MOST_CARD or not _is_grouped(taken):
                continue
            if not _is_issued(digits) or not luhn(digits):
                continue
            start, end = taken[0].start(), taken[-1].end()
            if (first and text[start - 1] in ".-+") or (last and text[end] in ".-+"):
                continue  # a decimal, a longer number
            if len(taken) == 1 and len(digits) not in _TELLING_LENGTHS:
                before = text[max(0, start - _CARD_REACH) : start]
                if not _CARD_WORD.search(before):
                    continue
            yield start, end, digits
            break


def _is_issued(digits: str) -> bool:
    return any(len(digits) in lengths and begins.match(digits) for begins, lengths in _ISSUERS)


def _is_grouped(groups: list[re.Match[str]]) -> bool:
    sizes = [len(group[0]) for group in groups]
    if len(sizes) == 1 or sizes in ([4, 6, 5], [4, 6, 4], [6, 13], [8, 8], [4, 4, 5], [4, 4, 6]):
        return True
    head, last = set(sizes[:-1]), sizes[-1]
    return len(head) == 1 and last <= max(head) and max(head) <= 4


# ── accounts
# ───────────────────────────────────────────────────────────────────────────────────────

#: Length of an IBAN by country (SWIFT, IBAN registry).
_COUNTRIES_BY_LENGTH = {
    15: "NO", 16: "BE", 18: "DK FO FI GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
    21: "HR LV LI CH", 22: "BH BG CR GE DE IE ME RS GB VA", 23: "AE GI IL IQ TL SO OM",
    24: "AD CZ MD PK RO SA SK ES SE TN VG", 25: "LY PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM BI DJ",
    28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
    32: "LC", 33: "RU",
}  # fmt: skip
_LENGTHS = {
    country: length
    for length, countries in _COUNTRIES_BY_LENGTH.items()
    for country in countries.split()
}
#: An IBAN's check digits; its country's letters stand before them.
_CHECK = re.compile(r"[0-9][ \t+-]{0,2}[0-9]")
_COUNTRY = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[ \t+-]{0,2}\Z")
_COUNTRY_REACH = 5


def ibans(text: str) -> Iterator[_Found]:
    """Bank accounts: an IBAN of its country's length whose check digits are right (ISO 13616).

    >>> [value for *_, value in ibans("to DE89 3704 0044 0532 0130 00, please")]
    ['DE89370400440532013000']
    """
    for match in _CHECK.finditer(text):
        begun = match.start()
        if text[begun - 1 : begun].isdigit():
            continue
        country = _COUNTRY.search(text, max(0, begun - _COUNTRY_REACH), begun)
        length = None if country is None else _LENGTHS.get(country[1].upper())
        if country is None or length is None:
            continue
        value, at = "", country.start()
        for at in range(country.start(), min(len(text), country.start() + 3 * length)):
            character = text[at]
            if character.isascii() and character.isalnum():
                value += character
                if len(value) == length:
                    break
            elif character not in " \t+.-":
                break
        following = text[at + 1 : at + 2]
        if len(value) != length or (following.isascii() and following.isalnum()):
            continue
        value = value.upper()
        if int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1:
            yield country.start(), at + 1, value


# ── phones
# ───────────────────────────────────────────────────────────────────────────────────────

_GAP = r"[ \t./()-]{0,3}"
_INTERNATIONAL = re.compile(
    rf"(?<![A-Za-z0-9+.])(?:\+|\(\+|(?<![0-9] )00(?=[1-9]))[ ]?\(?[1-9]{_GAP}[0-9](?:{_GAP}[0-9]){{5,30}}+(?![0-9])"
)
_AMERICAN = re.compile(
    r"(?<![A-Za-z0-9.+])(?<![A-Za-z0-9]-)(?<![0-9][ /:])(?:1[ .-])?"
    r"(?:\([2-9][0-9]{2}\)[ ]?[0-9]{3}[ .-]|[2-9][0-9]{2}-[0-9]{3}-|"
    r"[2-9][0-9]{2} [2-9][0-9]{2} |[2-9][0-9]{2}\.[2-9][0-9]{2}\.)"
    r"[0-9]{4}(?![A-Za-z0-9]|-[A-Za-z0-9]|[ .][0-9])"
)
_TRUNK = re.compile(
    r"(?<![A-Za-z0-9.+])(?<![A-Za-z0-9]-)(?<![0-9][ /:])\(?0[1-9][0-9]{0,4}\)?(?:[ ./-]{1,3}[0-9]{2,8}){1,5}+(?![A-Za-z0-9])"
)
_AREA = re.compile(
    r"(?<![A-Za-z0-9.+])(?<![A-Za-z0-9][-/])\((?!19|20)[1-9][0-9]{1,3}\)[ -]?[0-9]{3,5}[ .-][0-9]{3,5}"
    r"(?![A-Za-z0-9_-]|[.,][0-9])"
)
_NAMED = re.compile(
    r"(?<![A-Za-z])(?:tel(?:e(?:phone|fon|fono))?|t[ée]l[ée]phone|tel[ée]fono|phone|mobile|mobil|cell(?:phone)?|"
    r"handy|fax|whatsapp|sms|msisdn|call me|call us|text me|reach me|reach us|ring me)"
    r"(?:[ \t]{0,2}+(?:number|no\.?|nr\.?|nummer|is|at|on|under|[:=#\"'_,|.])){0,5}+[ \t]{0,3}+"
    r"(\+?\(?[0-9](?:[ \t./()-]{0,2}[0-9]){6,14}+)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_PHONE_WORDS = (
    "tel", "tél", "phone", "mobil", "cell", "handy", "fax", "whatsapp", "sms", "msisdn", " me", " us",
)  # fmt: skip
_EXTENSION = re.compile(
    r"[ ,]{0,3}(?:ext(?:ension)?\.?|x|durchwahl)[ .:]{0,2}[0-9]{1,6}(?![0-9])", re.IGNORECASE
)
#: What is no phone although it has its shape, by what stands before it.
_OTHER_NUMBER = re.compile(
    r"(?:(?<![A-Za-z])(?:order|invoice|ticket|ref(?:erence)?|case|sku|isbn|issn|serial|part|item|id|ids|tracking|version|build|"
    r"rev|pages?|pp|doi|patent|model|article|account|customer|booking|bestellung|rechnung|no|nr|number)|#)"
    r"[\s.:=#\"'-]{0,3}(?:no|nr|number|id)?[\s.:=#\"'-]{0,3}$",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<![0-9])(?:0?[1-9]|[12][0-9]|3[01]) ?[./ -] ?(?:[0-3]?[0-9]) ?[./ -] ?(?:19|20)[0-9]{2}(?![0-9])|"
    r"(?<![0-9])(?:19|20)[0-9]{2} ?[./ -] ?(?:0[1-9]|1[0-2]) ?[./ -] ?(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
)
#: Country calling codes (ITU-T E.164).
_COUNTRIES = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[1-368]|22[0-9]|23[0-9]|24[0-9]|25[0-8]|"
    r"26[0-9]|29[0-9]|35[0-9]|37[0-9]|38[0-9]|42[0-9]|50[0-9]|59[0-9]|67[0-9]|68[0-9]|69[0-2]|8[057-8][0-9]|"
    r"96[0-8]|97[0-79]|99[2-68]"
)
_NORTH_AMERICA = re.compile(r"1[2-9][0-9]{9}")


def phones(text: str) -> Iterator[_Found]:
    """Phone numbers: international ones (+ or 00, a known country's code, 8 to 15 digits); national
    ones in the shapes of North America, with a trunk 0 and a gap, or with an area code in brackets;
    and any 7 to 15 digits that the text calls a phone. A bare run of digits is none.

    >>> [value for *_, value in phones("020 7946 0958, +49 171 5550142, order 0171-5550142")]
    ['+491715550142', '02079460958']
    """
    for start, end in _cut_to(_INTERNATIONAL, text, 17):
        found = text[start:end]
        zeros = found.startswith("00")
        if zeros and (found.isdigit() or _is_other(text, start)):
            continue
        value = _digits(found)[2:] if zeros else _digits(found)
        if _is_dialled(value):
            yield start, _end(text, end), f"+{value}"
    for shape, least, most in ((_AMERICAN, 10, 11), (_TRUNK, 9, 12), (_AREA, 8, 12)):
        for start, end in _cut_to(shape, text, most):
            digits = _digits(text[start:end])
            dated = _DATE.search(text, start, end)
            if len(digits) >= least and dated is None and not _is_other(text, start):
                yield start, _end(text, end), digits
    lowered = text.lower()
    if not any(word in lowered for word in _PHONE_WORDS):
        return
    for match in _NAMED.finditer(text):
        number = match[1]
        if not _DATE.search(number):
            yield (
                match.start(1),
                _end(text, match.end(1)),
                ("+" if number[0] == "+" else "") + _digits(number),
            )


def _cut_to(shape: re.Pattern[str], text: str, most: int) -> Iterator[tuple[int, int]]:
    """Where a shape stands, without the groups that make it too long: those are another number's."""
    for run in _RUN.finditer(text):
        at = run.start()
        while (match := shape.search(text, at, run.end() + _BEHIND)) is not None:
            if match.end() > run.end():
                break
            count, at = 0, match.start()
            for group in _GROUP.finditer(text, match.start(), match.end()):
                count += len(group[0])
                if count > most and at > match.start():
                    break
                at = group.end()
            yield match.start(), at


def _is_other(text: str, start: int) -> bool:
    return _OTHER_NUMBER.search(text, max(0, start - 24), start) is not None


def _digits(found: str) -> str:
    return "".join(c for c in found if c.isdigit())


def _is_dialled(digits: str) -> bool:
    if not 8 <= len(digits) <= 15:
        return False
    if digits[0] == "1":
        return _NORTH_AMERICA.fullmatch(digits) is not None
    country = _COUNTRIES.match(digits)
    if country is None:
        return False
    # "+20 000 000" counts something: no number begins with a 0 behind its country, but for a written
    # trunk "(0)" of one digit and for Italy.
    rest = digits[country.end() :]
    return not rest.startswith("00") and len(rest) >= 6


def _end(text: str, end: int) -> int:
    extension = _EXTENSION.match(text, end)
    return extension.end() if extension is not None else end


# ── a first look
# ───────────────────────────────────────────────────────────────────────────────────────

_FIVE_DIGITS = r"[0-9](?:[ \t./()+-]*[0-9]){4}"
_COUNTRY_LETTERS = rf"(?:^|[^A-Za-z0-9])(?i:{'|'.join(sorted(_LENGTHS))})[ \t+-]{{0,2}}"
#: In every text that holds a number of the class there is one of these, if nothing is taken out of the
#: text before (which has hints of its own).
HINTS = {
    "iban": (
        Hint(
            _FIVE_DIGITS,
            rf"{_COUNTRY_LETTERS}[0-9][ \t+-]{{0,2}}[0-9](?:[ \t+.-]*[A-Za-z0-9]){{11}}",
        ),
    ),
    # A card may begin with any group of the digits that its pattern takes.
    "card": (
        Hint(_FIVE_DIGITS, rf"(?:^|[^A-Za-z0-9])[{_FIRST_DIGITS}](?:[ \t+.-]{{0,2}}[0-9]){{12}}"),
    ),
    "phone": (
        *(Hint(_FIVE_DIGITS, necessary(one)) for one in (_INTERNATIONAL, _AMERICAN, _AREA, _NAMED)),
        # The shape with a trunk 0 is a date's too, but for its nine digits.
        Hint(_FIVE_DIGITS, r"(?:^|[^A-Za-z0-9.+])\(?0[1-9](?:[ ./()-]{0,4}[0-9]){7}"),
    ),
}
