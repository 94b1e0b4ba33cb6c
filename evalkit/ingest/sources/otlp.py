"""Traces as OTLP/JSON, with GenAI conventions or OpenInference attributes: spans are gathered by
trace over all lines and files, and folded into interactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from evalkit.ingest.contract import RecordError
from evalkit.ingest.dialects import genai, openinference
from evalkit.ingest.documents import documents
from evalkit.ingest.fields import Fields
from evalkit.ingest.otlp_json import Item, event_of_log, items_of, span_of
from evalkit.ingest.spans import Event, Meaning, Span, filled
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE", "meaning_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PARENT = "\x00"
_APP = ("service.name", "openinference.project.name")
_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
_QUIET = ("telemetry.sdk.", "process.", "host.", "os.")


ABOUT = """Traces as OTLP/JSON, an export a line (the collector's file exporter) or a file: `{
"resourceSpans": [...]}`, also flat spans as Phoenix and SDK consoles write them.

Spans carry the GenAI semantic conventions in any of their three dialects, or OpenInference. All
spans of a trace are folded together, in whichever line or file they stand; a row is a question
with its answer, its chunks and its stages. `resourceLogs` with GenAI events are joined to their
spans. Traces without a model call give nothing.
"""


def meaning_of(span: Span) -> Meaning:
    """What a span says, in whichever convention."""
    fields = Fields(span.attributes)
    convention, inference = genai.read(span, fields), openinference.read(fields)
    meaning = filled(convention, inference)
    if inference.kind != "other":  # told outright; the other one may be a guess from a model's name
        meaning = replace(meaning, kind=inference.kind)
    if convention.feedback and inference.feedback:
        meaning = replace(meaning, feedback=[*convention.feedback, *inference.feedback])
    place = Fields(span.resource)
    rest = dict(fields.rest)
    app, environment = place.text(*_APP), place.text(*_ENVIRONMENT)
    for name, value in place.rest.items():
        if not name.startswith(_QUIET):
            rest.setdefault(f"resource.{name}", value)
    return replace(
        meaning,
        app=meaning.app or app,
        environment=meaning.environment or environment,
        error_type=meaning.error_type or _exception_of(span),
        rest=rest,
    )


def _place(record: dict[str, Any]) -> Place:
    """A log record says when it was written, which may be the next day: nothing stands near it."""
    time_ns, trace = record["time_ns"], record["trace"] or _NO_PARENT + record["span"]
    time = None if time_ns is None else _EPOCH + timedelta(microseconds=time_ns // 1000)
    return Place(trace, time, leads=record["what"] == "span")


def _split(record: dict[str, Any]) -> Iterator[dict[str, Any] | RecordError]:
    for item in items_of(record):
        if isinstance(item, RecordError):
            yield item
        else:
            yield {name: getattr(item, name) for name in Item.__slots__}


def _spans(_: str, records: list[dict[str, Any]]) -> list[Updated]:
    spans: list[Span] = []
    events: dict[str, list[Event]] = {}
    for record in records:
        item = Item(**record)
        if item.what == "span":
            spans.append(span_of(item))
        else:
            events.setdefault(item.span, []).append(event_of_log(item))
    return [
        Updated(replace(span, events=(*span.events, *_told_once(span, events[span.id]))), None)
        if span.id in events
        else Updated(span, None)
        for span in spans
    ]


def _told_once(span: Span, events: Iterable[Event]) -> list[Event]:
    """Events of logs, without those that the span or another log holds already."""
    known: list[Event] = list(span.events)
    found = []
    for event in events:
        if event not in known:
            known.append(event)
            found.append(event)
    return found


def _exception_of(span: Span) -> str | None:
    for event in span.events:
        kind: Any = event.attributes.get("exception.type")
        if event.name == "exception" and isinstance(kind, str) and kind.strip():
            return kind
    return None


SOURCE = trace_source(
    "otlp",
    TraceFormat(_place, _spans, meaning_of, _split, around=timedelta(days=1)),
    ABOUT,
    __name__,
    documents,
)
