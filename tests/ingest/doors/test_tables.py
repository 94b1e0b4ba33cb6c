"""Rows of Parquet and CSV files as JSON lines: types, damage, and places."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line
from evalkit.ingest.doors.files import lines

WHERE = "evalkit.toml: [sources.gateway] path"


def read(folder: Path, path: str, **options: int) -> list[Line]:
    return list(lines(path, folder, WHERE, **options))  # type: ignore[arg-type]


def rows(found: list[Line]) -> list[dict[str, Any]]:
    assert [line.problem for line in found] == [None] * len(found)
    return [json.loads(line.data) for line in found]


def test_parquet_is_known_by_its_content(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 22, 2, 14, 5, 120_000)  # noqa: DTZ001 - no zone means UTC
    table = pa.table(
        {
            "t": pa.array([moment, None], pa.timestamp("ns")),
            "z": pa.array([moment.replace(tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")),
            "d": [date(2026, 11, 22), None],
            "n": [Decimal("0.5"), None],
            "b": [b"text", b"\xff"],
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "l": [[{"a": 1}], None],
        }
    )
    pq.write_table(table, tmp_path / "part-0")
    first, second = rows(read(tmp_path, "part-0"))
    assert first == {
        "t": "2026-11-22T02:14:05.120000", "z": "2026-11-22T02:14:05.120000+00:00",
        "d": "2026-11-22", "n": 0.5, "b": "text", "m": {"k": 1}, "l": [{"a": 1}],
    }  # fmt: skip
    assert second == {"t": None, "z": first["z"], "d": None, "n": None, "b": "/w==", "m": {},
                      "l": None}  # fmt: skip


def test_rows_are_counted_over_all_batches(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(1000)}), tmp_path / "a.parquet", row_group_size=300)
    found = read(tmp_path, "a.parquet")
    assert [line.number for line in found] == list(range(1, 1001))
    assert rows(found)[-1] == {"a": 999}


def test_a_damaged_parquet_file_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more")
    (line,) = read(tmp_path, "a.parquet")
    assert line.problem is not None
    assert line.problem.startswith("the Parquet file is damaged (")


def test_a_csv_file_with_quotes_breaks_and_a_mark(tmp_path: Path) -> None:
    text = '\ufeffa,b,\r\n"x\r\ny, ""z""",,1\r\n\r\nü,2,\r\n'
    (tmp_path / "a.csv").write_text(text, "utf-8", newline="")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.tsv").write_text("a\tb\n1\t2\n", "utf-8")
    expected = [{"a": 'x\r\ny, "z"', "b": None}, {"a": "ü", "b": "2"}]
    assert rows(read(tmp_path, "a.csv")) == expected
    assert rows(read(tmp_path, "b.csv.gz")) == expected
    assert rows(read(tmp_path, "c.tsv")) == [{"a": "1", "b": "2"}]


def test_a_row_with_other_fields_than_the_header_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1\n1,2\n", "utf-8")
    bad, good = read(tmp_path, "a.csv")
    assert bad.problem == "a row of 1 fields in a table of 2 columns"
    assert rows([good]) == [{"a": "1", "b": "2"}]


def test_a_forgotten_quote_does_not_hold_the_file_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,2\n"x,' + "y\n" * 50_000, "utf-8")
    good, bad = read(tmp_path, "a.csv", max_bytes=10_000)
    assert rows([good]) == [{"a": "1", "b": "2"}]
    assert bad.problem is not None
    assert "field larger than field limit" in bad.problem


def test_a_row_that_is_too_long_comes_as_its_beginning(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x" * 20_000, "y"]}), tmp_path / "a.parquet")
    long, short = read(tmp_path, "a.parquet", max_bytes=10_000)
    assert long.problem == "the row is longer than 10,000 bytes"
    assert len(long.data) == 8000
    assert rows([short]) == [{"a": "y"}]


@pytest.mark.parametrize("cut", [4, 10])
def test_a_cut_archive_gives_what_can_be_read(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100)[:-cut])
    found = read(tmp_path, "a.csv.gz")
    assert found[-1].problem is not None
    assert found[-1].problem.startswith("the table is damaged (")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), end=st.sampled_from(["csv", "tsv", "csv.gz", "parquet"]))
def test_any_bytes_are_rows_or_problems(tmp_path: Path, data: bytes, end: str) -> None:
    data = b"PAR1" + data if end == "parquet" else b"a,b\n" + data
    (tmp_path / f"any.{end}").write_bytes(data)
    for line in read(tmp_path, f"any.{end}"):
        assert line.problem or isinstance(json.loads(line.data), dict)
