"""OpenAI logs: request and response pairs as gateways write them, batch results, stored completions
and responses, captured streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Opener, Parsed, RecordError, Row, Source, Window
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.gathering import gathered
from evalkit.ingest.linewise import line_source
from evalkit.ingest.openai_shapes import (
    answers_of,
    documents_of,
    format_of,
    messages_of,
    tool_documents,
    usage_of,
)
from evalkit.ingest.parts import contexts_of, feedback_of, stages_of
from evalkit.ingest.prompts import conversation_of, fingerprint
from evalkit.ingest.streams import CHUNK, assembled, events_of, is_stream

__all__ = ["SOURCE", "parse"]

_TIMES = ("timestamp", "created_at", "started_at", "start_time", "time")
_REQUESTS = ("request", "request_body", "req")
_RESPONSES = ("response", "response_body", "res")
#: Objects that the API itself keeps, and which of their fields are the request and the response. A
#: tuple: what a record calls itself may be no text.
_STORED = ("chat.completion", "response", "text_completion")
_ASKED = frozenset(
    {
        "messages",
        "input",
        "input_items",
        "instructions",
        "prompt",
        "response_format",
        "text",
        "user",
        "safety_identifier",
    }
)
_SAID = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "output",
        "status",
        "error",
        "incomplete_details",
        "usage",
        "system_fingerprint",
        "service_tier",
    }
)


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """OpenAI logs in four shapes, told apart record by record: pairs `{"timestamp", "request":
    {...}, "response": {...}, "metadata"}`, Batch API results (joined with the requests in their
    folder), stored completions and Responses API objects, and streams of chunks.

    Pairs also as `request_body`/`response_body`, `req`/`res`, a nested `body`, `created_at`,
    `duration_ms`; bodies may be JSON in a string. A call with several choices gives a row for each.
    Retrieved documents, pipeline stages, feedback, prompt name and version are taken from
    `metadata` or from the record itself; documents also from file searches and tools' messages.
    """
    top = Fields(_as_pair(record))
    meta = Fields(top.object("metadata"))
    sent, sent_around = _body(top, *_REQUESTS)
    streamed = _streamed(top)
    got, got_around = (streamed, Fields(None)) if streamed else _body(top, *_RESPONSES)
    if not meta.rest:  # the API keeps what the caller sent along
        meta = Fields(got.object("metadata") or sent.object("metadata"))
    started = (
        top.time(*_TIMES)
        or got.time("created", "created_at")
        or got_around.time(*_TIMES)
        or sent_around.time(*_TIMES)
    )
    if started is None:
        raise RecordError(_why_no_time(top))
    if not sent.rest and not got.rest and "error" not in top.rest:
        raise RecordError("neither request nor response", started)

    template = Fields(sent.object("prompt") or got.object("prompt"))
    got.rest.pop("prompt", None)
    messages = messages_of(sent)
    if not messages:
        messages = messages_of(Fields({"instructions": got.rest.pop("instructions", None)}))
    talk = conversation_of(messages, settings.question_pattern)
    documents = meta.items("documents")
    documents = top.items("documents") if documents is None else documents
    documents = documents_of(got) if documents is None else documents
    documents = tool_documents(messages) if documents is None else documents
    contexts = None if documents is None else contexts_of(documents)
    pairs = (
        None if contexts is None else [(chunk.get("id"), chunk.get("text")) for chunk in contexts]
    )
    requested = sent.text("model")
    served = got.text("model") or requested
    row: Row = {
        "started_at": started,
        "updated_at": top.time("updated_at") or meta.time("updated_at"),
        "trace_id": top.text("trace_id") or meta.text("trace_id"),
        "session_id": _either(top, meta, "session_id", "conversation_id")
        or Fields(got.object("conversation")).text("id"),
        "user_id": _either(top, meta, "user_id")
        or sent.text("safety_identifier", "user")
        or got.text("safety_identifier", "user"),
        "app": _either(top, meta, "app"),
        "route": _either(top, meta, "route"),
        "environment": _either(top, meta, "environment", "env"),
        "provider": _either(top, meta, "provider"),
        "model": served,
        "requested_model": requested,
        "prompt_name": _either(top, meta, "prompt_name", "prompt") or template.text("id"),
        "prompt_version": _either(top, meta, "prompt_version") or template.text("version"),
        "prompt_fingerprint": fingerprint(talk, pairs),
        "system_prompt": talk.system,
        "history": talk.history,
        "query": talk.query,
        "contexts": contexts,
        "reference": _either(top, meta, "reference"),
        "relevant_ids": meta.items("relevant_ids") or top.items("relevant_ids"),
        "response_format": format_of(sent),
        "cost_logged_usd": _number(top, meta, "cost_usd", "cost_logged_usd"),
        "latency_ms": _number(top, meta, "latency_ms", "duration_ms"),
        "ttft_ms": _number(top, meta, "ttft_ms"),
        "stages": _optional(stages_of, meta.items("stages") or top.items("stages")),
        "feedback": _optional(feedback_of, meta.items("feedback") or top.items("feedback")),
        "corrected_response": _either(top, meta, "corrected_response"),
        "truncated": top.flag("truncated") or meta.flag("truncated") or got.rest.pop("cut", None),
    }
    status_code = top.count("status_code", "status") or got_around.count("status_code")
    request_id = _either(top, meta, "request_id") or got_around.text("request_id")
    source_id = got.text("id") or request_id
    custom_id = top.text("custom_id")
    result_id = top.text("id") if custom_id is not None else None
    source_id = result_id if source_id is None else source_id
    usage = usage_of(Fields(got.object("usage")))
    answers = answers_of(got, top.rest.pop("error", None), status_code)
    tier = got.text("service_tier")
    # What nobody asked for is kept as text; what was asked for twice (defaults, fallbacks) keeps
    # its first reading.
    attributes = {
        **attributes_of(got_around.rest, "response."),
        **attributes_of(sent_around.rest, "request."),
        **attributes_of(got.rest, "response."),
        **attributes_of(sent.rest, "request."),
        **attributes_of(meta.rest),
        **attributes_of(template.rest, "prompt."),
        **attributes_of(top.rest),
    }
    if streamed and not usage:
        attributes["usage"] = "not in the stream"
    if custom_id is not None:
        attributes["custom_id"] = custom_id
        tier = "batch"
    if request_id is not None and request_id != source_id:
        attributes["request_id"] = request_id
    if tier is not None:
        attributes["service_tier"] = tier
    if status_code is not None:
        attributes["status_code"] = str(status_code)

    rows = []
    for index, answer in enumerate(answers):
        extra = answer.pop("attributes")
        one = {**row, **answer, "attributes": {**attributes, **extra}}
        if index == 0:
            one |= (
                usage  # the provider counts all choices of a call together: once, not once a choice
            )
        if source_id is not None:
            one["source_id"] = source_id if len(answers) == 1 else f"{source_id}#{index}"
        rows.append({name: value for name, value in one.items() if value is not None})
    return rows


def _body(top: Fields, *names: str) -> tuple[Fields, Fields]:
    """The request or response itself, and what was logged around it (status, headers)."""
    around = Fields(top.object(*names))
    inner = (
        around.object("body")
        if "messages" not in around.rest and "choices" not in around.rest
        else None
    )
    return (Fields(inner), around) if inner is not None else (around, Fields(None))


def _streamed(top: Fields) -> Fields | None:
    """The response, put together, where it was logged as a stream."""
    for name in _RESPONSES:
        body = top.rest.get(name)
        if isinstance(body, dict) and is_stream(body.get("body")):
            body = body["body"]
        if is_stream(body):
            del top.rest[name]
            return Fields(assembled(events_of(body)))
    return None


def _why_no_time(top: Fields) -> str:
    if "custom_id" in top.rest:
        code = Fields(top.rest.get("error")).text("code", "message")
        if code is not None:
            return f"a batch request that failed ({code[:100]}): no time is logged with it"
    found = [name for name in _TIMES if top.rest.get(name) is not None]
    return f"{found[0]}: is no time" if found else "no timestamp"


def _as_pair(record: dict[str, Any]) -> dict[str, Any]:
    """A stored completion or response, a chunk, or chunks, in the shape of a pair."""
    if any(name in record for name in (*_REQUESTS, *_RESPONSES)):
        return record
    if isinstance(record.get("chunks"), list):
        return {**record, "response": record["chunks"], "chunks": None}
    kind = record.get("object")
    if kind == CHUNK:
        return {"response": [record]}
    if kind not in _STORED:
        return record
    pair: dict[str, Any] = {"request": {}, "response": {}}
    for name, value in record.items():
        if name in _ASKED:
            pair["request"][name] = value
        elif name in _SAID:
            pair["response"][name] = value
        else:
            pair[name] = value
    return pair


def _either(top: Fields, meta: Fields, *names: str) -> str | None:
    value = top.text(*names)
    return meta.text(*names) if value is None else value


def _number(top: Fields, meta: Fields, *names: str) -> float | None:
    value = top.number(*names)
    return meta.number(*names) if value is None else value


def _optional(read: Any, items: list[Any] | None) -> Any:
    return None if items is None else read(items)


def _source() -> Source:
    calls = line_source("openai_log", parse, __name__)

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        together = replace(opener, lines=lambda asked: gathered(opener.lines(asked)))
        return calls.open(settings, window, together)

    return Source(calls.name, open_, calls.about, calls.module)


SOURCE = _source()
