"""How well a score agrees with 0/1 labels once it is cut, or ranked; probabilities are judged in
`reliability`, and nothing is fitted here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.resampling import Statistic, intervals


@dataclass(frozen=True)
class AtThreshold:
    """Agreement once scores are cut at a threshold; a measure without a denominator is None.

    The counts are whole numbers, unless rows were weighted.
    """

    threshold: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    kappa: float | None


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels as bool [n] and scores as float64 [n].

    Raises:
        ValueError: a label is neither 0 nor 1, a score is NaN, or they are not equally long.
    """
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
    return auroc_by_weight(labels, scores)(np.ones(np.shape(labels)))


def auroc_by_weight(labels: ArrayLike, scores: ArrayLike) -> Statistic:
    """The AUROC as a function of row weights (float64 [n]); sorted once, for resampling.

    Raises:
        ValueError: as `auroc`.
    """
    positive, values = checked(labels, scores)
    if not positive.size:
        return lambda _: None
    order = np.argsort(values, kind="stable")
    starts = _groups_of_ties(values[order])
    truth = positive[order].astype(np.float64)
    return lambda weight: _auroc_sorted(truth, weight[order], starts)


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

    Method: see `resampling.intervals`.
    """
    positive, values = checked(labels, scores)
    if positive.all() or not positive.any():
        return None, None
    keys = np.arange(len(values)) if groups is None else np.asarray(groups)
    if keys.shape != values.shape:
        raise ValueError("groups must be as long as labels")
    area = auroc_by_weight(positive, values)
    found = intervals(
        lambda weight: {"auroc": area(weight)}, keys, level=level, draws=draws, seed=seed
    )
    return found["auroc"]


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
    return average_precision_by_weight(labels, scores)(np.ones(np.shape(labels)))


def average_precision_by_weight(labels: ArrayLike, scores: ArrayLike) -> Statistic:
    """Average precision as a function of row weights (float64 [n]); sorted once, for resampling.

    Raises:
        ValueError: as `auroc`.
    """
    positive, values = checked(labels, scores)
    if not positive.size:
        return lambda _: None
    order = np.argsort(-values, kind="stable")
    ends = np.r_[_groups_of_ties(-values[order])[1:], len(order)] - 1
    truth = positive[order]

    def weighted(weight: NDArray[np.float64]) -> float | None:
        ranked = weight[order]
        hits, seen = np.cumsum(ranked * truth)[ends], np.cumsum(ranked)[ends]
        if hits[-1] in (0, seen[-1]):
            return None
        precision = hits / np.where(seen > 0, seen, 1.0)
        return float(np.sum(np.diff(np.r_[0.0, hits]) * precision) / hits[-1])

    return weighted


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
    positive, values = checked(labels, scores)
    called = values >= threshold
    return _measured(
        threshold,
        int(np.sum(called & positive)),
        int(np.sum(called & ~positive)),
        int(np.sum(~called & ~positive)),
        int(np.sum(~called & positive)),
    )


def cut_by_weight(
    labels: ArrayLike, scores: ArrayLike, threshold: float
) -> Callable[[NDArray[np.float64]], AtThreshold]:
    """`at_threshold` as a function of row weights (float64 [n]), for resampling.

    Raises:
        ValueError: as `auroc`.
    """
    positive, values = checked(labels, scores)
    called = values >= threshold
    cells = np.stack(
        [called & positive, called & ~positive, ~called & ~positive, ~called & positive]
    )
    counted = cells.astype(np.float64)
    return lambda weight: _measured(threshold, *(counted @ weight).tolist())


def _measured(threshold: float, tp: float, fp: float, tn: float, fn: float) -> AtThreshold:
    n = tp + fp + tn + fn
    recall = _share(tp, tp + fn)
    specificity = _share(tn, tn + fp)
    balanced = kappa = None
    if recall is not None and specificity is not None:
        balanced = (recall + specificity) / 2
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
        f1=None if balanced is None else _share(2 * tp, 2 * tp + fp + fn),
        balanced_accuracy=balanced,
        kappa=kappa,
    )


def best_threshold(
    labels: ArrayLike,
    scores: ArrayLike,
    by: Literal["balanced_accuracy", "f1"] = "balanced_accuracy",
) -> float | None:
    """The threshold with the highest balanced accuracy (Youden's J) or F1; the lowest such score on
    a tie.

    Args:
        labels: [n] of 0/1.
        scores: [n].
        by: the measure.
    Returns:
        One of the scores, to be used as `score >= threshold`; None when only one class is there.
    Raises:
        ValueError: as `auroc`.

    >>> best_threshold([0, 0, 1, 1, 1], [1, 2, 2, 3, 4]), best_threshold([0, 1, 1], [2, 1, 3], "f1")
    (3.0, 1.0)
    """
    positive, values = checked(labels, scores)
    n, n_positive = len(positive), int(positive.sum())
    if n_positive in (0, n):
        return None
    order = np.argsort(values, kind="stable")
    starts = _groups_of_ties(values[order])
    hit = positive[order]
    below_positive: NDArray[np.int64] = (np.cumsum(hit) - hit)[starts]
    below_negative = starts - below_positive
    if by == "f1":
        reached = 2 * (n_positive - below_positive) / (n - starts + n_positive)
    else:
        reached = below_negative / (n - n_positive) - below_positive / n_positive
    return float(values[order][starts[int(np.argmax(reached))]])


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
