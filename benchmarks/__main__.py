"""`python -m benchmarks [WHICH ...] [--rows N] [--json FILE]`: a table on the terminal, and JSON when asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import encoders, ingest, night, others, reading, tiers, trends
from benchmarks.measure import Row, machine

ALL: dict[str, Callable[[], Iterator[Row]]] = {
    "encoders": encoders.measure,
    "ingest": ingest.measure,
    "night": night.measure,
    "others": others.measure,
    "reading": reading.measure,
    "tiers": tiers.measure,
    "trends": trends.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "which", nargs="*", metavar="WHICH", help=f"{', '.join(ALL)}; all when none is named"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--rows",
        type=int,
        help="rows of each format of `reading`, of the night of `night`, of all days of `trends`",
    )
    parser.add_argument(
        "--precision", default="auto", help="of the encoder in `night`: auto, fp32, bf16 or int8"
    )
    parser.add_argument("--verifier", action="store_true", help="`night` with the verifier")
    parser.add_argument("--cheap", action="store_true", help="`night` without vectors")
    parser.add_argument(
        "--per-day", type=int, default=trends.PER_DAY, help="rows of each day of `trends`"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that score in `night`")
    parser.add_argument("--threads", type=int, help="of the encoder in `night`")
    parser.add_argument(
        "--budget", default="all", help="what scoring may take in `night`: 10m, $2, or all"
    )
    parser.add_argument(
        "--corpus", type=int, default=night.CORPUS, help="distinct chunks of `night`"
    )
    parser.add_argument(
        "--new", type=float, default=1.0, help="share of the rows of `night` whose texts are new"
    )
    parser.add_argument(
        "--format",
        nargs="*",
        metavar="NAME",
        help="the formats that `reading` reads; all without it",
    )
    chosen = parser.parse_args()
    unknown = [name for name in chosen.which if name not in ALL]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}. There are: {', '.join(ALL)}.")
    print(machine())
    found: list[Row] = []
    for name in chosen.which or ALL:
        print(f"\n{name}")
        measure = ALL[name]
        if name == "reading":
            measure = partial(reading.measure, chosen.rows or reading.ROWS, chosen.format)
        if name == "night":
            measure = partial(night.measure, _kind(chosen))
        if name == "trends":
            measure = partial(trends.measure, chosen.rows or trends.ROWS, chosen.per_day)
        for row in measure():
            print(f"  {row.what:<44} {row.value:>10,.2f} {row.unit:<14} {row.against}")
            found.append(row)
    if chosen.json is not None:
        text = json.dumps({"machine": machine(), "rows": [row.__dict__ for row in found]}, indent=1)
        chosen.json.write_text(text, "utf-8")


def _kind(chosen: argparse.Namespace) -> night.Kind:
    return night.Kind(
        rows=chosen.rows or night.ROWS,
        precision=chosen.precision,
        verifier=chosen.verifier,
        cheap=chosen.cheap,
        new=chosen.new,
        workers=chosen.workers,
        corpus=chosen.corpus,
        threads=chosen.threads,
        budget=chosen.budget,
    )


if __name__ == "__main__":
    main()
