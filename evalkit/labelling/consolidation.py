"""Many people's verdicts as one per interaction, with the probability that it was asked. What rates and refits read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from evalkit.lake import Lake
from evalkit.queries import query

__all__ = ["VERDICTS_SCHEMA", "Consolidated", "consolidate", "given", "read"]

VERDICTS_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("interaction_id", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("labellers", pa.int64()),
        ("probability", pa.float64()),
    ]
)

_Key = tuple[date, str]


@dataclass(frozen=True)
class Consolidated:
    """One verdict an interaction (`VERDICTS_SCHEMA`), and how many interactions are left out, and why.

    `ties`: as many said yes as no. `unsure`: nobody could tell.
    """

    table: pa.Table
    ties: int
    unsure: int


@dataclass(frozen=True)
class _Sheet:
    id: str
    start: date
    end: date
    asked: int
    after: frozenset[str]


def read(lake: Lake, metric: str, up_to_day: date) -> pa.Table:
    """The verdicts on one metric up to a day, one row an interaction (see `consolidate`)."""
    return consolidate(given(lake, metric, up_to_day)).table


def given(lake: Lake, metric: str, up_to_day: date) -> pa.Table:
    """Every single verdict on one metric up to a day: rows of `labels`, by day and interaction."""
    return lake.sql(query("labels_given"), {"metric": metric, "until": up_to_day})


def consolidate(labels: pa.Table) -> Consolidated:
    """One verdict an interaction: the majority's.

    Args:
        labels: rows of `labels` about one metric.
    Returns:
        Per interaction with a majority: day, interaction_id, metric, value (0 or 1; verdicts on another scale
        give their mean), labellers (how many gave one) and probability.

    `probability` is the one to divide by in a Horvitz-Thompson sum (Horvitz and Thompson (1952), JASA 47:663)
    over the rows that sheets have drawn from:

    - one sheet: its inclusion probability x answered / asked. The order on a sheet is random, so who
      stopped early has answered a random part of it.
    - several sheets over the same days: each estimates the same total, so their estimates are averaged with
      weights by answered rows. A row that a later sheet left out because it was labelled counts there as
      certain. The reciprocal of the row's whole weight is its probability, at most 1.
    - verdicts that came with the logs: 1 where a sheet covers their day (they stand for themselves), NULL
      where none does. Nobody knows how those rows were chosen.
    """
    rows: dict[_Key, list[dict[str, Any]]] = defaultdict(list)
    for row in labels.to_pylist():
        rows[row["day"], row["interaction_id"]].append(row)
    decided: dict[_Key, float] = {}
    ties = unsure = 0
    for key, verdicts in rows.items():
        values = [row["value"] for row in verdicts if row["value"] is not None]
        mean = sum(values) / len(values) if values else None
        if mean is None:
            unsure += 1
        elif not all(value in (0.0, 1.0) for value in values):
            decided[key] = mean
        elif mean == 0.5:
            ties += 1
        else:
            decided[key] = float(mean > 0.5)
    weigh = _Weights(rows, decided)
    found = [
        {
            "day": key[0],
            "interaction_id": key[1],
            "metric": rows[key][0]["metric"],
            "value": value,
            "labellers": sum(row["value"] is not None for row in rows[key]),
            "probability": weigh.probability(key),
        }
        for key, value in sorted(decided.items())
    ]
    return Consolidated(pa.Table.from_pylist(found, schema=VERDICTS_SCHEMA), ties, unsure)


class _Weights:
    """How many rows of the traffic each decided row stands for."""

    def __init__(self, rows: Mapping[_Key, list[dict[str, Any]]], decided: Iterable[_Key]) -> None:
        self._sheets: dict[str, _Sheet] = {}
        #: Per interaction the sheets that drew it, and with which probability.
        self._drawn: dict[_Key, dict[str, float]] = defaultdict(dict)
        for key, verdicts in rows.items():
            for row in verdicts:
                if row["probability"] is not None and row["sheet"] is not None:
                    raw = row["sheet"]
                    self._sheets[raw["id"]] = _Sheet(
                        **{**raw, "after": frozenset(raw["after"] or ())}
                    )
                    self._drawn[key][raw["id"]] = row["probability"]
        self._answered: dict[str, int] = defaultdict(int)
        for key in decided:
            for sheet in self._drawn.get(key, ()):
                self._answered[sheet] += 1

    def probability(self, key: _Key) -> float | None:
        day, drawn = key[0], self._drawn.get(key, {})
        # A sheet whose every verdict was a tie or unsure estimates nothing.
        covering = [
            sheet
            for sheet in self._sheets.values()
            if sheet.start <= day <= sheet.end and self._answered[sheet.id]
        ]
        total = sum(self._answered[sheet.id] for sheet in covering)
        if not total:
            return None
        weight = 0.0
        for sheet in sorted(covering, key=lambda sheet: sheet.id):
            share = self._answered[sheet.id] / total
            if sheet.id in drawn:
                answered = self._answered[sheet.id] / sheet.asked
                weight += share / (drawn[sheet.id] * answered)
            elif not drawn or sheet.after & drawn.keys():
                weight += share
        return min(1.0, 1.0 / weight) if weight > 0 else None
