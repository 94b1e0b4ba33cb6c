"""LangSmith runs, one JSON object a line, as the SDK dumps them and the bulk export holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from evalkit.ingest.contract import RecordError
from evalkit.ingest.dialects.messages import answers_of, chat_of, documents_of, loaded, plain_text
from evalkit.ingest.fields import Fields
from evalkit.ingest.otlp_json import time_ns_of
from evalkit.ingest.spans import Answer, Kind, Meaning, Span, Usage
from evalkit.ingest.times import time_of
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE", "meaning_of", "place", "spans"]

ABOUT = """LangSmith runs as JSON lines: `{"id", "trace_id", "run_type", "start_time", "inputs",
"outputs", "extra", ...}`, objects also as JSON in a string, and feedback records.

All runs of a trace are folded together; a row is a question with its answer, its chunks and its
stages. Tokens and costs of parents are sums and are not added. The conversation is `thread_id`,
`session_id` or `conversation_id` of the metadata: `session_id` of a run is its project. A run
without an end is kept and marked `incomplete`; when it is exported again with its end, that one
stands. A total cost of 0 is an unknown one."""

_KINDS: Mapping[str, Kind] = {
    "llm": "llm",
    "retriever": "retrieval",
    "tool": "tool",
    "chain": "chain",
    "embedding": "embedding",
    "prompt": "prompt",
    "parser": "other",
}
_ROLES = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "developer": "developer",
}
_CONVERSATION = ("thread_id", "session_id", "conversation_id")
#: Of several texts in an object, the one that was asked, and the one that was answered.
_ASKED = ("question", "input", "query", "user_input")
_ANSWERED = ("answer", "output", "response", "result")
#: Sums, copies and links; addresses of offloaded payloads are signed, and so secrets.
_DROPPED = frozenset(
    {
        "id", "trace_id", "parent_run_id", "parent_run_ids", "child_run_ids", "child_runs",
        "direct_child_run_ids", "dotted_order", "events", "serialized", "manifest_id",
        "inputs_s3_urls", "outputs_s3_urls", "s3_urls", "total_tokens", "prompt_cost",
        "completion_cost", "prompt_cost_details", "completion_cost_details", "app_path",
        "share_token", "status", "session_id", "inputs_preview", "outputs_preview",
        "usage_metadata", "lc_hub_owner",
    }
)  # fmt: skip
_ERROR = re.compile(r"\s*([A-Za-z_][\w.]{0,99})(?=[(:])")
_UUID_CHARACTERS = 36
_MAX_ITEMS = 10_000


def place(record: dict[str, Any]) -> Place | None:
    """To which trace a run or a feedback record belongs."""
    fields = Fields(record)
    if _is_feedback(record):
        trace = fields.text("trace_id", "run_id")
        return None if trace is None else Place(trace, time_of(record.get("created_at")))
    time = time_of(record.get("start_time"))
    if time is None:
        if "run_type" not in record and "start_time" not in record:
            raise RecordError("neither run nor feedback")
        found = record.get("start_time") is not None
        raise RecordError("start_time: is no time" if found else "start_time: missing")
    id_ = fields.text("id")
    if id_ is None:
        raise RecordError("id: missing", time)
    return Place(fields.text("trace_id") or _first_of_order(record) or id_, time)


def spans(trace: str, records: list[dict[str, Any]]) -> list[Updated]:
    """The runs of one trace as spans, each with the feedback records that are about it."""
    feedback: dict[str, list[dict[str, Any]]] = {}
    told: set[str] = set()
    for record in records:
        if _is_feedback(record):
            key = str(record.get("id"))
            if record.get("id") is None or key not in told:
                told.add(key)
                for run, said in _said(record, trace):
                    feedback.setdefault(run, []).append(said)
    found = [_updated(trace, record) for record in records if not _is_feedback(record)]
    return [
        one._replace(
            span=replace(
                one.span, attributes={**one.span.attributes, "\x00said": feedback[one.span.id]}
            )
        )
        if one.span.id in feedback
        else one
        for one in found
    ]


def meaning_of(span: Span) -> Meaning:
    """What a run says."""
    fields = Fields(span.attributes)
    kind = _KINDS.get((fields.text("run_type") or "").lower(), "other")
    extra = Fields(fields.object("extra"))
    meta = Fields(extra.object("metadata"))
    asked_with = Fields(extra.object("invocation_params"))
    given, cut = loaded(fields.rest.pop("inputs", None))
    got, cut_out = loaded(fields.rest.pop("outputs", None))
    answers = _answers(got) if kind == "llm" else None
    first = time_ns_of(fields.rest.pop("first_token_time", None))
    model = meta.text("ls_model_name")
    requested = asked_with.text("model", "model_name")
    stats = fields.object("feedback_stats") or {}
    said = list(fields.items("\x00said") or ())
    named = {one["name"] for one in said}
    for name, one in stats.items():
        value = Fields(one).number("avg")
        if value is not None and name not in named:
            said.append({"name": name, "value": value})
    cost = _decimal(fields.rest.pop("total_cost", None))
    offloaded = [
        name
        for name, value in (("inputs", given), ("outputs", got))
        if not value and fields.rest.get(f"{name}_s3_urls")
    ]
    usage = _usage(fields, meta, got)
    return Meaning(
        kind=kind,
        messages=_messages(given) if kind == "llm" else None,
        answers=answers,
        input_text=_text(given, _ASKED),
        output_text=_text(got, _ANSWERED),
        query=_text(given, _ASKED) if kind == "retrieval" else None,
        documents=_documents(got) if kind in ("retrieval", "tool") else None,
        usage=usage,
        cost_usd=cost or None,
        provider=meta.text("ls_provider"),
        model=_served(got) or model or requested,
        requested_model=requested,
        session_id=meta.text(*_CONVERSATION),
        user_id=meta.text("user_id"),
        app=fields.text("session_name") or meta.text("app"),
        environment=meta.text("environment", "env"),
        route=meta.text("route"),
        prompt_name=meta.text("lc_hub_repo", "prompt_name"),
        prompt_version=meta.text("lc_hub_commit_hash", "prompt_version"),
        ttft_ms=(first - span.start_ns) / 1e6 if first and first >= span.start_ns else None,
        error_type=_error(span.message),
        feedback=said or None,
        truncated=True if cut or cut_out else None,
        rest=_rest(fields, meta, asked_with)
        | ({"offloaded": ", ".join(offloaded)} if offloaded else {})
        | ({"incomplete": "true"} if span.end_ns is None else {}),
    )


def _updated(trace: str, record: dict[str, Any]) -> Updated:
    fields = Fields(record)
    error = fields.text("error")
    failed = error is not None or record.get("status") == "error"
    order = fields.text("dotted_order") or ""
    parent = fields.text("parent_run_id")
    if parent is None and order.count(".") > 0:
        parent = order.split(".")[-2][-_UUID_CHARACTERS:]
    end = fields.rest.pop("end_time", None)
    span = Span(
        trace=trace,
        id=fields.text("id") or "",
        parent=parent,
        name=fields.text("name") or "",
        start_ns=time_ns_of(fields.rest.pop("start_time", None)) or 0,
        end_ns=time_ns_of(end),
        attributes=fields.rest,
        status="error" if failed else "ok",
        message=error,
    )
    return Updated(span, time_of(end))


def _first_of_order(record: Mapping[str, Any]) -> str | None:
    order = record.get("dotted_order")
    if not isinstance(order, str):
        return None
    first = order.split(".")[0].rpartition("Z")[2]
    return first if len(first) == _UUID_CHARACTERS else None


# ── feedback


def _is_feedback(record: Mapping[str, Any]) -> bool:
    return "key" in record and "run_type" not in record and ("score" in record or "value" in record)


def _said(record: dict[str, Any], trace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = Fields(record)
    source = Fields(fields.object("feedback_source"))
    if source.text("type") == "model":  # a model's verdict is no feedback
        return
    said = {
        "name": fields.text("key"),
        "value": fields.rest.get("score"),
        "label": fields.text("value"),
        "comment": fields.text("comment"),
        "by": source.text("user_id"),
    }
    yield fields.text("run_id") or trace, said


# ── texts


def _messages(given: object) -> list[dict[str, Any]] | None:
    if isinstance(given, dict):
        for name in ("messages", "prompt", "prompts", "input"):
            if name in given:
                given = given[name]
                break
    if isinstance(given, list):
        given = given[0] if len(given) == 1 and isinstance(given[0], list) else given
        return chat_of([_message(one) for one in given[:_MAX_ITEMS]])
    return chat_of(_message(given) if isinstance(given, dict) else given)


def _message(value: object) -> object:
    """A message of OpenAI's or of LangChain's shape as a dict of role and content."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value):
        return {"role": _ROLES.get(value[0], value[0]), "content": value[1]}
    if not isinstance(value, dict):
        return value
    inner = value.get("kwargs", value.get("data"))
    names = value.get("id")
    name = names[-1] if isinstance(names, list) and names else value.get("type")
    if isinstance(inner, dict):
        value = inner
        name = inner.get("type") if isinstance(inner.get("type"), str) else name
    if isinstance(value.get("role"), str):
        role = value["role"]
    else:
        word = name if isinstance(name, str) else ""
        word = word.removesuffix("Chunk").removesuffix("Message").lower()
        role = _ROLES.get(word, "user")
    return {**value, "role": role}


def _answers(got: object) -> tuple[Answer, ...] | None:
    if not isinstance(got, dict):
        return answers_of(got)
    if isinstance(got.get("generations"), list):
        groups = [
            one
            for group in got["generations"]
            for one in (group if isinstance(group, list) else [group])
        ]
        return tuple(_generation(one) for one in groups[:_MAX_ITEMS]) or None
    if isinstance(got.get("choices"), list):
        return answers_of(got["choices"])
    messages = got.get("messages", got.get("message"))
    if isinstance(messages, list):
        messages = [
            one for group in messages for one in (group if isinstance(group, list) else [group])
        ]
        messages = messages[-1] if messages else None
    if messages is None:
        messages = got.get("output", got if "content" in got or "kwargs" in got else None)
    if isinstance(messages, dict):
        answers = answers_of([_message(messages)])
        return tuple(_finished(one, messages) for one in answers or ()) or None
    return answers_of(messages)


def _generation(value: object) -> Answer:
    if not isinstance(value, dict):
        return Answer(value if isinstance(value, str) else None)
    raw = value.get("message")
    message = _message(raw) if isinstance(raw, dict) else {}
    found = (answers_of([message]) or (Answer(None),))[0]
    if found.text is None and isinstance(value.get("text"), str):
        found = replace(found, text=value["text"])
    info = Fields(value.get("generation_info")).text("finish_reason", "stop_reason")
    return _finished(replace(found, finish_reason=found.finish_reason or info), message)


def _finished(answer: Answer, message: object) -> Answer:
    if answer.finish_reason is not None or not isinstance(message, dict):
        return answer
    inner = message.get("kwargs")
    about = (inner if isinstance(inner, dict) else message).get("response_metadata")
    return replace(answer, finish_reason=Fields(about).text("finish_reason", "stop_reason"))


def _documents(got: object) -> list[dict[str, Any]] | None:
    if isinstance(got, dict) and "documents" not in got:
        got = got.get("output", got)
    if isinstance(got, dict):
        got = got.get("documents")
    if not isinstance(got, list):
        return None
    return documents_of(
        [
            one["kwargs"] if isinstance(one, dict) and isinstance(one.get("kwargs"), dict) else one
            for one in got
        ]
    )


def _text(value: object, names: Iterable[str]) -> str | None:
    text = plain_text(value)
    if text is None and isinstance(value, dict):
        text = next((value[n] for n in names if isinstance(value.get(n), str)), None)
    return text if text and text.strip() else None


# ── figures


def _usage(fields: Fields, meta: Fields, got: object) -> Usage | None:
    """Tokens, cached ones included, from the first place that tells them."""
    sums = {
        "input_tokens": fields.count("prompt_tokens"),
        "output_tokens": fields.count("completion_tokens"),
        "input_token_details": fields.object("prompt_token_details"),
        "output_token_details": fields.object("completion_token_details"),
    }
    places: list[object] = [*_told(got), meta.object("usage_metadata"), sums]
    for one in places:
        usage = Fields(one)
        sent, came = usage.count("input_tokens"), usage.count("output_tokens")
        if not sent and not came:  # zeros stand for "not told"
            continue
        read = Fields(usage.object("input_token_details"))
        made = Fields(usage.object("output_token_details"))
        return Usage(
            input=sent,
            cached=read.count("cache_read"),
            written=read.count("cache_creation"),
            output=came,
            reasoning=made.count("reasoning"),
        )
    return None


def _told(got: object) -> Iterator[object]:
    if isinstance(got, dict):
        yield got.get("usage_metadata")
        for message in _inner_messages(got):
            yield message.get("usage_metadata")
        usage = got.get("usage")
        if isinstance(usage, dict):  # OpenAI's own
            read = usage.get("prompt_tokens_details")
            yield {
                "input_tokens": usage.get("prompt_tokens"),
                "output_tokens": usage.get("completion_tokens"),
                "input_token_details": {"cache_read": Fields(read).count("cached_tokens")},
                "output_token_details": {
                    "reasoning": Fields(usage.get("completion_tokens_details")).count(
                        "reasoning_tokens"
                    )
                },
            }


def _inner_messages(got: dict[str, Any]) -> Iterator[dict[str, Any]]:
    generations = got.get("generations")
    for group in generations if isinstance(generations, list) else [got.get("output"), got]:
        for one in group if isinstance(group, list) else [group]:
            message = one.get("message", one) if isinstance(one, dict) else None
            if isinstance(message, dict):
                inner = message.get("kwargs")
                yield inner if isinstance(inner, dict) else message


def _served(got: object) -> str | None:
    """The model as the response names it."""
    if not isinstance(got, dict):
        return None
    if "choices" in got:
        return Fields(got).text("model")
    for message in _inner_messages(got):
        found = Fields(message.get("response_metadata")).text("model_name", "model")
        if found is not None:
            return found
    return Fields(got.get("llm_output")).text("model_name", "model")


def _decimal(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return float(value) if abs(value) < 1e12 else None


def _error(message: str | None) -> str | None:
    if message is None:
        return None
    match = _ERROR.match(message)
    return match[1] if match else message.strip().splitlines()[0][:200]


def _rest(fields: Fields, meta: Fields, asked_with: Fields) -> dict[str, Any]:
    def kept(rest: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in rest.items() if name not in _DROPPED}

    return {
        **kept(fields.rest),
        **{f"metadata.{name}": value for name, value in kept(meta.rest).items()},
        **{f"request.{name}": value for name, value in asked_with.rest.items()},
    }


SOURCE = trace_source("langsmith", TraceFormat(place, spans, meaning_of), ABOUT, __name__)
