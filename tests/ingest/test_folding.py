"""Which span is the question, the chunks, the answer; what is summed, and what is not."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.folding import Folded, fold
from evalkit.ingest.sources.otlp import meaning_of
from evalkit.ingest.spans import Span
from evalkit.ingest.turns import MAX_CALLS
from tests.ingest.spans import call, search, span
from tests.ingest.story import source_settings

PATTERN = source_settings().question_pattern
AGENT = {"gen_ai.operation.name": "invoke_agent"}
CHAIN = {"openinference.span.kind": "CHAIN"}


def folded(*spans: Span) -> Folded:
    return fold(spans, meaning_of, PATTERN)


def rows(*spans: Span) -> list[dict[str, Any]]:
    return folded(*spans).rows


def one(*spans: Span) -> dict[str, Any]:
    (row,) = rows(*spans)
    return row


def test_one_call_is_one_row() -> None:
    row = one(call("a" * 16))
    assert row["source_id"] == "a" * 16
    assert (row["query"], row["response"], row["tokens_input"]) == ("What?", "That.", 10)
    assert [stage["kind"] for stage in row["stages"]] == ["llm"]


def test_a_short_id_is_told_apart_by_its_trace() -> None:
    assert one(call("1"))["source_id"].endswith("/1")


def test_a_trace_without_a_model_call_gives_nothing() -> None:
    found = folded(span("http"), search("s", "http"))
    assert (found.rows, found.others) == ([], 2)


def test_tokens_are_those_of_the_leaves() -> None:
    root = span("root", attributes=AGENT | {"gen_ai.usage.input_tokens": 30,
                                            "gen_ai.usage.output_tokens": 3})  # fmt: skip
    outer = call("outer", "root", 0, asked=None, said=None, tokens=10)
    row = one(root, outer, call("inner", "outer", 5), call("next", "root", 200, tokens=20))
    assert (row["tokens_input"], row["tokens_output"]) == (30, 2)
    assert row["attributes"]["calls"] == "2"


def test_a_call_seen_by_two_libraries_is_one_call() -> None:
    outer = call("outer", tokens=None)
    inner = call("inner", "outer", 1, 90, asked=None, said=None, tokens=10)
    row = one(outer, inner)
    assert (row["query"], row["response"], row["tokens_input"]) == ("What?", "That.", 10)
    assert row["latency_ms"] == 90


def test_the_answer_is_what_the_span_around_gave_back() -> None:
    root = span("root", attributes=CHAIN | {"input.value": "What?", "output.value": "It: Yes."})
    spans = [root, call("a", "root", 0, said="Yes."), call("title", "root", 200, said="A title")]
    row = one(*spans)
    assert row["response"] == "Yes."
    assert row["attributes"]["fold.answer"] == "its text stands in what root gave back"


def test_else_it_is_the_last_call_with_a_text_that_asks_for_no_tool() -> None:
    asks = {"gen_ai.response.finish_reasons": ["tool_calls"]}
    spans = [
        span("root", attributes=AGENT),
        call("plan", "root", 0, said="Let me look.", attributes=asks),
        call("answer", "root", 200, said="Yes."),
        span("guard", "root", 400, attributes={"openinference.span.kind": "GUARDRAIL"}),
        call("judge", "guard", 410, said="SAFE"),
        call("failed", "root", 600, said="Y", status="error"),
        call("again", "root", 800, said=None),
    ]
    row = one(*spans)
    assert row["response"] == "Yes."
    assert row["tokens_input"] == 50
    assert row["attributes"]["fold.question"] == "the last message of the user"


def test_when_every_call_failed_the_last_one_says_how() -> None:
    more = {"error.type": "rate_limit"}
    row = one(
        span("root"),
        call("a", "root", 0, said=None, status="error"),
        call("b", "root", 200, said=None, status="error", attributes=more),
    )
    assert (row["status"], row["error_type"]) == ("error", "rate_limit")
    assert "response" not in row


def test_the_question_is_told_apart_by_the_span_around_or_by_a_search() -> None:
    asked = "Use this:\nAll is well.\n\nWhat is well?"
    root = span("root", attributes=CHAIN | {"input.value": '{"question": "What is well?"}'})
    for surrounding in (root, search("root", query="What is well?", at=0)):
        row = one(surrounding, call("a", "root", 20, asked=asked))
        assert row["query"] == "What is well?"
        assert row["attributes"]["fold.question"].endswith("found in the last message")


def test_words_of_a_search_that_are_a_part_of_the_question_are_not_the_question() -> None:
    row = one(search("s", query="refund window"), call("a", asked="What is the refund window now?"))
    assert row["query"] == "What is the refund window now?"


def test_without_messages_the_search_says_what_was_asked() -> None:
    row = one(search("s", query="Why?"), call("a", at=20, asked=None, said=None))
    assert (row["query"], row["attributes"]["fold.question"]) == ("Why?", "the query of s")


def test_chunks_of_several_searches_stand_once_each() -> None:
    first = [{"id": "1", "content": "A", "score": 0.5}, {"id": "2", "content": "B"}]
    spans = [
        search("s", at=0, documents=first),
        search("t", at=20, documents=[{"id": "2", "content": "B"}, {"id": "3", "text": "C"}]),
        call("a", at=40),
        search("later", at=500, documents=[{"id": "9", "content": "Z"}]),
    ]
    chunks = one(*spans)["contexts"]
    assert [(chunk["id"], chunk["text"], chunk["rank"]) for chunk in chunks] == [
        ("1", "A", 1), ("2", "B", 2), ("3", "C", 3),
    ]  # fmt: skip


def test_a_reranking_has_the_last_word_and_takes_texts_from_the_search() -> None:
    rerank = {
        "openinference.span.kind": "RERANKER",
        "reranker.output_documents.0.document.id": "2",
        "reranker.output_documents.0.document.score": 0.9,
    }
    documents = [{"id": "1", "content": "A"}, {"id": "2", "content": "B"}]
    spans = [search("s", documents=documents), span("r", at=15, attributes=rerank)]
    (chunk,) = one(*spans, call("a", at=200))["contexts"]
    assert (chunk["id"], chunk["text"], chunk["score"]) == ("2", "B", 0.9)


def test_texts_that_a_search_left_out_are_taken_from_what_tools_gave_back() -> None:
    result = '[{"id": "1", "text": "A"}]'
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "What?"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": result}]},
    ]
    spans = [search("s", documents=[{"id": "1", "score": 0.5}]), call("a", at=20, asked=asked)]
    (chunk,) = one(*spans)["contexts"]
    assert (chunk["text"], chunk["score"]) == ("A", 0.5)
    (alone,) = one(call("a", at=20, asked=asked))["contexts"]
    assert alone["text"] == "A"
    orders = [asked[0], {"role": "tool", "content": '[{"order": 7}]'}]
    assert "contexts" not in one(call("a", asked=orders))


def test_nothing_found_is_not_the_same_as_nothing_logged() -> None:
    assert one(search("s", documents=[]), call("a", at=20))["contexts"] == []
    assert "contexts" not in one(call("a"))


def test_evaluators_and_what_is_below_them_are_dropped() -> None:
    judge = span("judge", at=500, attributes={"openinference.span.kind": "EVALUATOR"})
    found = folded(call("a"), judge, call("j", "judge", 510, said="0.9", tokens=1000))
    assert len(found.rows) == 1
    assert found.rows[0]["tokens_input"] == 10
    assert (found.calls, found.evaluators) == (1, 2)


def test_other_models_have_other_prices_and_a_row_of_their_own() -> None:
    spans = [span("root", attributes=AGENT), call("small", "root", 0, model="s", tokens=5),
             call("large", "root", 200, model="l", said="Yes.", tokens=50)]  # fmt: skip
    answer, step = rows(*spans)
    assert (answer["model"], answer["tokens_input"], answer["response"]) == ("l", 50, "Yes.")
    assert (step["model"], step["tokens_input"]) == ("s", 5)
    assert "query" not in step
    assert step["attributes"]["turn"] == answer["source_id"]


def test_when_the_user_speaks_again_a_new_turn_begins() -> None:
    history = [
        {"role": "user", "content": "A?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "B?"},
    ]
    spans = [
        span("root", ms=900),
        search("s1", "root", 0, documents=[{"id": "1", "content": "one"}]),
        call("a", "root", 20, asked="A?", said="Yes."),
        search("s2", "root", 300, documents=[{"id": "2", "content": "two"}]),
        call("b", "root", 320, asked=history, said="No."),
    ]
    first, second = rows(*spans)
    assert (first["query"], first["response"], first["contexts"][0]["id"]) == ("A?", "Yes.", "1")
    assert (second["query"], second["response"], second["contexts"][0]["id"]) == ("B?", "No.", "2")
    assert len(second["history"]) == 2


def test_calls_of_two_conversations_are_two_turns() -> None:
    spans = [
        call(id_, "root", at, attributes={"gen_ai.conversation.id": f"s-{id_}"})
        for id_, at in (("a", 0), ("b", 200))
    ]
    assert [row["session_id"] for row in rows(span("root"), *spans)] == ["s-a", "s-b"]


def test_a_batch_of_many_calls_is_divided_at_its_children() -> None:
    tasks = [span(f"t{i}", "root", i * 10, attributes=CHAIN) for i in range(MAX_CALLS)]
    calls = [call(f"c{i}", f"t{i // 2}", i * 5) for i in range(2 * MAX_CALLS)]
    found = folded(span("root"), *tasks, *calls)
    assert len(found.rows) == MAX_CALLS
    assert {row["tokens_input"] for row in found.rows} == {20}


def test_without_a_model_call_the_innermost_agent_stands_for_one() -> None:
    values = {"input.value": "What?", "output.value": "That."}
    spans = [
        span("outer", attributes={"openinference.span.kind": "AGENT"} | values),
        span("inner", "outer", 10, attributes=CHAIN | values),
    ]
    row = one(*spans)
    assert (row["query"], row["response"], row["attributes"]["span"]) == ("What?", "That.", "inner")


def test_every_choice_is_a_row_and_tokens_count_once() -> None:
    both = '[{"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}]'
    first, second = rows(call("a" * 16, attributes={"gen_ai.output.messages": both}))
    assert [first["source_id"][-2:], second["source_id"][-2:]] == ["#0", "#1"]
    assert first["tokens_input"] == 10
    assert "tokens_input" not in second


def test_calls_that_count_their_cache_apart_are_told_inclusively_beside_others() -> None:
    apart = {"gen_ai.usage.cache_read.input_tokens": 90}
    row = one(span("r"), call("a", "r", attributes=apart), call("b", "r", 200, tokens=5))
    assert (row["tokens_input"], row["tokens_cached"]) == (105, 90)
    assert row["token_semantics"] == "inclusive"
    alone = one(call("a", attributes=apart))
    assert (alone["tokens_input"], alone["token_semantics"]) == (10, "exclusive")


def test_an_unknown_count_is_unknown_and_is_said_to_be() -> None:
    row = one(span("r"), call("a", "r", tokens=None), call("b", "r", 200))
    assert row["tokens_input"] == 10
    assert row["attributes"]["calls_without_usage"] == "1"
    assert "tokens_input" not in one(call("a", tokens=None))
    assert "token_semantics" not in one(call("a", tokens=None))


def test_a_call_without_content_is_counted() -> None:
    row = one(call("a", asked=None, said=None))
    assert row["attributes"]["content"] == "none"
    assert row["tokens_input"] == 10
    assert not {"query", "response", "history"} & row.keys()


def test_a_call_that_was_read_twice_gives_its_row_twice() -> None:
    found = folded(call("a"), call("a"), search("s"))
    assert len(found.rows) == 2
    assert found.rows[0] == found.rows[1]
    assert (found.calls, found.repeated, found.others) == (1, 1, 1)


def test_stages_are_the_innermost_steps() -> None:
    spans = [
        span("root", ms=900, attributes=AGENT),
        span("tool", "root", 0, attributes={"gen_ai.operation.name": "execute_tool"}),
        search("s", "tool", 10),
        span("post", "s", 12, name="HTTP POST"),
        call("a", "root", 200),
        span("validate", "root", 400, ms=7),
        span("safety", "root", 420, attributes={"openinference.span.kind": "GUARDRAIL"},
             status="error", message="blocked"),
    ]  # fmt: skip
    stages = one(*spans)["stages"]
    assert [(stage["name"], stage["kind"], stage["start_ms"]) for stage in stages] == [
        ("s", "retrieval", 10), ("a", "llm", 200), ("validate", "other", 400),
        ("safety", "guardrail", 420),
    ]  # fmt: skip
    assert stages[2]["duration_ms"] == 7
    assert stages[3]["error"] == "blocked"


def test_a_trace_of_twenty_thousand_spans_takes_no_time() -> None:
    deep = [span(f"d{i}", f"d{i - 1}" if i else None, i) for i in range(10_000)]
    calls = [call(f"c{i}", "d9999", i) for i in range(10_000)]
    began = time.process_time()
    found = folded(*deep, *calls)
    assert time.process_time() - began < 20
    assert found.calls == 10_000
    assert len(found.rows) == 10_000


KINDS = st.sampled_from([call, search, span])
TRACES = st.lists(
    st.builds(
        lambda make, id_, parent, at, ms: make(id_, parent, at, ms),
        KINDS,
        st.sampled_from("abcdefgh"),
        st.none() | st.sampled_from("abcdefghxy"),
        st.integers(0, 9),
        st.integers(-1, 9),
    ),
    max_size=14,
)


@settings(deadline=None)
@given(TRACES)
def test_every_span_has_one_fate_and_no_token_is_lost_or_doubled(spans: list[Span]) -> None:
    found = folded(*spans)
    assert found.calls + found.evaluators + found.repeated + found.others == len(spans)
    first = {row["source_id"]: row for row in found.rows}.values()
    assert sum(row.get("tokens_input", 0) for row in first) == 10 * found.calls
    unique = list({one.id: one for one in spans}.values())
    assert rows(*unique) == rows(*reversed(unique))
