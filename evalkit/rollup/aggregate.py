"""Figures of one metric for every value of one segment: numpy in, numpy out; no tables, no queries.

Sums run over the rows in the order given, one after the other, so that the same rows in the same
order give the same bytes, however many threads read them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.stats.histograms import Scale, bins, edges
from evalkit.stats.intervals import mean_interval_many, wilson_many

__all__ = ["QUANTILES", "Column", "Figures", "Grouping", "figures", "grouping", "prepare"]

Vector = NDArray[np.float64]
Counts = NDArray[np.int64]

QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True)
class Grouping:
    """How the rows of a day are divided by one column.

    Attributes:
        segment: the column, or `all`.
        values: the values that get figures, largest first.
        codes: int [rows], each row's place in `values`, or `len(values)` for the rest.
        n: int64 [values], rows of each.
    """

    segment: str
    values: list[str]
    codes: NDArray[np.integer]
    n: Counts


@dataclass(frozen=True)
class Column:
    """One metric of the day, as every grouping needs it.

    Attributes:
        metric: what it is.
        rows: int64 [scored], the rows that have a value, ascending.
        values: float64 [scored].
        level: float64 [scored] on the scale that changes are tested on; NaN where it has none.
        bin: int64 [scored], the fixed bin of each.
        order: int64 [scored], the order that sorts `values`.
        eligible: bool [rows], which rows the metric applies to.
    """

    metric: Metric
    rows: Counts
    values: Vector
    level: Vector
    bin: Counts
    order: Counts
    eligible: NDArray[np.bool_]


@dataclass(frozen=True)
class Figures:
    """Aggregates of one metric, [values] each; NaN where there is none.

    `histogram` is int64 [values, bins].
    """

    n_eligible: Counts
    n_scored: Counts
    floats: dict[str, Vector]
    histogram: Counts


def grouping(
    segment: str, codes: NDArray[np.integer], names: list[str], max_values: int
) -> Grouping:
    """Keep the largest values of a column (ties by name).

    Args:
        segment: the column's name.
        codes: int [rows], each row's place in `names`.
        names: the distinct values, in any order.
        max_values: how many to keep.
    """
    sizes = np.bincount(codes, minlength=len(names))
    kept = sorted(range(len(names)), key=lambda i: (-int(sizes[i]), names[i]))[:max_values]
    places = np.full(len(names) + 1, len(kept), dtype=np.int64)
    places[kept] = np.arange(len(kept))
    # Small codes sort in linear time.
    dtype = np.uint8 if len(kept) < 255 else np.int32
    placed = places[codes].astype(dtype)
    return Grouping(segment, [names[i] for i in kept], placed, sizes[kept].astype(np.int64))


def prepare(metric: Metric, values: Vector, eligible: NDArray[np.bool_]) -> Column:
    """What all groupings of a metric share.

    Args:
        metric: for its scale.
        values: float64 [rows]; NaN where a row has none.
        eligible: bool [rows].
    """
    rows = np.flatnonzero(np.isfinite(values))
    kept = values[rows]
    scale: Scale = "log" if metric.scale == "log" else "unit"
    if scale == "log":
        positive = kept > 0
        level = np.full(len(kept), np.nan)
        level[positive] = np.log(kept[positive])
    else:
        level = kept
    cuts = edges(scale)
    where = np.searchsorted(cuts, kept, side="right").astype(np.int64)
    where[kept <= cuts[0]] = 0
    order = np.argsort(kept, kind="stable")
    return Column(metric, rows, kept, level, where, order, eligible)


def figures(column: Column, group: Grouping) -> Figures:
    """Aggregate one metric by one grouping.

    Mean and sample variance by two passes; quantiles exact, interpolated linearly between rows;
    intervals at 95 %: Wilson for shares, else Student's t within the metric's bounds. Where a budget
    left rows unscored, they are `estimated`'s.
    """
    k = len(group.values)
    codes = group.codes[column.rows]
    n_eligible = np.bincount(group.codes[column.eligible], minlength=k + 1)[:k].astype(np.int64)
    n, total, mean, variance = _moments(codes, column.values, k)
    floats = {"mean": mean, "variance": variance, "total": np.where(n > 0, total, np.nan)}
    if column.level is column.values:
        floats["level_mean"], floats["level_variance"] = mean, variance
    else:
        known = np.isfinite(column.level)
        _, _, floats["level_mean"], floats["level_variance"] = _moments(
            codes[known], column.level[known], k
        )
    if column.metric.unit == "share":
        floats["lower"], floats["upper"] = wilson_many(np.clip(total, 0, n), n)
    else:
        low, high = column.metric.bounds
        lower, upper = mean_interval_many(n, mean, np.maximum(variance, 0.0))
        floats["lower"], floats["upper"] = np.clip(lower, low, high), np.clip(upper, low, high)
    floats.update(_quantiles(column, codes, n))
    width = bins("log" if column.metric.scale == "log" else "unit")
    cells = codes.astype(np.int64) * width + column.bin
    histogram = np.bincount(cells, minlength=(k + 1) * width).reshape(-1, width)[:k]
    return Figures(n_eligible, n, floats, histogram.astype(np.int64))


def _moments(
    codes: NDArray[np.integer], values: Vector, k: int
) -> tuple[Counts, Vector, Vector, Vector]:
    n = np.bincount(codes, minlength=k + 1).astype(np.int64)
    total: Vector = np.bincount(codes, weights=values, minlength=k + 1).astype(np.float64)
    mean: Vector = np.divide(total, n, out=np.full(k + 1, np.nan), where=n > 0)
    squares = np.bincount(codes, weights=(values - mean[codes]) ** 2, minlength=k + 1)
    variance: Vector = np.divide(squares, n - 1, out=np.full(k + 1, np.nan), where=n > 1)
    return n[:k], total[:k], mean[:k], variance[:k]


def _quantiles(column: Column, codes: NDArray[np.integer], n: Counts) -> dict[str, Vector]:
    # Sorting by value first and then, stably, by group leaves each group sorted.
    by_group = np.argsort(codes[column.order], kind="stable")
    ordered = column.values[column.order][by_group]
    starts = np.cumsum(n) - n
    found = {}
    filled = n > 0
    for name, q in QUANTILES.items():
        rank = q * (n[filled] - 1)
        low = np.floor(rank).astype(np.int64)
        below = ordered[starts[filled] + low]
        above = ordered[starts[filled] + np.minimum(low + 1, n[filled] - 1)]
        result = np.full(len(n), np.nan)
        result[filled] = below + (above - below) * (rank - low)
        found[name] = result
    return found
