"""The bodies of a model endpoint's request and response, in the words of `interactions`: OpenAI's,
Anthropic's, Gemini's, TGI's and JumpStart's, whole or as a stream. Which record holds them is a
source's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from evalkit.ingest import openai_shapes
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.gemini_shapes import (
    chat_of_gemini,
    choices_of_gemini,
    grounding_of_gemini,
    is_gemini,
    joined_gemini,
    usage_of_gemini,
)
from evalkit.ingest.prompts import text_of_content
from evalkit.ingest.records import record_of
from evalkit.ingest.streams import assembled, events_of, is_stream

__all__ = ["Asked", "Said", "asked_of", "body_of", "said_of"]

_MAX_ITEMS = 10_000
#: A shorter prompt can be what an answer begins with by chance.
_SHORTEST_PROMPT = 32
#: What OpenAI calls the reasons that others call otherwise.
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos_token": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_GENERATED = ("generated_text", "generation", "completion", "output_text")
_ANTHROPIC = ("message_start", "content_block_start", "content_block_delta", "message_delta")


@dataclass(frozen=True)
class Asked:
    """What a request says. `prompt` is the one text that a model without messages was given."""

    messages: list[Any] = field(default_factory=list)
    model: str | None = None
    response_format: str | None = None
    prompt: str | None = None
    rest: Fields = field(default_factory=lambda: Fields(None))


@dataclass(frozen=True)
class Said:
    """What a response says: a row part for each choice (`attributes` of each stand under that key),
    token columns, and the documents that it was grounded in; None where none were logged."""

    choices: list[Row]
    usage: Row = field(default_factory=dict)
    documents: list[Any] | None = None
    model: str | None = None
    response_id: str | None = None
    cut: bool = False
    streamed: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


def body_of(value: object) -> Any:
    """A logged body as JSON: an object or a list as it is, or from its text. Several objects a line
    or one after another in a list are the list of them; an event stream and other text stay text.

    >>> body_of('{"a": 1}'), body_of(['{"a": 1}', '{"a": 2}']), body_of("Hello")
    ({'a': 1}, [{'a': 1}, {'a': 2}], 'Hello')
    """
    if isinstance(value, list):
        if not value or not all(isinstance(one, str) for one in value):
            return value
        if len(value) == 1:
            return body_of(value[0])
        pieces = [body_of(one) for one in value[:_MAX_ITEMS]]
        if all(isinstance(piece, dict) for piece in pieces):
            return pieces
        return "".join(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text[:1] not in ("{", "["):
        return value
    try:
        return record_of(b'{"body":' + text.encode("utf-8", "replace") + b"}")["body"]
    except RecordError:
        pass
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        found = [record_of(line.encode("utf-8", "replace")) for line in lines[:_MAX_ITEMS]]
    except RecordError:
        return value
    return found if len(found) > 1 else value


# ── requests


def asked_of(body: object) -> Asked:
    """What a request body asks."""
    if isinstance(body, str):
        return Asked(_user(body), prompt=body) if body.strip() else Asked()
    if isinstance(body, list):
        return asked_of(body[0]) if len(body) == 1 else Asked(_messages(body))
    if not isinstance(body, dict):
        return Asked()
    sent = Fields(body)
    instances = sent.items("instances")
    if instances:
        return asked_of(instances[0])
    model = sent.text("model")
    if is_gemini(body):
        messages: list[Any] = list(chat_of_gemini(body))
        for name in ("contents", "systemInstruction", "system_instruction"):
            sent.rest.pop(name, None)
        config = Fields(sent.rest.get("generationConfig", sent.rest.get("generation_config")))
        kind = config.text("responseMimeType", "response_mime_type") or ""
        return Asked(messages, model, "json" if "json" in kind else "text", None, sent)
    if "inputs" in body:
        given = sent.rest.pop("inputs")
        given = given[0] if isinstance(given, list) and len(given) == 1 else given
        if isinstance(given, str):
            return Asked(_user(given), model, "text", given, sent)
        return Asked(_messages(given), model, "text", None, sent)
    wanted = openai_shapes.format_of(sent)
    system = text_of_content(sent.rest.pop("system", None))
    messages = openai_shapes.messages_of(sent)
    prompt = None
    if len(messages) == 1 and isinstance(body.get("prompt"), str):
        prompt = body["prompt"]
    if system is not None:
        messages = [{"role": "system", "content": system}, *messages]
    return Asked(messages, model, wanted, prompt, sent)


def _user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _messages(value: object) -> list[Any]:
    """A list of messages, as JumpStart's chat models take it."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list):
        value = [value]
    return [
        one if isinstance(one, dict) else {"role": "user", "content": one}
        for one in value[:_MAX_ITEMS]
        if isinstance(one, dict | str)
    ]


# ── responses


def said_of(body: object, asked: Asked, failed_with: int | None = None) -> Said:
    """What a response body says to a request; `failed_with` is its HTTP status, where logged."""
    if isinstance(body, str):
        if not is_stream(body):
            said = {"status": "ok", "response": body, "attributes": {}}
            return Said([said] if body.strip() else [_nothing()])
        body = events_of(body)
        return _joined(body, asked)
    if isinstance(body, list):
        items = [one for one in body[:_MAX_ITEMS] if isinstance(one, dict)]
        if _is_streamed(items):
            return _joined(items, asked)
        if len(body) == 1 or not items:
            return said_of(body[0], asked, failed_with) if body else Said([_nothing()])
        parts = [choice for item in items for choice in said_of(item, asked).choices]
        return Said(parts)
    got = Fields(body)
    predictions = got.items("predictions", "outputs")
    if predictions:
        return said_of(predictions, asked, failed_with)
    if "candidates" in got.rest or "promptFeedback" in got.rest:
        return _gemini(got, streamed=False)
    if any(name in got.rest for name in _GENERATED):
        return _generated(got, asked)
    if isinstance(got.rest.get("content"), list) and "choices" not in got.rest:
        return _anthropic(got, streamed=False)
    return _openai(got, failed_with, streamed=False)


def _nothing() -> Row:
    return {"status": "ok", "attributes": {}}


def _is_streamed(items: list[dict[str, Any]]) -> bool:
    return is_stream(items) or any(
        "candidates" in one or "token" in one or one.get("type") in _ANTHROPIC for one in items
    )


def _joined(events: list[dict[str, Any]], asked: Asked) -> Said:
    """The response that the events of a stream make together."""
    if any(event.get("type") in _ANTHROPIC for event in events):
        return _anthropic(Fields(_joined_anthropic(events)), streamed=True)
    if any("candidates" in event for event in events):
        return _gemini(Fields(joined_gemini(events)), streamed=True)
    if any("token" in event or "generated_text" in event for event in events):
        return _generated(Fields(_joined_tokens(events)), asked, streamed=True)
    return _openai(Fields(assembled(events)), None, streamed=True)


def _openai(got: Fields, failed_with: int | None, *, streamed: bool) -> Said:
    id_, model = got.text("id"), got.text("model")
    cut = got.rest.pop("cut", None) is True
    usage = openai_shapes.usage_of(Fields(got.object("usage")))
    documents = openai_shapes.documents_of(got)
    choices = openai_shapes.answers_of(got, None, failed_with)
    rest = attributes_of(got.rest, "response.")
    return Said(choices, usage, documents, model, id_, cut, streamed, rest)


def _anthropic(got: Fields, *, streamed: bool) -> Said:
    """Anthropic counts what its cache read and wrote apart from the input."""
    id_, model = got.text("id"), got.text("model")
    cut = got.rest.pop("cut", None) is True
    parts = [part for part in got.items("content") or () if isinstance(part, dict)]
    texts = [one["text"] for one in parts if isinstance(one.get("text"), str)]
    calls = [one for one in parts if one.get("type") == "tool_use"]
    counts = Fields(got.object("usage"))
    written = counts.rest.get("cache_creation_input_tokens")
    usage = openai_shapes.usage_of(counts)
    if usage.get("tokens_cached") or written:
        usage["token_semantics"] = "exclusive"
    attributes = attributes_of({"tool_calls": calls or None}, "response.")
    attributes |= attributes_of({"tokens_cache_written": written or None})
    choice: Row = {
        "status": "ok",
        "response": "\n".join(texts) if texts else None,
        "finish_reason": _reason(got.text("stop_reason")),
        "attributes": attributes,
    }
    for name in ("type", "role"):
        got.rest.pop(name, None)
    rest = attributes_of(got.rest, "response.")
    return Said([choice], usage, None, model, id_, cut, streamed, rest)


def _joined_anthropic(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"cut": True}
    usage: dict[str, Any] = {}
    texts: list[str] = []
    for event in events:
        kind, delta = event.get("type"), event.get("delta")
        if kind == "message_start" and isinstance(event.get("message"), dict):
            whole |= event["message"]
            usage |= Fields(event["message"].get("usage")).rest
        elif kind == "content_block_delta" and isinstance(delta, dict):
            texts += [delta["text"]] if isinstance(delta.get("text"), str) else []
        elif kind == "message_delta":
            usage |= Fields(event.get("usage")).rest
            if isinstance(delta, dict) and isinstance(delta.get("stop_reason"), str):
                whole |= {"stop_reason": delta["stop_reason"], "cut": False}
        elif kind == "error":
            whole["error"] = event.get("error")
    return {**whole, "usage": usage, "content": [{"type": "text", "text": "".join(texts)}]}


def _gemini(got: Fields, *, streamed: bool) -> Said:
    response = dict(got.rest)
    counts = usage_of_gemini(response.get("usageMetadata"))
    usage: Row = {f"tokens_{name.removesuffix('_tokens')}": n for name, n in counts.items()}
    if "tokens_input" in usage:
        usage["token_semantics"] = "inclusive"
    choices: list[Row] = [
        {
            "status": "ok",
            "response": one.text,
            "finish_reason": one.finish_reason,
            "attributes": attributes_of(one.rest, "response."),
        }
        for one in choices_of_gemini(response)
    ]
    error = got.rest.pop("error", None)
    if error is not None and not choices:
        choices = [openai_shapes.failure_of(error, None)]
    id_, model = got.text("responseId"), got.text("modelVersion")
    cut = got.rest.pop("cut", None) is True
    documents = grounding_of_gemini(response)
    for name in ("candidates", "usageMetadata", "promptFeedback"):
        got.rest.pop(name, None)
    rest = attributes_of(got.rest, "response.")
    return Said(choices or [_nothing()], usage, documents, model, id_, cut, streamed, rest)


def _generated(got: Fields, asked: Asked, *, streamed: bool = False) -> Said:
    """TGI's and JumpStart's answers: a text, or the chat with the answer at its end."""
    value: Any = next((got.rest.pop(n) for n in _GENERATED if got.rest.get(n) is not None), None)
    if isinstance(value, list) and value:
        value = value[-1]
    text = text_of_content(value.get("content")) if isinstance(value, dict) else value
    if not isinstance(text, str):
        text = None
    prompt = asked.prompt
    whole = Fields(asked.rest.rest.get("parameters")).flag("return_full_text")
    if text is not None and prompt and (whole or len(prompt) >= _SHORTEST_PROMPT):
        text = text.removeprefix(prompt)
    details = Fields(got.object("details"))
    prefill = details.items("prefill")
    usage: Row = {
        "tokens_input": len(prefill) if prefill else details.count("input_length"),
        "tokens_output": details.count("generated_tokens"),
    }
    details.rest.pop("tokens", None)
    usage = {name: count for name, count in usage.items() if count is not None}
    if "tokens_input" in usage:
        usage["token_semantics"] = "inclusive"
    cut = got.rest.pop("cut", None) is True
    choice: Row = {
        "status": "ok",
        "response": text,
        "finish_reason": _reason(details.text("finish_reason") or got.text("stop_reason")),
        "attributes": attributes_of(details.rest, "response."),
    }
    return Said(
        [choice], usage, None, None, None, cut, streamed, attributes_of(got.rest, "response.")
    )


def _joined_tokens(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """TGI's stream: a token an event; the last one repeats the whole text."""
    texts: list[str] = []
    whole: dict[str, Any] = {}
    for event in events:
        token = Fields(event.get("token"))
        piece = token.rest.get("text")
        if isinstance(piece, str) and token.rest.get("special") is not True:
            texts.append(piece)
        if isinstance(event.get("generated_text"), str):
            whole["generated_text"] = event["generated_text"]
        if isinstance(event.get("details"), dict):
            whole["details"] = event["details"]
    if "generated_text" not in whole:
        whole |= {"generated_text": "".join(texts), "cut": True}
    return whole


def _reason(reason: str | None) -> str | None:
    return None if reason is None else _REASONS.get(reason, reason)
