"""What SDKs log as the inputs and outputs of one step: messages, answers, documents and tokens in the
shapes of OpenAI, Anthropic, Gemini and LangChain. Who keeps the trace is not known here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from evalkit.ingest.dialects.messages import answers_of, chat_of, documents_of, plain_text
from evalkit.ingest.fields import Fields
from evalkit.ingest.gemini_shapes import (
    chat_of_gemini,
    choices_of_gemini,
    is_gemini,
    usage_of_gemini,
)
from evalkit.ingest.spans import Answer, Usage

__all__ = [
    "ANSWERED",
    "ASKED",
    "answers_got",
    "as_call",
    "documents_got",
    "messages_given",
    "model_got",
    "text_in",
    "usage_got",
    "usages_in",
]

#: Of several texts in an object, the one that was asked, and the one that was answered.
ASKED = ("question", "input", "query", "user_input")
ANSWERED = ("answer", "output", "response", "result")
_ROLES = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "developer": "developer",
}
#: What the items in the output of OpenAI's Responses API are.
_RESPONSES = ("message", "reasoning", "function_call", "file_search_call", "web_search_call")
_MAX_ITEMS = 10_000


def text_in(value: object, names: Iterable[str]) -> str | None:
    """The text that a step took or gave: the only one, or the one under the first of `names`."""
    text = plain_text(value)
    if text is None and isinstance(value, dict):
        text = next((value[n] for n in names if isinstance(value.get(n), str)), None)
    return text if text and text.strip() else None


def as_call(
    given: object, got: object
) -> tuple[list[dict[str, Any]] | None, tuple[Answer, ...] | None]:
    """The chat that a trace took and gave, for one that holds no model call."""
    chat = isinstance(given, dict) and "messages" in given
    said = isinstance(got, dict) and text_in(got, ANSWERED) is None
    return (messages_given(given) if chat else None), (answers_got(got) if said else None)


def messages_given(given: object) -> list[dict[str, Any]] | None:
    """The messages that a model was called with."""
    if isinstance(given, dict):
        if is_gemini(given):
            return chat_of(chat_of_gemini(given))
        system = given.get("system", given.get("instructions"))
        for name in ("messages", "prompt", "prompts", "input"):
            if name in given:
                given = given[name]
                break
        found = messages_given(given) if isinstance(given, list | str) else None
        if found is not None:
            said = chat_of([{"role": "system", "content": system}]) if system else None
            return [*(said or []), *found]
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


def answers_got(got: object) -> tuple[Answer, ...] | None:
    """The choices that a model gave."""
    if not isinstance(got, dict):
        return answers_of(got)
    if isinstance(got.get("candidates"), list):
        choices = choices_of_gemini(got)
        return tuple(Answer(one.text, one.finish_reason, one.calls) for one in choices) or None
    if isinstance(got.get("generations"), list):
        groups = [
            one
            for group in got["generations"]
            for one in (group if isinstance(group, list) else [group])
        ]
        return tuple(_generation(one) for one in groups[:_MAX_ITEMS]) or None
    if isinstance(got.get("choices"), list):
        return answers_of(got["choices"])
    if isinstance(got.get("output"), list):
        found = _of_responses(got["output"])
        if found is not None:
            return found
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
    inner = inner if isinstance(inner, dict) else message
    reason = Fields(inner.get("response_metadata")).text("finish_reason", "stop_reason")
    return replace(answer, finish_reason=reason or Fields(inner).text("stop_reason"))


def documents_got(got: object) -> list[dict[str, Any]] | None:
    """The documents that a retrieval gave; None where it gave no list of any."""
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


def usage_got(*places: object) -> Usage | None:
    """Tokens, cached ones included, from the first place that tells them: objects of
    `input_tokens`, `output_tokens` and their details. Zeros stand for "not told"."""
    for one in places:
        usage = Fields(one)
        sent, came = usage.count("input_tokens"), usage.count("output_tokens")
        if not sent and not came:
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


def usages_in(got: object) -> Iterator[object]:
    """Where the output of a call may tell its tokens, each as `usage_got` wants it."""
    if not isinstance(got, dict):
        return
    yield got.get("usage_metadata")
    for message in _inner_messages(got):
        yield message.get("usage_metadata")
    yield _openai_usage(got.get("usage"))
    counts = usage_of_gemini(got.get("usageMetadata", got.get("usage_metadata")))
    yield {
        **counts,
        "input_token_details": {"cache_read": counts.get("cached_tokens")},
        "output_token_details": {"reasoning": counts.get("reasoning_tokens")},
    }


def model_got(got: object) -> str | None:
    """The model as the response names it."""
    if not isinstance(got, dict):
        return None
    if "choices" in got:
        return Fields(got).text("model")
    for message in _inner_messages(got):
        found = Fields(message.get("response_metadata")).text("model_name", "model")
        if found is not None:
            return found
    own = Fields(got).text("modelVersion", "model_version")
    return own or Fields(got.get("llm_output")).text("model_name", "model")


def _openai_usage(value: object) -> object:
    """OpenAI's usage, or Anthropic's, which counts what its cache read and wrote apart."""
    usage = Fields(value)
    if not usage.rest:
        return None
    read = Fields(usage.object("prompt_tokens_details", "input_tokens_details"))
    made = Fields(usage.object("completion_tokens_details", "output_tokens_details"))
    sent = usage.count("prompt_tokens", "input_tokens")
    apart = usage.count("cache_read_input_tokens")
    written = usage.count("cache_creation_input_tokens")
    if sent is not None:
        sent += (apart or 0) + (written or 0)
    cached = read.count("cached_tokens")
    return {
        "input_tokens": sent,
        "output_tokens": usage.count("completion_tokens", "output_tokens"),
        "input_token_details": {
            "cache_read": apart if cached is None else cached,
            "cache_creation": written,
        },
        "output_token_details": {"reasoning": made.count("reasoning_tokens")},
    }


def _inner_messages(got: dict[str, Any]) -> Iterator[dict[str, Any]]:
    generations = got.get("generations")
    for group in generations if isinstance(generations, list) else [got.get("output"), got]:
        for one in group if isinstance(group, list) else [group]:
            message = one.get("message", one) if isinstance(one, dict) else None
            if isinstance(message, dict):
                inner = message.get("kwargs")
                yield inner if isinstance(inner, dict) else message


def _of_responses(items: list[Any]) -> tuple[Answer, ...] | None:
    """The answer in the output of OpenAI's Responses API; None where the list is none."""
    kinds = [one.get("type") if isinstance(one, dict) else None for one in items]
    if not any(kind in _RESPONSES for kind in kinds):
        return None
    found = answers_of([one for one, kind in zip(items, kinds, strict=True) if kind == "message"])
    texts = [one.text for one in found or () if one.text]
    calls = any(isinstance(kind, str) and kind.endswith("_call") for kind in kinds)
    return (Answer("\n".join(texts) or None, None, calls and not texts),)
