"""Langfuse exports: the golden story in the current and the legacy tables, re-exports, manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.langfuse import SOURCE, usage_of
from evalkit.ingest.spans import Usage
from tests.ingest.golden import (
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)

CURRENT = ["langfuse_observations.jsonl"]
LEGACY = ["langfuse_legacy_observations.jsonl", "langfuse_legacy_traces.jsonl"]
SCORES = ["langfuse_scores.jsonl"]


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


ROOT, RETRIEVER, GENERATION = records(CURRENT[0])
TRACE = records(LEGACY[1])[0]
SCORE = records(SCORES[0])[0]


def of(*found: dict[str, Any], file: str = "x.jsonl") -> list[Line]:
    return [Line(file, number, json.dumps(one).encode()) for number, one in enumerate(found, 1)]


def one(*found: dict[str, Any]) -> dict[str, Any]:
    (row,), rejects = read_lines(SOURCE, of(*found))
    assert rejects == []
    return row


# ── the story


@pytest.mark.parametrize("names", [CURRENT, LEGACY, LEGACY[::-1]])
def test_the_story_in_the_current_and_in_the_legacy_tables(names: list[str]) -> None:
    (row,), rejects = read_lines(SOURCE, lines_of(*names, *SCORES))
    assert rejects == []
    assert_tells_the_story(row, ["finish_reason"])
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == "00f067aa0ba902b7"
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert (row["environment"], row["route"]) == ("production", "support-chat")
    assert [stage["kind"] for stage in row["stages"]] == ["retrieval", "llm"]
    assert row["feedback"] == [
        {"name": "user_thumb", "value": 1, "label": None, "comment": "helpful", "by": "API"}
    ]


def test_the_story_from_the_rest_api() -> None:
    def camel(record: dict[str, Any]) -> dict[str, Any]:
        def name(text: str) -> str:
            first, *more = text.split("_")
            return first + "".join(word.title() for word in more)

        return {name(key): value for key, value in record.items()}

    found = [camel(record) for record in (ROOT, RETRIEVER, GENERATION)]
    assert_tells_the_story(one(*found), ["finish_reason"])
    whole = {**camel(TRACE), "sessionId": "s-77", "observations": found, "scores": [camel(SCORE)]}
    row = one(whole)
    assert_tells_the_story(row, ["finish_reason"])
    assert row["feedback"][0]["name"] == "user_thumb"


@pytest.mark.parametrize(
    ("kind", "value", "subject", "expected"),
    [
        ("NUMERIC", 0.5, {"kind": "trace", "id": GENERATION["trace_id"]}, (0.5, None)),
        ("CATEGORICAL", "wrong", {"kind": "trace", "id": GENERATION["trace_id"]}, (None, "wrong")),
        ("BOOLEAN", True, {"kind": "observation", "id": GENERATION["id"],
                           "traceId": GENERATION["trace_id"]}, (1, None)),
        ("NUMERIC", 0.5, {"kind": "session", "id": "s-77"}, None),
        ("NUMERIC", 0.5, "nonsense", None),
    ],
)  # fmt: skip
def test_scores_as_the_api_gives_them(kind: str, value: Any, subject: Any, expected: Any) -> None:
    score = {
        "id": "sc-9", "projectId": "p", "name": "verdict", "value": value, "dataType": kind,
        "source": "ANNOTATION", "timestamp": "2026-11-22T02:20:00.000Z", "subject": subject,
        "comment": "seen", "authorUserId": "ann",
    }  # fmt: skip
    row = one(ROOT, RETRIEVER, GENERATION, score)
    found = [(said["value"], said["label"]) for said in row.get("feedback") or []]
    assert found == ([] if expected is None else [expected])
    if expected is not None:
        assert row["feedback"][0]["by"] == "ann"


def test_field_groups_that_were_not_exported_are_missing() -> None:
    row = one({name: GENERATION[name] for name in
               ("id", "trace_id", "type", "start_time", "end_time", "name")})  # fmt: skip
    assert row["latency_ms"] == 1380
    assert row["attributes"]["content"] == "none"
    assert not {"tokens_input", "cost_logged_usd", "query", "response", "contexts"} & row.keys()


# ── tokens and money


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"input": 156, "input_cached_tokens": 256, "output": 14, "total": 426},
         Usage(412, 256, None, 14, None)),
        ({"input": 412, "input_cached_tokens": 256, "output": 14, "total": 426},
         Usage(412, 256, None, 14, None)),
        ({"input": 412, "output": 4, "output_reasoning_tokens": 10, "total": 426},
         Usage(412, None, None, 14, 10)),
        ({"input": 412, "output": 14, "output_reasoning_tokens": 10, "total": 426},
         Usage(412, None, None, 14, 10)),
        ({"input": 100, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 12,
          "output": 14}, Usage(412, 300, 12, 14, None)),
        ({"input": "412", "output": "14", "total": "426"}, Usage(412, None, None, 14, None)),
        ({"prompt_tokens": 412, "completion_tokens": 14, "total_tokens": 426},
         Usage(412, None, None, 14, None)),
        ({}, None),
        ({"total": 5}, None),
        ({"input": -1, "output": "x"}, None),
    ],
)  # fmt: skip
def test_what_the_keys_of_usage_details_mean(
    details: dict[str, Any], expected: Usage | None
) -> None:
    assert usage_of(details) == expected


def test_parents_tokens_are_not_added() -> None:
    row = one({**ROOT, "usage_details": {"input": 412, "output": 14}}, RETRIEVER, GENERATION)
    assert (row["tokens_input"], row["tokens_output"]) == (412, 14)


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"total_cost": 0, "cost_details": {}}, None),
        ({"total_cost": "0.000051", "cost_details": {}}, 0.000051),
        ({"total_cost": None}, 0.000051),
        ({"total_cost": 0, "cost_details": {"total": 0}}, 0),
        ({"total_cost": None, "cost_details": None}, None),
    ],
)
def test_a_cost_of_nothing_without_detail_is_unknown(
    changes: dict[str, Any], cost: float | None
) -> None:
    assert one({**GENERATION, **changes}).get("cost_logged_usd") == cost


# ── what is exported again, left out, or wrong


def test_of_an_observation_exported_twice_the_newest_stands() -> None:
    newer = {**GENERATION, "updated_at": "2026-11-22 05:00:00.000000", "metadata": None,
             "output": '{"role": "assistant", "content": "Within 30 days."}'}  # fmt: skip
    for order in ([newer, GENERATION], [GENERATION, newer]):
        rows, rejects = read_lines(SOURCE, of(*order))
        assert rejects == []
        assert [row["response"] for row in rows] == ["Within 30 days."] * 2  # one is a duplicate
        assert len({row["source_id"] for row in rows}) == 1


def test_evaluators_and_langfuses_own_traces_are_left_out() -> None:
    rows, rejects = read_lines(
        SOURCE,
        of({**GENERATION, "environment": "langfuse-llm-as-a-judge"},
           {**GENERATION, "id": "0" * 15 + "1", "trace_id": "t2", "type": "EVALUATOR"}),
    )  # fmt: skip
    assert (rows, rejects) == ([], [])


def test_the_verdict_of_a_model_is_no_feedback() -> None:
    assert "feedback" not in one(ROOT, RETRIEVER, GENERATION, {**SCORE, "source": "EVAL"})


def test_an_error_keeps_its_message() -> None:
    row = one({**GENERATION, "level": "ERROR", "status_message": "429 slow down", "output": None})
    assert (row["status"], row["error_type"]) == ("error", "429 slow down")
    assert "response" not in row


def test_an_answer_in_a_shape_of_the_applications_own_is_text() -> None:
    assert one({**GENERATION, "output": '{"verdict": true}'})["response"] == '{"verdict": true}'
    assert one({**GENERATION, "output": "Yes."})["response"] == "Yes."


def test_a_retriever_of_the_older_sdks_is_a_span_with_documents() -> None:
    row = one(ROOT, {**RETRIEVER, "type": "SPAN"}, GENERATION)
    assert [chunk["id"] for chunk in row["contexts"]] == ["kb-refunds#3"]


def test_reasons_of_rejects() -> None:
    rows, rejects = read_lines(
        SOURCE,
        of({"a": 1}, {"type": "SPAN", "id": "a"}, {"type": "SPAN", "id": "a", "start_time": "x"},
           {"type": "SPAN", "start_time": "2026-11-22 02:14:05"}),
    )  # fmt: skip
    assert rows == []
    assert [reject.reason for reject in rejects] == [
        "neither observation, trace nor score",
        "start_time: missing",
        "start_time: is no time",
        "id: missing",
    ]


# ── manifests


def manifest(count: int | None, **changes: Any) -> dict[str, Any]:
    entry = {"key": "x/clx9prod/observations_v2/2026-11-22T03-00-00.jsonl.gz", "rowCount": count,
             "table": "observations_v2", "format": "JSONL", "compressed": True}  # fmt: skip
    return {"version": 1, "projectId": "clx9prod", "maxTimestamp": "2026-11-22T03:00:00.000Z",
            "files": [{**entry, **changes}]}  # fmt: skip


def with_manifest(content: dict[str, Any], indent: int | None = None) -> Iterable[Line]:
    name = "blob/clx9prod/manifests/2026-11-22T03-00-00.json"
    for number, text in enumerate(json.dumps(content, indent=indent).splitlines(), 1):
        yield Line(name, number, text.encode())
    yield from of(
        ROOT, RETRIEVER, GENERATION,
        file="blob/clx9prod/observations_v2/2026-11-22T03-00-00.jsonl.gz",
    )  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("count", [3, None])
def test_a_manifest_that_agrees_says_nothing(count: int | None, indent: int | None) -> None:
    (row,), rejects = read_lines(SOURCE, with_manifest(manifest(count), indent))
    assert rejects == []
    assert_tells_the_story(row, ["finish_reason"])


def test_a_manifest_that_counts_other_rows_is_a_reject() -> None:
    rows, (reject,) = read_lines(SOURCE, with_manifest(manifest(5)))
    assert len(rows) == 1
    assert reject.reason.endswith("jsonl.gz: the manifest counts 5 rows, 3 were read")
    assert reject.near is not None
    missing = "x/clx9prod/scores/2026-11-22T03-00-00.jsonl.gz"
    _, (reject,) = read_lines(SOURCE, with_manifest(manifest(2, key=missing)))
    assert reject.reason == f"{missing}: overdue: the manifest counts 2 rows, and none has come"


def test_a_manifest_of_another_day_or_a_broken_one() -> None:
    late = manifest(5) | {"maxTimestamp": "2026-11-25T03:00:00.000Z"}
    assert read_lines(SOURCE, with_manifest(late))[1] == []
    (reject,) = read_lines(SOURCE, [Line("p/manifests/a.json", 1, b"{")])[1]
    assert reject.reason.startswith("a manifest that is not valid JSON")


# ── anything anywhere

GOOD = [ROOT, RETRIEVER, GENERATION, TRACE, SCORE]
WORDS = st.sampled_from([*sorted({key for record in GOOD for key in record}), "GENERATION", "SPAN",
    "role", "content", "documents", "total", "output_reasoning", "a1b2c3d4e5f60718",
    "observations", "scores", "traceId", "startTime", '{"role": "user"}', "[{", "2026-11-22"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(GOOD), st.dictionaries(WORDS, JSON, max_size=5)), max_size=5)
)
def test_any_values_anywhere_cost_no_more_than_their_trace(
    changes: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    lines = of(*(record | change for record, change in changes))
    rows, rejects = read_lines(SOURCE, lines)
    assert all("cannot be folded" not in reject.reason for reject in rejects)
    assert {reject.line for reject in rejects} <= {line.number for line in lines}
    assert len(rejects) <= len(lines)
    assert all("source_id" in row and "started_at" in row for row in rows)


@settings(deadline=None)
@given(JSON)
def test_any_manifest_is_read_or_a_reject(content: Any) -> None:
    name = "p/clx9prod/manifests/a.json"
    read_lines(SOURCE, [Line(name, 1, json.dumps(content).encode())])
