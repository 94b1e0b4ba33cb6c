"""Every source with an API, against a server that misbehaves: nothing is lost and nothing doubled."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from evalkit.config import Settings
from evalkit.ingest import ingest
from evalkit.ingest.contract import Source
from evalkit.lake import Lake
from evalkit.registry import find
from evalkit.schema import INTERACTIONS, LEDGER, REJECTS
from evalkit.verdict import judge
from tests.ingest.doors.days import DAYS, Day
from tests.ingest.doors.serving import KEY, KINDS, SECRET, FakeTime, Faults, Server, serve
from tests.ingest.story import DAY, source_settings, write_lines

Configure = Callable[..., Settings]

APIS = sorted(
    name
    for name, source in find("evalkit.ingest.sources", "evalkit.sources", Source).items()
    if source.api is not None
)
#: The run of the night after: half an hour past two.
NIGHT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
TRACES = 61


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", SECRET)


@contextmanager
def vendor_of(name: str, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    day = DAYS[name]
    api = find("evalkit.ingest.sources", "evalkit.sources", Source, name)[name].api
    assert api is not None
    asked = source_settings(format=name, path=None, url="https://x", **day.settings)
    with serve(day.vendor(day.records(TRACES)), api.headers(asked, KEY, SECRET), context) as server:
        yield server


def over(configure: Configure, server: Server, name: str, **more: Any) -> Settings:
    """Settings that read a source from a server."""
    source = {
        "format": name, "url": server.url, "key_env": "TEST_KEY", "secret_env": "TEST_SECRET",
        "requests_per_second": 1000.0, "timeout_seconds": 0.3, **DAYS[name].settings, **more,
    }  # fmt: skip
    return configure(sources={"vendor": source}, redaction={"classes": []})


def rows_of(lake: Lake, table: Any = INTERACTIONS) -> list[dict[str, Any]]:
    return list(lake.read(table, DAY, DAY).to_pylist())


def missing_of(lake: Lake) -> dict[int, str]:
    """Why hours of the day are incomplete."""
    return {
        row["hour"].hour: row["missing"]
        for row in rows_of(lake, LEDGER)
        if row["kind"] == "hour" and row["missing"] is not None
    }


def run(settings: Settings, lake: Lake, time: FakeTime | None = None, seed: int = 0) -> FakeTime:
    time = time or FakeTime(NIGHT)
    ingest(settings, lake, [DAY], outside=time.outside(seed))
    return time


def run_next(settings: Settings, lake: Lake) -> None:
    """The night after, which looks back."""
    time = FakeTime(NIGHT + timedelta(days=1))
    ingest(settings, lake, [DAY, DAY + timedelta(days=1)], outside=time.outside())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[dict[str, Any]]]:
    """The rows of a source's day as files give them."""
    known: dict[str, list[dict[str, Any]]] = {}

    def rows(name: str) -> list[dict[str, Any]]:
        if name not in known:
            base = tmp_path_factory.mktemp(name)
            day: Day = DAYS[name]
            write_lines(base / "day.jsonl", day.records(TRACES))
            settings = Settings.model_validate(
                {
                    "base": base,
                    "redaction": {"classes": []},
                    "sources": {"vendor": {"format": name, "path": "day.jsonl"}},
                }
            )
            lake = Lake(str(base / "lake"))
            ingest(settings, lake, [DAY])
            known[name] = rows_of(lake)
            assert len(known[name]) == TRACES - 1
        return known[name]

    return rows


def alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return json.loads(json.dumps(rows, default=str))  # type: ignore[no-any-return]


def test_every_source_with_an_api_has_a_vendor() -> None:
    assert [*DAYS] == [name for name in DAYS if name in APIS]
    assert set(APIS) == set(DAYS)


@pytest.mark.parametrize("name", APIS)
def test_a_well_server_gives_what_files_give(
    name: str, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        settings = over(configure, server, name)
        run(settings, lake)
        assert alike(rows_of(lake)) == alike(undisturbed(name))
        assert missing_of(lake) == {}
        assert rows_of(lake, REJECTS) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", APIS)
def test_more_than_half_of_all_calls_fail_and_nothing_is_lost_or_doubled(
    name: str, seed: int, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        server.faults = Faults(rate=0.55, seed=seed)
        settings = over(configure, server, name, give_up_minutes=0.15)
        run(settings, lake, seed=seed)
        assert 1 - server.seen["good"] / server.seen.total() > 0.4
        missing = missing_of(lake)
        assert missing
        verdict = judge(settings, lake, DAY)
        assert verdict.exit_code == 2
        assert (
            sum(reason.startswith("vendor is incomplete from ") for reason in verdict.reasons) == 1
        )
        assert len(rows_of(lake)) < TRACES - 1
        server.faults = Faults()
        run_next(settings, lake)
        assert alike(rows_of(lake)) == alike(undisturbed(name))
        assert missing_of(lake) == {}
        assert not any("incomplete" in reason for reason in judge(settings, lake, DAY).reasons)


@pytest.mark.parametrize("name", APIS)
def test_patience_gets_everything_from_a_server_that_mostly_fails(
    name: str, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        server.faults = Faults(0.55, tuple(kind for kind in KINDS if kind != "stall"), seed=7)
        settings = over(configure, server, name)
        time = FakeTime(NIGHT)
        for _ in range(3):
            run(settings, lake, time)
        assert alike(rows_of(lake)) == alike(undisturbed(name))
        assert missing_of(lake) == {}


@pytest.mark.parametrize("name", APIS)
def test_a_server_that_goes_away_leaves_the_hours_before(
    name: str, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        run(over(configure, server, name), Lake(str(tmp_path / "other")))
        needed = len(server.asked)
        server.faults = Faults(down_after=needed // 2)
        settings = over(configure, server, name, project=DAYS[name].settings.get("project"),
                        give_up_minutes=2.0)  # fmt: skip
        settings = settings.model_copy(
            update={"ingest": settings.ingest.model_copy(update={"landing": "second"})}
        )
        time = run(settings, lake)
        missing = missing_of(lake)
        assert sorted(missing) == list(range(min(missing), 24))
        assert "given up after 2 minutes of failing" in missing[23]
        assert 60 < time.slept <= 120
        assert 0 < len(rows_of(lake)) < TRACES - 1
        server.faults = Faults()
        run_next(settings, lake)
        assert alike(rows_of(lake)) == alike(undisturbed(name))


@pytest.mark.parametrize("name", APIS)
def test_a_wrong_key_is_final_for_the_night(
    name: str, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        for variable in ("TEST_KEY", "TEST_SECRET"):
            monkeypatch.setenv(variable, "something-else-entirely")
        run(over(configure, server, name), lake)
        if any("key" in text or "auth" in text for text in server.headers):
            assert len(server.asked) == 1
            reasons = set(missing_of(lake).values())
            assert len(reasons) == 1
            (reason,) = reasons
            assert "does not accept the key (401)" in reason
            assert "[sources.vendor] names in key_env" in reason
            assert "something-else" not in reason
        assert judge(over(configure, server, name), lake, DAY).exit_code == 2


def certificates(tmp_path: Path, *, expired: bool, trusted: trustme.CA) -> ssl.SSLContext:
    ends = datetime(2020, 1, 2, tzinfo=UTC) if expired else None
    begins = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.issue_cert("localhost", not_before=begins, not_after=ends).configure_cert(context)
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context


@pytest.mark.parametrize("name", APIS)
def test_an_expired_certificate_ends_the_night_and_a_new_one_brings_the_rest(
    name: str, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    authority = trustme.CA()
    with vendor_of(name, certificates(tmp_path, expired=True, trusted=authority)) as server:
        time = run(over(configure, server, name, ca_file="ca.pem"), lake)
        assert server.asked == []
        assert time.slept == 0
        assert set(missing_of(lake)) == {*range(24)}
        assert "a certificate that has expired" in missing_of(lake)[0]
    with vendor_of(name, certificates(tmp_path, expired=False, trusted=authority)) as server:
        run(over(configure, server, name, ca_file="ca.pem"), lake)
        assert alike(rows_of(lake)) == alike(undisturbed(name))
        assert missing_of(lake) == {}


@pytest.mark.parametrize("name", APIS)
def test_rows_that_came_late_are_found_in_the_look_back(
    name: str, configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of(name) as server:
        late = server.vendor
        server.vendor = DAYS[name].vendor(DAYS[name].records(TRACES)[: -5 * len(DAYS[name].sample)])
        settings = over(configure, server, name)
        run(settings, lake)
        assert len(rows_of(lake)) < TRACES - 1
        server.vendor = late
        run(settings, lake, FakeTime(NIGHT + timedelta(days=1)))
        assert alike(rows_of(lake)) == alike(undisturbed(name))


def test_what_has_settled_is_not_asked_for_again(configure: Configure, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of("langfuse") as server:
        settings = over(configure, server, "langfuse")
        run(settings, lake, FakeTime(NIGHT + timedelta(days=3)))
        server.faults = Faults()
        run(settings, lake, FakeTime(NIGHT + timedelta(days=4)))
        assert server.asked == []


def test_a_day_that_is_known_stands_when_the_vendor_is_gone(
    configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with vendor_of("langfuse") as server:
        settings = over(configure, server, "langfuse")
        run(settings, lake)
        server.faults = Faults(down_after=0)
        run(settings, lake, FakeTime(NIGHT + timedelta(days=1)))
        assert missing_of(lake) == {}
        assert alike(rows_of(lake)) == alike(undisturbed("langfuse"))


def test_a_window_that_takes_too_long_is_halved(
    configure: Configure, tmp_path: Path, undisturbed: Any
) -> None:
    """Windows of more than a quarter of an hour stall, in the afternoon."""
    lake = Lake(str(tmp_path / "lake"))

    def slow(path: str, query: dict[str, str]) -> str | None:
        times = [datetime.fromisoformat(query[name]) for name in ("fromStartTime", "toStartTime")
                 if name in query]  # fmt: skip
        if not times or times[0].date() != DAY or times[0].hour not in (13, 14):
            return None
        return "504" if times[1] - times[0] > timedelta(minutes=15) else None

    with vendor_of("langfuse") as server:
        server.hook = slow
        settings = over(configure, server, "langfuse")
        run(settings, lake)
        assert missing_of(lake) == {}
        assert alike(rows_of(lake)) == alike(undisturbed("langfuse"))
        widths = {
            datetime.fromisoformat(query["toStartTime"])
            - datetime.fromisoformat(query["fromStartTime"])
            for _, _, query, _ in server.asked
            if "fromStartTime" in query
        }
        assert widths == {timedelta(minutes=n) for n in (15, 30, 60)}


def test_a_minute_that_always_stalls_is_missing_and_nothing_else(
    configure: Configure, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    bad = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)

    def slow(path: str, query: dict[str, str]) -> str | None:
        if "fromStartTime" not in query:
            return None
        start, end = (datetime.fromisoformat(query[n]) for n in ("fromStartTime", "toStartTime"))
        return "524" if start <= bad < end else None

    with vendor_of("langfuse") as server:
        server.hook = slow
        settings = over(configure, server, "langfuse")
        run(settings, lake)
        assert list(missing_of(lake)) == [13]
        assert "fails (524)" in missing_of(lake)[13]
        (reason,) = (one for one in judge(settings, lake, DAY).reasons if "incomplete" in one)
        assert reason.startswith("vendor is incomplete from 13:00 to 14:00: localhost:")


def test_several_sources_of_which_one_fails(configure: Configure, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_lines(tmp_path / "own.jsonl", [{"source_id": "a", "started_at": "2026-11-22T05:00:00Z"}])
    with vendor_of("langfuse") as server:
        server.faults = replace(Faults(), down_after=0)
        settings = over(configure, server, "langfuse", give_up_minutes=0.0)
        own = {"own": {"format": "jsonl", "path": "own.jsonl"}}
        vendor = settings.sources["vendor"].model_dump(exclude_none=True)
        settings = configure(sources={"vendor": vendor, **own})
        run(settings, lake)
        assert [row["source"] for row in rows_of(lake)] == ["own"]
        assert len(missing_of(lake)) == 24
        assert judge(settings, lake, DAY).exit_code == 2


def test_the_days_are_those_of_the_tests() -> None:
    assert date(2026, 11, 22) == DAY
