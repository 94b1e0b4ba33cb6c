"""Which interactions show a finding: ids worth looking at, asked from the lake."""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from typing import Any

from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import INTERACTIONS

__all__ = ["MOST", "examples"]

#: Enough for the page to leave out what it cannot show.
MOST = 10
# Rows that are looked at first, and how many times as many after that.
_FOREMOST, _MORE = 1_000, 30
_COLUMNS = frozenset(column.name for column in INTERACTIONS.columns)


def examples(lake: Lake, row: dict[str, Any], metric: Metric | None, known: set[str]) -> list[str]:
    """Interactions of the finding's day that show it best.

    Args:
        lake: to ask.
        row: the finding, as a row of `schema.FINDINGS`.
        metric: its metric, if it has one that is scored.
        known: columns of `scores`.
    Returns:
        At most MOST ids: those with the worst values of the metric in the segment (the most extreme
        in the direction of the change, for a metric that has no worse side), each question once;
        for a prompt, its first uses. None for missing data.
    """
    day: date = row["day"]
    if row["kind"].startswith("prompt_"):
        fingerprint = dict(row["detail"]).get("fingerprint")
        if fingerprint is None:
            return []
        params = {"day": day, "fingerprint": fingerprint}
        return _ids(lake, _query("prompt_examples.sql"), params)
    segment = row["segment"]
    if metric is None or not {metric.name, f"{metric.name}__status"} <= known:
        return []
    if segment != "all" and segment not in _COLUMNS:
        return []
    query = (
        _query("examples.sql")
        .replace("{value}", _identifier(metric.name))
        .replace("{status}", _identifier(f"{metric.name}__status"))
        .replace("{segment}", _identifier("interaction_id" if segment == "all" else segment))
    )
    return _ids(
        lake,
        query,
        {
            "day": day,
            "segment": segment,
            "value": row["value_of_segment"],
            "direction": _direction(row, metric),
        },
    )


def _direction(row: dict[str, Any], metric: Metric) -> float:
    better = dict(row["detail"]).get("direction") == "better"
    if metric.worse == "either" or better:
        return -1.0 if (row["effect"] or 0.0) < 0 else 1.0
    return 1.0 if metric.worse == "higher" else -1.0


def _ids(lake: Lake, query: str, params: dict[str, Any]) -> list[str]:
    """The first interactions of a query's answer, each question once. A few of the foremost rows are
    asked for, and more where they say the same again and again: a day is never sorted as a whole."""
    top = _FOREMOST
    while True:
        found = lake.sql(query, {**params, "top": top})
        ids = zip(found["asked"].to_pylist(), found["interaction_id"].to_pylist(), strict=True)
        once: dict[str, str] = {}
        for asked, id_ in ids:
            once.setdefault(asked, id_)
        if len(once) >= MOST or found.num_rows < top:
            return list(once.values())[:MOST]
        top *= _MORE


def _query(name: str) -> str:
    text = (files("evalkit.detection") / "queries" / name).read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
