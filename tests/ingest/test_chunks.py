"""Contexts that came with an id only get their text from the chunk store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import Settings
from evalkit.errors import SourceError
from evalkit.ingest import ingest
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from tests.ingest.story import DAY, ROW, copy_of, write_lines

OLD, NEW = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(configure: Callable[..., Settings]) -> Settings:
    source = {"format": "jsonl", "path": "rows.jsonl", "chunks": "chunks/*.parquet"}
    return configure(sources={"app": source})


def store(folder: Path, name: str = "a", **columns: Any) -> None:
    (folder / "chunks").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"chunks/{name}.parquet")


def rows_of(settings: Settings, folder: Path, *contexts: Any) -> list[dict[str, Any]]:
    """The stored rows of calls with these contexts, in their order."""
    records = [copy_of(ROW, source_id=f"{i}") | {"contexts": c} for i, c in enumerate(contexts)]
    write_lines(folder / "rows.jsonl", records)
    lake = Lake(str(folder / "lake"))
    ingest(settings, lake, [DAY])
    found = lake.read(INTERACTIONS, DAY, DAY).to_pylist()
    return sorted(found, key=lambda row: row["source_id"])


def texts(row: dict[str, Any]) -> list[str | None]:
    return [chunk["text"] for chunk in row["contexts"]]


def test_ids_get_their_texts(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=["kb-1", "kb-2"], text=["One.", "Two."])
    first, second, third = rows_of(
        settings, tmp_path, [{"id": "kb-2"}, {"id": "kb-1", "score": 0.5}], [{"id": "kb-1"}], None
    )
    assert (texts(first), texts(second), third["contexts"]) == (["Two.", "One."], ["One."], None)
    assert first["contexts"][1]["score"] == 0.5


def test_a_text_that_was_logged_stands(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=["kb-1"], text=["As it is today."])
    (row,) = rows_of(settings, tmp_path, [{"id": "kb-1", "text": "As it was."}])
    assert texts(row) == ["As it was."]


def test_an_id_that_the_store_does_not_know_is_counted(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=["kb-1", "blank"], text=["One.", " "])
    one, none = rows_of(
        settings, tmp_path, [{"id": "kb-1"}, {"id": "gone"}, {"id": "blank"}], [{"id": "kb-1"}]
    )
    assert texts(one) == ["One.", None, None]
    assert dict(one["attributes"]) == {"chunks_unknown": "2"}
    assert none["attributes"] is None


def test_the_newest_of_several_texts_stands(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, "b", doc_id=["kb-1"], text=["New."], updated_at=[NEW], title=["Refunds"])
    store(tmp_path, "a", doc_id=["kb-1"], text=["Old."], updated_at=[OLD], title=["Money"])
    store(tmp_path, "c", doc_id=["kb-1"], text=["Undated."])
    (row,) = rows_of(settings, tmp_path, [{"id": "kb-1"}])
    (chunk,) = row["contexts"]
    assert (chunk["text"], chunk["updated_at"]) == ("New.", NEW)
    assert dict(chunk["attributes"]) == {"title": "Refunds"}


def test_ids_of_the_store_may_be_numbers(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=[7, 8], text=["Seven.", "Eight."])
    (row,) = rows_of(settings, tmp_path, [{"id": "7"}])
    assert texts(row) == ["Seven."]


def test_hostile_ids_are_ids(settings: Settings, tmp_path: Path) -> None:
    hostile = "x') OR 1=1; DROP TABLE wanted; --"
    store(tmp_path, doc_id=[hostile, "secret"], text=["Mine.", "Not mine."])
    (row,) = rows_of(settings, tmp_path, [{"id": hostile}])
    assert texts(row) == ["Mine."]


def test_a_second_run_gives_the_same(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=["kb-1"], text=["One."])
    first = rows_of(settings, tmp_path, [{"id": "kb-1"}, {"id": "gone"}])
    assert rows_of(settings, tmp_path, [{"id": "kb-1"}, {"id": "gone"}]) == first


def test_only_what_was_asked_for_is_kept(settings: Settings, tmp_path: Path) -> None:
    ids = [f"kb-{i}" for i in range(50_000)]
    store(tmp_path, doc_id=ids, text=[f"Text {id_}." for id_ in ids])
    (row,) = rows_of(settings, tmp_path, [{"id": "kb-49999"}])
    assert texts(row) == ["Text kb-49999."]


def test_what_is_wrong_is_said(settings: Settings, tmp_path: Path) -> None:
    where = r"evalkit.toml: \[sources.app\] chunks: "
    with pytest.raises(SourceError, match=where + "no file matches 'chunks/\\*.parquet'"):
        rows_of(settings, tmp_path, None)
    store(tmp_path, doc_id=["kb-1"], body=["One."])
    with pytest.raises(SourceError, match=where + "chunks/a.parquet has no column 'text', only"):
        rows_of(settings, tmp_path, None)
    (tmp_path / "chunks/a.parquet").write_text("doc_id,text\n")
    with pytest.raises(SourceError, match=where + "chunks/a.parquet is no Parquet file"):
        rows_of(settings, tmp_path, None)


def test_a_damaged_store_is_a_clear_error(settings: Settings, tmp_path: Path) -> None:
    store(tmp_path, doc_id=["kb-1"], text=["One."])
    file = tmp_path / "chunks/a.parquet"
    data = bytearray(file.read_bytes())
    data[4:40] = b"\xff" * 36
    file.write_bytes(data)
    with pytest.raises(SourceError, match="the chunk store cannot be read"):
        rows_of(settings, tmp_path, [{"id": "kb-1"}])
