"""Messages, answers and documents as span attributes carry them: structured, or as JSON in a
string. Names of attributes are not known here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from evalkit.ingest.fields import Fields
from evalkit.ingest.spans import Answer

__all__ = [
    "CALLING",
    "answers_of",
    "chat_of",
    "documents_of",
    "is_cut",
    "loaded",
    "plain_text",
]

#: Finish reasons that say "not an answer yet: call this tool".
CALLING = frozenset({"tool_call", "tool_calls", "tool-calls", "tool_use", "function_call"})
#: Where back ends cut attribute values, in characters or bytes.
_CAPS = frozenset({60_000, 61_440, 64_000, 65_535, 65_536})
_MAX_ITEMS = 10_000
#: What LangChain and Gemini call the two sides.
_ROLES = {
    "human": "user", "user": "user", "ai": "assistant", "model": "assistant",
    "assistant": "assistant", "system": "system",
}  # fmt: skip
_TEXTS = frozenset({"text", "output_text", "input_text", "refusal", None})


def loaded(value: object) -> tuple[Any, bool]:
    """A value that may be JSON in a string, and whether it was cut.

    What looks like a JSON list and ends too early gives its whole items. Other text stays text; it
    is never evaluated, whatever it looks like.

    >>> loaded('[{"role": "user"}, {"role": "assist')
    ([{'role': 'user'}], True)
    """
    if not isinstance(value, str):
        return value, False
    begin = value.lstrip()[:1]
    if begin not in ("[", "{", '"'):
        return value, False
    try:
        return orjson.loads(value), False
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(value, parse_constant=lambda _: None), False
    except (ValueError, RecursionError):
        pass
    if begin == "[" and value.lstrip()[1:].lstrip()[:1] in ("{", "["):
        return _whole_items(value.lstrip()), True
    if begin == "{" and value.lstrip()[1:].lstrip()[:1] == '"':
        return None, True
    return value, False


def is_cut(value: object) -> bool:
    """Whether a text is as long as a limit that back ends cut at."""
    return isinstance(value, str) and (
        len(value) in _CAPS
        or (not value.isascii() and len(value.encode("utf-8", "replace")) in _CAPS)
    )


def plain_text(value: object) -> str | None:
    """What a step took or gave, where it is text to read: a bare text, a JSON string, or the one
    text in an object (`{"question": "..."}`)."""
    found, _ = loaded(value)
    if isinstance(found, dict) and len(found) == 1:
        (found,) = found.values()
    return found if isinstance(found, str) and found.strip() else None


def chat_of(value: object) -> list[dict[str, Any]] | None:
    """Messages as dicts of role and content; None where the value holds none.

    A bare text is a message of the user. A tool's answer inside a message becomes a message of
    role `tool`.
    """
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value.strip() else None
    if isinstance(value, Mapping):
        inner = value.get("messages")
        if isinstance(inner, list):
            system = _system_of(value.get("system"))
            return [*system, *(chat_of(inner) or [])] or None
        if isinstance(value.get("prompt"), str):
            return [*_system_of(value.get("system")), {"role": "user", "content": value["prompt"]}]
        value = [value]
    if not isinstance(value, list):
        return None
    found: list[dict[str, Any]] = []
    for item in value[:_MAX_ITEMS]:
        if isinstance(item, str):
            found.append({"role": "user", "content": item})
        elif isinstance(item, dict):
            found += _messages_of(item)
    return found or None


def _system_of(value: object) -> list[dict[str, Any]]:
    return [{"role": "system", "content": value}] if isinstance(value, str) and value else []


def _messages_of(item: dict[str, Any]) -> Iterable[dict[str, Any]]:
    role = Fields(item).text("role") or "user"
    role = _ROLES.get(role.lower(), role)
    parts = item.get("parts")
    content = item.get("content") if parts is None else parts
    if not isinstance(content, list):
        yield {"role": role, "content": content if isinstance(content, str) else None}
        return
    said = text_of_parts(content)
    results = [
        text
        for part in content
        if isinstance(part, dict)
        and part.get("type") in ("tool_call_response", "tool-result", "tool_result")
        and (text := _result_of(part)) is not None
    ]
    for text in results:
        yield {"role": "tool", "content": text}
    if said is not None or not results:
        yield {"role": role, "content": said}


def _result_of(part: dict[str, Any]) -> str | None:
    for name in ("response", "result", "content", "output"):
        value = part.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list | dict):
            text = text_of_parts(value) if isinstance(value, list) else None
            try:
                return text or orjson.dumps(value).decode()
            except (TypeError, ValueError):
                return None
    return None


def text_of_parts(parts: list[Any]) -> str | None:
    """The text parts of a message, joined; None where there is none."""
    texts = []
    for part in parts[:_MAX_ITEMS]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = part.get("type")
            if kind is None or (isinstance(kind, str) and kind in _TEXTS):
                text = part.get("content", part.get("text", part.get("refusal")))
                if isinstance(text, str):
                    texts.append(text)
    return "\n".join(texts) if texts else None


def answers_of(value: object) -> tuple[Answer, ...] | None:
    """The choices in a list of output messages; None where the value holds none."""
    if isinstance(value, str):
        return (Answer(value),) if value.strip() else None
    if isinstance(value, dict):
        inner = value.get("choices", value.get("messages"))
        value = inner if isinstance(inner, list) else [value]
    if not isinstance(value, list):
        return None
    found = []
    for item in value[:_MAX_ITEMS]:
        if isinstance(item, str):
            found.append(Answer(item))
        elif isinstance(item, dict):
            found.append(_answer_of(item))
    return tuple(found) or None


def _answer_of(item: dict[str, Any]) -> Answer:
    inner = item.get("message")
    message = inner if isinstance(inner, dict) else item
    reason = Fields(item).text("finish_reason") or Fields(message).text("finish_reason")
    parts = message.get("parts")
    content = message.get("content", message.get("text")) if parts is None else parts
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    calls = bool(message.get("tool_calls")) or reason in CALLING
    if isinstance(content, list):
        calls = calls or any(
            isinstance(part, dict) and part.get("type") in ("tool_call", "tool-call", "tool_use")
            for part in content
        )
        content = text_of_parts(content)
    return Answer(content if isinstance(content, str) else None, reason, calls)


def documents_of(value: object) -> list[dict[str, Any]] | None:
    """Retrieved documents, their metadata beside their own fields; None where the value is no
    list."""
    if isinstance(value, dict):
        value = value.get("documents", value.get("data", value.get("results")))
    if not isinstance(value, list):
        return None
    found = []
    for item in value[:_MAX_ITEMS]:
        if isinstance(item, str):
            found.append({"text": item})
        elif isinstance(item, dict):
            meta, _ = loaded(item.get("metadata"))
            own = {name: one for name, one in item.items() if one is not None}
            if isinstance(meta, dict):
                del own["metadata"]
                own = {**meta, **own}
            parts = own.get("content")
            if isinstance(parts, list):  # a vector store of OpenAI: text in parts
                own["content"] = text_of_parts(parts)
            found.append(own)
    return found


def _whole_items(text: str) -> list[Any]:
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    found: list[Any] = []
    at = 1
    while len(found) < _MAX_ITEMS:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found
        found.append(item)
    return found
