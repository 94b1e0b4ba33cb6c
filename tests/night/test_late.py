"""Late records reopen their night with the next one; a night that nothing came in for is left alone."""

from __future__ import annotations

import gzip
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from evalkit import night
from evalkit.config import Settings, load
from evalkit.lake import Lake
from evalkit.schema import CANARY, LABELS, LEDGER, TABLES
from tests.night.sample import SAMPLE

FIRST = date(2026, 10, 28)
SECOND, THIRD = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
#: What a run says of itself, and when.
VOLATILE = {"started_at", "seconds", "late", "versions", "run_id"}

Said = list[tuple[date, str, str]]


def lines_of(day: date) -> list[bytes]:
    path = SAMPLE / "logs" / f"{day}.jsonl.gz"
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:12]


def write(folder: Path, name: str, lines: list[bytes]) -> None:
    (folder / "logs").mkdir(exist_ok=True, parents=True)
    (folder / "logs" / name).write_bytes(b"".join(lines))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors that all runs of these tests share."""
    return tmp_path_factory.mktemp("cache") / "cache.sqlite"


def configured(folder: Path, cache: Path) -> Settings:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(SAMPLE / "prices.json", folder / "prices.json")
    (folder / "evalkit.toml").write_text(
        '[sources.gateway]\nformat = "openai_log"\npath = "logs/*.jsonl"\n'
        '[prices]\nfile = "prices.json"\n[report]\ndir = "pages"\n'
        f'[encoder]\nthreads = 1\ncache = "{cache}"\n'
    )
    return load(folder / "evalkit.toml")


def run(settings: Settings, day: date, **more: bool) -> Said:
    said: Said = []
    done = night.run(settings, day, lambda *line: said.append(line), **more)
    assert done.summary.day == day
    assert done.exit_code < 3, done.summary.reasons
    return said


def steps(said: Said, day: date) -> list[str]:
    return [step for of, step, _ in said if of == day]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_late_records_reopen_their_night_and_nothing_else_does(tmp_path: Path, cache: Path) -> None:
    settings, lake = configured(tmp_path, cache), Lake(str(tmp_path / "lake"))
    write(tmp_path, "a.jsonl", lines_of(FIRST)[:9])
    write(tmp_path, "b.jsonl", lines_of(SECOND))
    said = run(settings, FIRST)
    assert {day for day, _, _ in said} == {FIRST}  # a first run is one night

    said = run(settings, SECOND)
    assert {day for day, _, _ in said} == {SECOND}  # nothing came in for the first

    (tmp_path / "logs" / "a.jsonl").unlink()  # moved away meanwhile
    write(tmp_path, "late.jsonl", lines_of(FIRST)[9:])
    page = (tmp_path / "pages" / f"{FIRST}.html").read_bytes()
    said = run(settings, SECOND)
    whole = ["ingest", "score", "canary", "rollup", "detect", "report", "send"]
    assert steps(said, FIRST) == steps(said, SECOND) == whole
    told = {(day, step): text for day, step, text in said}
    assert told[FIRST, "ingest"].endswith("; 3 came late")
    kept = re.search(r"(\d+) kept, (\d+) scored", told[FIRST, "score"])
    assert kept is not None
    assert int(kept[1]) > 0  # some rest on the late ones: turns of a session, chunks of the corpus
    assert int(kept[2]) >= 3
    assert told[FIRST, "send"] == "none: past nights are not mailed"
    assert " kept, " in told[SECOND, "score"]
    assert (tmp_path / "pages" / f"{FIRST}.html").read_bytes() != page
    assert "3 records of 28 October" in (tmp_path / "pages" / f"{SECOND}.html").read_text("utf-8")
    found = lake.sql(
        "SELECT day, sum(received) AS received, sum(late) AS late, sum(scored) AS scored "
        "FROM ledger WHERE kind = 'hour' GROUP BY day ORDER BY day"
    ).to_pylist()
    assert [row["late"] for row in found] == [3, 0]
    assert [row["scored"] for row in found] == [lake.count(TABLES[0], d) for d in (FIRST, SECOND)]

    tables = [table for table in TABLES if table is not LEDGER]
    before = {table.name: lake.version(table) for table in tables}
    pages = {path.name: path.read_bytes() for path in (tmp_path / "pages").glob("2026*")}
    ledger = lake.read(LEDGER, FIRST, FIRST)
    said = run(settings, SECOND)
    assert {day for day, _, _ in said} == {SECOND}
    assert {table.name: lake.version(table) for table in tables} == before
    assert {path.name: path.read_bytes() for path in (tmp_path / "pages").glob("2026*")} == pages
    assert lake.read(LEDGER, FIRST, FIRST).equals(ledger)

    # It is as if the late records had been there in time.
    other = configured(tmp_path / "whole", cache)
    write(tmp_path / "whole", "a.jsonl", lines_of(FIRST))
    write(tmp_path / "whole", "b.jsonl", lines_of(SECOND))
    assert len(night.backfill(other, [FIRST, SECOND], lambda *_: None)) == 2
    in_time = Lake(str(tmp_path / "whole" / "lake"))
    for table in TABLES:
        mine, theirs = lake.read(table), in_time.read(table)
        if table is LEDGER:
            kept = [name for name in mine.column_names if name not in VOLATILE | {"config_hash"}]
            order = [("day", "ascending"), ("kind", "ascending"), ("hour", "ascending")]
            mine, theirs = (rows.select(kept).sort_by(order) for rows in (mine, theirs))
            assert [r for r in mine.to_pylist() if r["kind"] == "hour"] == [
                r for r in theirs.to_pylist() if r["kind"] == "hour"
            ]
            continue
        assert mine.to_pylist() == theirs.to_pylist(), table.name

    # Only what can be read now stands where that is what one wants.
    said = run(settings, FIRST, replace=True)
    assert {day for day, _, _ in said} == {FIRST}
    assert lake.count(TABLES[0], FIRST) == len(lines_of(FIRST)[9:])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_missed_night_is_caught_up(tmp_path: Path, cache: Path) -> None:
    settings, lake = configured(tmp_path, cache), Lake(str(tmp_path / "lake"))
    for day in (FIRST, SECOND, THIRD):
        write(tmp_path, f"{day}.jsonl", lines_of(day)[:4])
    run(settings, FIRST)
    said = run(settings, THIRD)
    assert {day for day, _, _ in said} == {SECOND, THIRD}
    assert lake.days(CANARY) == [FIRST, SECOND, THIRD]
    assert lake.days(LABELS) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_single_step_looks_back_as_a_run_does(tmp_path: Path, cache: Path) -> None:
    settings = configured(tmp_path, cache)
    write(tmp_path, "a.jsonl", lines_of(FIRST)[:4])
    run(settings, FIRST)
    write(tmp_path, "late.jsonl", lines_of(FIRST)[4:6])
    write(tmp_path, "b.jsonl", lines_of(SECOND)[:4])
    said: Said = []
    night.step("ingest", settings, SECOND, lambda *line: said.append(line))
    assert steps(said, FIRST) == ["ingest", "score", "canary", "rollup", "detect", "report", "send"]
    assert steps(said, SECOND) == ["ingest"]
