"""What is fetched from an API is redacted before it is landed: every vendor's own server, planted records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from evalkit.config import Settings
from evalkit.ingest import ingest
from evalkit.ingest.contract import Source
from evalkit.lake import Lake
from evalkit.registry import find
from evalkit.schema import INTERACTIONS, LEDGER
from tests.ingest.doors.days import DAYS
from tests.ingest.doors.serving import KEY, SECRET, FakeTime, serve
from tests.ingest.doors.test_apis import APIS, NIGHT
from tests.ingest.story import DAY, source_settings
from tests.ingest.test_redaction import CLASSES, Planting, assert_holds_none, stored


@pytest.mark.parametrize("name", APIS)
def test_nothing_personal_is_landed(
    name: str, configure: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", SECRET)
    api = find("evalkit.ingest.sources", "evalkit.sources", Source, name)[name].api
    assert api is not None
    day, planting = DAYS[name], Planting()
    asked = source_settings(format=name, path=None, url="https://x", **day.settings)
    records = [planting.everywhere(record) for record in day.records(9)]
    assert planting.used
    with serve(day.vendor(records), api.headers(asked, KEY, SECRET)) as server:
        settings = configure(
            sources={
                "vendor": {"format": name, "url": server.url, "key_env": "TEST_KEY", "secret_env": "TEST_SECRET",
                           "requests_per_second": 1000.0, **day.settings}
            },
            redaction={"classes": CLASSES},
        )  # fmt: skip
        lake = Lake(str(tmp_path / "lake"))
        ingest(settings, lake, [DAY], outside=FakeTime(NIGHT).outside())
    landed = []
    for path in (tmp_path / "landing").rglob("*.zst"):
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            landed.append(stream.read().decode("utf-8"))
    text = "\n".join(landed)
    assert text.count("\n") >= 9
    assert all(json.loads(line) for line in text.splitlines() if line)
    assert_holds_none(iter([text]), planting.used)
    assert_holds_none(stored(lake), planting.used)
    assert lake.read(INTERACTIONS, DAY, DAY).num_rows > 0
    hours = lake.read(LEDGER, DAY, DAY).to_pylist()
    assert sum(sum(dict(row["redacted"]).values()) for row in hours if row["redacted"]) > 0
