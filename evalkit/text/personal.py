"""Personal data in a text: e-mail addresses, phone, card and account numbers, IP addresses, and
credentials (`credentials.py`). Names and postal addresses are not looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from evalkit.text import credentials, numbers_of_people
from evalkit.text.disguises import Plain, plain
from evalkit.text.necessary import Hint, necessary
from evalkit.text.packed import packed

__all__ = ["CLASSES", "HINTS", "Datum", "disjoint", "find", "without"]

#: What can be looked for. Where two overlap, the first of them gives its name.
CLASSES = ("key", "email", "iban", "card", "ip", "phone")

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")
_DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-zA-Z0-9-]{2,59})(?![^\W_]|-\w)"
)
_AT = re.compile(
    r" ?(?:@|\[at\]|\(at\)|\{at\}| at (?=[\w-]{1,63}(?: dot |\[dot\]|\(dot\))) ?) ?", re.IGNORECASE
)
_DOT = re.compile(r" ?(?:\[dot\]|\(dot\)|\{dot\}| dot ) ?", re.IGNORECASE)
#: An "address" with such an end is a file or a package.
_NO_DOMAIN = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|bmp|ico|css|js|ts|json|html?|exe|dll|whl|pdf|txt|csv|log|xml)$",
    re.IGNORECASE,
)
_LOCAL_REACH = 64
_DOMAIN_REACH = 254
_SPELLED_AT = ("[at]", "(at)", "{at}", " dot ", "[dot]", "(dot)")

_IPV4 = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_NO_END = re.compile(r"[0-9]|\.[0-9]")
#: What comes before a version: "v1.2.3.4", "Chrome/120.0.0.0", "lib-1.2.3.4", "version 1.2.3.4".
_VERSION = re.compile(
    r"(?:(?<![\w/.-])[A-Za-z][\w.]{0,30}[/-]|(?<![A-Za-z])v|[A-Za-z]v|(?:version|ver|release|build|rev(?:ision)?|section|chapter|"
    r"clause|article|oid|ec|time|upgrade[sd]? to|§)[.:=\s\"']{0,3}|[=~<>^]=|[~^])$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[ \t]{1,4}[A-Z][a-z]")
_COLONS = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{3,45}+(?:\.[0-9]{1,3}){0,3}(?![A-Za-z0-9])")


_LABEL = r"[A-Za-z0-9\x{80}-\x{10ffff}][A-Za-z0-9_\x{80}-\x{10ffff}-]{0,}"
_SPELLED_DOT = r"(?i:\[dot\]|\(dot\)|\{dot\}| dot )"
#: By class: in every plain text that holds a datum of the class there is one of these. Where numbers
#: are looked for, addresses are taken out first: theirs are hints at numbers too.
HINTS: dict[str, tuple[Hint, ...]] = {
    "email": (
        Hint(
            rf"(?:@|(?i:\[at\]|\(at\)|\{{at\}})) ?{_LABEL}"
            rf"(?:\.[A-Za-z0-9\x{{80}}-\x{{10ffff}}]| ?{_SPELLED_DOT})"
        ),
        Hint(rf"(?i: at ){_LABEL} ?{_SPELLED_DOT}"),
    ),
    "key": credentials.HINTS,
    "ip": (
        Hint(necessary(_IPV4)),
        Hint(r"[0-9A-Fa-f]::|::[0-9A-Fa-f]|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:"),
    ),
    **numbers_of_people.HINTS,
}


@dataclass(frozen=True, slots=True)
class Datum:
    """A personal datum and where it stands. Equal `value`s are the same datum written in two ways."""

    kind: str
    start: int
    end: int
    value: str


def find(text: str, classes: Collection[str] = CLASSES) -> list[Datum]:
    """Personal data in a text, disguised ones too (see `disguises.plain`), and those in base64.

    Args:
        text: any text. The time is linear in its length.
        classes: which of `CLASSES` to look for.
    Returns:
        Ordered, disjoint data. Data that overlap are one, of the class that comes first in `CLASSES`.

    >>> [(d.kind, d.value) for d in find("Write to Jane@Example.org or call +44 20 7946 0958.")]
    [('email', 'jane@example.org'), ('phone', '+442079460958')]
    """
    form = plain(text)
    found = list(_found(form.text, classes))
    if form.maps:
        found = [_moved(datum, form) for datum in found]
    found += _in_base64(text, classes)
    return disjoint(found) if found else []


def without(text: str, classes: Collection[str] = CLASSES) -> str:
    """The text with the class of each datum in its place: what two texts share that differ in such
    data only.

    >>> without("Ask jane@example.org.")
    'Ask [EMAIL].'
    """
    parts, last = [], 0
    for datum in find(text, classes):
        parts += [text[last : datum.start], f"[{datum.kind.upper()}]"]
        last = datum.end
    return "".join([*parts, text[last:]]) if parts else text


def disjoint(found: Iterable[Datum], order: Collection[str] = CLASSES) -> list[Datum]:
    """The data in the order of the text, those that overlap joined to one."""
    rank = {kind: place for place, kind in enumerate(order)}
    joined: list[Datum] = []
    for datum in sorted(found, key=lambda datum: (datum.start, -datum.end)):
        if not joined or datum.start >= joined[-1].end:
            joined.append(datum)
            continue
        before = joined[-1]
        first = min(before, datum, key=lambda one: rank.get(one.kind, len(rank)))
        joined[-1] = Datum(first.kind, before.start, max(before.end, datum.end), first.value)
    return joined


def _found(text: str, classes: Collection[str]) -> Iterator[Datum]:
    if "email" in classes:
        yield from _emails(text)
    if "key" in classes:
        for start, end in credentials.credentials(text):
            yield Datum("key", start, end, text[start:end])
    numbers = not _NUMBERS.isdisjoint(classes) and numbers_of_people.may_hold(text)
    if "ip" in classes or numbers:
        addresses = list(_addresses(text))
        if "ip" in classes:
            yield from addresses
        if numbers:
            yield from _numbers(_blanked(text, addresses), classes)


def _in_base64(text: str, classes: Collection[str]) -> Iterator[Datum]:
    """Runs whose text holds personal data: the whole run is one datum."""
    for run in packed(text):
        for start, end, inner in run:
            within = list(_found(plain(inner).text, classes))
            if within:
                kind = min((datum.kind for datum in within), key=CLASSES.index)
                yield Datum(kind, start, end, text[start:end])
                break


def _numbers(text: str, classes: Collection[str]) -> Iterator[Datum]:
    """What is one number is no part of another: "020 7946 0958 203.0.113.7" are two."""
    for kind, look in _LOOKS.items():
        if kind in classes:
            found = [Datum(kind, start, end, value) for start, end, value in look(text)]
            yield from found
            text = _blanked(text, found)


def _blanked(text: str, found: list[Datum]) -> str:
    """The text with line breaks where data stand."""
    if not found:
        return text
    parts, last = [], 0
    for datum in sorted(found, key=lambda datum: datum.start):
        start = max(last, datum.start)
        parts += [text[last:start], "\n" * (datum.end - start)]
        last = max(last, datum.end)
    return "".join([*parts, text[last:]])


_LOOKS: dict[str, Callable[[str], Iterator[tuple[int, int, str]]]] = {
    "iban": numbers_of_people.ibans,
    "card": numbers_of_people.cards,
    "phone": numbers_of_people.phones,
}
_NUMBERS = frozenset(_LOOKS)


def _moved(datum: Datum, form: Plain) -> Datum:
    start, end = form.span(datum.start, datum.end)
    return Datum(datum.kind, start, end, datum.value)


# ── e-mail
# ───────────────────────────────────────────────────────────────────────────────────────


def _emails(text: str) -> Iterator[Datum]:
    if "@" not in text and not any(spelled in text.lower() for spelled in _SPELLED_AT):
        return
    for at in _AT.finditer(text):
        if not text[at.end() : at.end() + 1].isalnum() or at.start() == 0:
            continue
        after = text[at.end() : at.end() + _DOMAIN_REACH]
        spelled = _DOT.search(after) is not None and "@" not in after[:1]
        tail = _DOT.sub(".", after) if spelled else after
        domain = _DOMAIN.match(tail)
        if domain is None or _NO_DOMAIN.search(domain[0]):
            continue
        start = _local_start(text, at.start())
        if start is None:
            continue
        local = text[start : at.start()]
        end = at.end() + (_length_before(after, domain.end()) if spelled else domain.end())
        if local == "git" and text[end : end + 1] in (":", "/"):
            continue
        yield Datum("email", start, end, f"{local}@{domain[0]}".lower())


def _local_start(text: str, end: int) -> int | None:
    """Where the local part begins that ends at `end`; None where there is none."""
    if end and text[end - 1] == '"':  # "jane doe"@example.org
        begun = text.rfind('"', max(0, end - _LOCAL_REACH - 2), end - 1)
        return begun if begun >= 0 and end - begun > 2 else None
    start = end
    floor = max(0, end - _LOCAL_REACH)
    while start > floor and _LOCAL.fullmatch(text[start - 1]):
        start -= 1
    while start < end and not text[start].isalnum():  # "'jane@", "=jane@"
        start += 1
    # A query's "to=jane@..." holds a name before the address, and a path its folders.
    for mark in "=/":
        cut = text.rfind(mark, start, end) + 1
        if cut:
            start = cut
    return start if start < end else None


def _length_before(after: str, wanted: int) -> int:
    """How much of a text stands for the first `wanted` characters of it with its spelled dots undone."""
    length = gained = 0
    for dot in _DOT.finditer(after):
        if dot.start() - gained >= wanted:
            break
        gained += len(dot[0]) - 1
    length = wanted + gained
    return min(length, len(after))


# ── IP addresses
# ───────────────────────────────────────────────────────────────────────────────────────


def _addresses(text: str) -> Iterator[Datum]:
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            if _is_somebodys(text, match):
                yield Datum("ip", match.start(), match.end(), match[0])
    if ":" in text and _COLONS.search(text):
        for match in _IPV6.finditer(text):
            found, start = match[0], match.start()
            if start and text[start - 1].isalnum():  # "source:2001:db8::1"
                start += found.find(":") + 1
                found = found[start - match.start() :]
            if found[:1] == ":" and found[:2] != "::":
                found, start = found[1:], start + 1
            if not found.endswith("::"):
                found = found.rstrip(":")
            value = _version_6(found)
            if value is not None:
                yield Datum("ip", start, start + len(found), value)


def _is_somebodys(text: str, match: re.Match[str]) -> bool:
    if text[match.start() - 1 : match.start()] in tuple("0123456789.") and match.start():
        return False
    parts = match[0].split(".")
    if _NO_END.match(text, match.end()) or any(int(part) > 255 for part in parts):
        return False
    first = parts[0]
    if first in ("0", "127", "255") or match[0].endswith(".0.0.0"):  # this machine, masks, versions
        return False
    if _VERSION.search(text, max(0, match.start() - 40), match.start()):
        return False
    line = text.rfind("\n", max(0, match.start() - 8), match.start()) + 1
    at_head = not text[line : match.start()].strip() and (line > 0 or match.start() < 8)
    return not (at_head and _HEADING.match(text, match.end()))  # "1.2.3.4 Scope" numbers a heading


def _version_6(found: str) -> str | None:
    if found.count(":") < 2 or not any(c.isdigit() for c in found) or len(found) < 6:
        return None
    try:
        address = IPv6Address(found)
    except AddressValueError:
        return None
    return None if address.is_loopback or address.is_unspecified else address.compressed
