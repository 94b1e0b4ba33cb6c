"""LiteLLM's table in a real PostgreSQL, night after night: what is asked for, what comes late, and what a
kill or an outage in the middle costs (nothing)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import Settings
from evalkit.ingest import ingest
from evalkit.ingest.contract import Opener, Window
from evalkit.ingest.doors.patience import Outside
from evalkit.ingest.fetching import fetch, landed_lines
from evalkit.ingest.sources.litellm import SOURCE as LITELLM
from evalkit.ingest.sources.table import SOURCE as TABLE
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LEDGER
from tests.ingest.golden import DATA, assert_costs_the_same, assert_tells_the_story
from tests.ingest.sources.test_table import COLUMNS
from tests.services import Postgres, needs_postgres, postgres

pytestmark = [pytest.mark.slow, needs_postgres]

ROWS = 200_000
FIRST, SECOND, THIRD = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)
SCHEMA = """CREATE TABLE "LiteLLM_SpendLogs" (
    request_id text PRIMARY KEY, call_type text NOT NULL, api_key text NOT NULL DEFAULT '',
    spend double precision NOT NULL DEFAULT 0, total_tokens integer NOT NULL DEFAULT 0,
    prompt_tokens integer NOT NULL DEFAULT 0, completion_tokens integer NOT NULL DEFAULT 0,
    "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL,
    request_duration_ms integer, "completionStartTime" timestamp(3),
    model text NOT NULL DEFAULT '', model_id text DEFAULT '', model_group text DEFAULT '',
    custom_llm_provider text DEFAULT '', api_base text DEFAULT '', "user" text DEFAULT '',
    metadata jsonb DEFAULT '{}', cache_hit text DEFAULT '', cache_key text DEFAULT '',
    request_tags jsonb DEFAULT '[]', team_id text, organization_id text, end_user text,
    requester_ip_address text, messages jsonb DEFAULT '{}', response jsonb DEFAULT '{}',
    session_id text, status text, mcp_namespaced_tool_name text, agent_id text,
    proxy_server_request jsonb DEFAULT '{}')"""
INDEX = 'CREATE INDEX ON "LiteLLM_SpendLogs" ("startTime")'
STORY: dict[str, Any] = json.loads((DATA / "litellm_spend_logs.jsonl").read_text("utf-8"))


STORED = f"""CREATE TABLE story AS
    SELECT (jsonb_populate_record(NULL::"LiteLLM_SpendLogs", '{json.dumps(STORY).replace("'", "''")}')).*"""


def more(kind: str, count: int, start: str, seconds: float) -> str:
    """A statement that writes the golden story so many times, spread over so many seconds."""
    own = {
        "request_id": f"'{kind}-' || g",
        "startTime": "t",
        "completionStartTime": "t + interval '0.41 s'",
        "endTime": "t + interval '1.38 s'",
    }
    columns = ", ".join(f'"{name}"' for name in STORY)
    values = ", ".join(own.get(name, f'"{name}"') for name in STORY)
    return f"""INSERT INTO "LiteLLM_SpendLogs" ({columns}) SELECT {values}
        FROM (SELECT g, timestamp '{start}' + g * interval '1 s' * {seconds / count!r} AS t
              FROM generate_series(0, {count - 1}) g) spread CROSS JOIN
             (SELECT {", ".join(f'"{name}"' for name in STORY if name not in own)} FROM story) one"""


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres("log_statement=all", "max_wal_size=4GB") as found:
        found.execute(SCHEMA, INDEX, STORED)
        yield found


@pytest.fixture
def setup(server: Postgres, configure: Callable[..., Settings]) -> Callable[..., Settings]:
    def make(landing: str = "landing", **values: Any) -> Settings:
        litellm = {"format": "litellm", "url": server.url, "give_up_minutes": 0.05, **values}
        return configure(
            sources={"gateway": litellm}, ingest={"look_back_days": 1, "landing": landing}
        )

    return make


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def night(settings: Settings, day: date, now: str) -> list[tuple[Window, str]]:
    """Fetch what the night after `day` wants, with a look-back of one day; says what is missing."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    days = Window(midnight - timedelta(days=1), midnight + timedelta(days=1))
    outside = Outside(now=lambda: at(now), sleep=lambda _: None, seed=1)
    return fetch(settings, "gateway", LITELLM, [days], outside)


def asked(server: Postgres) -> int:
    """How many windows were asked for so far."""
    return server.log.count("COPY (SELECT row_to_json(evalkit_row)")


def landed(settings: Settings, first: date = FIRST, last: date = THIRD) -> list[str]:
    """The ids of all landed records, in the order of reading."""
    span = Window(
        datetime(first.year, first.month, first.day, tzinfo=UTC),
        datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1),
    )
    lines = landed_lines(settings, "gateway", span)
    return [json.loads(line.data)["request_id"] for line in lines]


def test_nights_over_a_large_table_ask_for_what_is_new_and_what_may_have_changed(
    server: Postgres, setup: Callable[..., Settings], tmp_path: Path
) -> None:
    server.execute(more("a", ROWS, "2026-11-20", 2 * 86400))
    settings = setup()
    assert night(settings, SECOND, "2026-11-22T03:00") == []
    assert asked(server) == 52  # an hour before the days, and what there was after them
    ids = landed(settings)
    assert len(ids) == len(set(ids)) == ROWS

    server.execute(
        more("b", 1000, "2026-11-22", 86400),
        more("late", 50, "2026-11-21 10:00", 3600),
        more("too-late", 5, "2026-11-20 05:00", 60),
        "UPDATE \"LiteLLM_SpendLogs\" SET spend = 1 WHERE request_id = 'a-199999'",
    )
    before = asked(server)
    assert night(settings, THIRD, "2026-11-23T03:00") == []
    # From 2026-11-21T03:00, a day before the first night, to the second night.
    assert asked(server) - before == 48
    ids = landed(settings)
    assert len(ids) == len(set(ids)) == ROWS + 1050

    before = asked(server)
    assert night(settings, SECOND, "2026-12-24T03:00") == []
    assert night(settings, SECOND, "2026-12-24T03:00") == []
    # What lay within the look-back in the second night, up to a day after the first night's days, is
    # asked for a last time, once.
    assert asked(server) - before == 21
    assert len(landed(settings)) == ROWS + 1050


def test_the_table_becomes_interactions_and_the_ledger_adds_up(
    server: Postgres, setup: Callable[..., Settings], tmp_path: Path
) -> None:
    count = 10_000
    server.execute(more("a", count, "2026-11-20", 2 * 86400), more("b", 10, "2026-11-22", 3600))
    lake = Lake(str(tmp_path / "lake"))
    taken = ingest(setup(), lake, [FIRST, SECOND, THIRD])
    assert sum(day.total.accepted for day in taken) == count + 10
    assert sum(day.total.duplicate + day.total.rejected for day in taken) == 0
    found = lake.sql(
        "SELECT count(DISTINCT source_id) AS ids, count(*) AS n, sum(cost_logged_usd) AS usd, "
        "min(query) AS query, max(query) AS same FROM interactions"
    ).to_pylist()
    assert found == [
        {"ids": count + 10, "n": count + 10, "usd": pytest.approx((count + 10) * 0.000051),
         "query": "What is the refund window for annual plans?",
         "same": "What is the refund window for annual plans?"}
    ]  # fmt: skip
    hours = [row for row in lake.read(LEDGER).to_pylist() if row["kind"] == "hour"]
    assert sum(row["received"] for row in hours) == count + 10
    assert all(
        row["received"] == row["accepted"] + row["duplicate"] + row["rejected"] for row in hours
    )
    assert {row["missing"] for row in hours} == {None}


def test_the_story_through_the_database(
    server: Postgres, setup: Callable[..., Settings], tmp_path: Path
) -> None:
    server.execute(more("a", 1, "2026-11-22 02:14:05.12", 1))
    lake = Lake(str(tmp_path / "lake"))
    ingest(setup(), lake, [THIRD])
    (row,) = lake.read(INTERACTIONS, THIRD, THIRD).to_pylist()
    assert_tells_the_story({name: value for name, value in row.items() if value is not None})
    assert_costs_the_same(row, logged=True)


def test_a_query_of_ones_own_is_a_table_with_columns(
    server: Postgres, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    line = (DATA / "table.jsonl").read_text("utf-8").strip().replace("'", "''")
    server.execute(f"CREATE TABLE answers AS SELECT '{line}'::jsonb AS record, now() AS written_at")
    names = sorted({path.partition(".")[0] for path in COLUMNS.values()} | set(json.loads(line)))
    select = ", ".join(f"record -> '{name}' AS \"{name}\"" for name in names)
    source = {
        "format": "table",
        "url": server.url,
        "query": f"SELECT written_at, {select} FROM answers;",
        "watermark": "written_at",
        "columns": COLUMNS,
    }
    settings = configure(sources={"gateway": source})
    today = datetime.now(UTC)
    days = Window(today - timedelta(days=1), today + timedelta(hours=1))
    assert fetch(settings, "gateway", TABLE, [days], Outside()) == []
    lines = list(landed_lines(settings, "gateway", days))
    assert len(lines) == 1
    everything = Window(at("2026-01-01"), at("2027-01-01"))
    opener = Opener(lambda _: iter(lines), "evalkit.toml: [sources.gateway]")
    (step,) = TABLE.open(settings.sources["gateway"], everything, opener)
    assert_tells_the_story(step.rows[0])


KILLED = """
import sys
from tests.ingest.test_databases import night, SECOND
from evalkit.config import Settings
print(night(Settings.model_validate_json(sys.stdin.read()), SECOND, "2026-11-22T03:00"))
"""


def test_a_kill_in_the_middle_of_a_window_loses_and_doubles_nothing(
    server: Postgres, setup: Callable[..., Settings], tmp_path: Path
) -> None:
    server.execute(more("a", 20_000, "2026-11-20", 2 * 86400))
    settings = setup()
    text = settings.model_dump_json(exclude={"base", "file"})
    text = json.dumps({**json.loads(text), "base": str(tmp_path)})
    for moment in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        until = len(list(tmp_path.rglob("*.zst"))) + 3 + moment
        end = time.monotonic() + 60
        while len(list(tmp_path.rglob("*.zst"))) < until and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ids = landed(settings)
    assert len(ids) == len(set(ids)) < 20_000
    assert night(settings, SECOND, "2026-11-22T03:00") == []
    assert sorted(landed(settings)) == sorted(f"a-{number}" for number in range(20_000))


def test_a_database_that_is_gone_costs_hours_and_no_row(
    server: Postgres, setup: Callable[..., Settings]
) -> None:
    server.execute(more("a", 1000, "2026-11-20", 2 * 86400))
    settings = setup(timeout_seconds=1)
    server.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME TO gone')
    ((window, reason),) = night(settings, SECOND, "2026-11-22T03:00")
    assert (window.start, window.end) == (at("2026-11-20"), at("2026-11-22"))
    assert 'relation "LiteLLM_SpendLogs" does not exist' in reason
    assert landed(settings) == []
    server.execute('ALTER TABLE gone RENAME TO "LiteLLM_SpendLogs"')
    server.pause()
    try:
        missing = night(settings, SECOND, "2026-11-22T03:00")
    finally:
        server.go_on()
    assert (missing[0][0].start, missing[-1][0].end) == (at("2026-11-20"), at("2026-11-22"))
    assert night(settings, SECOND, "2026-11-22T03:00") == []
    assert len(landed(settings)) == 1000


MEMORY = """
import resource, sys
from tests.ingest.test_databases import night, SECOND
from evalkit.config import Settings
settings = Settings.model_validate_json(sys.stdin.read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert night(settings, SECOND, "2026-11-22T03:00") == []
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_a_piece_however_much_a_window_holds(
    server: Postgres, setup: Callable[..., Settings], tmp_path: Path
) -> None:
    server.execute(more("a", 40_000, "2026-11-21 10:00", 3000))  # all in one hour: 100 MB
    settings = setup(timeout_seconds=120)
    text = settings.model_dump_json(exclude={"base", "file"})
    text = json.dumps({**json.loads(text), "base": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], input=text, text=True, capture_output=True,
        cwd=Path(__file__).parents[2], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 150_000_000
    assert len(landed(settings)) == 40_000
