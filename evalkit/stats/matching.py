"""Agreement of a score with 0/1 labels among rows that are alike in something else, such as length;
plain agreement lives in `classification`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from evalkit.stats.classification import checked

__all__ = ["MatchedPairs", "matched_auroc", "matched_pairs"]

#: Pairs beyond this number are sampled: the area then errs by about 0.001.
_MOST_PAIRS = 200_000


@dataclass(frozen=True)
class MatchedPairs:
    """Pairs of a positive and a negative row that are alike, and which of them the score ranks
    rightly.

    Attributes:
        pairs: how many there are (also where only a sample is kept).
        right: float64 [positives, negatives], sparse: 1 where the positive outranks, 1/2 at a tie.
        alike: the same with 1 for every pair that is kept.
        positive, negative: row numbers of the two sides.
    """

    pairs: int
    right: csr_array
    alike: csr_array
    positive: NDArray[np.intp]
    negative: NDArray[np.intp]

    def auroc(self, weight: NDArray[np.float64] | None = None) -> float | None:
        """Share of the pairs that are ranked rightly, each counted as often as its two rows are
        (float64 [n]); None without a pair."""
        if not self.pairs:
            return None
        up = np.ones(len(self.positive)) if weight is None else weight[self.positive]
        down = np.ones(len(self.negative)) if weight is None else weight[self.negative]
        whole = float(up @ (self.alike @ down))
        return float(up @ (self.right @ down)) / whole if whole else None


def matched_pairs(
    labels: ArrayLike, scores: ArrayLike, sizes: ArrayLike, *, ratio: float = 1.25, seed: int = 0
) -> MatchedPairs:
    """The pairs of a positive and a negative row whose sizes differ by at most a ratio.

    Args:
        labels: [n] of 0/1.
        scores: [n], higher means more likely 1.
        sizes: [n] of what must be alike, 0 or more (the response's words).
        ratio: the larger size is at most so many times the smaller one.
        seed: of the sample, where there are more than 200,000 pairs.
    Raises:
        ValueError: on other labels, NaN scores, unequal lengths, negative sizes or a ratio below 1.
    """
    truth, values = checked(labels, scores)
    size = np.asarray(sizes, dtype=np.float64)
    if size.shape != values.shape or not bool(np.all(size >= 0)):
        raise ValueError("sizes must be 0 or more, one a row")
    if ratio < 1:
        raise ValueError("ratio must be at least 1")
    positive = np.flatnonzero(truth)
    negative = np.flatnonzero(~truth)
    negative = negative[np.argsort(size[negative], kind="stable")]
    ordered = size[negative]
    first = np.searchsorted(ordered * ratio, size[positive], side="left")
    behind = np.searchsorted(ordered, size[positive] * ratio, side="right")
    ends = np.cumsum(behind - first)
    pairs = int(ends[-1]) if len(ends) else 0
    chosen = np.arange(pairs)
    if pairs > _MOST_PAIRS:
        chosen = np.unique(np.random.default_rng(seed).integers(0, pairs, _MOST_PAIRS))
    row = np.searchsorted(ends, chosen, side="right")
    column = chosen - (ends[row] - (behind - first)[row]) + first[row]
    above, below = values[positive[row]], values[negative[column]]
    right = (above > below) + 0.5 * (above == below)
    shape = (len(positive), len(negative))
    return MatchedPairs(
        pairs,
        csr_array((right, (row, column)), shape=shape),
        csr_array((np.ones(len(row)), (row, column)), shape=shape),
        positive,
        negative,
    )


def matched_auroc(
    labels: ArrayLike, scores: ArrayLike, sizes: ArrayLike, *, ratio: float = 1.25
) -> float | None:
    """Area under the ROC curve among rows of like size: what a score knows besides the size.

    Args:
        labels: [n] of 0/1.
        scores: [n], higher means more likely 1.
        sizes: [n], 0 or more.
        ratio: the larger size of a pair is at most so many times the smaller one.
    Returns:
        The chance that a positive outranks a negative of like size, ties counting half; None when
        no pair is alike.
    Raises:
        ValueError: as `matched_pairs`.

    Concordance over matched pairs: Brentnall et al. (2015), Stat. Med. 34:405; ROC curves adjusted
    for a covariate: Janes and Pepe (2009), Biometrika 96:371.

    >>> matched_auroc([0, 0, 1, 1], [10, 20, 20, 10], [10, 20, 20, 10])
    0.5
    """
    return matched_pairs(labels, scores, sizes, ratio=ratio).auroc()
