"""docs/scale.md is true: other engines read the tables, without evalkit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from evalkit.lake import Lake
from evalkit.schema import SCORES, scores_schema
from tests.lake.test_adopting import DAY, NEXT

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def test_duckdb_reads_the_newest_version(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    schema = scores_schema([("groundedness", "")])
    for day, value in ((DAY, 0.1), (DAY, 0.25), (NEXT, 0.75)):  # a replaced day counts once
        row = {"day": day, "interaction_id": "a", "groundedness": value}
        lake.replace(SCORES, day, pa.Table.from_pylist([row], schema))
    block = re.search(r"```python\n(import duckdb.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    said = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"(2026-11-2\d) +│ +(\d) +│ +([\d.]+)", said) == [
        ("2026-11-22", "1", "0.25"),
        ("2026-11-23", "1", "0.75"),
    ]
