"""What a day's interactions are made of: which fields each source gives and with which types, which
rows say nothing, and a sum by which two readings of a day are told apart. One pass, a few rows in
memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.ingest.day import sql
from evalkit.schema import FIELDS

__all__ = ["MOST_FIELDS", "Profile", "Profiler", "profile_of", "sums_of"]

#: Fields of one source that are kept, the most frequent ones: a source that puts ids into its keys
#: has a new field with every record.
MOST_FIELDS = 500
#: How many are held while a day is read, over all sources.
_HELD = 20_000
_HOUR = timedelta(hours=1)
#: Columns that every row has, or that say nothing about the source.
_GIVEN = frozenset(
    {"day", "interaction_id", "source", "source_id", "started_at", "status", "attributes"}
)
_CHUNK_PARTS = ("id", "text", "score", "rank", "updated_at")
_Field = tuple[str, str, str]
#: A few thousand rows at a time: more threads would gain nothing, and hold memory.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": False,
    "threads": 1,
}


@dataclass(frozen=True)
class Profile:
    """What the rows of a day are.

    Attributes:
        rows: interactions by source.
        fields: interactions that have a field with a type, by (source, field, type).
        contentless: interactions without question and answer, by source and hour.
        sums: a sum over hashes of all rows, and their number: equal for the same rows in any order.
            It is good for this process only. None where it was not asked for.
    """

    rows: Counter[str]
    fields: Counter[_Field]
    contentless: Counter[tuple[str, datetime]]
    sums: tuple[int, int] | None

    def table(self, day: date) -> pa.Table:
        """The day's rows of `fields`."""
        found = []
        for source in sorted(self.rows):
            mine = [
                (name, type_, n) for (of, name, type_), n in self.fields.items() if of == source
            ]
            mine.sort(key=lambda field: (-field[2], field[0], field[1]))
            found += [
                {
                    "day": day,
                    "source": source,
                    "field": name,
                    "type": type_,
                    "n": n,
                    "rows": self.rows[source],
                    "share": round(n / self.rows[source], 6),
                }
                for name, type_, n in sorted(mine[:MOST_FIELDS])
            ]
        return pa.Table.from_pylist(found, schema=FIELDS.schema)


class Profiler:
    """Looks at the interactions of a day once, some rows at a time.

    Args:
        start: the day's first instant, from which its hours count.
        sums: whether the sum is wanted.
    """

    def __init__(self, start: datetime, *, sums: bool = True) -> None:
        self._start = start
        self._rows: Counter[str] = Counter()
        self._fields: Counter[_Field] = Counter()
        self._contentless: Counter[tuple[str, datetime]] = Counter()
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        self.sums = (0, 0) if sums else None

    def look(self, table: pa.Table) -> None:
        """Take some rows into account."""
        codes, names = _sources(table)
        self._rows.update(dict(zip(names, np.bincount(codes).tolist(), strict=True)))
        _count_columns(table, codes, names, self._fields)
        if _have_attributes(table):
            narrow = table.select(["source", "interaction_id", "contexts", "attributes"])
            self._connection.register("seen", narrow)
            for source, field, type_, n in self._connection.sql(sql("fields")).fetchall():
                self._fields[source, field, type_] += n
            self._connection.unregister("seen")
        _prune(self._fields)
        self._contentless.update(_empty_hours(table, self._start))
        if self.sums is not None:
            total, count = self.sums
            self.sums = total + _sum(self._connection, table), count + table.num_rows

    def looked_at(self, table: pa.Table) -> pa.Table:
        """The rows, taken into account."""
        self.look(table)
        return table

    def profile(self) -> Profile:
        """What was found; nothing more can be looked at."""
        self._connection.close()
        return Profile(self._rows, self._fields, self._contentless, self.sums)


def profile_of(tables: Iterable[pa.Table], start: datetime) -> Profile:
    """What a `Profiler` finds in tables."""
    profiler = Profiler(start)
    for table in tables:
        profiler.look(table)
    return profiler.profile()


def sums_of(tables: Iterable[pa.Table]) -> tuple[int, int]:
    """The sums of `Profile`, alone."""
    total, count = 0, 0
    with duckdb.connect(":memory:", config=_CONFIG) as connection:
        for table in tables:
            total += _sum(connection, table)
            count += table.num_rows
    return total, count


def _sum(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> int:
    connection.register("summed", table)
    found = connection.sql("SELECT coalesce(sum(hash(summed)), 0)::HUGEINT FROM summed").fetchone()
    connection.unregister("summed")
    return int(found[0]) if found else 0


def _sources(table: pa.Table) -> tuple[NDArray[np.int64], list[str]]:
    encoded = table["source"].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _count_columns(
    table: pa.Table, codes: NDArray[np.int64], names: list[str], fields: Counter[_Field]
) -> None:
    def add(field: str, type_: pa.DataType, has: NDArray[np.bool_]) -> None:
        for name, n in zip(
            names, np.bincount(codes[has], minlength=len(names)).tolist(), strict=True
        ):
            if n:
                fields[name, field, _word(type_)] += n

    for column in table.schema:
        if column.name not in _GIVEN:
            missing = table[column.name].null_count
            if missing == table.num_rows:
                continue
            if len(names) == 1:
                fields[names[0], column.name, _word(column.type)] += table.num_rows - missing
                continue
            valid = pc.is_valid(table[column.name])
            add(column.name, column.type, valid.to_numpy(zero_copy_only=False))
    contexts = table["contexts"].combine_chunks()
    parents = pc.list_parent_indices(contexts)
    if isinstance(parents, pa.ChunkedArray):
        parents = parents.combine_chunks()
    owner = parents.to_numpy(zero_copy_only=False)
    chunks = pc.list_flatten(contexts)
    for part in _CHUNK_PARTS:
        values = pc.struct_field(chunks, part)
        has = np.zeros(table.num_rows, dtype=np.bool_)
        has[owner[pc.is_valid(values).to_numpy(zero_copy_only=False)]] = True
        add(f"contexts.{part}", values.type, has)


def _have_attributes(table: pa.Table) -> bool:
    """Whether any row or chunk has some."""
    if table["attributes"].null_count < table.num_rows:
        return True
    chunks = pc.list_flatten(table["contexts"])
    found = pc.struct_field(chunks, "attributes")
    return bool(found.null_count < len(found))


def _word(type_: pa.DataType) -> str:
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_timestamp(type_):
        return "time"
    if pa.types.is_map(type_):
        return "map"
    return "list" if pa.types.is_list(type_) else "text"


def _empty_hours(table: pa.Table, start: datetime) -> Counter[tuple[str, datetime]]:
    empty = table.filter(pc.and_(pc.is_null(table["query"]), pc.is_null(table["response"])))
    pairs = zip(empty["source"].to_pylist(), empty["started_at"].to_pylist(), strict=True)
    return Counter((source, start + (at - start) // _HOUR * _HOUR) for source, at in pairs)


def _prune(fields: Counter[_Field]) -> None:
    if len(fields) > _HELD:
        order = sorted(fields.items(), key=lambda item: (-item[1], item[0]))
        fields.clear()
        fields.update(dict(order[: _HELD // 2]))
