"""`python -m benchmarks [encoders|ingest|night|tiers] [--json FILE]`: a table on the terminal, and JSON when asked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import encoders, ingest, night, tiers
from benchmarks.measure import Row, machine

ALL = {
    "encoders": encoders.measure,
    "ingest": ingest.measure,
    "night": night.measure,
    "tiers": tiers.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "which", nargs="*", metavar="WHICH", help=f"{', '.join(ALL)}; all when none is named"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.which if name not in ALL]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}. There are: {', '.join(ALL)}.")
    print(machine())
    found: list[Row] = []
    for name in chosen.which or ALL:
        print(f"\n{name}")
        for row in ALL[name]():
            print(f"  {row.what:<44} {row.value:>10,.2f} {row.unit:<14} {row.against}")
            found.append(row)
    if chosen.json is not None:
        text = json.dumps({"machine": machine(), "rows": [row.__dict__ for row in found]}, indent=1)
        chosen.json.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
