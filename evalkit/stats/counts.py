"""Is an hour's count too low for that hour; daily levels live in `baseline`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Vector = NDArray[np.float64]

MIN_HISTORY = 5
# Same-weekday days needed before the hour is compared with its own weekday only.
MIN_SAME_WEEKDAY = 3
OUTLIER_DISTANCE = 5.0
MAX_OUTLIER_SHARE = 0.25


@dataclass(frozen=True)
class CountCheck:
    """How an hour's count compares with earlier counts of that hour.

    Attributes:
        observed: the count.
        mean, median: of the predictive distribution.
        p_value: P(X <= observed).
        history: earlier hours used.
        dropped: earlier hours left out as outliers.
        by_weekday: whether the expectation is that of the weekday.
    """

    observed: int
    mean: float
    median: float
    p_value: float
    history: int
    dropped: int
    by_weekday: bool


def lower_tail(
    observed: int,
    history: ArrayLike,
    *,
    weekdays: ArrayLike | None = None,
    weekday: int | None = None,
) -> CountCheck | None:
    """Chance of a count this low, given earlier counts of the same hour of the day.

    Args:
        observed: this hour's count.
        history: [h] earlier counts of the same hour, one a day.
        weekdays: [h] weekday of each (any code), to follow the week once there are enough weeks.
        weekday: that of the observed hour.
    Returns:
        The check, or None when fewer than MIN_HISTORY earlier hours are known.
    Raises:
        ValueError: on negative counts or unequal lengths.

    Formula: counts are Poisson about a rate that varies from day to day by a gamma law, so the
    predictive law is negative binomial with variance m + phi m² + Var(m estimated);
    phi by moments, phi = sum((x - m)² - (1 - 1/k) m) / sum((1 - 1/k) m²), never negative
    (Clark and Perry 1989, Biometrics 45:309). A gap or a spike in the history, more than
    OUTLIER_DISTANCE robust deviations off, is left out, so that last week's outage does not excuse
    this week's; when more than a quarter looks like that, it is the shape of the traffic and stays.

    >>> check = lower_tail(0, [40, 38, 45, 41, 39, 0, 44])
    >>> check.dropped, check.p_value < 0.001
    (1, True)
    """
    past = np.asarray(history, dtype=np.float64)
    if past.ndim != 1 or observed < 0 or bool(np.any(~(past >= 0))):
        raise ValueError("counts must be a row of numbers, none negative")
    group = np.zeros(len(past), dtype=np.int64)
    by_weekday = False
    if weekdays is not None and weekday is not None:
        codes = np.asarray(weekdays, dtype=np.int64)
        if codes.shape != past.shape:
            raise ValueError("weekdays must be as long as history")
        sizes = np.unique(codes, return_counts=True)[1]
        own = int(np.sum(codes == weekday))
        by_weekday = own >= MIN_SAME_WEEKDAY and len(past) - len(sizes) >= MIN_HISTORY
        if by_weekday:
            group = codes
    if len(past) < MIN_HISTORY:
        return None
    keep = _not_outlying(past, group)
    kept, group = past[keep], group[keep]
    mine = group == weekday if by_weekday else np.ones(len(kept), dtype=np.bool_)
    if not bool(mine.any()):
        return None
    mean, variance = _predictive(kept, group, mine)
    if variance > mean * (1 + 1e-9):
        shape = mean * mean / (variance - mean)
        law = stats.nbinom(shape, shape / (shape + mean))
    else:
        law = stats.poisson(mean)
    return CountCheck(
        observed=int(observed),
        mean=mean,
        median=float(law.median()),
        p_value=float(law.cdf(observed)),
        history=len(kept),
        dropped=int(len(past) - len(kept)),
        by_weekday=by_weekday,
    )


def _not_outlying(past: Vector, group: NDArray[np.int64]) -> NDArray[np.bool_]:
    centre = np.empty_like(past)
    for code in np.unique(group):
        centre[group == code] = np.median(past[group == code])
    # Square roots make the spread of counts nearly the same at every level (Anscombe 1948).
    distance = np.sqrt(past + 0.375) - np.sqrt(centre + 0.375)
    robust = max(0.5, 1.4826 * float(np.median(np.abs(distance))))
    keep: NDArray[np.bool_] = np.abs(distance) <= OUTLIER_DISTANCE * robust
    if int(np.sum(~keep)) > MAX_OUTLIER_SHARE * len(past):
        return np.ones(len(past), dtype=np.bool_)
    return keep


def _predictive(
    kept: Vector, group: NDArray[np.int64], mine: NDArray[np.bool_]
) -> tuple[float, float]:
    """Mean and variance of the next count of the group marked `mine`."""
    centre = np.empty_like(kept)
    lost = np.empty_like(kept)
    codes = np.unique(group)
    for code in codes:
        members = group == code
        centre[members] = kept[members].mean()
        lost[members] = 1.0 - 1.0 / members.sum()
    k = int(mine.sum())
    # Half a count of prior: an hour that was always empty may still see a request.
    mean = (float(kept[mine].sum()) + 0.5) / k
    df = len(kept) - len(codes)
    excess = float(np.sum((kept - centre) ** 2 - lost * centre))
    divisor = float(np.sum(lost * centre**2))
    phi = max(0.0, excess / divisor) if divisor > 0 else 0.0
    # phi rests on few days: widened as the variance of a t law with as many degrees of freedom.
    phi *= df / (df - 2) if df > 2 else 3.0
    single = mean + phi * mean * mean
    return mean, single + single / k
