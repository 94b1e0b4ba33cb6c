"""Makes a source of a format whose records are parts of traces: the format says to which trace a
record belongs, and what spans a trace's records are. A line may hold several records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Line, Opener, Parsed, RecordError, Reject, Row, Source, Window
from evalkit.ingest.explaining import Pick
from evalkit.ingest.folding import Folded, fold
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
    """Where a record belongs: its trace, and its own event time where it has one. `leads`: records
    without a time that come after it stand near it; not so for what is said about it later."""

    trace: str
    time: datetime | None
    leads: bool = True


class Updated(NamedTuple):
    """A span, and when its source last changed it: of several readings the newest stands."""

    span: Span
    at: datetime | None


@dataclass(frozen=True)
class TraceFormat:
    """A format. `place` gives None for a record that is understood and no part of a trace, and
    raises RecordError for one that cannot be used. `spans` gets all records of one trace, in the
    order of reading.

    `split` is for lines that hold several records: it gives each (or what is wrong with it) as an
    object that `place` and `spans` get; the part of it under `record` is what a reject shows.
    Records further from the window than `around` are not looked at.
    """

    place: Callable[[dict[str, Any]], Place | None]
    spans: Callable[[str, list[dict[str, Any]]], list[Updated]]
    read: Reader
    split: Callable[[dict[str, Any]], Iterable[dict[str, Any] | RecordError]] | None = None
    around: timedelta | None = None


#: Looks at lines before they are read: leaves out what is no record, adds what else is wrong.
Before = Callable[[Iterable[Line], Window], Iterator[Line | Reject]]


def trace_source(
    name: str, format_: TraceFormat, about: str, module: str, before: Before | None = None
) -> Source:
    """A source whose rows are folded from the traces that its lines hold."""

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        with Traces() as traces:
            reading = _Reading(name, format_, settings, window, opener, traces)
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
        opener: Opener,
        traces: Traces,
    ) -> None:
        self._name = name
        self._format = format_
        self._defaults = checked_defaults(settings, opener.where)
        check_pattern(settings, opener.where)
        self._pattern = settings.question_pattern
        self._window = window
        self._looked_at = _widened(window, format_.around)
        self._explain = opener.explain
        self._traces = traces
        self._files: list[str] = []

    def gather(self, lines: Iterable[Line | Reject]) -> Iterator[Parsed]:
        """Keep the records of all lines by trace; gives the rejects."""
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
            for record in self._records(line):
                try:
                    place = self._place(record)
                    if place is not None:
                        if place.time is not None and place.leads:
                            if before is None:
                                begun[line.file] = place.time
                            before = place.time
                        self._keep(place, record, line)
                except RecordError as error:
                    near = error.near or before
                    if near is None or self._window.holds(near):
                        raw = excerpt(line.data)
                        rejects.append(Reject(line.file, line.number, error.reason, raw, near))
            if len(rejects) >= _STEP_REJECTS:
                yield Parsed([], rejects, begun)
                rejects, begun = [], {}
        if rejects or begun:
            yield Parsed([], rejects, begun)

    def fold(self) -> Iterator[Parsed]:
        """Fold what was gathered, trace by trace."""
        rows: list[Row] = []
        rejects: list[Reject] = []
        picks: tuple[Pick, ...] = ()
        size = 0
        for whole in self._traces.wholes():
            if isinstance(whole, Cut):
                reason = f"trace {whole.trace[:64]} is too large: this part was left out"
                rejects.append(self._reject(whole.part, reason, whole.first))
            else:
                size += sum(len(part.data) for part in whole.parts)
                try:
                    folded = self._folded(whole)
                except _SURPRISES as error:
                    reason = f"a trace that cannot be folded ({type(error).__name__})"
                    rejects += [self._reject(part, reason, part) for part in whole.parts]
                else:
                    held = [row for row in folded.rows if self._window.holds(row["started_at"])]
                    rows += [self._defaults | row for row in held] if self._defaults else held
                    if self._explain is not None and self._explain in folded.picks:
                        picks = (self._lines(whole), *folded.picks[self._explain])
            if len(rows) >= _STEP_ROWS or size >= _STEP_BYTES or len(rejects) >= _STEP_REJECTS:
                yield Parsed(rows, rejects, picks=picks)
                rows, rejects, picks, size = [], [], (), 0
        if rows or rejects:
            yield Parsed(rows, rejects, picks=picks)

    def _records(self, line: Line) -> Iterator[dict[str, Any] | RecordError]:
        try:
            if line.problem is not None:
                raise RecordError(line.problem)
            record = record_of(line.data)
            if self._format.split is None:
                yield record
            else:
                yield from self._format.split(record)
        except RecordError as error:
            yield error
        except _SURPRISES as error:
            yield RecordError(f"cannot be read as {self._name} ({type(error).__name__})")

    def _place(self, record: dict[str, Any] | RecordError) -> Place | None:
        if isinstance(record, RecordError):
            raise record
        try:
            return self._format.place(record)
        except RecordError:
            raise
        except _SURPRISES as error:
            raise RecordError(f"cannot be read as {self._name} ({type(error).__name__})") from error

    def _keep(self, place: Place, record: dict[str, Any] | RecordError, line: Line) -> None:
        if place.time is not None and not self._looked_at.holds(place.time):
            return
        data = line.data
        if self._format.split is not None:
            try:
                data = orjson.dumps(record)
            except (TypeError, ValueError):
                raise RecordError("nested too deeply", place.time) from None
        self._traces.add(place.trace, Part(data, len(self._files) - 1, line.number))

    def _loaded(self, part: Part) -> dict[str, Any]:
        if self._format.split is None:
            return record_of(part.data)
        record: dict[str, Any] = orjson.loads(part.data)  # as `_keep` wrote it
        return record

    def _folded(self, whole: Whole) -> Folded:
        records = [self._loaded(part) for part in whole.parts]
        # A re-export says what it says: the newest stands, though an older one may say more. Where
        # the source does not say when it changed a span, the tree chooses.
        untold: list[Span] = []
        newest: dict[str, Updated] = {}
        readings: Counter[str] = Counter()
        for found in self._format.spans(whole.trace, records):
            if found.at is None:
                untold.append(found.span)
                continue
            readings[found.span.id] += 1
            known = newest.get(found.span.id)
            if known is None or known.at is None or found.at >= known.at:
                newest[found.span.id] = found
        spans = [span for span in untold if span.id not in newest]
        readings.update(span.id for span in untold if span.id in newest)
        spans += [one.span for one in newest.values()]
        folded = fold(spans, self._format.read, self._pattern)
        changed = max((one.at for one in newest.values() if one.at is not None), default=None)
        picks = folded.picks
        if self._explain in picks:
            named = {span.id: f"{span.id} ({span.name[:80]})" for span in spans if span.name}
            picks = {
                id_: tuple(
                    replace(pick, where=tuple(named.get(one, one) for one in pick.where))
                    for pick in why
                )
                for id_, why in picks.items()
            }
        rows = []
        for row in folded.rows:
            if changed is not None:
                row["updated_at"] = changed
            span = row["source_id"].partition("#")[0].rpartition("/")[2]
            rows += [row] * max(1, readings[span])
        return replace(folded, rows=rows, picks=picks)

    def _lines(self, whole: Whole) -> Pick:
        places = {f"{self._files[part.file]}:{part.line}": None for part in whole.parts}
        return Pick("record", tuple(places), f"{len(whole.parts)} records of one trace")

    def _reject(self, part: Part, reason: str, timed: Part) -> Reject:
        """A reject near the event time of `timed`."""
        try:
            place = self._format.place(self._loaded(timed))
        except (RecordError, *_SURPRISES):
            place = None
        near = None if place is None else place.time
        raw = part.data
        if self._format.split is not None:
            raw = orjson.dumps(self._loaded(part)["record"])
        return Reject(self._files[part.file], part.line, reason, excerpt(raw), near)


def _widened(window: Window, around: timedelta | None) -> Window:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    if around is None:
        return Window(first, last)
    start = window.start - around if window.start - first > around else first
    end = window.end + around if last - window.end > around else last
    return Window(start, end)
