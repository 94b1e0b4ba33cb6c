"""OpenAI chat-completions logs as gateways write them: request, response and metadata a line."""

from __future__ import annotations

from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.linewise import line_source
from evalkit.ingest.parts import contexts_of, feedback_of, stages_of
from evalkit.ingest.prompts import conversation_of, fingerprint, text_of_content

__all__ = ["SOURCE", "parse"]

_TIMES = ("timestamp", "created_at", "started_at", "start_time", "time")
_ERROR_STATUS = 400


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """Pair logs of OpenAI chat completions: `{"timestamp", "request": {...}, "response": {...},
    "metadata"}`.

    Also `request_body`/`response_body`, `req`/`res`, a nested `body`, `created_at`, `duration_ms`;
    bodies may be JSON in a string. A call with several choices gives a row for each. Retrieved
    documents, pipeline stages, feedback, prompt name and version are taken from `metadata` or from
    the record itself.
    """
    top = Fields(record)
    meta = Fields(top.object("metadata"))
    sent, sent_around = _body(top, "request", "request_body", "req")
    got, got_around = _body(top, "response", "response_body", "res")
    started = top.time(*_TIMES) or got.time("created") or sent_around.time(*_TIMES)
    if started is None:
        found = [name for name in _TIMES if top.rest.get(name) is not None]
        raise RecordError(f"{found[0]}: is no time" if found else "no timestamp")
    if not sent.rest and not got.rest and "error" not in top.rest:
        raise RecordError("neither request nor response", started)

    talk = conversation_of(_messages(sent), settings.question_pattern)
    documents = meta.items("documents")
    documents = top.items("documents") if documents is None else documents
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
        "session_id": _either(top, meta, "session_id", "conversation_id"),
        "user_id": _either(top, meta, "user_id") or sent.text("safety_identifier", "user"),
        "app": _either(top, meta, "app"),
        "route": _either(top, meta, "route"),
        "environment": _either(top, meta, "environment", "env"),
        "provider": _either(top, meta, "provider"),
        "model": served,
        "requested_model": requested,
        "prompt_name": _either(top, meta, "prompt_name", "prompt"),
        "prompt_version": _either(top, meta, "prompt_version"),
        "prompt_fingerprint": fingerprint(talk, pairs),
        "system_prompt": talk.system,
        "history": talk.history,
        "query": talk.query,
        "contexts": contexts,
        "reference": _either(top, meta, "reference"),
        "relevant_ids": meta.items("relevant_ids") or top.items("relevant_ids"),
        "response_format": _format(sent),
        "cost_logged_usd": _number(top, meta, "cost_usd", "cost_logged_usd"),
        "latency_ms": _number(top, meta, "latency_ms", "duration_ms"),
        "ttft_ms": _number(top, meta, "ttft_ms"),
        "stages": _optional(stages_of, meta.items("stages") or top.items("stages")),
        "feedback": _optional(feedback_of, meta.items("feedback") or top.items("feedback")),
        "corrected_response": _either(top, meta, "corrected_response"),
        "truncated": top.flag("truncated") or meta.flag("truncated"),
    }
    status_code = top.count("status_code", "status") or got_around.count("status_code")
    request_id = _either(top, meta, "request_id") or got_around.text("request_id")
    source_id = got.text("id") or request_id
    usage = _usage(got)
    answers = _answers(got, top, status_code)
    # What nobody asked for is kept as text; what was asked for twice (defaults, fallbacks) keeps
    # its first reading.
    attributes = {
        **attributes_of(got_around.rest, "response."),
        **attributes_of(sent_around.rest, "request."),
        **attributes_of(got.rest, "response."),
        **attributes_of(sent.rest, "request."),
        **attributes_of(meta.rest),
        **attributes_of(top.rest),
    }
    if request_id is not None and request_id != source_id:
        attributes["request_id"] = request_id
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


def _messages(sent: Fields) -> list[Any]:
    messages = sent.items("messages")
    if messages is not None:
        return messages
    prompt = sent.text("prompt")  # the older completions endpoint
    return [] if prompt is None else [{"role": "user", "content": prompt}]


def _answers(got: Fields, top: Fields, status_code: int | None) -> list[Row]:
    """Per choice what came back; one error, or one row without a response where there is no
    choice."""
    error = got.rest.pop("error", None)
    error = top.rest.pop("error", None) if error is None else error
    if error is not None or (status_code is not None and status_code >= _ERROR_STATUS):
        return [_failure(error, status_code)]
    choices = [choice for choice in got.items("choices") or [] if isinstance(choice, dict)]
    if not choices:
        return [{"status": "ok", "attributes": {}}]
    return [_answer(Fields(choice)) for choice in choices]


def _failure(error: object, status_code: int | None) -> Row:
    fields = Fields(error)
    code = fields.text("code")
    if code is not None and code.isdecimal():  # the status again, which says nothing new
        status_code = int(code[:3]) if status_code is None else status_code
        code = None
    kind = code or fields.text("type") or (error if isinstance(error, str) else None)
    words = [str(status_code) if status_code is not None else None, kind]
    error_type = " ".join(word for word in words if word)[:200]
    return {
        "status": "error",
        "error_type": error_type or "unknown",
        "attributes": attributes_of(fields.rest, "error."),
    }


def _answer(choice: Fields) -> Row:
    message = Fields(choice.object("message"))
    refusal = message.text("refusal")
    text = text_of_content(message.rest.pop("content", None))
    message.rest.pop("role", None)
    choice.rest.pop("index", None)
    attributes = attributes_of(choice.rest, "response.") | attributes_of(message.rest, "response.")
    if refusal is not None:
        attributes["refusal"] = "true"
    return {
        "status": "ok",
        "response": refusal
        if refusal is not None
        else text
        if text is not None
        else choice.text("text"),
        "finish_reason": choice.text("finish_reason"),
        "attributes": {
            name: value for name, value in attributes.items() if name != "response.finish_reason"
        },
    }


def _usage(got: Fields) -> Row:
    usage = Fields(got.object("usage"))
    if not usage.rest:
        return {}
    prompt = Fields(usage.object("prompt_tokens_details", "input_tokens_details"))
    completion = Fields(usage.object("completion_tokens_details", "output_tokens_details"))
    tokens = usage.count("prompt_tokens", "input_tokens")
    cached = prompt.count("cached_tokens")
    counts = {
        "tokens_input": tokens,
        "tokens_cached": cached,
        "tokens_output": usage.count("completion_tokens", "output_tokens"),
        "tokens_reasoning": completion.count("reasoning_tokens"),
        # More cached than sent can only mean that a proxy counts them apart, whatever the API
        # documents.
        "token_semantics": "exclusive"
        if tokens is not None and (cached or 0) > tokens
        else "inclusive",
    }
    return {name: value for name, value in counts.items() if value is not None}


def _format(sent: Fields) -> str | None:
    if not sent.rest:
        return None
    asked = Fields(sent.object("response_format")).text("type")
    return "json" if asked is not None and asked.startswith("json") else "text"


def _either(top: Fields, meta: Fields, *names: str) -> str | None:
    value = top.text(*names)
    return meta.text(*names) if value is None else value


def _number(top: Fields, meta: Fields, *names: str) -> float | None:
    value = top.number(*names)
    return meta.number(*names) if value is None else value


def _optional(read: Any, items: list[Any] | None) -> Any:
    return None if items is None else read(items)


SOURCE = line_source("openai_log", parse, __name__)
