"""The share of rows that deserve a verdict, from scores of all rows and verdicts of a few; which rows to ask about
is not chosen here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from scipy.special import expit, logit

__all__ = ["Prevalence", "labels_alone", "prevalence"]

Vector = NDArray[np.float64]
Basis = Literal["scores_and_labels", "labels_alone"]

#: Scores nearer to 0 or 1 than this are equally sure: a logarithm must not make one of them the whole fit.
_SUREST = 1e-4
#: Precision of the calibration's slope around 0, on scores of unit spread: few labels must not make a useless score
#: look useful. Worth about four labels.
_SLOPE_PRECISION = 1.0
#: How many labels' worth the model's own variance weighs against that of the labels at hand.
_MODEL_WEIGHT = 20.0
#: Below this many labels no slope is fitted.
_LEAST_FOR_SLOPE = 20
#: Shifts of the log odds beyond which a rate is 0 or 1.
_FURTHEST = 60.0


@dataclass(frozen=True)
class Prevalence:
    """A rate with its interval, all in [0, 1].

    Attributes:
        rate: the estimate.
        lower, upper: its interval; it holds `rate`.
        n_labels: verdicts that it rests on.
        basis: whether the scores narrowed the interval, or the labels did it alone.
    """

    rate: float
    lower: float
    upper: float
    n_labels: int
    basis: Basis

    @property
    def width(self) -> float:
        return self.upper - self.lower


@dataclass(frozen=True)
class _Labels:
    """Verdicts in an order of their own, so that the same labels give the same bytes.

    Attributes:
        verdict: float64 [n] of 0 and 1.
        x: float64 [n], log odds of the scores, of zero mean and unit spread over the population.
        weight: float64 [n], inverse inclusion probabilities, summing to 1.
        noise: float64 [n], each label's share of the variance: weight^2 (1 - inclusion probability).
    """

    verdict: Vector
    x: Vector
    weight: Vector
    noise: Vector

    @property
    def effective(self) -> float:
        """How many equally weighted labels weigh as much; Kish (1965), Survey Sampling, 11.2."""
        return float(1 / (self.weight @ self.weight))

    @property
    def rate(self) -> float:
        # Weights sum to 1 but for rounding, and a rate of 1 must be 1.
        return 1.0 if self.verdict.all() else float(self.weight @ self.verdict)


def prevalence(
    verdicts: ArrayLike,
    scores: ArrayLike,
    population: ArrayLike,
    counts: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    level: float = 0.95,
) -> Prevalence | None:
    """How many of all rows deserve the verdict 1, from the scores of all and the verdicts of a few.

    Args:
        verdicts: [n] of 0/1, the labelled rows.
        scores: [n] in [0, 1], the scores of the same rows; higher means more likely 1.
        population: [k] scores in [0, 1] of all rows, the labelled ones among them.
        counts: [k] rows with each of these scores; without them one each.
        probabilities: [n] in (0, 1], how likely each labelled row was to be drawn. Without them the labels count as
            an equal-probability sample of a population without end.
        level: two-sided confidence.
    Returns:
        The rate; None without labels. Never wider than the labels alone give.
    Raises:
        ValueError: lengths that differ, or values out of their range.

    The score is calibrated on the labels (logistic, weighted by inverse inclusion probabilities, the slope shrunk
    towards 0), and the rate is the mean calibrated score of all rows. As the intercept is free, the weighted residuals
    of the labels sum to 0, so the mean needs no further correction: this is the difference estimator of
    prediction-powered inference (Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453), with the calibrated score as its
    prediction and the shrunk slope as its power tuning; in survey sampling the logistic generalised regression
    estimator (Lehtonen and Veijanen 1998, Survey Methodology 24:51).

    The interval holds every rate that a score test does not refuse, as Wilson's does: the log odds of all rows are
    shifted until they mean that rate, and its variance there, the sum of noise p (1 - p) over the labels, is what the
    estimate is compared with. So it stays in [0, 1], is honest with few or no positives, and is Wilson's interval when
    the score is useless. The variance is corrected by what the labels' residuals really are; Student's t.

    >>> found = prevalence([0, 1] * 20, [0.2, 0.8] * 20, [0.2, 0.8], [900, 100])
    >>> 0.05 < found.lower < found.rate < found.upper < 0.25
    True
    """
    labels, x, rows = _prepared(verdicts, scores, population, counts, probabilities)
    if not labels.verdict.size:
        return None
    alone = _by_labels(labels, level)
    fitted = _calibrated(labels)
    if fitted is None:
        return alone
    intercept, slope = fitted
    odds, odds_all = intercept + slope * labels.x, intercept + slope * x
    share = rows / rows.sum()
    rate = float(share @ expit(odds_all))
    dof = labels.effective - 2
    critical = float(stats.t.ppf(0.5 + level / 2, dof)) ** 2
    critical *= _inflation(labels, expit(odds), dof)
    lower, upper = _inverted(rate, odds_all, share, odds, labels.noise, critical)
    found = Prevalence(
        rate, min(lower, rate), max(upper, rate), alone.n_labels, "scores_and_labels"
    )
    return found if found.width < alone.width else alone


def labels_alone(
    verdicts: ArrayLike, probabilities: ArrayLike | None = None, level: float = 0.95
) -> Prevalence | None:
    """The rate from the labels alone: Wilson's interval, for weights, for drawing without replacement, and with
    Student's t, since few labels have to do.

    Args:
        verdicts: [n] of 0/1.
        probabilities: [n] in (0, 1], as in `prevalence`.
        level: two-sided confidence.
    Returns:
        The rate; None without labels.
    Raises:
        ValueError: as `prevalence`.

    >>> found = labels_alone([1] * 8 + [0] * 2)
    >>> round(found.lower, 3), round(found.rate, 3), round(found.upper, 3)
    (0.439, 0.8, 0.953)
    """
    given = np.asarray(verdicts, dtype=np.float64)
    middle = np.full(given.shape, 0.5)
    labels, _, _ = _prepared(
        given, middle, middle[:1] if given.size else [0.5], None, probabilities
    )
    return _by_labels(labels, level) if given.size else None


def _by_labels(labels: _Labels, level: float) -> Prevalence:
    rate = labels.rate
    dof = max(labels.effective - 1, 1.0)
    critical = float(stats.t.ppf(0.5 + level / 2, dof)) ** 2
    critical *= _inflation(labels, np.full(labels.verdict.shape, rate), dof)
    # Wilson's formula with `noise` for 1 / n.
    critical *= float(labels.noise.sum())
    centre, spread = rate + critical / 2, critical * rate * (1 - rate) + critical * critical / 4
    lower, upper = ((centre + side * math.sqrt(spread)) / (1 + critical) for side in (-1, 1))
    return Prevalence(
        rate,
        0.0 if rate == 0 else min(max(0.0, lower), rate),
        1.0 if rate == 1 else max(min(1.0, upper), rate),
        len(labels.verdict),
        "labels_alone",
    )


def _prepared(
    verdicts: ArrayLike,
    scores: ArrayLike,
    population: ArrayLike,
    counts: ArrayLike | None,
    probabilities: ArrayLike | None,
) -> tuple[_Labels, Vector, Vector]:
    """Labels and population, checked; the population's scores on the labels' scale; its counts."""
    verdict, score = _row(verdicts, "verdicts"), _row(scores, "scores")
    everyone = _row(population, "population")
    rows = np.ones(everyone.shape) if counts is None else np.asarray(counts, dtype=np.float64)
    sampled = probabilities is not None
    chance = (
        np.ones(verdict.shape) if probabilities is None else _row(probabilities, "probabilities")
    )
    if verdict.shape != score.shape or verdict.shape != chance.shape:
        raise ValueError("verdicts, scores and probabilities must be equally long")
    if everyone.shape != rows.shape or not rows.sum() > 0 or bool(np.any(rows < 0)):
        raise ValueError("counts must be as long as the population, not negative, and not all 0")
    if not bool(np.all((verdict == 0) | (verdict == 1))):
        raise ValueError("verdicts must be 0 or 1; leave rows without one out")
    if not bool(np.all(chance > 0)):
        raise ValueError("probabilities must be above 0")
    everyone, score = _log_odds(everyone), _log_odds(score)
    mean = float(rows @ everyone / rows.sum())
    spread = math.sqrt(float(rows @ (everyone - mean) ** 2 / rows.sum()))
    scale = spread if spread > 1e-9 else math.inf  # no spread: nothing to learn from
    order = np.lexsort((chance, verdict, score))
    weight = 1 / chance[order]
    weight = weight / weight.sum() if weight.size else weight
    left = 1 - chance[order] if sampled else np.ones(verdict.shape)
    labels = _Labels(verdict[order], (score[order] - mean) / scale, weight, weight * weight * left)
    return labels, (everyone - mean) / scale, rows


def _row(values: ArrayLike, name: str) -> Vector:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not bool(np.all((row >= 0) & (row <= 1))):
        raise ValueError(f"{name} must be one row of numbers between 0 and 1")
    return row


def _log_odds(scores: Vector) -> Vector:
    odds: Vector = logit(np.clip(scores, _SUREST, 1 - _SUREST))
    return odds


def _calibrated(labels: _Labels) -> tuple[float, float] | None:
    """Intercept and slope of the penalised logistic fit; None when the score does not help."""
    if labels.effective < _LEAST_FOR_SLOPE or not 0 < labels.rate < 1 or not labels.x.any():
        return None
    x, weight = labels.x, labels.weight * labels.effective
    intercept, slope = float(logit(labels.rate)), 0.0
    for _ in range(
        100
    ):  # Newton's method; steps are cut, as a separable sample is far from its start
        p = expit(intercept + slope * x)
        gap, bend = weight * (labels.verdict - p), weight * p * (1 - p)
        up = np.array([gap.sum(), gap @ x - _SLOPE_PRECISION * slope])
        cross = bend @ x
        matrix = np.array([[bend.sum(), cross], [cross, bend @ (x * x) + _SLOPE_PRECISION]])
        if not np.linalg.det(matrix) > 0:
            return None
        step = np.linalg.solve(matrix, up)
        largest = float(np.max(np.abs(step)))
        step *= min(1.0, 2.0 / largest) if largest > 0 else 0.0
        intercept, slope = intercept + float(step[0]), slope + float(step[1])
        if largest < 1e-10:
            break
    return (intercept, slope) if slope > 0 else None


def _inflation(labels: _Labels, p: Vector, dof: float) -> float:
    """The variance that the residuals show, over the one that the probabilities say; drawn towards 1 for few labels."""
    said = float(labels.noise @ (p * (1 - p)))
    if not said > 0:
        return 1.0
    shown = float(labels.noise @ (labels.verdict - p) ** 2) * labels.effective / dof
    n = labels.effective
    return (n * shown / said + _MODEL_WEIGHT) / (n + _MODEL_WEIGHT)


def _inverted(
    rate: float, odds_all: Vector, share: Vector, odds: Vector, noise: Vector, critical: float
) -> tuple[float, float]:
    """The lowest and the highest rate that the estimate does not refuse."""

    def mean(shift: float) -> float:
        return float(share @ expit(odds_all + shift))

    def refused(shift: float) -> float:
        p = expit(odds + shift)
        return (rate - mean(shift)) ** 2 - critical * float(noise @ (p * (1 - p)))

    if not critical * noise.sum() > 0:  # every row is labelled
        return rate, rate
    ends = []
    for side, limit in ((-1.0, 0.0), (1.0, 1.0)):
        far = side
        while refused(far) <= 0 and abs(far) < _FURTHEST:
            far *= 2
        ends.append(
            mean(optimize.brentq(refused, *sorted((0.0, far)))) if refused(far) > 0 else limit
        )
    return ends[0], ends[1]
