"""Every registered source keeps the contract: any line becomes rows or a reject."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Source, Window
from evalkit.ingest.rows import table_of
from evalkit.registry import find, names
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import lines_of
from tests.ingest.story import ROW, STORY, copy_of, read

PACKAGE, GROUP = "evalkit.ingest.sources", "evalkit.sources"
GOOD: dict[str, dict[str, Any]] = {
    "openai_log": STORY,
    "jsonl": ROW,
    "table": ROW,
    "otlp": json.loads(lines_of("otlp_genai.jsonl")[0].data),
    "litellm": json.loads(lines_of("litellm.jsonl")[0].data),
    "langfuse": json.loads(lines_of("langfuse_observations.jsonl")[2].data),
    "langsmith": json.loads(lines_of("langsmith.jsonl")[2].data),
    "opik": json.loads(lines_of("opik.jsonl")[0].data),
    "mlflow": json.loads(lines_of("mlflow.jsonl")[0].data),
    "sagemaker": copy_of(
        json.loads(lines_of("sagemaker.jsonl")[0].data),
        eventMetadata__inferenceTime=STORY["timestamp"],
    ),
    "vertex": json.loads(lines_of("vertex.jsonl")[0].data),
}
UTC_ZONE = ZoneInfo("UTC")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text()
    | st.sampled_from(["\x00", "\ud800", "2026-11-22T02:14:05Z", "", " ", "🙂" * 50, "שלום", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def source(name: str) -> Source:
    return find(PACKAGE, GROUP, Source, name)[name]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [path] * bool(path) + [
        found for key, inner in below for found in paths_of(inner, (*path, key))
    ]


def put(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    fresh = copy_of(record)
    target: Any = fresh
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return fresh


def test_all_sources_have_a_good_record_here() -> None:
    assert set(names(PACKAGE, GROUP)) == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_it_is_documented_and_named_after_its_file(name: str) -> None:
    found = source(name)
    assert found.name == name
    assert len(found.about) > 40


@pytest.mark.parametrize("name", GOOD)
def test_no_lines_give_nothing(name: str) -> None:
    assert read(source(name), []) == ([], [])


@pytest.mark.parametrize("name", GOOD)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_json_value_in_any_place_is_a_row_or_a_reject(name: str, data: st.DataObject) -> None:
    good = GOOD[name]
    records = []
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from([*paths_of(good), ("new",)]))
        records.append(put(good, path, data.draw(JSON)))
    lines = [json.dumps(record).encode() for record in records]
    always = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    rows, rejects = read(source(name), lines, always)
    if name == "jsonl":  # one record, one row
        assert len(rows) + len(rejects) == len(lines)
    assert {reject.line for reject in rejects} <= set(range(1, len(lines) + 1))
    assert all(reject.reason for reject in rejects)
    table = table_of(rows, "s", UTC_ZONE) if rows else INTERACTIONS.empty()
    assert table.schema.equals(INTERACTIONS.schema)
    table.validate(full=True)


@pytest.mark.parametrize("name", GOOD)
@settings(deadline=None)
@given(line=st.binary(max_size=100))
def test_any_bytes_between_two_records_cost_neither(name: str, line: bytes) -> None:
    good = json.dumps(GOOD[name]).encode()
    rows, rejects = read(source(name), [good, line, good])
    assert len(rows) == 2
    assert [reject.line for reject in rejects] == [2]


@pytest.mark.parametrize("name", GOOD)
def test_rows_outside_of_the_window_are_left_out(name: str) -> None:
    moment = datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC)
    line = json.dumps(GOOD[name]).encode()
    tick = timedelta(microseconds=1)
    assert len(read(source(name), [line], Window(moment, moment + tick))[0]) == 1
    assert read(source(name), [line], Window(moment - tick, moment)) == ([], [])
    assert read(source(name), [line], Window(moment + tick, moment + 2 * tick)) == ([], [])


@pytest.mark.parametrize("name", GOOD)
def test_a_reject_stands_near_the_record_before_it(name: str) -> None:
    good = json.dumps(GOOD[name]).encode()
    rows, rejects = read(source(name), [b"{", good, b"{"])
    assert [reject.near for reject in rejects] == [None, rows[0]["started_at"]]
    assert [reject.raw for reject in rejects] == ["{", "{"]


@pytest.mark.parametrize("name", GOOD)
def test_reading_twice_gives_the_same(name: str) -> None:
    lines = [json.dumps(GOOD[name]).encode(), b"[]", json.dumps(GOOD[name]).encode()]
    assert read(source(name), lines) == read(source(name), lines)
