"""Canonical shapes: which texts go through the model together, so that the company a text keeps
never shows.

A matrix product may add in another order when it has another shape, so the last bits of a vector
may depend on how many texts of what length were encoded beside it. Here the shape of a forward pass
depends on the text's own length bucket only; what is missing in the last pass of a bucket is filled
up with empty rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["TOKENS_PER_PASS", "VERSION", "Pass", "bucket", "few_of", "passes", "rows_of"]

#: Part of every fingerprint: raise it when a change here may change a vector.
VERSION = "2"
#: Activations of this many tokens stay in the processor's cache: larger passes are slower.
TOKENS_PER_PASS = 1024


@dataclass(frozen=True)
class Pass:
    """One forward pass: `tokens` wide; `members` are the texts in it, at most
    `rows_of(tokens)`."""

    tokens: int
    members: tuple[int, ...]


def bucket(length: int, limit: int) -> int:
    """The width that a text of `length` tokens is padded to: steps of 8 up to 96, of 16 up to 256,
    of 64 beyond.

    >>> bucket(3, 256), bucket(97, 256), bucket(250, 250)
    (8, 112, 250)
    """
    step = 8 if length <= 96 else 16 if length <= 256 else 64
    return min(-(-max(length, 1) // step) * step, limit)


def rows_of(tokens: int, per_pass: int = TOKENS_PER_PASS) -> int:
    """How many texts a full pass of a width holds."""
    return max(1, per_pass // tokens)


def few_of(texts: int) -> int:
    """How many rows a pass of so few texts may run with: 1, 2, 3, 4, 6, 8, 12, 16, ... Few sizes, so
    that each is soon known to give the same bytes; close ones, so that little is filler.

    >>> [few_of(n) for n in (1, 2, 3, 5, 7, 9, 13)]
    [1, 2, 3, 6, 8, 12, 16]
    """
    power = 1 << (texts - 1).bit_length()
    return power * 3 // 4 if power >= 4 and texts <= power * 3 // 4 else power


def passes(lengths: Sequence[int], limit: int, per_pass: int = TOKENS_PER_PASS) -> list[Pass]:
    """All forward passes for texts of the given token counts, the shortest first.

    >>> [(p.tokens, p.members) for p in passes([5, 200, 7], 256)]
    [(8, (0, 2)), (208, (1,))]
    """
    buckets: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        buckets.setdefault(bucket(length, limit), []).append(index)
    found = []
    for tokens in sorted(buckets):
        members, rows = buckets[tokens], rows_of(tokens, per_pass)
        found += [Pass(tokens, tuple(members[i : i + rows])) for i in range(0, len(members), rows)]
    return found
