"""Which sentences of the contexts a claim is read against: few enough to be read together, chosen to
cover the claim between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVIDENCE_WORDS", "choose"]

#: Words of evidence that a claim is read against: more would be cut by the reader, and slow it.
EVIDENCE_WORDS = 100
_SENTENCES = 6
# A further sentence must bring at least so much (of 1) in nearness and words that are still open.
_LEAST = 0.12


def choose(
    cosine: NDArray[np.float64],
    hits: NDArray[np.float64],
    share: NDArray[np.float64],
    sizes: Sequence[int],
) -> list[int]:
    """Sentences for one claim, in the order in which they stand in the contexts.

    Greedy: each step takes the sentence with the highest sum of half its cosine to the claim and
    half the weight of the claim's words that it holds and no earlier choice does (maximal coverage
    under a budget: Khuller, Moss and Naor (1999), Information Processing Letters 70:39). When all
    of it fits, all of it is taken.

    Args:
        cosine: float64 [n], of each sentence to the claim.
        hits: float64 [words, n], 1 where a content word of the claim is in a sentence.
        share: float64 [words], the weight of each word, summing to 1.
        sizes: words of each sentence.
    Returns:
        Indices, rising; at least one when n > 0.
    """
    n = len(sizes)
    if sum(sizes) <= EVIDENCE_WORDS:
        return list(range(n))
    left = share.copy()
    chosen: list[int] = []
    room = EVIDENCE_WORDS
    free = np.ones(n, dtype=np.bool_)
    nearness = 0.5 * np.clip(cosine, 0, 1)
    size = np.asarray(sizes)
    while free.any() and len(chosen) < _SENTENCES:
        gain = np.where(free, nearness + 0.5 * (left @ hits), -1.0)
        best = int(np.argmax(gain))
        if chosen and gain[best] - nearness[best] < _LEAST and len(chosen) >= 2:
            break
        chosen.append(best)
        room -= int(size[best])
        left = left * (1 - hits[:, best])
        free[best] = False
        free &= size <= room
    return sorted(chosen)
