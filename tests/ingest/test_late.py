"""What is read again beside what is stored: nothing is lost, nothing is counted twice, and nothing is committed
that is there already."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.config import Settings
from evalkit.ingest import Counts, ingest, step
from evalkit.ingest.contract import Window
from evalkit.ingest.reading import read_all
from evalkit.lake import Lake
from evalkit.schema import FIELDS, INTERACTIONS, LABELS, LEDGER, REJECTS, TABLES
from tests.ingest.story import DAY, ROW, write_lines

Configure = Callable[..., Settings]


def at(hour: int, minute: int = 0, day: date = DAY, **more: Any) -> dict[str, Any]:
    """A canonical row at a time of the day (UTC)."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    return ROW | {"source_id": f"{day}-{hour}-{minute}", "started_at": moment.isoformat()} | more


def jsonl(**more: Any) -> dict[str, Any]:
    return {
        "sources": {"own": {"format": "jsonl", "path": "logs/*.jsonl", "required": False}}
    } | more


def rows_of(lake: Lake, table: Any, day: date = DAY) -> list[dict[str, Any]]:
    return list(lake.read(table, day, day).to_pylist())


def hours_of(lake: Lake, day: date = DAY) -> list[dict[str, Any]]:
    return [row for row in rows_of(lake, LEDGER, day) if row["kind"] == "hour"]


def versions(lake: Lake) -> dict[str, int | None]:
    return {table.name: lake.version(table) for table in TABLES}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_rows_whose_file_was_moved_away_stay_beside_late_ones(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())
    write_lines(tmp_path / "logs/yesterday.jsonl", [at(1), at(1), at(2), b"{"])
    ingest(config, lake, [DAY])
    (tmp_path / "logs/yesterday.jsonl").unlink()
    write_lines(tmp_path / "logs/today.jsonl", [at(2, 30)])
    for _ in range(2):
        (taken,) = ingest(config, lake, [DAY])
        assert taken.total == Counts(accepted=3, duplicate=1, rejected=1)
        assert [row["started_at"].hour for row in rows_of(lake, INTERACTIONS)] == [1, 2, 2]
        assert [h["late"] for h in hours_of(lake)][:4] == [0, 0, 1, 0]
        assert len(rows_of(lake, REJECTS)) == 1
    assert (taken.late, taken.fresh, taken.changed) == (1, 0, False)


def test_the_newest_reading_stands_across_nights(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())
    file = tmp_path / "logs/a.jsonl"
    for query, updated, stands in (
        ("first", "2026-11-23T01:00:00Z", "first"),
        ("newer", "2026-11-23T03:00:00Z", "newer"),
        ("older", "2026-11-23T02:00:00Z", "newer"),
        ("undated", None, "newer"),
        ("equal", "2026-11-23T03:00:00Z", "equal"),
    ):
        write_lines(file, [at(1, query=query, updated_at=updated)])
        ingest(config, lake, [DAY])
        assert [row["query"] for row in rows_of(lake, INTERACTIONS)] == [stands]
        assert sum(h["accepted"] for h in hours_of(lake)) == 1


def test_a_row_that_moved_to_another_day_is_not_there_twice(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config, later = configure(**jsonl()), DAY + timedelta(1)
    write_lines(tmp_path / "logs/a.jsonl", [at(23, source_id="x"), at(4)])
    ingest(config, lake, [DAY])
    write_lines(tmp_path / "logs/a.jsonl", [at(0, day=later, source_id="x"), at(4)])
    ingest(config, lake, [DAY, later])
    assert [len(rows_of(lake, INTERACTIONS, day)) for day in (DAY, later)] == [1, 1]


def test_a_reject_that_can_be_read_now_is_none_any_more(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())
    write_lines(tmp_path / "logs/a.jsonl", [at(1), b"{"])
    ingest(config, lake, [DAY])
    write_lines(tmp_path / "logs/a.jsonl", [at(1), at(2)])
    (taken,) = ingest(config, lake, [DAY])
    assert taken.total == Counts(accepted=2)
    assert rows_of(lake, REJECTS) == []


def test_a_file_under_another_name_is_the_same_file(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())
    write_lines(tmp_path / "logs/a.jsonl", [at(1), b"{", b"{"])
    write_lines(tmp_path / "logs/gone.jsonl", [at(5)])
    ingest(config, lake, [DAY])
    (tmp_path / "logs/a.jsonl").rename(tmp_path / "logs/b.jsonl")
    (tmp_path / "logs/gone.jsonl").unlink()
    (taken,) = ingest(config, lake, [DAY])
    assert taken.total == Counts(accepted=2, rejected=2)


def test_nothing_is_committed_when_nothing_has_changed(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [at(1, system_prompt="A"), at(2), at(2), b"{"])
    label = {"source_id": f"{DAY}-1-0", "metric": "m", "value": 1, "by": "ann", "at": "2026-11-25"}
    write_lines(tmp_path / "labels.jsonl", [label])
    config = configure(**jsonl(labels={"path": "labels.jsonl"}))
    (first,) = ingest(config, lake, [DAY])
    before = versions(lake)
    assert len(rows_of(lake, LABELS)) == 1
    (again,) = ingest(config, lake, [DAY])
    assert (first.changed, again.changed) == (True, False)
    assert versions(lake) == before


def test_late_records_are_counted_once_though_a_run_was_killed_between_two_tables(
    configure: Configure, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(**jsonl())
    write_lines(tmp_path / "logs/a.jsonl", [at(1)])
    ingest(config, lake, [DAY])
    write_lines(tmp_path / "logs/b.jsonl", [at(2), at(3)])

    def killed(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(step, "_hours", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest(config, lake, [DAY])
    assert len(rows_of(lake, INTERACTIONS)) == 3
    (taken,) = ingest(config, lake, [DAY])
    assert (taken.late, taken.changed) == (2, True)
    assert [h["late"] for h in hours_of(lake)][:4] == [0, 0, 1, 1]


def test_a_missed_day_without_records_stays_unknown(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config, later = configure(**jsonl()), DAY + timedelta(1)
    write_lines(tmp_path / "logs/a.jsonl", [at(1, day=later)])
    assert [taken.day for taken in ingest(config, lake, [DAY, later], missed=[DAY])] == [later]
    write_lines(tmp_path / "logs/b.jsonl", [at(1)])
    assert [taken.day for taken in ingest(config, lake, [DAY, later], missed=[DAY])] == [DAY, later]


def test_expected_is_the_median_of_the_weekday_or_of_the_hour(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    config = configure(**jsonl())

    def stored(back: int, received: int, missing: str | None = None) -> None:
        day = DAY - timedelta(back)
        hour = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
        row = {"day": day, "kind": "hour", "source": "own", "hour": hour, "received": received}
        row |= {"missing": missing}
        lake.replace(LEDGER, day, pa.Table.from_pylist([row], LEDGER.schema), {"kind": "hour"})

    def expected() -> float | None:
        ingest(config, lake, [DAY])
        found: float | None = hours_of(lake)[3]["expected"]
        return found

    write_lines(tmp_path / "logs/a.jsonl", [at(3)])
    for back in range(1, 7):
        stored(back, 100 + back)
    assert expected() is None  # six days are no history
    stored(7, 400)
    assert expected() == 104.0  # of any day, for there are no three of this weekday
    stored(14, 420)
    stored(21, 0, missing="the API did not answer")
    assert expected() == 104.5  # what could not be read says nothing
    stored(28, 440)
    assert expected() == 420.0
    assert hours_of(lake)[4]["expected"] is None


def test_hours_say_what_was_cut_empty_or_not_read(
    configure: Configure, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(
        tmp_path / "logs/a.jsonl",
        [at(3, query="q", truncated=True), at(3, 1), at(3, 2, response="r")],
    )
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    gap = Window(start + timedelta(hours=4, minutes=30), start + timedelta(hours=6))

    def incomplete(*given: Any) -> Any:
        spools = read_all(*given)
        spools.missing["own"] = [(gap, "the API did not answer")]
        return spools

    monkeypatch.setattr(step, "read_all", incomplete)
    ingest(configure(**jsonl()), lake, [DAY])
    hours = hours_of(lake)
    assert (hours[3]["accepted"], hours[3]["truncated"], hours[3]["contentless"]) == (3, 1, 1)
    assert [i for i, hour in enumerate(hours) if hour["missing"]] == [4, 5]

    later = Window(start, start + timedelta(hours=5))  # another night, other hours fail

    def worse(*given: Any) -> Any:
        spools = read_all(*given)
        spools.missing["own"] = [(later, "the API did not answer")]
        return spools

    monkeypatch.setattr(step, "read_all", worse)
    ingest(configure(**jsonl()), lake, [DAY])
    assert [i for i, hour in enumerate(hours_of(lake)) if hour["missing"]] == [4]


def test_fields_say_what_each_source_gives(
    configure: Configure, lake: Lake, tmp_path: Path
) -> None:
    chunk = {"id": "c", "text": "t", "attributes": {"page": "3"}}
    write_lines(
        tmp_path / "logs/a.jsonl",
        [
            at(
                1,
                query="q",
                attributes={"tenant": "acme", "meta": '{"tier": 2, "tags": ["a"]}'},
                contexts=[chunk],
            ),
            at(2, query="r", attributes={"tenant": "7"}, contexts=[]),
        ],
    )
    ingest(configure(**jsonl()), lake, [DAY])
    found = {(row["field"], row["type"]): row["n"] for row in rows_of(lake, FIELDS)}
    assert found["query", "text"] == 2
    assert found["contexts", "list"] == 2
    assert found["contexts.text", "text"] == 1
    assert ("contexts.score", "number") not in found
    assert found["contexts.attributes.page", "number"] == 1
    assert (found["attributes.tenant", "text"], found["attributes.tenant", "number"]) == (1, 1)
    assert (found["attributes.meta", "object"], found["attributes.meta.tier", "number"]) == (1, 1)
    assert found["attributes.meta.tags", "list"] == 1
    assert {row["rows"] for row in rows_of(lake, FIELDS)} == {2}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 23), st.sampled_from("xyz")
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(nights=st.lists(EVENTS, min_size=1, max_size=4))
def test_nights_of_moved_files_give_what_one_reading_of_all_gives(
    nights: list[list[tuple[str, int, int, str]]],
) -> None:
    """Each night's file is gone on the next; the day is what a single reading of all files would
    make of it, whenever records say when they were changed."""
    lines = [
        [
            at(hour, source_id=id_, query=f"{query}{number}")
            | {"updated_at": f"2026-12-0{updated + 1}T0{number}:00:00Z"}
            for id_, updated, hour, query in events
        ]
        for number, events in enumerate(nights)
    ]
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        config = Settings.model_validate({**jsonl(), "base": base})
        nightly, whole = Lake(str(base / "nightly")), Lake(str(base / "whole"))
        for number, file in enumerate(lines):
            write_lines(base / "logs/now.jsonl", file)
            ingest(config, nightly, [DAY])
            before = versions(nightly)
            ingest(config, nightly, [DAY])
            assert versions(nightly) == before, number
        (base / "logs/now.jsonl").unlink()
        for number, file in enumerate(lines):
            write_lines(base / f"logs/{number}.jsonl", file)
        ingest(config, whole, [DAY])
        assert nightly.read(INTERACTIONS).equals(whole.read(INTERACTIONS))
        assert nightly.read(FIELDS).equals(whole.read(FIELDS))
        for hour in hours_of(nightly):
            assert hour["received"] == hour["accepted"] + hour["duplicate"] + hour["rejected"]
        stored = rows_of(nightly, INTERACTIONS)
        assert sum(hour["accepted"] for hour in hours_of(nightly)) == len(stored)
