"""A run that was killed at any instant and started again leaves the same tables as a run that was never killed."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from evalkit.lake import Lake
from evalkit.schema import TABLES
from tests.night.sample import SAMPLE

DAYS = ("2026-10-28", "2026-10-29")
MOMENTS = 30
#: One moment in so many starts without any vector; the others find those of the first run.
COLD = 3
CACHE = "lake-cache.sqlite"
#: A run's own clock is the only thing that may differ.
VOLATILE = ("started_at", "seconds")


def prepare(folder: Path) -> Path:
    """Two nights of some dozen interactions: small, so that thirty cold starts fit into some minutes."""
    (folder / "logs").mkdir(parents=True)
    for day in DAYS:
        lines = gzip.decompress((SAMPLE / "logs" / f"{day}.jsonl.gz").read_bytes()).splitlines(
            keepends=True
        )
        (folder / "logs" / f"{day}.jsonl").write_bytes(b"".join(lines[:7] + lines[-3:]))
    shutil.copyfile(SAMPLE / "prices.json", folder / "prices.json")
    (folder / "evalkit.toml").write_text(
        '[sources.gateway]\nformat = "openai_log"\npath = "logs/*.jsonl"\n'
        '[prices]\nfile = "prices.json"\n[scoring]\nbatch_rows = 16\n[report]\ndir = "pages"\n'
    )
    return folder / "evalkit.toml"


def start(config: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "evalkit",
        "backfill",
        "-c",
        str(config),
        "--from",
        DAYS[0],
        "--to",
        DAYS[1],
    ]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def tables(folder: Path) -> dict[str, pa.Table]:
    lake = Lake(str(folder / "lake"))
    found = {}
    for table in TABLES:
        rows = lake.read(table)
        keep = [name for name in rows.column_names if name not in VOLATILE]
        rows = rows.select(keep)
        if table.name == "ledger":
            rows = rows.sort_by(
                [("day", "ascending"), ("kind", "ascending"), ("hour", "ascending")]
            )
        found[table.name] = rows
    return found


def pages(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "pages").iterdir())}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_thirty_moments(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(prepare(whole)).wait(300) in {0, 1, 2}
    durations = {True: time.monotonic() - began}  # by whether it starts cold
    durations[False] = durations[True]
    expected = tables(whole)
    assert expected["scores"].num_rows > 10

    chance = random.Random(20261122)
    for i in range(MOMENTS):
        folder = tmp_path / f"killed-{i}"
        cold = i % COLD == 0
        while True:
            config = prepare(folder)
            if not cold:
                shutil.copyfile(whole / CACHE, folder / CACHE)
            process, began = start(config), time.monotonic()
            try:
                # one moment in each thirtieth of the run, so that every step is hit
                process.wait(durations[cold] * (i + chance.random()) / MOMENTS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                break
            # it was quicker than the first run: the moment is taken again on this run's clock
            durations[cold] = min(durations[cold], time.monotonic() - began) * 0.98
            shutil.rmtree(folder)
        assert start(config).wait(300) in {0, 1, 2}
        for name, rows in tables(folder).items():
            assert rows.to_pylist() == expected[name].to_pylist(), (
                f"{name} differs after a kill at moment {i}"
            )
        assert pages(folder) == pages(whole), f"pages differ after a kill at moment {i}"
        shutil.rmtree(folder)
