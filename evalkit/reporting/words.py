"""Turns figures into short words: names of metrics, dates, changes, plurals. No markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from evalkit.metrics import Metric, format_value

__all__ = [
    "clock",
    "count",
    "long_date",
    "metric_of",
    "percent",
    "plural",
    "prose",
    "short",
    "short_date",
    "since",
    "tight",
    "where",
    "worse",
]

#: English whatever the machine's locale is, so that pages are the same bytes everywhere.
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_PLACES = {
    "route": "on",
    "app": "in",
    "environment": "in",
    "model": "with",
    "provider": "at",
    "prompt_version": "with prompt version",
    "prompt_name": "with prompt",
    "source": "from",
}


_UNIT = re.compile(r"(?<=\d) (?=(?:%|points?|ms|s)(?:\W|$))")
_ISO_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b(?![-:T\d])")


def tight(text: str) -> str:
    """The text with its units on the line of their numbers."""
    return _UNIT.sub("\u00a0", text)


def prose(text: str, today: date) -> str:
    """A sentence of a detector as a person writes it: days in words, units beside their numbers.

    >>> prose("first seen 2026-11-12 08:00 UTC", date(2026, 11, 22))
    'first seen 12 November 08:00 UTC'
    """

    def in_words(match: re.Match[str]) -> str:
        try:
            return long_date(date.fromisoformat(match[1]), today)
        except ValueError:
            return match[1]

    return tight(_ISO_DAY.sub(in_words, text))


def short(value: float | None, unit: str) -> str:
    r"""A value with as many digits as a person keeps in mind.

    >>> short(0.3437, "score"), short(0.0123, "share"), short(0.34, "share"), short(1234.0, "ms")
    ('0.34', '1.2\xa0%', '34\xa0%', '1.23\xa0s')
    """
    if value is None:
        return "–"
    if unit == "share":
        points = value * 100
        return tight(f"{points:.1f} %" if 0 < abs(points) < 9.95 else f"{points:.0f} %")
    if unit in {"probability", "score"}:
        return f"{value:.2f}"
    if unit == "usd" and 0.1 <= abs(value) < 1:
        return f"${value:.2f}"
    if unit == "usd" and abs(value) < 0.1:
        return f"${value:.2g}" if abs(value) >= 0.0001 or value == 0 else f"${value:.1e}"
    return tight(format_value(value, unit))


def pair(before: float | None, after: float | None, unit: str) -> tuple[str, str]:
    """Two values with enough digits to tell them apart."""
    first, second = short(before, unit), short(after, unit)
    if first == second and before != after:
        return tight(format_value(before, unit)), tight(format_value(after, unit))
    return first, second


def percent(value: float | None, digits: int = 0) -> str:
    r"""A share as a percentage; never "100 %" for less than all, never "0 %" for more than nothing.

    >>> percent(0.9996), percent(1.0), percent(0.0004), percent(None)
    ('>\xa099\xa0%', '100\xa0%', '<\xa01\xa0%', '–')
    """
    if value is None:
        return "–"
    text = f"{value * 100:.{digits}f}"
    least = 10.0**-digits
    if value < 1 and float(text) >= 100:
        return f">\u00a0{100 - least:.{digits}f}\u00a0%"
    if value > 0 and float(text) == 0:
        return f"<\u00a0{least:.{digits}f}\u00a0%"
    return f"{text}\u00a0%"


def count(value: float | None) -> str:
    """A number of things, in thousands groups."""
    return "–" if value is None else f"{value:,.0f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> plural(1, "night"), plural(2, "night"), plural(2, "query", "queries")
    ('1 night', '2 nights', '2 queries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def long_date(day: date | None, today: date | None = None) -> str:
    """A day in words; the year only when it is not today's.

    >>> long_date(date(2026, 11, 12), date(2026, 11, 22)), long_date(date(2025, 1, 2))
    ('12 November', '2 January 2025')
    """
    if day is None:
        return "–"
    text = f"{day.day} {_MONTHS[day.month - 1]}"
    return text if today is not None and today.year == day.year else f"{text} {day.year}"


def short_date(day: date | None) -> str:
    """A day in the margin of a chart: `12 Nov`."""
    return "–" if day is None else f"{day.day} {_MONTHS[day.month - 1][:3]}"


def clock(instant: datetime | None, zone: ZoneInfo) -> str:
    """The time of day in the configured zone: `14:00`."""
    return "–" if instant is None else instant.astimezone(zone).strftime("%H:%M")


def where(segment: str | None, value: str | None) -> str:
    """Where a finding is, as it stands in a sentence; nothing for the whole traffic.

    >>> where("route", "/ask"), where("all", "all"), where("tier", "gold")
    ('on /ask', '', 'where tier is gold')
    """
    if segment is None or segment == "all" or value is None:
        return ""
    place = _PLACES.get(segment)
    return f"{place} {value}" if place else f"where {segment.replace('_', ' ')} is {value}"


def since(day: date | None, today: date) -> str:
    """Since when something goes on: the date and the number of nights.

    >>> since(date(2026, 11, 12), date(2026, 11, 22)), since(date(2026, 11, 22), date(2026, 11, 22))
    ('since 12 November (11 nights)', 'first seen this night')
    """
    if day is None:
        return ""
    nights = (today - day).days + 1
    if nights <= 1:
        return "first seen this night"
    return f"since {long_date(day, today)} ({nights} nights)"


def metric_of(metrics: Mapping[str, Metric], name: str) -> Metric:
    """The metric of a name; one that no scorer declares any more is shown as a plain score."""
    return metrics.get(name) or Metric(name, "score", "either", "")


def worse(before: float | None, after: float | None, metric: Metric | None) -> bool | None:
    """Whether the move is in the bad direction; None when nobody can say."""
    if (
        before is None
        or after is None
        or before == after
        or metric is None
        or metric.worse == "either"
    ):
        return None
    return (after > before) == (metric.worse == "higher")


def moved(finding: Mapping[str, Any], metrics: Mapping[str, Metric]) -> str:
    """What a finding's figure did: `up from 0.21 to 0.34`; nothing when it has no two figures."""
    before, after, name = finding["before"], finding["after"], finding["metric"]
    if before is None or after is None or name is None or before == after:
        return ""
    first, second = pair(before, after, metric_of(metrics, name).unit)
    return f"{'up' if after > before else 'down'} from {first} to {second}"
