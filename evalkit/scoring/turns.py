"""Where an interaction stands in its session: what was asked and answered before it, how long ago,
and whether anything follows on its day. Of sessions alone; a row's own `history` is read by
scorers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from evalkit.lake import Lake
from evalkit.queries import query as sql

__all__ = [
    "ANSWER_CHARS",
    "QUERY_CHARS",
    "SETTLED",
    "TURNS",
    "Place",
    "Turns",
    "clipped",
    "read_turns",
    "turns_params",
]

#: What is kept of the texts before a turn: a query's beginning, an answer's end. That is where
#: users and assistants say what they want of each other, and a day's sessions have to be held.
QUERY_CHARS = 2_000
ANSWER_CHARS = 400
#: A session whose last turn is this close to the end of what was logged may still go on.
SETTLED = timedelta(minutes=30)
#: The columns of turns.
TURNS = pa.schema(
    [
        ("interaction_id", pa.string()),
        ("query", pa.string()),
        ("answer", pa.string()),
        ("seconds", pa.float64()),
        ("is_last", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Place:
    """The surroundings of one interaction that belongs to a session.

    Attributes:
        query: the beginning of what was asked before it in the session; None for the first turn.
        answer: the end of what was answered to that.
        seconds: from the start of the turn before it to its own; None for the first turn.
        is_last: whether no turn of the session follows on its day; None where it is too early to
        say, because what was logged ends less than `SETTLED` later.
    """

    query: str | None = None
    answer: str | None = None
    seconds: float | None = None
    is_last: bool | None = None


class Turns:
    """The places of a day's interactions, by id; those without a session have none.

    A place rests on the day itself and the day before, never on a later one: a day's scores are the
    same whenever it is scored.

    Args:
        table: interaction_id, query, answer, seconds, is_last; one row an interaction.
    """

    def __init__(self, table: pa.Table | None = None) -> None:
        rows = [] if table is None else table.select(TURNS.names).to_pylist()
        self._places = {row.pop("interaction_id"): Place(**row) for row in rows}

    def __len__(self) -> int:
        return len(self._places)

    def of(self, interaction_id: str | None) -> Place | None:
        """Where an interaction stands; None where it belongs to no session."""
        return None if interaction_id is None else self._places.get(interaction_id)

    @classmethod
    def of_rows(cls, rows: pa.Table) -> Turns:
        """The places of interactions at hand; each day's as if the table ended with it.

        Args:
            rows: columns of `interactions`; without session_id or started_at there are no places.
        """
        names = ("interaction_id", "source", "session_id", "started_at", "day", "query", "response")
        if not {"interaction_id", "session_id", "started_at"} <= set(rows.column_names):
            return cls()
        known = [name for name in names if name in rows.column_names]
        return cls(pa.Table.from_pylist(_places(rows.select(known).to_pylist()), TURNS))


def read_turns(lake: Lake, day: date) -> Turns:
    """The places of a day's interactions, from the lake: of the day and the day before it alone.

    Raises:
        LakeError: the interactions cannot be read.
    """
    return Turns(lake.sql(sql("session_turns"), turns_params(day)).cast(TURNS))


def turns_params(day: date) -> dict[str, Any]:
    """What `queries/session_turns.sql` asks to be given."""
    return {
        "day": day,
        "query_chars": QUERY_CHARS,
        "answer_chars": ANSWER_CHARS,
        "settled_us": SETTLED // timedelta(microseconds=1),
    }


def clipped(query: str | None, answer: str | None) -> tuple[str | None, str | None]:
    """A query's beginning and an answer's end, as far as places keep them; blank is None."""
    return (
        query[:QUERY_CHARS] if query and query.strip() else None,
        answer[-ANSWER_CHARS:] if answer and answer.strip() else None,
    )


def _places(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    sessions: dict[tuple[str | None, str], list[Mapping[str, Any]]] = {}
    ends: dict[date, datetime] = {}
    for row in rows:
        at = row["started_at"]
        if at is None or row["interaction_id"] is None:
            continue
        ends[_day(row)] = max(at, ends.get(_day(row), at))
        if row["session_id"] is not None:
            sessions.setdefault((row.get("source"), row["session_id"]), []).append(row)
    found = []
    for session in sessions.values():
        session.sort(key=lambda row: (row["started_at"], row["interaction_id"]))
        for k, row in enumerate(session):
            before = session[k - 1] if k else None
            if before is not None and _day(row) - _day(before) > timedelta(days=1):
                before = None
            follows = k + 1 < len(session) and _day(session[k + 1]) == _day(row)
            found.append(_place(row, before, follows, ends[_day(row)]))
    return found


def _place(
    row: Mapping[str, Any], before: Mapping[str, Any] | None, follows: bool, end: datetime
) -> dict[str, Any]:
    at = row["started_at"]
    settled = end - at >= SETTLED
    query, answer = (None, None)
    if before is not None:
        query, answer = clipped(before.get("query"), before.get("response"))
    return {
        "interaction_id": row["interaction_id"],
        "query": query,
        "answer": answer,
        "seconds": None if before is None else (at - before["started_at"]).total_seconds(),
        "is_last": False if follows else True if settled else None,
    }


def _day(row: Mapping[str, Any]) -> date:
    day: date | None = row.get("day")
    at: datetime = row["started_at"]
    return at.date() if day is None else day
