"""Rows of a database as JSON lines: types, windows, and what goes wrong, against a real PostgreSQL."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evalkit.errors import ConfigError
from evalkit.ingest.contract import Query, Window
from evalkit.ingest.doors.patience import NetworkError, RefusedError, SlowError
from evalkit.ingest.doors.postgres import Database, is_database, query_of
from evalkit.ingest.sources.litellm import SOURCE as LITELLM
from tests.ingest.story import source_settings
from tests.services import Postgres, needs_postgres, postgres

WHERE = "evalkit.toml: [sources.gateway]"
START = datetime(2026, 11, 22, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
SECONDS = "SELECT g, timestamp '2026-11-21 23:59:50' + g * interval '1 s' AS t FROM generate_series(0, 90000) g"

serving = [pytest.mark.slow, needs_postgres]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres("log_statement=all") as found:
        yield found


def database(server: Postgres, select: str, watermark: str = "t", **options: Any) -> Database:
    return Database.of(server.url, None, Query(select, watermark), WHERE, **options)


def rows(found: Database, window: Window = DAY) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in found.lines(window) for line in chunk.splitlines()]


class TestReading:
    pytestmark = serving

    def test_every_type_is_json(self, server: Postgres) -> None:
        select = """SELECT
            timestamptz '2026-11-22 03:14:05.12+01' AS t, timestamp '2026-11-22 02:14:05.12' AS naive,
            '{"a": {"b": [1, null]}}'::jsonb AS j, E'{"a":\\n 1}'::json AS spread,
            1.50::numeric AS n, 'NaN'::float8 AS nan, ARRAY[1, NULL] AS ints,
            ARRAY['{"a": 1}'::jsonb] AS objects, ARRAY[[1, 2], [3, 4]] AS matrix,
            E'two\\nlines \\u00fc \\U0001f642 "quoted"' AS text, NULL::text AS nothing, true AS flag,
            9223372036854775807::bigint AS big, '6c7b1b66-2f6b-4f9b-8f6b-0d5a3f1c2b4d'::uuid AS id,
            date '2026-11-22' AS day, interval '90 minutes' AS took, inet '10.0.0.1' AS ip,
            ROW(1, 'x') AS record, 1 AS evalkit, 2 AS q -- and a comment at the end"""
        (row,) = rows(database(server, select))
        assert row == {
            "t": "2026-11-22T02:14:05.12+00:00", "naive": "2026-11-22T02:14:05.12",
            "j": {"a": {"b": [1, None]}}, "spread": {"a": 1}, "n": 1.5, "nan": "NaN",
            "ints": [1, None], "objects": [{"a": 1}], "matrix": [[1, 2], [3, 4]],
            "text": 'two\nlines ü 🙂 "quoted"', "nothing": None, "flag": True,
            "big": 9223372036854775807, "id": "6c7b1b66-2f6b-4f9b-8f6b-0d5a3f1c2b4d",
            "day": "2026-11-22", "took": "PT1H30M", "ip": "10.0.0.1",
            "record": {"f1": 1, "f2": "x"}, "evalkit": 1, "q": 2,
        }  # fmt: skip

    @pytest.mark.parametrize("type_", ["timestamp", "timestamptz"])
    def test_a_window_is_in_utc_and_open_at_its_end(self, server: Postgres, type_: str) -> None:
        inner = SECONDS.replace("AS t", "AS u")
        cast = "u" if type_ == "timestamp" else "u AT TIME ZONE 'UTC'"
        select = f"SELECT g, {cast} AS t FROM ({inner}) x;"
        server.execute("ALTER ROLE evalkit SET TimeZone = 'Pacific/Auckland'")
        try:
            found = rows(database(server, select))
        finally:
            server.execute("ALTER ROLE evalkit RESET TimeZone")
        assert [row["g"] for row in found] == list(range(10, 86410))

    def test_windows_one_after_the_other_give_each_row_once(self, server: Postgres) -> None:
        found = database(server, SECONDS)
        cuts = [START + timedelta(minutes=minutes) for minutes in (0, 7, 60, 61, 1440)]
        parts = [rows(found, Window(*pair)) for pair in itertools.pairwise(cuts)]
        assert [row["g"] for part in parts for row in part] == list(range(10, 86410))

    def test_the_column_may_have_any_name(self, server: Postgres) -> None:
        select = """SELECT 1 AS a, timestamp '2026-11-22 10:00' AS "sta""rt Time" """
        assert len(rows(database(server, select, 'sta"rt Time'))) == 1

    def test_nothing_is_nothing(self, server: Postgres) -> None:
        assert rows(database(server, f"{SECONDS} LIMIT 0")) == []
        assert database(server, f"{SECONDS} LIMIT 0").newest() is None
        assert database(server, SECONDS).newest() == datetime(2026, 11, 23, 0, 59, 50, tzinfo=UTC)

    def test_it_can_only_read(self, server: Postgres) -> None:
        server.execute("CREATE TABLE mine (a int)", """CREATE FUNCTION sneak() RETURNS timestamp
            LANGUAGE sql AS 'INSERT INTO mine VALUES (1); SELECT timestamp ''2026-11-22'''""")  # fmt: skip
        with pytest.raises(NetworkError, match="read-only transaction"):
            rows(database(server, "SELECT sneak() AS t"))

    def test_a_window_is_bound_and_never_a_part_of_the_statement(self, server: Postgres) -> None:
        before = len(server.log)
        rows(database(server, SECONDS))
        said = server.log[before:]
        assert "2026-11-22T00:00:00+00:00" in said  # as a parameter
        assert not [line for line in said.splitlines() if "COPY" in line and "2026-11-22T" in line]

    def test_a_large_answer_comes_in_pieces(self, server: Postgres) -> None:
        select = "SELECT g, repeat('x', 2000) AS x, timestamp '2026-11-22' AS t FROM generate_series(1, 50000) g"
        sizes = [len(chunk) for chunk in database(server, select).lines(DAY)]
        assert sum(sizes) > 100_000_000
        assert max(sizes) < 16_000_000


class TestFailing:
    pytestmark = serving

    @pytest.mark.parametrize(
        ("select", "watermark", "said"),
        [
            ("SELECT nope", "t", 'column "nope" does not exist'),
            ("SELECT 1 AS a", "t", "column evalkit_row.t does not exist"),
            ("SELECT 1 AS t", "t", "operator does not exist"),
            ("DROP TABLE x", "t", "syntax error"),
        ],
    )
    def test_a_query_that_is_wrong_is_refused_at_once(
        self, server: Postgres, select: str, watermark: str, said: str
    ) -> None:
        with pytest.raises(RefusedError, match=said):
            rows(database(server, select, watermark))

    def test_who_is_not_let_in_is_told_why_and_no_password_is(self, server: Postgres) -> None:
        url = server.url.replace("evalkit@", "nobody@")
        found = Database.of(url, "s3cret/pass", Query(SECONDS, "t"), WHERE)
        with pytest.raises(RefusedError, match='role "nobody" does not exist') as error:
            rows(found)
        assert "s3cret" not in str(error.value) + repr(error.value.__dict__) + repr(found)

    def test_a_failure_in_the_middle_is_no_end(self, server: Postgres) -> None:
        select = "SELECT 1 / (g - 90000) AS a, timestamp '2026-11-22' AS t FROM generate_series(1, 99999) g"
        with pytest.raises(NetworkError, match="division by zero"):
            rows(database(server, select))

    def test_what_takes_too_long_is_stopped_by_the_server(self, server: Postgres) -> None:
        slow = "SELECT timestamp '2026-11-22' AS t FROM generate_series(1, 3) g, pg_sleep(20)"
        begun = time.monotonic()
        with pytest.raises(SlowError, match="did not answer within 1 s"):
            rows(database(server, slow, timeout_seconds=1))
        assert time.monotonic() - begun < 5

    def test_a_server_that_stands_still_is_not_waited_for(self, server: Postgres) -> None:
        found = database(server, SECONDS, timeout_seconds=1)
        chunks = found.lines(DAY)
        next(chunks)
        server.pause()
        try:
            begun = time.monotonic()
            with pytest.raises(NetworkError):
                list(found.lines(DAY))
            assert time.monotonic() - begun < 15
        finally:
            server.go_on()
        assert len(rows(found)) == 86400

    def test_nobody_there(self) -> None:
        found = Database.of("postgresql://a@127.0.0.1:9/x", "pw", Query(SECONDS, "t"), WHERE)
        with pytest.raises(NetworkError, match="Connection refused"):
            rows(found)


class TestConfiguration:
    @pytest.mark.parametrize("url", ["postgresql://a:b@h/x", "postgresql://a@h/x?password=b"])
    def test_a_password_never_stands_in_it(self, url: str) -> None:
        with pytest.raises(ConfigError, match="a password never stands"):
            Database.of(url, None, Query("SELECT 1", "t"), WHERE)

    def test_an_address_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="Write postgresql://user@host:5432/database"):
            Database.of("postgresql://a@h:port/x", None, Query("SELECT 1", "t"), WHERE)

    def test_whom_it_asks(self) -> None:
        hosts = {
            "postgresql://a@db.example.org/x": "db.example.org:5432",
            "postgres://a@db.example.org:6432/x?sslmode=require": "db.example.org:6432",
            "postgresql:///x?host=/var/run/postgresql": "localhost",
        }
        for url, host in hosts.items():
            assert is_database(url)
            assert Database.of(url, None, Query("SELECT 1", "t"), WHERE).host == host
        assert not is_database("https://db.example.org")
        assert not is_database(None)

    def test_what_is_read(self) -> None:
        own = {"query": "SELECT 1", "watermark": "written"}
        assert query_of(None, source_settings(**own), WHERE) == Query("SELECT 1", "written")
        assert query_of(LITELLM.query, source_settings(), WHERE) == LITELLM.query
        other = query_of(LITELLM.query, source_settings(watermark="endTime"), WHERE)
        assert other.watermark == "endTime"
        with pytest.raises(ConfigError, match="watermark: missing"):
            query_of(None, source_settings(query="SELECT 1"), WHERE)
        with pytest.raises(ConfigError, match="query: missing"):
            query_of(None, source_settings(), WHERE)
