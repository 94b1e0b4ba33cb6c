"""The GenAI semantic conventions of OpenTelemetry, in the three dialects that are in the field at
once: messages as JSON (from 1.37), messages as events or one attribute (until 1.36), and messages
as numbered attributes (OpenLLMetry); with the names that Vercel's AI SDK uses beside them.

Which one a span speaks is told by the attributes that are there, never by a schema's address: most
libraries claim a newer version than they emit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evalkit.ingest.dialects.messages import (
    answers_of,
    chat_of,
    documents_of,
    is_cut,
    loaded,
    plain_text,
)
from evalkit.ingest.fields import Fields
from evalkit.ingest.spans import Answer, Kind, Meaning, Span, Usage

__all__ = ["feedback_of_event", "read"]

_OPERATIONS: Mapping[str, Kind] = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "retrieval": "retrieval",
    "rerank": "rerank",
    "execute_tool": "tool",
    "tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "agent": "agent",
    "invoke_workflow": "chain",
    "workflow": "chain",
    "task": "chain",
    "plan": "chain",
    "guardrail": "guardrail",
    "evaluate": "evaluator",
    "evaluation": "evaluator",
    "ai.generateText": "chain",
    "ai.streamText": "chain",
    "ai.generateObject": "chain",
    "ai.streamObject": "chain",
    "ai.generateText.doGenerate": "llm",
    "ai.streamText.doStream": "llm",
    "ai.generateObject.doGenerate": "llm",
    "ai.streamObject.doStream": "llm",
    "ai.toolCall": "tool",
    "ai.embed": "embedding",
    "ai.embed.doEmbed": "embedding",
    "ai.embedMany": "embedding",
    "ai.embedMany.doEmbed": "embedding",
}
_OPERATION_NAMES = (
    "gen_ai.operation.name",
    "ai.operationId",
    "llm.request.type",
    "traceloop.span.kind",
)
#: A span with any of these is a model call, also without an operation.
_OF_A_CALL = (
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.system",
    "gen_ai.provider.name",
)
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,5})\.(.+)")
_ROLE_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_DETAILS = "gen_ai.client.inference.operation.details"
_EVALUATION = "gen_ai.evaluation.result"


def read(span: Span, fields: Fields) -> Meaning:
    """What the span says in these conventions; takes what it understands out of `fields`."""
    for event in span.events:
        if event.name == _DETAILS:  # the same attributes, logged apart from the span
            for name, value in event.attributes.items():
                fields.rest.setdefault(name, value)
    kind = _kind(fields)
    messages, cut_in = _messages(span, fields)
    answers, cut_out = _answers(span, fields)
    query = fields.text("gen_ai.retrieval.query.text")
    found, cut_documents = loaded(fields.rest.pop("gen_ai.retrieval.documents", None))
    documents = documents_of(found)
    input_text = plain_text(fields.rest.pop("traceloop.entity.input", None))
    output_text = plain_text(fields.rest.pop("traceloop.entity.output", None))
    if kind == "tool":
        result = fields.rest.pop("gen_ai.tool.call.result", None)
        output_text = output_text or plain_text(result)
        if documents is None:
            documents = documents_of(loaded(result)[0])
    finish = _finish(fields)
    requested = fields.text("gen_ai.request.model", "ai.model.id")
    return Meaning(
        kind=kind,
        messages=messages,
        answers=answers,
        input_text=input_text,
        output_text=output_text,
        query=query,
        documents=documents,
        usage=_usage(fields),
        provider=fields.text("gen_ai.provider.name", "gen_ai.system", "ai.model.provider"),
        model=fields.text("gen_ai.response.model", "ai.response.model") or requested,
        requested_model=requested,
        response_id=fields.text("gen_ai.response.id", "ai.response.id"),
        session_id=fields.text(
            "gen_ai.conversation.id",
            "ai.telemetry.metadata.sessionId",
            "traceloop.association.properties.session_id",
        ),
        user_id=fields.text(
            "user.id",
            "enduser.id",
            "ai.telemetry.metadata.userId",
            "traceloop.association.properties.user_id",
        ),
        route=fields.text("http.route"),
        prompt_name=fields.text("gen_ai.prompt.name", "traceloop.prompt.key"),
        prompt_version=fields.text("gen_ai.prompt.version", "traceloop.prompt.version"),
        response_format=fields.text("gen_ai.output.type", "gen_ai.openai.request.response_format"),
        finish_reason=finish,
        ttft_ms=_ttft(span, fields),
        error_type=fields.text("error.type"),
        feedback=_feedback(span),
        truncated=True if cut_in or cut_out or cut_documents else None,
    )


def feedback_of_event(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation result as `parts.feedback_of` reads it."""
    fields = Fields(attributes)
    return {
        "name": fields.text("gen_ai.evaluation.name"),
        "value": fields.number("gen_ai.evaluation.score.value"),
        "label": fields.text("gen_ai.evaluation.score.label"),
        "comment": fields.text("gen_ai.evaluation.explanation"),
        "by": fields.text("gen_ai.evaluation.source", "service.name"),
    }


def _kind(fields: Fields) -> Kind:
    for name in _OPERATION_NAMES:
        operation = fields.rest.get(name)
        if isinstance(operation, str) and operation in _OPERATIONS:
            del fields.rest[name]
            return _OPERATIONS[operation]
    if "gen_ai.operation.name" in fields.rest:  # one that came later than this table
        return "other"
    return "llm" if any(name in fields.rest for name in _OF_A_CALL) else "other"


def _messages(span: Span, fields: Fields) -> tuple[list[dict[str, Any]] | None, bool]:
    raw = fields.rest.pop("gen_ai.input.messages", None)
    value, cut = loaded(raw)
    found = chat_of(value)
    if found is None:
        found = chat_of(_numbered(fields, "prompt"))
    if found is None:
        for name in ("ai.prompt.messages", "ai.prompt", "gen_ai.prompt"):
            value, cut_here = loaded(fields.rest.pop(name, None))
            found = chat_of(value)
            cut = cut or cut_here
            if found is not None:
                break
    if found is None:
        found = _told(span)
    instructions, cut_here = loaded(fields.rest.pop("gen_ai.system_instructions", None))
    system = _instructions(instructions)
    if system is not None and not any(one["role"] == "system" for one in found or ()):
        found = [{"role": "system", "content": system}, *(found or [])]
    longest = any(is_cut(one["content"]) for one in found or ())
    return found, cut or cut_here or longest


def _instructions(value: object) -> str | None:
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return None
    found = chat_of([{"role": "system", "parts": value}])
    text = found[0]["content"] if found else None
    return text if isinstance(text, str) else None


def _told(span: Span) -> list[dict[str, Any]] | None:
    """Messages that were logged as events, in the order of their times."""
    found: list[dict[str, Any]] = []
    for event in _in_order(span):
        role = _ROLE_EVENTS.get(event.name)
        if role is not None:
            body = _body(event.attributes)
            found += (
                chat_of([{"role": role, **{k: v for k, v in body.items() if v is not None}}]) or []
            )
        elif event.name == "gen_ai.content.prompt":
            found += chat_of(loaded(event.attributes.get("gen_ai.prompt"))[0]) or []
    return found or None


def _answers(span: Span, fields: Fields) -> tuple[tuple[Answer, ...] | None, bool]:
    value, cut = loaded(fields.rest.pop("gen_ai.output.messages", None))
    found = answers_of(value)
    if found is None:
        found = answers_of(_numbered(fields, "completion"))
    if found is None:
        for name in ("ai.response.text", "ai.response.object", "gen_ai.completion"):
            raw = fields.rest.pop(name, None)
            # An answer in plain text may well be JSON that was asked for: it stays a text.
            value, cut_here = loaded(raw) if name == "gen_ai.completion" else (raw, False)
            found = answers_of(value)
            cut = cut or cut_here
            if found is not None:
                break
    if found is None:
        choices: list[Any] = []
        for event in _in_order(span):
            if event.name == "gen_ai.choice":
                choices.append(_body(event.attributes))
            elif event.name == "gen_ai.content.completion":
                value, _ = loaded(event.attributes.get("gen_ai.completion"))
                choices += value if isinstance(value, list) else [value]
        found = answers_of(choices)
    return found, cut or any(is_cut(one.text) for one in found or ())


def _numbered(fields: Fields, what: str) -> list[dict[str, Any]] | None:
    """`gen_ai.prompt.0.content` and its like as a list of objects, by number."""
    found: dict[int, dict[str, Any]] = {}
    for name in list(fields.rest):
        match = _NUMBERED.fullmatch(name) if name.startswith("gen_ai.") else None
        if match is None or match[1] != what:
            continue
        value = fields.rest.pop(name)
        part = match[3]
        if part == "content":
            value = _content(value)
        elif part.startswith("tool_calls"):
            part = "tool_calls"
        found.setdefault(int(match[2]), {})[part] = value
    return [found[number] for number in sorted(found)] or None


def _content(value: object) -> object:
    """A text, or parts that were written as JSON; any other JSON is a text that happens to be."""
    inner, _ = loaded(value)
    if (
        isinstance(inner, list)
        and inner
        and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in inner)
    ):
        return inner
    return value


def _body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an event: as it is, as JSON in `event.body` or `body`, or its fields as
    attributes."""
    found: dict[str, Any] = dict(attributes)
    for name in ("event.body", "body"):
        inner, _ = loaded(found.get(name))
        if isinstance(inner, dict):
            found |= inner
        elif isinstance(inner, str):
            found.setdefault("content", inner)
    message, _ = loaded(found.get("message"))
    if isinstance(message, str):
        message = {"content": message}
    if message is not None:
        found["message"] = message
    return found


def _in_order(span: Span) -> list[Any]:
    return sorted(span.events, key=lambda event: event.time_ns or 0)


def _usage(fields: Fields) -> Usage | None:
    usage = Usage(
        input=_count(
            fields, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens",
            "ai.usage.inputTokens", "ai.usage.promptTokens",
        ),
        cached=_count(
            fields, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
            "ai.usage.cachedInputTokens",
        ),
        written=_count(
            fields, "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
        ),
        output=_count(
            fields, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens",
            "ai.usage.outputTokens", "ai.usage.completionTokens",
        ),
        reasoning=_count(
            fields, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
            "ai.usage.reasoningTokens",
        ),
    )  # fmt: skip
    return None if usage == Usage() else usage


def _count(fields: Fields, *names: str) -> int | None:
    """The first count under any of its names; the others are taken out, for they say the same."""
    found = fields.count(*names)
    if found is not None:
        for name in names:
            fields.rest.pop(name, None)
    return found


def _finish(fields: Fields) -> str | None:
    reasons = fields.rest.get("gen_ai.response.finish_reasons")
    value, _ = loaded(reasons)
    if isinstance(value, list) and value and isinstance(value[0], str):
        del fields.rest["gen_ai.response.finish_reasons"]
        return str(value[0])
    return fields.text(
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "ai.response.finishReason",
    )


def _ttft(span: Span, fields: Fields) -> float | None:
    seconds = fields.number(
        "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"
    )
    if seconds is not None:
        return round(seconds * 1000, 6)
    found = fields.number("ai.response.msToFirstChunk")
    if found is not None:
        return found
    for event in span.events:
        if event.name == "gen_ai.content.completion.chunk" and event.time_ns is not None:
            return max(0, event.time_ns - span.start_ns) / 1e6
    return None


def _feedback(span: Span) -> list[dict[str, Any]] | None:
    found = [
        feedback_of_event(event.attributes) for event in span.events if event.name == _EVALUATION
    ]
    return found or None
