"""What a source is: it knows one log format, and turns files into rows of `interactions` and rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evalkit.config import SourceSettings

__all__ = ["Opener", "Parsed", "Reject", "Source", "Window"]

#: One row of `interactions` as a dict: canonical column names, Python values, missing ones left out.
Row = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """Event times asked for: `start` <= t < `end`, both UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Reject:
    """A record that could not be read. `near` is its own event time, or that of the readable record before it
    in its file (or after it, at the beginning of a file): it decides the day that the reject is counted on."""

    file: str
    line: int
    reason: str
    raw: str
    near: datetime | None = None


@dataclass(frozen=True)
class Parsed:
    """One step of reading: some rows and some rejects. Rows outside of the window are left out already."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True)
class Opener:
    """What a source gets besides its settings: how to reach bytes (`ingest/doors`), and where it stands.

    `lines(path_or_glob)` yields (file, line number from 1, raw bytes of the line) for every line of every
    matching file, in the order of file names, decompressed, in bounded memory: a line beyond the limit
    comes as its first bytes with `too_long` set.
    """

    lines: Callable[[SourceSettings], Iterator[Any]]


@dataclass(frozen=True)
class Source:
    """A log format. `open` yields `Parsed` steps of bounded size and never raises because of a record."""

    name: str
    open: Callable[[SourceSettings, Window, Opener], Iterator[Parsed]]
    about: str
    module: str
