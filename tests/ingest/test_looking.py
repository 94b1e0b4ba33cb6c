"""What doctor tells of sources elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from evalkit.config import Settings
from evalkit.errors import SourceError
from evalkit.ingest import looking, newest_record
from evalkit.ingest.reading import read_all
from tests.ingest.doors.serving import KEY, SECRET, FakeTime
from tests.ingest.doors.test_apis import APIS, NIGHT, certificates, over, vendor_of
from tests.ingest.story import DAY

Configure = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", SECRET)


@pytest.mark.parametrize("name", APIS)
def test_a_good_key_and_the_days_of_the_certificate(
    name: str, configure: Configure, tmp_path: Path
) -> None:
    context = certificates(tmp_path, expired=False, trusted=trustme.CA())
    with vendor_of(name, context) as server:
        told = looking.access(over(configure, server, name, ca_file="ca.pem"), "vendor")
    host = server.url.removeprefix("https://")
    assert told.startswith(f"{host} accepts the key; its certificate ends in ")
    with vendor_of(name) as server:
        assert looking.access(over(configure, server, name), "vendor").endswith("accepts the key")


def test_a_wrong_key_a_missing_one_and_an_old_certificate(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor_of("langfuse") as server:
        monkeypatch.setenv("TEST_SECRET", "wrong-one")
        with pytest.raises(SourceError, match="does not accept the key") as raised:
            looking.access(over(configure, server, "langfuse"), "vendor")
        assert "wrong-one" not in str(raised.value)
        monkeypatch.delenv("TEST_SECRET")
        with pytest.raises(SourceError, match="TEST_SECRET is not set in the environment"):
            looking.access(over(configure, server, "langfuse"), "vendor")
    monkeypatch.setenv("TEST_SECRET", SECRET)
    context = certificates(tmp_path, expired=True, trusted=trustme.CA())
    with vendor_of("langfuse", context) as server, pytest.raises(SourceError, match="has expired"):
        looking.access(over(configure, server, "langfuse", ca_file="ca.pem"), "vendor")


def test_what_is_landed_and_how_new_it_is(configure: Configure, tmp_path: Path) -> None:
    with vendor_of("langfuse") as server:
        settings = over(configure, server, "langfuse")
        assert newest_record(settings, "vendor") is None
        assert looking.landed(settings, "vendor", NIGHT).startswith(
            "0 windows are whole; of the 3 days to yesterday 72.0 h are missing (in "
        )
        folder = tmp_path / "spools"
        folder.mkdir()
        read_all(settings, [DAY], folder, FakeTime(NIGHT).outside())
        newest = newest_record(settings, "vendor")
        assert newest == datetime(2026, 11, 23, 0, 0, 0, 120000, tzinfo=UTC)
        assert looking.landed(settings, "vendor", NIGHT).startswith(
            "26 windows are whole since 2026-11-21; of the 3 days to yesterday 47.0 h are missing"
        )
        later = looking.landed(settings, "vendor", NIGHT + timedelta(days=9))
        assert "of the 3 days to yesterday 72.0 h are missing" in later


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ({"format": "jsonl", "path": "logs/*.jsonl"}, None),
        ({"format": "jsonl", "path": "s3://b/k", "endpoint": "https://store:9000"}, "store:9000"),
        ({"format": "langfuse", "url": "https://cloud.example/api"}, "cloud.example"),
        ({"format": "langfuse", "url": "http://localhost:3000"}, "localhost:3000"),
        ({"format": "litellm", "url": "postgresql://u@db.example/l", "secret_env": "NOT_SET"},
         "db.example:5432"),
    ],
)  # fmt: skip
def test_every_host_that_may_be_asked(
    source: dict[str, Any], host: str | None, configure: Configure
) -> None:
    assert looking.host(configure(sources={"vendor": source}), "vendor") == host
