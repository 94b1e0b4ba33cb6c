"""A stored interaction says what it was made of, from its source, read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import Settings
from evalkit.errors import EvalkitError, SourceError
from evalkit.ingest import Pick, explain, ingest
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import DATA
from tests.ingest.spans import call, line, search, span
from tests.ingest.story import DAY, STORY, write_lines

CHUNK = {"id": "kb-1", "content": "Within 30 days."}
ROOT, FIRST, LAST, FOUND, JUDGE = (letter * 16 for letter in "abcde")


def stored(settings: Settings, folder: Path) -> list[dict[str, Any]]:
    """The rows of the day, as `show` gets them."""
    lake = Lake(str(folder / "lake"))
    ingest(settings, lake, [DAY])
    return lake.read(INTERACTIONS, DAY, DAY).to_pylist()


def told(picks: tuple[Pick, ...]) -> dict[str, list[str]]:
    """What each part was made of."""
    found: dict[str, list[str]] = {}
    for pick in picks:
        found.setdefault(pick.what, []).extend(one.partition(" ")[0] for one in pick.where)
    return found


@pytest.fixture
def traced(configure: Callable[..., Settings], tmp_path: Path) -> Settings:
    root = span(ROOT, attributes={"gen_ai.operation.name": "invoke_agent",
                                  "gen_ai.usage.input_tokens": 20,
                                  "gen_ai.usage.output_tokens": 2})  # fmt: skip
    judged = span(JUDGE, ROOT, 600, attributes={"openinference.span.kind": "EVALUATOR"})
    spans = [
        root,
        call(FIRST, ROOT, 10, said="Let me look."),
        search(FOUND, ROOT, 150, documents=[CHUNK]),
        call(LAST, ROOT, 200, said="30 days."),
        judged,
    ]
    write_lines(tmp_path / "traces.jsonl", [line(*spans)])
    return configure(sources={"traces": {"format": "otlp", "path": "traces.jsonl"}})


def test_a_trace_tells_which_span_is_what(traced: Settings, tmp_path: Path) -> None:
    (row,) = stored(traced, tmp_path)
    picks = explain(traced, row)
    assert told(picks) == {
        "record": ["traces.jsonl:1"],
        "question": [LAST],
        "contexts": [FOUND],
        "answer": [LAST],
        "stages": [FIRST, FOUND, LAST],
        "tokens": [FIRST, LAST],
        "cost": [],
        "left out": [ROOT, JUDGE],
    }
    why = {pick.what: pick.why for pick in picks if pick.what != "left out"}
    assert why["answer"] == "the last of 2 calls to end with a text"
    assert why["tokens"] == "summed over the leaf calls of the answer's model"
    assert why["cost"] == "none is logged: the price list's is used"
    assert [pick.why for pick in picks if pick.what == "left out"] == [
        "tokens and costs of no leaf call: sums of the calls below, never added",
        "evaluators and what is below them: nobody's traffic",
    ]


def test_spans_are_named(traced: Settings, tmp_path: Path) -> None:
    (row,) = stored(traced, tmp_path)
    (answer,) = [pick for pick in explain(traced, row) if pick.what == "answer"]
    assert answer.where == (f"{LAST} ({LAST})",)


@pytest.mark.parametrize("file", ["langfuse_observations.jsonl", "langsmith.jsonl"])
def test_every_trace_format_explains_itself(
    file: str, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    form = file.partition("_")[0].partition(".")[0]
    settings = configure(sources={"s": {"format": form, "path": str(DATA / file)}})
    (row,) = stored(settings, tmp_path)
    found = told(explain(settings, row))
    assert {"question", "contexts", "answer", "tokens", "cost"} <= {
        name for name, where in found.items() if where
    }


def test_a_pair_tells_which_field_is_what(
    configure: Callable[..., Settings], tmp_path: Path
) -> None:
    write_lines(tmp_path / "logs/a.jsonl", [b"{", STORY])
    settings = configure()
    (row,) = stored(settings, tmp_path)
    picks = {pick.what: pick for pick in explain(settings, row)}
    assert picks["record"].where == ("logs/a.jsonl:2",)
    assert picks["question"].where == ("request.messages[1].content",)
    assert picks["question"].why == "a part of what stands there"
    assert picks["answer"].where == ("response.choices[0].message.content",)
    assert picks["contexts"].where == ("metadata.documents[0].text",)
    assert picks["input tokens"].where == ("response.usage.prompt_tokens",)
    assert picks["time"].where == ("timestamp",)


def test_a_file_that_is_gone_is_said_to_be(traced: Settings, tmp_path: Path) -> None:
    (row,) = stored(traced, tmp_path)
    (tmp_path / "traces.jsonl").write_bytes(b"")
    with pytest.raises(EvalkitError, match=r"'traces.jsonl' does not hold .* any more\. Put the"):
        explain(traced, row)
    (tmp_path / "traces.jsonl").unlink()
    with pytest.raises(SourceError, match=r"no file matches .* Put the file that held it back"):
        explain(traced, row)


def test_a_source_that_is_gone_is_said_to_be(
    traced: Settings, configure: Callable[..., Settings], tmp_path: Path
) -> None:
    (row,) = stored(traced, tmp_path)
    with pytest.raises(EvalkitError, match=r"\[sources.traces\] is not there any more"):
        explain(configure(), row)


def test_no_text_of_the_traffic_is_told(traced: Settings, tmp_path: Path) -> None:
    (row,) = stored(traced, tmp_path)
    words = json.dumps([[pick.what, pick.where, pick.why] for pick in explain(traced, row)])
    assert "30 days" not in words
    assert "What?" not in words
