"""Numbers, dates, times and amounts of a text with their normal value, and when one supports
another; their wording lives in `number_words`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evalkit.text import number_words
from evalkit.text.word_lists import word_set

Kind = Literal["cardinal", "ordinal", "percent", "money", "year", "date", "time"]


@dataclass(frozen=True)
class Number:
    """A number as the text gives it.

    Attributes:
        value: normal value: 3500000.0 for "3.5 million", 5.0 for "5 %", minutes for times,
            yyyymmdd for dates with 0 where the text leaves the year or day out.
        kind: what sort of number.
        unit: "%", a currency code, or the singular unit beside it; None without.
        step: worth of the last digit written: 100000.0 for "3.5 million". A number rounded to it
        supports it.
        approximate: whether "about", "nearly", "over" or the like stands before it.
        start, end: where it stands.
    """

    value: float
    kind: Kind
    unit: str | None
    step: float
    approximate: bool
    start: int
    end: int


_MONTH = (
    r"(?P<month{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DATE = re.compile(
    r"\b(?:(?P<y1>\d{4})-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})(?!\d)"
    r"|(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y2>\d{4})(?!\d)"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\ (?:of\ )?{_MONTH.format(3)}"
    r"(?:,?\ (?P<y3>\d{4})(?!\d))?"
    rf"|{_MONTH.format(4)}\ (?P<d4>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\ (?P<y4>\d{{4}})(?!\d))?"
    rf"|{_MONTH.format(5)},?\ (?P<y5>\d{{4}})(?!\d))",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?:\ ?([ap])\.?m\b)?", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d++(?:[.,]\d++)*+")
_AFTER = re.compile(
    r"(?P<ordinal>(?:st|nd|rd|th)\b)"
    r"|(?:[ -]?(?P<magnitude>hundred|thousand|million|billion|trillion|mn|bn|tn)\b"
    r"|(?P<letter>[kKmMbB])\b)?"
    r"(?P<percent>[ -]?(?:%|percent\b|per\ cent\b|percentage\ points?\b))?",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"[ -]?(?P<unit>[A-Za-z\u00b0\u00b5\u20ac\u00a3$]{1,14})\b|[ ]?(?P<sign>[\u20ac\u00a3])"
)
_MAGNITUDES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "m": 1e6,
    "billion": 1e9, "bn": 1e9, "b": 1e9, "trillion": 1e12, "tn": 1e12,
}  # fmt: skip
_CURRENCY_SIGNS = {"$": "USD", "\u20ac": "EUR", "\u00a3": "GBP", "\u00a5": "JPY", "\u20b9": "INR"}
_CURRENCY_WORDS = {
    "dollar": "USD", "usd": "USD", "euro": "EUR", "eur": "EUR", "gbp": "GBP", "yen": "JPY",
    "jpy": "JPY", "rupee": "INR", "inr": "INR", "chf": "CHF", "yuan": "CNY", "cny": "CNY",
}  # fmt: skip
_SAME_UNIT = {
    "kilometer": "km", "kilometre": "km", "meter": "m", "metre": "m", "centimeter": "cm",
    "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "kilogram": "kg", "kilo": "kg",
    "gram": "g", "milligram": "mg", "pound": "lb", "ounce": "oz", "inche": "inch", "in.": "inch",
    "foot": "foot", "feet": "foot", "ft": "foot", "mi": "mile", "hr": "hour", "h": "hour",
    "min": "minute", "sec": "second", "s": "second", "millisecond": "ms", "yr": "year",
    "liter": "l", "litre": "l", "gigabyte": "gb", "megabyte": "mb", "terabyte": "tb",
    "kilobyte": "kb", "centurie": "century", "people": "person",
}  # fmt: skip
_UNITS = frozenset(_SAME_UNIT.values()) | word_set(
    "yard acre ton tonne month week day decade degree watt kw mw gw kwh hz khz mhz ghz volt mph "
    "calorie kcal token point byte bit ml \u00b0c \u00b0f c f time episode season goal vote seat "
    "page song album film game match mg dozen"
)
_APPROXIMATE = re.compile(
    r"(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|circa|ca\.|over|more\ than"
    r"|less\ than|under|at\ least|at\ most|up\ to|as\ many\ as|close\ to|estimated|~|\u2248)"
    r"[ ]?(?:[$\u20ac\u00a3\u00a5])?$",
    re.IGNORECASE,
)


def facts(text: str) -> list[Number]:
    """Numbers of a text.

    Args:
        text: any text.
    Returns:
        Ordered, disjoint numbers. Version numbers, addresses and digits inside names ("GPT-4o",
        "B2")
        are no numbers, and neither is a lone "one".

    >>> [(n.value, n.kind, n.unit) for n in facts("3.5 million people paid $20 on Nov 22.")]
    [(3500000.0, 'cardinal', 'person'), (20.0, 'money', 'USD'), (1122.0, 'date', None)]
    """
    # Without a digit there are only numbers in words, of which most texts have none.
    has_digit = _DIGIT.search(text) is not None
    found: list[Number] = [*_dates(text), *_times(text)] if has_digit else []
    busy = {(n.start, n.end) for n in found}
    if has_digit:
        found.extend(_digits(text))
    found.extend(_worded(text))
    # Where two overlap, the one that begins first stays; then dates and times; then the longer.
    ranked = sorted(found, key=lambda n: (n.start, (n.start, n.end) not in busy, -n.end))
    kept: list[Number] = []
    for number in ranked:
        if not kept or number.start >= kept[-1].end:
            kept.append(number)
    return kept


def supported(number: Number, others: Iterable[Number]) -> bool:
    """Whether some other number says the same, allowing for the rounding of this one.

    Args:
        number: the claim.
        others: the evidence.
    Returns:
        True when one agrees in unit (where both have one) and, rounded as the claim is written, in
        value. "About" and its kin, in the claim, widen that to half a unit of the last digit that
        is not
        a closing zero, or 5 %. A claim more exact than its evidence is not supported.

    >>> claim, = facts("about 3.5 million")
    >>> supported(claim, facts("exactly 3,512,000")), supported(claim, facts("4.1 million"))
    (True, False)
    """
    return any(_agrees(number, other) for other in others)


def _agrees(claim: Number, other: Number) -> bool:
    if claim.kind == "date" or other.kind == "date":
        return _dates_agree(claim, other)
    if claim.kind == "time" or other.kind == "time":
        return claim.kind == other.kind and claim.value == other.value
    wanted, step = claim.value, claim.step
    if claim.unit and other.unit and claim.unit != other.unit:
        return False
    if (claim.kind == "percent") != (other.kind == "percent"):
        # "half" and 50 %: a fraction below 1 meets a percentage, a bare figure meets its own
        # digits.
        if claim.kind == "percent" and 0 < other.value < 1:
            wanted, step = wanted / 100, step / 100
        elif other.kind == "percent" and 0 < wanted < 1:
            wanted, step = wanted * 100, step * 100
    if claim.kind == "ordinal" and other.kind == "year":
        return False
    slack = 0.0 if claim.kind in ("year", "ordinal") else step / 2 * (step != 1 or wanted % 1 != 0)
    if claim.approximate:
        size = abs(wanted)
        slack = max(slack, 0.05 * size, min(0.1 * size, _last_digit(wanted, step) / 2))
    elif other.step > step:
        slack = 0.0
    return abs(wanted - other.value) <= slack * (1 + 1e-9) + 1e-9 * abs(wanted)


def _last_digit(value: float, step: float) -> float:
    """Worth of the last digit that is no closing zero: 100000 for 3,500,000; 1 for 42."""
    if value == 0:
        return step
    while abs(value) >= step * 10 and math.isclose(value % (step * 10), 0.0, abs_tol=step * 1e-6):
        step *= 10
    return step


def _dates_agree(claim: Number, other: Number) -> bool:
    if claim.kind == "year" or other.kind == "year":
        dated, year = (other, claim) if claim.kind == "year" else (claim, other)
        # A date supports its year; a year says too little to support a date.
        return claim.kind == "year" and dated.value // 10000 == year.value
    if claim.kind != other.kind:
        return False
    mine, theirs = _parts(claim.value), _parts(other.value)
    return all(a == b or a == 0 for a, b in zip(mine, theirs, strict=True))


def _parts(value: float) -> tuple[int, int, int]:
    whole = int(value)
    return whole // 10000, whole // 100 % 100, whole % 100


def _dates(text: str) -> list[Number]:
    found = []
    for m in _DATE.finditer(text):
        if m["y1"]:
            year, month, day = int(m["y1"]), int(m["m1"]), int(m["d1"])
        elif m["y2"]:
            # Month first unless that cannot be.
            year, month, day = int(m["y2"]), int(m["a"]), int(m["b"])
            if month > 12:
                month, day = day, month
        else:
            name = m["month3"] or m["month4"] or m["month5"]
            month = number_words.MONTHS[name.casefold()[:3]]
            day = int(m["d3"] or m["d4"] or 0)
            year = int(m["y3"] or m["y4"] or m["y5"] or 0)
            if name in ("may", "march", "mar") and not day:
                continue
        if not 1 <= month <= 12 or day > 31:
            continue
        value = float(year * 10000 + month * 100 + day)
        found.append(Number(value, "date", None, 1.0, False, m.start(), m.end()))
    return found


def _times(text: str) -> list[Number]:
    found = []
    for m in _TIME.finditer(text):
        hour = int(m[1])
        if hour > 24:
            continue
        if m[3]:
            hour = hour % 12 + (12 if m[3] in "pP" else 0)
        value = float(hour * 60 + int(m[2]))
        found.append(Number(value, "time", None, 1.0, False, m.start(), m.end()))
    return found


def _digits(text: str) -> list[Number]:
    found = []
    for m in _DIGITS.finditer(text):
        start, end = m.span()
        before = text[start - 1] if start else " "
        parsed = _parse(m[0])
        if parsed is None or before.isalnum() or before == "_":
            continue
        value, step = parsed
        currency = _CURRENCY_SIGNS.get(before)
        if currency is None and before == " " and start > 1:
            currency = _CURRENCY_SIGNS.get(text[start - 2])
        if currency:
            start -= 1 if before != " " else 2
        lead = text[start - 1] if start else " "
        if lead in "-\u2212" and (start < 2 or text[start - 2] in " (\t\n"):
            value, start = -value, start - 1
        elif lead == "-" and text[start - 2].isalpha():
            continue  # "GPT-4", "COVID-19"
        number = _finish(text, m[0], value, step, currency, start, end)
        if number:
            found.append(number)
    return found


def _finish(
    text: str, raw: str, value: float, step: float, unit: str | None, start: int, end: int
) -> Number | None:
    """Read what follows the digits: ordinal, magnitude, percent, unit."""
    kind: Kind = "money" if unit else "cardinal"
    after = _AFTER.match(text, end)
    scaled = False
    if after and after["ordinal"]:
        kind, end = "ordinal", after.end()
    elif after and after.end() > end:
        letter = after["letter"]
        # "5m" may be metres: the letter alone is a magnitude for money, and k, M, B anyhow.
        if not letter or unit or letter in "kKMB":
            magnitude = after["magnitude"] or letter
            if magnitude:
                factor = _MAGNITUDES[magnitude.casefold()]
                value, step, scaled = value * factor, step * factor, True
            if after["percent"]:
                kind, unit = "percent", "%"
            end = after.end()
    if kind == "cardinal":
        unit, end = _unit(text, end)
        if unit in _CURRENCY_WORDS.values():
            kind = "money"
    if end < len(text) and (text[end].isalnum() or text[end] == "_") and text[end - 1].isalnum():
        return None  # "4o", "7zip"
    if kind == "cardinal" and unit is None and not scaled and len(raw) == 4 and raw.isdigit():
        kind = "year" if 1000 <= value <= 2199 else kind
    return Number(value, kind, unit, step, _is_approximate(text, start), start, end)


def _unit(text: str, end: int) -> tuple[str | None, int]:
    match = _UNIT.match(text, end)
    if not match:
        return None, end
    if match["sign"]:
        return _CURRENCY_SIGNS[match["sign"]], match.end()
    word = match["unit"].casefold()
    singular = word[:-1] if len(word) > 2 and word.endswith("s") else word
    for form in (word, singular):
        if form in _CURRENCY_WORDS:
            return _CURRENCY_WORDS[form], match.end()
        if form in _SAME_UNIT:
            return _SAME_UNIT[form], match.end()
        if form in _UNITS:
            return form, match.end()
    return None, end


def _worded(text: str) -> list[Number]:
    found = []
    for phrase in number_words.phrases(text):
        kind: Kind = "ordinal" if phrase.is_ordinal else "cardinal"
        end, unit = phrase.end, None
        if not phrase.is_ordinal:
            after = _AFTER.match(text, end)
            if after and after["percent"] and not after["magnitude"] and not after["letter"]:
                kind, unit, end = "percent", "%", after.end()
            else:
                unit, end = _unit(text, end)
                kind = "money" if unit in _CURRENCY_WORDS.values() else kind
        if phrase.is_bare_one and unit is None:
            continue
        rough = _is_approximate(text, phrase.start)
        found.append(Number(phrase.value, kind, unit, phrase.step, rough, phrase.start, end))
    return found


def _is_approximate(text: str, start: int) -> bool:
    return bool(_APPROXIMATE.search(text[max(0, start - 16) : start].rstrip(" ") or ""))


def _parse(raw: str) -> tuple[float, float] | None:
    """Value and worth of the last digit of digits with separators; None for versions and lists."""
    if len(raw) > 40:
        return None
    if re.fullmatch(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?", raw):
        raw = raw.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", raw):
        raw = raw.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", raw):
        raw = raw.replace(",", ".")
    if not re.fullmatch(r"\d+(?:\.\d+)?", raw):
        return None
    decimals = len(raw.partition(".")[2])
    return float(raw), 10.0**-decimals
