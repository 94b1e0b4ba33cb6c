"""Makes a source of a format with one JSON object per line, which then is only a `parse`
function."""

from __future__ import annotations

import difflib
import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError
from evalkit.ingest.ahead import ahead
from evalkit.ingest.columns import UnfitError
from evalkit.ingest.contract import (
    Block,
    Line,
    Opener,
    Parsed,
    RecordError,
    Reject,
    Row,
    Source,
    Window,
)
from evalkit.ingest.explaining import Pick, picks_of_record
from evalkit.ingest.records import excerpt, record_of
from evalkit.schema import INTERACTIONS, TIME

__all__ = ["FEW", "Parse", "Whole", "check_pattern", "checked_defaults", "line_source"]

#: Turns one JSON object into rows (more than one where a call gave several answers). Raises
#: RecordError for a record that cannot be used. Must set `started_at`; without `source_id` the
#: line's hash is the id.
Parse = Callable[[dict[str, Any], SourceSettings], list[Row]]

#: Turns many objects at once into columns of `interactions` that say what `parse` says of each.
#: Raises UnfitError where it cannot; then each is parsed alone.
Whole = Callable[[list[dict[str, Any]]], dict[str, pa.Array]]

#: The same from the bytes of some lines as they stand in a file, none of which may be blank; and their
#: number.
Straight = Callable[[bytes], tuple[dict[str, pa.Array], int]]

#: Below so many lines looking at all at once gains nothing.
FEW = 64
#: After lines that did not fit, so many blocks at most are not tried again.
_MOST_SKIPPED = 64
_STEP_ROWS = 4096
_STEP_BYTES = 8 * 1024 * 1024
_STEP_REJECTS = 1024
#: What a parser can raise on a value nobody thought of. The record becomes a reject, and the night
#: goes on.
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_ID_COLUMNS = {"source", "source_id"}


def line_source(
    name: str,
    parse: Parse,
    module: str,
    whole: Whole | None = None,
    straight: Straight | None = None,
) -> Source:
    """A source for a line-wise JSON format; the docstring of `parse` is its documentation. `whole`
    is a faster way to the same rows, `straight` a still faster one."""

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        reading = _Reading(name, parse, settings, window, opener)
        if whole is None or opener.explain is not None:
            return reading.one_by_one(opener.lines(settings))
        if straight is None or opener.blocks is None:
            return reading.at_once(opener.lines(settings), whole)
        return reading.straight(opener.blocks(settings), whole, straight)

    return Source(name, open_, (parse.__doc__ or "").strip(), module)


@dataclass(frozen=True)
class _Columns:
    """What some lines of a file say, and how many they are."""

    file: str
    columns: dict[str, pa.Array]
    lines: int


class _Reading:
    """One pass over the lines of one source."""

    def __init__(
        self, name: str, parse: Parse, settings: SourceSettings, window: Window, opener: Opener
    ) -> None:
        self._name = name
        self._parse = parse
        self._settings = settings
        self._window = window
        self._defaults = checked_defaults(settings, opener.where)
        self._explain = opener.explain
        check_pattern(settings, opener.where)
        self._tries = _Tries()
        self._file: str | None = None
        self._before: datetime | None = None

    def straight(
        self, pieces: Iterator[Line | Block], whole: Whole, straight: Straight
    ) -> Iterator[Parsed]:
        """Blocks of lines as they are; those that do not fit, and what comes as lines, otherwise."""
        tries = _Tries()

        def tried(piece: Line | Block) -> Line | Block | _Columns:
            if isinstance(piece, Line) or not tries.again():
                return piece
            try:
                found = _Columns(piece.file, *straight(piece.data))
                self._check(found.columns)
            except UnfitError:
                tries.failed()
                return piece
            tries.succeeded()
            return found

        found = ahead(map(tried, ahead(pieces)))
        for are_lines, group in groupby(found, lambda one: isinstance(one, Line)):
            if are_lines:
                yield from self.at_once((one for one in group if isinstance(one, Line)), whole)
                continue
            for one in group:
                if isinstance(one, Block):
                    yield from self.at_once(one.lines(), whole)
                elif isinstance(one, _Columns):
                    yield self._parsed(one)

    def at_once(self, lines: Iterator[Line], whole: Whole) -> Iterator[Parsed]:
        """Some thousand lines at once; those that do not fit, and the ends of files, one by one."""
        tries = self._tries
        for block in _blocks(lines):
            parsed = None
            if len(block) >= FEW and block[0].file == block[-1].file and tries.again():
                try:
                    with _no_circles():
                        parsed = self._table(block, whole)
                except (UnfitError, orjson.JSONDecodeError):
                    tries.failed()
                else:
                    tries.succeeded()
            if parsed is None:
                yield from self.one_by_one(block)
            else:
                yield parsed

    def _table(self, block: list[Line], whole: Whole) -> Parsed:
        if any(line.problem is not None for line in block):
            raise UnfitError("a line with a problem")
        records = [orjson.loads(line.data) for line in block]
        if set(map(type, records)) != {dict}:
            raise UnfitError("no object")
        columns = whole(records)
        ids = columns.get("source_id", pa.nulls(len(block), pa.string()))
        if ids.null_count:
            known = zip(block, ids.to_pylist(), strict=True)
            ids = pa.array([_digest(line) if id_ is None else id_ for line, id_ in known])
        columns["source_id"] = ids
        self._check(columns)
        return self._parsed(_Columns(block[0].file, columns, len(block)))

    @staticmethod
    def _check(columns: dict[str, pa.Array]) -> None:
        for name in ("started_at", "source_id"):
            if name not in columns or columns[name].null_count:
                raise UnfitError(name)

    def _parsed(self, found: _Columns) -> Parsed:
        file, columns, count = found.file, found.columns, found.lines
        times = columns["started_at"]
        for name, value in self._defaults.items():
            given = columns.get(name, pa.nulls(count, pa.string()))
            columns[name] = given.fill_null(value)
        if file != self._file:
            self._file, self._before = file, None
        begun = {} if self._before is not None else {file: _moment(times[0])}
        self._before = _moment(times[-1])
        table = pa.table(columns)
        start, end = (pa.scalar(one, TIME) for one in (self._window.start, self._window.end))
        held = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
        return Parsed(begun=begun, table=table if pc.all(held).as_py() else table.filter(held))

    def one_by_one(self, lines: Iterable[Line]) -> Iterator[Parsed]:
        """Each line alone."""
        start, end = self._window.start, self._window.end
        rows: list[Row] = []
        rejects: list[Reject] = []
        begun: dict[str, datetime] = {}
        picks: tuple[Pick, ...] = ()
        size = 0
        file, before = self._file, self._before
        for line in lines:
            if line.file != file:
                file, before = line.file, None
            size += len(line.data)
            try:
                found = self._rows(line)
            except RecordError as error:
                near = error.near or before
                if near is None or start <= near < end:
                    rejects.append(
                        Reject(line.file, line.number, error.reason, excerpt(line.data), near)
                    )
            else:
                if before is None:
                    begun[line.file] = found[0]["started_at"]
                before = found[-1]["started_at"]
                rows += [row for row in found if start <= row["started_at"] < end]
                if self._explain is not None:
                    picks = self._picks(line, found) or picks
            if len(rows) >= _STEP_ROWS or size >= _STEP_BYTES or len(rejects) >= _STEP_REJECTS:
                yield Parsed(rows, rejects, begun, picks)
                rows, rejects, begun, picks, size = [], [], {}, (), 0
        self._file, self._before = file, before
        if rows or rejects or begun:
            yield Parsed(rows, rejects, begun, picks)

    def _picks(self, line: Line, rows: list[Row]) -> tuple[Pick, ...]:
        for row in rows:
            if row["source_id"] == self._explain:
                place = Pick("record", (f"{line.file}:{line.number}",), "one record, one call")
                return (place, *picks_of_record(record_of(line.data), row))
        return ()

    def _rows(self, line: Line) -> list[Row]:
        if line.problem is not None:
            raise RecordError(line.problem)
        try:
            rows = self._parse(record_of(line.data), self._settings)
        except RecordError:
            raise
        except _SURPRISES as error:
            raise RecordError(f"cannot be read as {self._name} ({type(error).__name__})") from error
        if not rows:
            raise RecordError("holds no call")
        for index, row in enumerate(rows):
            if "source_id" not in row:
                digest = _digest(line)
                row["source_id"] = digest if len(rows) == 1 else f"{digest}#{index}"
        if self._defaults:
            rows = [self._defaults | row for row in rows]
        return rows


class _Tries:
    """Whether to try the fast way again: after blocks that did not fit, some are left out."""

    def __init__(self) -> None:
        self._skipped = self._skip = 0

    def again(self) -> bool:
        if self._skipped < self._skip:
            self._skipped += 1
            return False
        return True

    def failed(self) -> None:
        self._skipped, self._skip = 0, min(2 * self._skip + 1, _MOST_SKIPPED)

    def succeeded(self) -> None:
        self._skipped = self._skip = 0


@contextmanager
def _no_circles() -> Iterator[None]:
    """Many objects are made here, none of which refers back to itself: not looking for such circles
    meanwhile saves a quarter of the time."""
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


def _blocks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    block: list[Line] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line.data)
        if len(block) >= _STEP_ROWS or size >= _STEP_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _digest(line: Line) -> str:
    return hashlib.sha256(line.data).hexdigest()[:32]


def _moment(time: pa.Scalar) -> datetime:
    moment: datetime = time.as_py().astimezone(UTC)
    return moment


def checked_defaults(settings: SourceSettings, where: str) -> dict[str, str]:
    """The `defaults` of a source. Raises ConfigError for a name that is no text column."""
    known = [
        column.name
        for column in INTERACTIONS.columns
        if column.type == pa.string() and column.name not in {*_ID_COLUMNS, "interaction_id"}
    ]
    for name in settings.defaults:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
            raise ConfigError(
                f"{where} defaults: {name!r} is no text column of interactions. {hint}"
            )
    return dict(settings.defaults)


def check_pattern(settings: SourceSettings, where: str) -> None:
    """Raises ConfigError where `question_pattern` is no regular expression."""
    try:
        re.compile(settings.question_pattern)
    except re.error as error:
        raise ConfigError(
            f"{where} question_pattern: no regular expression ({error}). "
            "Mend it, or leave the key out."
        ) from None
