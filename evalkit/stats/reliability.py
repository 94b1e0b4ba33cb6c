"""Whether probabilities mean what they say: calibration curve, its error, and the Brier score;
ranking and cuts live in `classification`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.classification import checked
from evalkit.stats.intervals import wilson_many
from evalkit.stats.resampling import Statistic

__all__ = ["Bin", "Brier", "brier", "brier_skill_by_weight", "calibration_curve", "ece"]


@dataclass(frozen=True)
class Bin:
    """Rows of like probability, and how many of them are positive.

    Attributes:
        n: rows.
        lowest, highest: of their probabilities.
        probability: their mean probability, which is what the score says.
        rate: share of positives among them, which is what is so.
        lower, upper: 95 % Wilson interval of the rate, as if rows were independent.
    """

    n: int
    lowest: float
    highest: float
    probability: float
    rate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Brier:
    """Mean squared error of probabilities, and how much smaller it is than that of the base rate
    said of every row (1 is perfect, 0 no better, below 0 worse; None with one class only)."""

    score: float
    skill: float | None


def calibration_curve(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> tuple[Bin, ...]:
    """Rows in bins of equal size by rising probability, each with what is said and what is so.

    Args:
        labels: [n] of 0/1.
        probabilities: [n] within [0, 1].
        bins: how many bins are wanted; equal probabilities are never parted, so there may be fewer.
    Returns:
        The bins, lowest first; none for no rows.
    Raises:
        ValueError: a probability is outside [0, 1], a label is neither 0 nor 1, or lengths differ.

    Equal size: Nixon et al. (2019), CVPR workshops.

    >>> [(b.n, b.probability, b.rate) for b in calibration_curve([0, 1, 1, 1], [.5, .5, 1, 1], 2)]
    [(2, 0.5, 0.5), (2, 1.0, 1.0)]
    """
    truth, values = _checked(labels, probabilities)
    if bins < 1:
        raise ValueError("bins must be at least 1")
    if not values.size:
        return ()
    order = np.argsort(values, kind="stable")
    ranked, hit = values[order], truth[order]
    # int64 arithmetic: a row's bin is that of the first row with the same probability.
    first_of_tie = np.searchsorted(ranked, ranked, side="left")
    member = first_of_tie.astype(np.int64) * bins // len(ranked)
    starts = np.flatnonzero(np.r_[True, np.diff(member) != 0])
    ends = np.r_[starts[1:], len(ranked)]
    hits = np.add.reduceat(hit.astype(np.int64), starts)
    lower, upper = wilson_many(hits, ends - starts)
    return tuple(
        Bin(
            n=int(end - start),
            lowest=float(ranked[start]),
            highest=float(ranked[end - 1]),
            probability=float(ranked[start:end].mean()),
            rate=float(hits[k] / (end - start)),
            lower=float(lower[k]),
            upper=float(upper[k]),
        )
        for k, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float | None:
    """Expected calibration error over bins of equal size.

    Args:
        labels: [n] of 0/1.
        probabilities: [n] within [0, 1].
        bins: as in `calibration_curve`.
    Returns:
        The error, 0..1; None for no rows.
    Raises:
        ValueError: as `calibration_curve`.

    Formula: sum over bins of (rows in bin / n) |rate - mean probability|;
    Naeini et al. (2015), AAAI.

    >>> ece([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75], bins=2)
    0.125
    """
    curve = calibration_curve(labels, probabilities, bins)
    if not curve:
        return None
    gaps = [bin_.n * abs(bin_.rate - bin_.probability) for bin_ in curve]
    return sum(gaps) / sum(bin_.n for bin_ in curve)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> Brier | None:
    """Brier score and its skill over the base rate of these very rows.

    Args:
        labels: [n] of 0/1.
        probabilities: [n] within [0, 1].
    Returns:
        None for no rows.
    Raises:
        ValueError: as `calibration_curve`.

    Formulas: mean (probability - label)²; 1 - score / (rate (1 - rate)); Brier (1950), Mon. Weather
    Rev. 78:1.

    >>> brier([0, 1], [0.5, 1.0])
    Brier(score=0.125, skill=0.5)
    """
    truth, values = _checked(labels, probabilities)
    if not values.size:
        return None
    score = float(np.mean((values - truth) ** 2))
    return Brier(score, brier_skill_by_weight(truth, values)(np.ones(len(values))))


def brier_skill_by_weight(labels: ArrayLike, probabilities: ArrayLike) -> Statistic:
    """The Brier skill as a function of row weights (float64 [n]), for resampling.

    Raises:
        ValueError: as `calibration_curve`.
    """
    truth, values = _checked(labels, probabilities)
    error, hit = (values - truth) ** 2, truth.astype(np.float64)

    def weighted(weight: NDArray[np.float64]) -> float | None:
        n, hits = float(weight.sum()), float(weight @ hit)
        if hits in (0.0, n):
            return None
        return 1 - float(weight @ error) / (hits * (1 - hits / n))

    return weighted


def _checked(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    truth, values = checked(labels, probabilities)
    if bool(np.any((values < 0) | (values > 1))):
        raise ValueError("probabilities must lie between 0 and 1")
    return truth, values
