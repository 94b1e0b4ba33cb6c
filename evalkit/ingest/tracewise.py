"""Makes a source of a format whose records are parts of traces, one JSON object a line: the format
says to which trace a record belongs, and what spans a trace's records are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Line, Opener, Parsed, RecordError, Reject, Row, Source, Window
from evalkit.ingest.folding import fold
from evalkit.ingest.linewise import check_pattern, checked_defaults
from evalkit.ingest.records import excerpt, record_of
from evalkit.ingest.spans import Reader, Span
from evalkit.ingest.traces import Cut, Part, Traces, Whole

__all__ = ["Place", "TraceFormat", "Updated", "trace_source"]

_STEP_ROWS = 4096
_STEP_BYTES = 8 * 1024 * 1024
_STEP_REJECTS = 1024
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Place(NamedTuple):
    """Where a record belongs: its trace, and its own event time where it has one."""

    trace: str
    time: datetime | None


class Updated(NamedTuple):
    """A span, and when its source last changed it: of several readings the newest stands."""

    span: Span
    at: datetime | None


@dataclass(frozen=True)
class TraceFormat:
    """A format. `place` gives None for a record that is understood and no part of a trace, and
    raises RecordError for one that cannot be used. `spans` gets all records of one trace, in the
    order of reading."""

    place: Callable[[dict[str, Any]], Place | None]
    spans: Callable[[str, list[dict[str, Any]]], list[Updated]]
    read: Reader


#: Looks at lines before they are read: leaves out what is no record, adds what else is wrong.
Before = Callable[[Iterable[Line], Window], Iterator[Line | Reject]]


def trace_source(
    name: str, format_: TraceFormat, about: str, module: str, before: Before | None = None
) -> Source:
    """A source whose rows are folded from the traces that its lines hold."""

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        with Traces() as traces:
            reading = _Reading(name, format_, settings, window, opener.where, traces)
            lines = opener.lines(settings)
            yield from reading.gather(lines if before is None else before(lines, window))
            yield from reading.fold()

    return Source(name, open_, about.strip(), module)


class _Reading:
    """One pass over the lines of one source, then one over its traces."""

    def __init__(
        self,
        name: str,
        format_: TraceFormat,
        settings: SourceSettings,
        window: Window,
        where: str,
        traces: Traces,
    ) -> None:
        self._name = name
        self._format = format_
        self._defaults = checked_defaults(settings, where)
        check_pattern(settings, where)
        self._pattern = settings.question_pattern
        self._window = window
        self._traces = traces
        self._files: list[str] = []

    def gather(self, lines: Iterable[Line | Reject]) -> Iterator[Parsed]:
        rejects: list[Reject] = []
        begun: dict[str, datetime] = {}
        before: datetime | None = None
        for line in lines:
            if isinstance(line, Reject):
                rejects.append(line)
                continue
            if not self._files or line.file != self._files[-1]:
                self._files.append(line.file)
                before = None
            try:
                place = self._place(line)
            except RecordError as error:
                near = error.near or before
                if near is None or self._window.holds(near):
                    raw = excerpt(line.data)
                    rejects.append(Reject(line.file, line.number, error.reason, raw, near))
            else:
                if place is not None:
                    if place.time is not None:
                        if before is None:
                            begun[line.file] = place.time
                        before = place.time
                    part = Part(line.data, len(self._files) - 1, line.number)
                    self._traces.add(place.trace, part)
            if len(rejects) >= _STEP_REJECTS:
                yield Parsed([], rejects, begun)
                rejects, begun = [], {}
        if rejects or begun:
            yield Parsed([], rejects, begun)

    def fold(self) -> Iterator[Parsed]:
        rows: list[Row] = []
        rejects: list[Reject] = []
        size = 0
        for whole in self._traces.wholes():
            if isinstance(whole, Cut):
                reason = f"trace {whole.trace[:64]} is too large: this part was left out"
                rejects.append(self._reject(whole.part, reason))
            else:
                size += sum(len(part.data) for part in whole.parts)
                try:
                    found = self._folded(whole)
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

    def _place(self, line: Line) -> Place | None:
        if line.problem is not None:
            raise RecordError(line.problem)
        record = record_of(line.data)
        try:
            return self._format.place(record)
        except RecordError:
            raise
        except _SURPRISES as error:
            raise RecordError(f"cannot be read as {self._name} ({type(error).__name__})") from error

    def _folded(self, whole: Whole) -> list[Row]:
        records = [record_of(part.data) for part in whole.parts]
        newest: dict[str, Updated] = {}
        readings: Counter[str] = Counter()
        for found in self._format.spans(whole.trace, records):
            readings[found.span.id] += 1
            known = newest.get(found.span.id)
            # A re-export says what it says: the newest stands, though an older one may say more.
            if known is None or known.at is None or (found.at is not None and found.at >= known.at):
                newest[found.span.id] = found
        folded = fold([one.span for one in newest.values()], self._format.read, self._pattern)
        changed = max((one.at for one in newest.values() if one.at is not None), default=None)
        rows = []
        for row in folded.rows:
            if changed is not None:
                row["updated_at"] = changed
            span = row["source_id"].partition("#")[0].rpartition("/")[2]
            rows += [row] * max(1, readings[span])
        return rows

    def _reject(self, part: Part, reason: str) -> Reject:
        try:
            place = self._format.place(record_of(part.data))
        except (RecordError, *_SURPRISES):
            place = None
        near = None if place is None else place.time
        return Reject(self._files[part.file], part.line, reason, excerpt(part.data), near)
