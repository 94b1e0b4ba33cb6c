"""The chunk store: Parquet files with the texts of chunks by id, which logs that carry only ids are
joined with. Of a store of any size only what is asked for is held, and that on disk."""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.errors import SourceError
from evalkit.ingest.doors import files
from evalkit.schema import TIME

__all__ = ["ChunkStore"]

_MEMORY = "512MB"
_NEEDED = ("doc_id", "text")
_IDS = pa.schema([("doc_id", pa.string())])
_FOUND = pa.schema(
    [("doc_id", pa.string()), ("text", pa.string()), ("title", pa.string()), ("updated_at", TIME)]
)


class ChunkStore:
    """Texts by id. First all ids are asked for, then the store is read once, then texts are taken.

    Args:
        path: a Parquet file, a folder of such, or a glob.
        base: the folder that a relative path starts from.
        where: which key is meant, for messages.
        folder: an existing folder for what has to wait on disk.

    Raises:
        SourceError: no file matches, one is no Parquet file or lacks a column.
    """

    def __init__(self, path: str, base: Path, where: str, folder: Path) -> None:
        self._where = where
        self._files, self._columns = _checked(path, base, where)
        self._duckdb = duckdb.connect(
            str(folder / "chunks.duckdb"),
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": _MEMORY,
                "preserve_insertion_order": False,
                "temp_directory": str(folder / "chunks"),
            },
        )
        self._duckdb.execute("SET TimeZone = 'UTC'")
        self._duckdb.execute("SET python_enable_replacements = false")
        self._duckdb.execute("CREATE TABLE wanted (doc_id VARCHAR)")

    def close(self) -> None:
        self._duckdb.close()

    def ask(self, ids: Collection[str]) -> None:
        """Texts of these ids will be taken."""
        self._duckdb.register("asked", pa.table([list(ids)], schema=_IDS))
        self._duckdb.execute("INSERT INTO wanted SELECT doc_id FROM asked")
        self._duckdb.unregister("asked")

    def read(self) -> None:
        """Read the store, for the ids that were asked for.

        Raises:
            SourceError: a file of it is damaged.
        """
        relation = self._duckdb.read_parquet(self._files, union_by_name=True)
        given = [name for name in (*_NEEDED, "title", "updated_at") if name in self._columns]
        relation = relation.project(", ".join(given))
        for name in ("title", "updated_at"):
            if name not in self._columns:
                relation = relation.project(f"*, NULL AS {name}")
        relation.create_view("store")
        try:
            self._duckdb.execute(_sql("chunks"))
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0][:300]
            raise SourceError(
                f"{self._where}: the chunk store cannot be read ({reason}). Write its files anew."
            ) from error

    def take(self, ids: Collection[str]) -> dict[str, dict[str, object]]:
        """Text, title and time of change of each of some ids that the store knows."""
        self._duckdb.register("asked", pa.table([list(ids)], schema=_IDS))
        found = self._duckdb.execute(_sql("chunks_of")).to_arrow_table()
        self._duckdb.unregister("asked")
        return {row["doc_id"]: row for row in found.cast(_FOUND).to_pylist()}


def _checked(path: str, base: Path, where: str) -> tuple[list[str], set[str]]:
    """The files of a store, and the columns that any of them has."""
    if "://" in path:
        raise SourceError(f"{where}: {path!r}: a chunk store is read from disk only. Copy it here.")
    found = files.matching(path, base)
    if not found:
        raise SourceError(f"{where}: no file matches {path!r}. Check it, or leave the key out.")
    columns: set[str] = set()
    for file in found:
        try:
            names = pq.read_schema(file.path).names
        except (OSError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0][:200]
            raise SourceError(
                f"{where}: {file.name} is no Parquet file that can be read ({reason}). "
                f"A chunk store is Parquet with {' and '.join(_NEEDED)}."
            ) from error
        for name in _NEEDED:
            if name not in names:
                raise SourceError(
                    f"{where}: {file.name} has no column {name!r}, only {', '.join(names[:20])}. "
                    f"A chunk store needs {' and '.join(_NEEDED)}; rename its columns."
                )
        columns.update(names)
    return [file.path for file in found], columns


def _sql(question: str) -> str:
    return (resources.files("evalkit.ingest") / "sql" / f"{question}.sql").read_text("utf-8")
