"""What of a claim and its evidence can be compared letter by letter: for each token the word, the
number and the kind of thing that it is part of. No model, and no judgement."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from evalkit.text import numbers
from evalkit.text.rarity import MOST, rarity
from evalkit.text.tokens import is_content, stem, tokens

__all__ = ["FLAGS", "Literal", "literal"]

#: What is said of each token, each 0..1.
FLAGS = (
    "starts",  # the first token of its word
    "content",  # its word carries content
    "number",  # part of a number
    "capital",  # its word begins with a capital
    "wordless",  # part of no word: punctuation
    "rarity",  # how rare its word is in English
)
_MOST_KEPT = 1 << 16


@dataclass(frozen=True)
class Literal:
    """One text, token by token.

    Attributes:
        ids: int64 [tokens], the tokens.
        spans: int32 [tokens, 2], their characters.
        stems: int64 [tokens], a number for the stem of the token's word; 0 where it has none.
        numbers: int64 [tokens], one for the value of the number that it is part of; 0 likewise.
        flags: float32 [tokens, len(FLAGS)].
    """

    ids: NDArray[np.int64]
    spans: NDArray[np.int32]
    stems: NDArray[np.int64]
    numbers: NDArray[np.int64]
    flags: NDArray[np.float32]


def literal(text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> Literal:
    """Describe the tokens of a text.

    Args:
        text: the text.
        ids: its tokens, special ones left out.
        spans: the characters of each, rising.
    """
    words = tokens(text)
    starts = [word.start for word in words]
    amounts = sorted(numbers.facts(text), key=lambda found: found.start)
    firsts = [found.start for found in amounts]
    n = len(ids)
    stems, values = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    flags = np.zeros((n, len(FLAGS)), dtype=np.float32)
    last = -1
    for k, (start, end) in enumerate(spans):
        at = bisect_right(starts, start) - 1
        if at >= 0 and end <= words[at].end:
            number, is_content_word, how_rare = _of_word(words[at].word)
            stems[k] = number
            flags[k] = (
                at != last,
                is_content_word,
                0,
                text[words[at].start].isupper(),
                0,
                how_rare,
            )
            last = at
        else:
            flags[k, 4] = 1
        at = bisect_right(firsts, start) - 1
        if at >= 0 and end <= amounts[at].end:
            values[k] = 1 + crc32(f"{amounts[at].value:.6g}".encode())
            flags[k, 2] = 1
    return Literal(
        np.array(ids, dtype=np.int64),
        np.array(spans, dtype=np.int32).reshape(-1, 2),
        stems,
        values,
        flags,
    )


@lru_cache(_MOST_KEPT)
def _of_word(word: str) -> tuple[int, bool, float]:
    stemmed = stem(word)
    return 1 + crc32(stemmed.encode("utf-8", "replace")), is_content(word), rarity(stemmed) / MOST
