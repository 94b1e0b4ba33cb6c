"""A whole night of new questions and answers over known chunks, step by step: time, rate and peak memory of each step in
a process of its own."""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import traffic
from benchmarks.measure import Row, by_itself, cpu_seconds

ROWS = 10_000
#: Distinct chunks that are retrieved from.
CORPUS = 2_000
#: One chunk in so many is retrieved for the first time in the measured night.
_NEW_CHUNKS = 50
_DAY = date(2026, 11, 22)
_STEPS = ("ingest", "score", "rollup", "detect", "report")
#: Scorers that read no vectors, so that a night of millions shows what else grows.
_CHEAP = ("abstention", "cost", "latency", "tokens", "reliability", "context_quality")


@dataclass(frozen=True)
class Kind:
    """What is measured: how many rows, what the encoder runs at, which scorers."""

    rows: int = ROWS
    precision: str = "auto"
    verifier: bool = False
    cheap: bool = False
    new: float = 1.0
    workers: int = 1
    corpus: int = CORPUS
    threads: int | None = None
    budget: str = "all"

    def __str__(self) -> str:
        scorers = "scorers without vectors" if self.cheap else f"all scorers, {self.precision}"
        verifier = ", verifier" if self.verifier else ""
        fresh = "" if self.new == 1.0 else f", {self.new:.0%} of the texts new"
        limited = "" if self.budget == "all" else f", within {self.budget}"
        return f"{self.rows:,} rows, {self.corpus:,} chunks, {scorers}{verifier}{fresh}{limited}"

    def settings(self) -> dict[str, Any]:
        """The configuration that it takes, for `Settings.model_validate`."""
        return {
            "sources": {"log": {"format": "jsonl", "path": "*.jsonl"}},
            "encoder": {"precision": self.precision, "threads": self.threads},
            "scoring": {
                "verifier": self.verifier,
                "include": list(_CHEAP) if self.cheap else [],
                "budget": self.budget,
            },
            "engine": {"workers": self.workers},
            "ingest": {"look_back_days": 0},
        }


def measure(kind: Kind | None = None) -> Iterator[Row]:
    """One night after a day on which the corpus was retrieved once."""
    kind = kind or Kind()
    with tempfile.TemporaryDirectory(prefix="evalkit-night-") as name:
        folder = Path(name)
        (folder / "settings.json").write_text(json.dumps(kind.settings()), "utf-8")
        chunks = traffic.corpus(traffic.stories(), kind.corpus)
        before = _DAY - timedelta(days=1)
        _write_corpus(folder / "before.jsonl", chunks, before)
        for step in _STEPS:
            found = by_itself("night", folder, step, before)
            if step == "score" and not kind.cheap:
                yield Row("chunks embedded, once", found["embedded"] / found["seconds"], "texts/s")
        (folder / "before.jsonl").unlink()
        traffic.write(folder / "night.jsonl", kind.rows, _DAY, chunks, kind.new)
        whole = cpu = 0.0
        for step in _STEPS:
            found = by_itself("night", folder, step, _DAY)
            whole, cpu = whole + found["seconds"], cpu + found["cpu"]
            yield from _figures(kind, step, found)
        yield Row("whole night", kind.rows / whole, "rows/s", str(kind))
        yield Row("whole night", 1e6 * cpu / kind.rows, "cpu us/row")


def _figures(kind: Kind, step: str, found: dict[str, Any]) -> Iterator[Row]:
    yield Row(f"{step}: rate", kind.rows / found["seconds"], "rows/s", f"{found['seconds']:.1f} s")
    yield Row(f"{step}: processor time", 1e6 * found["cpu"] / kind.rows, "us/row")
    yield Row(
        f"{step}: peak memory", found["process_mib"], "MiB", f"of all its processes {found['tree_mib']:,.0f}"
    )  # fmt: skip
    if found["embedded"] + found["cached"]:
        share = found["cached"] / (found["embedded"] + found["cached"])
        yield Row(
            f"{step}: texts in the cache", 100 * share, "%",
            f"{found['embedded'] / kind.rows:.1f} texts a row embedded",
        )  # fmt: skip


def _write_corpus(path: Path, chunks: list[str], day: date) -> None:
    """A day on which every chunk of the corpus was retrieved once, but for those that come new with the night."""
    with path.open("w", encoding="utf-8") as file:
        known = [(k, text) for k, text in enumerate(chunks) if k % _NEW_CHUNKS != _NEW_CHUNKS - 1]
        for i in range(0, len(known), traffic.CHUNKS):
            row = {
                "source_id": f"before-{i}",
                "started_at": f"{day}T08:00:00Z",
                "query": "What is in the corpus?",
                "response": "A little of everything.",
                "contexts": [
                    {"id": f"kb-{k}", "text": text} for k, text in known[i : i + traffic.CHUNKS]
                ],
            }
            file.write(json.dumps(row) + "\n")


def _run(folder: Path, step: str, day: date) -> dict[str, Any]:
    from evalkit import night
    from evalkit.config import Settings

    stated = json.loads((folder / "settings.json").read_text("utf-8"))
    settings = Settings.model_validate({**stated, "base": folder})
    said: list[str] = []
    began, used = time.perf_counter(), cpu_seconds()
    night.step(step, settings, day, lambda day, step, what: said.append(what))
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - used
    texts = re.search(r"([\d,]+) texts embedded, ([\d,]+) from the cache", " ".join(said))
    embedded, cached = (int(n.replace(",", "")) for n in texts.groups()) if texts else (0, 0)
    return {"seconds": seconds, "cpu": cpu, "embedded": embedded, "cached": cached, "said": said}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="One step, measured for `python -m benchmarks night`."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=_STEPS)
    parser.add_argument("day", type=date.fromisoformat)
    asked = parser.parse_args(argv)
    print(json.dumps(_run(asked.folder, asked.step, asked.day)))


if __name__ == "__main__":
    main()
