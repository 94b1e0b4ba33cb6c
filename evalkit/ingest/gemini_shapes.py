"""What Gemini's API objects say in the words of `interactions`: messages, choices, usage, grounding.
Used by every format that logs such objects; which record holds them is a source's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from evalkit.ingest.fields import Fields

__all__ = [
    "Choice",
    "chat_of_gemini",
    "choices_of_gemini",
    "grounding_of_gemini",
    "is_gemini",
    "joined_gemini",
    "usage_of_gemini",
]

_MAX_ITEMS = 10_000
_MAX_CHOICES = 128
#: What OpenAI calls the reasons that Gemini calls otherwise; any other stays, in small letters.
_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}
_SYSTEM = ("systemInstruction", "system_instruction")
_CHUNKS = ("retrievedContext", "retrieved_context", "web", "maps")


@dataclass(frozen=True)
class Choice:
    """One candidate. `calls` is whether it asks for a tool; `rest` is what else it says."""

    text: str | None
    finish_reason: str | None
    calls: bool
    rest: dict[str, Any]


def is_gemini(request: object) -> bool:
    """Whether a request is one of Gemini's."""
    return isinstance(request, dict) and "contents" in request


def chat_of_gemini(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a request, the system instruction first, as dicts of role and content.

    >>> chat_of_gemini({"contents": [{"role": "model", "parts": [{"text": "Hello"}]}]})
    [{'role': 'assistant', 'content': 'Hello'}]
    """
    found: list[dict[str, Any]] = []
    config = request.get("config")
    for place in (request, config if isinstance(config, dict) else {}):
        system = next((place[name] for name in _SYSTEM if place.get(name)), None)
        text = _text(system)
        if text is not None:
            found.append({"role": "system", "content": text})
            break
    contents = request.get("contents")
    for item in contents[:_MAX_ITEMS] if isinstance(contents, list) else [contents]:
        role = item.get("role") if isinstance(item, dict) else None
        found += [{"role": "tool", "content": answer} for answer in _tool_answers(item)]
        text = _text(item)
        if text is not None:
            found.append({"role": "assistant" if role == "model" else "user", "content": text})
    return found


def choices_of_gemini(response: dict[str, Any]) -> list[Choice]:
    """The candidates of a response; one without a text where the prompt itself was blocked."""
    found = []
    candidates = response.get("candidates")
    for item in candidates[:_MAX_CHOICES] if isinstance(candidates, list) else ():
        candidate = Fields(item)
        content = candidate.rest.pop("content", None)
        reason = candidate.text("finishReason", "finish_reason")
        for name in ("index", "groundingMetadata", "grounding_metadata"):
            candidate.rest.pop(name, None)
        calls = any(
            isinstance(part, dict) and ("functionCall" in part or "function_call" in part)
            for part in _parts(content)
        )
        text = _text(content)
        found.append(Choice(text, _reason(reason), calls, candidate.rest))
    feedback = Fields(response.get("promptFeedback", response.get("prompt_feedback")))
    blocked = feedback.text("blockReason", "block_reason")
    if not found and blocked is not None:
        found.append(Choice(None, "content_filter", False, {"block_reason": blocked}))
    return found


def usage_of_gemini(value: object) -> dict[str, int]:
    """Tokens from `usageMetadata` as `input_tokens`, `cached_tokens`, `output_tokens` and
    `reasoning_tokens`. Cached ones are part of the prompt; thoughts are paid as output, but are not
    among Gemini's candidates, and are added here; so are the prompts of tools to the input."""
    usage = Fields(value)
    prompt = usage.count("promptTokenCount", "prompt_token_count")
    tools = usage.count("toolUsePromptTokenCount", "tool_use_prompt_token_count")
    came = usage.count("candidatesTokenCount", "candidates_token_count")
    thought = usage.count("thoughtsTokenCount", "thoughts_token_count")
    counts = {
        "input_tokens": _sum(prompt, tools),
        "cached_tokens": usage.count("cachedContentTokenCount", "cached_content_token_count"),
        "output_tokens": _sum(came, thought),
        "reasoning_tokens": thought,
    }
    return {name: count for name, count in counts.items() if count is not None}


def grounding_of_gemini(response: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The chunks that the answer was grounded in, as documents; None where none were logged."""
    found: list[dict[str, Any]] | None = None
    candidates = response.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        fields = Fields(candidate)
        about = Fields(fields.object("groundingMetadata", "grounding_metadata"))
        chunks = about.items("groundingChunks", "grounding_chunks")
        if chunks is None:
            continue
        found = [] if found is None else found
        for chunk in chunks[:_MAX_ITEMS]:
            inner = Fields(Fields(chunk).object(*_CHUNKS))
            part = Fields(inner.object("ragChunk", "rag_chunk"))
            text = inner.text("text") or part.text("text")
            id_ = inner.text("documentName", "document_name") if "uri" not in inner.rest else None
            document = {**part.rest, **inner.rest, "id": id_ or inner.text("uri", "title")}
            document["text"] = text
            found.append({name: value for name, value in document.items() if value is not None})
    return found


def joined_gemini(chunks: Iterable[object]) -> dict[str, Any]:
    """One response from the chunks of a stream: texts joined for each candidate, of everything else
    the last that was told. `cut` is true where no chunk ends the answer."""
    whole: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if not isinstance(chunk, dict):
            continue
        whole |= {name: value for name, value in chunk.items() if value is not None}
        given = chunk.get("candidates")
        for item in given if isinstance(given, list) else ():
            if not isinstance(item, dict):
                continue
            index = item.get("index")
            if not isinstance(index, int) or not 0 <= index < _MAX_CHOICES:
                index = 0
            held = candidates.setdefault(index, {"parts": []})
            held["parts"] += _parts(item.get("content"))
            held |= {k: v for k, v in item.items() if k not in ("content", "parts") and v}
    if candidates:
        whole["candidates"] = [
            {
                **{name: value for name, value in held.items() if name != "parts"},
                "content": {"role": "model", "parts": [{"text": _joined(held["parts"])}, *[
                    part for part in held["parts"]
                    if isinstance(part, dict) and "text" not in part
                ]]},
            }
            for _, held in sorted(candidates.items())
        ]  # fmt: skip
    if not any(_ended(held) for held in candidates.values()):
        whole["cut"] = True
    return whole


def _ended(held: dict[str, Any]) -> bool:
    return bool(held.get("finishReason") or held.get("finish_reason"))


def _joined(parts: list[Any]) -> str:
    """The pieces of one text: those of a stream meet without a break."""
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
    )


def _parts(content: object) -> list[Any]:
    if isinstance(content, dict):
        content = content.get("parts")
    if isinstance(content, dict | str):
        content = [content]
    return content[:_MAX_ITEMS] if isinstance(content, list) else []


def _text(content: object) -> str | None:
    """The text parts of a content, without the model's thoughts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    texts = [
        part if isinstance(part, str) else part["text"]
        for part in _parts(content)
        if isinstance(part, str)
        or (
            isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
        )
    ]
    return "\n".join(texts) if texts else None


def _tool_answers(content: object) -> Iterable[str]:
    for part in _parts(content):
        if isinstance(part, dict):
            answer = part.get("functionResponse", part.get("function_response"))
            if isinstance(answer, dict):
                try:
                    yield orjson.dumps(answer.get("response")).decode()
                except (TypeError, ValueError):
                    continue


def _reason(reason: str | None) -> str | None:
    return None if reason is None else _REASONS.get(reason, reason.lower())


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
