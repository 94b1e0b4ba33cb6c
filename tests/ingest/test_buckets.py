"""Exports in a bucket give the rows that they give from a folder, and a store that stalls loses none:
against a real S3 API."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import Settings
from evalkit.ingest import ingest, newest_record
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LEDGER, REJECTS
from tests.ingest.golden import DATA
from tests.ingest.story import DAY
from tests.services import Bucket, needs_s3, s3

TRACES = 60
HOURS = 3
TIMES = ("start_time", "end_time", "completion_start_time", "created_at", "updated_at",
         "first_token_time")  # fmt: skip

pytestmark = [pytest.mark.slow, needs_s3]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with s3(tmp_path) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def story(name: str, ids: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """The golden story many times over, by hour: ids of their own, and times of the night."""
    records = [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]
    hours: list[list[dict[str, Any]]] = [[] for _ in range(HOURS)]
    for number in range(TRACES):
        late = timedelta(hours=number % HOURS, seconds=number)
        for record in records:
            fresh = dict(record)
            for column in TIMES:
                if fresh.get(column) is not None:
                    moment = datetime.fromisoformat(fresh[column]) + late
                    fresh[column] = moment.isoformat(" ", "microseconds")
            for column in ids:
                if fresh.get(column) is not None:
                    fresh[column] = f"{fresh[column][:-4]}{number:04}"
            hours[number % HOURS].append(fresh)
    return hours


def parquet(records: list[dict[str, Any]]) -> bytes:
    names = list(dict.fromkeys(name for record in records for name in record))
    table = pa.table(
        {
            name: pa.array(
                [
                    json.dumps(record[name])
                    if isinstance(record.get(name), dict | list)
                    else record.get(name)
                    for record in records
                ]
            )
            for name in names
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=50)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def langfuse(kind: str) -> dict[str, bytes]:
    """A blob export: a file an hour, each with its manifest."""
    objects = {}
    ids = ("id", "trace_id", "parent_observation_id")
    for hour, records in enumerate(story("langfuse_observations.jsonl", ids), 3):
        end = "parquet" if kind == "PARQUET" else "jsonl.gz"
        key = f"exports/clx9prod/observations_v2/2026-11-22T{hour:02}-00-00.{end}"
        lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        objects[key] = parquet(records) if kind == "PARQUET" else gzip.compress(lines)
        moment = f"2026-11-22T{hour:02}:00:00.000Z"
        manifest = {
            "version": 1,
            "projectId": "clx9prod",
            "maxTimestamp": moment,
            "files": [{"key": key, "table": "observations_v2", "rowCount": len(records)}],
        }
        name = moment.replace(":", "-")
        objects[f"exports/clx9prod/manifests/{name}.json"] = json.dumps(manifest).encode()
    return objects


def langsmith() -> dict[str, bytes]:
    """A bulk export in its Hive layout."""
    ids = ("id", "trace_id", "parent_run_id")
    folder = "exports/export_id=e1/tenant_id=t1/session_id=p1/runs/year=2026/month=11/day=22"
    return {
        f"{folder}/part-{hour}.parquet": parquet(records)
        for hour, records in enumerate(story("langsmith.jsonl", ids))
    }


EXPORTS: dict[str, tuple[str, Callable[[], dict[str, bytes]]]] = {
    "langfuse JSONL": ("langfuse", lambda: langfuse("JSONL")),
    "langfuse Parquet": ("langfuse", lambda: langfuse("PARQUET")),
    "langsmith": ("langsmith", langsmith),
}


def put(objects: dict[str, bytes], bucket: Bucket, folder: Path) -> None:
    for key, data in objects.items():
        bucket.write(key, data)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)


def told(lake: Lake) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The rows, and what the ledger says of their hours."""
    rows = lake.read(INTERACTIONS, DAY, DAY)
    hours = [row for row in lake.read(LEDGER, DAY, DAY).to_pylist() if row["kind"] == "hour"]
    return rows, hours


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_in_a_bucket_is_the_export_in_a_folder(
    name: str, bucket: Bucket, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    form, export = EXPORTS[name]
    put(export(), bucket, tmp_path)
    remote = {"path": f"s3://{bucket.name}/exports/**/*", "endpoint": bucket.endpoint}
    lakes = []
    for place, values in (("folder", {"path": "exports/**/*"}), ("bucket", remote)):
        lake = Lake(str(tmp_path / place))
        both = configure(sources={"export": {"format": form, **values}})
        (taken,) = ingest(both, lake, [DAY])
        assert taken.sources["export"].accepted == TRACES
        assert taken.sources["export"].rejected == 0
        assert newest_record(both, "export") is not None
        lakes.append(lake)
    (rows, hours), (expected, expected_hours) = told(lakes[1]), told(lakes[0])
    assert rows.equals(expected)
    assert hours == expected_hours
    assert [hour["missing"] for hour in hours] == [None] * 24
    assert lakes[1].read(REJECTS, DAY, DAY).num_rows == 0


def test_a_store_that_stalls_keeps_what_is_stored_and_the_next_night_has_the_rest(
    bucket: Bucket, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    objects = langsmith()
    path = {"path": f"s3://{bucket.name}/exports", "endpoint": bucket.endpoint}
    nights = configure(sources={"export": {"format": "langsmith", **path}})
    lake, undisturbed = Lake(str(tmp_path / "lake")), Lake(str(tmp_path / "undisturbed"))
    first, *rest = objects
    bucket.write(first, objects[first])

    def stalled() -> None:
        bucket.process.send_signal(signal.SIGSTOP)
        try:
            ingest(nights, lake, [DAY])
        finally:
            bucket.process.send_signal(signal.SIGCONT)

    stalled()
    rows, hours = told(lake)
    assert rows.num_rows == 0
    assert all("cannot be listed" in hour["missing"] for hour in hours)

    ingest(nights, lake, [DAY])
    stored, hours = told(lake)
    assert stored.num_rows == TRACES // HOURS
    assert [hour["missing"] for hour in hours] == [None] * 24

    for key in rest:
        bucket.write(key, objects[key])
    stalled()
    assert told(lake)[0].equals(stored)

    ingest(nights, lake, [DAY])
    ingest(nights, undisturbed, [DAY])
    rows, hours = told(lake)
    assert rows.equals(told(undisturbed)[0])
    assert rows.num_rows == TRACES
    assert [hour["missing"] for hour in hours] == [None] * 24


def test_a_night_over_a_bucket_into_a_lake_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    line = (DATA / "litellm.jsonl").read_bytes()
    bucket.write("calls/2026-11-22/one.json", line)
    config = f"""
[lake]
path = "s3://{bucket.name}/lake"
[sources.gateway]
format = "litellm"
path = "s3://{bucket.name}/calls/**/*.json"
"""
    (tmp_path / "evalkit.toml").write_text(config)
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "OMP_NUM_THREADS": "1",
    }

    def evalkit(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "evalkit", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    ran = evalkit("run", "--day", "2026-11-22")
    assert ran.returncode in (0, 1, 2), ran.stdout + ran.stderr
    query = (
        "SELECT i.query, s.scorer_fingerprint IS NOT NULL AS scored "
        "FROM interactions i JOIN scores s USING (interaction_id)"
    )
    asked = evalkit("sql", query, "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == [
        {"query": "What is the refund window for annual plans?", "scored": True}
    ]
    assert list((tmp_path / "reports").rglob("*.html"))
