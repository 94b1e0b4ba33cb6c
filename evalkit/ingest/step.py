"""The first step of the night: logs become days of `interactions` and of what belongs to them.

A day is committed table by table, each in one atomic commit, the ledger's hours last; a table that
would not change is left alone. Any order would do after a kill, since the step starts again from
the logs; this one makes the hours the mark that a day is complete. No table ever holds half a day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import Settings, day_bounds
from evalkit.ingest.ahead import ahead
from evalkit.ingest.day import Day
from evalkit.ingest.doors.patience import Outside
from evalkit.ingest.hours import Ledger, hours_of, read_ledger, table_of_hours
from evalkit.ingest.profile import Profile, Profiler, sums_of
from evalkit.ingest.reading import Spools, read_all
from evalkit.lake import Lake
from evalkit.lake.slices import write_slices
from evalkit.schema import FIELDS, INTERACTIONS, LABELS, LEDGER, PROMPTS, REJECTS

__all__ = ["Counts", "Ingested", "ingest"]

_ROWS = 4096
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Counts:
    """What became of the records of a source on a day; they add up exactly."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.duplicate + self.rejected

    def __str__(self) -> str:
        return (
            f"{self.received:,} received: {self.accepted:,} accepted, "
            f"{self.duplicate:,} duplicate, {self.rejected:,} rejected"
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True)
class Ingested:
    """What came in on one day, by source.

    Attributes:
        day: the day.
        sources: what is known of each source's records now.
        late: how many records of the day came after it was first stored, up to now.
        fresh: how many of them came with this reading.
        changed: whether any table of the day was committed.
    """

    day: date
    sources: Mapping[str, Counts]
    late: int = 0
    fresh: int = field(default=0, compare=False)
    changed: bool = field(default=True, compare=False)

    @property
    def total(self) -> Counts:
        return sum(self.sources.values(), Counts())

    def __str__(self) -> str:
        if not self.changed:
            return f"{self.total}; nothing has changed"
        return f"{self.total}" + (f"; {self.fresh:,} came late" if self.fresh else "")


def ingest(
    settings: Settings,
    lake: Lake,
    days: Sequence[date],
    *,
    replace: bool = False,
    missed: Sequence[date] = (),
    outside: Outside | None = None,
) -> list[Ingested]:
    """Read all sources in one pass and bring the given days up to date.

    What is stored stands beside what is read now: a row whose file was moved away meanwhile is
    kept, one that was read again is replaced unless its source changed it later.

    Args:
        settings: sources, labels and the zone that decides on days.
        lake: where the tables are.
        days: the days to bring up to date; rows of other days are left alone.
        replace: forget what is stored of these days: only what can be read now stands.
        missed: those of `days` that are left alone where the lake knows nothing of them and
            nothing was read.
        outside: time and waiting of what is fetched; without it the real ones.

    Returns:
        What came in on each day, days ascending.

    Raises:
        SourceError, ConfigError: before anything is committed.
        LakeError: a commit failed; days that were committed before stand.
    """
    wanted = sorted(set(days))
    if not wanted:
        return []
    stored = set(lake.days(LEDGER))
    with tempfile.TemporaryDirectory(prefix="evalkit-ingest-") as name:
        folder = Path(name)
        spools = read_all(settings, wanted, folder, outside)
        pa.default_memory_pool().release_unused()
        return [
            _commit(settings, lake, day, spools, wanted, folder, replace=replace)
            for day in wanted
            if day in stored or day not in missed or spools.rows.has(day)
        ]


def _commit(
    settings: Settings,
    lake: Lake,
    day: date,
    spools: Spools,
    days: Sequence[date],
    folder: Path,
    *,
    replace: bool,
) -> Ingested:
    bounds = day_bounds(day, settings.zone)
    known = read_ledger(lake, day, settings.zone)
    others = [other for other in days if other != day]
    with Day(day, bounds[0], spools, others, folder, lake, replace=replace) as asked:
        changed, profile = _interactions(lake, day, asked, bounds[0])
        pa.default_memory_pool().release_unused()
        changes = [
            changed,
            _prompts(lake, day, asked, folder),
            lake.update(FIELDS, day, profile.table(day)),
            lake.update(REJECTS, day, asked.rejects),
        ]
        if settings.labels.path is not None or replace:
            # Verdicts that people gave on a sheet are a part of their own, which the logs do not
            # replace.
            changes.append(lake.update(LABELS, day, asked.labels(), part={"origin": "traffic"}))
        hours = table_of_hours(
            day,
            hours_of(
                asked,
                list(settings.sources),
                bounds,
                settings.zone,
                known,
                profile.contentless,
                _missing(spools, bounds, {} if replace else known.before),
                spools.redacted,
            ),
        )
        changes.append(_hours(lake, day, hours))
    return _told(settings, day, hours, known, any(changes))


def _interactions(lake: Lake, day: date, asked: Day, start: datetime) -> tuple[bool, Profile]:
    """Replace the day's interactions where they differ from what is stored, in whatever order, and
    say what they are."""
    profiler = Profiler(start, sums=lake.count(INTERACTIONS, day) == asked.count)
    if profiler.sums is not None:  # as many as there are: they may be the same
        for table in asked.tables():
            profiler.look(table)
        profile = profiler.profile()
        if sums_of(lake.batches(INTERACTIONS, day, _ROWS)) == profile.sums:
            return False, profile
        lake.store(INTERACTIONS, day, ahead(asked.tables()))
        return True, profile
    lake.store(INTERACTIONS, day, ahead(map(profiler.looked_at, asked.tables())))
    return True, profiler.profile()


def _prompts(lake: Lake, day: date, asked: Day, folder: Path) -> bool:
    """Replace the day's prompts where they differ. They are few, as a rule; but a template that has
    the time of day in it is another one with each call."""
    file = write_slices(folder / f"prompts-{day}.parquet", PROMPTS.schema, asked.prompts())
    try:
        return lake.adopt(PROMPTS, day, file)
    finally:
        file.unlink()


def _hours(lake: Lake, day: date, hours: pa.Table) -> bool:
    """Replace the ledger's hours where they differ. How much was scored is the score step's to say:
    it stands while the counts stand."""
    stored = lake.read(LEDGER, day, day)
    stored = stored.filter(pc.equal(stored["kind"], "hour"))
    if stored.drop_columns(["scored"]).equals(hours.drop_columns(["scored"])):
        return False
    lake.replace(LEDGER, day, hours, part={"kind": "hour"})
    return True


def _missing(
    spools: Spools,
    bounds: tuple[datetime, datetime],
    before: Mapping[tuple[str, datetime], Mapping[str, Any]],
) -> dict[tuple[str, datetime], str]:
    """Why hours of the day are known to be incomplete, by source and hour. One that an earlier night
    has read to its end is complete, whatever happens to its source now."""
    start, end = bounds
    found: dict[tuple[str, datetime], str] = {}
    for source, windows in spools.missing.items():
        for window, reason in windows:
            hour = start
            while hour < end:
                known = before.get((source, hour))
                is_read = known is not None and known.get("missing") is None
                if not is_read and hour < window.end and window.start < hour + _HOUR:
                    found.setdefault((source, hour), reason)
                hour += _HOUR
    return found


def _told(settings: Settings, day: date, hours: pa.Table, known: Ledger, changed: bool) -> Ingested:
    counts = dict.fromkeys(settings.sources, Counts())
    late = 0
    for hour in hours.to_pylist():
        counted = Counts(hour["accepted"], hour["duplicate"], hour["rejected"])
        counts[hour["source"]] = counts.get(hour["source"], Counts()) + counted
        late += hour["late"]
    before = sum(hour.get("late") or 0 for hour in known.before.values())
    return Ingested(day, counts, late, max(0, late - before), changed)
