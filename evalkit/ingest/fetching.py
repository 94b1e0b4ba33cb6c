"""Brings what sources hold elsewhere into the landing, window by window. How one answer is got is a
door's business, and what it means a source's."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

from evalkit.config import Settings, SourceSettings
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Api, Line, Query, Source, Window
from evalkit.ingest.doors import files
from evalkit.ingest.doors.landing import Landing, without
from evalkit.ingest.doors.patience import (
    GivenUpError,
    NetworkError,
    Outside,
    Patience,
    RefusedError,
    SlowError,
)
from evalkit.ingest.doors.postgres import Database, is_database, query_of
from evalkit.ingest.redaction import Redaction

if TYPE_CHECKING:
    from evalkit.ingest.doors.http import HttpClient

__all__ = ["Missing", "client_of", "database_of", "fetch", "landed_lines", "landing_of"]

#: For which time something is not there, and why.
Missing = tuple[Window, str]
#: Gives the lines of one window (see `Landing.store`).
Ask = Callable[[Window], Iterator[bytes]]

_MINUTE = timedelta(minutes=1)
#: A trace runs over midnight: so much around the days is fetched too.
_AROUND = timedelta(hours=1)
#: A database is asked by when a row was written, which is later than its event.
_WRITTEN_LATER = timedelta(days=1)
#: What is fetched sooner than this after its end is not whole: vendors lag behind.
_SETTLING = timedelta(minutes=15)
#: So often a window is fetched whose answers came and contradict themselves.
_TRIES = 5
_SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _UnusableError(NetworkError):
    """The vendor does not know what the configuration names, or did not say so for once."""


def fetch(
    settings: Settings, name: str, format_: Source, days: Sequence[Window], outside: Outside
) -> list[Missing]:
    """Bring the windows of some days into the landing: what is not there, and what may have changed.

    Whatever goes wrong on the way costs windows and never the night: what has come is kept, the rest
    is fetched by the next run.

    Args:
        settings, name: which source; it has a `url`.
        format_: its format.
        days: from the beginnings of days to the ends of days.
        outside: time and waiting.

    Returns:
        The parts of `days` that are not whole now, oldest first, with their reasons.

    Raises:
        ConfigError: the settings cannot be used.
        SourceError: the landing cannot be written.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    patience = Patience(source.give_up_minutes * 60, outside)
    landing = landing_of(settings, name)
    later = _WRITTEN_LATER if is_database(source.url) else _AROUND
    now = outside.now()
    wanted = [
        _grid(Window(span.start - _AROUND, min(span.end + later, now)), source.window_minutes)
        for span in days
        if span.start - _AROUND < now
    ]
    fetching = _Fetching(landing, source.window_minutes, patience, outside)
    try:
        with _way(settings, name, format_, where, patience, outside) as ask:
            redaction = Redaction(settings)  # nothing is landed that may not be stored
            fetching.all(wanted, lambda window: redaction.lines(ask(window)))
    except RefusedError as refused:
        for window in wanted:
            fetching.leave(window, str(refused))
    except OSError as error:
        raise SourceError(
            f"{settings.file}: [ingest] landing: {landing.folder} cannot be written "
            f"({error.strerror or error}). Check its permissions and the space on the disk."
        ) from error
    for window in wanted:
        landing.tidy(window, now)
    if settings.ingest.landing_days is not None:
        kept = now - timedelta(days=settings.ingest.landing_days)
        landing.forget(min([kept, *(window.start for window in wanted)]))
    return [
        one
        for span in days
        for one in _within(span, _wider(span, _AROUND, later), fetching.missing)
    ]


def landing_of(settings: Settings, name: str) -> Landing:
    """Where the windows of a source are. Another address or query has another place: what came from
    one says nothing of the other."""
    source = settings.sources[name]
    asked = [source.format, source.url, source.project, source.query, source.watermark]
    mark = hashlib.sha256(orjson.dumps(asked)).hexdigest()[:8]
    folder = (
        settings.path(settings.ingest.landing) / quote(name, safe="").replace(".", "%2E") / mark
    )
    lasting = max(timedelta(days=settings.ingest.look_back_days), _SETTLING)
    return Landing(folder, lasting)


def landed_lines(settings: Settings, name: str, window: Window) -> Iterator[Line]:
    """The lines of all landed windows that touch a window or its surroundings, in order of time."""
    later = _WRITTEN_LATER if is_database(settings.sources[name].url) else _AROUND
    around = _wider(window, _AROUND, later)
    where = f"{settings.file}: [sources.{name}]"
    for landed in landing_of(settings, name).files(around):
        yield from files.lines(str(landed.path), settings.base, where, required=False)


def client_of(
    settings: Settings, name: str, api: Api, patience: Patience, outside: Outside
) -> HttpClient:
    """The way to a source's API.

    Raises:
        RefusedError: an environment variable that holds a key is not set.
        ConfigError: the settings cannot be used.
    """
    from evalkit.ingest.doors.http import HttpClient  # what is not needed is not loaded

    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    key = _secret(source.key_env, f"{where} key_env")
    secret = _secret(source.secret_env, f"{where} secret_env")
    return HttpClient(
        str(source.url),
        api.headers(source, key, secret),
        where,
        patience,
        outside,
        secrets=[text for text in (key, secret) if text],
        requests_per_second=source.requests_per_second,
        timeout_seconds=source.timeout_seconds,
        ca_file=_ca_file(settings, source),
    )


def database_of(settings: Settings, name: str, query: Query | None) -> Database:
    """The way to a source's database; `query` is that of its format.

    Raises:
        RefusedError: the environment variable that holds the password is not set.
        ConfigError: the settings cannot be used, or nobody says what to read.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    password = _secret(source.secret_env, f"{where} secret_env")
    ca_file = _ca_file(settings, source)
    return Database.of(
        str(source.url),
        password,
        query_of(query, source, where),
        where,
        timeout_seconds=source.timeout_seconds,
        ca_file=None if ca_file is None else str(ca_file),
    )


def _way(
    settings: Settings,
    name: str,
    format_: Source,
    where: str,
    patience: Patience,
    outside: Outside,
) -> AbstractContextManager[Ask]:
    source = settings.sources[name]
    if is_database(source.url):
        return nullcontext(database_of(settings, name, format_.query).lines)
    if format_.api is None:
        raise ConfigError(
            f"{where} url: format = {source.format!r} is read from files only. Give a path instead."
        )
    client = client_of(settings, name, format_.api, patience, outside)
    return _AskingApi(source, format_.api, client)


class _AskingApi:
    """Asks an API, and lets its connections go at the end."""

    def __init__(self, source: SourceSettings, api: Api, client: HttpClient) -> None:
        self._source = source
        self._api = api
        self._client = client

    def __enter__(self) -> Ask:
        return self._ask

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def _ask(self, window: Window) -> Iterator[bytes]:
        try:
            for record in self._api.fetch(self._source, window, self._client):
                yield orjson.dumps(record) + b"\n"
        except ConfigError as error:
            raise _UnusableError(str(error)) from error
        except (SourceError, *_SURPRISES) as error:
            said = type(error).__name__ if isinstance(error, _SURPRISES) else str(error)
            raise NetworkError(f"{self._client.host} answers what cannot be: {said}") from error


class _Fetching:
    """One pass over the windows of a source. A window that takes too long is halved, down to a
    minute; what works is doubled again."""

    def __init__(
        self, landing: Landing, minutes: int, patience: Patience, outside: Outside
    ) -> None:
        self.missing: list[Missing] = []
        self._landing = landing
        self._minutes = minutes
        self._width = minutes
        self._patience = patience
        self._outside = outside

    def all(self, wanted: Sequence[Window], ask: Ask) -> None:
        """Fetch everything, oldest first."""
        left = deque(self._plan(wanted))
        while left:
            piece, rest = _cut(left.popleft(), self._width * _MINUTE)
            if rest is not None:
                left.appendleft(rest)
            try:
                self._one(piece, ask)
            except SlowError as error:
                if piece.end - piece.start > _MINUTE:
                    self._width = max(1, (piece.end - piece.start) // _MINUTE // 2)
                    left.appendleft(piece)
                else:
                    self.leave(piece, str(error))
            except (GivenUpError, RefusedError) as error:
                for window in (piece, *left):
                    self.leave(window, str(error))
                return
            except NetworkError as error:
                self.leave(piece, str(error))
            else:
                self._width = min(self._minutes, self._width * 2)

    def leave(self, window: Window, reason: str) -> None:
        """What an earlier run fetched whole stands; the rest of the window is missing."""
        gaps = [window]
        for landed in self._landing.files(window):
            if landed.fetched >= landed.window.end + _SETTLING:
                gaps = [rest for gap in gaps for rest in without(gap, landed.window)]
        self.missing += [(gap, reason) for gap in gaps]

    def _plan(self, wanted: Sequence[Window]) -> list[Window]:
        plan: set[Window] = set()
        for window in wanted:
            plan.update(landed.window for landed in self._landing.unsettled(window))
            for gap in self._landing.missing(window):
                plan.update(_cells(gap, self._minutes))
        return sorted(plan, key=lambda window: (window.start, window.end))

    def _one(self, window: Window, ask: Ask) -> None:
        for attempt in range(1, _TRIES + 1):
            fetched = self._outside.now()
            try:
                self._landing.store(window, ask(window), fetched)
            except (SlowError, RefusedError, GivenUpError):
                raise
            except NetworkError as error:
                if attempt == _TRIES:
                    if isinstance(error, _UnusableError):
                        raise RefusedError(str(error)) from error
                    raise
                self._patience.wait(attempt, str(error))
            else:
                self._patience.succeeded()
                return


def _secret(variable: str | None, where: str) -> str | None:
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise RefusedError(
            f"{where}: {variable} is not set in the environment. Set it for the run."
        )
    return value


def _ca_file(settings: Settings, source: SourceSettings) -> Path | None:
    return None if source.ca_file is None else settings.path(source.ca_file)


def _grid(window: Window, minutes: int) -> Window:
    """The window, extended to marks of the clock: multiples of so many minutes from midnight UTC."""
    end = _mark(window.end, minutes)
    if end < window.end:
        end = min(end + minutes * _MINUTE, _midnight(window.end) + timedelta(days=1))
    return Window(_mark(window.start, minutes), max(end, _mark(window.start, minutes)))


def _cells(window: Window, minutes: int) -> Iterator[Window]:
    """The parts of a window between the marks of the clock."""
    start = window.start
    while start < window.end:
        mark = _mark(start, minutes)
        next_mark = min(mark + minutes * _MINUTE, _midnight(start) + timedelta(days=1))
        end = min(next_mark, window.end)
        yield Window(start, end)
        start = end


def _mark(time: datetime, minutes: int) -> datetime:
    midnight = _midnight(time)
    return midnight + (time - midnight) // (minutes * _MINUTE) * (minutes * _MINUTE)


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _cut(window: Window, width: timedelta) -> tuple[Window, Window | None]:
    if window.end - window.start <= width:
        return window, None
    return Window(window.start, window.start + width), Window(window.start + width, window.end)


def _wider(window: Window, before: timedelta, after: timedelta) -> Window:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    start = window.start - before if window.start - first > before else first
    end = window.end + after if last - window.end > after else last
    return Window(start, end)


def _within(span: Window, around: Window, missing: list[Missing]) -> list[Missing]:
    """What is missing of a span, neighbours with one reason together. What is missing just outside
    of it is missing to the traces that run over its edge."""
    found: list[Missing] = []
    for window, reason in sorted(missing, key=lambda one: one[0].start):
        if window.end <= around.start or around.end <= window.start:
            continue
        start, end = max(window.start, span.start), min(window.end, span.end)
        if window.end <= span.start:
            start, end = span.start, span.start + _MINUTE
        elif span.end <= window.start:
            start, end = span.end - _MINUTE, span.end
        if found and found[-1][1] == reason and start <= found[-1][0].end:
            before, _ = found.pop()
            start, end = before.start, max(before.end, end)
        found.append((Window(start, end), reason))
    return found
