"""Traces as OTLP/JSON, with GenAI conventions or OpenInference attributes: spans are gathered by
trace over all lines and files, and folded into interactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Line, Opener, Parsed, RecordError, Reject, Row, Source, Window
from evalkit.ingest.dialects import genai, openinference
from evalkit.ingest.fields import Fields
from evalkit.ingest.folding import fold
from evalkit.ingest.linewise import check_pattern, checked_defaults
from evalkit.ingest.otlp_json import Item, event_of_log, items_of, span_of
from evalkit.ingest.records import excerpt, record_of
from evalkit.ingest.spans import Event, Meaning, Span, filled
from evalkit.ingest.traces import Cut, Part, Traces, Whole

__all__ = ["SOURCE", "meaning_of", "open_traces"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Spans that begin so long before or after the window are not looked at, also where their trace
#: has a call within it.
_AROUND_NS = 24 * 3600 * 10**9
_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_STEP_ROWS = 4096
_STEP_BYTES = 8 * 1024 * 1024
_STEP_REJECTS = 1024
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_NO_PARENT = "\x00"
_APP = ("service.name", "openinference.project.name")
_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
_QUIET = ("telemetry.sdk.", "process.", "host.", "os.")


def open_traces(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
    """Traces as OTLP/JSON, an export a line (the collector's file exporter) or a file: `{
    "resourceSpans": [...]}`, also flat spans as Phoenix and SDK consoles write them.

    Spans carry the GenAI semantic conventions in any of their three dialects, or OpenInference. All
    spans of a trace are folded together, in whichever line or file they stand; a row is a question
    with its answer, its chunks and its stages. `resourceLogs` with GenAI events are joined to their
    spans. Traces without a model call give nothing.
    """
    with Traces() as traces:
        reading = _Reading(settings, window, opener.where, traces)
        yield from reading.read(_documents(opener.lines(settings)))
        yield from reading.fold()


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


class _Reading:
    """One pass over the lines of one source, then one over its traces."""

    def __init__(
        self, settings: SourceSettings, window: Window, where: str, traces: Traces
    ) -> None:
        self._defaults = checked_defaults(settings, where)
        check_pattern(settings, where)
        self._pattern = settings.question_pattern
        self._window = window
        self._first_ns = _ns_of(window.start) - _AROUND_NS
        self._last_ns = _ns_of(window.end) + _AROUND_NS
        self._traces = traces
        self._files: list[str] = []

    def read(self, lines: Iterable[Line]) -> Iterator[Parsed]:
        """Gather the spans of all lines; gives the rejects."""
        rejects: list[Reject] = []
        begun: dict[str, datetime] = {}
        before: datetime | None = None
        for line in lines:
            if not self._files or line.file != self._files[-1]:
                self._files.append(line.file)
                before = None
            for item in _items(line):
                if isinstance(item, RecordError):
                    near = item.near or before
                    if self._counts(near):
                        reason, raw = item.reason, excerpt(line.data)
                        rejects.append(Reject(line.file, line.number, reason, raw, near))
                    continue
                if item.what == "span" and item.time_ns is not None:
                    time = _moment(item.time_ns)
                    begun.setdefault(line.file, time) if before is None else None
                    before = time
                problem = self._keep(item, line)
                if problem is not None and self._counts(before):
                    raw = excerpt(line.data)
                    rejects.append(Reject(line.file, line.number, problem, raw, before))
            if len(rejects) >= _STEP_REJECTS:
                yield Parsed([], rejects, begun)
                rejects, begun = [], {}
        if rejects or begun:
            yield Parsed([], rejects, begun)

    def fold(self) -> Iterator[Parsed]:
        """Fold what was gathered, trace by trace."""
        rows: list[Row] = []
        rejects: list[Reject] = []
        size = 0
        for whole in self._traces.wholes():
            if isinstance(whole, Cut):
                rejects.append(self._cut(whole))
            else:
                size += sum(len(part.data) for part in whole.parts)
                try:
                    found = _folded(whole, self._pattern)
                except _SURPRISES as error:
                    reason = f"a trace that cannot be folded ({type(error).__name__})"
                    rejects += [self._reject(part, reason) for part in whole.parts]
                else:
                    held = [row for row in found if self._window.holds(row["started_at"])]
                    rows += [self._defaults | row for row in held] if self._defaults else held
            if len(rows) >= _STEP_ROWS or size >= _STEP_BYTES or len(rejects) >= _STEP_REJECTS:
                yield Parsed(rows, rejects)
                rows, rejects, size = [], [], 0
        if rows or rejects:
            yield Parsed(rows, rejects)

    def _keep(self, item: Item, line: Line) -> str | None:
        if item.time_ns is not None and not self._first_ns <= item.time_ns < self._last_ns:
            return None
        try:
            data = orjson.dumps([item.what, item.span, item.time_ns, item.resource, item.record])
        except (TypeError, ValueError):
            return f"{item.what}: nested too deeply"
        trace = item.trace or _NO_PARENT + item.span
        self._traces.add(trace, Part(data, len(self._files) - 1, line.number))
        return None

    def _counts(self, near: datetime | None) -> bool:
        return near is None or self._window.holds(near)

    def _cut(self, cut: Cut) -> Reject:
        reason = f"trace {cut.trace[:64]} is too large: this span was left out"
        return self._reject(cut.part, reason, cut.first)

    def _reject(self, part: Part, reason: str, timed: Part | None = None) -> Reject:
        _, _, time_ns, _, record = orjson.loads((timed or part).data)
        if timed is not None:
            record = orjson.loads(part.data)[4]
        near = None if time_ns is None else _moment(time_ns)
        raw = excerpt(orjson.dumps(record))
        return Reject(self._files[part.file], part.line, reason, raw, near)


def _folded(whole: Whole, pattern: str) -> list[Row]:
    trace = "" if whole.trace.startswith(_NO_PARENT) else whole.trace
    spans: list[Span] = []
    events: dict[str, list[Event]] = {}
    for part in whole.parts:
        what, id_, time_ns, resource, record = orjson.loads(part.data)
        item = Item(what, record, resource, trace, id_, time_ns)
        if what == "span":
            spans.append(span_of(item))
        else:
            events.setdefault(id_, []).append(event_of_log(item))
    if events:
        spans = [
            replace(span, events=(*span.events, *_told_once(span, events.get(span.id, ()))))
            for span in spans
        ]
    return fold(spans, meaning_of, pattern).rows


def _told_once(span: Span, events: Iterable[Event]) -> list[Event]:
    """Events of logs, without those that the span or another log holds already."""
    known: list[Event] = list(span.events)
    found = []
    for event in events:
        if event not in known:
            known.append(event)
            found.append(event)
    return found


def _items(line: Line) -> Iterator[Item | RecordError]:
    try:
        if line.problem is not None:
            raise RecordError(line.problem)
        yield from items_of(record_of(line.data))
    except RecordError as error:
        yield error
    except _SURPRISES as error:
        yield RecordError(f"cannot be read as otlp ({type(error).__name__})")


def _documents(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines; a file that is one indented document comes as one line."""
    file: str | None = None
    held: list[Line] = []
    size = 0
    for line in lines:
        first = line.file != file
        if first:
            yield from _joined(held, size)
            file, held, size = line.file, [], 0
        if len(held) == 1 and line.data[:1] not in (b" ", b"\t", b'"', b"}"):
            yield from held
            held = []
        if held:
            size += len(line.data)
            held.append(line) if size <= _MAX_DOCUMENT_BYTES else None
        elif first and line.data.strip() == b"{":
            held = [line]
        else:
            yield line
    yield from _joined(held, size)


def _joined(held: list[Line], size: int) -> Iterator[Line]:
    if not held:
        return
    problem = next((line.problem for line in held if line.problem), None)
    if size > _MAX_DOCUMENT_BYTES:
        problem = f"a document of more than {_MAX_DOCUMENT_BYTES:,} bytes; write one export a line"
        held = held[:100]
    yield held[0]._replace(data=b"\n".join(line.data for line in held), problem=problem)


def _exception_of(span: Span) -> str | None:
    for event in span.events:
        kind: Any = event.attributes.get("exception.type")
        if event.name == "exception" and isinstance(kind, str) and kind.strip():
            return kind
    return None


def _ns_of(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND * 1000


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


SOURCE = Source("otlp", open_traces, (open_traces.__doc__ or "").strip(), __name__)
