"""Text as its reader means it: escapes undone, look-alike digits and invisible characters made plain,
with the way back to where each character stood. What is looked for in it is not decided here."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from html import unescape
from urllib.parse import unquote_to_bytes

from evalkit.text.necessary import Hint

__all__ = ["HINTS", "ODD_CASES", "Plain", "plain"]

#: Escapes may stand in escapes (JSON in JSON, a URL in a query); deeper ones are nobody's text.
_ROUNDS = 3
#: Characters that show nothing: soft hyphen, joiners, marks of direction, variation selectors, tags.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\U000e0000-\U000e007f"
)
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u02d7\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\ufe58"
#: Digits of other scripts and forms, letters and signs in other forms; all have a plain equal.
_FORMS = (
    "\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\u2024\u2460-\u2468\u3002"
    "\ufe50-\ufe57\ufe59-\ufe6b\uff01-\uff5e\uff61\U0001d400-\U0001d7ff"
)
# Runs of backslashes are taken whole, with or without an escape behind them: linear on any text.
_DISGUISE = re.compile(
    r"(?:%[0-9A-Fa-f]{2})++"
    r"|\\++(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrtbf\"'/])?"
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|commat|period|colon|amp|nbsp|hyphen|plus|lowbar|num);"
    f"|[{_INVISIBLE}]++|[{_SPACES}{_DASHES}{_FORMS}]"
)
#: In every text that is not plain there is one of these.
HINTS = (
    Hint(r"%[0-9A-Fa-f]{2}"),
    Hint(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrtbf\"'/])"),
    Hint(r"&(?:#[0-9]|#[xX][0-9A-Fa-f]|(?:commat|period|colon|amp|nbsp|hyphen|plus|lowbar|num);)"),
    Hint(f"[{_INVISIBLE}{_SPACES}{_DASHES}{_FORMS}]"),
)
#: Letters of which `re` thinks, and RE2 does not, that they are an "i", an "s" or a "k" in another case.
ODD_CASES = Hint("[\u0130\u0131\u017f\u212a]")
_ODD = re.compile(f"[{_INVISIBLE}{_SPACES}{_DASHES}{_FORMS}]")
#: What a disguise begins with is looked for alone first: a set is found fast, alternatives are not.
_SIGN = re.compile(rf"[%\\&{_INVISIBLE}{_SPACES}{_DASHES}{_FORMS}]")
_SIGN_IN_ASCII = re.compile(r"[%\\&]")
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_IS_DASH = re.compile(f"[{_DASHES}]")
_IS_SPACE = re.compile(f"[{_SPACES}]")


@dataclass(frozen=True)
class _Map:
    """Where the pieces of a text came from: piece i begins at `at[i]` and came from `source[i]`;
    `whole[i]` is the length of what it stands for, or -1 where the characters were kept."""

    at: list[int]
    source: list[int]
    whole: list[int]

    def start(self, place: int) -> int:
        piece = bisect_right(self.at, place) - 1
        kept = self.whole[piece] < 0
        return self.source[piece] + (place - self.at[piece] if kept else 0)

    def end(self, place: int) -> int:
        piece = bisect_right(self.at, place - 1) - 1
        if self.whole[piece] < 0:
            return self.source[piece] + place - self.at[piece]
        return self.source[piece] + self.whole[piece]


@dataclass(frozen=True)
class Plain:
    """A text without its disguises."""

    text: str
    maps: tuple[_Map, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters `start` to `end` (start < end) stand in the text as it was."""
        for one in reversed(self.maps):
            start, end = one.start(start), one.end(end)
        return start, end


def plain(text: str) -> Plain:
    """Undo what keeps a pattern from seeing what a reader or a program sees.

    Undone are percent-encoding, escapes of JSON and of HTML (each in up to three layers), digits,
    letters, spaces and dashes in other forms; characters that show nothing are left out.

    Args:
        text: any text. The time is linear in its length.
    Returns:
        The plain text, and the way back; the same text where nothing is disguised.

    >>> found = plain("jane%40exam\u200bple.org")
    >>> found.text, found.span(0, 4), found.span(4, 5)
    ('jane@example.org', (0, 4), (4, 7))
    """
    maps: list[_Map] = []
    for _ in range(_ROUNDS):
        escaped = "%" in text or "\\" in text or "&" in text
        if not escaped and (text.isascii() or not _ODD.search(text)):
            break
        found = _undone(text)
        if found is None:
            break
        text, one = found
        maps.append(one)
    return Plain(text, tuple(maps))


def _undone(text: str) -> tuple[str, _Map] | None:
    pieces: list[str] = []
    one = _Map([], [], [])
    length = last = 0
    changed = False
    behind = 0
    for sign in (_SIGN_IN_ASCII if text.isascii() else _SIGN).finditer(text):
        if sign.start() < behind:
            continue
        match = _DISGUISE.match(text, sign.start())
        if match is None:
            continue
        behind = match.end()
        new = _meaning(match[0])
        if new == match[0]:
            continue
        changed = True
        start, end = match.span()
        if start > last:
            one.at.append(length)
            one.source.append(last)
            one.whole.append(-1)
            pieces.append(text[last:start])
            length += start - last
        one.at.append(length)
        one.source.append(start)
        one.whole.append(end - start)
        pieces.append(new)
        length += len(new)
        last = end
    if not changed:
        return None
    one.at.append(length)
    one.source.append(last)
    one.whole.append(-1)
    pieces.append(text[last:])
    return "".join(pieces), one


def _meaning(found: str) -> str:
    first = found[0]
    if first == "%":
        return unquote_to_bytes(found).decode("utf-8", "replace")
    if first == "&":
        return unescape(found)
    if first == "\\":
        return _unescaped(found)
    if _IS_INVISIBLE.match(first):
        return ""
    if _IS_DASH.match(first):
        return "-"
    if _IS_SPACE.match(first):
        return " "
    if first == "\u3002":  # an ideographic full stop between the labels of a domain
        return "."
    decimal = unicodedata.decimal(first, None)
    if decimal is not None:
        return str(decimal)
    form = unicodedata.normalize("NFKC", first)
    return form if form.isascii() else first


def _unescaped(found: str) -> str:
    escape = found.lstrip("\\")
    if not escape:
        return found
    if escape[0] in "ux" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    return escape if escape in "\"'/" else " "
