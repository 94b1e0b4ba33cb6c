"""The canary step: replaces one night of `canary` by what its instrument gives for the frozen rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from evalkit.canary.comparing import move, read_off
from evalkit.canary.instrument import Instrument, fingerprint
from evalkit.lake import Lake
from evalkit.schema import CANARY

__all__ = ["Recorded", "record"]


@dataclass(frozen=True)
class Recorded:
    """What the step did.

    Attributes:
        day: the night.
        metrics: how many metrics have a value on some frozen row.
        moved: the largest move since the night before, and of which metric; None on a first night.
    """

    day: date
    metrics: int
    moved: tuple[float, str] | None

    def __str__(self) -> str:
        if self.moved is None:
            return f"{self.metrics} metrics of the frozen rows, nothing to compare with"
        largest, name = self.moved
        told = f"largest move {largest:.2g} ({name})" if largest else "none moved"
        return f"{self.metrics} metrics of the frozen rows, {told}"


def record(lake: Lake, day: date, instrument: Instrument) -> Recorded:
    """Keep what tonight's instrument gives for the frozen rows, in one commit.

    Args:
        lake: holds the readings of other nights; only those before `day` are compared with.
        day: the night.
        instrument: what the night is scored with.
    Raises:
        ModelError: the frozen rows or a model are not what they should be.
        LakeError: the table cannot be read or written.
    """
    name = fingerprint(instrument.parts)
    last, first = _previous(lake, day), _first(lake, day, name)
    rows: list[dict[str, Any]] = []
    for metric in instrument.metrics.values():
        values = instrument.scores[metric.name].to_pylist()
        found = read_off(metric, values, instrument.canary.hallucinated)
        if found is None:
            continue
        before, start = last.get(metric.name), first.get(metric.name)
        rows.append(
            {
                "day": day,
                "metric": metric.name,
                "fingerprint": name,
                "instrument": sorted(instrument.parts.items()),
                "n_scored": found.n_scored,
                "mean": found.mean,
                "auroc": found.auroc,
                "digest": found.digest,
                "values": found.values,
                "previous_day": before["day"] if before else None,
                "previous_move": move(metric, before["values"] if before else None, found.values),
                "first_day": start["day"] if start else day,
                "first_move": move(metric, start["values"], found.values) if start else 0.0,
            }
        )
    lake.update(CANARY, day, pa.Table.from_pylist(rows, CANARY.schema))
    moves = [(row["previous_move"], row["metric"]) for row in rows if row["previous_day"]]
    return Recorded(day, len(rows), max(moves, default=None))


def _previous(lake: Lake, day: date) -> dict[str, dict[str, Any]]:
    """The readings of the last night before `day`, by metric."""
    query = "SELECT * FROM canary WHERE day = (SELECT max(day) FROM canary WHERE day < $day)"
    return {row["metric"]: row for row in lake.sql(query, {"day": day}).to_pylist()}


def _first(lake: Lake, day: date, name: str) -> dict[str, dict[str, Any]]:
    """The first readings of this instrument before `day`, by metric."""
    query = (
        "SELECT * FROM canary WHERE fingerprint = $name AND day < $day "
        "QUALIFY row_number() OVER (PARTITION BY metric ORDER BY day) = 1"
    )
    return {row["metric"]: row for row in lake.sql(query, {"day": day, "name": name}).to_pylist()}
