"""What a daily metric should have been, from its earlier days, and how far a day is from that;
which metric matters is decided elsewhere.

The model of a day's mean: m_i = mu + weekday_i + day_i + sampling_i, with
    weekday ~ (0, omega2)     shrunk by empirical Bayes: few weeks of history pull towards 0,
    day_i ~ (0, tau2)         real change from day to day that no number of rows averages out,
    sampling_i ~ (0, s2/n_i)  s2 the pooled variance of rows within a day.
A test that leaves tau2 out calls every busy day an alarm; that is why it is here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Vector = NDArray[np.float64]

MIN_DAYS = 4
# Below this many degrees of freedom, weekday effects cannot be told from day noise: the weekday
# variance then stays inside tau2, which widens the interval instead of guessing the weekly shape.
MIN_WEEKDAY_DF = 5


@dataclass(frozen=True)
class Expected:
    """The level to expect on the target day or window.

    Attributes:
        mean: expected level (plain average over the days of a window).
        variance_of_expectation: of that mean; does not hold the target's own noise.
        tau2: variance of true day levels about the expectation.
        days: days of history used.
        df: degrees of freedom of tau2, for the t reference.
        row_variance: pooled variance of rows within a day.
        target_means: [k] expected level of each target day.
        target_covariance: [k, k] covariance of those.
    """

    mean: float
    variance_of_expectation: float
    tau2: float
    days: int
    df: int
    row_variance: float
    target_means: Vector
    target_covariance: Vector


@dataclass(frozen=True)
class Change:
    """How far the target is from its expectation.

    Attributes:
        before, after: expected and observed level, in the metric's unit.
        effect: after - before.
        lower, upper: interval of the effect.
        statistic: effect over its standard error; None when there is no noise at all.
        p_value: two-sided.
        standardised: effect in standard deviations of single rows (Cohen's d); None without spread.
    """

    before: float
    after: float
    effect: float
    lower: float
    upper: float
    statistic: float | None
    p_value: float
    standardised: float | None


def expect(
    days: ArrayLike,
    n: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    target: int | ArrayLike,
) -> Expected | None:
    """Expected level of a metric on a target day, or on each day of a target window.

    Args:
        days: [h] day ordinals of the history (any fixed count of days; equal modulo 7 = same
        weekday).
        n: [h] rows behind each day.
        mean: [h] means of those rows.
        variance: [h] sample variances of those rows; NaN where unknown (n < 2).
        target: the day ordinal, or [k] ordinals of a window. A window of several days finds slow
            shifts that no single day shows: its days are averaged, and since they share one
            expectation, the error of that expectation is counted once and not k times.
            History must end before the window starts, or the shift hides in its own baseline.
    Returns:
        The expectation, or None when fewer than MIN_DAYS days have rows.
    Raises:
        ValueError: on unequal lengths, or a target day that is also in the history.

    Formulas: tau2 by the two-step moment estimator of DerSimonian and Kacker (2007), Contemp. Clin.
    Trials 28:105 (a DerSimonian-Laird step from equal weights), cut at 0; omega2 by the same
    moments of the fit without weekdays; expectation and its covariance by best linear unbiased
    prediction,
    Robinson (1991), Statistical Science 6:15.
    """
    day = np.asarray(days, dtype=np.int64)
    size = np.asarray(n, dtype=np.float64)
    level = np.asarray(mean, dtype=np.float64)
    spread = np.asarray(variance, dtype=np.float64)
    goal = np.atleast_1d(np.asarray(target, dtype=np.int64))
    if not day.shape == size.shape == level.shape == spread.shape or day.ndim != 1:
        raise ValueError("days, n, mean and variance must be equally long rows")
    if goal.size == 0:
        raise ValueError("target must name at least one day")
    if np.intersect1d(day, goal).size:
        raise ValueError("a target day must not be part of its own history")
    used = (size > 0) & np.isfinite(level)
    day, size, level, spread = day[used], size[used], level[used], spread[used]
    if len(day) < MIN_DAYS:
        return None

    row_variance = _pooled(size, spread)
    sampling = row_variance / size
    same = (day[:, None] % 7 == day[None, :] % 7).astype(np.float64)
    ones = np.ones((len(day), 1))
    weekdays = np.unique(day % 7)
    indicator = (day[:, None] % 7 == weekdays[None, :]).astype(np.float64)
    df = len(day) - len(weekdays)
    if df >= MIN_WEEKDAY_DF and len(weekdays) > 1:
        tau2, _ = _tau2(indicator, level, sampling)
        omega2 = _omega2(level, sampling, tau2, same)
        # A weekday spread below its own error cannot be seen; taking it as 0 would let the true
        # weekday effects, which tau2 leaves out, pass for alarms.
        noise = tau2 + float(np.mean(sampling))
        omega2 = max(omega2, noise * len(weekdays) / len(day))
    else:
        df = len(day) - 1
        tau2, _ = _tau2(ones, level, sampling)
        omega2 = 0.0

    total = np.diag(tau2 + sampling) + omega2 * same
    cross = omega2 * (goal[:, None] % 7 == day[None, :] % 7)
    prior = omega2 * (goal[:, None] % 7 == goal[None, :] % 7)
    inverse = _inverse(tau2 + sampling, omega2, same) if np.any(total) else np.eye(len(day))
    information = float((ones.T @ inverse @ ones)[0, 0])
    centre = float((ones.T @ inverse @ level)[0]) / information
    gain = cross @ inverse
    means = centre + gain @ (level - centre)
    left = 1.0 - gain @ ones
    scale = 1.0 / information if np.any(total) else 0.0
    covariance = prior - gain @ cross.T + (left @ left.T) * scale
    covariance = (covariance + covariance.T) / 2
    k = len(goal)
    return Expected(
        mean=float(means.mean()),
        variance_of_expectation=max(0.0, float(covariance.sum()) / (k * k)),
        tau2=tau2,
        days=len(day),
        df=df,
        row_variance=row_variance,
        target_means=means,
        target_covariance=covariance,
    )


def compare(
    day_n: float | ArrayLike,
    day_mean: float | ArrayLike,
    day_variance: float | ArrayLike,
    expected: Expected,
    level: float = 0.99,
) -> Change:
    """Compare the target day, or window, with what was expected.

    Args:
        day_n: rows of the target day, or [k] of the window's days.
        day_mean: their means.
        day_variance: their sample variances; NaN where unknown.
        expected: from `expect`, for the same day or days.
        level: confidence of the interval.
    Returns:
        The change. The days of a window are weighted by 1 / (tau2 + sampling variance).
    Raises:
        ValueError: when the days do not match the expectation, or a day has no rows.

    Formula: effect / sqrt(sum a_j² (tau2 + s2_j / n_j) + a' C a) against Student's t with the
    degrees of freedom of tau2, as in the prediction interval of Higgins, Thompson and
    Spiegelhalter (2009), JRSS A 172:137.
    """
    size = np.atleast_1d(np.asarray(day_n, dtype=np.float64))
    seen = np.atleast_1d(np.asarray(day_mean, dtype=np.float64))
    spread = np.atleast_1d(np.asarray(day_variance, dtype=np.float64))
    if not size.shape == seen.shape == spread.shape == expected.target_means.shape:
        raise ValueError("the target's days must be those of the expectation")
    if not (bool(np.all(size > 0)) and bool(np.all(np.isfinite(seen)))):
        raise ValueError(
            "each target day needs rows and a mean; leave empty days out of the window"
        )
    # The larger of both: a rate that was always 0 has no spread in history, and the first
    # failure must not count as infinitely far from it.
    own = np.maximum(np.nan_to_num(spread, nan=0.0), expected.row_variance)
    noise = expected.tau2 + own / size
    weight = 1.0 / noise if bool(np.all(noise > 0)) else np.ones_like(noise)
    weight = weight / weight.sum()
    before = float(weight @ expected.target_means)
    after = float(weight @ seen)
    effect = after - before
    variance = float(weight**2 @ noise + weight @ expected.target_covariance @ weight)
    error = math.sqrt(max(0.0, variance))
    rows = float(np.sqrt(np.average(own, weights=size)))
    standardised = effect / rows if rows > 0 else None
    # Rounding of equal numbers is no change.
    if error <= 1e-12 * max(abs(before), abs(after), 1e-300):
        same = math.isclose(before, after, rel_tol=1e-9)
        return Change(
            before, after, effect, effect, effect, None, 1.0 if same else 0.0, standardised
        )
    statistic = effect / error
    half = float(stats.t.ppf(0.5 + level / 2, expected.df)) * error
    return Change(
        before=before,
        after=after,
        effect=effect,
        lower=effect - half,
        upper=effect + half,
        statistic=statistic,
        p_value=float(2 * stats.t.sf(abs(statistic), expected.df)),
        standardised=standardised,
    )


def _pooled(size: Vector, spread: Vector) -> float:
    """Pooled variance of rows within days. One figure for all days, since a day's own variance goes
    with its mean for rates, and weights made of it would bias the mean."""
    known = (size >= 2) & np.isfinite(spread)
    if not bool(known.any()):
        return 0.0
    return float(np.sum((size[known] - 1) * spread[known]) / np.sum(size[known] - 1))


def _inverse(noise: Vector, omega2: float, same: Vector) -> Vector:
    """Of diag(noise) + omega2 * same, where `same` is 1 within a weekday: each weekday is a block with
    one shared term, which Sherman and Morrison (1950) invert without a factorisation."""
    if not bool(np.all(noise > 0)):
        covariance = np.diag(noise) + omega2 * same
        return np.asarray(np.linalg.pinv(covariance, hermitian=True), dtype=np.float64)
    precision = 1.0 / noise
    shared = omega2 * precision / (1.0 + omega2 * (same @ precision))
    inverse: Vector = np.diag(precision) - shared[:, None] * precision[None, :] * same
    return inverse


def _moment_form(groups: Vector, weight: Vector) -> Vector:
    """A = W - W X (X'WX)^-1 X'W, so that Q = m'Am is the weighted residual sum of squares; the columns
    of X [h, g] are indicators of groups that share no day, so X'WX is diagonal."""
    weighted = weight[:, None] * groups
    form: Vector = np.diag(weight) - (weighted / weighted.sum(axis=0)) @ weighted.T
    return form


def _tau2(groups: Vector, level: Vector, sampling: Vector) -> tuple[float, Vector]:
    weight = np.ones_like(level)
    tau2 = 0.0
    form = np.diag(weight)
    for _ in range(2):
        form = _moment_form(groups, weight)
        fitted = float(level @ form @ level)
        tau2 = max(0.0, (fitted - float(np.diag(form) @ sampling)) / float(np.trace(form)))
        noise = tau2 + sampling
        if not bool(np.all(noise > 0)):
            break
        weight = float(noise.mean()) / noise
    return tau2, form


def _omega2(level: Vector, sampling: Vector, tau2: float, same: Vector) -> float:
    noise = tau2 + sampling
    weight = float(noise.mean()) / noise if bool(np.all(noise > 0)) else np.ones_like(noise)
    form = _moment_form(np.ones((len(level), 1)), weight)
    excess = float(level @ form @ level) - float(np.diag(form) @ noise)
    divisor = float(np.sum(form * same))
    return max(0.0, excess / divisor) if divisor > 1e-12 else 0.0
