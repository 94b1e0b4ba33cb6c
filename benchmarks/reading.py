"""Reading of every log format against pyarrow's own reading of the same bytes (DuckDB's, where pyarrow cannot), in one
process of its own each, with its peak memory."""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import json as arrow_json

from benchmarks.measure import Row, best_of
from evalkit.config import Settings, SourceSettings, day_bounds
from evalkit.ingest import ingest
from evalkit.ingest.contract import Block, Line, Opener, Source, Window, lines_of
from evalkit.ingest.doors import files
from evalkit.ingest.rows import table_of
from evalkit.lake import Lake
from evalkit.registry import find, names

ROWS = 20_000
_DAY = date(2026, 11, 22)
_SAMPLES = Path(__file__).resolve().parents[1] / "tests/ingest/data"
#: Where a format's sample is not called as the format is; `jsonl` and `table` are written from the first one's row.
_NAMED = {
    "openai_log": "openai_pairs.jsonl",
    "otlp": "otlp_genai.jsonl",
    "langfuse": "langfuse_observations.jsonl",
}
#: What has to differ from call to call: ids in hexadecimal, the provider's ids, people, conversations, times.
#: A prompt's fingerprint is none of these: with one for each call, every call would have a prompt of its own.
_IDS = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|(?<!fingerprint\": \")\b(?=[0-9]*[a-f])[0-9a-f]{16,32}\b"
)
_CLOCK = re.compile(r"(2026-11-22[T ])02:14")
_STAMP = re.compile(r"20261122T0214")
_EPOCH = re.compile(r"\b17953136(4\d)")
_ASKED = re.compile(r"annual plans")
_NIGHT_SECONDS = 20 * 3600


def measure(rows: int = ROWS, formats: list[str] | None = None) -> Iterator[Row]:
    """The reading of `rows` calls in each registered format, or in some."""
    known = names("evalkit.ingest.sources", "evalkit.sources")
    for name in sorted(formats or known):
        if not _sample(name).exists():
            yield Row(f"{name}: no sample", 0.0, "rows", f"{_sample(name).name} is missing")
            continue
        with tempfile.TemporaryDirectory(prefix="evalkit-reading-") as folder:
            write(Path(folder), name, rows)
            command = [sys.executable, "-m", "benchmarks.reading", folder, name]
            told = subprocess.run(command, check=False, capture_output=True, text=True)
        if told.returncode:
            yield Row(f"{name}: failed", 0.0, "rows", told.stderr.strip().rpartition("\n")[2])
            continue
        found = json.loads(told.stdout)
        size = f"{found['accepted']:,} rows, {found['bytes'] / found['accepted']:,.0f} bytes each"
        against = f"x {found['baseline']}"
        yield Row(f"{name}: {found['baseline']}", rows / found["baseline_s"], "rows/s", size)
        yield Row(f"{name}: source", rows / found["source_s"], "rows/s")
        yield Row(f"{name}: source", found["baseline_s"] / found["source_s"], against)
        yield Row(
            f"{name}: source, processor time",
            found["baseline_cpu_s"] / found["source_cpu_s"],
            against,
        )
        yield Row(f"{name}: whole ingest", rows / found["ingest_s"], "rows/s")
        yield Row(f"{name}: whole ingest", found["baseline_s"] / found["ingest_s"], against)
        yield Row(
            f"{name}: whole ingest, processor time",
            found["baseline_cpu_s"] / found["ingest_cpu_s"],
            against,
        )
        yield Row(
            f"{name}: peak memory", found["peak_mib"], "MiB", f"{found['empty_mib']:,.0f} before"
        )


def write(folder: Path, name: str, rows: int) -> None:
    """A file of calls in a format: the story of its sample, each time with other ids, people and times."""
    text = _sample(name).read_text("utf-8")
    if name in ("jsonl", "table"):
        text = json.dumps(_canonical(text)) + "\n"
    with (folder / "log.jsonl").open("w", encoding="utf-8") as file:
        for i in range(rows):
            file.write(_varied(text, i))
    if name == "table":
        read = arrow_json.ReadOptions(block_size=64 << 20)
        table = arrow_json.read_json(folder / "log.jsonl", read_options=read)
        pq.write_table(table, folder / "log.parquet")
        (folder / "log.jsonl").unlink()


def _sample(name: str) -> Path:
    alike = {"jsonl": "openai_log", "table": "openai_log"}.get(name, name)
    return _SAMPLES / _NAMED.get(alike, f"{alike}.jsonl")


def _canonical(text: str) -> dict[str, Any]:
    """The sample of `openai_log` as evalkit's own row."""
    record = json.loads(text.splitlines()[0])
    source = _source("openai_log")
    parse = __import__(source.module, fromlist=["parse"]).parse
    (row,) = parse(record, SourceSettings(format="openai_log", path="log.jsonl"))
    del row["attributes"]
    row["contexts"] = [{**chunk, "attributes": None} for chunk in row["contexts"]]
    return json.loads(json.dumps(row, default=lambda time: time.isoformat().replace("+00:00", "Z")))  # type: ignore[no-any-return]


def _varied(text: str, i: int) -> str:
    second = i * _NIGHT_SECONDS // 1_000_000 if i >= 1_000_000 else i % _NIGHT_SECONDS
    hour, minute = divmod(second // 60, 60)
    text = _IDS.sub(lambda match: match[0][:-8] + f"{i:08x}", text)
    text = text.replace("chatcmpl-AbC123", f"chatcmpl-{i:08d}").replace("u-1842", f"u-{i % 997}")
    text = text.replace("s-77", f"s-{i // 3}")
    text = _CLOCK.sub(rf"\g<1>{hour:02}:{minute:02}", text)
    text = _STAMP.sub(f"20261122T{hour:02}{minute:02}", text)
    moved = (hour - 2) * 3600 + (minute - 14) * 60
    text = _EPOCH.sub(lambda match: str(int(match[0]) + moved), text)
    return _ASKED.sub(f"plan {i % 5_000}", text)


def _source(name: str) -> Source:
    return find("evalkit.ingest.sources", "evalkit.sources", Source, name)[name]


def _child(folder: Path, name: str) -> dict[str, Any]:
    """What one format takes, in a process that has done nothing else."""
    path = next(folder.glob("log.*"))
    one = SourceSettings(format=name, path=path.name)
    settings = Settings(base=folder, sources={"log": one})
    format_, (start, end) = _source(name), day_bounds(_DAY, settings.zone)

    def blocks(asked: SourceSettings) -> Iterator[Line | Block]:
        return files.blocks(str(asked.path), folder, "log")

    opener = Opener(lambda asked: lines_of(blocks(asked)), "log", blocks=blocks)
    before = _peak_mib()
    lake = Lake(str(folder / "lake"))
    ingested = []
    seconds, cpu = _both(1, lambda: ingested.extend(ingest(settings, lake, [_DAY])))
    peak = _peak_mib()

    def read() -> None:
        for step in format_.open(one, Window(start, end), opener):
            for rows in (step.rows, step.table):
                if rows:
                    table_of(rows, "log", settings.zone)

    source, source_cpu = _both(2, read)
    what, baseline = _baseline(path)
    baseline_s, baseline_cpu = _both(2, baseline)
    return {
        "accepted": ingested[0].total.accepted,
        "bytes": path.stat().st_size,
        "ingest_s": seconds,
        "ingest_cpu_s": cpu,
        "source_s": source,
        "source_cpu_s": source_cpu,
        "baseline": what,
        "baseline_s": baseline_s,
        "baseline_cpu_s": baseline_cpu,
        "peak_mib": peak,
        "empty_mib": before,
    }


def _both(runs: int, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of all processors, each of its quickest run: where other work runs beside, only the
    latter can be compared."""
    cpu: list[float] = []

    def timed() -> None:
        began = time.process_time()
        work()
        cpu.append(time.process_time() - began)

    return best_of(runs, timed), min(cpu)


def _baseline(path: Path) -> tuple[str, Callable[[], object]]:
    if path.suffix == ".parquet":
        return "pyarrow.parquet", lambda: pq.read_table(path)

    def by_arrow() -> pa.Table:
        return arrow_json.read_json(path)

    def by_duckdb() -> pa.Table:
        query = "SELECT * FROM read_json($path, format = 'newline_delimited')"
        return duckdb.execute(query, {"path": str(path)}).to_arrow_table()

    try:
        by_arrow()
    except pa.ArrowInvalid:  # lines whose fields have types of their own
        return "DuckDB's read_json", by_duckdb
    return "pyarrow.json", by_arrow


def _peak_mib() -> float:
    """The most memory that this process ever held. Linux hands `ru_maxrss` down to children."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(peak) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="One format, measured for `python -m benchmarks reading`."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("format")
    asked = parser.parse_args()
    print(json.dumps(_child(asked.folder, asked.format)))
