"""What OpenAI's API objects say in the words of `interactions`: messages, answers, usage, documents.
Used by every format that logs such objects; which record holds them is a source's business."""

from __future__ import annotations

from typing import Any

import orjson

from evalkit.ingest.contract import Row
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.prompts import text_of_content

__all__ = [
    "answers_of",
    "documents_of",
    "failure_of",
    "format_of",
    "messages_of",
    "search_documents",
    "tool_documents",
    "usage_of",
]

_ERROR_STATUS = 400
#: What the Responses API calls the reasons that chat completions call otherwise.
_REASONS = {"max_output_tokens": "length", "completed": "stop"}
_TOOL_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_DOCUMENTS = ("documents", "results", "chunks", "data")


def messages_of(sent: Fields) -> list[Any]:
    """The messages of a request: `messages`, or the Responses API's `instructions` and `input`, or
    the `prompt` of the older completions endpoint."""
    messages = sent.items("messages")
    if messages is None:
        listed = sent.object("messages")  # as the API lists stored ones
        messages = None if listed is None else Fields(listed).items("data")
    if messages is None:
        messages = _inputs(sent)
    if messages is None:
        prompt = sent.text("prompt")
        messages = [] if prompt is None else [{"role": "user", "content": prompt}]
    instructions = sent.text("instructions")
    if instructions is not None:
        messages = [{"role": "system", "content": instructions}, *messages]
    return messages


def _inputs(sent: Fields) -> list[Any] | None:
    for name in ("input", "input_items"):
        text = sent.rest.get(name)
        if isinstance(text, str) and text.strip():
            del sent.rest[name]
            return [{"role": "user", "content": text}]
        items = sent.items(name)
        if items is None and isinstance(text, dict):
            items = Fields(sent.object(name)).items("data")
        if items is not None:
            return [
                {"role": "tool", "content": item.get("output"), "tool_call_id": item.get("call_id")}
                if isinstance(item, dict) and item.get("type") in _TOOL_OUTPUTS
                else item
                for item in items
                if not isinstance(item, dict) or "role" in item or item.get("type") in _TOOL_OUTPUTS
            ]
    return None


def answers_of(got: Fields, error: object, status_code: int | None) -> list[Row]:
    """What came back, a row part for each choice; `attributes` of each stand under that key.

    Args:
        got: the response object; what is understood is taken out of it.
        error: an error logged beside the response, which counts where the response has none.
        status_code: the HTTP status, where it was logged.

    Returns:
        One error, or the choices, or one part without a response where nothing came back.
    """
    inner = got.rest.pop("error", None)
    error = error if inner is None else inner
    if error is not None or (status_code is not None and status_code >= _ERROR_STATUS):
        return [failure_of(error, status_code)]
    choices = [choice for choice in got.items("choices") or [] if isinstance(choice, dict)]
    if choices:
        return [_choice(Fields(choice)) for choice in choices]
    if got.rest.get("object") == "response" or isinstance(got.rest.get("output"), list):
        return [_response(got, status_code)]
    return [{"status": "ok", "attributes": {}}]


def failure_of(error: object, status_code: int | None) -> Row:
    """The row part of a call that failed, from an error object or text."""
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


def _choice(choice: Fields) -> Row:
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


def _response(got: Fields, status_code: int | None) -> Row:
    """The answer of a Responses API object: the texts of its messages, or its refusal."""
    state = got.text("status")
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[Any] = []
    left: list[Any] = []
    for item in got.items("output") or []:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "message":
            for part in item["content"] if isinstance(item.get("content"), list) else []:
                if isinstance(part, dict):
                    texts += [part["text"]] if isinstance(part.get("text"), str) else []
                    refusals += [part["refusal"]] if isinstance(part.get("refusal"), str) else []
        elif kind == "function_call":
            calls.append(item)
        elif kind != "file_search_call":
            left.append(item)
    if state in ("failed", "cancelled"):
        return failure_of(state, status_code)
    reason = Fields(got.object("incomplete_details")).text("reason") or state
    attributes = attributes_of({"output": left or None, "tool_calls": calls or None}, "response.")
    if refusals:
        attributes["refusal"] = "true"
    if calls and not texts and reason == "completed":
        reason = "tool_calls"
    said = refusals or texts
    return {
        "status": "ok",
        "response": "\n".join(said) if said else None,
        "finish_reason": _REASONS.get(reason, reason) if reason is not None else None,
        "attributes": attributes,
    }


def documents_of(got: Fields) -> list[Any] | None:
    """The results of the file searches in a Responses API object; None where none was logged."""
    found: list[Any] | None = None
    output = got.rest.get("output")
    for item in output if isinstance(output, list) else []:
        if isinstance(item, dict) and item.get("type") == "file_search_call":
            results = item.get("results")  # null unless the caller asked to include them
            if isinstance(results, list):
                found = (found or []) + [_searched(result) for result in results]
    return found


def search_documents(results: object) -> list[Any]:
    """Documents from the results of a vector store search."""
    return [_searched(result) for result in results] if isinstance(results, list) else []


def _searched(result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    fields = Fields(result)
    text = fields.text("text") or text_of_content(fields.rest.pop("content", None))
    more = fields.object("attributes") or {}
    id_ = fields.text("file_id", "id")
    return {**more, **fields.rest, "id": id_, "text": text}


def tool_documents(messages: list[Any]) -> list[Any] | None:
    """What tools gave between the last question and the answer, as documents; None where no tool
    was asked.

    A tool's text that is a JSON list of documents is taken as those; any other is one document.
    """
    last = max(
        (i for i, m in enumerate(messages) if isinstance(m, dict) and m.get("role") == "user"),
        default=-1,
    )
    found: list[Any] = []
    for message in messages[last + 1 :]:
        if not isinstance(message, dict) or message.get("role") not in ("tool", "function"):
            continue
        text = text_of_content(message.get("content"))
        if text is None:
            continue
        listed = _listed(text)
        if listed is None:
            kept = {name: message.get(name) for name in ("name", "tool_call_id")}
            found.append({**{k: v for k, v in kept.items() if v is not None}, "text": text})
        else:
            found += listed
    return found or None


def _listed(text: str) -> list[Any] | None:
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict):
        value = next((value[name] for name in _DOCUMENTS if isinstance(value.get(name), list)), [])
    documents = [
        _searched(item)
        for item in value
        if isinstance(item, dict) and any(name in item for name in ("text", "content"))
    ]
    return documents or None


def usage_of(usage: Fields) -> Row:
    """Token columns from a `usage` object of chat completions or the Responses API, also with the
    cache fields that proxies of Anthropic's models add."""
    if not usage.rest:
        return {}
    prompt = Fields(usage.object("prompt_tokens_details", "input_tokens_details"))
    completion = Fields(usage.object("completion_tokens_details", "output_tokens_details"))
    tokens = usage.count("prompt_tokens", "input_tokens")
    cached = prompt.count("cached_tokens")
    apart = usage.count("cache_read_input_tokens")
    cached = apart if cached is None else cached
    written = usage.count("cache_creation_input_tokens") or 0
    counts = {
        "tokens_input": tokens,
        "tokens_cached": cached,
        "tokens_output": usage.count("completion_tokens", "output_tokens"),
        "tokens_reasoning": completion.count("reasoning_tokens"),
        # More cached than sent can only mean that a proxy counts them apart, whatever the API
        # documents.
        "token_semantics": "exclusive"
        if tokens is not None and (cached or 0) + written > tokens
        else "inclusive",
    }
    return {name: value for name, value in counts.items() if value is not None}


def format_of(sent: Fields) -> str | None:
    """The output format that a request asked for; None where no request was logged."""
    if not sent.rest:
        return None
    asked = Fields(sent.object("response_format")).text("type")
    if asked is None:
        asked = Fields(Fields(sent.object("text")).object("format")).text("type")
    return "json" if asked is not None and asked.startswith("json") else "text"
