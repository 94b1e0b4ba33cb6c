"""Samples with known inclusion probabilities: how they are drawn, and what they say of all rows. What
makes a row worth drawing is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["Sample", "Summary", "predictions", "proportional", "summarise", "systematic"]

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Parts that the cheap predictions are fitted in: each row is predicted by a fit that has not seen it.
_FOLDS = 5
#: With fewer drawn rows than this no slope is fitted.
_LEAST_FOR_SLOPE = 20
#: A slope is drawn towards 0 as if by so many rows,
_SLOPE_ROWS = 4.0
#: and the variance that residuals show towards the one without a prediction by so many. Chosen by
#: simulation on real scores (docs/budget.md): with fewer, a figure whose rare rows were not drawn is
#: too sure of itself.
_PRIOR_ROWS = 8.0


def proportional(sizes: ArrayLike, scale: float) -> Vector:
    """Inclusion probabilities proportional to a size, none above 1.

    Args:
        sizes: [n], above 0.
        scale: what a size is multiplied by, above 0.
    Returns:
        float64 [n] in (0, 1].

    >>> proportional([1.0, 2.0, 8.0], 0.25).tolist()
    [0.25, 0.5, 1.0]
    """
    size = np.asarray(sizes, dtype=np.float64)
    if not bool(np.all(size > 0)) or not scale > 0:
        raise ValueError("sizes and scale must be above 0")
    found: Vector = np.minimum(1.0, size * scale)
    return np.maximum(found, np.finfo(np.float64).tiny)


def systematic(probabilities: ArrayLike, order: ArrayLike, start: float) -> Flags:
    """Draw a sample of fixed size in which each row has exactly its probability.

    Args:
        probabilities: [n] in [0, 1].
        order: [n] any distinct numbers, drawn at random: the order that rows are gone through in.
        start: in [0, 1), drawn at random.
    Returns:
        bool [n]; the sum of the probabilities, rounded down or up, are true.

    Randomised systematic sampling: rows are laid end to end in random order, each as long as its
    probability, and those are taken in which start, start + 1, start + 2, ... falls. Any order gives
    the probabilities; a random one leaves no pattern, so that the variance is nearly that of the
    design of largest entropy. Hartley and Rao (1962), Ann. Math. Stat. 33:350; Särndal, Swensson and
    Wretman (1992), Model Assisted Survey Sampling, 3.6.

    >>> systematic([0.5, 0.5, 0.5, 0.5], [3, 1, 2, 0], 0.2).tolist()
    [False, False, True, True]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not bool(np.all((p >= 0) & (p <= 1))) or not 0 <= start < 1:
        raise ValueError("probabilities must lie in [0, 1] and start in [0, 1)")
    certain = p >= 1
    drawn = certain.copy()
    rest = np.flatnonzero(~certain)
    rest = rest[np.argsort(np.asarray(order)[rest], kind="stable")]
    # Of the places start, start + 1, ... those below the end of each row, counted.
    before = np.ceil(np.cumsum(p[rest]) - start).astype(np.int64)
    drawn[rest] = np.diff(before, prepend=0) > 0
    return drawn


@dataclass(frozen=True)
class Sample:
    """One figure of all rows of a day, known on some.

    Attributes:
        value: float64 [n], NaN where a row has none or was not drawn.
        cheap: float64 [n], what is known of every row; NaN where nothing is.
        probability: float64 [n] in (0, 1], how likely each row was to be drawn; 0 where it never could be.
        drawn: bool [n].
        open: bool [n], rows that were not drawn and of which only that would have told.
    """

    value: Vector
    cheap: Vector
    probability: Vector
    drawn: Flags
    open: Flags

    @property
    def certain(self) -> Flags:
        """Rows that every draw would have."""
        found: Flags = self.probability >= 1
        return found

    @property
    def is_exact(self) -> bool:
        """Whether what is known of every row says to which rows the figure applies."""
        known = np.isfinite(self.cheap)
        unforeseen = ~self.certain & self.drawn & ~known & np.isfinite(self.value)
        return not bool((self.open & ~known).any() or unforeseen.any())

    def frame(self) -> Flags:
        """Of the rows that are not certain those that the figure may apply to, bool [n]."""
        found: Flags = ~self.certain
        return found & np.isfinite(self.cheap) if self.is_exact else found

    def count(self, flags: Flags, codes: NDArray[np.integer], k: int) -> Vector:
        """How many rows of each group have a flag that is known of drawn and of certain rows.

        Args:
            flags: bool [n].
            codes: int [n], the group of each row, or k for none.
            k: how many groups.
        Returns:
            float64 [k]; the mean flag of drawn rows, weighted by 1 / p, times the number of rows.
        """
        open_ = ~self.certain
        w = np.where(open_ & self.drawn, 1 / np.where(self.drawn, self.probability, 1.0), 0.0)

        def by_group(rows: Vector | Flags) -> Vector:
            sums = np.bincount(codes, weights=rows, minlength=k + 1)[:k]
            return sums.astype(np.float64)

        total = by_group(w)
        share = np.divide(by_group(w * flags), total, out=np.zeros(k), where=total > 0)
        return by_group(flags & ~open_) + share * by_group(open_)


def predictions(sample: Sample) -> tuple[Vector, Vector]:
    """What the cheap value says of the value: for all rows, and for each drawn one by fits that have
    not seen it.

    Returns:
        float64 [n] twice; 0 where a row has no cheap value.

    A line through the drawn rows, fitted with weights (1 - p) / p^2: of all lines it is the one that
    leaves the difference estimator the least variance (Särndal, Swensson and Wretman 1992, 6.4 to
    6.8; the power tuning of PPI++, Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453). Fitted
    in five parts, each predicted by the others, so that the fit does not flatter itself (Zrnic and
    Candès 2024, PNAS 121:e2322083121). Its slope is drawn towards 0 by the worth of about four rows.
    """
    known = ~sample.certain & sample.drawn & np.isfinite(sample.value) & np.isfinite(sample.cheap)
    rows = np.flatnonzero(known)
    has = np.isfinite(sample.cheap)
    x = np.where(has, sample.cheap, 0.0)
    everyone, own = np.zeros(len(x)), np.zeros(len(x))
    if not len(rows):
        return everyone, own
    weight = (1 - sample.probability[rows]) / sample.probability[rows] ** 2
    folds = np.arange(len(rows)) % _FOLDS
    parts = range(_FOLDS) if len(rows) >= _LEAST_FOR_SLOPE else range(1)
    for part in parts:
        others = folds != part if len(parts) > 1 else np.ones(len(rows), dtype=np.bool_)
        mean, slope, centre = _line(
            x[rows[others]], sample.value[rows[others]], weight[others], len(parts) > 1
        )
        fitted = mean + slope * (x - centre)
        everyone += fitted / len(parts)
        mine = rows[~others] if len(parts) > 1 else rows
        own[mine] = fitted[mine]
    return np.where(has, everyone, 0.0), own


def _line(x: Vector, y: Vector, weight: Vector, with_slope: bool) -> tuple[float, float, float]:
    """Mean, slope and centre of a weighted line, the slope drawn towards 0."""
    total = float(weight.sum())
    if not total > 0:
        return float(y.mean()), 0.0, 0.0
    share = weight / total
    centre, mean = float(share @ x), float(share @ y)
    spread = float(share @ (x - centre) ** 2)
    if not with_slope or not spread > 1e-12:
        return mean, 0.0, centre
    effective = 1 / float(share @ share)
    slope = float(share @ ((x - centre) * (y - mean))) / spread
    return mean, slope * effective / (effective + _SLOPE_ROWS), centre


@dataclass(frozen=True)
class Summary:
    """What a sample says of the rows of each group, float64 [k] each; NaN where it says nothing.

    Attributes:
        represented: rows that the figures stand for.
        total, mean, variance: of their values; `variance` is that of single rows.
        design: the variance of the mean that comes from not having drawn every row, at its most.
        effective: so many rows, all drawn, would tell the mean as well, by the variance that is likely.
        lower, upper: 95 % interval of the mean, with the chance of which rows came as well.
        weight: float64 [n], what each row with a value counts for; 0 for the others.
    """

    represented: Vector
    total: Vector
    mean: Vector
    variance: Vector
    design: Vector
    effective: Vector
    lower: Vector
    upper: Vector
    weight: Vector


def summarise(
    sample: Sample,
    predicted: tuple[Vector, Vector],
    codes: NDArray[np.integer],
    k: int,
    *,
    is_bounded: bool = False,
    level: float = 0.95,
) -> Summary:
    """Totals and means of groups of rows by the difference estimator.

    Args:
        sample: all rows.
        predicted: `predictions` of it.
        codes: int [n], the group of each row, or k for none.
        k: how many groups.
        is_bounded: whether values lie in [0, 1].
        level: two-sided confidence.

    With values y, predictions m, drawn rows s and weights w = 1 / p, the total of a group is
    the sum of m over all its rows and g times the sum of w (y - m) over its drawn ones, with g the number of its rows over
    the sum of their weights (Särndal, Swensson and Wretman 1992, 6.3 and 7.7). Rows of probability 1
    are summed as they are. Where rows turn out not to have a value, numerator and denominator are
    both estimated so. The variance is that of a fixed-size design of large entropy, n / (n - 1) sum
    of (1 - p) w^2 (e - mean e)^2 of the residuals e (Hájek 1964, Ann. Math. Stat. 35:1491), drawn
    towards the one of y alone (within [0, 1] at least that of a rate of this height) by the worth of eight
    rows, since a few residuals may all be near 0 by chance. To it comes the variance that rows as such
    have, as for a day that was scored whole. The interval is Student's t, shifted outwards where the
    residuals are skewed (Johnson 1978, JASA 73:536), and within [0, 1] at least Wilson's.
    """
    certain, frame = sample.certain, sample.frame()
    has, valued = np.isfinite(sample.cheap), np.isfinite(sample.value)
    y = np.where(valued, sample.value, 0.0)
    taken = frame & sample.drawn
    w = np.where(taken, 1 / np.where(taken, sample.probability, 1.0), 0.0)

    def by_group(rows: Vector | Flags) -> Vector:
        sums = np.bincount(codes, weights=rows, minlength=k + 1)[:k]
        found: Vector = sums.astype(np.float64)
        return found

    n_frame, n_taken = by_group(frame), by_group(taken)
    weights = by_group(w)
    g = np.divide(n_frame, weights, out=np.zeros(k), where=weights > 0)
    per_row = np.append(g, 0.0)[codes]
    whole = certain & valued
    u = np.where(valued, y, 0.0) - np.where(has, predicted[1], 0.0)
    v = valued.astype(np.float64) - has
    total = by_group(np.where(whole, y, np.where(frame & has, predicted[0], 0.0)))
    total = total + g * by_group(w * u)
    count = by_group(whole | (frame & has)) + g * by_group(w * v)
    silent = (n_frame > 0) & (n_taken == 0) | ~(count > 0.5)
    silent |= by_group(sample.open & (sample.probability <= 0)) > 0
    count = np.where(silent, np.nan, np.maximum(count, by_group(valued)))
    total = np.where(silent, np.nan, total)
    mean = total / count
    low, high = _range(sample.value)
    mean = np.clip(mean, low, high)
    total = mean * count

    weight = np.where(whole, 1.0, np.where(taken & valued, per_row * w, 0.0))
    held = by_group(weight)
    held = np.where(held > 0, held, np.nan)
    plain = by_group(weight * y) / held
    squares = by_group(weight * np.where(valued, y - np.append(plain, 0.0)[codes], 0.0) ** 2)
    kish = held**2 / by_group(weight**2)
    variance = (
        squares / held * np.divide(kish, kish - 1, out=np.full(k, np.nan), where=kish > 1 + 1e-9)
    )
    centre = np.append(np.nan_to_num(mean), 0.0)[codes]
    shown = _design(u - centre * v, w, sample.probability, by_group, codes)
    spread = valued * (y - centre)
    alone = _design(spread, w, sample.probability, by_group, codes)
    few = _PRIOR_ROWS / (n_taken + _PRIOR_ROWS)
    scale = np.where(n_frame > 0, g * g / count**2, 0.0)
    likely = ((1 - few) * shown + few * alone) * scale
    if is_bounded:
        rate = (np.nan_to_num(total) + 0.5) / (np.nan_to_num(count) + 1)
        least = by_group(taken * (1 - sample.probability) * w * w) * rate * (1 - rate)
        alone = np.maximum(alone, np.where(weights > 0, least, 0.0))
    design = ((1 - few) * shown + few * alone) * scale
    rows = variance / count
    effective = np.divide(variance, rows + likely, out=np.minimum(kish, count), where=variance > 0)
    effective = np.where(silent, np.nan, np.minimum(effective, count))
    # Satterthwaite (1946), Biometrics Bulletin 2:110.
    df = (rows + design) ** 2 / (
        rows**2 / np.maximum(count - 1, 1) + design**2 / np.maximum(n_taken - 1, 1) + 1e-300
    )
    t = stats.t.ppf(0.5 + level / 2, np.maximum(np.nan_to_num(df, nan=1.0), 1.0))
    error = np.sqrt(rows + design)
    third = _third(u - centre * v, w, sample.probability, by_group, codes) * (g / count) ** 3
    skewness = np.divide(third, error**3, out=np.zeros(k), where=error > 0)
    shift = np.clip(skewness * (2 * t * t + 1) / 6, -t, t)
    lower, upper = (
        mean - error * (t - np.minimum(shift, 0)),
        mean + error * (t + np.maximum(shift, 0)),
    )
    if is_bounded:
        least, most = _wilson(mean, rows + design, effective, t)
        lower, upper = (
            np.minimum(np.maximum(lower, 0.0), least),
            np.maximum(np.minimum(upper, 1.0), most),
        )
    unsure = silent | ((n_frame > 0) & (n_taken < 2)) | np.isnan(variance)
    lower, upper = np.where(unsure, np.nan, lower), np.where(unsure, np.nan, upper)
    return Summary(count, total, mean, variance, design, effective, lower, upper, weight)


def _third(
    e: Vector,
    w: Vector,
    probability: Vector,
    by_group: Callable[[Vector | Flags], Vector],
    codes: NDArray[np.integer],
) -> Vector:
    """Third central moment of a sum of residuals over drawn rows, by group."""
    return by_group((1 - probability) * (w * _away(e, w, by_group, codes)) ** 3)


def _wilson(mean: Vector, variance: Vector, n: Vector, t: Vector) -> tuple[Vector, Vector]:
    """Wilson's interval of a mean in [0, 1] with this variance: that of as many rows of 0 and 1 as have
    it. It stays in [0, 1], and reaches further towards a half, where a mean may be whose rare rows
    were not drawn."""
    rate = np.clip(mean, 0.0, 1.0)
    spread = rate * (1 - rate)
    many = np.divide(
        spread, variance, out=np.asarray(n, dtype=np.float64).copy(), where=variance > 0
    )
    many = np.where(spread > 0, many, n)
    centre = (rate + t * t / (2 * many)) / (1 + t * t / many)
    half = t * np.sqrt(spread / many + t * t / (4 * many * many)) / (1 + t * t / many)
    lower = np.where(rate <= 0, 0.0, np.minimum(np.maximum(centre - half, 0.0), rate))
    upper = np.where(rate >= 1, 1.0, np.maximum(np.minimum(centre + half, 1.0), rate))
    return lower, upper


def _design(
    e: Vector,
    w: Vector,
    probability: Vector,
    by_group: Callable[[Vector | Flags], Vector],
    codes: NDArray[np.integer],
) -> Vector:
    """Variance of a sum of residuals over drawn rows, by group."""
    n = by_group(w > 0)
    found: Vector = by_group((1 - probability) * (w * _away(e, w, by_group, codes)) ** 2)
    return found * np.where(n > 1, n / np.maximum(n - 1, 1), 1.0)


def _away(
    e: Vector, w: Vector, by_group: Callable[[Vector | Flags], Vector], codes: NDArray[np.integer]
) -> Vector:
    """Residuals less the weighted mean of their group's drawn rows; 0 for those not drawn."""
    total = by_group(w)
    centre = np.divide(by_group(w * e), total, out=np.zeros(len(total)), where=total > 0)
    found: Vector = np.where(w > 0, e - np.append(centre, 0.0)[codes], 0.0)
    return found


def _range(values: Vector) -> tuple[float, float]:
    """Between the smallest and the largest value that was seen: no mean lies outside."""
    seen = values[np.isfinite(values)]
    return (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
