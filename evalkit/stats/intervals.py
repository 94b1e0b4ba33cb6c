"""Confidence intervals for one rate or one mean; comparisons with a baseline live in `baseline`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float | None, float | None]:
    """Wilson score interval of a rate.

    Args:
        successes: number of rows that count, 0 <= successes <= n.
        n: number of rows.
        level: two-sided confidence.
    Returns:
        (lower, upper) within [0, 1]; (None, None) when n is 0.
    Raises:
        ValueError: when the counts or the level are impossible.

    Formula: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n); Wilson (1927), JASA 22:209.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    >>> wilson(0, 0)
    (None, None)
    """
    if n == 0 and successes == 0:
        _check_level(level)
        return None, None
    lower, upper = wilson_many([successes], [n], level)
    return float(lower[0]), float(upper[0])


def wilson_many(
    successes: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson score intervals of many rates at once.

    Args:
        successes: [k] numbers of rows that count.
        n: [k] numbers of rows.
        level: two-sided confidence.
    Returns:
        (lower [k], upper [k]); NaN where n is 0 (the caller writes NULL).
    Raises:
        ValueError: when any count or the level is impossible.
    """
    _check_level(level)
    hits = np.asarray(successes, dtype=np.float64)
    size = np.asarray(n, dtype=np.float64)
    if not bool(np.all((hits >= 0) & (hits <= size))):
        raise ValueError("successes must lie between 0 and n")
    z = float(stats.norm.ppf(0.5 + level / 2))
    filled = np.where(size > 0, size, 1.0)
    rate = hits / filled
    centre = rate + z * z / (2 * filled)
    half = z * np.sqrt(rate * (1 - rate) / filled + z * z / (4 * filled * filled))
    scale = 1 + z * z / filled
    # The exact ends are 0 and 1 there; rounding would leave 1e-17 and 0.9999.
    lower = np.where(hits == 0, 0.0, np.maximum(0.0, (centre - half) / scale))
    upper = np.where(hits == size, 1.0, np.minimum(1.0, (centre + half) / scale))
    return np.where(size > 0, lower, np.nan), np.where(size > 0, upper, np.nan)


def mean_interval(
    n: int, mean: float, variance: float | None, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Student t interval of a mean.

    Args:
        n: number of rows.
        mean: their mean.
        variance: their sample variance (divisor n - 1).
        level: two-sided confidence.
    Returns:
        (lower, upper); (None, None) when n < 2 or the variance is unknown.
    Raises:
        ValueError: when the variance is negative or the level impossible.

    Formula: mean ± t(n-1) sqrt(variance / n); Student (1908), Biometrika 6:1.

    >>> [round(bound, 3) for bound in mean_interval(4, 10.0, 4.0)]
    [6.818, 13.182]
    """
    _check_level(level)
    if n < 2 or variance is None or math.isnan(variance):
        return None, None
    lower, upper = mean_interval_many([n], [mean], [variance], level)
    return float(lower[0]), float(upper[0])


def mean_interval_many(
    n: ArrayLike, mean: ArrayLike, variance: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Student t intervals of many means at once.

    Args:
        n: [k] numbers of rows.
        mean: [k] means.
        variance: [k] sample variances; NaN where unknown.
        level: two-sided confidence.
    Returns:
        (lower [k], upper [k]); NaN where n < 2 or the variance is unknown.
    Raises:
        ValueError: when a variance is negative or the level impossible.
    """
    _check_level(level)
    size = np.asarray(n, dtype=np.float64)
    centre = np.asarray(mean, dtype=np.float64)
    spread = np.asarray(variance, dtype=np.float64)
    if bool(np.any(spread < 0)):
        raise ValueError("variance must not be negative")
    known = size >= 2
    filled = np.where(known, size, 2.0)
    half = stats.t.ppf(0.5 + level / 2, filled - 1) * np.sqrt(spread / filled)
    half = np.where(known, half, np.nan)
    return centre - half, centre + half
