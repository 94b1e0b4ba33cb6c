"""How well a score agrees with 0/1 labels; fitting a calibration is not done here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class AtThreshold:
    """Agreement once scores are cut at a threshold; a measure without a denominator is None."""

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    kappa: float | None


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error and the number of bins that it rests on."""

    error: float
    bins: int


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    raw = np.asarray(labels)
    values = np.asarray(scores, dtype=np.float64)
    if raw.shape != values.shape or values.ndim != 1:
        raise ValueError(f"labels {raw.shape} and scores {values.shape} must be equally long rows")
    if raw.size and not bool(np.all((raw == 0) | (raw == 1))):
        raise ValueError("labels must be 0 or 1; leave rows without a label out")
    if bool(np.any(np.isnan(values))):
        raise ValueError("scores must not be NaN; leave rows without a score out")
    return raw.astype(np.bool_), values


def _groups_of_ties(sorted_scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """First position of each run of equal scores."""
    return np.flatnonzero(np.r_[True, np.diff(sorted_scores) != 0])


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half.

    Args:
        labels: [n] of 0/1.
        scores: [n], higher means more likely 1.
    Returns:
        0..1, or None when only one class is there.
    Raises:
        ValueError: on other labels, NaN scores or unequal lengths.

    Formula: Mann-Whitney U / (positives x negatives); Hanley and McNeil (1982), Radiology 143:29.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    positive, values = _checked(labels, scores)
    if not positive.size:
        return None
    order = np.argsort(values, kind="stable")
    starts = _groups_of_ties(values[order])
    return _auroc_sorted(positive[order].astype(np.float64), np.ones(len(order)), starts)


def _auroc_sorted(
    positive: NDArray[np.float64], weight: NDArray[np.float64], starts: NDArray[np.intp]
) -> float | None:
    """AUROC of rows sorted by rising score, each counted `weight` times."""
    ups = np.add.reduceat(positive * weight, starts)
    downs = np.add.reduceat((1 - positive) * weight, starts)
    n_up, n_down = float(ups.sum()), float(downs.sum())
    if n_up == 0 or n_down == 0:
        return None
    below = np.cumsum(downs) - downs
    return float(np.sum(ups * (below + downs / 2)) / (n_up * n_down))


def auroc_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float | None, float | None]:
    """Bootstrap percentile interval of the AUROC, resampling whole groups when rows are not
    independent.

    Args:
        labels: [n] of 0/1.
        scores: [n].
        groups: [n] keys (for example the source document); None treats each row as its own group.
        level: two-sided confidence.
        draws: number of resamples.
        seed: of the random draws.
    Returns:
        (lower, upper); (None, None) when only one class is there, or in over half of the resamples.
    Raises:
        ValueError: as `auroc`.

    Method: Efron and Tibshirani (1993), chapter 13; by cluster: Field and Welsh (2007), JRSS B
    69:369.
    """
    positive, values = _checked(labels, scores)
    if positive.all() or not positive.any():
        return None, None
    order = np.argsort(values, kind="stable")
    starts = _groups_of_ties(values[order])
    truth = positive[order].astype(np.float64)
    if groups is None:
        member = np.arange(len(order))
    else:
        keys = np.asarray(groups)
        if keys.shape != values.shape:
            raise ValueError("groups must be as long as labels")
        member = np.unique(keys, return_inverse=True)[1][order]
    n_groups = int(member.max()) + 1
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(draws):
        picks = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        area = _auroc_sorted(truth, picks[member].astype(np.float64), starts)
        if area is not None:
            found.append(area)
    if 2 * len(found) <= draws:
        return None, None
    tail = (1 - level) / 2
    lower, upper = np.quantile(found, [tail, 1 - tail])
    return float(lower), float(upper)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Average precision: precision at each score, weighted by the recall gained there.

    Args:
        labels: [n] of 0/1.
        scores: [n], higher means more likely 1.
    Returns:
        0..1, or None when only one class is there.
    Raises:
        ValueError: as `auroc`.

    Formula: sum over thresholds of (recall step) x precision, ties taken together;
    scikit-learn's `average_precision_score` without interpolation.

    >>> average_precision([0, 1, 1], [0.2, 0.9, 0.1])
    0.8333333333333333
    """
    positive, values = _checked(labels, scores)
    n_positive = int(positive.sum())
    if n_positive in (0, len(positive)):
        return None
    order = np.argsort(-values, kind="stable")
    ends = np.r_[_groups_of_ties(-values[order])[1:], len(order)]
    hits = np.cumsum(positive[order])[ends - 1]
    precision = hits / ends
    return float(np.sum(np.diff(np.r_[0, hits]) * precision) / n_positive)


def at_threshold(labels: ArrayLike, scores: ArrayLike, threshold: float) -> AtThreshold:
    """Precision, recall, F1, balanced accuracy and Cohen's kappa when score >= threshold means 1.

    Args:
        labels: [n] of 0/1.
        scores: [n].
        threshold: the cut.
    Returns:
        The counts and the measures. Kappa: Cohen (1960), Educ. Psychol. Meas. 20:37.
    Raises:
        ValueError: as `auroc`.
    """
    positive, values = _checked(labels, scores)
    called = values >= threshold
    tp = int(np.sum(called & positive))
    fp = int(np.sum(called & ~positive))
    fn = int(np.sum(~called & positive))
    tn = int(np.sum(~called & ~positive))
    n = len(values)
    recall = _share(tp, tp + fn)
    specificity = _share(tn, tn + fp)
    one_class = recall is None or specificity is None
    balanced = None if recall is None or specificity is None else (recall + specificity) / 2
    kappa = None
    if n and not one_class:
        chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)) / (n * n)
        kappa = ((tp + tn) / n - chance) / (1 - chance) if chance < 1 else None
    return AtThreshold(
        threshold=threshold,
        true_positives=tp,
        false_positives=fp,
        true_negatives=tn,
        false_negatives=fn,
        precision=_share(tp, tp + fp),
        recall=recall,
        f1=None if one_class else _share(2 * tp, 2 * tp + fp + fn),
        balanced_accuracy=balanced,
        kappa=kappa,
    )


def best_threshold(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """The threshold with the highest balanced accuracy (Youden's J); the lowest such score on a
    tie.

    Args:
        labels: [n] of 0/1.
        scores: [n].
    Returns:
        One of the scores, to be used as `score >= threshold`; None when only one class is there.
    Raises:
        ValueError: as `auroc`.
    """
    positive, values = _checked(labels, scores)
    n_positive = int(positive.sum())
    if n_positive in (0, len(positive)):
        return None
    order = np.argsort(values, kind="stable")
    starts = _groups_of_ties(values[order])
    hit = positive[order]
    below_positive: NDArray[np.int64] = (np.cumsum(hit) - hit)[starts]
    below_negative = starts - below_positive
    youden = below_negative / (len(positive) - n_positive) - below_positive / n_positive
    return float(values[order][starts[int(np.argmax(youden))]])


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> Calibration | None:
    """Expected calibration error over bins of equal mass.

    Args:
        labels: [n] of 0/1.
        probabilities: [n] within [0, 1].
        bins: how many bins are wanted; equal probabilities are never parted, so there may be fewer.
    Returns:
        The error and the number of bins used; None for no rows.
    Raises:
        ValueError: when a probability is outside [0, 1], or as `auroc`.

    Formula: sum over bins of (rows in bin / n) |mean label - mean probability|;
    Naeini et al. (2015), AAAI; equal mass: Nixon et al. (2019), CVPR workshops.
    """
    positive, values = _checked(labels, probabilities)
    if bins < 1:
        raise ValueError("bins must be at least 1")
    if not values.size:
        return None
    if bool(np.any((values < 0) | (values > 1))):
        raise ValueError("probabilities must lie between 0 and 1")
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    first_of_tie = np.searchsorted(ranked, ranked, side="left")
    # int64 arithmetic: a row's bin is that of the first row with the same probability.
    member = first_of_tie.astype(np.int64) * bins // len(ranked)
    starts = np.flatnonzero(np.r_[True, np.diff(member) != 0])
    gaps = np.add.reduceat(positive[order] - ranked, starts)
    return Calibration(float(np.sum(np.abs(gaps)) / len(ranked)), len(starts))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
