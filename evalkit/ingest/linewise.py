"""Makes a source of a format with one JSON object per line, which then is only a `parse`
function."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError
from evalkit.ingest.contract import Line, Opener, Parsed, RecordError, Reject, Row, Source, Window
from evalkit.ingest.records import excerpt, record_of
from evalkit.schema import INTERACTIONS

__all__ = ["Parse", "check_pattern", "checked_defaults", "line_source"]

#: Turns one JSON object into rows (more than one where a call gave several answers). Raises
#: RecordError for a record that cannot be used. Must set `started_at`; without `source_id` the
#: line's hash is the id.
Parse = Callable[[dict[str, Any], SourceSettings], list[Row]]

_STEP_ROWS = 4096
_STEP_BYTES = 8 * 1024 * 1024
_STEP_REJECTS = 1024
#: What a parser can raise on a value nobody thought of. The record becomes a reject, and the night
#: goes on.
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_ID_COLUMNS = {"source", "source_id"}


def line_source(name: str, parse: Parse, module: str) -> Source:
    """A source for a line-wise JSON format; the docstring of `parse` is its documentation."""

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        return _Reading(name, parse, settings, window, opener.where).steps(opener.lines(settings))

    return Source(name, open_, (parse.__doc__ or "").strip(), module)


class _Reading:
    """One pass over the lines of one source."""

    def __init__(
        self, name: str, parse: Parse, settings: SourceSettings, window: Window, where: str
    ) -> None:
        self._name = name
        self._parse = parse
        self._settings = settings
        self._window = window
        self._defaults = checked_defaults(settings, where)
        check_pattern(settings, where)

    def steps(self, lines: Iterator[Line]) -> Iterator[Parsed]:
        start, end = self._window.start, self._window.end
        rows: list[Row] = []
        rejects: list[Reject] = []
        begun: dict[str, datetime] = {}
        size = 0
        file: str | None = None
        before: datetime | None = None
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
            if len(rows) >= _STEP_ROWS or size >= _STEP_BYTES or len(rejects) >= _STEP_REJECTS:
                yield Parsed(rows, rejects, begun)
                rows, rejects, begun, size = [], [], {}, 0
        if rows or rejects or begun:
            yield Parsed(rows, rejects, begun)

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
                digest = hashlib.sha256(line.data).hexdigest()[:32]
                row["source_id"] = digest if len(rows) == 1 else f"{digest}#{index}"
        if self._defaults:
            rows = [self._defaults | row for row in rows]
        return rows


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
