"""Figures of a metric that a budget left some rows without: asks the lake how rows were drawn, and has
`stats/sampling` estimate the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.rollup.aggregate import QUANTILES, Column, Figures, Grouping
from evalkit.stats.histograms import bins
from evalkit.stats.sampling import Sample, predictions, summarise

__all__ = ["Estimates", "Samples", "samples"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """How the rows of a day were drawn, in the order of their ids.

    Attributes:
        metrics: those that models were needed for; empty for a day that was scored whole.
        probability: float64 [rows]; 0 where a row never could be drawn.
        is_drawn: bool [rows].
    """

    lake: Lake
    day: date
    metrics: frozenset[str]
    probability: Vector
    is_drawn: NDArray[np.bool_]

    def of(self, metric: Metric, values: Vector) -> Sample:
        """One metric's.

        Args:
            metric: which.
            values: float64 [rows], NaN where a row has none.
        """
        asked = _query("cheap.sql").replace("{status}", f'"{metric.name}__status"')
        found = self.lake.sql(asked, {"day": self.day, "metric": metric.name})
        cheap = found["cheap"].to_numpy(zero_copy_only=False).astype(np.float64)
        is_open = found["is_open"].to_numpy(zero_copy_only=False).astype(np.bool_)
        return Sample(values, cheap, self.probability, self.is_drawn, is_open)


def samples(lake: Lake, day: date) -> Samples:
    """How the rows of a day were drawn; `metrics` is empty where all were scored."""
    metrics = frozenset(ledger.spent_on(lake, day).get("metrics", "").split())
    if not metrics:
        return Samples(lake, day, metrics, np.zeros(0), np.zeros(0, dtype=np.bool_))
    found = lake.sql(_query("draws.sql"), {"day": day})
    probability = found["probability"].to_numpy(zero_copy_only=False).astype(np.float64)
    is_drawn = found["is_drawn"].to_numpy(zero_copy_only=False).astype(np.bool_)
    if bool((probability >= 1).all()):  # the budget sufficed
        metrics = frozenset()
    return Samples(lake, day, metrics, probability, is_drawn)


class Estimates:
    """Estimates one metric's figures, by any grouping.

    Args:
        column: the metric of the day.
        sample: how its rows were drawn.
    """

    def __init__(self, column: Column, sample: Sample) -> None:
        self._column = column
        self._sample = sample
        self._predicted = predictions(sample)
        self._level: tuple[Sample, tuple[Vector, Vector]] | None = None
        if column.metric.scale == "log":
            level = replace(sample, value=_log(sample.value), cheap=_log(sample.cheap))
            self._level = level, predictions(level)

    def figures(self, group: Grouping) -> Figures:
        """As `aggregate.figures`: means and totals by the difference estimator, quantiles and
        histograms of drawn rows by their weights."""
        column, sample, k = self._column, self._sample, len(group.values)
        low, high = column.metric.bounds
        is_bounded = (low, high) == (0.0, 1.0)
        found = summarise(sample, self._predicted, group.codes, k, is_bounded=is_bounded)
        floats: dict[str, Vector] = {
            "n_represented": np.round(np.nan_to_num(found.represented)).astype(np.float64),
            "n_effective": found.effective,
            "mean": found.mean,
            "variance": found.variance,
            "total": found.total,
            "level_mean": found.mean,
            "level_variance": found.variance,
        }
        if self._level is not None:
            level = summarise(*self._level, group.codes, k)
            floats["level_mean"], floats["level_variance"] = level.mean, level.variance
        floats["lower"], floats["upper"] = (
            np.clip(found.lower, low, high),
            np.clip(found.upper, low, high),
        )
        codes, weight = group.codes[column.rows], found.weight[column.rows]
        weight = np.where(np.isnan(np.append(found.mean, np.nan)[codes]), 0.0, weight)
        floats.update(self._quantiles(codes, weight, k))
        n_scored = np.bincount(codes, minlength=k + 1)[:k].astype(np.int64)
        return Figures(
            self._eligible(group, k), n_scored, floats, self._histogram(codes, weight, k)
        )

    def _eligible(self, group: Grouping, k: int) -> NDArray[np.int64]:
        eligible = self._column.eligible
        if self._sample.is_exact:
            return np.bincount(group.codes[eligible], minlength=k + 1)[:k].astype(np.int64)
        return np.round(self._sample.count(eligible, group.codes, k)).astype(np.int64)

    def _quantiles(self, codes: NDArray[np.integer], weight: Vector, k: int) -> dict[str, Vector]:
        """Quantiles between rows, each at the weight before it over that before the last; with equal
        weights those of `aggregate`."""
        order, values = self._column.order, self._column.values
        found = {name: np.full(k, np.nan) for name in QUANTILES}
        for value in range(k):
            mine = order[(codes[order] == value) & (weight[order] > 0)]
            if not len(mine):
                continue
            before = np.cumsum(weight[mine]) - weight[mine]
            last = before[-1] if before[-1] > 0 else 1.0
            for name, q in QUANTILES.items():
                found[name][value] = np.interp(q, before / last, values[mine])
        return found

    def _histogram(self, codes: NDArray[np.integer], weight: Vector, k: int) -> NDArray[np.int64]:
        width = bins("log" if self._column.metric.scale == "log" else "unit")
        cells = codes.astype(np.int64) * width + self._column.bin
        held = np.bincount(cells, weights=weight, minlength=(k + 1) * width)
        return np.rint(held.reshape(-1, width)[:k]).astype(np.int64)


def _log(values: Vector) -> Vector:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Vector = np.where(values > 0, np.log(values), np.nan)
    return found


def _query(name: str) -> str:
    text = (files("evalkit.rollup") / "queries" / name).read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
