"""How many interactions deserve a verdict, for every metric and segment that people have labelled enough of. Reads the
lake; the estimate itself is `stats/prediction_powered`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.labelling import read
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.stats.prediction_powered import prevalence

__all__ = ["NO_VALUE", "Place", "Rate", "rates"]

#: How the interactions without a value of the segment's column are called.
NO_VALUE = "(none)"
#: Scores are counted to this many digits, so that a window of millions is some thousand counts.
_SCORE_DIGITS = 4
_TINY = 1e-6

#: Metric, segment, value of the segment.
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Rate:
    """How many interactions of a window deserve a verdict, as `schema.DAILY` stores it.

    Attributes:
        rate, lower, upper: the share and its 95 % interval; None with too few labels.
        n_labels: labelled interactions of the window.
        start: the first day of the window that has scored interactions.
        basis: drawn, when the labelled interactions were drawn with known probabilities; given, when they are
            whichever happened to have a verdict.
    """

    rate: float | None
    lower: float | None
    upper: float | None
    n_labels: int
    start: date | None
    basis: str


def rates(
    settings: Settings, lake: Lake, day: date, metrics: Sequence[Metric]
) -> dict[Place, Rate]:
    """The rates of the window that ends with `day`.

    Args:
        settings: `labels.rate_days` and `labels.rate_least`, `rollup.segments`.
        lake: holds `labels`, `scores` and `interactions`.
        day: the window's last day.
        metrics: those that are scored; a rate is taken of probabilities, scores and shares.
    Returns:
        A rate for every metric, segment and value with at least one label, the whole traffic among them.

    Labels and scores are of the same days: a rate says what the window was like, not what its last day was. Where
    enough labels were drawn with known probabilities, the others are left out: what comes with the logs is seldom a
    sample of the traffic.
    """
    window = {"start": day - timedelta(days=settings.labels.rate_days - 1), "day": day}
    labelled = set(lake.sql(_query("labelled.sql"), window)["metric"].to_pylist())
    found: dict[Place, Rate] = {}
    for metric in metrics:
        if metric.name in labelled and metric.scale == "linear":
            found.update(_of_metric(settings, lake, window, metric))
    return found


def _of_metric(
    settings: Settings, lake: Lake, window: Mapping[str, date], metric: Metric
) -> Iterator[tuple[Place, Rate]]:
    segments, least = settings.rollup.segments, settings.labels.rate_least
    params = {**window, "metric": metric.name, "digits": _SCORE_DIGITS, "none": NO_VALUE}
    labels = _judged(
        read(lake, metric.name, window["day"]),
        _ask(lake, "labelled_rows.sql", metric, segments, params),
    )
    if not labels.num_rows:
        return
    drawn = labels.filter(pc.is_valid(labels["probability"]))
    basis = "drawn" if drawn.num_rows >= least else "given"
    labels = drawn if basis == "drawn" else labels
    rows = _ask(lake, "population.sql", metric, segments, params)
    for k, segment in enumerate(["all", *segments]):
        column = None if segment == "all" else f"segment_{k - 1}"
        mine = _only(rows, column, len(segments))
        for value in ["all"] if column is None else pc.unique(labels[column]).to_pylist():
            part = labels if column is None else labels.filter(pc.equal(labels[column], value))
            everyone = mine if column is None else mine.filter(pc.equal(mine[column], value))
            yield (metric.name, segment, value), _rate(part, everyone, least, basis)


def _judged(verdicts: pa.Table, rows: pa.Table) -> pa.Table:
    """The labelled rows that have a score and a clear verdict, with `verdict` and `probability` beside them."""
    known = {
        (row["day"], row["interaction_id"]): row
        for row in verdicts.to_pylist()
        if row["value"] in (0.0, 1.0)
    }
    keys = zip(rows["day"].to_pylist(), rows["interaction_id"].to_pylist(), strict=True)
    mine = [known.get(key) for key in keys]
    for name, column in (("verdict", "value"), ("probability", "probability")):
        values = [None if row is None else row[column] for row in mine]
        rows = rows.append_column(name, pa.array(values, pa.float64()))
    return rows.filter(pc.is_valid(rows["verdict"]))


def _only(rows: pa.Table, column: str | None, segments: int) -> pa.Table:
    """The counts that are by one segment's column, or by none."""
    for k in range(segments):
        name = f"segment_{k}"
        rows = rows.filter(pc.is_valid(rows[name]) if name == column else pc.is_null(rows[name]))
    return rows


def _rate(labels: pa.Table, rows: pa.Table, least: int, basis: str) -> Rate:
    n = labels.num_rows
    start = pc.min(rows["first_day"]).as_py()
    if n < least:
        return Rate(None, None, None, n, start, basis)
    chance = _floats(labels["chance"])
    probabilities = _floats(labels["probability"]) if basis == "drawn" else None
    if probabilities is None and bool((chance < 1).any()):
        # Of given labels only those count whose row a budget had drawn. Tiny probabilities say how they
        # weigh, and that there is no population that they are a good part of.
        probabilities = chance * _TINY
    found = prevalence(
        _floats(labels["verdict"]),
        _floats(labels["score"]),
        _floats(rows["score"]),
        _floats(rows["n"]),
        probabilities,
    )
    if found is None:  # no label: not reached while `least` is at least 1
        return Rate(None, None, None, n, start, basis)
    return Rate(found.rate, found.lower, found.upper, n, start, basis)


def _ask(
    lake: Lake, name: str, metric: Metric, segments: Sequence[str], params: Mapping[str, object]
) -> pa.Table:
    """A query with the names of the metric's and the segments' columns, which come from scorers and the
    configuration."""
    columns = [f"segment_{k}" for k in range(len(segments))]
    parts = {
        "{weight}": _query("weight.sql").strip(),
        "{value}": _identifier(metric.name),
        "{status}": _identifier(f"{metric.name}__status"),
        "{segments}": ", ".join(
            f"coalesce(CAST(i.{_identifier(segment)} AS VARCHAR), $none) AS {column}"
            for segment, column in zip(segments, columns, strict=True)
        )
        or "$none AS no_segment",
        "{names}": ", ".join(columns) or "NULL AS no_segment",
        "{sets}": ", ".join(["(score)", *(f"(score, {column})" for column in columns)]),
    }
    text = _query(name)
    for place, written in parts.items():
        text = text.replace(place, written)
    return lake.sql(text, params)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _query(name: str) -> str:
    text = (files("evalkit.rollup") / "queries" / name).read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
