"""What MLflow's attributes say of a span, and an info of its trace. Records are taken apart in
`sources/mlflow.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import orjson

from evalkit.ingest.dialects.calls import (
    ANSWERED,
    ASKED,
    answers_got,
    as_call,
    documents_got,
    messages_given,
    model_got,
    text_in,
    usage_got,
    usages_in,
)
from evalkit.ingest.dialects.messages import loaded
from evalkit.ingest.fields import Fields, decimal_of
from evalkit.ingest.spans import Kind, Meaning, Span, Usage

__all__ = ["FIRST", "INFO", "OWN", "SAID", "decoded", "meaning_of", "pairs_of"]

#: Under these keys a span bears what is no attribute of it: what the info of its trace says (it
#: stands for the trace then), assessments of it, and how long its first piece took in ms.
INFO, SAID, FIRST = "\x00info", "\x00said", "\x00first"
#: How MLflow's own tags and attributes begin.
OWN = "mlflow."
_KINDS: Mapping[str, Kind] = {
    "LLM": "llm",
    "CHAT_MODEL": "llm",
    "CHAIN": "chain",
    "WORKFLOW": "chain",
    "AGENT": "agent",
    "TOOL": "tool",
    "RETRIEVER": "retrieval",
    "RERANKER": "rerank",
    "EMBEDDING": "embedding",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
}
_SCORER = "mlflow.trace.sourceScorer"
_JUDGE = "LLM_JUDGE"


def meaning_of(span: Span) -> Meaning:
    """What a span says, or the trace itself."""
    info = span.attributes.get(INFO)
    if isinstance(info, dict):
        return _of_trace(span, info)
    fields = Fields({name: decoded(value) for name, value in span.attributes.items()})
    given, cut = loaded(fields.rest.pop("mlflow.spanInputs", None))
    got, cut_out = loaded(fields.rest.pop("mlflow.spanOutputs", None))
    kind = _KINDS.get((fields.text("mlflow.spanType") or "").upper(), "other")
    if kind == "other" and span.parent in (None, span.trace):
        kind = "chain"
    provider = fields.text("mlflow.llm.provider")
    style = fields.text("mlflow.message.format")
    asked = Fields(given)
    name, version = _prompt(fields.rest.pop("mlflow.linkedPrompts", None))
    cost = Fields(fields.object("mlflow.llm.cost"))
    usage = _usage(fields.object("mlflow.chat.tokenUsage"), "anthropic" in (provider, style))
    told = fields.text("mlflow.llm.model")
    return Meaning(
        kind=kind,
        messages=messages_given(given) if kind == "llm" else None,
        answers=answers_got(got) if kind == "llm" else None,
        input_text=text_in(given, ASKED),
        output_text=text_in(got, ANSWERED),
        query=text_in(given, ASKED) if kind == "retrieval" else None,
        documents=_documents(got) if kind in ("retrieval", "rerank", "tool") else None,
        usage=(usage or usage_got(*usages_in(got))) if kind == "llm" else None,
        cost_usd=decimal_of(cost.rest.get("total_cost")) or None,
        provider=provider,
        model=model_got(got) or told or asked.text("model"),
        requested_model=asked.text("model"),
        prompt_name=name,
        prompt_version=version,
        ttft_ms=fields.number(FIRST),
        error_type=span.message,
        feedback=_feedback(fields.items(SAID)) or None,
        truncated=True if cut or cut_out else None,
        rest={name: value for name, value in fields.rest.items() if not name.startswith(OWN)},
    )


def _of_trace(span: Span, info: dict[str, Any]) -> Meaning:
    tags = pairs_of(info.get("tags"))
    meta = Fields({**tags, **pairs_of(info.get("trace_metadata", info.get("request_metadata")))})
    given, cut = loaded(decoded(span.attributes.get("mlflow.spanInputs")))
    got, cut_out = loaded(decoded(span.attributes.get("mlflow.spanOutputs")))
    bare = info.get("bare") is True
    name, version = _prompt(decoded(tags.get("mlflow.linkedPrompts")))
    usage = _usage(decoded(meta.rest.get("mlflow.trace.tokenUsage")), anthropic=False)
    cost = Fields(decoded(meta.rest.get("mlflow.trace.cost")))
    kind: Literal["chain", "evaluator"] = "evaluator" if tags.get(_SCORER) else "chain"
    messages, answers = as_call(given, got) if bare else (None, None)
    return Meaning(
        kind=kind,
        messages=messages,
        answers=answers,
        input_text=text_in(given, ASKED),
        output_text=text_in(got, ANSWERED),
        usage=usage if bare else None,
        cost_usd=(decimal_of(cost.rest.get("total_cost")) or None) if bare else None,
        session_id=meta.text("mlflow.trace.session", "session_id"),
        user_id=meta.text("mlflow.trace.user", "user_id"),
        app=meta.text("app"),
        environment=meta.text("environment", "env"),
        route=meta.text("mlflow.traceName"),
        prompt_name=name,
        prompt_version=version,
        error_type=span.message,
        feedback=_feedback(info.get("assessments")) or None,
        truncated=True if cut or cut_out or info.get("cut") is True else None,
        rest={
            **{f"tag.{one}": value for one, value in tags.items() if not one.startswith(OWN)},
            **({"spans": "none"} if bare else {}),
            **({"incomplete": "true"} if span.end_ns is None else {}),
        },
    )


def _documents(got: object) -> list[dict[str, Any]] | None:
    """The chunks of a retrieval; an id that only their metadata tell is theirs."""
    found = documents_got(got)
    for one in found or ():
        if one.get("id") is None:
            one["id"] = one.get("chunk_id") or one.get("doc_uri")
    return found


def _usage(value: object, anthropic: bool) -> Usage | None:
    usage = Fields(value)
    sent = usage.count("input_tokens")
    read = usage.count("cache_read_input_tokens")
    written = usage.count("cache_creation_input_tokens")
    if anthropic and sent is not None:  # counted apart by the provider
        sent += (read or 0) + (written or 0)
    found = Usage(sent, read, written, usage.count("output_tokens"))
    return found if found.known else None


def _prompt(value: object) -> tuple[str | None, str | None]:
    value, _ = loaded(value)
    first = Fields(value[0] if isinstance(value, list) and value else None)
    return first.text("name"), first.text("version")


def _feedback(assessments: object) -> list[dict[str, Any]]:
    found = []
    for one in assessments if isinstance(assessments, list) else ():
        fields = Fields(one)
        by = Fields(fields.object("source"))
        feedback = fields.object("feedback")
        if feedback is None or fields.rest.get("valid") is False:
            continue
        if by.text("source_type") == _JUDGE:
            continue
        found.append(
            {
                "name": fields.text("assessment_name", "name"),
                "value": feedback.get("value"),
                "comment": fields.text("rationale"),
                "by": by.text("source_id"),
            }
        )
    return found


def pairs_of(value: object) -> dict[str, Any]:
    """Tags and metadata, which older versions list as objects of key and value."""
    value, _ = loaded(value)
    if isinstance(value, dict):
        return value
    pairs: Iterable[Any] = value if isinstance(value, list) else ()
    return {
        one["key"]: one.get("value")
        for one in pairs
        if isinstance(one, dict) and isinstance(one.get("key"), str)
    }


def decoded(value: object) -> Any:
    """An attribute's value, which MLflow writes as JSON in a string; text that is none stays."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
