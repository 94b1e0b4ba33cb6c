"""`python -m benchmarks [WHICH ...] [--rows N] [--json FILE]`: a table on the terminal, and JSON when asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import encoders, ingest, night, others, reading, tiers
from benchmarks.measure import Row, machine

ALL: dict[str, Callable[[], Iterator[Row]]] = {
    "encoders": encoders.measure,
    "ingest": ingest.measure,
    "night": night.measure,
    "others": others.measure,
    "reading": reading.measure,
    "tiers": tiers.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "which", nargs="*", metavar="WHICH", help=f"{', '.join(ALL)}; all when none is named"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--rows", type=int, default=reading.ROWS, help="rows of each format that `reading` reads"
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
            measure = partial(reading.measure, chosen.rows, chosen.format)
        for row in measure():
            print(f"  {row.what:<44} {row.value:>10,.2f} {row.unit:<14} {row.against}")
            found.append(row)
    if chosen.json is not None:
        text = json.dumps({"machine": machine(), "rows": [row.__dict__ for row in found]}, indent=1)
        chosen.json.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
