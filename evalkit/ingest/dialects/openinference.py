"""OpenInference attributes (Arize Phoenix and the instrumentations of its family)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.ingest.dialects.messages import answers_of, chat_of, is_cut, loaded, plain_text
from evalkit.ingest.fields import Fields
from evalkit.ingest.spans import Answer, Kind, Meaning, Usage

__all__ = ["indexed", "read"]

_KINDS: Mapping[str, Kind] = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "CHAIN": "chain",
    "RETRIEVER": "retrieval",
    "RERANKER": "rerank",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "PROMPT": "prompt",
}
#: Phoenix exports attributes nested below these names, instruments write them dotted.
_NESTED = frozenset(
    {"openinference", "llm", "input", "output", "retrieval", "reranker", "embedding", "session",
     "user", "prompt", "exception"}
)  # fmt: skip
_OF_A_STEP = ("llm.", "retrieval.", "reranker.", "annotations.")
#: Stands where an instrument was told to hide a text: that is no text.
_HIDDEN = "__REDACTED__"
_MAX_INDEX = 10_000
_MAX_DEPTH = 20


def read(fields: Fields) -> Meaning:
    """What the span says in OpenInference; takes what it understands out of `fields`."""
    _flatten(fields)
    for name in [name for name, value in fields.rest.items() if value == _HIDDEN]:
        del fields.rest[name]
    kind = _KINDS.get((fields.text("openinference.span.kind") or "").upper(), "other")
    given, given_type = fields.rest.pop("input.value", None), fields.text("input.mime_type")
    got, got_type = fields.rest.pop("output.value", None), fields.text("output.mime_type")
    session, user = fields.text("session.id"), fields.text("user.id")
    silent = given is None and got is None
    if kind == "other" and silent and not any(name.startswith(_OF_A_STEP) for name in fields.rest):
        return Meaning(session_id=session, user_id=user)
    messages = _messages(fields)
    answers = _answers(fields)
    cut = False
    if kind == "llm" and messages is None and given is not None:
        value, cut = loaded(given)
        messages = chat_of(value)
    if kind == "llm" and answers is None and got is not None:
        value, cut_out = loaded(got) if got_type == "application/json" else (got, False)
        answers, cut = answers_of(value), cut or cut_out
    input_text = _text(given, given_type)
    requested = fields.text("llm.request.model_name")
    served = fields.text("llm.response.model_name", "llm.model_name")
    texts = [one["content"] for one in messages or ()] + [one.text for one in answers or ()]
    return Meaning(
        kind=kind,
        messages=messages,
        answers=answers,
        input_text=input_text,
        output_text=_text(got, got_type),
        query=(fields.text("reranker.query") or input_text)
        if kind in ("retrieval", "rerank")
        else None,
        documents=_documents(fields, kind),
        usage=_usage(fields),
        cost_usd=fields.number("llm.cost.total"),
        provider=fields.text("llm.provider", "llm.system"),
        model=served or requested,
        requested_model=requested or served,
        session_id=session,
        user_id=user,
        prompt_name=fields.text("prompt.name", "prompt.id"),
        prompt_version=fields.text("llm.prompt_template.version", "prompt.version"),
        finish_reason=fields.text("llm.finish_reason"),
        feedback=_feedback(fields),
        truncated=True if cut or any(is_cut(text) for text in texts) else None,
    )


def indexed(rest: dict[str, Any], prefix: str) -> list[dict[str, Any]] | None:
    """The list at `prefix`, taken out of `rest`, each item with dotted keys; None where there is
    none.

    >>> indexed({"a.1.x.y": 2, "a.0.x.y": 1}, "a")
    [{'x.y': 1}, {'x.y': 2}]
    >>> indexed({"a": [{"x": {"y": 1}}]}, "a")
    [{'x.y': 1}]
    """
    whole = rest.get(prefix)
    if isinstance(whole, list):
        del rest[prefix]
        return [_dotted(item) for item in whole[:_MAX_INDEX] if isinstance(item, dict)]
    start = prefix + "."
    found: dict[int, dict[str, Any]] = {}
    for name in [name for name in rest if name.startswith(start)]:
        number, _, suffix = name[len(start) :].partition(".")
        if number.isdecimal() and len(number) <= 5 and int(number) < _MAX_INDEX:
            value = rest.pop(name)
            if suffix:
                found.setdefault(int(number), {})[suffix] = value
            elif isinstance(value, dict):
                found.setdefault(int(number), {}).update(_dotted(value))
    return [found[number] for number in sorted(found)] if found else None


def _dotted(value: dict[str, Any]) -> dict[str, Any]:
    """Objects in objects as dotted keys; lists stay lists."""
    found: dict[str, Any] = {}
    stack: list[tuple[str, Any, int]] = [(name, one, 0) for name, one in reversed(value.items())]
    while stack:
        name, one, depth = stack.pop()
        if isinstance(one, dict) and depth < _MAX_DEPTH:
            stack += [(f"{name}.{key}", inner, depth + 1) for key, inner in reversed(one.items())]
        else:
            found[name] = one
    return found


def _flatten(fields: Fields) -> None:
    for name in [name for name in fields.rest if name in _NESTED]:
        if isinstance(fields.rest[name], dict):
            for key, value in _dotted({name: fields.rest.pop(name)}).items():
                fields.rest.setdefault(key, value)


def _messages(fields: Fields) -> list[dict[str, Any]] | None:
    found = indexed(fields.rest, "llm.input_messages")
    if found is not None:
        return chat_of([_message(item) for item in found])
    prompts = indexed(fields.rest, "llm.prompts")  # the older completions endpoint
    return chat_of([_of(item, "prompt.text") for item in prompts]) if prompts else None


def _answers(fields: Fields) -> tuple[Answer, ...] | None:
    found = indexed(fields.rest, "llm.output_messages")
    if found is not None:
        return answers_of([_message(item) for item in found])
    choices = indexed(fields.rest, "llm.choices")
    return answers_of([_of(item, "completion.text") for item in choices]) if choices else None


def _message(item: dict[str, Any]) -> dict[str, Any]:
    own = {
        name.removeprefix("message."): value
        for name, value in item.items()
        if name.startswith("message.")
    } or item
    contents = indexed(own, "contents")
    content = own.get("content")
    if contents is not None:
        content = [
            {"type": part.get("message_content.type"), "text": part.get("message_content.text")}
            for part in contents
        ]
    return {
        "role": own.get("role"),
        "content": content,
        "tool_calls": any(name.startswith("tool_calls") and value for name, value in own.items()),
    }


def _of(item: dict[str, Any], name: str) -> object:
    value = item.get(name)
    return value if isinstance(value, str) else {}


def _documents(fields: Fields, kind: Kind) -> list[dict[str, Any]] | None:
    asked = indexed(fields.rest, "reranker.input_documents")
    ranked = indexed(fields.rest, "reranker.output_documents")
    found = indexed(fields.rest, "retrieval.documents")
    if kind == "rerank" and ranked is not None:
        found = ranked
    elif found is None:
        found = ranked if ranked is not None else asked
    if found is None:
        return None
    documents = []
    for item in found:
        own = {
            name.removeprefix("document."): value
            for name, value in item.items()
            if value is not None
        }
        meta, _ = loaded(own.get("metadata"))
        if isinstance(meta, dict):
            del own["metadata"]
            own = {**meta, **own}
        documents.append(own)
    return documents


def _text(value: object, mime: str | None) -> str | None:
    """What went in or came out as text to read. Without a type it may be JSON all the same."""
    if mime == "text/plain":
        return value if isinstance(value, str) and value.strip() else None
    return plain_text(value)


def _usage(fields: Fields) -> Usage | None:
    details = "llm.token_count.prompt_details."
    usage = Usage(
        input=fields.count("llm.token_count.prompt"),
        cached=fields.count(details + "cache_read", details + "cache_input"),
        written=fields.count(details + "cache_write"),
        output=fields.count("llm.token_count.completion"),
        reasoning=fields.count("llm.token_count.completion_details.reasoning"),
    )
    return None if usage == Usage() else usage


def _feedback(fields: Fields) -> list[dict[str, Any]] | None:
    """What was noted on this span. Notes on the trace are the root's to tell; notes on a whole
    conversation belong to no single answer."""
    found = []
    for prefix, own in (
        ("annotations", "annotation."),
        ("evaluations", "evaluation."),
        ("trace.annotations", "annotation."),
        ("trace.evaluations", "evaluation."),
    ):
        for item in indexed(fields.rest, prefix) or ():
            note = Fields({name.removeprefix(own): value for name, value in item.items()})
            found.append(
                {
                    "name": note.text("name"),
                    "value": note.number("score"),
                    "label": note.text("label"),
                    "comment": note.text("explanation"),
                    "by": note.text("identifier", "annotator_kind"),
                }
            )
    return found or None
