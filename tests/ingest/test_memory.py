"""How much memory reading takes does not follow from how much there is to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: Reads a file of canonical lines into a lake, and says what the most was that the process held.
CHILD = """
import re, sys
from datetime import date
from pathlib import Path
from evalkit.config import Settings, SourceSettings
from evalkit.ingest import ingest
from evalkit.lake import Lake

folder = Path(sys.argv[1])
source = SourceSettings(format="jsonl", path="log.jsonl")
settings = Settings(base=folder, sources={"log": source})
(found,) = ingest(settings, Lake(str(folder / "lake")), [date(2026, 11, 22)])
assert found.total.accepted == int(sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak_mib(folder: Path, rows: int) -> float:
    """Of reading so many rows whose times are all over the day."""
    with (folder / "log.jsonl").open("w") as file:
        for n in range(rows):
            clock = f"{n * 7 % 24:02}:{n * 11 % 60:02}:{n * 13 % 60:02}"
            row = {
                "source_id": f"call-{n}",
                "started_at": f"2026-11-22T{clock}Z",
                "query": f"What is plan {n}?",
                "system_prompt": "Answer.",
                "response": f"Plan {n} is " + "of words " * 50,
                "contexts": [{"id": f"c-{n % 99}", "text": "A chunk of words. " * 10}],
            }
            file.write(json.dumps(row) + "\n")
    command = [sys.executable, "-c", CHILD, str(folder), str(rows)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what was held")
def test_memory_is_the_same_for_four_times_as_many_rows(tmp_path: Path) -> None:
    few, many = (tmp_path / name for name in ("few", "many"))
    few.mkdir()
    many.mkdir()
    less, more = peak_mib(few, 50_000), peak_mib(many, 200_000)
    assert more < 1.3 * less, f"{less:.0f} and {more:.0f} MiB"
    assert more < 700
