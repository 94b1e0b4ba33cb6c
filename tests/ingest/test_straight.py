"""Canonical rows read straight from bytes are the rows that they are line by line, rejects and all."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.ingest import linewise, straight
from evalkit.ingest.columns import UnfitError
from evalkit.ingest.contract import Block, Opener, Reject, lines_of
from evalkit.ingest.rows import table_of
from evalkit.ingest.sources import jsonl
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import ALWAYS
from tests.ingest.story import source_settings
from tests.ingest.test_columns import FULL, VALUES

PLAIN: dict[str, Any] = {
    **{name: FULL[name] for name in FULL if name not in ("attributes", "day", "source")},
    "contexts": [{"id": "kb-1", "text": "One.", "score": 0.5, "rank": 1}, {"id": "kb-2"}],
}
RECORDS = st.one_of(
    st.just(PLAIN),
    st.permutations(list(PLAIN.items())).map(dict),
    st.dictionaries(st.sampled_from([*PLAIN, "unknown"]), VALUES, max_size=2).map(PLAIN.__or__),
)
LINES = st.one_of(
    RECORDS.map(lambda one: json.dumps(one).encode()),
    RECORDS.map(lambda one: json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            *(b"{", b"}", b"[]", b"1", b'{"a":1},{"b":2}', b"\xff", b"null", b"", b" ", b"\x00"),
            *(b'{"source_id":"x', b'y"}', b'{"contexts":[', b'{"id":"a"}', b"]}", b"{}{}", b"{}"),
            json.dumps(PLAIN).encode() * 2,
            b'{"source_id":"a","source_id":"b"}',
            json.dumps(PLAIN).replace("0.5", "5e-1").encode(),
            json.dumps(PLAIN).replace("412", "0412").encode(),
        ]
    ),
)


def read(blocks: list[Block], *, directly: bool) -> tuple[list[Any], list[Reject], Any]:
    """The rows of blocks, their rejects, the beginnings of files."""
    opener = Opener(lambda _: lines_of(blocks), "x", blocks=lambda _: iter(blocks))
    source = jsonl.SOURCE if directly else linewise.line_source("jsonl", jsonl.parse, "tests")
    tables, rejects, begun = [INTERACTIONS.empty()], [], {}
    for step in source.open(source_settings(), ALWAYS, opener):
        given_ = [rows for rows in (step.rows, step.table) if rows]
        tables += [table_of(rows, "app", ZoneInfo("UTC")) for rows in given_]
        rejects += step.rejects
        begun = {**step.begun, **begun}
    return pa.concat_tables(tables).to_pylist(), rejects, begun


@settings(max_examples=400, deadline=None)
@given(
    blocks=st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=4),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
@example([[b'{"source_id":"x', b'y"}', b"{}{}"]], b"\n")
@example([[b'{"contexts":[', b'{"id":"a"}', b"]}", b"{}{}{}"]], b"\n")
def test_any_lines_give_the_same_either_way(blocks: list[list[bytes]], end: bytes) -> None:
    made, number = [], 1
    for lines in blocks:
        made.append(Block("a", number, end.join(lines)))
        number += len(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linewise, "_MOST_SKIPPED", 0)
        assert read(made, directly=True) == read(made, directly=False)


@pytest.mark.parametrize("name", list(PLAIN))
def test_every_plain_column_is_read_straight(name: str) -> None:
    lines = [PLAIN, {key: PLAIN[key] for key in PLAIN if key != name or key == "started_at"}]
    columns, count = jsonl.straight("\n".join(map(json.dumps, lines)).encode())
    assert count == 2
    assert columns[name].type == INTERACTIONS.schema.field(name).type
    assert columns[name].null_count == (name != "started_at")


@pytest.mark.parametrize(
    "more",
    [
        {"attributes": {"a": "b"}},
        {"contexts": [None]},
        {"tokens_input": -1},
        {"tokens_input": 1.5},
        {"started_at": "2026-11-22 02:14"},
        {"unknown": 1},
        {"source_id": "\u2003"},
    ],
)
def test_what_has_to_be_looked_at_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UnfitError):
        jsonl.straight(json.dumps({**PLAIN, **more}).encode())


def test_long_lines_and_parts_of_a_block_are_read_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "_PART", 5_000)
    lines = [json.dumps({**PLAIN, "query": f"{n} " + "x" * (n * 997 % 20_000)}) for n in range(50)]
    for end in ("\n", "\r\n"):
        columns, count = jsonl.straight(end.join(lines).encode())
        assert count == 50
        assert columns["query"].to_pylist() == [json.loads(line)["query"] for line in lines]


def test_a_block_knows_the_numbers_of_its_lines() -> None:
    block = Block("a", 5, b"x\n \n\ny")
    assert [(line.number, line.data) for line in block.lines()] == [(5, b"x"), (8, b"y")]
