"""When the instrument moved, told from the frozen rows of each night; what is a finding of it is the detector's to say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from evalkit.detection.contract import Finding
from evalkit.detection.wording import metric_name
from evalkit.metrics import Metric, format_value

__all__ = ["TOLERANCE", "Change", "Move", "changes", "describe", "explained"]

#: Scores are stored to a millionth, and libraries round differently; what lies below is no move.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Move:
    """One metric that moved on the frozen rows.

    Attributes:
        metric: its name.
        largest: the largest change of a row's value, absolute or relative.
        before, after: its means; `auroc_before`, `auroc_after` its agreement with people, where there is one.
    """

    metric: str
    largest: float
    before: float | None
    after: float
    auroc_before: float | None
    auroc_after: float | None


@dataclass(frozen=True)
class Change:
    """One night on which frozen rows got other scores.

    Attributes:
        day: the night.
        since: the night compared with.
        is_fault: nothing that the scores rest on changed.
        parts: what did, by name, as it was and as it is.
        moves: the metrics, the largest move first.
    """

    day: date
    since: date
    is_fault: bool
    parts: dict[str, tuple[str, str]]
    moves: tuple[Move, ...]


def changes(canary: pa.Table) -> list[Change]:
    """The nights on which the instrument moved, ascending; at most a fault and a change a night.

    Args:
        canary: rows of `schema.CANARY`.

    Against the first night of the same instrument any move is a fault. Against the night before a move is a change
    when the instrument is another one.
    """
    rows: list[dict[str, Any]] = canary.to_pylist()
    known = {(row["day"], row["metric"]): row for row in rows}
    found: list[Change] = []
    for day in sorted({row["day"] for row in rows}):
        tonight = [row for row in rows if row["day"] == day]
        for kind in ("first", "previous"):
            moved = []
            for row in tonight:
                then = known.get((row[f"{kind}_day"], row["metric"]))
                if (row[f"{kind}_move"] or 0.0) <= TOLERANCE:
                    continue
                if kind == "first" or then is None or then["fingerprint"] != row["fingerprint"]:
                    moved.append((row, then))
            if moved:
                found.append(_change(day, kind, moved))
    return found


def explained(
    finding: Finding, found: Iterable[Change], metrics: dict[str, Metric], day: date
) -> Finding:
    """The finding, with the instrument's move in its cause where the two coincide.

    Args:
        finding: any finding.
        found: the changes up to `day`.
        metrics: to write values.
        day: the night of the finding.
    """
    if finding.metric is None or finding.kind == "instrument":
        return finding
    since = finding.since or day
    near = {day, since, since - timedelta(days=1)}
    for change in found:
        for move in change.moves:
            if move.metric == finding.metric and change.day in near:
                told = f"the instrument moved on {change.day}: {describe(move, metrics)}"
                return replace(finding, cause="; ".join(filter(None, (told, finding.cause))))
    return finding


def describe(move: Move, metrics: dict[str, Metric]) -> str:
    """A move in words: `on the same texts hallucination was 0.312 and is 0.420`."""
    metric = metrics.get(move.metric)
    unit = metric.unit if metric else "score"
    name, after = metric_name(move.metric), format_value(move.after, unit)
    if move.before is None:
        return f"on the same texts {name} is {after}"
    return f"on the same texts {name} was {format_value(move.before, unit)} and is {after}"


def _change(
    day: date, kind: str, moved: list[tuple[dict[str, Any], dict[str, Any] | None]]
) -> Change:
    moves = [
        Move(
            metric=row["metric"],
            largest=row[f"{kind}_move"],
            before=then["mean"] if then else None,
            after=row["mean"],
            auroc_before=then["auroc"] if then else None,
            auroc_after=row["auroc"],
        )
        for row, then in moved
    ]
    row, then = moved[0]
    parts = _parts(dict(then["instrument"] or []), dict(row["instrument"] or [])) if then else {}
    return Change(
        day,
        row[f"{kind}_day"],
        kind == "first",
        parts,
        tuple(sorted(moves, key=lambda move: (-move.largest, move.metric))),
    )


def _parts(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {
        name: (before.get(name, "none"), after.get(name, "none"))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }
