"""What can be said of a source before the night: does it let us in, how new is it, what is landed, and
which host is it? Nothing is fetched here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from evalkit.config import Settings, day_bounds
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Window
from evalkit.ingest.doors import s3
from evalkit.ingest.doors.http import certificate_ends, host_of
from evalkit.ingest.doors.patience import NetworkError, Outside, Patience
from evalkit.ingest.doors.postgres import is_database
from evalkit.ingest.fetching import client_of, database_of, landing_of
from evalkit.ingest.reading import format_of

__all__ = ["access", "host", "landed"]

#: So long a source is tried that fails while someone looks.
_SECONDS = 15.0
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def access(settings: Settings, name: str, outside: Outside | None = None) -> str:
    """Whether a source elsewhere lets us in, and for how long its certificate lasts.

    Raises:
        SourceError: it does not; the message says why and what to do.
        ConfigError: the settings cannot be used.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    outside = outside or Outside()
    patience = Patience(min(_SECONDS, source.give_up_minutes * 60), outside)
    format_ = format_of(source.format, where)
    url = str(source.url)
    try:
        if is_database(url):
            database = database_of(settings, name, format_.query)
            newest = database.newest()
            rows = "no rows" if newest is None else f"newest row {newest:%Y-%m-%d %H:%M} UTC"
            return f"{database.host} lets us in: {rows}"
        if format_.api is None:
            raise ConfigError(f"{where} url: format = {source.format!r} is read from files only.")
        with client_of(settings, name, format_.api, patience, outside) as client:
            client.get(format_.api.probe, {})
    except NetworkError as error:
        raise SourceError(str(error)) from error
    told = f"{client.host} accepts the key" if source.key_env else f"{client.host} answers"
    ca_file = None if source.ca_file is None else settings.path(source.ca_file)
    ends = _ends(url, where, source.timeout_seconds, ca_file)
    if ends is not None:
        return f"{told}; its certificate ends in {(ends - outside.now()).days} days"
    if source.key_env and client.host.rpartition(":")[0] not in _LOCAL:
        return f"{told}; nothing is encrypted, so the key can be read on its way: use https://"
    return told


def landed(settings: Settings, name: str, now: datetime) -> str:
    """What is landed of the look-back: windows, and hours that are missing."""
    landing = landing_of(settings, name)
    everything = landing.all()
    days = settings.ingest.look_back_days + 1
    today = now.astimezone(settings.zone).date()
    start = day_bounds(today - timedelta(days=days), settings.zone)[0]
    gaps = landing.missing(Window(start, day_bounds(today, settings.zone)[0]))
    hours = sum((gap.end - gap.start for gap in gaps), timedelta()) / timedelta(hours=1)
    begun = f" since {everything[0].window.start:%Y-%m-%d}" if everything else ""
    lacking = f"{hours:,.1f} h are" if hours else "nothing is"
    return (
        f"{len(everything):,} windows are whole{begun}; of the {days} days to yesterday {lacking} "
        f"missing (in {landing.folder})"
    )


def host(settings: Settings, name: str) -> str | None:
    """The host that a source asks; None for files on this machine.

    Raises:
        ConfigError: the settings cannot be used.
    """
    source = settings.sources[name]
    where = f"{settings.file}: [sources.{name}]"
    if source.path is not None:
        remote = source.path.startswith(s3.SCHEME)
        return s3.host_of(source.path, source.endpoint, where) if remote else None
    url = str(source.url)
    if is_database(url):
        unlocked = source.model_copy(update={"secret_env": None})
        sources = {**settings.sources, name: unlocked}
        return database_of(
            settings.model_copy(update={"sources": sources}),
            name,
            format_of(source.format, where).query,
        ).host
    return host_of(url, where)


def _ends(url: str, where: str, seconds: float, ca_file: Path | None) -> datetime | None:
    try:
        return certificate_ends(url, where, seconds, ca_file)
    except OSError as error:
        raise SourceError(f"{where} url: the certificate cannot be seen ({error}).") from error
