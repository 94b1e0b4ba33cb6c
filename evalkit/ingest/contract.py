"""What a source is: it knows one log format, and gives rows and rejects. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from evalkit.config import SourceSettings
from evalkit.ingest.explaining import Pick

__all__ = [
    "Api",
    "Block",
    "Client",
    "Line",
    "Opener",
    "Parsed",
    "Query",
    "RecordError",
    "Reject",
    "Row",
    "Source",
    "Window",
    "lines_of",
]

#: One row of `interactions` as a dict: canonical column names, Python values, missing ones left
#: out. Lists of structs are lists of dicts, `attributes` is a dict of strings; `day` and
#: `interaction_id` are not a source's business and are ignored.
Row = dict[str, Any]


class RecordError(ValueError):
    """One record cannot be used; the text becomes the reject's reason.

    `near` is the record's own event time, where that much could be read.
    """

    def __init__(self, reason: str, near: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.near = near


class Line(NamedTuple):
    """One line of a file, without its line break; numbers count from 1.

    `problem` says why `data` is not the whole line (too long, a damaged archive); else it is None.
    """

    file: str
    number: int
    data: bytes
    problem: str | None = None


class Block(NamedTuple):
    """Whole lines of a file as they stand in it; `number` is the first one's. Some may be blank; none
    is too long."""

    file: str
    number: int
    data: bytes

    def lines(self) -> Iterator[Line]:
        """Each line alone, without the blank ones."""
        for number, line in enumerate(self.data.split(b"\n"), start=self.number):
            if line and not line.isspace():
                yield Line(self.file, number, line)


def lines_of(pieces: Iterable[Line | Block]) -> Iterator[Line]:
    """Each line alone."""
    for piece in pieces:
        if isinstance(piece, Block):
            yield from piece.lines()
        else:
            yield piece


@dataclass(frozen=True)
class Window:
    """Event times asked for: `start` <= t < `end`, both UTC."""

    start: datetime
    end: datetime

    def holds(self, time: datetime) -> bool:
        return self.start <= time < self.end


@dataclass(frozen=True)
class Reject:
    """A record that could not be read. `near` decides the day that it is counted on: its own event
    time, else that of the readable record before it in its file. None at the beginning of a file:
    then the file's entry in `Parsed.begun` stands in, once there is one."""

    file: str
    line: int
    reason: str
    raw: str
    near: datetime | None = None


@dataclass(frozen=True)
class Parsed:
    """One step of reading: some rows and some rejects. Rows may also come as `table`: columns of
    `interactions` with `source_id` and `started_at` among them, whose values fit. Rows outside of the window are left out
    already; rejects whose `near` is outside may be. `begun` maps files to the time of their first
    readable record. `picks` are there where the row that `Opener.explain` asks for was made.
    """

    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    begun: Mapping[str, datetime] = field(default_factory=dict)
    picks: tuple[Pick, ...] = ()
    table: pa.Table | None = None


@dataclass(frozen=True)
class Opener:
    """What a source gets besides its settings: a way to the bytes (`ingest/doors`), and its place
    in the configuration for messages (`evalkit.toml: [sources.gateway]`).

    `lines(settings)` yields every line of every matching file, in the order of file names,
    decompressed, in bounded memory; `blocks(settings)`, where it is there, the same lines, many at
    once where they can be had so. `explain` is the `source_id` of a row that someone asks about:
    the source then says what it made that row of (`Parsed.picks`).
    """

    lines: Callable[[SourceSettings], Iterator[Line]]
    where: str
    explain: str | None = None
    blocks: Callable[[SourceSettings], Iterator[Line | Block]] | None = None


class Client(Protocol):
    """A way to ask one HTTP API (`ingest/doors`). Addresses, waits, retries and limits are its
    business; what it raises ends the window that is being fetched, and is not a source's to catch.
    """

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        """The parsed JSON at `path` below the source's `url`."""

    def post(self, path: str, body: Any) -> Any:
        """The parsed JSON that answers a JSON body."""


@dataclass(frozen=True)
class Api:
    """How a format's records are asked for over HTTP.

    `fetch` yields every record whose event time lies in the window (more does no harm), each as the
    JSON object that the format's `open` reads from a line, page after page. `headers` makes the
    headers of a request from (settings, key, secret). `probe` is a path whose answer says whether
    the key is good.
    """

    fetch: Callable[[SourceSettings, Window, Client], Iterator[dict[str, Any]]]
    headers: Callable[[SourceSettings, str | None, str | None], Mapping[str, str]]
    probe: str


@dataclass(frozen=True)
class Query:
    """How a format's records are asked for in a PostgreSQL database: a SELECT, and its column that
    says when a row was written. Its rows are read as JSON objects of their columns."""

    select: str
    watermark: str


@dataclass(frozen=True)
class Source:
    """A log format. `open` yields `Parsed` steps of bounded size and never raises because of a
    record. `api` and `query` are there where the format's records can be had from a vendor's API or
    from a database as well as from files."""

    name: str
    open: Callable[[SourceSettings, Window, Opener], Iterator[Parsed]]
    about: str
    module: str
    api: Api | None = None
    query: Query | None = None
