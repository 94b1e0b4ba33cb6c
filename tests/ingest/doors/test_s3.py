"""Objects in a bucket read like files on disk: against a real S3 API."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Line
from evalkit.ingest.doors import files
from evalkit.ingest.doors.s3 import host_of
from tests.services import Bucket, needs_s3, s3

WHERE = "evalkit.toml: [sources.gateway] path"
NAMES = [
    "a.jsonl",
    "deep/er/b.jsonl",
    "deep/er/b.csv",
    "deep/c.jsonl",
    "deep/.hidden/d.jsonl",
    "deep/_SUCCESS",
    "day=2026-11-22/part-0.jsonl",
    "day=2026-11-22/[x].jsonl",
    "day=2026-11-23/part-0.jsonl",
    "é ü+%20&/e.jsonl",
]

pytestmark = [pytest.mark.slow, needs_s3]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with s3(tmp_path_factory.mktemp("s3")) as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="module")
def tree(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files in a folder and below `tree/` in the bucket."""
    folder = tmp_path_factory.mktemp("tree")
    for name in NAMES:
        data = f"{name}\n".encode()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        bucket.write(f"tree/{name}", data)
    return folder


def read(bucket: Bucket, path: str, **options: object) -> list[Line]:
    full = f"s3://{bucket.name}/{path}"
    return list(files.lines(full, Path(), WHERE, endpoint=bucket.endpoint, **options))  # type: ignore[arg-type]


def matched(bucket: Bucket, path: str) -> list[str]:
    found = files.matching(f"s3://{bucket.name}/tree/{path}", Path(), bucket.endpoint)
    return [file.name.removeprefix(f"s3://{bucket.name}/tree/") for file in found]


PARTS = st.sampled_from(["*", "**", "deep", "d*", "er", "*.jsonl", "[ab].jsonl", "[!a].jsonl",
    "?.jsonl", "day=*", "day=2026-11-2[23]", "*[[]*", ".*", "_*", "é*", "nothing", "*-0*"])  # fmt: skip


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(PARTS, min_size=1, max_size=4))
def test_a_path_means_in_a_bucket_what_it_means_on_disk(
    bucket: Bucket, tree: Path, parts: list[str]
) -> None:
    path = "/".join(parts)
    local = [
        file.name
        for file in files.matching(path, tree)
        if "**" not in path or not any(part.startswith(".") for part in file.name.split("/"))
    ]
    assert matched(bucket, path) == local


def test_a_prefix_is_a_folder_and_a_key_is_itself(bucket: Bucket, tree: Path) -> None:
    assert matched(bucket, "deep") == [file.name for file in files.matching("deep", tree)]
    assert matched(bucket, "deep/") == matched(bucket, "deep")
    assert matched(bucket, "day=2026-11-22/[x].jsonl") == ["day=2026-11-22/[x].jsonl"]
    assert matched(bucket, "dee") == []
    assert {line.data.decode() for line in read(bucket, "tree/é ü+%20&/*")} == {"é ü+%20&/e.jsonl"}


def test_everything_below_is_listed_once(bucket: Bucket, tree: Path) -> None:
    before = len(bucket.requests)
    assert len(matched(bucket, "day=*/*.jsonl")) == 3
    listings = [one for one in bucket.requests[before:] if "list-type=2" in one]
    # One asks whether there is an object or a folder of that very name.
    assert len([one for one in listings if "max-keys=1000" in one]) == 1
    assert len(bucket.requests) - before <= 3


def test_packed_lines_and_tables_are_read_where_they_stand(bucket: Bucket) -> None:
    lines = b"".join(b'{"n":%d}\n' % n for n in range(1000))
    bucket.write("packed/a.jsonl.gz", gzip.compress(lines))
    bucket.write("packed/b.jsonl.zst", pa.compress(lines, codec="zstd", asbytes=True))
    bucket.write("packed/c.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(1000)))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": range(1000)}), sink, row_group_size=100)
    bucket.write("packed/d", sink.getvalue().to_pybytes())
    found = read(bucket, "packed")
    assert [line.problem for line in found] == [None] * 4000
    by_file = [[line.data for line in found[i : i + 1000]] for i in range(0, 4000, 1000)]
    assert by_file[0] == by_file[1] == by_file[3] == lines.split()
    assert by_file[2][7] == b'{"n":"7"}'


def test_damage_is_a_line_and_not_an_outage(bucket: Bucket) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": range(1000)}), sink)
    bucket.write("damaged/a", b"PAR1" + sink.getvalue().to_pybytes()[4:-30])
    bucket.write("damaged/b.gz", gzip.compress(b"x" * 1000)[:-9])
    missed: list[str] = []
    found = read(bucket, "damaged", missed=missed.append)
    assert [(line.file[-3:], bool(line.problem)) for line in found] == [
        ("d/a", True),
        ("/b.gz"[-3:], True),
    ]
    assert missed == []


def test_objects_written_before_the_window_are_not_fetched(bucket: Bucket) -> None:
    bucket.write("old/a.jsonl", b"x\n")
    later = datetime.now(UTC) + timedelta(hours=1)
    before = len(bucket.requests)
    assert read(bucket, "old", since=later) == []
    assert not [one for one in bucket.requests[before:] if "GET /logs/old" in one]
    assert len(read(bucket, "old", since=later - timedelta(hours=2))) == 1


def test_an_object_that_vanishes_costs_only_itself(bucket: Bucket) -> None:
    for name, size in (("a", 1), ("b", 1_000_000), ("c", 1)):  # b is too large to be fetched ahead
        bucket.write(f"gone/{name}.jsonl", b"12345\n" * size)
    missed: list[str] = []
    path = f"s3://{bucket.name}/gone"
    found = files.lines(path, Path(), WHERE, endpoint=bucket.endpoint, missed=missed.append)
    first = next(found)
    bucket.remove("gone/b.jsonl")
    assert [line.file[-7:] for line in [first, *found]] == ["a.jsonl", "c.jsonl"]
    (reason,) = missed
    assert reason.startswith(f"s3://{bucket.name}/gone/b.jsonl cannot be read: ")


def test_a_store_that_does_not_answer_is_an_outage_that_says_so() -> None:
    missed: list[str] = []
    closed = "http://127.0.0.1:9"
    path = "s3://logs/x/**"
    assert list(files.lines(path, Path(), WHERE, endpoint=closed, missed=missed.append)) == []
    assert missed[0].startswith("s3://logs/x/** cannot be listed: ")
    assert "NETWORK_CONNECTION" in missed[0]
    with pytest.raises(SourceError, match="Check the bucket, the endpoint and the credentials"):
        list(files.lines(path, Path(), WHERE, endpoint=closed))


def test_a_store_that_goes_away_gives_what_was_read_and_is_not_asked_for_ever(
    tmp_path: Path, bucket: Bucket
) -> None:
    missed: list[str] = []
    with s3(tmp_path) as other:
        for number in range(40):
            other.write(f"x/{number:02}.jsonl", b"x\n")
        path = f"s3://{other.name}/x"
        found = files.lines(path, Path(), WHERE, endpoint=other.endpoint, missed=missed.append)
        lines = [next(found)]
        other.process.kill()
        other.process.wait()
        lines += found
    assert 1 <= len(lines) < 40
    assert 3 <= len(missed) < 12  # eight were on their way
    assert "NETWORK_CONNECTION" in missed[-1]


def test_nothing_there_is_told_as_on_disk(bucket: Bucket) -> None:
    with pytest.raises(SourceError, match="no file matches 's3://logs/nothing'"):
        read(bucket, "nothing")
    assert read(bucket, "nothing", required=False) == []


def test_a_large_object_is_never_held(bucket: Bucket) -> None:
    with bucket.files.open_output_stream(f"{bucket.name}/large.jsonl") as stream:
        for _ in range(96):
            stream.write((b"x" * 1023 + b"\n") * 1024)
    pool = pa.default_memory_pool()
    allocated = pool.bytes_allocated()
    tracemalloc.start()
    path = f"s3://{bucket.name}/large.jsonl"
    most = count = 0
    for _ in files.lines(path, Path(), WHERE, endpoint=bucket.endpoint):
        count += 1
        if count % 4096 == 0:
            most = max(most, pool.bytes_allocated() - allocated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 96 * 1024
    assert peak + most < 48_000_000


def test_the_endpoint_may_stand_in_the_environment(
    bucket: Bucket, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    found = list(files.lines(f"s3://{bucket.name}/tree/a.jsonl", Path(), WHERE))
    assert [line.data for line in found] == [b"a.jsonl"]


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://", "http://k:s@host", "https://h/path"])
def test_an_endpoint_that_is_none_is_told(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        files.matching("s3://logs/x", Path(), endpoint)


def test_a_path_without_a_bucket_is_told() -> None:
    for path in ("s3://", "s3://*/x"):
        with pytest.raises(ConfigError, match="names no bucket"):
            files.matching(path, Path(), "http://127.0.0.1:9")


def test_whom_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.suppress(KeyError):
        monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert host_of("s3://logs/x", "http://127.0.0.1:9000", WHERE) == "127.0.0.1:9000"
    assert host_of("s3://logs/x", None, WHERE) == "s3.amazonaws.com"
