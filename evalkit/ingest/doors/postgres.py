"""Rows of a PostgreSQL database, a window of time at once, each as the JSON object of its columns. Which
windows are asked for is not known here, nor what the columns mean."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import pyarrow as pa

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError
from evalkit.ingest.contract import Query, Window
from evalkit.ingest.doors.patience import NetworkError, RefusedError, SlowError
from evalkit.ingest.doors.watching import SilentError, watched

__all__ = ["Database", "is_database", "query_of"]

_SCHEMES = ("postgresql", "postgres")
_INSTALL = "pip install 'evalkit[postgres]'"
_BATCH_BYTES = 4 * 1024 * 1024
#: How much longer than the server's own limit an answer may take before the line is given up.
_GRACE_SECONDS = 5.0
_CANCELLED = "57014"
#: Classes of SQLSTATE for which no further try will do: the password, the right, the query, the name.
_REFUSED = ("28", "42", "3D", "3F", "0A", "22")
#: What a server says that lets nobody in; it comes without a code.
_KNOCKED = re.compile(
    r"FATAL:\s+(?:password|role|database|no pg_hba|permission)|authentication failed"
)
#: What the driver puts before the server's own words.
_DRIVERS = re.compile(r"^[A-Z_]+: |\[libpq\] |Failed to prepare query: |ERROR: ")
_Item = TypeVar("_Item")

# The rows come as JSON that the server makes: it is the one that knows every type. The window stands
# in settings of the transaction, for a COPY, which alone streams, takes no parameters.
_LIMITS = (
    "SELECT set_config('statement_timeout', $1, true), set_config('TimeZone', 'UTC', true), "
    "set_config('IntervalStyle', 'iso_8601', true), "
    "set_config('evalkit.begin', $2, true), set_config('evalkit.end', $3, true)"
)
_ROWS = """SELECT row_to_json(evalkit_row)::text FROM (
{select}
) AS evalkit_row
WHERE evalkit_row.{column} >= current_setting('evalkit.begin')::timestamptz
AND evalkit_row.{column} < current_setting('evalkit.end')::timestamptz
ORDER BY evalkit_row.{column}"""
_NEWEST = """SELECT max(evalkit_row.{column})::timestamptz FROM (
{select}
) AS evalkit_row"""


def query_of(own: Query | None, settings: SourceSettings, where: str) -> Query:
    """What to read for a source: the configuration's query, else its format's own.

    Raises:
        ConfigError: neither is there, or nothing says when a row was written.
    """
    if settings.query is not None:
        if settings.watermark is None:
            raise ConfigError(
                f"{where} watermark: missing. Name the column of the query that says when a row was "
                "written: a timestamp, with an index on it."
            )
        return Query(settings.query, settings.watermark)
    if own is None:
        raise ConfigError(
            f"{where} query: missing. format = {settings.format!r} has no table of its own: give a "
            "SELECT, and its watermark column."
        )
    return Query(own.select, settings.watermark or own.watermark)


def is_database(url: str | None) -> bool:
    """Whether an address is that of a PostgreSQL database."""
    return url is not None and urlsplit(url).scheme in _SCHEMES


@dataclass(frozen=True)
class Database:
    """A way to ask one database, in transactions that can only read.

    Attributes:
        uri: with everything but the password.
        password: None where none is needed, or the system knows it (`.pgpass`, a certificate).
        query: what to read.
        timeout_seconds: how long one statement may take.
        where: which source is meant, for messages.
    """

    uri: str
    password: str | None = field(repr=False)
    query: Query
    timeout_seconds: float
    where: str

    @staticmethod
    def of(
        url: str,
        password: str | None,
        query: Query,
        where: str,
        *,
        timeout_seconds: float = 30.0,
        ca_file: str | None = None,
    ) -> Database:
        """The database at a URL of the configuration.

        Raises:
            ConfigError: the URL is none or holds a password, or the driver is not installed.
        """
        try:
            parts = urlsplit(url)
            given = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            secret = parts.password is not None or "password" in given
            _ = parts.port  # says whether it is a number
        except ValueError:
            raise ConfigError(
                f"{where} url: no address. Write postgresql://user@host:5432/database."
            ) from None
        if secret:
            raise ConfigError(
                f"{where} url: a password never stands in the configuration. "
                "Name the environment variable that holds it: secret_env."
            )
        seconds = str(max(2, round(timeout_seconds)))
        options = {"application_name": "evalkit", "connect_timeout": seconds}
        if ca_file is not None:
            options |= {"sslmode": "verify-full", "sslrootcert": ca_file}
        text = urlencode(options | given, quote_via=quote)
        uri = urlunsplit(("postgresql", parts.netloc, parts.path, text, ""))
        # Without a host the URL begins with three slashes, which urlunsplit does not write.
        if not parts.netloc:
            uri = uri.replace("postgresql:/", "postgresql:///", 1)
        _driver(where)
        return Database(uri, password, query, timeout_seconds, where)

    @property
    def host(self) -> str:
        """Whom it asks, as `host:port`; `localhost` for a socket."""
        parts = urlsplit(self.uri)
        given = dict(parse_qsl(parts.query))
        host = parts.hostname or given.get("host", "localhost")
        if unquote(host).startswith("/"):
            return "localhost"
        return f"{host}:{parts.port or given.get('port', 5432)}"

    def lines(self, window: Window) -> Iterator[bytes]:
        """The rows whose watermark lies in a window, in its order, each a JSON object on a line with
        its break: some MiB at a time, whatever the window holds.

        Raises:
            SlowError: it took too long.
            RefusedError: it will not answer this query, or not to this user.
            NetworkError: it failed. What was given before any of them belongs to no whole window.
        """
        statement = _ROWS.format(
            select=_inner(self.query.select), column=_quoted(self.query.watermark)
        )

        def ask() -> Iterator[bytes]:
            for batch in self._batches(statement, window):
                rows = batch.column(0).cast(pa.binary()).to_pylist()
                # A break in there is white space of a `json` column: in texts it is written \\n.
                yield b"".join(row.replace(b"\n", b" ") + b"\n" for row in rows)

        yield from self._in_time(ask)

    def newest(self) -> datetime | None:
        """The newest watermark; None for an empty table.

        Raises:
            NetworkError: it failed.
        """
        statement = _NEWEST.format(
            select=_inner(self.query.select), column=_quoted(self.query.watermark)
        )
        epoch = datetime(1970, 1, 1, tzinfo=UTC)

        def ask() -> Iterator[datetime | None]:
            for batch in self._batches(statement, Window(epoch, epoch)):
                yield from batch.column(0).to_pylist()

        found = next(self._in_time(ask), None)
        return None if found is None else found.astimezone(UTC)

    def _in_time(self, ask: Callable[[], Iterator[_Item]]) -> Iterator[_Item]:
        seconds = self.timeout_seconds + _GRACE_SECONDS
        try:
            yield from watched(ask, seconds, "evalkit-postgres")
        except SilentError:  # half of the window would not come either
            raise NetworkError(f"it said nothing for {seconds:g} s") from None

    def _batches(self, statement: str, window: Window) -> Iterator[pa.RecordBatch]:
        driver = _driver(self.where)
        begun: float | None = None
        try:
            # Autocommit is off: the first statement opens the transaction, closing ends it.
            with (
                closing(driver.connect(self._with_password())) as connection,
                closing(connection.cursor()) as cursor,
            ):
                cursor.execute("SET TRANSACTION READ ONLY")
                limit = f"{max(1, round(self.timeout_seconds * 1000))}ms"
                cursor.execute(_LIMITS, (limit, window.start.isoformat(), window.end.isoformat()))
                cursor.fetchall()
                size = {"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
                cursor.adbc_statement.set_options(**size)
                begun = time.monotonic()
                cursor.execute(statement)
                yield from cursor.fetch_record_batch()
        except (driver.Error, pa.ArrowException, OSError) as error:
            late = begun is not None and time.monotonic() - begun >= self.timeout_seconds
            raise self._told(error, late) from None

    def _with_password(self) -> str:
        if self.password is None:
            return self.uri
        return f"{self.uri}&{urlencode({'password': self.password}, quote_via=quote)}"

    def _told(self, error: Exception, late: bool) -> NetworkError:
        code = getattr(error, "sqlstate", None)
        # What fails in the middle of a stream has no code.
        if code == _CANCELLED or (late and code is None):
            return SlowError(f"{self.host} did not answer within {self.timeout_seconds:g} s")
        said = f"{self.host}: {self._said(error)}"
        refused = code is not None and code.startswith(_REFUSED)
        return RefusedError(said) if refused or _KNOCKED.search(said) else NetworkError(said)

    def _said(self, error: Exception) -> str:
        """What the database said, on one line, without the statement and the password."""
        text = str(error).partition("Query was:")[0]
        text = re.sub(r"\nLINE \d+:.*?\n[ \t]*\^", "", text, flags=re.DOTALL)
        text = _DRIVERS.sub("", " ".join(text.split()))
        for secret in {self.password, quote(self.password or "")} - {None, ""}:
            text = text.replace(str(secret), "***")
        return text[:300]


def _inner(select: str) -> str:
    return select.strip().removesuffix(";")


def _quoted(name: str) -> str:
    """A column's name as an identifier: names cannot be bound."""
    return '"' + name.replace('"', '""') + '"'


def _driver(where: str) -> Any:
    try:
        import adbc_driver_postgresql.dbapi as driver
    except ImportError as error:
        raise ConfigError(
            f"{where} url: PostgreSQL is read through a driver that is not installed. "
            f"Run: {_INSTALL}"
        ) from error
    return driver
