"""Rows as Arrow: missing is NULL, hostile text is text, what does not fit stops nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.config import day_bounds
from evalkit.errors import ExtensionError
from evalkit.ingest.rows import days_of, interaction_id, table_of
from evalkit.schema import INTERACTIONS, TIME

MOMENT = datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC)
ZONE = ZoneInfo("UTC")


def stored(**values: Any) -> dict[str, Any]:
    table = table_of([{"source_id": "a", "started_at": MOMENT, **values}], "gateway", ZONE)
    table.validate(full=True)
    assert table.schema.equals(INTERACTIONS.schema, check_metadata=True)
    return dict(table.to_pylist()[0])


def test_the_least_row() -> None:
    row = stored()
    assert {name: value for name, value in row.items() if value is not None} == {
        "day": date(2026, 11, 22),
        "interaction_id": interaction_id("gateway", "a"),
        "source": "gateway",
        "source_id": "a",
        "started_at": MOMENT,
    }


def test_an_empty_text_is_missing_beside_a_null_that_has_bytes() -> None:
    # Arrow allows bytes under a null: as many texts have some as are not null here.
    offsets, present = pa.py_buffer(np.array([0, 4, 4], np.int32)), pa.py_buffer(b"\x02")
    response = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"gone"), present)
    assert response.to_pylist() == [None, ""]
    table = table_of(
        pa.table(
            {
                "source_id": ["1", "2"],
                "started_at": pa.array([MOMENT, MOMENT], pa.timestamp("us", "UTC")),
                "response": response,
            }
        ),
        "log",
        ZONE,
    )
    assert table["response"].to_pylist() == [None, None]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", None])
def test_blank_text_is_missing(blank: str | None) -> None:
    assert stored(response=blank)["response"] is None
    assert stored(contexts=[{"id": "1", "text": blank}])["contexts"][0]["text"] is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), None])
def test_not_a_number_is_missing(number: float | None) -> None:
    row = stored(latency_ms=number, tokens_input=number, contexts=[{"id": "1", "score": number}])
    assert row["latency_ms"] is None
    assert row["tokens_input"] is None
    assert row["contexts"][0]["score"] is None


def test_nul_and_half_surrogates_are_replaced_everywhere() -> None:
    bad, good = "a\x00b\ud800", "a\ufffdb\ufffd"
    row = stored(
        query=bad,
        contexts=[{"id": bad, "text": bad, "attributes": {bad: bad}}],
        relevant_ids=[bad],
        attributes={bad: bad},
    )
    assert row["query"] == good
    assert row["contexts"][0]["text"] == good
    assert row["contexts"][0]["attributes"] == [(good, good)]
    assert row["relevant_ids"] == [good]
    assert row["attributes"] == [(good, good)]


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("tokens_input", -5, "-5"),
        ("latency_ms", -0.5, "-0.5"),
        ("cost_logged_usd", -1, "-1"),
        ("tokens_input", 2**63, str(2**63)),
        ("tokens_input", 1.5, "1.5"),
        ("tokens_input", "12", "12"),
        ("query", ["x"], '["x"]'),
        ("truncated", "yes", "yes"),
        ("contexts", "text", "text"),
        ("updated_at", "soon", "soon"),
    ],
)
def test_a_value_that_does_not_fit_is_null_and_kept_as_text(
    column: str, value: object, kept: str
) -> None:
    row = stored(**{column: value})
    assert row[column] is None
    assert dict(row["attributes"]) == {column: kept}


def test_one_bad_value_does_not_touch_its_neighbours() -> None:
    rows = [
        {"source_id": str(i), "started_at": MOMENT, "tokens_input": value, "latency_ms": float(i)}
        for i, value in enumerate([1, "x", 3.0, None, -1, 2**70])
    ]
    table = table_of(rows, "gateway", ZONE)
    assert table.column("tokens_input").to_pylist() == [1, None, 3, None, None, None]
    assert table.column("latency_ms").to_pylist() == [0, 1, 2, 3, 4, 5]


def test_times_are_never_guessed() -> None:
    assert stored(updated_at=1795313645)["updated_at"] == MOMENT.replace(microsecond=0)


def test_attributes_are_bounded_and_sorted() -> None:
    row = stored(attributes={f"{n:03d}": "x" * 5000 for n in range(500)})
    assert [key for key, _ in row["attributes"]] == [f"{n:03d}" for n in range(64)]
    assert {len(value) for _, value in row["attributes"]} == {1000}
    assert len(stored(attributes={"k" * 300 + str(n): "v" for n in range(5)})["attributes"]) == 1


def test_names_are_stored_short_and_told_apart_by_all_of_them() -> None:
    first, second = (stored(source_id="x" * 9000 + end, app="é" * 900) for end in "ab")
    assert first["source_id"] == second["source_id"] == "x" * 500
    assert first["interaction_id"] != second["interaction_id"]
    assert first["app"] == "é" * 500
    assert len(stored(query="q" * 9000)["query"]) == 9000


def test_a_row_without_time_or_id_breaks_the_contract() -> None:
    with pytest.raises(ExtensionError, match="without started_at"):
        table_of([{"source_id": "a"}], "gateway", ZONE)
    with pytest.raises(ExtensionError, match="without source_id"):
        table_of([{"started_at": MOMENT, "source_id": " "}], "gateway", ZONE)


def test_ids_tell_source_and_id_apart() -> None:
    assert interaction_id("a", "bc") != interaction_id("ab", "c")
    assert len(interaction_id("a", "b")) == 32


@given(
    st.lists(st.datetimes(datetime(2001, 1, 1), datetime(2099, 12, 31)), min_size=1),  # noqa: DTZ001
    st.sampled_from(["UTC", "Europe/Zurich", "America/Sao_Paulo", "Australia/Lord_Howe",
                     "Asia/Kathmandu", "Pacific/Apia", "Asia/Beirut"]),
)  # fmt: skip
def test_days_are_those_of_the_zone(times: list[datetime], zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    moments = [moment.replace(tzinfo=UTC) for moment in times]
    days = days_of(pa.array(moments, TIME), zone).to_pylist()
    assert days == [moment.astimezone(zone).date() for moment in moments]
    for day, moment in zip(days, moments, strict=True):
        start, end = day_bounds(day, zone)
        assert start <= moment < end
