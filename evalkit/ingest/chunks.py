"""Gives contexts that came with an id only their text, from a source's chunk store. The store itself
is read in `doors/store.py`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.ingest.doors.store import ChunkStore
from evalkit.ingest.spool import Spool
from evalkit.schema import INTERACTIONS

__all__ = ["UNKNOWN", "WithTexts"]

#: The attribute that says how many chunks of a row the store does not know.
UNKNOWN = "chunks_unknown"


class WithTexts:
    """The rows of one source on their way to their days: they wait on disk until all ids without a
    text are known, then the store is read once.

    Args:
        path, base, where: the store, as `ChunkStore` takes it.
        folder: an existing folder.
    """

    def __init__(self, path: str, base: Path, where: str, folder: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="chunks-", dir=folder)
        own = Path(self._folder.name)
        self._store = ChunkStore(path, base, where, own)
        self._rows = Spool(own, "rows", ())

    def __enter__(self) -> WithTexts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()
        self._folder.cleanup()

    def add(self, table: pa.Table) -> None:
        """Keep some rows."""
        ids = _without_text(table)
        if ids:
            self._store.ask(ids)
        self._rows.add(table)

    def joined(self) -> Iterator[pa.Table]:
        """All rows in the order of reading, with the texts that the store knows.

        Raises:
            SourceError: the store is damaged.
        """
        self._store.read()
        for table in self._rows.batches(None).tables():
            table = table.drop_columns(["ordinal"])
            ids = _without_text(table)
            yield _filled(table, self._store.take(ids)) if ids else table


def _without_text(table: pa.Table) -> list[str]:
    """The ids of contexts that have no text, each once."""
    chunks = pc.list_flatten(table.column("contexts")).combine_chunks()
    if not len(chunks):
        return []
    ids, texts = pc.struct_field(chunks, "id"), pc.struct_field(chunks, "text")
    bare = pc.and_(pc.is_null(texts), pc.is_valid(ids))
    found: list[str] = pc.unique(ids.filter(bare)).to_pylist()
    return found


def _filled(table: pa.Table, known: dict[str, dict[str, Any]]) -> pa.Table:
    """The rows with texts; what the store knows of a chunk besides stands where the log is silent."""
    contexts, attributes = [], []
    pairs = table.column("attributes").to_pylist()
    for chunks, own in zip(table.column("contexts").to_pylist(), pairs, strict=True):
        unknown = 0
        for chunk in chunks or ():
            if chunk["text"] is not None or chunk["id"] is None:
                continue
            found = known.get(chunk["id"])
            if found is None:
                unknown += 1
                continue
            chunk["text"] = found["text"]
            chunk["updated_at"] = chunk["updated_at"] or found["updated_at"]
            if found["title"]:
                more = dict(chunk["attributes"] or ())
                chunk["attributes"] = sorted(({"title": found["title"]} | more).items())
        if unknown:
            own = sorted({**dict(own or ()), UNKNOWN: str(unknown)}.items())
        contexts.append(chunks)
        attributes.append(own)
    for name, values in (("contexts", contexts), ("attributes", attributes)):
        field = INTERACTIONS.schema.field(name)
        place = table.schema.get_field_index(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    return table
