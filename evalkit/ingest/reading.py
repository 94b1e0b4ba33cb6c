"""One pass over all sources: what is read goes to spools, by day. Nothing is committed here."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.config import Settings, SourceSettings, day_bounds
from evalkit.errors import ConfigError, ExtensionError
from evalkit.ingest.contract import Line, Opener, Parsed, Reject, Source, Window
from evalkit.ingest.doors import files
from evalkit.ingest.labels import FORMAT, table_of_labels
from evalkit.ingest.rows import days_of, table_of
from evalkit.ingest.spool import Spool
from evalkit.registry import find
from evalkit.schema import TIME

__all__ = ["LABELS_SOURCE", "REJECTED", "Spools", "newest_record", "read_all"]

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
    ]
)
_ALWAYS = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True)
class Spools:
    """What one pass found: interactions and rejects by day, verdicts as they came."""

    rows: Spool
    rejects: Spool
    verdicts: Spool


def read_all(settings: Settings, days: Sequence[date], folder: Path) -> Spools:
    """Read every source once for all `days`.

    Args:
        settings: which sources, and the zone that decides on days.
        days: the days that are wanted, ascending, not empty.
        folder: an empty folder for the spools.

    Raises:
        ConfigError: a source's format is unknown or its settings cannot be used.
        SourceError: a source cannot be read. Then nothing may be committed: a day is replaced as a
            whole, and a day without one of its sources would be a lie.
    """
    zone = settings.zone
    spools = Spools(
        Spool(folder, "rows", days, order=("started_at", "interaction_id")),
        Spool(folder, "rejects", days),
        Spool(folder, "verdicts", days),
    )
    window = Window(day_bounds(days[0], zone)[0], day_bounds(days[-1], zone)[1])
    for name, source in settings.sources.items():
        where = f"{settings.file}: [sources.{name}]"
        format_ = _format(source.format, where)
        rejects = _Rejects(name, settings, days, spools.rejects, folder)
        for parsed in format_.open(source, window, _opener(settings, where)):
            if parsed.rows:
                table = table_of(parsed.rows, name, zone)
                spools.rows.add(table, table.column("day").combine_chunks())
            rejects.add(parsed)
        rejects.settle()
    if settings.labels.path is not None:
        where = f"{settings.file}: [labels]"
        labels = SourceSettings.model_validate(
            {"format": LABELS_SOURCE, "path": settings.labels.path}
        )
        rejects = _Rejects(LABELS_SOURCE, settings, days, spools.rejects, folder)
        for parsed in FORMAT.open(labels, _ALWAYS, _opener(settings, where)):
            if parsed.rows:
                spools.verdicts.add(table_of_labels(parsed.rows))
            rejects.add(parsed)
        rejects.settle()
    return spools


def newest_record(settings: Settings, name: str) -> datetime | None:
    """When the newest readable record began of the file of a source that was changed last.

    A file without any is passed over for the one changed before it; None when no file has one.

    Raises:
        ConfigError, SourceError: as `read_all`.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    format_ = _format(source.format, where)
    found = files.matching(str(source.path), settings.base)
    if not found:
        for _ in _opener(settings, where).lines(source):
            break  # says that nothing matches, where something should
    for path in sorted(found, key=lambda file: (file.stat().st_mtime, file), reverse=True):
        one = source.model_copy(update={"path": str(path)})
        newest: datetime | None = None
        for parsed in format_.open(one, _ALWAYS, _opener(settings, where)):
            times = [row["started_at"] for row in parsed.rows]
            newest = max(times if newest is None else [newest, *times], default=None)
        if newest is not None:
            return newest
    return None


def _format(name: str, where: str) -> Source:
    try:
        return find("evalkit.ingest.sources", "evalkit.sources", Source, name)[name]
    except ExtensionError as error:
        raise ConfigError(f"{where} format: {error}") from error


def _opener(settings: Settings, where: str) -> Opener:
    remedy = "leave the key out" if where.endswith("[labels]") else "set required = false"

    def lines(source: SourceSettings) -> Iterator[Line]:
        return files.lines(
            str(source.path),
            settings.base,
            f"{where} path",
            required=source.required,
            remedy=remedy,
        )

    return Opener(lines, where)


class _Rejects:
    """Rejects of one source on their way to their days.

    One that has no time near it (nothing readable before it in its file) waits on disk until the
    file's first readable record is known. A file without any takes the time of the file before it,
    else of the one after it. A source without any readable record at all is rejected on every day
    that is asked for.
    """

    def __init__(
        self, source: str, settings: Settings, days: Sequence[date], spool: Spool, folder: Path
    ) -> None:
        self._source = source
        self._zone = settings.zone
        self._days = days
        self._spool = spool
        self._waiting = Spool(folder, f"waiting-{source.encode().hex()[:64]}", ())
        self._begun: dict[str, datetime] = {}

    def add(self, parsed: Parsed) -> None:
        for file, time in parsed.begun.items():
            self._begun.setdefault(file, time)
        known = [reject for reject in parsed.rejects if reject.near is not None]
        if known:
            self._place(self._table(known))
        waiting = [reject for reject in parsed.rejects if reject.near is None]
        if waiting:
            self._waiting.add(self._table(waiting))

    def settle(self) -> None:
        """Give each waiting reject its time."""
        order = sorted(self._begun)
        for path in self._waiting.files(None):
            for batch in pq.ParquetFile(path).iter_batches():
                table = pa.Table.from_batches([batch]).drop_columns(["ordinal"])
                near = [self._near(file, order) for file in table.column("file").to_pylist()]
                place = table.schema.get_field_index("near")
                if order:
                    self._place(
                        table.set_column(place, REJECTED.field("near"), pa.array(near, TIME))
                    )
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
        self._spool.add(table, days_of(near, self._zone))

    def _table(self, rejects: list[Reject]) -> pa.Table:
        columns = {
            "source": [self._source] * len(rejects),
            "file": [reject.file for reject in rejects],
            "line": [reject.line for reject in rejects],
            "reason": [reject.reason for reject in rejects],
            "raw": [reject.raw or None for reject in rejects],
            "near": [reject.near for reject in rejects],
        }
        return pa.table(columns, schema=REJECTED)
