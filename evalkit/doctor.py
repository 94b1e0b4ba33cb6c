"""`evalkit doctor`: is everything there that tonight's run needs, and which hosts may it contact?"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from evalkit import prices
from evalkit.config import Settings, SourceSettings
from evalkit.encoders import open_embedder
from evalkit.errors import EvalkitError
from evalkit.ingest import Redaction, looking, newest_record
from evalkit.lake import Lake
from evalkit.schema import TABLES
from evalkit.scoring import select

__all__ = ["Check", "examine"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    ok: bool
    message: str


def examine(settings: Settings) -> list[Check]:
    """Look at everything; a check that fails never hides the others."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("configuration", True, f"{settings.base / settings.file} ({settings.fingerprint})")
    if not settings.sources:
        yield Check(
            "sources", False, f"{settings.file}: [sources]: none. Add a [sources.NAME] table."
        )
    for name, source in settings.sources.items():
        if source.url is not None:
            yield _tried(f"access {name}", partial(looking.access, settings, name))
            yield _tried(
                f"landing {name}", partial(looking.landed, settings, name, datetime.now(UTC))
            )
        yield _tried(f"source {name}", partial(_source, settings, name, source))
    yield _tried("redaction", lambda: _redaction(settings))
    yield _tried("prices", lambda: _prices(settings))
    yield _tried("model", lambda: _model(settings))
    yield _tried("scorers", lambda: ", ".join(select(settings)))
    yield _tried("lake", lambda: _lake(settings))
    if settings.mail.host is not None:
        yield _tried("mail", lambda: _mail(settings))
    yield _tried("hosts", lambda: _hosts(settings))


def _tried(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, True, look())
    except (EvalkitError, OSError, smtplib.SMTPException) as error:
        return Check(what, False, str(error))


def _source(settings: Settings, name: str, source: SourceSettings) -> str:
    newest = newest_record(settings, name)
    if newest is None:
        place = source.path or f"what was fetched from {source.url}"
        return f"{source.format}: no readable record in {place}"
    hours = (datetime.now(UTC) - newest).total_seconds() / 3600
    return f"{source.format}: newest record {newest:%Y-%m-%d %H:%M} UTC, {hours:,.0f} h ago"


def _redaction(settings: Settings) -> str:
    Redaction(settings)
    wanted = settings.redaction
    classes = [*wanted.classes, *wanted.patterns]
    users = "as keyed hashes" if wanted.hash_users_env else "as the source names them"
    return f"taken out: {', '.join(classes) or 'nothing'}; user ids are stored {users}"


def _prices(settings: Settings) -> str:
    file = settings.prices.file
    known = prices.load(None if file is None else settings.path(file))
    return f"{len(known)} models in {file or 'the shipped list'} ({known.fingerprint})"


def _model(settings: Settings) -> str:
    with open_embedder(settings) as embedder:
        embedder.embed(["Is the model there?"])
        return f"{embedder.fingerprint}, {embedder.dim} dimensions"


def _lake(settings: Settings) -> str:
    lake = Lake(settings.lake_url)
    rows = []
    for table in TABLES:
        days = lake.days(table)
        if days:
            rows.append(f"{table.name} {len(days)} days to {days[-1]}")
    if "://" not in settings.lake_url:
        parent = settings.path(settings.lake.path)
        while not parent.exists():
            parent = parent.parent
        if not os.access(parent, os.W_OK):
            raise EvalkitError(f"{parent}: may not be written.")
    return f"{settings.lake_url}: " + (", ".join(rows) or "empty")


def _mail(settings: Settings) -> str:
    mail = settings.mail
    host = str(mail.host)
    if mail.password_env is not None and mail.password_env not in os.environ:
        raise EvalkitError(
            f"[mail] password_env: {mail.password_env} is not set in the environment."
        )
    if not mail.to:
        raise EvalkitError("[mail] to: nobody. Add the addresses that get the mail.")
    if mail.security != "tls":
        with smtplib.SMTP(host, mail.port, timeout=mail.timeout_seconds) as server:
            server.noop()
        return f"{host}:{mail.port} answers"
    context = ssl.create_default_context(
        cafile=None if mail.ca_file is None else str(settings.path(mail.ca_file))
    )
    with (
        socket.create_connection((host, mail.port), mail.timeout_seconds) as line,
        context.wrap_socket(line, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = (datetime.fromtimestamp(ends, UTC) - datetime.now(UTC)).days
    return f"{host}:{mail.port} answers, its certificate ends in {days} days"


def _hosts(settings: Settings) -> str:
    hosts = []
    for name in settings.sources:
        host = looking.host(settings, name)
        if host is not None:
            hosts.append(f"{host} (source {name})")
    if "://" in settings.lake.path:
        hosts.append(f"{settings.lake.path} (lake)")
    if settings.mail.host is not None:
        hosts.append(f"{settings.mail.host}:{settings.mail.port} (mail)")
    return "may contact: " + (", ".join(hosts) or "none")
