"""Makes the frozen rows of `evalkit/canary` from the RAGTruth part of the shared data:

    python datasets/make_canary.py --shared DIR [--out FILE]

Short contexts, so that a night pays little for them; as many supported as unsupported answers of each task; chosen by
hash, so that no score has a say in it. Making them anew is a new canary: what every lake has recorded of the old one
no longer compares.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalkit.canary.reading import ROWS, SCHEMA, digest

#: Rows of each verdict.
WANTED = {"QA": 30, "Summary": 10}
LONGEST_CONTEXT, LONGEST_RESPONSE = 1700, 900
OUT = Path(__file__).parents[1] / "evalkit" / "canary" / ROWS
_PASSAGE = re.compile(r"(?:^|\n+)passage \d+:")


def choose(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the canary in the order of their ids."""
    chosen: list[dict[str, Any]] = []
    for task, wanted in WANTED.items():
        for verdict in (False, True):
            fitting = [
                row
                for row in rows
                if row["task_type"] == task
                and row["hallucinated"] is verdict
                and len(row["context"]) <= LONGEST_CONTEXT
                and len(row["response"]) <= LONGEST_RESPONSE
            ]
            fitting.sort(key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
            chosen += fitting[:wanted]
    return sorted((_row(row) for row in chosen), key=lambda row: str(row["id"]))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    parts = [part.strip() for part in _PASSAGE.split(row["context"])]
    return {
        "id": row["id"],
        "query": row["query"],
        "contexts": [part for part in parts if part],
        "response": row["response"],
        "hallucinated": row["hallucinated"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the frozen rows of evalkit/canary.")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=OUT, help="the file to write")
    chosen = parser.parse_args()
    table = pq.read_table(chosen.shared / "ragtruth_train_part.parquet")
    rows = pa.Table.from_pylist(
        choose(table.filter(pc.is_valid(table["hallucinated"])).to_pylist()), SCHEMA
    )
    pq.write_table(rows, chosen.out, compression="zstd", compression_level=19)
    print(f"{rows.num_rows} rows, sha256 {digest(rows)}, {chosen.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
