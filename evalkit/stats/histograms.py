"""Fixed-bin histograms that merge by addition, for rollup; which metric uses which scale is not
decided here."""

from __future__ import annotations

from typing import Literal, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["unit", "log"]

UNIT_BINS = 20
LOG_BINS_PER_DECADE = 8
LOG_FIRST_DECADE = -7
LOG_LAST_DECADE = 9


def edges(scale: Scale) -> NDArray[np.float64]:
    """Inner bin edges of a scale; they never change, so that nights stay comparable.

    Args:
        scale: "unit" for shares and scores on [0, 1], "log" for positive quantities
            (milliseconds, tokens, dollars) with 8 bins a decade from 1e-7 to 1e9.
    Returns:
        [m] rising edges. There are m + 1 bins: bin 0 holds values <= edges[0] (an exact 0 of a
        share; 0 dollars), bin m values >= edges[m - 1] (an exact 1), and bin i in between
        edges[i - 1] <= value < edges[i].

    >>> edges("unit")[[0, 1, -1]].tolist(), len(edges("log"))
    ([0.0, 0.05, 1.0], 129)
    """
    if scale == "unit":
        return np.arange(UNIT_BINS + 1, dtype=np.float64) / UNIT_BINS
    if scale == "log":
        steps = np.arange((LOG_LAST_DECADE - LOG_FIRST_DECADE) * LOG_BINS_PER_DECADE + 1)
        powers = LOG_FIRST_DECADE + steps / LOG_BINS_PER_DECADE
        return np.power(10.0, powers)
    assert_never(scale)


def bins(scale: Scale) -> int:
    """Number of bins of a scale, both open ends included."""
    return len(edges(scale)) + 1


def count(values: ArrayLike, scale: Scale) -> NDArray[np.int64]:
    """Count values into the bins of a scale; NaN counts as missing.

    Args:
        values: [n] numbers.
        scale: see `edges`.
    Returns:
        int64 [bins(scale)]. Histograms of parts add up to the histogram of the whole.

    >>> counts = count([0.0, 0.5, 1.0, 1.0], "unit")
    >>> int(counts[0]), int(counts[11]), int(counts[-1])
    (1, 1, 2)
    """
    sample = np.asarray(values, dtype=np.float64).ravel()
    sample = sample[~np.isnan(sample)]
    cuts = edges(scale)
    index = np.searchsorted(cuts, sample, side="right")
    index[sample <= cuts[0]] = 0
    return np.bincount(index, minlength=len(cuts) + 1).astype(np.int64)


def quantile(counts: ArrayLike, scale: Scale, q: float) -> float | None:
    """Estimate a quantile from a histogram.

    Args:
        counts: [bins(scale)] counts.
        scale: see `edges`.
        q: the share below, 0 <= q <= 1.
    Returns:
        The value, interpolated within its bin (geometrically on the log scale), so at most one
        bin wrong: 0.05 on the unit scale, a factor of 1.34 on the log scale. The open ends
        give their edge, except that the low end of the log scale gives 0. None for no rows.
    Raises:
        ValueError: when q or the number of bins is impossible.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"q must lie between 0 and 1, not {q!r}")
    cuts = edges(scale)
    tally = np.asarray(counts, dtype=np.int64)
    if tally.shape != (len(cuts) + 1,):
        raise ValueError(f"scale {scale!r} has {len(cuts) + 1} bins, not {tally.shape}")
    total = int(tally.sum())
    if total == 0:
        return None
    below = np.cumsum(tally)
    rank = q * total
    index = int(np.searchsorted(below, rank, side="left"))
    while tally[index] == 0:  # q = 0 lands before the first row
        index += 1
    if index == 0:
        return 0.0
    if index == len(cuts):
        return float(cuts[-1])
    share = (rank - float(below[index] - tally[index])) / float(tally[index])
    low, high = float(cuts[index - 1]), float(cuts[index])
    if scale == "log":
        return float(low * (high / low) ** share)
    return low + (high - low) * share


def sparse(counts: ArrayLike) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Keep the filled bins only, for storage.

    Args:
        counts: [bins] counts.
    Returns:
        (indices int16 [k], counts int64 [k]), rising indices.
    """
    tally = np.asarray(counts, dtype=np.int64)
    filled = np.flatnonzero(tally)
    return filled.astype(np.int16), tally[filled]


def dense(indices: ArrayLike, counts: ArrayLike, scale: Scale) -> NDArray[np.int64]:
    """Rebuild a full histogram from its filled bins; repeated indices add up, so parts may be
    joined end to end.

    Args:
        indices: [k] bin numbers.
        counts: [k] counts.
        scale: see `edges`.
    Returns:
        int64 [bins(scale)].
    Raises:
        ValueError: when an index is not a bin of the scale.
    """
    where = np.asarray(indices, dtype=np.int64)
    whole = np.zeros(bins(scale), dtype=np.int64)
    if where.size and (where.min() < 0 or where.max() >= whole.size):
        raise ValueError(f"a bin number is outside 0..{whole.size - 1} of scale {scale!r}")
    np.add.at(whole, where, np.asarray(counts, dtype=np.int64))
    return whole
