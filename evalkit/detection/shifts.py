"""The test of one series: is its newest night, or are its newest nights, off the normal level; what
to say of it is decided elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from evalkit.detection.series import Series
from evalkit.metrics import Metric
from evalkit.stats.baseline import Change, Expected, compare, expect
from evalkit.stats.histograms import Scale

__all__ = ["Shift", "began", "scale_of", "shift"]

#: The exact test of rates costs time with every row; with more rows than this, t is as good.
_EXACT_ROWS = 5000
#: Only p-values below this can matter after the adjustment for many tests: others are not refined.
_REFINE_BELOW = 0.2
#: The glance before the full test may be off by this much.
_GLANCE = 0.8
#: How many nights back the beginning of a change is looked for.
_SEARCH_NIGHTS = 14


@dataclass(frozen=True)
class Shift:
    """How far a window of nights is from what its series was before.

    Attributes:
        series: what moved.
        window: nights in the window, the last of which is the night under test.
        change: the comparison on the metric's scale.
        expected: what it was compared with.
        p_value: two-sided, the largest of the tests that apply.
        n: scored rows in the window.
        today: effect of the last night alone, on the metric's scale.
    """

    series: Series
    window: int
    change: Change
    expected: Expected
    p_value: float
    n: int
    today: float

    @property
    def effect(self) -> float:
        return self.change.effect

    @property
    def strength(self) -> float:
        """The effect in standard deviations of single rows, without sign."""
        return abs(self.change.standardised or 0.0)


def scale_of(metric: Metric) -> Scale:
    """The histogram scale of a metric."""
    return "log" if metric.scale == "log" else "unit"


def shift(
    series: Series,
    baseline: Series,
    target: Series,
    metric: Metric,
    at_least: float = 0.0,
    p_at_most: float = 1.0,
) -> Shift | None:
    """Test a window of nights against a baseline.

    Args:
        series: the whole series, for reference.
        baseline: its normal days before the window.
        target: the window's nights, the last of which is the night under test; each has rows.
        metric: for the scale and the kind of values.
        at_least: effects below this (on the metric's scale) do not matter.
        p_at_most: p-values above this do not matter.
    Returns:
        The shift, or None when the baseline is too short or what is seen cannot matter.

    p is the larger of Student's t on the level (`stats.baseline`), which knows noise from day to
    day (for shares with the variance of rows that the expected rate implies), and of a test that
    knows the shape of the rows: for shares the beta-binomial law with the same variance of the rate
    (Skellam 1948, JRSS B 10:257), else Pearson's type III law with the skewness of a mean of n rows
    (Pearson 1895, Phil. Trans. A 186:343). Small segments and rare events need it: there the tails
    of a mean are far from normal.
    """
    if _hopeless(baseline, target, at_least, p_at_most):
        return None
    expected = expect(baseline.days, baseline.n, baseline.level, baseline.variance, target.days)
    if expected is None:
        return None
    change = compare(target.n, target.level, target.variance, expected, level=0.95)
    if metric.unit == "share":
        p_value = _rate_t(target, change, expected)
        if p_value < _REFINE_BELOW:
            p_value = max(p_value, _rate_p(baseline, target, expected))
    else:
        p_value = change.p_value
        if p_value < _REFINE_BELOW:
            p_value = max(p_value, _skewed_p(baseline, target, change, expected, metric))
    today = float(target.level[-1] - expected.target_means[-1])
    return Shift(series, len(target.days), change, expected, p_value, int(target.n.sum()), today)


def _hopeless(baseline: Series, target: Series, at_least: float, p_at_most: float) -> bool:
    """Whether a glance shows that the full test, which costs a millisecond, cannot matter.

    The expectation lies between the mean of all days and that of the weekday, each weighted by rows
    or not, and the noise is at least that of single rows.
    """
    if not baseline.n.sum() or not target.n.sum():
        return True
    edges: list[float] = []
    weekday = baseline.days[:, None] % 7 == target.days[None, :] % 7
    for mask in (np.ones(len(baseline.days), dtype=np.bool_), weekday.any(axis=1)):
        if mask.any():
            edges.append(float(baseline.level[mask].mean()))
            edges.append(float(np.average(baseline.level[mask], weights=baseline.n[mask])))
    seen = (float(target.level.mean()), float(np.average(target.level, weights=target.n)))
    farthest = max(abs(one - edge) for one in seen for edge in edges)
    known = (baseline.n >= 2) & np.isfinite(baseline.variance)
    if p_at_most >= 1.0 or not known.any():
        return farthest < at_least * _GLANCE
    rows = float(np.average(baseline.variance[known], weights=baseline.n[known] - 1))
    least_error = math.sqrt(rows / float(target.n.sum()))
    needed = float(special.ndtri(1 - p_at_most / 2))
    return farthest < _GLANCE * max(at_least, needed * least_error)


def _rate_t(target: Series, change: Change, expected: Expected) -> float:
    """Two-sided t of a rate, with the variance of rows that the expected rate has.

    The variance of the night itself grows with the very change that is looked for: a provider that
    never failed and fails in half of the calls would hide behind it.
    """
    rate = min(max(change.before, 0.0), 1.0)
    n = float(target.n.sum())
    noise = expected.tau2 / len(target.days) + max(rate * (1 - rate), 0.5 / n) / n
    error = math.sqrt(noise + expected.variance_of_expectation)
    return float(2 * stats.t.sf(abs(change.effect) / error, expected.df))


def _rate_p(baseline: Series, target: Series, expected: Expected) -> float:
    """Two-sided p of a count of events under a rate that itself varies (beta-binomial)."""
    n = int(target.n.sum())
    if n > _EXACT_ROWS:
        return 0.0
    seen = float(baseline.n.sum())
    hits = round(float(target.n @ target.level))
    rate = (min(max(expected.mean, 0.0), 1.0) * seen + 0.5) / (seen + 1.0)
    spread = expected.tau2 / len(target.days) + expected.variance_of_expectation
    spread = max(spread, rate * (1 - rate) / (seen + 2.0))
    size = max(rate * (1 - rate) / spread - 1.0, 0.5)
    a, b = rate * size, (1 - rate) * size
    k = np.arange(n + 1, dtype=np.float64)
    log_mass = (
        special.gammaln(n + 1)
        - special.gammaln(k + 1)
        - special.gammaln(n - k + 1)
        + special.betaln(k + a, n - k + b)
        - special.betaln(a, b)
    )
    mass = np.exp(log_mass)
    return float(min(1.0, 2 * min(mass[: hits + 1].sum(), mass[hits:].sum())))


def _skewed_p(
    baseline: Series, target: Series, change: Change, expected: Expected, metric: Metric
) -> float:
    if change.statistic is None:
        return 0.0
    error = abs(change.effect / change.statistic) if change.statistic else 0.0
    skewness = baseline.skewness(scale_of(metric))
    if error <= 0 or skewness == 0.0:
        return 0.0
    weight = target.n / target.n.sum()
    third = skewness * expected.row_variance**1.5 * float(np.sum(weight**3 / target.n**2))
    of_mean = third / error**3
    if abs(of_mean) < 1e-3:
        return 0.0
    law = stats.pearson3(of_mean)
    tail = law.sf(change.statistic) if change.statistic > 0 else law.cdf(change.statistic)
    return float(min(1.0, 2 * tail))


def began(baseline: Series, series: Series, found: Shift, day: int, first: int) -> int:
    """The night on which a change most likely began.

    Args:
        baseline: normal days of the series (those before the nights searched are used).
        series: the whole series.
        found: the shift that was found.
        day: ordinal of the night under test.
        first: no earlier than this ordinal.
    Returns:
        Day ordinal. The likelihood-ratio statistic of a step,
        max over s of (sum over i >= s of w_i r_i)² / sum w_i, with residuals r_i against the level
        before and w_i = 1 / (tau2 + s2 / n_i); Hinkley (1970), Biometrika 57:1.
    """
    fallback = day - found.window + 1
    start = max(first, day - _SEARCH_NIGHTS + 1)
    nights = series.where((series.days >= start) & (series.days <= day) & (series.n > 0))
    before = baseline.where(baseline.days < start)
    expected = expect(before.days, before.n, before.level, before.variance, nights.days)
    if expected is None:
        return fallback
    noise = expected.tau2 + np.maximum(
        np.nan_to_num(nights.variance, nan=0.0), expected.row_variance
    ) / np.maximum(nights.n, 1.0)
    weight = 1.0 / np.maximum(noise, 1e-12)
    residual = (nights.level - expected.target_means) * math.copysign(1.0, found.effect)
    sums = np.cumsum((weight * residual)[::-1])[::-1]
    score = np.where(sums > 0, sums, 0.0) ** 2 / np.cumsum(weight[::-1])[::-1]
    if not len(score) or score.max() <= 0:
        return fallback
    return int(nights.days[int(np.argmax(score))])
