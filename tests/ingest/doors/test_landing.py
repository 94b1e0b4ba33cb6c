"""The landing: windows are whole or absent, whatever is killed; the newest fetch stands."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Window
from evalkit.ingest.doors import files, landing
from evalkit.ingest.doors.landing import Landing, without

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVER = Window(NOON - timedelta(days=2), NOON + timedelta(days=2))


def window(start: int, end: int) -> Window:
    """Minutes from noon."""
    return Window(NOON + start * MINUTE, NOON + end * MINUTE)


def lines(span: Window, version: int = 0) -> Iterator[bytes]:
    """A line for each minute."""
    time = span.start
    while time < span.end:
        yield json.dumps({"minute": (time - NOON) // MINUTE, "version": version}).encode() + b"\n"
        time += MINUTE


def read(kept: Landing, span: Window = EVER) -> list[list[dict[str, Any]]]:
    """What each file holds, through the door that sources read through."""
    return [
        [json.loads(line.data) for line in files.lines(str(one.path), kept.folder, "")]
        for one in kept.files(span)
    ]


def test_windows_come_back_in_order_and_what_is_not_there_is_known(tmp_path: Path) -> None:
    kept = Landing(tmp_path / "vendor")
    assert kept.missing(window(0, 60)) == [window(0, 60)]
    assert kept.all() == []
    assert kept.store(window(30, 45), lines(window(30, 45)), NOON) == 15
    assert kept.store(window(0, 15), iter([b'{"a": 1}\n{"b": 2}\n', b'{"c": 3}\n']), NOON) == 3
    assert kept.missing(window(-5, 60)) == [window(-5, 0), window(15, 30), window(45, 60)]
    assert [one.window for one in kept.files(window(10, 31))] == [window(0, 15), window(30, 45)]
    assert read(kept)[0] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [one.window for one in kept.all()] == [window(0, 15), window(30, 45)]


def test_an_empty_window_is_there(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    assert kept.store(window(0, 60), [], NOON) == 0
    assert kept.missing(window(0, 60)) == []
    assert read(kept) == [[]]


def test_a_window_over_midnight_is_found_from_both_days(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    night = window(11 * 60, 13 * 60)
    kept.store(night, lines(night), NOON)
    assert kept.missing(window(11 * 60, 12 * 60)) == kept.missing(window(12 * 60, 13 * 60)) == []


def test_a_window_fetched_again_replaces_its_file(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    for version in (1, 2):
        kept.store(window(0, 3), lines(window(0, 3), version), NOON + version * MINUTE)
    assert [{line["version"] for line in file} for file in read(kept)] == [{2}]


def test_halves_stand_beside_the_whole_until_both_are_there(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    kept.store(window(0, 60), lines(window(0, 60), 1), NOON)
    kept.store(window(0, 30), lines(window(0, 30), 2), NOON + MINUTE)
    assert [one.window for one in kept.files(EVER)] == [window(0, 30), window(0, 60)]
    kept.store(window(30, 60), lines(window(30, 60), 2), NOON + MINUTE)
    assert [one.window for one in kept.files(EVER)] == [window(0, 30), window(30, 60)]
    kept.store(window(0, 60), lines(window(0, 60), 3), NOON + 2 * MINUTE)
    assert [one.window for one in kept.files(EVER)] == [window(0, 60)]


def test_what_was_fetched_too_soon_is_unsettled(tmp_path: Path) -> None:
    kept = Landing(tmp_path, lasting=timedelta(minutes=15))
    kept.store(window(0, 10), [], NOON + 24 * MINUTE)
    kept.store(window(10, 20), [], NOON + 35 * MINUTE)
    assert [one.window for one in kept.unsettled(EVER)] == [window(0, 10)]


def test_an_error_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    kept.store(window(0, 3), lines(window(0, 3), 1), NOON)

    def broken() -> Iterator[bytes]:
        yield b"{}\n"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        kept.store(window(0, 3), broken(), NOON + MINUTE)
    assert [len(file) for file in read(kept)] == [3]
    assert len([*(tmp_path / "2026-11-22").iterdir()]) == 1


def test_files_that_are_not_ours_are_no_windows(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    kept.store(window(0, 3), [], NOON)
    day = tmp_path / "2026-11-22"
    (day / "20261122T1300--20261122T1400.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfdxxxxxxxxxxxx")
    (day / "20261122T1400--20261122T1500.jsonl.zst").write_bytes(b"")
    (tmp_path / "notes").mkdir()
    assert [one.window for one in kept.all()] == [window(0, 3)]


def test_traffic_as_it_came_is_for_its_owner_only(tmp_path: Path) -> None:
    kept = Landing(tmp_path / "vendor")
    kept.store(window(0, 3), [], NOON)
    (file,) = kept.files(EVER)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "vendor").stat().st_mode) == 0o700


def test_what_nobody_reads_is_removed_a_day_later(tmp_path: Path) -> None:
    kept = Landing(tmp_path)
    kept.store(window(0, 30), [], NOON)
    kept.store(window(0, 60), [], NOON + MINUTE)
    left = tmp_path / "2026-11-22" / ".writing-of-a-run-that-was-killed"
    left.touch()
    kept.tidy(window(0, 60), datetime.now(UTC))
    assert left.exists()
    kept.tidy(window(0, 60), datetime.now(UTC) + timedelta(days=2))
    assert [path.name for path in left.parent.iterdir()] == [
        "20261122T1200--20261122T1300.jsonl.zst"
    ]


def test_what_is_to_be_forgotten_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = Landing(tmp_path / "vendor")
    day = 24 * 60
    spans = [window(-n * day, -n * day + 60) for n in range(5)]
    for span in spans:
        kept.store(span, lines(span), NOON)
    (kept.folder / "2026-11-18" / "notes.txt").write_text("of somebody else")
    kept.forget(NOON - timedelta(days=2))
    assert [one.window for one in kept.all()] == spans[3::-1]  # the day before it may reach into it
    assert (kept.folder / "2026-11-18" / "notes.txt").exists()
    kept.forget(NOON - timedelta(days=1))
    assert [one.window for one in kept.all()] == spans[2::-1]
    assert not (kept.folder / "2026-11-19").exists()


@pytest.mark.parametrize(
    "span",
    [Window(NOON, NOON), Window(NOON, NOON + timedelta(seconds=90)), window(0, 1441)],
)
def test_windows_are_whole_minutes_and_at_most_a_day(span: Window, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a window of"):
        Landing(tmp_path).store(span, [], NOON)


SPANS = st.tuples(st.integers(0, 11), st.integers(1, 6)).map(
    lambda pair: window(pair[0] * 10, (pair[0] + pair[1]) * 10)
)


@given(SPANS, SPANS)
def test_taking_a_window_out_of_another(one: Window, other: Window) -> None:
    def minutes(span: Window) -> set[datetime]:
        return {NOON + n * MINUTE for n in range(200) if span.holds(NOON + n * MINUTE)}

    left = without(one, other)
    assert set().union(*map(minutes, left)) == minutes(one) - minutes(other)


def _killed(kept: Landing, span: Window, version: int, steps: int) -> bool:
    """Store a window in a process that is killed after so many lines of the landing's own code;
    whether it got to its end."""
    child = os.fork()
    if child == 0:
        left = steps

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal left
            if frame.f_code.co_filename != landing.__file__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os._exit(9)
            return trace

        try:
            sys.settrace(trace)
            kept.store(span, lines(span, version), NOON + version * MINUTE)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(SPANS, st.integers(1, 400)), min_size=1, max_size=6))
def test_windows_are_whole_whatever_is_killed(runs: list[tuple[Window, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Landing(Path(folder))
        stored: dict[int, int] = {}  # the newest version of each minute that is there for certain
        for version, (span, steps) in enumerate(runs, 1):
            done = _killed(kept, span, version, steps)
            found = list(kept.files(EVER))
            published = any(one.fetched == NOON + version * MINUTE for one in found)
            assert published or not done
            if published:
                minutes = (line for line in lines(span))
                stored |= {json.loads(line)["minute"]: version for line in minutes}
            for one, held in zip(found, read(kept), strict=True):
                assert [line["minute"] for line in held] == [
                    json.loads(line)["minute"] for line in lines(one.window)
                ]
            newest: dict[int, int] = {}
            for line in (line for held in read(kept) for line in held):
                newest[line["minute"]] = max(line["version"], newest.get(line["minute"], 0))
            assert newest == stored
            missing = {
                minute
                for gap in kept.missing(window(0, 180))
                for minute in range((gap.start - NOON) // MINUTE, (gap.end - NOON) // MINUTE)
            }
            assert missing == {*range(180)} - {*stored}
