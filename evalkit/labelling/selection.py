"""Which rows are most worth a person's minute, each with a known chance of being asked. Pure; nothing is read here."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FLOOR", "HALF_LIFE_DAYS", "draw", "inclusion_probabilities", "worth"]

#: The share of the draw that is spread evenly over all rows, so that the score never decides alone.
FLOOR = 0.25
#: A row of this age is worth half as much as one of the last day.
HALF_LIFE_DAYS = 7.0


def worth(
    values: ArrayLike,
    segments: ArrayLike,
    age_days: ArrayLike,
    half_life_days: float = HALF_LIFE_DAYS,
) -> NDArray[np.float64]:
    """How much a verdict on each row is worth: uncertainty of its score x segment x recency.

    Args:
        values: [n] scores within [0, 1], read as probabilities.
        segments: [n] keys; each key's rows share sqrt(their number), so rare ones get more than their part.
        age_days: [n], 0 for the last day.
        half_life_days: the age at which a row is worth half.
    Returns:
        float64 [n], not negative, with the sum 1 ([0] for no rows).
    Raises:
        ValueError: unequal lengths, scores outside [0, 1], negative ages or half-life.

    Uncertainty is sqrt(p (1 - p)), the spread of a verdict whose probability is p: the draw that makes the
    interval of a rate narrowest is proportional to it (Zrnic and Candès (2024), "Active Statistical
    Inference", ICML, section 4). Square-root allocation over segments: Bankier (1988), Am. Stat. 42:174.

    >>> worth([0.5, 0.5, 1.0, 0.5], ["a", "a", "a", "b"], [0, 7, 0, 0]).round(2).tolist()
    [0.42, 0.21, 0.0, 0.37]
    """
    score = np.asarray(values, dtype=np.float64)
    keys = np.asarray(segments)
    age = np.asarray(age_days, dtype=np.float64)
    if not score.shape == keys.shape == age.shape or score.ndim != 1:
        raise ValueError("values, segments and age_days must be equally long rows")
    if not bool(np.all((score >= 0) & (score <= 1))):
        raise ValueError("values must lie between 0 and 1; leave rows without a score out")
    if half_life_days <= 0 or not bool(np.all(age >= 0)):
        raise ValueError("ages must not be negative, and the half-life must be positive")
    if not score.size:
        return score
    each = np.sqrt(score * (1 - score)) * 0.5 ** (age / half_life_days)
    member = np.unique(keys, return_inverse=True)[1]
    size = np.bincount(member).astype(np.float64)
    total = np.bincount(member, weights=each)
    # A segment of nothing but certain scores still gets its share, evenly.
    within = np.where(
        total[member] > 0, each / np.where(total > 0, total, 1.0)[member], 1 / size[member]
    )
    found = within * np.sqrt(size)[member]
    shares: NDArray[np.float64] = found / found.sum()
    return shares


def inclusion_probabilities(worths: ArrayLike, n: int, floor: float = FLOOR) -> NDArray[np.float64]:
    """The probability of each row to be among the n that are asked.

    Args:
        worths: [N], not negative.
        n: how many rows are asked, at least 1; all, when there are no more.
        floor: the share that is spread evenly, in (0, 1].
    Returns:
        float64 [N], each in (0, 1] and at least floor x n / N, with the sum min(n, N).
    Raises:
        ValueError: negative worths, no n, or a floor outside (0, 1].

    n x (floor / N + (1 - floor) x worth / sum); what exceeds 1 is asked for certain, and the rest shared out
    anew: Särndal, Swensson and Wretman (1992), "Model Assisted Survey Sampling", section 3.6.2.

    >>> inclusion_probabilities([8, 1, 1, 0, 0], 2, floor=0.5).round(3).tolist()
    [1.0, 0.3, 0.3, 0.2, 0.2]
    """
    weight = np.asarray(worths, dtype=np.float64)
    if weight.ndim != 1 or not bool(np.all(np.isfinite(weight) & (weight >= 0))):
        raise ValueError("worths must be a row of numbers that are not negative")
    if n < 1 or not 0 < floor <= 1:
        raise ValueError("n must be at least 1, and floor in (0, 1]")
    size = len(weight)
    if size <= n:
        return np.ones(size)
    total = weight.sum()
    spread = weight / total if total > 0 else np.full(size, 1 / size)
    share = floor / size + (1 - floor) * spread
    certain = np.zeros(size, dtype=np.bool_)
    while True:
        rest = n - int(certain.sum())
        found = np.where(certain, 1.0, rest * share / share[~certain].sum())
        above = found > 1 - 1e-12
        if bool(np.all(above == certain)):
            return found
        certain = above | certain


def draw(probabilities: ArrayLike, segments: ArrayLike, seed: int) -> NDArray[np.intp]:
    """Draw rows with exactly these probabilities: a fixed number of rows, in random order.

    Args:
        probabilities: [N], each in (0, 1], with a whole sum.
        segments: [N] keys; each key gets its expected number of rows, rounded up or down.
        seed: the same seed draws the same rows.
    Returns:
        The drawn positions. Their order is random, so the first k of them are a random part of the draw.
    Raises:
        ValueError: probabilities outside (0, 1] or without a whole sum.

    Systematic sampling with unequal probabilities: Madow (1949), Ann. Math. Stat. 20:333, on rows in random
    order within each segment, segments in random order: Hartley and Rao (1962), Ann. Math. Stat. 33:350.

    >>> sorted(draw([1.0, 0.5, 0.5, 0.5, 0.5], ["a", "a", "a", "b", "b"], seed=7).tolist())
    [0, 1, 4]
    """
    chance = np.asarray(probabilities, dtype=np.float64)
    keys = np.asarray(segments)
    if chance.ndim != 1 or chance.shape != keys.shape:
        raise ValueError("probabilities and segments must be equally long rows")
    if not bool(np.all((chance > 0) & (chance <= 1))):
        raise ValueError("probabilities must lie in (0, 1]")
    n = round(float(chance.sum()))
    if abs(float(chance.sum()) - n) > 1e-6 * max(1, n):
        raise ValueError(f"probabilities must have a whole sum, not {chance.sum()!r}")
    rng = np.random.default_rng(seed)
    certain = np.flatnonzero(chance == 1)
    open_ = np.flatnonzero(chance < 1)
    picks = certain
    rest = n - len(certain)
    if rest:
        member = np.unique(keys[open_], return_inverse=True)[1]
        order = open_[np.lexsort((rng.random(len(open_)), rng.random(member.max() + 1)[member]))]
        edges = np.cumsum(chance[order])
        edges *= rest / edges[-1]
        at = np.searchsorted(edges, rng.random() + np.arange(rest), side="right")
        picks = np.concatenate([certain, order[np.minimum(at, len(order) - 1)]])
    return picks[np.argsort(rng.random(len(picks)), kind="stable")]
