"""Canonical rows read many at once are the rows that they are one by one, rejects and all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest import linewise
from evalkit.ingest.contract import Line, Opener, Reject, Window
from evalkit.ingest.linewise import line_source
from evalkit.ingest.rows import table_of
from evalkit.ingest.sources import jsonl
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import ALWAYS
from tests.ingest.story import WINDOW, copy_of, source_settings

ZONE = ZoneInfo("Europe/Berlin")
SLOW = line_source("jsonl", jsonl.parse, "tests")
FULL: dict[str, Any] = {
    "source_id": "a",
    "started_at": "2026-11-22T02:14:05.120Z",
    "updated_at": "2026-11-22T02:14:06Z",
    "route": "/ask",
    "query": "What?",
    "response": "That.",
    "system_prompt": "Answer.",
    "contexts": [
        {"id": "kb-1", "text": "One.", "score": 0.5, "rank": 1, "attributes": {"b": "2", "a": "1"}},
        {"id": "kb-2"},
    ],
    "history": [{"role": "user", "content": "Before."}],
    "relevant_ids": ["kb-1"],
    "tokens_input": 412,
    "cost_logged_usd": 0.5,
    "latency_ms": 1380,
    "truncated": False,
    "stages": [{"name": "llm", "start_ms": 0, "duration_ms": 1.5}],
    "feedback": [{"name": "thumb", "value": 1}],
    "attributes": {"z": "1", "y": "2"},
    "day": "2020-01-01",
    "source": "no matter",
}
#: Values that are often right, and such as never are.
VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            "",
            " ",
            "\xa0",
            "x",
            "x" * 600,
            "a\x00b",
            "\ud800",
            "🙂",
            True,
            0,
            -1,
            7,
            1.0,
            1.5,
            2**31,
            2**53 + 1,
            2**63,
            2**70,
            1e309,
            float("nan"),
            1e308,
            "é",
            "2026-11-22T02:14:05Z",
            "2026-11-22T24:00:00Z",
            "2026-02-30T00:00:00Z",
            "1999-12-31",
            "2026-11-22T02:14:05.5Z",
            "2026-11-22T02:14:05.123456789Z",
            "2200-01-01T00:00:00Z",
            "2026-11-22T02:14:05+02:00",
            "2026-11-22 02:14:05",
            1795313645,
            "2026-11-22T02:14:60Z",
            [],
            [None],
            ["a", None],
            ["a", 1],
            {},
            {"a": None},
            {"a": "b"},
            {"a": 1},
            [{}],
            [{"id": 1}],
            [{"id": "a", "text": ""}],
            [{"id": "a", "more": 1}],
            [{"role": "user"}],
            [[]],
            [{"attributes": {"k": None}}],
            [{"attributes": {"k" * 300: "v" * 2000}}],
            [{"score": float("inf")}],
            [{"updated_at": "2026-01-01"}],
            [{"rank": 2**40}],
        ]
    ),
    st.text(max_size=5),
)
RECORDS = st.one_of(
    st.just(FULL),
    st.dictionaries(st.sampled_from([*FULL, "unknown"]), VALUES, max_size=3).map(FULL.__or__),
    st.dictionaries(st.sampled_from([*FULL, "unknown"]), VALUES, max_size=6),
)
BROKEN = st.sampled_from([b"{", b"[]", b"1", b'{"a":1},{"b":2}', b'{"a":{}', b"\xff", b"null", b""])


def read(
    source: Any, lines: Iterable[bytes], window: Window = WINDOW, **values: Any
) -> tuple[pa.Table, list[Reject], dict[str, datetime], int]:
    """The finished table of a source, its rejects, its files' beginnings, and how many of its rows
    came as a table."""
    given = [Line("a" if i % 7 else "b", i, data) for i, data in enumerate(lines, 1) if data]
    given.sort(key=lambda line: line.file)
    tables, rejects, begun, quick = [INTERACTIONS.empty()], [], {}, 0
    for step in source.open(source_settings(**values), window, Opener(lambda _: iter(given), "x")):
        tables += [table_of(rows, "app", ZONE) for rows in (step.rows, step.table) if rows]
        quick += 0 if step.table is None else step.table.num_rows
        rejects += step.rejects
        begun = {**step.begun, **begun}
    return pa.concat_tables(tables), rejects, begun, quick


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one line is read at once, and never more than three."""
    monkeypatch.setattr(linewise, "FEW", 1)
    monkeypatch.setattr(linewise, "_STEP_ROWS", 3)


def assert_alike(lines: list[bytes], window: Window = ALWAYS, **values: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linewise, "FEW", 1)
        patch.setattr(linewise, "_STEP_ROWS", 3)
        patch.setattr(linewise, "_MOST_SKIPPED", 0)
        quick = read(jsonl.SOURCE, lines, window, **values)
        slow = read(SLOW, lines, window, **values)
    assert quick[1:3] == slow[1:3]
    assert quick[0].to_pylist() == slow[0].to_pylist()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(RECORDS.map(lambda one: json.dumps(one).encode()), BROKEN), max_size=8))
def test_any_lines_give_the_same_either_way(lines: list[bytes]) -> None:
    assert_alike(lines)


@settings(max_examples=50, deadline=None)
@given(st.lists(RECORDS.map(lambda one: json.dumps(one).encode()), max_size=8))
def test_so_do_defaults_and_windows(lines: list[bytes]) -> None:
    assert_alike(lines, WINDOW, defaults={"route": "/all", "app": "shop"})


@pytest.mark.parametrize("name", [name for name in FULL if name != "day"])
def test_every_column_is_read_at_once(name: str, few: None) -> None:
    lines = [json.dumps(FULL).encode(), json.dumps({**FULL, name: FULL[name]}).encode()]
    table, rejects, _, quick = read(jsonl.SOURCE, lines)
    assert (quick, rejects) == (2, [])
    assert table.column(name).null_count == 0


def test_rows_without_an_id_get_that_of_their_line(few: None) -> None:
    lines = [json.dumps(copy_of(FULL, source_id=None, query=str(i))).encode() for i in range(3)]
    table, _, _, quick = read(jsonl.SOURCE, lines)
    assert quick == 3
    assert (
        table.column("source_id").to_pylist()
        == read(SLOW, lines)[0].column("source_id").to_pylist()
    )


def test_two_broken_lines_never_make_a_good_one(few: None) -> None:
    half = b'{"source_id":"a","started_at":"2026-11-22T02:14:05Z","relevant_ids":["a"'
    table, rejects, _, _ = read(jsonl.SOURCE, [half, b'"b"]}'])
    assert (table.num_rows, len(rejects)) == (0, 2)


def test_a_few_lines_are_read_one_by_one() -> None:
    lines = [json.dumps(FULL).encode()] * (linewise.FEW - 1)
    assert read(jsonl.SOURCE, lines)[3] == 0


def test_many_lines_are_read_at_once() -> None:
    lines = [json.dumps({**FULL, "source_id": str(i)}).encode() for i in range(10_000)]
    table, rejects, _, quick = read(jsonl.SOURCE, lines)
    assert table.num_rows == 10_000
    assert not rejects
    assert quick > 5_000
