"""Tables on disk or S3: a day is replaced in one atomic commit, and read back as Arrow. Queries are in `views`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from evalkit.errors import CommitConflictError, LakeError
from evalkit.lake.adopting import commit, put
from evalkit.lake.columns import same, typed, without_nan, young
from evalkit.lake.slices import read_groups, read_slices, resliced
from evalkit.lake.views import Views
from evalkit.schema import TABLES, Table

__all__ = ["Lake"]

#: How often a commit is tried again when another run replaced the same day at the same time.
_ATTEMPTS = 5
#: Files that no table version needs any more are kept this long, so that readers of an old version finish.
_KEEP_HOURS = 7 * 24
#: A row group is read whole, so it bounds what a reader holds: so many rows, however large a day.
_GROUP_ROWS = 16_384
_WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=_GROUP_ROWS)

# Otherwise all of a file's bytes are in memory until its last row is read.


class Lake:
    """All tables at one location.

    Args:
        url: an absolute folder or an `s3://` URL. It is made with the first commit.
        storage: options for an object store (endpoint, keys, region), as `deltalake` names them; what is
            left out comes from the provider's usual environment variables.
    """

    def __init__(self, url: str, storage: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._storage = dict(storage or {})
        self._views: Views | None = None
        self._pins: Mapping[str, int | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": None}  # a connection does not travel

    def pinned(self, *tables: Table) -> Lake:
        """The lake with some tables as they are now: what is committed meanwhile is not seen in
        them. It can be pickled, and is the same elsewhere."""
        found = Lake(self.url, self._storage)
        found._pins = {table.name: self.version(table) for table in tables}
        return found

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────

    def replace(
        self,
        table: Table,
        day: date,
        data: pa.Table,
        part: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> None:
        """Replace one day of a table (or one part of the day) by `data`, all or nothing.

        Args:
            table: which table; `data` has its columns (`scores` may have more).
            day: the day; rows of other days are refused.
            data: the new rows, any number, also none, in the order in which they are to be read.
            part: values of the further partition columns, for example `{"kind": "run"}`.
            meta: what the table's history says about the commit, for example the run's id.

        Raises:
            CommitConflictError: another run replaced the same day again and again meanwhile.
            LakeError: NaN in the data, a row of another day, or a storage failure.
        """
        parts = {"day": day.isoformat(), **(part or {})}
        if set(parts) != set(table.parts):
            raise LakeError(
                f"{table.name}: is replaced by {', '.join(table.parts)}; got {', '.join(parts)}."
            )
        predicate = " AND ".join(f"{name} = '{_quoted(value)}'" for name, value in parts.items())
        data = data.combine_chunks()
        without_nan(data, table.name)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._repartition(table)
                write_deltalake(
                    self._location(table),
                    data,
                    mode="overwrite",
                    predicate=predicate,
                    partition_by=list(table.parts),
                    schema_mode="merge",
                    name=table.name,
                    description=table.row,
                    writer_properties=_WRITER,
                    commit_properties=CommitProperties(custom_metadata=dict(meta or {})),
                    storage_options=self._storage or None,
                )
                break
            except CommitFailedError as error:
                if attempt == _ATTEMPTS:
                    raise CommitConflictError(
                        f"{table.name}: another run replaced {day} at the same time. Its rows stand; "
                        "run the step again if they should be yours."
                    ) from error
                time.sleep(0.05 * 2**attempt)
            except (DeltaError, OSError) as error:
                raise LakeError(f"{table.name}: {day} could not be written: {error}") from error
        self.refresh()

    def update(
        self, table: Table, day: date, data: pa.Table, part: Mapping[str, str] | None = None
    ) -> bool:
        """Replace one day of a table (or one part of it), but only where something differs.

        Args:
            table, day, data, part: as in `replace`.
        Returns:
            Whether there was anything to commit.
        Raises:
            CommitConflictError, LakeError: as `replace`.
        """
        stored = self.read(table, day, day)
        for name, value in (part or {}).items():
            stored = stored.filter(pc.equal(stored[name], value))
        if same(stored, data):
            return False
        self.replace(table, day, data, part)
        return True

    def adopt(self, table: Table, day: date, file: Path) -> bool:
        """Replace one day of a table by the rows of a Parquet file, in their order and all or
        nothing, but only where something differs. A few thousand rows are in memory at a time.

        Args:
            table: which table; one that is divided by day alone.
            day: the day; all rows are of it.
            file: the rows; it stays as it is.
        Returns:
            Whether there was anything to commit.
        Raises:
            CommitConflictError, LakeError: as `replace`.
        """
        _is_divided_by_day(table)
        rows = pq.ParquetFile(file).metadata.num_rows
        if not rows:
            return self.update(table, day, pq.read_table(file, partitioning=None))
        stored = self.batches(table, day, _GROUP_ROWS)
        if self.count(table, day) == rows and all(
            same(old, new) for old, new in zip(stored, read_slices(file, _GROUP_ROWS), strict=True)
        ):
            return False
        self.store(table, day, read_slices(file, _GROUP_ROWS))
        return True

    def store(self, table: Table, day: date, tables: Iterable[pa.Table]) -> None:
        """Replace one day of a table by rows that come a few at a time, in their order and all or
        nothing; they are not held.

        Args:
            table: which table; one that is divided by day alone.
            day: the day; rows of other days are refused.
            tables: the new rows, all of one schema.
        Raises:
            CommitConflictError, LakeError: as `replace`.
        """
        _is_divided_by_day(table)
        batches = (batch for one in tables for batch in one.to_batches())
        parts = resliced(batches, _GROUP_ROWS)
        first = next(parts, None)
        if first is None:
            self.replace(table, day, table.empty())
            return
        self._repartition(table)
        checked = (_checked(part, table, day) for part in chain([first], parts))
        added = put(self._location(table), self._storage, day, checked)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                commit(self._delta(table), self._location(table), self._storage, table, added)
                break
            except CommitFailedError as error:
                if attempt == _ATTEMPTS:
                    raise CommitConflictError(
                        f"{table.name}: another run replaced {day} at the same time. Its rows "
                        "stand; run the step again if they should be yours."
                    ) from error
                time.sleep(0.05 * 2**attempt)
            except (DeltaError, OSError) as error:
                raise LakeError(f"{table.name}: {day} could not be written: {error}") from error
        self.refresh()

    def _repartition(self, table: Table) -> None:
        """Bring a table that an earlier version divided otherwise to the declared parts, in one
        commit: from then on its days can be replaced part by part."""
        delta = self._delta(table)
        if delta is None or tuple(delta.metadata().partition_columns) == table.parts:
            return
        rows = self.read(table)
        write_deltalake(
            self._location(table),
            rows.select(
                [*table.schema.names, *sorted(set(rows.column_names) - set(table.schema.names))]
            ),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(table.parts),
            writer_properties=_WRITER,
            commit_properties=CommitProperties(
                custom_metadata={"evalkit": f"divided by {', '.join(table.parts)}"}
            ),
            storage_options=self._storage or None,
        )

    def tidy(self) -> int:
        """Remove files that no recent version needs, also those of killed runs; gives their number."""
        removed = 0
        for table in TABLES:
            delta = self._delta(table)
            if delta is None:
                continue
            try:
                removed += len(delta.vacuum(retention_hours=_KEEP_HOURS, dry_run=False, full=True))
            except (DeltaError, OSError) as error:
                raise LakeError(f"{table.name}: old files cannot be removed: {error}") from error
        return removed

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def read(
        self,
        table: Table,
        start: date | None = None,
        end: date | None = None,
        columns: list[str] | None = None,
    ) -> pa.Table:
        """The rows from `start` to `end` (both included), by day, each day in the order it was stored.

        Rows that were written before a column was declared have NULL in it.
        """
        dataset = self._dataset(table)
        names = columns or None
        if dataset is None:
            empty = table.empty()
            return empty.select(names) if names else empty
        later = young(dataset.schema, table)
        asked = None if names is None else [name for name in names if name not in later]
        found = dataset.to_table(
            columns=_with_day(asked), filter=_between(start, end), use_threads=False
        )
        found = typed(found, table).sort_by("day")
        return found.select(names) if names else found

    def batches(
        self, table: Table, day: date, rows: int, columns: list[str] | None = None
    ) -> Iterator[pa.Table]:
        """The rows of one day in order, as tables of exactly `rows` rows but for the last one.

        Args:
            table, day, rows: which rows, and how many at a time.
            columns: only these declared columns; None for all, also metrics.
        """
        dataset = self._dataset(table)
        if dataset is None:
            return
        later = young(dataset.schema, table)
        asked = None if columns is None else [name for name in columns if name not in later]
        found = read_groups(dataset, _with_day(asked), _between(day, day))
        for part in resliced(found, rows):
            whole = typed(part, table)
            yield whole if columns is None else whole.select(columns)

    def days(self, table: Table) -> list[date]:
        """The days that the table holds rows of, ascending."""
        delta = self._delta(table)
        if delta is None:
            return []
        return sorted({date.fromisoformat(str(part["day"])) for part in delta.partitions()})

    def count(self, table: Table, day: date) -> int:
        """How many rows the table holds of one day."""
        dataset = self._dataset(table)
        return 0 if dataset is None else int(dataset.count_rows(filter=_between(day, day)))

    def version(self, table: Table) -> int | None:
        """The number of the table's newest commit; None before the first."""
        delta = self._delta(table)
        return None if delta is None else int(delta.version())

    def files(self, table: Table) -> list[str]:
        """The Parquet files that hold the newest version."""
        delta = self._delta(table)
        if delta is None:
            return []
        # Paths in the log are relative and percent-encoded; `file_uris` encodes the lake's own folder as well.
        paths = pa.table(delta.get_add_actions()).column("path").to_pylist()
        return sorted(f"{self._location(table)}/{unquote(path)}" for path in paths)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer to a query over all tables as views; values are bound (`$day`), never written into it.

        Raises:
            LakeError: the query is wrong; the message is DuckDB's.
        """
        if self._views is None:
            self._views = Views(self.files, self._dataset if "://" in self.url else None)
        return self._views.sql(query, params)

    def stream(
        self,
        query: str,
        params: Mapping[str, Any],
        files: Mapping[str, Sequence[Path]],
        folder: Path,
        rows: int,
    ) -> Iterator[pa.Table]:
        """The answer to a query in parts, however large it or what it is made from is.

        Args:
            query, params: as for `sql`.
            files: views of Parquet files that the query names besides the tables.
            folder: where DuckDB puts what does not fit into the memory that it may use.
            rows: at most so many in a part.
        Raises:
            LakeError: the query is wrong; the message is DuckDB's.
        """
        far = self._dataset if "://" in self.url else None
        with closing(Views(self.files, far, folder)) as views:
            yield from views.stream(query, params, files, rows)

    def refresh(self) -> None:
        """Forget what was read: the next query sees what other runs have committed."""
        if self._views is not None:
            self._views.close()
            self._views = None

    def _location(self, table: Table) -> str:
        return f"{self.url}/{table.name}"

    def _delta(self, table: Table) -> DeltaTable | None:
        location = self._location(table)
        if "://" not in location and not (Path(location) / "_delta_log").is_dir():
            return None
        pin = self._pins.get(table.name)
        if pin is None and table.name in self._pins:  # it was not there then
            return None
        try:
            return DeltaTable(location, pin, storage_options=self._storage or None)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"{location}: cannot be opened: {error}") from error

    def _dataset(self, table: Table) -> ds.Dataset | None:
        delta = self._delta(table)
        return None if delta is None else delta.to_pyarrow_dataset()


def _between(start: date | None, end: date | None) -> ds.Expression | None:
    parts = []
    if start is not None:
        parts.append(ds.field("day") >= pa.scalar(start, pa.date32()))
    if end is not None:
        parts.append(ds.field("day") <= pa.scalar(end, pa.date32()))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else parts[0] & parts[1]


def _with_day(columns: list[str] | None) -> list[str] | None:
    return columns if columns is None or "day" in columns else [*columns, "day"]


def _quoted(value: str) -> str:
    return value.replace("'", "''")


def _is_divided_by_day(table: Table) -> None:
    if table.parts != ("day",):
        raise LakeError(f"{table.name}: is replaced by {', '.join(table.parts)}, not by day.")


def _checked(part: pa.Table, table: Table, day: date) -> pa.Table:
    without_nan(part, table.name)
    if pc.any(pc.not_equal(part["day"], pa.scalar(day, pa.date32()))).as_py():
        raise LakeError(f"{table.name}: {day} could not be written: a row is of another day.")
    return part
