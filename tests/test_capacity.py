"""What a night needs: counted, and never less with more to do."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.capacity import Assumptions, assume, observed, parse_rows, plan
from evalkit.errors import ConfigError, DayError
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS


def test_the_work_is_counted_by_hand() -> None:
    have = Assumptions(
        chunks=4,
        repeated=0.75,
        query_tokens=10,
        response_tokens=70,
        chunk_tokens=100,
        tokens_per_second=1_000,
        rows_per_second=100,
        read_per_second=1_000,
        rolled_per_second=1_000,
        hours=1,
        cores=2,
        usd_per_core_hour=0.5,
    )
    found = plan(36_000, have)
    # One question, the answer and one new chunk as a whole and by sentences: 10 + 140 + 200.
    assert {need.what: need.amount for need in found.work} == {
        "ingest": 36_000,
        "embedding": 36_000 * 350,
        "scoring": 36_000,
        "rollup to report": 36_000,
    }
    assert found.core_hours == pytest.approx(0.01 + 3.5 + 0.1 + 0.01)
    assert found.machines == 2
    assert found.hours == pytest.approx(found.core_hours / 4)
    assert found.usd == pytest.approx(found.core_hours / 2)


@given(rows=st.integers(1, 10**12), cores=st.integers(1, 512), hours=st.floats(0.1, 24))
def test_a_plan_keeps_its_time_and_is_linear(rows: int, cores: int, hours: float) -> None:
    have = Assumptions(cores=cores, hours=hours)
    found, twice = plan(rows, have), plan(2 * rows, have)
    assert found.hours <= hours * (1 + 1e-9)
    assert twice.core_hours == pytest.approx(2 * found.core_hours)
    assert twice.usd >= found.usd
    assert plan(rows, assume({"verifier": 1}, have)).core_hours > found.core_hours


@given(st.integers(1, 10**15))
def test_counts_are_read_as_written(rows: int) -> None:
    assert parse_rows(str(rows)) == rows
    assert parse_rows(f"{rows:,}") == rows
    assert parse_rows(f"{rows}k") == rows * 1_000


@pytest.mark.parametrize("text", ["", "0", "-5", "ten", "1e9", "5T", "nan"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write a count"):
        parse_rows(text)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("chunk", 1.0, "no such assumption"),
        ("repeated", 1.5, "from 0 to 1"),
        ("cores", 0.0, "above 0"),
        ("claims", float("nan"), "0 or more"),
        ("tokens_per_second", float("inf"), "above 0"),
    ],
)
def test_assumptions_have_to_make_sense(name: str, value: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        assume({name: value})


def test_traffic_is_read_from_the_newest_day(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(DayError):
        observed(lake)
    today = dt.date(2026, 11, 20)
    for day, chunks in ((today - dt.timedelta(days=1), ["a" * 45]), (today, ["a" * 45, "b" * 90])):
        rows = [
            dict.fromkeys(INTERACTIONS.schema.names)
            | {
                "day": day,
                "interaction_id": f"{day}-{k}",
                "query": "q" * 45,
                "response": "r" * 9_000,
                "contexts": [
                    dict.fromkeys(("id", "score", "rank", "updated_at", "attributes"))
                    | {"text": text}
                    for text in chunks
                ],
            }
            for k in range(4)
        ]
        lake.replace(INTERACTIONS, day, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
    assert observed(lake) == {
        "chunks": 2,
        "repeated": 1 - 1 / 8,  # of eight chunks, one is met for the first time
        "query_tokens": 10,
        "response_tokens": 256,  # the model reads no more of it
        "chunk_tokens": 15,
    }


def test_the_verb_shows_every_assumption(tmp_path: Path) -> None:
    def told(*more: str) -> str:
        command = [sys.executable, "-m", "evalkit", "plan", "--rows", "10M", *more]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True
        ).stdout

    text = told("--set", "hours=2")
    for one in fields(Assumptions):
        assert one.name in text
    assert "10,000,000 interactions" in text
    assert json.loads(told("--json"))["assumptions"]["hours"] == 4
