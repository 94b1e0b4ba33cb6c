"""The detector of schema drift: fields of a source that appeared, vanished or changed their type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from math import log, log1p

import pyarrow.compute as pc

from evalkit.detection.contract import Finding, History, Severity, detector

__all__ = ["fields"]

KIND = "schema_drift"
#: This share of the false-alarm budget is spent here.
BUDGET_SHARE = 0.01
_NIGHTS_A_MONTH = 30
#: A field that fewer records than this share have on some night is one that comes and goes.
_LEAST_SHARE = 0.1
#: Records come in bunches (a session, a batch job, one deployment): so many count as one.
_BUNCH = 20
#: A field has a type when this share of its records agrees.
_ONE_TYPE = 0.95
#: From this share on many figures may rest on the field.
_COMMON = 0.5
#: So many fields of one source that go or come together are one finding each; more are one for all.
_MOST = 5
#: Fields that one finding lists.
_LISTED = 40
_VERBS = {"vanished": "vanished", "appeared": "appeared", "changed": "changed their type"}


@detector("fields", version="1")
def fields(history: History) -> list[Finding]:
    """Finds fields of a source that vanished, appeared or changed their type since the nights before.

    A field has vanished when at least 10 % of the source's records had it on every one of the last
    `min_history_days` nights with records, and none has it tonight. Were it still there in the
    smallest of these shares p, none of R independent records would have it with probability
    (1 - p)^R. Records are not independent: 20 count as one, R = records / 20. This probability has
    to be within the detector's part of the false-alarm budget, divided by the number of fields that
    are looked at: of a hundred fields, one of 98 % needs about 70 records, one of 50 % about 400,
    one of 10 % about 2,500. A field has appeared when at least 10 % have it tonight, none of the records
    of those nights had it, and chance would not put all of the k records that have it, of which 20
    count as one again, into tonight's share s of all records: s^k (Fisher's exact test; tonight's
    own share would not do, for it was looked at because it is large). It has changed its type
    when 95 % of its values had one type on each of those nights and 95 % have another tonight, with
    as many records.

    Each is told once, on its first night. When more than five fields of a source go or come
    together, they are one finding.
    """
    found: list[Finding] = []
    for source in _sources(history):
        budget = history.settings.false_alarms_per_month * BUDGET_SHARE / _NIGHTS_A_MONTH
        changes = list(_changes(source, log(budget / len(source.names))))
        for what in ("vanished", "appeared", "changed"):
            mine = [change for change in changes if change.what == what]
            beside = [c for c in changes if {c.what, what} == {"vanished", "appeared"}]
            if len(mine) > _MOST:
                found.append(_finding(history.day, source, mine, beside))
            else:
                found += [_finding(history.day, source, [change], beside) for change in mine]
    return found


@dataclass(frozen=True)
class _Source:
    """The fields of one source: records by day, and by field, day and type; `nights` ascending, the
    last ones before tonight that have records."""

    name: str
    today: date
    nights: list[date]
    rows: dict[date, int]
    counts: dict[str, dict[date, dict[str, int]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted(self.counts)

    def n(self, name: str, day: date) -> int:
        return sum(self.counts[name].get(day, {}).values())

    def share(self, name: str, day: date) -> float:
        return min(1.0, self.n(name, day) / self.rows[day])

    def type(self, name: str, day: date) -> str | None:
        """The one type of a field's values on a day; None without one."""
        types = self.counts[name].get(day, {})
        if not types:
            return None
        best = max(sorted(types), key=lambda word: types[word])
        return best if types[best] >= _ONE_TYPE * sum(types.values()) else None


@dataclass(frozen=True)
class _Change:
    what: str
    name: str
    before: float
    after: float
    n: int
    types: tuple[str, str] | None = None


def _sources(history: History) -> Iterator[_Source]:
    table = history.fields
    valid = pc.and_(pc.is_valid(table["source"]), pc.is_valid(table["field"]))
    rows: dict[str, dict[date, int]] = {}
    counts: dict[str, dict[str, dict[date, dict[str, int]]]] = {}
    for row in table.filter(valid).to_pylist():
        if row["day"] > history.day or not row["rows"] or row["n"] is None or row["type"] is None:
            continue
        rows.setdefault(row["source"], {})[row["day"]] = row["rows"]
        days = counts.setdefault(row["source"], {}).setdefault(row["field"], {})
        types = days.setdefault(row["day"], {})
        types[row["type"]] = types.get(row["type"], 0) + row["n"]
    needed = history.settings.min_history_days
    for name in sorted(rows):
        nights = sorted(day for day in rows[name] if day < history.day)[-needed:]
        if history.day in rows[name] and len(nights) == needed:
            yield _Source(name, history.day, nights, rows[name], counts[name])


def _changes(source: _Source, limit: float) -> Iterator[_Change]:
    tonight = source.rows[source.today]
    earlier = sum(source.rows[day] for day in source.nights)
    for name in source.names:
        before = [source.share(name, day) for day in source.nights]
        now = source.share(name, source.today)
        if now == 0 and _never(min(before), tonight) <= limit:
            yield _Change("vanished", name, min(before), 0.0, tonight)
        elif max(before) == 0 and _all_tonight(now, tonight, earlier) <= limit:
            yield _Change("appeared", name, 0.0, now, tonight)
        elif now > 0 and min(before) > 0:
            was = {source.type(name, day) for day in source.nights}
            is_now = source.type(name, source.today)
            (one,) = was if len(was) == 1 else (None,)
            n = source.n(name, source.today)
            if one and is_now and one != is_now and _never(_ONE_TYPE, n) <= limit:
                yield _Change("changed", name, min(before), now, n, (one, is_now))


def _never(share: float, records: int) -> float:
    """Natural logarithm of the chance that none of some records has what a share of them has."""
    if share < _LEAST_SHARE:
        return 0.0
    return log1p(-min(share, 0.999)) * records / _BUNCH


def _all_tonight(share: float, tonight: int, earlier: int) -> float:
    """Natural logarithm of the chance that all records that have something are tonight's, where a
    share of tonight's have it."""
    if share < _LEAST_SHARE:
        return 0.0
    return log(tonight / (tonight + earlier)) * share * tonight / _BUNCH


def _finding(day: date, source: _Source, changes: list[_Change], beside: list[_Change]) -> Finding:
    first = changes[0]
    until = source.nights[-1]
    others = [change.name for change in beside][:_MOST]
    word = "appeared" if first.what == "vanished" else "vanished"
    cause = f"{', '.join(others)} {word} on the same night" if others else None
    common = max(max(change.before, change.after) for change in changes) >= _COMMON
    severity: Severity = "warning" if first.what != "appeared" and common else "info"
    detail = {change.name: _told(change, until) for change in changes[:_LISTED]}
    title = _title(source, first, until)
    if len(changes) > 1:
        title = (
            f"{len(changes)} fields of source {source.name} {_VERBS[first.what]}, "
            f"{first.name} among them"
        )
    return Finding(
        kind=KIND,
        severity=severity,
        title=title[:280],
        segment="source",
        value_of_segment=source.name,
        key=f"{first.what} {first.name if len(changes) == 1 else 'several'} {day}",
        event=True,
        n=first.n,
        since=day,
        cause=cause,
        detail=detail,
    )


def _title(source: _Source, change: _Change, until: date) -> str:
    name = change.name[:120]
    return f"Field {name} of source {source.name[:80]} {_told(change, until)}"


def _told(change: _Change, until: date) -> str:
    if change.types is not None:
        was, is_now = change.types
        return f"changed its type: {was} until {until}, {is_now} in {change.n:,} records last night"
    if change.what == "vanished":
        return (
            f"vanished: in {_percent(change.before)} of records until {until}, "
            f"in none of {change.n:,} last night"
        )
    return (
        f"appeared: in none until {until}, in {_percent(change.after)} of {change.n:,} last night"
    )


def _percent(share: float) -> str:
    return f"{min(share, 0.99 if share < 1 else 1.0):.0%}".replace("%", " %")
