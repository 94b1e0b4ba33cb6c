"""What earlier nights have said: which findings are open, and which days were not normal because of
one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

__all__ = ["EVENT", "Episode", "episodes", "latest", "open_rows"]

#: The key of `detail` that marks findings that happen once.
EVENT = "event"


@dataclass(frozen=True)
class Episode:
    """One finding over the nights that reported it.

    Attributes:
        row: its newest row of `schema.FINDINGS`.
        since: its first day.
        end: the first day that was normal again; None while it is open.
    """

    row: dict[str, Any]
    since: date
    end: date | None


def latest(findings: pa.Table) -> list[dict[str, Any]]:
    """The newest row of every finding, in the order of the ids."""
    newest: dict[str, dict[str, Any]] = {}
    for row in findings.sort_by([("day", "ascending"), ("finding_id", "ascending")]).to_pylist():
        newest[row["finding_id"]] = row
    return [newest[name] for name in sorted(newest)]


def open_rows(findings: pa.Table) -> list[dict[str, Any]]:
    """The newest rows of the findings that are still open: not resolved, and no events."""
    return [row for row in latest(findings) if _is_open(row)]


def episodes(findings: pa.Table, kinds: Iterable[str]) -> list[Episode]:
    """Every stretch of days that a finding of these kinds was open, newest row included."""
    wanted = set(kinds)
    found: list[Episode] = []
    running: dict[str, Episode] = {}
    for row in findings.sort_by([("day", "ascending"), ("finding_id", "ascending")]).to_pylist():
        if row["kind"] not in wanted or EVENT in dict(row["detail"] or []):
            continue
        name = row["finding_id"]
        since = row["since"] or row["day"]
        if row["status"] == "resolved":
            running.pop(name, None)
            found.append(Episode(row, since, row["day"]))
        else:
            running[name] = Episode(row, since, None)
    return found + [running[name] for name in sorted(running)]


def _is_open(row: dict[str, Any]) -> bool:
    return row["status"] != "resolved" and EVENT not in dict(row["detail"] or [])
