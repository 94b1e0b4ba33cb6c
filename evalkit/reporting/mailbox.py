"""The send step: which mails are due, what happened to them. A mail that cannot go out stays owed.

The ledger's rows of kind `mail` remember it: `sent`, `owed` or `given_up`. The next night that
reaches the server delivers what is owed, oldest first, so a server that is down for three nights
costs no night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from evalkit.config import Settings
from evalkit.errors import EvalkitError
from evalkit.metrics import Metric
from evalkit.reporting.mail import compose
from evalkit.reporting.pack import Pack
from evalkit.reporting.page import gather
from evalkit.reporting.smtp import Line, connect
from evalkit.reporting.summary import NightSummary
from evalkit.reporting.words import plural
from evalkit.schema import LEDGER

if TYPE_CHECKING:
    from evalkit.lake import Lake

__all__ = ["Sent", "send"]

#: A mail that is owed longer than this many days is news no more.
OWED_DAYS = 7


@dataclass(frozen=True)
class Sent:
    """What became of a night's mail.

    `status` is sent, owed (the next night tries again) or none (none is due); `message` says more.
    """

    status: str
    message: str

    def __str__(self) -> str:
        return f"{self.status}: {self.message}" if self.message else self.status


@dataclass(frozen=True)
class _Recorded:
    """The outcome of an earlier night, as its run wrote it into the ledger."""

    day: date
    status: str
    reasons: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, float | None] = field(default_factory=dict)


def send(
    settings: Settings, lake: Lake, night: NightSummary, metrics: Mapping[str, Metric]
) -> Sent:
    """Send the mail of a night, after the ones that are still owed.

    A mail that was sent is not sent again, however often the night is run. Never raises: a server
    that is down, a wrong password or an unreadable table is told in the result (and the mail
    stays owed).

    Args:
        settings: the server, who gets it, and whether healthy nights send one.
        lake: read for the mail's content, written for what became of it.
        night: which night, and its outcome.
        metrics: every metric that may stand in `daily`, by name.
    """
    if settings.mail.host is None:
        return Sent("none", "no [mail] host")
    try:
        return _send(settings, lake, night, metrics)
    except EvalkitError as error:
        return Sent("owed", str(error))


def _send(
    settings: Settings, lake: Lake, night: NightSummary, metrics: Mapping[str, Metric]
) -> Sent:
    known = _mails(lake, night.day)
    oldest = night.day - timedelta(days=OWED_DAYS)
    owed = [day for day, status in known.items() if status == "owed" and day < night.day]
    for day in owed:
        if day < oldest:
            _record(lake, day, "given_up", f"not delivered within {OWED_DAYS} days")
    owed = [day for day in owed if day >= oldest]
    due = settings.mail.when == "always" or night.status != "healthy"
    today = due and known.get(night.day) != "sent"
    if not owed and not today:
        if due:
            return Sent("sent", "was sent before")
        return Sent("none", "nothing to tell")
    if not settings.mail.to:
        problem = f"{settings.file}: [mail] to: nobody. Add the addresses that get the mail."
        return _owe(lake, night.day, problem) if today else Sent("owed", problem)
    delivered: list[date] = []
    refused: list[str] = []
    try:
        with connect(settings) as line:
            for day in owed:
                refused += _one(settings, lake, line, _outcome(lake, day), metrics)
                delivered.append(day)
            if today:
                refused += _one(settings, lake, line, night, metrics)
    except EvalkitError as error:
        return _owe(lake, night.day, str(error)) if today else Sent("owed", str(error))
    said = [f"to {plural(len(settings.mail.to), 'address', 'addresses')}"] if today else []
    if delivered:
        said.append(f"{plural(len(delivered), 'owed mail')} delivered")
    if refused:
        said.append(f"refused: {', '.join(sorted(set(refused)))}")
    if due:
        return Sent("sent", "; ".join(said))
    return Sent("none", "; ".join(["nothing to tell", *said]))


def _one(
    settings: Settings, lake: Lake, line: Line, night: NightSummary, metrics: Mapping[str, Metric]
) -> list[str]:
    """Deliver one mail and remember that it was."""
    pack = Pack.of(settings)
    refused = line.deliver(
        compose(settings, lake, pack, gather(settings, lake, pack, night, metrics))
    )
    _record(lake, night.day, "sent", f"refused: {', '.join(refused)}" if refused else None)
    return refused


def _owe(lake: Lake, day: date, problem: str) -> Sent:
    _record(lake, day, "owed", problem)
    return Sent("owed", problem)


def _mails(lake: Lake, day: date) -> dict[date, str]:
    """What became of the mails up to a day, oldest first."""
    rows = lake.sql(
        "SELECT day, status FROM ledger WHERE kind = 'mail' AND day BETWEEN $first AND $day "
        "ORDER BY day",
        {"first": day - timedelta(days=60), "day": day},
    ).to_pylist()
    return {row["day"]: row["status"] for row in rows}


def _outcome(lake: Lake, day: date) -> NightSummary:
    rows = lake.sql(
        "SELECT status, message, received, accepted, duplicate, rejected, scored FROM ledger "
        "WHERE kind = 'run' AND day = $day ORDER BY started_at DESC NULLS LAST LIMIT 1",
        {"day": day},
    ).to_pylist()
    if not rows or rows[0]["status"] == "running":  # never run, or killed on the way
        return _Recorded(day, "failed", ["it was not finished."])
    row = rows[0]
    counts = {
        name: row[name]
        for name in ("received", "accepted", "duplicate", "rejected", "scored")
        if row[name] is not None
    }
    return _Recorded(
        day, row["status"] or "failed", [row["message"]] if row["message"] else [], counts
    )


def _record(lake: Lake, day: date, status: str, message: str | None) -> None:
    row: dict[str, Any] = {column.name: None for column in LEDGER.columns}
    row |= {"day": day, "kind": "mail", "status": status, "message": message}
    lake.replace(LEDGER, day, pa.Table.from_pylist([row], LEDGER.schema), part={"kind": "mail"})
