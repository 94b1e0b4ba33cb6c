"""The headline figures: last night's level, the usual level beside it, and how it moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Literal

from evalkit.metrics import Metric, label
from evalkit.reporting.words import plural, short, tight, worse

__all__ = ["Figure", "History", "change", "headline", "rate_note", "sample_note"]

#: The page shows four to six.
MOST = 6
_NO_LEVEL = "no usual level yet"
#: Fewer earlier nights are no usual level.
_LEAST_NIGHTS = 3
_RATE = ("rate", "rate_lower", "rate_upper")


class History:
    """The daily figures of the whole traffic, by metric and day, up to one day.

    Args:
        rows: rows of `daily` of segment `all` (day, metric, n, mean, total, ...).
        findings: the day's findings, best first.
        day: the day that the page is about.
        usual_start: the first day of the usual level.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        findings: Sequence[Mapping[str, Any]],
        day: date,
        usual_start: date,
    ) -> None:
        self.day = day
        self.usual_start = usual_start
        self._rows: dict[str, dict[date, Mapping[str, Any]]] = {}
        for row in rows:
            self._rows.setdefault(row["metric"], {})[row["day"]] = row
        self._before: dict[str, float] = {}
        self.alarmed: dict[str, str] = {}
        for finding in findings:
            name = finding["metric"]
            if name is None or finding["status"] == "resolved":
                continue
            if finding["severity"] != "info":
                self.alarmed.setdefault(name, finding["finding_id"])
            if finding["segment"] == "all" and finding["before"] is not None:
                self._before.setdefault(name, finding["before"])

    def nights(self) -> list[date]:
        """The nights before this one that have figures, ascending."""
        return sorted({day for days in self._rows.values() for day in days if day < self.day})

    def names(self) -> list[str]:
        """All metrics that have a row on any day."""
        return sorted(self._rows)

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """The rows of a metric, by day."""
        return [row for _, row in sorted(self._rows.get(name, {}).items())]

    def value(self, name: str, day: date | None = None, column: str = "mean") -> float | None:
        """A metric's figure on a day (the page's day when none is named)."""
        row = self._rows.get(name, {}).get(day or self.day)
        return None if row is None else row[column]

    def row(self, name: str) -> Mapping[str, Any] | None:
        """A metric's row of the page's day."""
        return self._rows.get(name, {}).get(self.day)

    def usual(self, name: str, column: str = "mean") -> float | None:
        """The usual level: what an open finding compares with, else the median of earlier days."""
        if column == "mean" and name in self._before:
            return self._before[name]
        days = self._rows.get(name, {})
        known = [
            days[day][column]
            for day in days
            if self.usual_start <= day < self.day and days[day][column] is not None
        ]
        return float(median(known)) if len(known) >= _LEAST_NIGHTS else None

    def series(self, name: str, days: int, column: str = "mean") -> list[float | None]:
        """One value per calendar day, oldest first; None where there is none."""
        return [
            self.value(name, self.day - timedelta(days=back), column)
            for back in range(days - 1, -1, -1)
        ]


@dataclass(frozen=True)
class Figure:
    """One figure as it is read: words, not numbers; `series` is for the sparkline. `note` says what the labels make of
    a score: a rate with its interval, or that it is only a proxy; and how many rows it is estimated from."""

    name: str
    title: str
    about: str
    value: str
    usual: str
    change: str
    tone: Literal["bad", "plain"]
    series: list[float | None]
    finding_id: str | None = None
    note: str = ""


def headline(
    history: History, metrics: Mapping[str, Metric], days: int, most: int = MOST
) -> list[Figure]:
    """The figures at the top: headline metrics, then the cost, then how much traffic there was."""
    named = [metric for metric in metrics.values() if metric.headline]
    money = [metric for metric in metrics.values() if metric.unit == "usd"]
    quality = [metric for metric in named if metric.unit != "usd"] or [
        metric for metric in metrics.values() if metric.unit in {"score", "probability", "share"}
    ]
    # What is in trouble must not fall off the end.
    quality = sorted(quality, key=lambda metric: metric.name not in history.alarmed)[
        : most - 1 - len(money[:1])
    ]
    figures = [_figure(history, metric, days) for metric in quality]
    if money:
        figures.append(_figure(history, money[0], days, column="total"))
    figures.append(_traffic(history, days))
    # A figure without today's value stands only beside its usual level.
    return [figure for figure in figures if figure.value != "–" or figure.usual != _NO_LEVEL][:most]


def change(usual: float | None, value: float | None, unit: str) -> str:
    r"""How far a value is from the usual one, as its unit is read; nothing when it did not move.

    >>> change(0.21, 0.34, "score"), change(0.02, 0.05, "share"), change(2000.0, 1500.0, "ms")
    ('+0.13', '+3\xa0points', '−25\xa0%')
    """
    if usual is None or value is None:
        return ""
    if unit == "share":
        points = (value - usual) * 100
        text = (
            f"{points:+.1f}"
            if abs(points) < 2.95 and f"{points:.1f}"[-1] != "0"
            else f"{points:+.0f}"
        )
        return "" if float(text) == 0 else tight(f"{text} points".replace("-", "−"))
    if unit in {"probability", "score"}:
        text = f"{value - usual:+.2f}"
        return "" if float(text) == 0 else text.replace("-", "−")
    if usual == 0:
        return ""
    text = f"{(value / usual - 1) * 100:+,.0f}"
    return "" if float(text.replace(",", "")) == 0 else tight(f"{text} %".replace("-", "−"))


def _figure(history: History, metric: Metric, days: int, column: str = "mean") -> Figure:
    value, usual = history.value(metric.name, column=column), history.usual(metric.name, column)
    finding = history.alarmed.get(metric.name)
    bad = finding is not None and worse(usual, value, metric) is not False
    usual_text, value_text = short(usual, metric.unit), short(value, metric.unit)
    return Figure(
        metric.name,
        label(metric.name) if column == "mean" else "Spent",
        metric.about if column == "mean" else "All priced requests of the day",
        value_text,
        f"usually {usual_text}" if usual is not None else _NO_LEVEL,
        change(usual, value, metric.unit),
        "bad" if bad else "plain",
        history.series(metric.name, days, column),
        finding,
        "" if value is None else _note(history, metric),
    )


def _note(history: History, metric: Metric) -> str:
    row = history.row(metric.name)
    said = (rate_note(row, metric.unit, history.day), sample_note(row))
    return "; ".join(text for text in said if text)


def sample_note(row: Mapping[str, Any] | None) -> str:
    """What a budget left a figure to rest on; nothing where every row was scored.

    >>> sample_note({"n_represented": 168.0, "n_eligible": 170, "n_scored": 54})
    'estimated from 54 of 170'
    >>> sample_note({"n_represented": None, "n_eligible": 170, "n_scored": 168})
    ''
    """
    if row is None or row.get("n_represented") is None:
        return ""
    return f"estimated from {row['n_scored']:,} of {row['n_eligible']:,}"


def rate_note(row: Mapping[str, Any] | None, unit: str, day: date) -> str:
    r"""What people's verdicts say beside a score; nothing for what is counted or measured.

    Args:
        row: the metric's row of `daily`, if it has one.
        unit: the metric's.
        day: the day that the rate's window ends with.

    >>> labelled = {"rate": 0.12, "rate_lower": 0.09, "rate_upper": 0.16, "n_labels": 120,
    ...             "rate_from": date(2026, 10, 26), "rate_basis": "drawn"}
    >>> rate_note(labelled, "probability", date(2026, 11, 22))
    'rate 12\xa0% (9 to 16\xa0%, 120 labels, 28 days)'
    >>> rate_note(None, "probability", date(2026, 11, 22))
    'proxy, no labels'
    """
    if row is not None and "n_labels" not in row:  # a team's own query, older than rates
        return ""
    n = None if row is None else row["n_labels"]
    if row is None or n is None or row["rate"] is None:
        proxy = unit in {"probability", "score"}
        return f"proxy, {plural(n, 'label') if n else 'no labels'}" if proxy else ""
    # Small rates, and narrow intervals, would be one number without a decimal.
    digits = 1 if row["rate"] < 0.05 or row["rate_upper"] - row["rate_lower"] < 0.03 else 0
    rate, low, high = (f"{row[name] * 100:.{digits}f}" for name in _RATE)
    said = plural(n, "label")
    if row["rate_basis"] != "drawn":
        said += ", not a sample"
    if row["rate_from"] is not None:
        said += f", {plural((day - row['rate_from']).days + 1, 'day')}"
    return f"rate {rate}\u00a0% ({low} to {high}\u00a0%, {said})"


def _traffic(history: History, days: int) -> Figure:
    def largest(day: date) -> float | None:
        sizes = [n for name in history.names() if (n := history.value(name, day, "n")) is not None]
        return float(max(sizes)) if sizes else None

    series = [largest(history.day - timedelta(days=back)) for back in range(days - 1, -1, -1)]
    before = (history.day - history.usual_start).days
    known = [
        n
        for back in range(1, before + 1)
        if (n := largest(history.day - timedelta(days=back))) is not None
    ]
    usual = float(median(known)) if len(known) >= _LEAST_NIGHTS else None
    value = series[-1] if series else None
    return Figure(
        "interactions",
        "Interactions",
        "LLM calls of the day",
        "–" if value is None else f"{value:,.0f}",
        _NO_LEVEL if usual is None else f"usually {usual:,.0f}",
        change(usual, value, "count"),
        "plain",
        series,
    )
