"""Makes spans and OTLP lines for tests, a line of code each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from evalkit.ingest.spans import Event, Span

#: 2026-11-22T02:14:05Z in nanoseconds.
START = 1_795_313_645 * 10**9
MS = 1_000_000
TRACE = "5b8efff798038103d269b633813fc60c"


def span(id_: str, parent: str | None = None, at: int = 0, ms: int = 100, **more: Any) -> Span:
    """A span that begins `at` ms after the beginning and takes `ms`."""
    attributes = more.pop("attributes", {})
    events = tuple(Event(name, START, fields) for name, fields in more.pop("events", ()))
    return Span(
        TRACE,
        id_,
        parent,
        more.pop("name", id_),
        START + at * MS,
        START + (at + ms) * MS,
        attributes=attributes,
        events=events,
        **more,
    )


def call(id_: str, parent: str | None = None, at: int = 0, ms: int = 100, **more: Any) -> Span:
    """A model call: `asked`, `said` (None: neither is logged), `model`, `tokens`, any attributes."""
    asked, said = more.pop("asked", "What?"), more.pop("said", "That.")
    model, tokens = more.pop("model", "m"), more.pop("tokens", 10)
    attributes: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    if asked is not None:
        messages = asked if isinstance(asked, list) else [{"role": "user", "content": asked}]
        attributes["gen_ai.input.messages"] = json.dumps(messages)
    if said is not None:
        attributes["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "content": said}])
    if tokens is not None:
        attributes |= {"gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 1}
    return span(id_, parent, at, ms, attributes=attributes | more.pop("attributes", {}), **more)


def search(id_: str, parent: str | None = None, at: int = 0, ms: int = 10, **more: Any) -> Span:
    """A retrieval of `documents` for `query`."""
    attributes = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.query.text": more.pop("query", "q"),
        "gen_ai.retrieval.documents": json.dumps(more.pop("documents", [])),
    }
    return span(id_, parent, at, ms, attributes=attributes, **more)


def typed(value: Any) -> dict[str, Any]:
    """A value as OTLP writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP writes them."""
    return [{"key": name, "value": typed(value)} for name, value in attributes.items()]


def written(one: Span) -> dict[str, Any]:
    """A span as OTLP/JSON writes it."""
    return {
        "traceId": one.trace,
        "spanId": one.id,
        "parentSpanId": one.parent or "",
        "name": one.name,
        "kind": 3,
        "startTimeUnixNano": str(one.start_ns),
        "endTimeUnixNano": str(one.end_ns),
        "attributes": pairs(dict(one.attributes)),
        "status": {"code": 2 if one.status == "error" else 0},
    }


def export(spans: Iterable[Span | dict[str, Any]]) -> dict[str, Any]:
    """One export with these spans."""
    records = [one if isinstance(one, dict) else written(one) for one in spans]
    return {"resourceSpans": [{"scopeSpans": [{"spans": records}]}]}


def line(*spans: Span | dict[str, Any]) -> bytes:
    """One line of a collector's file."""
    return json.dumps(export(spans)).encode()
