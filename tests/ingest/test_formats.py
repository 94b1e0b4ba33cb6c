"""One story in many formats, through the whole step: one lake, one row each, all alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import Settings
from evalkit.ingest import Counts, ingest, newest_record
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, REJECTS
from tests.ingest.golden import CANONICAL, DATA
from tests.ingest.sources.test_table import COLUMNS
from tests.ingest.story import DAY

#: Formats that carry the story; what some of them leave out is told apart below.
SOURCES: dict[str, dict[str, Any]] = {
    "pairs": {"format": "openai_log", "path": "openai_pairs.jsonl"},
    "streams": {"format": "openai_log", "path": "openai_stream_pairs.jsonl"},
    "litellm": {"format": "litellm", "path": "litellm.jsonl"},
    "spend logs": {"format": "litellm", "path": "litellm_spend_logs.jsonl"},
    "langfuse": {"format": "langfuse", "path": "langfuse_observations.jsonl"},
    "legacy": {"format": "langfuse", "path": "langfuse_legacy_*.jsonl"},
    "langsmith": {"format": "langsmith", "path": "langsmith.jsonl"},
    "opik": {"format": "opik", "path": "opik.jsonl"},
    "mlflow": {"format": "mlflow", "path": "mlflow.jsonl"},
    "sagemaker": {"format": "sagemaker", "path": "sagemaker.jsonl"},
    "vertex": {"format": "vertex", "path": "vertex.jsonl"},
    "parquet": {"format": "table", "path": "table.parquet", "columns": COLUMNS},
    "csv": {"format": "table", "path": "table.csv", "columns": COLUMNS},
    "lines": {"format": "table", "path": "table.jsonl", "columns": COLUMNS},
}
NOT_CARRIED = {
    "litellm": {"session_id"},
    "langfuse": {"finish_reason"},
    "legacy": {"finish_reason"},
    "opik": {"ttft_ms"},
    "mlflow": {"ttft_ms"},
    "sagemaker": {"contexts", "latency_ms", "ttft_ms"},
    "vertex": {"ttft_ms"},
}
#: What some formats tell in another way. The time of a capture is to the second; the template can
#: be told from the question and the chunks only where the chunks are logged; Gemini is its own model.
DIFFERENT: dict[str, dict[str, Any]] = {
    "sagemaker": {
        "started_at": datetime(2026, 11, 22, 2, 14, 6, tzinfo=UTC),
        "prompt_fingerprint": "5b1be1d78648c7e1",
    },
    "vertex": {"model": "gemini-2.5-flash"},
}
#: Chunks of a grounding have no score.
UNSCORED = {"vertex"}
#: Formats that log tokens, but never what they cost.
UNPAID = {"pairs", "streams", "sagemaker", "vertex"}


@pytest.fixture
def setup(configure: Callable[..., Settings]) -> Settings:
    sources = {
        name: {**values, "path": str(DATA / values["path"])} for name, values in SOURCES.items()
    }
    return configure(sources=sources)


def test_every_format_gives_the_same_row(setup: Settings, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    (taken,) = ingest(setup, lake, [DAY])
    assert dict(taken.sources) == dict.fromkeys(SOURCES, Counts(1, 0, 0))
    assert lake.read(REJECTS, DAY, DAY).num_rows == 0
    rows = {row["source"]: row for row in lake.read(INTERACTIONS, DAY, DAY).to_pylist()}
    names = [name for name in CANONICAL if name != "contexts"] + ["prompt_fingerprint"]
    expected = rows["pairs"]
    for source, row in rows.items():
        gone = NOT_CARRIED.get(source, set())
        for name in names:
            value = row[name]
            if isinstance(value, float):
                value = pytest.approx(value, abs=1e-3)
            told = DIFFERENT.get(source, {}).get(name, expected[name])
            assert (None if name in gone else told) == value, (source, name)
        if "contexts" in gone:
            assert row["contexts"] is None
            continue
        assert [(c["id"], c["text"], c["score"], c["rank"]) for c in row["contexts"]] == [
            (c["id"], c["text"], None if source in UNSCORED else c["score"], c["rank"])
            for c in expected["contexts"]
        ]
    costs = {source: row["cost_logged_usd"] for source, row in rows.items()}
    assert {cost for source, cost in costs.items() if source not in UNPAID} == {0.000051}
    assert {cost for source, cost in costs.items() if source in UNPAID} == {None}


def test_a_second_run_gives_the_same(setup: Settings, tmp_path: Path) -> None:
    lakes = [Lake(str(tmp_path / name)) for name in ("first", "second")]
    for lake in lakes:
        ingest(setup, lake, [DAY])
    first, second = (lake.read(INTERACTIONS, DAY, DAY) for lake in lakes)
    assert first.equals(second)


@pytest.mark.parametrize("name", ["parquet", "csv", "langfuse", "langsmith"])
def test_the_newest_record_is_known(setup: Settings, name: str) -> None:
    assert newest_record(setup, name) == CANONICAL["started_at"]


@pytest.mark.parametrize("name", ["langfuse_observations", "langsmith"])
def test_exports_in_parquet_tell_the_same(
    name: str, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    records = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]
    maps = {"usage_details": pa.int64(), "cost_details": pa.float64()}
    columns = {}
    for column in records[0]:
        values = [record[column] for record in records]
        if column in maps:
            type_ = pa.map_(pa.string(), maps[column])
            columns[column] = pa.array([list((value or {}).items()) for value in values], type_)
        else:
            columns[column] = pa.array(
                [json.dumps(v) if isinstance(v, dict | list) else v for v in values]
            )
    (tmp_path / "runs/year=2026").mkdir(parents=True)
    pq.write_table(pa.table(columns), tmp_path / "runs/year=2026/part-0.parquet")
    form = name.partition("_")[0]
    both = configure(
        sources={
            "lines": {"format": form, "path": str(DATA / f"{name}.jsonl")},
            "parquet": {"format": form, "path": "runs"},
        }
    )
    lake = Lake(str(tmp_path / "lake"))
    ingest(both, lake, [DAY])
    first, second = lake.read(INTERACTIONS, DAY, DAY).sort_by("source").to_pylist()
    for row in (first, second):
        for column in ("interaction_id", "source", "attributes"):
            del row[column]
    assert first == second
