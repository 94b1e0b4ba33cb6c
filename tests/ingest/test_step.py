"""The whole step on a real lake: counts add up, days are whole, a second run changes nothing."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.config import Settings, day_bounds
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest import Counts, ingest, newest_record
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS, LEDGER, PROMPTS, REJECTS, TABLES
from tests.ingest.story import DAY, ROW, STORY, copy_of, write_lines

Configure = Callable[..., Settings]


def at(hour: int, minute: int = 0, day: date = DAY, **more: Any) -> dict[str, Any]:
    """A canonical row at a time of the day (UTC)."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    return ROW | {"source_id": f"{day}-{hour}-{minute}", "started_at": moment.isoformat()} | more


def jsonl(path: str = "logs/*.jsonl", **more: Any) -> dict[str, Any]:
    return {"sources": {"own": {"format": "jsonl", "path": path, **more}}}


def rows_of(lake: Lake, table: Any, day: date = DAY) -> list[dict[str, Any]]:
    return list(lake.read(table, day, day).to_pylist())


def hours_of(lake: Lake, day: date = DAY) -> list[dict[str, Any]]:
    return [row for row in rows_of(lake, LEDGER, day) if row["kind"] == "hour"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_the_story_becomes_a_day(configure: Configure, lake: Lake, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [STORY])
    (taken,) = ingest(configure(), lake, [DAY])
    assert (taken.day, taken.total) == (DAY, Counts(1, 0, 0))
    assert str(taken) == "1 received: 1 accepted, 0 duplicate, 0 rejected"
    (row,) = rows_of(lake, INTERACTIONS)
    assert row["query"] == "What is the refund window for annual plans?"
    assert row["contexts"][0]["id"] == "kb-refunds#3"
    (prompt,) = rows_of(lake, PROMPTS)
    assert prompt == {
        "day": DAY,
        "fingerprint": row["prompt_fingerprint"],
        "name": "support-answer",
        "version": "7",
        "route": None,
        "template": "Answer only from the context.",
        "n": 1,
        "first_seen": row["started_at"],
        "last_seen": row["started_at"],
        "tokens_input": 412.0,
    }


def test_ledger_hours_say_what_happened_when(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(
        tmp_path / "logs/a.jsonl",
        [
            b"not json",
            at(3),
            at(3),
            at(3, 59),
            b"{",
            at(4),
            b"[]",
            at(5, day=DAY + timedelta(1)),
            b"7",
        ],
    )
    (taken,) = ingest(configure(**jsonl()), lake, [DAY])
    assert taken.sources == {"own": Counts(accepted=3, duplicate=1, rejected=3)}
    hours = hours_of(lake)
    assert len(hours) == 24
    counts = [
        tuple(h[k] for k in ("received", "accepted", "duplicate", "rejected", "late"))
        for h in hours
    ]
    assert counts[3:5] == [(5, 2, 1, 2, 0), (2, 1, 0, 1, 0)]
    assert {count for i, count in enumerate(counts) if i not in {3, 4}} == {(0, 0, 0, 0, 0)}
    assert [h["hour"] for h in hours] == [datetime(2026, 11, 22, h, tzinfo=UTC) for h in range(24)]


def test_the_newest_record_stands_and_of_equals_the_last(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(
        tmp_path / "logs/a.jsonl",
        [
            at(1, query="first"),
            at(1, query="newest", updated_at="2026-11-23T05:00:00Z"),
            at(1, query="older", updated_at="2026-11-23T04:00:00Z"),
            at(1, query="undated"),
        ],
    )
    write_lines(tmp_path / "logs/b.jsonl", [at(2, query="a"), at(2, query="b")])
    ingest(configure(**jsonl()), lake, [DAY])
    assert [row["query"] for row in rows_of(lake, INTERACTIONS)] == ["newest", "b"]


def test_one_id_in_two_sources_is_two_interactions(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [at(1)])
    both = {name: {"format": "jsonl", "path": "logs"} for name in ("one", "two")}
    (taken,) = ingest(configure(sources=both), lake, [DAY])
    assert taken.total == Counts(accepted=2)
    assert {row["source"] for row in rows_of(lake, INTERACTIONS)} == {"one", "two"}
    assert len(hours_of(lake)) == 48


def test_a_second_run_changes_no_value(configure: Configure, lake: Lake, tmp_path: Path) -> None:
    records = [copy_of(STORY, response__id=f"c{n % 50}", latency_ms=n) for n in range(60)]
    write_lines(tmp_path / "logs/a.jsonl", [*records, b"{"])
    write_lines(tmp_path / "labels.jsonl", [label("c1"), label("c2", value=0)])
    config = configure(
        labels={"path": "labels.jsonl"},
        sources={"gateway": {"format": "openai_log", "path": "logs"}},
    )
    first = ingest(config, lake, [DAY])
    before = {table.name: lake.read(table) for table in TABLES}
    assert ingest(config, lake, [DAY]) == first
    for table in TABLES:
        assert lake.read(table).equals(before[table.name]), table.name


def test_a_backfill_gives_the_same_as_night_by_night(configure: Configure, tmp_path: Path) -> None:
    days = [DAY + timedelta(n) for n in range(4)]
    draw = random.Random(5)
    records: list[Any] = [
        at(draw.randrange(24), draw.randrange(60), draw.choice(days)) for _ in range(300)
    ]
    records += [b"{"] * 20
    draw.shuffle(records)
    write_lines(tmp_path / "logs/a.jsonl", records)
    write_lines(tmp_path / "logs/b.jsonl", [b"only", b"rejects"])
    config = configure(**jsonl())
    whole, nightly = Lake(str(tmp_path / "whole")), Lake(str(tmp_path / "nightly"))
    at_once = ingest(config, whole, days)
    one_by_one = [taken for day in reversed(days) for taken in ingest(config, nightly, [day])]
    assert at_once == one_by_one[::-1]
    assert sum(taken.total.received for taken in at_once) == 322
    for table in (INTERACTIONS, REJECTS, LEDGER):
        assert whole.read(table).equals(nightly.read(table)), table.name


def test_a_day_that_lost_its_rows_keeps_them_until_it_is_to_be_replaced(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    other = DAY + timedelta(1)
    write_lines(tmp_path / "logs/a.jsonl", [at(1), at(1, day=other)])
    config = configure(**jsonl())
    ingest(config, lake, [DAY, other])
    write_lines(tmp_path / "logs/a.jsonl", [])
    (taken,) = ingest(config, lake, [DAY])
    assert (taken.total, taken.changed) == (Counts(accepted=1), False)
    ingest(config, lake, [DAY], replace=True)
    assert rows_of(lake, INTERACTIONS) == []
    assert len(rows_of(lake, INTERACTIONS, other)) == 1
    assert [h["accepted"] for h in hours_of(lake)] == [0] * 24


def test_late_records_reopen_their_day_and_are_counted(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())
    write_lines(tmp_path / "logs/a.jsonl", [at(1), at(2)])
    ingest(config, lake, [DAY])
    write_lines(tmp_path / "logs/b.jsonl", [at(2), at(2, 30), at(2, 31)])
    for _ in range(2):
        ingest(config, lake, [DAY])
        assert [h["late"] for h in hours_of(lake)][:4] == [0, 0, 2, 0]
    assert len(rows_of(lake, INTERACTIONS)) == 4


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Zurich", date(2026, 3, 29), 23),
        ("Europe/Zurich", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25),
        ("Asia/Kathmandu", date(2026, 11, 22), 24),
    ],
)
def test_days_of_23_and_25_hours(
    configure: Configure, lake: Lake, tmp_path: Path, zone: str, day: date, hours: int
) -> None:
    config = configure(**jsonl(), night={"timezone": zone})
    start, end = day_bounds(day, config.zone)
    moments = [
        start + timedelta(minutes=15) * n
        for n in range(-4, (end - start) // timedelta(minutes=15) + 4)
    ]
    write_lines(
        tmp_path / "logs/a.jsonl",
        [
            ROW | {"source_id": str(n), "started_at": moment.isoformat()}
            for n, moment in enumerate(moments)
        ],
    )
    (taken,) = ingest(config, lake, [day])
    assert taken.total.accepted == len(moments) - 8
    found = hours_of(lake, day)
    assert len(found) == hours
    assert [h["hour"] for h in found] == [start + timedelta(hours=n) for n in range(hours)]
    assert all(h["accepted"] == 4 for h in found[:-1])
    assert sum(h["accepted"] for h in found) == taken.total.accepted


RECORDS = st.lists(
    st.one_of(
        st.builds(
            lambda minute, id_, newer: json.dumps(
                at(
                    minute // 60 % 24,
                    minute % 60,
                    DAY + timedelta(minute // 1440 - 1),
                    source_id=id_,
                )
                | ({"updated_at": f"2026-12-0{newer}"} if newer else {})
            ).encode(),
            st.integers(0, 3 * 1440 - 1),
            st.sampled_from("abcdef"),
            st.integers(0, 3),
        ),
        st.sampled_from(
            [b"{", b"[]", b"\xff", b'{"source_id":"x"}', b'{"started_at":"2026-11-22","query":1}']
        ),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.lists(RECORDS, min_size=1, max_size=3))
def test_counts_add_up_exactly(files: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for n, lines in enumerate(files):
            write_lines(base / f"logs/{n}.jsonl", lines)
        lake = Lake(str(base / "lake"))
        config = Settings.model_validate({**jsonl(), "base": base})
        days = [DAY + timedelta(n) for n in (-1, 0, 1)]
        taken = ingest(config, lake, days)
        readable = sum(line.startswith(b'{"source_id": ') for lines in files for line in lines)
        received = sum(day.total.received for day in taken)
        if readable:  # else every reject is shown on each of the days
            assert received == sum(map(len, files))
        for day in taken:
            hours, stored = hours_of(lake, day.day), rows_of(lake, INTERACTIONS, day.day)
            for key in ("received", "accepted", "duplicate", "rejected"):
                assert sum(hour[key] for hour in hours) == getattr(day.total, key)
            assert (
                day.total.accepted == len(stored) == len({row["interaction_id"] for row in stored})
            )
            assert day.total.rejected == len(rows_of(lake, REJECTS, day.day))
            keys = [(row["started_at"], row["interaction_id"]) for row in stored]
            assert keys == sorted(keys)


def test_rejects_say_where_and_why(configure: Configure, lake: Lake, tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/a.jsonl", [at(1), b'{"source_id": "x", "started_at"', at(2, query=7)]
    )
    ingest(configure(**jsonl()), lake, [DAY])
    first, second = rows_of(lake, REJECTS)
    assert (first["file"], first["line"], first["source"]) == ("logs/a.jsonl", 2, "own")
    assert first["reason"].startswith("JSON that ends too early")
    assert first["raw"] == '{"source_id": "x", "started_at"'
    assert (second["line"], second["reason"]) == (3, "query: is no text")


def test_rejects_at_the_beginning_of_a_file_stand_on_the_day_that_follows(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    later = DAY + timedelta(1)
    write_lines(tmp_path / "logs/a.jsonl", [b"{", at(5), b"{"])
    write_lines(tmp_path / "logs/b.jsonl", [b"{", b"{", at(6, day=later)])
    write_lines(tmp_path / "logs/c.jsonl", [b"{"])
    taken = ingest(configure(**jsonl()), lake, [DAY, later])
    assert [day.total.rejected for day in taken] == [2, 3]


def test_a_source_without_any_readable_record_is_rejected_every_night(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [b"{", b"{"])
    days = [DAY, DAY + timedelta(1)]
    assert [day.total.rejected for day in ingest(configure(**jsonl()), lake, days)] == [2, 2]


def label(source_id: str, **more: Any) -> dict[str, Any]:
    return {
        "source_id": source_id,
        "metric": "hallucination",
        "value": 1,
        "by": "ann",
        "at": "2026-11-25T12:00:00Z",
    } | more


def test_labels_join_their_interactions(configure: Configure, lake: Lake, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [at(1, source_id="x"), at(2, source_id="y")])
    write_lines(
        tmp_path / "labels.jsonl",
        [
            label("x"),
            label("x", value=0, at="2026-11-26T12:00:00Z"),
            label("x", by="bob", value=True),
            label("unknown"),
            label("y", value="yes", at="2026-11-22T01:00:00Z"),
            label("y", metric=None, at="2026-11-22T01:00:00Z"),
            b"{",
        ],
    )
    (taken,) = ingest(configure(**jsonl(), labels={"path": "labels.jsonl"}), lake, [DAY])
    assert [(row["by"], row["value"], row["at"].day) for row in rows_of(lake, LABELS)] == [
        ("ann", 0.0, 26),
        ("bob", 1.0, 25),
    ]
    assert [row["reason"] for row in rows_of(lake, REJECTS)] == [
        "value: missing or of the wrong type",
        "metric: missing or of the wrong type",
    ]
    assert taken.total == Counts(accepted=2)


def test_prompts_are_counted_by_text_name_and_version(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(
        tmp_path / "logs/a.jsonl",
        [
            at(
                1,
                system_prompt="A",
                prompt_name="p",
                prompt_version="1",
                tokens_input=10,
                route="/x",
            ),
            at(
                2,
                system_prompt="A",
                prompt_name="p",
                prompt_version="1",
                tokens_input=20,
                route="/y",
            ),
            at(3, system_prompt="A", prompt_name="p", prompt_version="1", route="/y"),
            at(4, system_prompt="B", prompt_name="p", prompt_version="1"),
            at(5, system_prompt="A", route="/z"),
            at(6),
        ],
    )
    ingest(configure(**jsonl()), lake, [DAY])
    keys = ("name", "version", "route", "template", "n", "tokens_input")
    assert sorted((tuple(row[key] for key in keys) for row in rows_of(lake, PROMPTS)), key=str) == [
        ("/z", None, "/z", "A", 1, None),
        ("p", "1", "/y", "A", 3, 15.0),
        ("p", "1", None, "B", 1, None),
    ]


def test_a_missing_source_stops_everything_before_anything_is_committed(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [at(1)])
    sources = {"own": {"format": "jsonl", "path": "logs"}, "z": {"format": "jsonl", "path": "gone"}}
    with pytest.raises(
        SourceError, match=r"evalkit.toml: \[sources.z\] path: no file matches 'gone'"
    ):
        ingest(configure(sources=sources), lake, [DAY])
    assert not (tmp_path / "lake").exists()
    sources["z"]["required"] = False  # type: ignore[assignment]
    (taken,) = ingest(configure(sources=sources), lake, [DAY])
    assert taken.sources == {"own": Counts(1, 0, 0), "z": Counts()}


def test_an_unknown_format_says_which_there_are(configure: Configure, lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r"\[sources.own\] format: 'csv'.*jsonl, .*openai_log"):
        ingest(configure(sources={"own": {"format": "csv", "path": "x"}}), lake, [DAY])


def test_nothing_is_left_behind_also_after_an_error(
    configure: Configure, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    write_lines(tmp_path / "logs/a.jsonl", [at(1)])
    ingest(configure(**jsonl()), lake, [DAY])
    with pytest.raises(SourceError):
        ingest(configure(**jsonl("gone")), lake, [DAY])
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_newest_record_of_a_source(configure: Configure, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [at(1), at(9), at(3)])
    write_lines(tmp_path / "logs/b.jsonl", [b"{"])
    assert newest_record(configure(**jsonl()), "own") == datetime(2026, 11, 22, 9, tzinfo=UTC)
    with pytest.raises(SourceError, match="no file matches"):
        newest_record(configure(**jsonl("gone")), "own")


def test_traffic_that_nobody_expects(configure: Configure, lake: Lake, tmp_path: Path) -> None:
    """Malformed lines, another encoding, an empty file, a 50 MB line, extreme answers."""
    odd: list[dict[str, Any] | bytes] = [
        copy_of(STORY, response__id="empty", response__choices=[{"message": {"content": ""}}]),
        copy_of(STORY, response__id="long",
                response__choices=[{"message": {"content": "word " * 100_000}}]),
        copy_of(STORY, response__id="bare", metadata={}, response__usage=None),
        copy_of(STORY, response__id="emoji",
                response__choices=[{"message": {"content": "👩‍👩‍👧 " * 50}}]),
        copy_of(STORY, response__id="rtl",
                response__choices=[{"message": {"content": "\u202eשלום עולם مرحبا"}}]),
        copy_of(STORY, response__id="large",
                response__choices=[{"message": {"content": "x" * 15_000_000}}]),
        '{"timestamp": "2026-11-22T01:00:00Z", "request": {"model": "café"}}'.encode("latin-1"),
        b'{"timestamp": "2026-11-22T01:00:00Z", "req',
        b'{"timestamp": "2026-11-22T01:00:00Z", "request": {"messages": "x"}, "response": []}',
        b"\x00\x00\x00",
        json.dumps(copy_of(STORY, response__id="x" * 50_000_000)).encode(),
    ]  # fmt: skip
    write_lines(tmp_path / "logs/a.jsonl", odd)
    (tmp_path / "logs/empty.jsonl").touch()
    with gzip.open(tmp_path / "logs/z.jsonl", "wb") as file:
        file.write(json.dumps(copy_of(STORY, response__id="packed")).encode())
    (taken,) = ingest(configure(), lake, [DAY])
    assert taken.total == Counts(accepted=8, duplicate=0, rejected=4)
    stored = {row["source_id"]: row["response"] for row in rows_of(lake, INTERACTIONS)}
    assert stored["empty"] is None
    assert len(stored["long"].split()) == 100_000
    assert stored["rtl"] == "\u202eשלום עולם مرحبا"
    assert len(stored["large"]) == 15_000_000


def test_a_labels_file_that_is_gone_says_what_to_do(configure: Configure, lake: Lake) -> None:
    config = configure(sources={}, labels={"path": "gone.jsonl"})
    with pytest.raises(SourceError, match=r"\[labels\] path: no file matches .* leave the key out"):
        ingest(config, lake, [DAY])


@pytest.mark.slow
def test_a_day_of_giant_records_is_taken_in_pieces(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    text = "x" * 12_000_000
    write_lines(tmp_path / "logs/a.jsonl", (at(n % 24, n, response=text) for n in range(50)))
    (taken,) = ingest(configure(**jsonl()), lake, [DAY])
    assert taken.total == Counts(accepted=50)
    assert lake.count(INTERACTIONS, DAY) == 50
