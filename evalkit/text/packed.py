"""Text that is packed as base64 in a text. What is looked for in it is not decided here."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from evalkit.text.necessary import Hint

__all__ = ["HINTS", "LONG_RUN", "has_long_run", "packed"]

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}+={0,2}(?![A-Za-z0-9+_=-])")
_LEAST_BASE64 = 20
_MOST_FOLDERS = 8
_LONGEST_PATH = 4000
_LONGEST_BASE64 = 4_000_000
#: What `has_long_run` says, in RE2.
LONG_RUN = "[A-Za-z0-9_/+-]{16}"
_RUN = b"a" * 16
_IN_RUN = bytes(
    ord("a") if i < 128 and (chr(i).isalnum() or chr(i) in "_-/+") else ord(" ") for i in range(256)
)


def has_long_run(text: str) -> bool:
    """Whether 16 characters of a key's or of base64's alphabet stand in a row."""
    return _RUN in text.encode("utf-8", "replace").translate(_IN_RUN)


def packed(text: str) -> Iterator[Iterator[tuple[int, int, str]]]:
    """For each run of base64 in a text: where it, or a part of it, may stand for a text, and for which.

    >>> [{inner for *_, inner in run} for run in packed("see aGVsbG8gdGhlcmUsIHlvdQ== there")]
    [{'hello there, you'}]
    """
    if not has_long_run(text):
        return
    for run in _BASE64.finditer(text):
        yield (
            (start, end, inner)
            for start, end in _pieces(run)
            if (inner := _decoded(text[start:end])) is not None
        )


def _pieces(run: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Where base64 may stand in a run, whose slashes may be a path's: all of it, what is behind a
    slash, what is between two."""
    yield run.span()
    slashes = [run.start() + at for at, c in enumerate(run[0][:_LONGEST_PATH]) if c == "/"]
    for at in slashes[:_MOST_FOLDERS]:
        yield at + 1, run.end()
    for at, after in pairwise([run.start() - 1, *slashes, run.end()]):
        if after - at > _LEAST_BASE64:
            yield at + 1, after


def _decoded(run: str) -> str | None:
    if len(run) > _LONGEST_BASE64:
        return None
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return None
    try:
        inner = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return inner if inner.isprintable() or "\n" in inner or "\t" in inner else None


# ── a first look
# ───────────────────────────────────────────────────────────────────────────────────────


def _digit(is_one: Callable[[int], bool]) -> str:
    """The digits of base64, and of its form for URLs, whose values are of a kind."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    of_both = [*enumerate(letters), (62, "+"), (63, "/"), (63, "_"), (62, r"\-")]
    return f"[{''.join(digit for value, digit in of_both if is_one(value))}]"


def _three_bytes() -> str:
    """Four digits that stand for three bytes as they may follow each other in UTF-8: behind ASCII
    there is no byte from the middle of a character, and behind the first byte of one there is."""
    middle, first = 2, 3  # what the highest two bits of such bytes say; those of ASCII say less
    plain_or_middle = _digit(lambda value: value >> 4 <= middle)
    middle_or_first = _digit(lambda value: value >> 4 >= middle)
    second_plain = _digit(lambda value: value >> 2 & 3 < middle)
    second_middle = _digit(lambda value: value >> 2 & 3 == middle)
    second_first = _digit(lambda value: value >> 2 & 3 == first)
    third_middle = _digit(lambda value: value & 3 == middle)
    third_other = _digit(lambda value: value & 3 != middle)
    whole = _digit(lambda value: True)
    return (
        f"(?:{plain_or_middle}(?:{second_plain}{third_other}|{second_first}{third_middle})"
        f"|{middle_or_first}{second_middle}{whole}){whole}"
    )


#: In every text with base64 for six bytes or more, as any datum is; ids in hex soon break it.
HINTS = (
    Hint(
        LONG_RUN,
        rf"(?:^|[^A-Za-z0-9+/_-])(?:{_three_bytes()}){{5}}|/(?:{_three_bytes()}){{2}}",
    ),
)
