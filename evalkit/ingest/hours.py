"""The hours of the ledger: what each source sent in each hour of a day, and what it usually sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.ingest.day import Day, sql
from evalkit.lake import Lake
from evalkit.schema import LEDGER

__all__ = ["Ledger", "hours_of", "read_ledger", "table_of_hours"]

_HOUR = timedelta(hours=1)
#: Same weekdays from which on the usual number is theirs; days from which on it is that of any day.
_WEEKS = 3
_DAYS = 7
_Key = tuple[str, datetime]


@dataclass(frozen=True)
class Ledger:
    """What is known before a day is counted.

    Attributes:
        before: the day's hours as they are stored, by source and hour; empty for a day never stored.
        usual: per source and time of the clock ("03:00") how many records are usual.
    """

    before: Mapping[_Key, Mapping[str, Any]]
    usual: Mapping[tuple[str, str], float]


def read_ledger(lake: Lake, day: date, zone: ZoneInfo) -> Ledger:
    """What the ledger says of a day's hours, and of the same hours of the weeks before it.

    The usual number is the median over the same weekday of the last eight weeks where three of them
    are known, else over the last four weeks where seven days are, else there is none.
    """
    stored = lake.read(LEDGER, day, day)
    hours = stored.filter(pc.equal(stored["kind"], "hour")).to_pylist()
    usual: dict[tuple[str, str], float] = {}
    for row in lake.sql(sql("expected"), {"day": day, "zone": zone.key}).to_pylist():
        if row["weeks"] >= _WEEKS:
            usual[row["source"], row["clock"]] = row["of_weekday"]
        elif row["days"] >= _DAYS:
            usual[row["source"], row["clock"]] = row["of_any_day"]
    return Ledger({(row["source"], row["hour"]): row for row in hours}, usual)


def hours_of(
    asked: Day,
    sources: Sequence[str],
    bounds: tuple[datetime, datetime],
    zone: ZoneInfo,
    known: Ledger,
    contentless: Mapping[_Key, int],
    missing: Mapping[_Key, str],
    redacted: Mapping[_Key, Mapping[str, int]],
) -> list[dict[str, Any]]:
    """One row per source and hour of the day, zeros included; the day has 23, 24 or 25 of them.

    Args:
        asked: the day's records.
        sources: the configured ones; others that have records on the day follow.
        bounds: the day's first instant and the next day's.
        known: what the ledger said before.
        contentless: interactions without question and answer, by source and hour.
        missing: why an hour is known to be incomplete.
        redacted: what was taken out of the records' texts, by source and quarter of an hour.
    """
    start, end = bounds
    found = {(row["source"], row["hour"]): row for row in asked.rows("counts")}
    refused = {(row["source"], row["hour"]): row["rejected"] for row in asked.rows("rejected")}
    rows = []
    for source in [*sources, *_others(sources, (name for name, _ in found))]:
        for index in range(
            -((start - end) // _HOUR)
        ):  # rounded up, where clocks move by half an hour
            hour = start + index * _HOUR
            before = known.before.get((source, hour), {})
            counted = found.get((source, index), {})
            accepted, duplicate = counted.get("accepted", 0), counted.get("duplicate", 0)
            if source in asked.partly:  # repeats whose file is gone came all the same
                duplicate = max(duplicate, before.get("duplicate") or 0)
            rejected = refused.get((source, index), 0)
            rows.append(
                {
                    "source": source,
                    "hour": hour,
                    "expected": known.usual.get((source, _clock(hour, zone))),
                    "received": accepted + duplicate + rejected,
                    "accepted": accepted,
                    "duplicate": duplicate,
                    "rejected": rejected,
                    "late": _late(accepted, before, bool(known.before)),
                    "truncated": counted.get("truncated", 0),
                    "contentless": contentless.get((source, hour), 0),
                    "missing": missing.get((source, hour)),
                    "redacted": _redacted(
                        source, hour, redacted, before if source in asked.partly else {}
                    ),
                }
            )
    return rows


def _redacted(
    source: str,
    hour: datetime,
    quarters: Mapping[_Key, Mapping[str, int]],
    before: Mapping[str, Any],
) -> list[tuple[str, int]] | None:
    """What was taken out in an hour, by class; of rows that were not read again, what was known."""
    found: Counter[str] = Counter()
    for quarter in range(4):
        found.update(quarters.get((source, hour + quarter * _HOUR / 4), {}))
    for kind, count in dict(before.get("redacted") or ()).items():
        found[kind] = max(found[kind], count)
    return sorted(found.items()) or None


def table_of_hours(day: date, hours: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The hours as rows of the ledger."""
    return pa.Table.from_pylist(
        [{"day": day, "kind": "hour", **hour} for hour in hours], schema=LEDGER.schema
    )


def _late(accepted: int, before: Mapping[str, Any], is_stored: bool) -> int:
    """What came after the day was first stored: all but what the hour had then. It follows from the
    ledger alone, so that a run that was killed between two tables counts nothing twice."""
    if not is_stored:
        return 0
    first = (before.get("accepted") or 0) - (before.get("late") or 0)
    return max(0, accepted - first)


def _clock(hour: datetime, zone: ZoneInfo) -> str:
    return hour.astimezone(zone).strftime("%H:%M")


def _others(sources: Sequence[str], found: Iterable[str]) -> list[str]:
    return sorted(set(found) - set(sources))
