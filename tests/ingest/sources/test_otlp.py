"""OTLP traces: the golden story in each dialect, and traces as collectors really leave them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.config import Settings
from evalkit.errors import ConfigError
from evalkit.ingest import Counts, ingest, traces
from evalkit.ingest.contract import Line, Window
from evalkit.ingest.sources.openai_log import SOURCE as OPENAI_LOG
from evalkit.ingest.sources.otlp import SOURCE
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import (
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.spans import MS, START, call, export, line, search, span, written
from tests.ingest.story import DAY, WINDOW, read
from tests.ingest.test_source_contract import JSON, paths_of, put

#: The sample in each dialect, and what that dialect has no name for.
SAMPLES: dict[str, tuple[str, ...]] = {
    "otlp_genai.jsonl": (),
    "otlp_events.jsonl": ("ttft_ms",),
    "otlp_numbered.jsonl": ("ttft_ms",),
    "otlp_logs.jsonl": (),
    "otlp_openinference.jsonl": ("ttft_ms",),
    "otlp_phoenix.jsonl": ("ttft_ms",),
}
STORY: dict[str, Any] = json.loads((DATA / "otlp_genai.jsonl").read_text("utf-8"))
ALWAYS = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def rows(*lines: bytes, **values: Any) -> list[dict[str, Any]]:
    found, rejects = read(SOURCE, lines, **values)
    assert rejects == []
    return found


def in_files(*files: list[bytes]) -> list[dict[str, Any]]:
    """Rows of several files, whose names are in their order."""
    lines = [
        Line(f"{place}.jsonl", number, data)
        for place, file in enumerate(files)
        for number, data in enumerate(file, 1)
    ]
    found, rejects = read_lines(SOURCE, lines)
    assert rejects == []
    return found


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_story(sample: str) -> None:
    (row,), rejects = read_lines(SOURCE, lines_of(sample))
    assert rejects == []
    assert_tells_the_story(row, absent=SAMPLES[sample])
    assert_costs_the_same(row, logged=False)
    assert row["source_id"] == "00f067aa0ba902b7"
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert row["provider"] == "openai"


@pytest.mark.parametrize("sample", SAMPLES)
def test_its_prompt_is_the_one_that_every_format_tells(sample: str) -> None:
    (row,), _ = read_lines(SOURCE, lines_of(sample))
    (other,), _ = read_lines(OPENAI_LOG, lines_of("openai_pairs.jsonl"))
    assert row["prompt_fingerprint"] == other["prompt_fingerprint"]


def test_its_stages_its_place_and_what_was_picked() -> None:
    (row,) = rows(*[one.data for one in lines_of("otlp_genai.jsonl")])
    assert (row["app"], row["environment"]) == ("support-bot", "prod")
    assert [(stage["kind"], stage["start_ms"], stage["duration_ms"]) for stage in row["stages"]] == [
        ("retrieval", 0, 320), ("llm", 420, 1380),
    ]  # fmt: skip
    assert row["attributes"] == {
        "fold.answer": "the only call",
        "fold.contexts": "eee19b7ec3c1b174",
        "fold.question": "the last message of the user, behind the question pattern",
        "gen_ai.request.stream": "true",
        "gen_ai.request.temperature": "0.2",
        "response_id": "chatcmpl-AbC123",
        "span": "chat gpt-4o-mini",
    }


def test_a_thumb_is_feedback() -> None:
    (row,), _ = read_lines(SOURCE, lines_of("otlp_phoenix.jsonl"))
    assert [(said["name"], said["value"], said["by"]) for said in row["feedback"]] == [
        ("user_thumb", 1, "HUMAN")
    ]


def test_an_evaluation_that_was_logged_for_the_span_is_feedback() -> None:
    log = {"timeUnixNano": str(START), "eventName": "gen_ai.evaluation.result",
           "traceId": call("a").trace, "spanId": "a",
           "attributes": [{"key": "gen_ai.evaluation.name", "value": {"stringValue": "tone"}},
                          {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}}],
           }  # fmt: skip
    logs = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}).encode()
    (row,) = rows(logs, line(call("a")), logs)  # a log that came twice is told once
    assert [(said["name"], said["value"]) for said in row["feedback"]] == [("tone", 0.5)]


TURN = [
    span("r", at=0, ms=500, attributes={"openinference.span.kind": "CHAIN"}),
    search("s", "r", 10, documents=[{"id": "1", "content": "A"}]),
    call("a", "r", 50, said="Yes."),
    call("b", "r", 200, said="No."),
]


def test_a_trace_over_several_lines_and_files_is_one() -> None:
    whole = rows(line(*TURN))
    assert len(whole) == 1
    assert rows(*[line(one) for one in TURN]) == whole
    assert in_files([line(TURN[3])], [line(TURN[0])], [line(TURN[2]), line(TURN[1])]) == whole


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_lines_does_not_matter(seed: int) -> None:
    spans = [replace(one, trace=f"{i:032x}") for i in range(1, 9) for one in TURN]
    shuffled = list(spans)
    random.Random(seed).shuffle(shuffled)

    def key(row: dict[str, Any]) -> str:
        return str(row["source_id"])

    expected = sorted(rows(*[line(one) for one in spans]), key=key)
    assert sorted(rows(*[line(one) for one in shuffled]), key=key) == expected


def test_what_waits_on_disk_comes_back_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(replace(one, trace=f"{i:032x}")) for i in range(1, 50) for one in TURN]
    held = rows(*lines)
    monkeypatch.setattr(traces.Traces.__init__, "__defaults__", (1000,))
    assert rows(*lines) == held


def test_a_trace_that_was_exported_twice_is_a_duplicate() -> None:
    first, second = rows(line(*TURN), line(*TURN))
    assert first == second
    assert first["tokens_input"] == 20


def test_spans_without_a_trace_are_each_their_own() -> None:
    alone = [written(call(id_ * 16)) | {"traceId": ""} for id_ in "ab"]
    found = rows(line(*alone))
    assert sorted(row["source_id"] for row in found) == ["a" * 16, "b" * 16]
    assert "trace_id" not in found[0]


def test_ids_in_base64_join_those_in_hexadecimal() -> None:
    def as_text(digits: str) -> str:
        return base64.b64encode(bytes.fromhex(digits)).decode()

    def ids(record: dict[str, Any]) -> dict[str, Any]:
        names = ("traceId", "spanId", "parentSpanId")
        return record | {name: as_text(record[name]) for name in names}

    ((retrieval, chat),) = [group["scopeSpans"][0]["spans"] for group in STORY["resourceSpans"]]
    (row,) = rows(line(ids(retrieval)), line(chat))
    assert row["contexts"][0]["id"] == "kb-refunds#3"
    (row,) = rows(line(ids(retrieval), ids(chat)))
    assert row["source_id"] == "00f067aa0ba902b7"


def test_a_call_belongs_to_the_day_on_which_it_began() -> None:
    day = timedelta(days=1)
    # The search began before midnight, the call after it.
    late = 22 * 3600 * 1000 - (2 * 3600 + 14 * 60 + 5) * 1000
    spans = [search("s", at=late - 50, documents=[{"id": "1", "content": "A"}]), call("a", at=late)]
    found, _ = read(SOURCE, [line(*spans)], WINDOW)
    assert [chunk["id"] for chunk in found[0]["contexts"]] == ["1"]
    midnight = WINDOW.start + timedelta(hours=22)
    before, after = Window(midnight - day, midnight), Window(midnight, midnight + day)
    assert read(SOURCE, [line(*spans)], before)[0] == []
    assert read(SOURCE, [line(*spans)], after)[0][0]["contexts"][0]["id"] == "1"


def test_spans_of_other_days_are_not_held() -> None:
    long_ago = replace(TURN[1], start_ns=START - 27 * 3600 * 1000 * MS)
    (row,) = rows(line(long_ago, TURN[2]))
    assert "contexts" not in row


def test_one_bad_span_costs_no_other() -> None:
    bad = written(call("bad")) | {"startTimeUnixNano": "soon"}
    found, rejects = read(SOURCE, [line(bad, *TURN, {"name": "no start"})])
    assert len(found) == 1
    assert [(reject.line, reject.reason) for reject in rejects] == [
        (1, "span: its start is no time"),
        (1, "span without a start"),
    ]
    assert [reject.near for reject in rejects] == [
        None,
        datetime(2026, 11, 22, 2, 14, 5, 200_000, tzinfo=UTC),
    ]


def test_a_line_that_was_cut_costs_its_own_spans_only() -> None:
    cut = line(call("a"), call("b"))[:-30]
    found, rejects = read(SOURCE, [cut, line(replace(call("c"), trace="ff" * 16))])
    assert len(found) == 1
    assert rejects[0].reason.startswith("JSON that ends too early")


def test_an_indented_document_is_one_export() -> None:
    text = json.dumps(STORY, indent=2).encode().splitlines()
    other = [line(replace(call("a" * 16), trace="ff" * 16))]
    found = in_files(text, other, text)
    assert sorted(row["source_id"] for row in found) == [
        "00f067aa0ba902b7", "00f067aa0ba902b7", "a" * 16,
    ]  # fmt: skip
    lines = [Line("a.json", number, data) for number, data in enumerate(text[:-3], 1)]
    none, (reject,) = read_lines(SOURCE, lines)
    assert none == []
    assert (reject.line, reject.reason[:24]) == (1, "JSON that ends too early")


def test_an_indented_document_without_end_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.ingest.documents.MAX_DOCUMENT_BYTES", 200)
    text = json.dumps(STORY, indent=2).encode().splitlines()
    none, (reject,) = read_lines(SOURCE, [Line("a.json", i, one) for i, one in enumerate(text, 1)])
    assert none == []
    assert reject.reason.startswith("a document of more than 200 bytes")


def test_a_trace_that_is_too_large_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_TRACE_PARTS", 3)
    found, (reject,) = read(SOURCE, [line(*TURN)])
    assert found[0]["response"] == "Yes."
    assert reject.reason == f"trace {TURN[0].trace} is too large: this part was left out"
    assert reject.near == datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)
    assert '"b"' in reject.raw


def test_traffic_of_other_kinds_gives_nothing() -> None:
    metrics = json.dumps({"resourceMetrics": [{"scopeMetrics": []}]}).encode()
    assert rows(line(span("http")), metrics) == []


def test_a_name_and_a_pattern_that_are_wrong_are_said_to_be() -> None:
    with pytest.raises(ConfigError, match="'ap' is no text column"):
        rows(line(call("a")), defaults={"ap": "shop"})
    with pytest.raises(ConfigError, match="no regular expression"):
        rows(line(call("a")), question_pattern="(")


def test_defaults_fill_what_the_trace_does_not_carry() -> None:
    (row,) = rows(line(call("a")), defaults={"app": "shop", "model": "other"})
    assert (row["app"], row["model"]) == ("shop", "m")


def test_a_night_of_traces_adds_up_and_a_second_one_changes_nothing(
    configure: Callable[..., Settings], tmp_path: Path
) -> None:
    spans = [replace(one, trace=f"{i:032x}") for i in range(1, 6) for one in TURN]
    (tmp_path / "t").mkdir()
    (tmp_path / "t/a.jsonl").write_bytes(b"\n".join(line(one) for one in spans[:11]) + b"\n{cut")
    (tmp_path / "t/b.jsonl").write_bytes(b"\n".join(line(one) for one in spans[8:]))
    lake = Lake(str(tmp_path / "lake"))
    night = configure(sources={"traces": {"format": "otlp", "path": "t/*.jsonl"}})
    (taken,) = ingest(night, lake, [DAY])
    assert taken.total == Counts(5, 0, 1)
    first = lake.read(INTERACTIONS, DAY, DAY)
    assert {len(row["stages"]) for row in first.to_pylist()} == {3}
    assert set(first.column("tokens_input").to_pylist()) == {20}
    assert ingest(night, lake, [DAY]) == [taken]
    assert lake.read(INTERACTIONS, DAY, DAY).equals(first)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_costs_at_most_its_own_span(data: st.DataObject) -> None:
    """The other traces of the file stand, and the trace of the span loses no token."""
    good = export(TURN)
    spans = good["resourceSpans"][0]["scopeSpans"][0]["spans"]
    place = data.draw(st.integers(0, len(spans) - 1))
    path = data.draw(st.sampled_from([*paths_of(spans[place]), ("new",)]))
    spans[place] = put(spans[place], path, data.draw(JSON))
    other = replace(call("c" * 16), trace="ff" * 16)
    lines = [json.dumps(good).encode(), line(other)]
    found, rejects = read(SOURCE, lines, ALWAYS)
    assert "c" * 16 in {row["source_id"] for row in found}
    assert len(rejects) <= 1
    assert {reject.line for reject in rejects} <= {1}
    tokens = sum(row.get("tokens_input", 0) for row in found if row["source_id"] != "c" * 16)
    if path[0] != "attributes" and not rejects:  # ids and times move spans, they lose no tokens
        assert tokens == 20
