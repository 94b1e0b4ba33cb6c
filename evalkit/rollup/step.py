"""The rollup step: asks the lake for one day's scores, aggregates them, and replaces that day of
`daily`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.rollup.aggregate import Figures, Grouping, figures, grouping, prepare
from evalkit.rollup.estimated import Estimates, samples
from evalkit.rollup.rates import NO_VALUE, Place, Rate, rates
from evalkit.rollup.rows import DayRows
from evalkit.schema import DAILY, INTERACTIONS

__all__ = ["NO_VALUE", "RolledUp", "rollup"]

#: Sums in another order, or other vector instructions, differ in the last bits; these digits do
#: not.
_DIGITS = 12
#: NULL where nothing had to be estimated.
_ESTIMATED_COLUMNS = {"n_represented", "n_effective"}
_RATE_COLUMNS = ("rate", "rate_lower", "rate_upper", "n_labels", "rate_from", "rate_basis")


@dataclass(frozen=True)
class RolledUp:
    """What the step did.

    Attributes:
        day: the day.
        interactions: rows of the day.
        rows: rows written to `daily`.
        metrics: the metrics that have figures.
        absent: metrics that the day's scores know nothing of.
    """

    day: date
    interactions: int
    rows: int
    metrics: tuple[str, ...]
    absent: tuple[str, ...]

    def __str__(self) -> str:
        missing = f"; not scored: {', '.join(self.absent)}" if self.absent else ""
        return (
            f"{self.interactions:,} interactions, {len(self.metrics)} metrics, "
            f"{self.rows:,} figures{missing}"
        )


def rollup(settings: Settings, lake: Lake, day: date, metrics: dict[str, Metric]) -> RolledUp:
    """Roll the scores of one day up into `daily`, replacing that day in one commit.

    Args:
        settings: `rollup.segments` and `rollup.max_values`.
        lake: holds `interactions` and `scores` of the day.
        day: the day.
        metrics: the metrics to roll up, by name.
    Returns:
        What was done. A day without interactions is replaced by no rows.

    `n` counts interactions, `n_eligible` those whose status is neither not_applicable nor abstained
    (an answer that makes no claim has no groundedness; how often that happens is its own metric),
    `n_scored` those with a value. An interaction without a row of scores is eligible and not
    scored: it lowers the coverage.

    Beside the figures of the day stand, for metrics and segments with labels, the rates of the window that ends with it
    (`rollup/rates.py`).

    Of a day that was scored under a budget, metrics that need models are estimated from the rows that were drawn
    (`rollup/estimated.py`): `n_scored` counts these, `n_represented` the rows that the figures stand for.
    """
    known = set(lake.sql("SELECT * FROM scores LIMIT 0").schema.names)
    chosen = [metrics[name] for name in sorted(metrics) if {name, f"{name}__status"} <= known]
    rows = DayRows(lake, day)
    groups = _groups(settings, lake, day, rows)
    parts = []
    if len(rows):
        known_rates = rates(settings, lake, day, chosen)
        drawn = samples(lake, day)
        for metric, values, eligible in rows.columns(chosen):
            sample = drawn.of(metric, values) if metric.name in drawn.metrics else None
            column = prepare(metric, values, eligible)
            estimates = None if sample is None else Estimates(column, sample)
            parts += [
                _rows(
                    day,
                    metric,
                    group,
                    figures(column, group) if estimates is None else estimates.figures(group),
                    known_rates,
                )
                for group in groups
            ]
    table = pa.concat_tables(parts) if parts else DAILY.empty()
    lake.update(DAILY, day, table)
    return RolledUp(
        day=day,
        interactions=len(rows),
        rows=table.num_rows,
        metrics=tuple(metric.name for metric in chosen),
        absent=tuple(sorted(set(metrics) - {metric.name for metric in chosen})),
    )


def _groups(settings: Settings, lake: Lake, day: date, rows: DayRows) -> list[Grouping]:
    """The whole day first, then each segment as configured; rows in the order of their ids."""
    groups = [grouping("all", np.zeros(len(rows), dtype=np.uint8), ["all"], 1)]
    for segment in settings.rollup.segments:
        if INTERACTIONS.schema.field(segment).type == pa.string():
            codes, known = rows.codes(segment)
        else:
            codes, known = _as_text(lake, day, segment)
        names = [NO_VALUE if name is None else name for name in known]
        groups.append(_group(segment, codes, names, settings.rollup.max_values))
    return groups


def _group(segment: str, codes: NDArray[np.integer], names: list[str], most: int) -> Grouping:
    """A grouping by values of which two may have the same name: an app may really be called `(none)`."""
    known = list(dict.fromkeys(names))
    if len(known) < len(names):
        place = {name: k for k, name in enumerate(known)}
        codes = np.array([place[name] for name in names])[codes]
    return grouping(segment, codes, known, most)


def _as_text(lake: Lake, day: date, segment: str) -> tuple[NDArray[np.integer], list[str | None]]:
    """A column that holds something else than text, in the words of SQL."""
    query = _query("segment.sql").replace("{column}", _identifier(segment))
    encoded = lake.sql(query, {"day": day})["value"].combine_chunks().dictionary_encode("encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes: NDArray[np.integer] = encoded.indices.to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()


def _rows(
    day: date,
    metric: Metric,
    group: Grouping,
    found: Figures,
    known_rates: Mapping[Place, Rate],
) -> pa.Table:
    k = len(group.values)
    columns: dict[str, pa.Array] = {
        "day": pa.array([day] * k, pa.date32()),
        "metric": pa.array([metric.name] * k, pa.string()),
        "segment": pa.array([group.segment] * k, pa.string()),
        "value_of_segment": pa.array(group.values, pa.string()),
        "n": pa.array(group.n, pa.int64()),
        "n_eligible": pa.array(found.n_eligible, pa.int64()),
        "n_scored": pa.array(found.n_scored, pa.int64()),
        "histogram": _histograms(found),
    }
    for name, values in found.floats.items():
        columns[name] = pa.array([_rounded(v) for v in values], pa.float64())
    for name in _ESTIMATED_COLUMNS - set(columns):
        columns[name] = pa.nulls(k, pa.float64())
    mine = [known_rates.get((metric.name, group.segment, value)) for value in group.values]
    for name, stored in zip(_RATE_COLUMNS, zip(*map(_stored, mine), strict=True), strict=True):
        columns[name] = pa.array(stored, DAILY.schema.field(name).type)
    return pa.table({name: columns[name] for name in DAILY.schema.names}, schema=DAILY.schema)


def _stored(rate: Rate | None) -> tuple[object, ...]:
    """A rate in the order of its columns."""
    if rate is None:
        return (None,) * len(_RATE_COLUMNS)
    share = [_rounded(value) for value in (rate.rate, rate.lower, rate.upper)]
    return (*share, rate.n_labels, rate.start, rate.basis)


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _histograms(found: Figures) -> pa.ListArray:
    row, where = np.nonzero(found.histogram)
    offsets = np.searchsorted(row, np.arange(len(found.histogram) + 1)).astype(np.int32)
    type_ = DAILY.schema.field("histogram").type
    cells = pa.StructArray.from_arrays(
        [pa.array(where, pa.int32()), pa.array(found.histogram[row, where], pa.int64())],
        fields=list(type_.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), cells, type=type_)


def _query(name: str) -> str:
    text = (files("evalkit.rollup") / "queries" / name).read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _identifier(name: str) -> str:
    """A column's name as SQL reads it. Names come from the configuration and from scorers, not from
    traffic."""
    return '"' + name.replace('"', '""') + '"'
