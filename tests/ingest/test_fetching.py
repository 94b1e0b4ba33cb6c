"""Windows of sources elsewhere: which are asked for, and what is told of those that do not come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.config import Settings
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Window
from evalkit.ingest.doors.landing import Landing
from evalkit.ingest.doors.patience import GivenUpError, NetworkError, Patience, SlowError
from evalkit.ingest.fetching import _cells, _Fetching, _grid, _within, fetch, landing_of
from evalkit.ingest.reading import format_of, read_all
from tests.ingest.doors.serving import KEY, SECRET, FakeTime, Faults
from tests.ingest.doors.test_apis import NIGHT, over, vendor_of
from tests.ingest.story import DAY

Configure = Callable[..., Settings]

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY_ = timedelta(days=1)


def minutes(start: int, end: int) -> Window:
    """Minutes of the day."""
    return Window(MIDNIGHT + start * MINUTE, MIDNIGHT + end * MINUTE)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", SECRET)


@given(st.integers(-3000, 3000), st.integers(1, 3000), st.integers(1, 1440))
def test_windows_lie_on_the_clock_and_cover_what_is_asked_for(
    start: int, length: int, width: int
) -> None:
    asked = minutes(start, start + length)
    wide = _grid(asked, width)
    assert wide.start <= asked.start
    assert wide.end >= asked.end
    cells = list(_cells(wide, width))
    assert [cell.end for cell in cells[:-1]] == [cell.start for cell in cells[1:]]
    assert (cells[0].start, cells[-1].end) == (wide.start, wide.end)
    for cell in cells:
        assert timedelta(0) < cell.end - cell.start <= width * MINUTE
        since = cell.start - cell.start.replace(hour=0, minute=0)
        assert since % (width * MINUTE) == timedelta(0)


class Asked:
    """Gives a line for each minute, unless something is wrong with it; counts what was asked."""

    def __init__(self, wrong: Callable[[Window], Exception | None]) -> None:
        self.wrong = wrong
        self.windows: list[Window] = []

    def __call__(self, window: Window) -> Iterator[bytes]:
        self.windows.append(window)
        error = self.wrong(window)
        if error is not None:
            raise error
        yield b"{}\n" * ((window.end - window.start) // MINUTE)


def fetching(folder: Path, width: int = 60) -> tuple[_Fetching, FakeTime]:
    time = FakeTime(MIDNIGHT + timedelta(days=9))
    outside = time.outside()
    return _Fetching(Landing(folder), width, Patience(600.0, outside), outside), time


@settings(max_examples=15, deadline=None)
@given(slow=st.sets(st.integers(0, 59), max_size=3), most=st.integers(4, 60))
def test_slow_windows_are_halved_down_to_a_minute(
    tmp_path_factory: pytest.TempPathFactory, slow: set[int], most: int
) -> None:
    """Windows longer than `most` minutes are slow, and some minutes always are."""
    folder = tmp_path_factory.mktemp("landing")
    done, _ = fetching(folder)
    bad = {MIDNIGHT + n * MINUTE for n in slow}

    def wrong(window: Window) -> Exception | None:
        too_long = window.end - window.start > most * MINUTE
        return SlowError("too slow") if too_long or any(map(window.holds, bad)) else None

    done.all([minutes(0, 60)], Asked(wrong))
    gone = {gap.start for gap, _ in done.missing}
    assert gone == bad
    assert all(gap.end - gap.start == MINUTE for gap, _ in done.missing)
    left = {
        gap.start + n * MINUTE
        for gap in Landing(folder).missing(minutes(0, 60))
        for n in range((gap.end - gap.start) // MINUTE)
    }
    assert left == bad


def test_what_works_is_doubled_again(tmp_path: Path) -> None:
    done, _ = fetching(tmp_path)

    def wrong(window: Window) -> Exception | None:
        early = window.start < MIDNIGHT + 60 * MINUTE
        return SlowError("slow") if early and window.end - window.start > 15 * MINUTE else None

    ask = Asked(wrong)
    done.all([minutes(0, 240)], ask)
    assert done.missing == []
    widths = [(window.end - window.start) // MINUTE for window in ask.windows]
    assert widths[:3] == [60, 30, 15]
    assert widths[-3:] == [60, 60, 60]


def test_one_bad_window_costs_itself_alone(tmp_path: Path) -> None:
    done, time = fetching(tmp_path)
    ask = Asked(lambda window: NetworkError("no sense") if window == minutes(60, 120) else None)
    done.all([minutes(0, 240)], ask)
    assert done.missing == [(minutes(60, 120), "no sense")]
    assert ask.windows.count(minutes(60, 120)) == 5
    assert len(time.sleeps) == 4


def test_what_is_given_up_leaves_everything_after_it(tmp_path: Path) -> None:
    done, _ = fetching(tmp_path)
    ask = Asked(
        lambda window: GivenUpError("gone") if window.start >= MIDNIGHT + 60 * MINUTE else None
    )
    done.all([minutes(0, 240)], ask)
    assert [gap for gap, _ in done.missing] == [minutes(n, n + 60) for n in (60, 120, 180)]
    assert len(ask.windows) == 2


def test_missing_windows_as_they_are_told() -> None:
    day = minutes(0, 1440)
    around = minutes(-60, 1500)
    missing = [
        (minutes(-60, 0), "a"), (minutes(60, 90), "b"), (minutes(90, 120), "b"),
        (minutes(120, 180), "c"), (minutes(1440, 1500), "d"), (minutes(1500, 1560), "e"),
    ]  # fmt: skip
    assert _within(day, around, missing) == [
        (minutes(0, 1), "a"), (minutes(60, 120), "b"), (minutes(120, 180), "c"),
        (minutes(1439, 1440), "d"),
    ]  # fmt: skip


def test_a_day_in_a_zone_and_windows_of_another_length(configure: Configure) -> None:
    """Kathmandu's day begins at 18:15 UTC; windows of 45 minutes begin at 18:00."""
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse", window_minutes=45)
        day = Window(MIDNIGHT - 345 * MINUTE, MIDNIGHT + 1095 * MINUTE)
        time = FakeTime(NIGHT)
        format_ = format_of("langfuse", "")
        assert fetch(asked, "vendor", format_, [day], time.outside()) == []
        landing = landing_of(asked, "vendor")
        assert landing.missing(day) == []
        windows = [landed.window for landed in landing.all()]
        assert windows[0].start == MIDNIGHT - 405 * MINUTE
        assert windows[-1].end >= day.end + 60 * MINUTE
        # Another length asks for nothing twice.
        asked = over(configure, server, "langfuse", window_minutes=60)
        server.faults = Faults()
        later = FakeTime(NIGHT + timedelta(days=9))
        assert fetch(asked, "vendor", format_, [day], later.outside()) == []
        assert all(landed.window in windows or landed.window.end <= windows[0].start
                   or landed.window.start >= windows[-1].end
                   for landed in landing.all())  # fmt: skip


def test_the_hour_that_runs_is_asked_for_and_the_future_is_not(configure: Configure) -> None:
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse")
        now = MIDNIGHT + 620 * MINUTE
        missing = fetch(
            asked, "vendor", format_of("langfuse", ""), [minutes(0, 1440)], FakeTime(now).outside()
        )
        assert missing == []
        assert landing_of(asked, "vendor").all()[-1].window == minutes(600, 660)


def test_old_windows_are_forgotten_but_those_of_the_night(configure: Configure) -> None:
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse")
        ingest = asked.ingest.model_copy(update={"landing_days": 7})
        asked = asked.model_copy(update={"ingest": ingest})
        landing, old = landing_of(asked, "vendor"), Window(MIDNIGHT - 9 * DAY_, MIDNIGHT - 8 * DAY_)
        landing.store(old, iter([b"{}\n"]), NIGHT)
        format_ = format_of("langfuse", "")
        fetch(asked, "vendor", format_, [minutes(0, 1440)], FakeTime(NIGHT).outside())
        assert landing.missing(minutes(0, 1440)) == []
        assert landing.missing(old) == [old]
        # A backfill a month later reads what is there still: it is the night's.
        later = FakeTime(NIGHT + timedelta(days=30))
        fetch(asked, "vendor", format_, [minutes(0, 1440)], later.outside())
        assert landing.missing(minutes(0, 1440)) == []


def test_two_runs_at_once(configure: Configure, tmp_path: Path) -> None:
    found: list[int] = []
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse")

        def work(number: int) -> None:
            folder = tmp_path / f"spools-{number}"
            folder.mkdir()
            spools = read_all(asked, [DAY], folder, FakeTime(NIGHT).outside(number))
            assert spools.missing == {"vendor": []}
            found.append(sum(rows for rows, _ in spools.rows.batches(DAY).shapes()))

        runs = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for one in runs:
            one.start()
        for one in runs:
            one.join()
    assert len(found) == 3
    assert len(set(found)) == 1 < found[0]
    landed = landing_of(asked, "vendor").all()
    assert len(landed) == 26
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_format_without_an_api_says_so(configure: Configure) -> None:
    asked = configure(sources={"vendor": {"format": "otlp", "url": "https://x.example"}})
    with pytest.raises(
        ConfigError, match=r"\[sources.vendor\] url: format = 'otlp' is read from f"
    ):
        fetch(asked, "vendor", format_of("otlp", ""), [minutes(0, 1440)], FakeTime(NIGHT).outside())


def test_a_key_that_is_not_set_leaves_the_source_out(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse")
        ((window, reason),) = fetch(
            asked, "vendor", format_of("langfuse", ""), [minutes(0, 1440)],
            FakeTime(NIGHT).outside(),
        )  # fmt: skip
        assert window == minutes(0, 1440)
        assert "key_env: TEST_KEY is not set in the environment" in reason
        assert server.asked == []


def test_a_landing_that_cannot_be_written_fails(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("a file, not a folder")
    with vendor_of("langfuse") as server:
        asked = over(configure, server, "langfuse")
        with pytest.raises(SourceError, match=r"\[ingest\] landing: .* cannot be written"):
            fetch(asked, "vendor", format_of("langfuse", ""), [minutes(0, 1440)],
                  FakeTime(NIGHT).outside())  # fmt: skip


def test_another_address_has_another_place(configure: Configure) -> None:
    def place(**more: str) -> Path:
        source = {"format": "langfuse", "url": "https://a.example", **more}
        return landing_of(configure(sources={"a/../b": source}), "a/../b").folder

    assert place() == place()
    assert len({place(), place(url="https://b.example"), place(project="p")}) == 3
    assert ".." not in place().parts
    assert place().parent.parent.name == "landing"
