"""The daily rows of a metric on a segment as numpy columns; what is unusual about them is decided
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.stats.histograms import Scale, bins, edges

__all__ = ["Key", "Series", "by_key"]

#: metric, segment, value of the segment
Key = tuple[str, str, str]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One metric on one segment, days ascending.

    Attributes:
        key: metric, segment, value of the segment.
        days: int64 [h] day ordinals (`date.toordinal`).
        n: float64 [h] scored rows; where a budget left rows out, as many as would tell as much.
        level: float64 [h] mean on the metric's scale; NaN without rows.
        variance: float64 [h] sample variance of rows on that scale; NaN below two rows.
        counts: int64 [h, bins] histograms, or None where the table holds none.
    """

    key: Key
    days: NDArray[np.int64]
    n: Vector
    level: Vector
    variance: Vector
    counts: NDArray[np.int64] | None = None

    def where(self, mask: NDArray[np.bool_]) -> Series:
        """The days of `mask` only."""
        counts = None if self.counts is None else self.counts[mask]
        return replace(
            self,
            days=self.days[mask],
            n=self.n[mask],
            level=self.level[mask],
            variance=self.variance[mask],
            counts=counts,
        )

    def skewness(self, scale: Scale) -> float:
        """Skewness of single rows on the scale of the level, from the pooled histograms; 0 when
        unknown."""
        if self.counts is None or not len(self.counts):
            return 0.0
        counts = self.counts.sum(axis=0).astype(np.float64)
        centres = _centres(scale)
        if scale == "log":  # bin 0 holds values that have no logarithm
            counts = counts.copy()
            counts[0] = 0.0
        total = counts.sum()
        if total < 3:
            return 0.0
        deviations = centres - counts @ centres / total
        second = float(counts @ deviations**2 / total)
        if second <= 0:
            return 0.0
        return float(counts @ deviations**3 / total / second**1.5)


def _centres(scale: Scale) -> Vector:
    cuts = np.log(edges("log")) if scale == "log" else edges("unit")
    middle = (cuts[1:] + cuts[:-1]) / 2
    return np.concatenate([cuts[:1], middle, cuts[-1:]])


def by_key(daily: pa.Table, scales: dict[str, Scale]) -> dict[Key, Series]:
    """The rows of `daily` as series, for the metrics named in `scales`.

    Args:
        daily: rows of `schema.DAILY`, in any order.
        scales: metric name to the scale of its histogram.
    Returns:
        Series by (metric, segment, value), in the order of the keys.
    """
    daily = daily.filter(
        pc.and_(
            pc.is_in(daily["metric"], pa.array(sorted(scales), pa.string())),
            pc.and_(pc.is_valid(daily["segment"]), pc.is_valid(daily["value_of_segment"])),
        )
    )
    if not daily.num_rows:
        return {}
    daily = daily.sort_by(
        [(name, "ascending") for name in ("metric", "segment", "value_of_segment", "day")]
    ).combine_chunks()
    names = [daily[column].to_numpy() for column in ("metric", "segment", "value_of_segment")]
    days = daily["day"].cast(pa.int32()).to_numpy().astype(np.int64) + _EPOCH
    n = _floats(pc.coalesce(daily["n_effective"], daily["n_scored"].cast(pa.float64())))
    level, variance = _floats(daily["level_mean"]), _floats(daily["level_variance"])
    n = np.where(np.isfinite(level), np.nan_to_num(n), 0.0)
    histograms = daily["histogram"].combine_chunks()
    fresh = np.ones(len(days), dtype=np.bool_)
    fresh[1:] = np.any([column[1:] != column[:-1] for column in names], axis=0)
    starts = np.flatnonzero(fresh)
    found: dict[Key, Series] = {}
    for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
        key = (str(names[0][start]), str(names[1][start]), str(names[2][start]))
        counts = _dense(histograms.slice(start, end - start), bins(scales[key[0]]))
        part = slice(start, end)
        found[key] = Series(key, days[part], n[part], level[part], variance[part], counts)
    return found


#: Ordinal of 1970-01-01, from which Arrow counts days.
_EPOCH = 719163


def _floats(column: pa.ChunkedArray) -> Vector:
    values: Vector = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _dense(histograms: pa.ListArray, width: int) -> NDArray[np.int64] | None:
    lengths = pc.fill_null(pc.list_value_length(histograms), 0).to_numpy(zero_copy_only=False)
    if not lengths.any():
        return None
    cells = histograms.flatten()
    rows = np.repeat(np.arange(len(lengths)), lengths)
    where = cells.field("bin").to_numpy(zero_copy_only=False)
    dense = np.zeros((len(lengths), width), dtype=np.int64)
    inside = (where >= 0) & (where < width)
    counts = cells.field("count").to_numpy(zero_copy_only=False)
    np.add.at(
        dense, (rows[inside], where[inside].astype(np.int64)), counts[inside].astype(np.int64)
    )
    return dense
