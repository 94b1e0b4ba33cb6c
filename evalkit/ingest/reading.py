"""One pass over all sources: what is read goes to spools, by day. Nothing is committed here."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from evalkit.config import Settings, SourceSettings, day_bounds
from evalkit.errors import ConfigError, ExtensionError, SourceError
from evalkit.ingest.ahead import ahead
from evalkit.ingest.chunks import WithTexts
from evalkit.ingest.contract import (
    Block,
    Line,
    Opener,
    Parsed,
    Reject,
    Source,
    Window,
    lines_of,
)
from evalkit.ingest.doors import files
from evalkit.ingest.doors.patience import Outside
from evalkit.ingest.doors.places import StoreError
from evalkit.ingest.doors.postgres import is_database
from evalkit.ingest.explaining import Pick
from evalkit.ingest.fetching import fetch, landed_lines, landing_of
from evalkit.ingest.labels import FORMAT, table_of_labels
from evalkit.ingest.redaction import Redaction, Taken
from evalkit.ingest.rows import days_of, table_of
from evalkit.ingest.spool import Spool
from evalkit.registry import find
from evalkit.schema import TIME

__all__ = [
    "LABELS_SOURCE",
    "REJECTED",
    "Spools",
    "format_of",
    "newest_record",
    "picks_again",
    "read_all",
]

#: Under this name the rejects of the labels file stand.
LABELS_SOURCE = "[labels]"
#: A reject before it has its day.
REJECTED = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("near", TIME),
        ("redacted", pa.map_(pa.string(), pa.int64())),
    ]
)
#: A record may stand in an object that was written so long before it: a batch's request, the earlier
#: part of a trace, a clock that is wrong.
_BEFORE = timedelta(days=2)
_ALWAYS = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True)
class Spools:
    """What one pass found: interactions and rejects by day, verdicts as they came. `missing` says of
    each source for which times it could not be read to its end, and why; `redacted` what was taken
    out of its texts; `fetched` names those that vendors' APIs gave, trace by trace."""

    rows: Spool
    rejects: Spool
    verdicts: Spool
    missing: dict[str, list[tuple[Window, str]]] = field(default_factory=dict)
    redacted: Taken = field(default_factory=dict)
    fetched: frozenset[str] = frozenset()


def read_all(
    settings: Settings, days: Sequence[date], folder: Path, outside: Outside | None = None
) -> Spools:
    """Read every source once for all `days`; what is elsewhere is fetched before.

    Args:
        settings: which sources, and the zone that decides on days.
        days: the days that are wanted, ascending, not empty.
        folder: an empty folder for the spools.
        outside: time and waiting; without it the real ones.

    Raises:
        ConfigError: a source's format is unknown or its settings cannot be used.
        SourceError: a source cannot be read. Then nothing may be committed: a day is replaced as a
            whole, and a day without one of its sources would be a lie.
    """
    redaction = Redaction(settings)
    with redaction.messages():
        return _read_all(settings, days, folder, redaction, outside or Outside())


def _read_all(
    settings: Settings,
    days: Sequence[date],
    folder: Path,
    redaction: Redaction,
    outside: Outside,
) -> Spools:
    zone = settings.zone
    spools = Spools(
        Spool(folder, "rows", days),
        Spool(folder, "rejects", days),
        Spool(folder, "verdicts", days),
        redacted=redaction.taken,
        fetched=frozenset(
            name
            for name, source in settings.sources.items()
            if source.url is not None and not is_database(source.url)
        ),
    )
    window = Window(day_bounds(days[0], zone)[0], day_bounds(days[-1], zone)[1])
    for name, source in settings.sources.items():
        where = f"{settings.file}: [sources.{name}]"
        format_ = format_of(source.format, where)
        rejects = _Rejects(name, settings, days, spools.rejects, folder, redaction)
        missing = spools.missing.setdefault(name, [])
        if source.url is None:
            missed = partial(_missed, missing, window, redaction)
            opener = _opener(settings, where, window.start - _BEFORE, missed)
        else:
            for when, reason in fetch(settings, name, format_, _spans(days, zone), outside):
                _missed(missing, when, redaction, reason)
            opener = _landed(settings, name, window)
        steps = format_.open(source, window, opener)
        landed = source.url is not None
        with _way_to(spools.rows, settings, name, folder, redaction) as keep:
            # What is redacted is redacted in one thread, and written down in another.
            for table in ahead(_tables(steps, name, zone, rejects, redaction, landed=landed)):
                keep(table)
        rejects.settle()
    if settings.labels.path is not None:
        where = f"{settings.file}: [labels]"
        labels = SourceSettings.model_validate(
            {"format": LABELS_SOURCE, "path": settings.labels.path}
        )
        rejects = _Rejects(LABELS_SOURCE, settings, days, spools.rejects, folder, redaction)
        for parsed in FORMAT.open(labels, _ALWAYS, _opener(settings, where)):
            if parsed.rows:
                spools.verdicts.add(table_of_labels(redaction.verdicts(parsed.rows)))
            rejects.add(parsed)
        rejects.settle()
    return spools


def _tables(
    steps: Iterable[Parsed],
    name: str,
    zone: ZoneInfo,
    rejects: _Rejects,
    redaction: Redaction,
    *,
    landed: bool,
) -> Iterator[pa.Table]:
    """The rows of a source as they may be kept; its rejects go their own way."""
    for parsed in steps:
        rejects.add(parsed)
        if parsed.rows:
            yield table_of(redaction.rows(parsed.rows, name, landed=landed), name, zone)
        if parsed.table:
            yield table_of(redaction.table(parsed.table, name), name, zone)


@contextmanager
def _way_to(
    rows: Spool, settings: Settings, name: str, folder: Path, redaction: Redaction
) -> Iterator[Callable[[pa.Table], None]]:
    """Takes the tables of a source to their days, past its chunk store where it has one."""

    def keep(table: pa.Table) -> None:
        rows.add(table, table.column("day").combine_chunks())

    store = settings.sources[name].chunks
    if store is None:
        yield keep
        return
    where = f"{settings.file}: [sources.{name}] chunks"
    with WithTexts(store, settings.base, where, folder) as waiting:
        yield waiting.add
        for table in waiting.joined():
            keep(redaction.table(table, name, joined=True))


def newest_record(settings: Settings, name: str) -> datetime | None:
    """When the newest readable record began of the file of a source that was changed last.

    A file without any is passed over for the one changed before it; None when no file has one.

    Raises:
        ConfigError, SourceError: as `read_all`.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    format_ = format_of(source.format, where)
    if source.url is not None:
        landed = landing_of(settings, name).all()
        steps = (
            format_.open(source, _ALWAYS, _landed(settings, name, one.window))
            for one in reversed(landed)
        )
        return next((newest for parsed in steps if (newest := _newest(parsed)) is not None), None)
    try:
        found = files.matching(
            str(source.path), settings.base, source.endpoint, _ca_file(settings, source), where
        )
    except StoreError as error:
        raise SourceError(f"{where} path: {source.path} cannot be listed: {error}") from error
    if not found:
        for _ in _opener(settings, where).lines(source):
            break  # says that nothing matches, where something should
    for file in sorted(found, key=lambda file: (file.modified, file.path), reverse=True):
        one = source.model_copy(update={"path": file.path})
        newest = _newest(format_.open(one, _ALWAYS, _opener(settings, where)))
        if newest is not None:
            return newest
    return None


def _newest(steps: Iterable[Parsed]) -> datetime | None:
    newest: datetime | None = None
    for parsed in steps:
        times = [row["started_at"] for row in parsed.rows]
        if parsed.table is not None:
            times += parsed.table.column("started_at").to_pylist()
        newest = max(times if newest is None else [newest, *times], default=None)
    return newest


def picks_again(settings: Settings, name: str, window: Window, source_id: str) -> tuple[Pick, ...]:
    """What a source makes one row of, read again; () where it does not hold the row.

    Raises:
        ConfigError, SourceError: as `read_all`.
    """
    where = f"{settings.file}: [sources.{name}]"
    source = settings.sources[name]
    opener = _opener(settings, where)
    if source.url is not None:
        opener = _landed(settings, name, window)
    opener = replace(opener, explain=source_id)
    steps = format_of(source.format, where).open(source, window, opener)
    return next((step.picks for step in steps if step.picks), ())


def format_of(name: str, where: str) -> Source:
    """The log format of this name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return find("evalkit.ingest.sources", "evalkit.sources", Source, name)[name]
    except ExtensionError as error:
        raise ConfigError(f"{where} format: {error}") from error


def _missed(
    missing: list[tuple[Window, str]], window: Window, redaction: Redaction, reason: str
) -> None:
    missing.append((window, redaction.message(reason)))


def _ca_file(settings: Settings, source: SourceSettings) -> Path | None:
    return None if source.ca_file is None else settings.path(source.ca_file)


def _opener(
    settings: Settings,
    where: str,
    since: datetime | None = None,
    missed: Callable[[str], None] | None = None,
) -> Opener:
    remedy = "leave the key out" if where.endswith("[labels]") else "set required = false"

    def blocks(source: SourceSettings) -> Iterator[Line | Block]:
        return files.blocks(
            str(source.path),
            settings.base,
            f"{where} path",
            required=source.required,
            remedy=remedy,
            endpoint=source.endpoint,
            ca_file=_ca_file(settings, source),
            since=since,
            missed=missed,
        )

    return Opener(lambda source: lines_of(blocks(source)), where, blocks=blocks)


def _landed(settings: Settings, name: str, window: Window) -> Opener:
    """A way to what was fetched, for a window and what surrounds it."""
    where = f"{settings.file}: [sources.{name}]"
    return Opener(lambda _: landed_lines(settings, name, window), where)


def _spans(days: Sequence[date], zone: ZoneInfo) -> list[Window]:
    """The times of ascending days, those that follow each other together."""
    spans: list[Window] = []
    for day in days:
        start, end = day_bounds(day, zone)
        if spans and spans[-1].end == start:
            start = spans.pop().start
        spans.append(Window(start, end))
    return spans


class _Rejects:
    """Rejects of one source on their way to their days.

    One that has no time near it (nothing readable before it in its file) waits on disk until the
    file's first readable record is known. A file without any takes the time of the file before it,
    else of the one after it. A source without any readable record at all is rejected on every day
    that is asked for.
    """

    def __init__(
        self,
        source: str,
        settings: Settings,
        days: Sequence[date],
        spool: Spool,
        folder: Path,
        redaction: Redaction,
    ) -> None:
        self._source = source
        self._zone = settings.zone
        self._days = days
        self._spool = spool
        self._waiting = Spool(folder, f"waiting-{source.encode().hex()[:64]}", ())
        self._begun: dict[str, datetime] = {}
        self._redaction = redaction

    def add(self, parsed: Parsed) -> None:
        for file, time in parsed.begun.items():
            self._begun.setdefault(self._redaction.file(file), time)
        known = [reject for reject in parsed.rejects if reject.near is not None]
        if known:
            self._place(self._table(known))
        waiting = [reject for reject in parsed.rejects if reject.near is None]
        if waiting:
            self._waiting.add(self._table(waiting))

    def settle(self) -> None:
        """Give each waiting reject its time."""
        order = sorted(self._begun)
        for table in self._waiting.batches(None).tables():
            table = table.drop_columns(["ordinal"])
            near = [self._near(file, order) for file in table.column("file").to_pylist()]
            place = table.schema.get_field_index("near")
            if order:
                self._place(table.set_column(place, REJECTED.field("near"), pa.array(near, TIME)))
                continue
            for day in self._days:
                start = day_bounds(day, self._zone)[0]
                times = pa.array([start] * table.num_rows, TIME)
                self._place(table.set_column(place, REJECTED.field("near"), times))

    def _near(self, file: str, order: list[str]) -> datetime | None:
        if not order:
            return None
        if file in self._begun:
            return self._begun[file]
        place = bisect.bisect(order, file)
        return self._begun[order[max(0, place - 1)]]

    def _place(self, table: pa.Table) -> None:
        near = table.column("near").combine_chunks()
        counts = table.column("redacted").to_pylist()
        self._redaction.count_rejects(self._source, near.to_pylist(), counts)
        self._spool.add(table, days_of(near, self._zone))

    def _table(self, rejects: list[Reject]) -> pa.Table:
        redacted = self._redaction.rejects(rejects)
        rejects = [reject for reject, _ in redacted]
        columns = {
            "source": [self._source] * len(rejects),
            "file": [reject.file for reject in rejects],
            "line": [reject.line for reject in rejects],
            "reason": [reject.reason for reject in rejects],
            "raw": [reject.raw or None for reject in rejects],
            "near": [reject.near for reject in rejects],
            "redacted": [list(counts.items()) for _, counts in redacted],
        }
        return pa.table(columns, schema=REJECTED)
