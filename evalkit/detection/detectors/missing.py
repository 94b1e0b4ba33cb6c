"""The detector of missing data: hours and days of a source of which too few records arrived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.detection.contract import Finding, History, detector
from evalkit.stats.counts import lower_tail
from evalkit.stats.multiple import benjamini_hochberg

__all__ = ["missing"]

KIND = "missing_data"
#: This share of the false-alarm budget is spent here, the rest on changes of level and of fields.
BUDGET_SHARE = 0.19
_NIGHTS_A_MONTH = 30
#: Hours that are tested together: one quiet hour of little traffic proves nothing, four may.
SPANS = (1, 2, 4, 8)
#: A stretch of hours is lost when less than this share of what is usual arrived.
_LOST_BELOW = 0.5
#: A loss is critical from this share of the day's expected records.
CRITICAL_SHARE = 0.1
#: A source of which nothing has come for more nights than this was switched off.
SILENT_NIGHTS = 7
_UTC = ZoneInfo("UTC")

Vector = NDArray[np.float64]


@detector("missing", version="2")
def missing(history: History) -> list[Finding]:
    """Finds hours, stretches of hours and whole days of a source of which too few records arrived.

    The records received in each hour, and in each stretch of 2, 4 and 8 hours, are compared with
    the same hours of earlier days (of the same weekday once there are enough weeks). A stretch is
    lost when less than half of the usual number arrived and when chance alone would do this less
    often, over all stretches of the night together, than the budget of false alarms allows. Lost
    hours that touch are one finding. Earlier hours of which the ledger knows that they could not be
    read to their end say nothing of what is usual; of tonight's the finding says why. A source that
    stays silent is one finding that goes on, for a week: then it was switched off.
    """
    sources = _sources(history)
    lost: list[_Stretch] = []
    tested: list[_Stretch] = []
    for source in sources:
        if len(source.days) >= history.settings.min_history_days:
            tested.extend(_stretches(source))
    limit = history.settings.false_alarms_per_month * BUDGET_SHARE / _NIGHTS_A_MONTH
    adjusted = benjamini_hochberg([stretch.p_value for stretch in tested])
    for stretch, value in zip(tested, adjusted, strict=True):
        if value <= limit and stretch.observed < _LOST_BELOW * stretch.expected:
            lost.append(stretch)
    return [_finding(source, gap) for source in sources for gap in _gaps(source, lost)]


@dataclass(frozen=True)
class _Source:
    """The hours of one source: `received` of tonight, and of earlier days at the same hour of the
    clock.

    `silent_since` is the day after the last one with records. `past` is float64 [days, hours]; an
    hour that a day did not have (clocks change), or that could not be read to its end, is NaN.
    `expected` is what the ledger says is usual, NaN where it does not; `unread` why an hour of
    tonight is known to be incomplete.
    """

    name: str
    hours: list[datetime]
    received: NDArray[np.int64]
    days: list[date]
    past: Vector
    expected: Vector
    unread: list[str | None]
    today: date
    silent_since: date


@dataclass(frozen=True)
class _Stretch:
    source: str
    first: int
    hours: int
    observed: int
    expected: float
    p_value: float


def _clock(hour: datetime, zone: ZoneInfo) -> tuple[int, int, int]:
    """The hour of the clock; the second one of its name when clocks go back is its own."""
    local = hour.astimezone(zone)
    return local.hour, local.minute, local.fold


def _hours(day: date, zone: ZoneInfo) -> list[datetime]:
    """The beginnings of the hours of a day, in UTC: 23 or 25 of them when clocks change."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(_UTC)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(_UTC)
    hour = start.replace(minute=0, second=0, microsecond=0)
    found = []
    while hour < end:
        found.append(hour)
        hour += timedelta(hours=1)
    return found


def _sources(history: History) -> list[_Source]:
    zone = ZoneInfo(history.zone)
    ledger = history.ledger
    rows = ledger.filter(
        pc.and_(pc.is_valid(ledger["source"]), pc.is_valid(ledger["hour"]))
    ).select(["day", "source", "hour", "received", "expected", "missing"])
    table: dict[str, dict[date, dict[tuple[int, int, int], int]]] = {}
    unread: dict[tuple[str, date, tuple[int, int, int]], str] = {}
    usual: dict[tuple[str, tuple[int, int, int]], float] = {}
    for day, source, hour, received, expected, missing_because in zip(
        *(rows[name].to_pylist() for name in rows.column_names), strict=True
    ):
        if day > history.day:
            continue
        counts = table.setdefault(source, {}).setdefault(day, {})
        clock = _clock(hour, zone)
        counts[clock] = counts.get(clock, 0) + int(received or 0)
        if missing_because is not None:
            unread[source, day, clock] = missing_because
        if day == history.day and expected is not None:
            usual[source, clock] = expected
    # A day on which nothing at all was ingested from anywhere was not a night: it is no history.
    nights = sorted({day for days in table.values() for day in days if day < history.day})
    found = []
    for name in sorted(table):
        known = [day for day in nights if day >= min(table[name])]
        heard = [day for day, counts in table[name].items() if any(counts.values())]
        if not heard or (history.day - max(heard)).days > SILENT_NIGHTS:
            continue
        hours = _hours(history.day, zone)
        clocks = [_clock(hour, zone) for hour in hours]
        found.append(
            _Source(
                name=name,
                hours=hours,
                received=np.array(
                    [table[name].get(history.day, {}).get(c, 0) for c in clocks], dtype=np.int64
                ),
                days=known,
                past=np.array(
                    [
                        [
                            np.nan if (name, day, clock) in unread else count
                            for clock, count in zip(
                                clocks,
                                _day_counts(table[name].get(day, {}), clocks, day, zone),
                                strict=True,
                            )
                        ]
                        for day in known
                    ],
                    dtype=np.float64,
                ).reshape(len(known), len(clocks)),
                expected=np.array([usual.get((name, clock), np.nan) for clock in clocks]),
                unread=[unread.get((name, history.day, clock)) for clock in clocks],
                today=history.day,
                silent_since=max(heard) + timedelta(days=1),
            )
        )
    return found


def _day_counts(
    counts: dict[tuple[int, int, int], int],
    clocks: list[tuple[int, int, int]],
    day: date,
    zone: ZoneInfo,
) -> list[float]:
    there = {_clock(hour, zone) for hour in _hours(day, zone)}
    return [float(counts.get(clock, 0)) if clock in there else np.nan for clock in clocks]


def _stretches(source: _Source) -> Iterator[_Stretch]:
    weekdays = np.array([day.weekday() for day in source.days])
    length = len(source.hours)
    for hours in (*SPANS, length):
        for first in range(length - hours + 1):
            stretch = source.past[:, first : first + hours]
            # An hour that comes once a year (clocks go back) has no history of its own.
            seen = np.isfinite(stretch)
            whole = np.where(seen, stretch, 0.0).sum(axis=1)
            usable = seen.all(axis=1) if hours < length else seen.any(axis=1)
            observed = int(source.received[first : first + hours].sum())
            check = lower_tail(
                observed,
                whole[usable],
                weekdays=weekdays[usable],
                weekday=source.today.weekday(),
            )
            if check is not None:
                yield _Stretch(source.name, first, hours, observed, check.mean, check.p_value)


def _gaps(source: _Source, lost: list[_Stretch]) -> list[tuple[int, int, float]]:
    """Lost hours that touch, as (first, end, p): the narrowest stretches that show the loss."""
    p_of = np.ones(len(source.hours))
    mine = sorted((s for s in lost if s.source == source.name), key=lambda s: (s.hours, s.first))
    covered = np.zeros(len(source.hours), dtype=np.bool_)
    for stretch in mine:
        span = slice(stretch.first, stretch.first + stretch.hours)
        # A wide stretch around a loss that is known already says nothing new.
        if covered[span].any() and not _more(source, stretch, covered[span]):
            continue
        covered[span] |= _low(source)[span]
        p_of[span] = np.minimum(p_of[span], stretch.p_value)
    gaps = []
    first = None
    for index, gone in enumerate([*covered, False]):
        if gone and first is None:
            first = index
        elif not gone and first is not None:
            gaps.append((first, index, float(p_of[first:index].min())))
            first = None
    return gaps


def _usual(source: _Source) -> NDArray[Any]:
    """What the ledger expects of each hour; where it does not say, the median of earlier days, of the
    same weekday when there are three of them."""
    same = np.array([day.weekday() == source.today.weekday() for day in source.days])
    rows = source.past[same] if same.sum() >= 3 else source.past
    filled = np.where(np.isfinite(rows), rows, np.nan)
    usual = np.zeros(filled.shape[1])
    for index in range(filled.shape[1]):
        known = filled[:, index][np.isfinite(filled[:, index])]
        usual[index] = float(np.median(known)) if len(known) else 0.0
    return np.where(np.isfinite(source.expected), source.expected, usual)


def _low(source: _Source) -> NDArray[Any]:
    return source.received < np.maximum(_LOST_BELOW * _usual(source), 1e-9)


def _more(source: _Source, stretch: _Stretch, covered: NDArray[np.bool_]) -> bool:
    """Whether a stretch is still short of records without the hours that are known to be lost."""
    span = slice(stretch.first, stretch.first + stretch.hours)
    left = ~covered
    usual = _usual(source)[span][left]
    return bool(source.received[span][left].sum() < _LOST_BELOW * usual.sum())


def _finding(source: _Source, gap: tuple[int, int, float]) -> Finding:
    first, end, p_value = gap
    usual = _usual(source)
    expected = float(usual[first:end].sum())
    received = int(source.received[first:end].sum())
    share = (expected - received) / max(1.0, float(usual.sum()))
    empty = bool((source.received[first:end] == 0).any())
    silent = not source.received.any()
    whole_day = first == 0 and end == len(source.hours)
    when = source.hours[first]
    until = source.hours[end - 1] + timedelta(hours=1)
    span = "the whole day" if whole_day else f"{when:%H:%M} to {until:%H:%M} UTC"
    reasons = dict.fromkeys(why for why in source.unread[first:end] if why is not None)
    verb = "nothing arrived" if received == 0 else f"only {received:,} records arrived"
    return Finding(
        kind=KIND,
        severity="critical" if empty or share >= CRITICAL_SHARE else "warning",
        title=f"Source {source.name}, {span}: {verb}, about {expected:,.0f} were expected",
        segment="source",
        value_of_segment=source.name,
        key="day" if silent else when.isoformat(),
        event=not silent,
        before=expected,
        after=float(received),
        effect=float(received) - expected,
        effect_kind="difference",
        p_value=p_value,
        n=received,
        since=source.silent_since if silent else source.today,
        since_at=None if silent else when,
        cause="; ".join(reasons) or None,
        detail={
            "hours": str(end - first),
            "until": until.isoformat(),
            "share_of_day": f"{share:.3f}",
            "history_days": str(len(source.days)),
        },
    )
