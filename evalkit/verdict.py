"""Was it a good night? One status from what the tables say, the same whichever step asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from evalkit.config import Settings
from evalkit.lake import Lake, ledger
from evalkit.queries import query
from evalkit.schema import DAILY, LEDGER

__all__ = ["EXIT_CODES", "SEVERITIES", "NightSummary", "failed", "judge"]

#: What a scheduler is told. A degraded night outranks its findings: what is not complete proves nothing.
EXIT_CODES = {"healthy": 0, "findings": 1, "degraded": 2, "failed": 3}
SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class NightSummary:
    """What one night came to.

    `status` is healthy, findings, degraded or failed; `reasons` says why in plain words. `counts` has received,
    accepted, duplicate, rejected and scored; `coverage` per metric the share of eligible rows that have a value
    (None where no row was eligible); `findings` the open ones, what matters most first; `budget` says what a budget left
    out, in one sentence.
    """

    day: date
    status: str
    reasons: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, float | None] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    budget: str | None = None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]


def failed(day: date, reason: str) -> NightSummary:
    """The summary of a night that could not be finished."""
    return NightSummary(day, "failed", [reason])


def judge(settings: Settings, lake: Lake, day: date) -> NightSummary:
    """Read the night's tables and say what it came to; pure but for reading."""
    counts = _counts(lake, day)
    coverage = _coverage(lake, day)
    findings = lake.sql(query("findings"), {"day": day}).to_pylist()
    shown = [finding for finding in findings if finding["status"] != "resolved"]
    degraded = [
        *_incomplete(settings, counts, shown),
        *_unread(settings, lake, day),
        *_uncovered(settings, coverage),
    ]
    alarming = [
        finding
        for finding in shown
        if SEVERITIES.index(finding["severity"]) >= SEVERITIES.index(settings.night.fail_on)
    ]
    if degraded:
        status = "degraded"
    elif alarming:
        status = "findings"
    else:
        status = "healthy"
    reasons = degraded + [finding["title"] for finding in alarming]
    return NightSummary(day, status, reasons, counts, coverage, shown, _budget(lake, day))


def _counts(lake: Lake, day: date) -> dict[str, int]:
    row = lake.sql(query("night_counts"), {"day": day}).to_pylist()[0]
    return {name: int(value or 0) for name, value in row.items()}


def _coverage(lake: Lake, day: date) -> dict[str, float | None]:
    names = ["metric", "segment", "n_eligible", "n_scored", "n_represented"]
    rows = lake.read(DAILY, day, day, names).to_pylist()
    return {
        row["metric"]: _covered(row)
        for row in sorted(rows, key=lambda row: str(row["metric"]))
        if row["segment"] == "all"
    }


def _budget(lake: Lake, day: date) -> str | None:
    """What a budget left out; None without one."""
    row = lake.sql(query("budget_counts"), {"day": day}).to_pylist()[0]
    n, drawn, spent = row["n"], row["drawn"], ledger.spent_on(lake, day)
    if not n:
        return None
    if drawn == n:
        return f"The budget sufficed: models read all {n:,} rows."
    if row["without_chance"]:
        return (
            f"The budget is for no model: {drawn:,} of {n:,} rows had all their texts in the cache, and what needs "
            "models has no figure where that is not all of them."
        )
    work = float(spent.get("work", 0))
    share = f", {float(spent['read']) / work:.0%} of the work" if work else ""
    return (
        f"Within the budget models read {drawn:,} of {n:,} rows{share}; figures of all rows are estimated from these, "
        "and their intervals say how surely."
    )


def _covered(row: dict[str, Any]) -> float | None:
    """The share of eligible rows that a figure stands for: those with a value, and those that a budget left
    out and that it is estimated for. None where there are none, or the budget was for no figure at all: that was
    asked for, and the page says so."""
    eligible, stands_for = row["n_eligible"], row["n_represented"]
    if not eligible or stands_for == 0:
        return None
    return float(min(row["n_scored"] if stands_for is None else stands_for, eligible) / eligible)


def _incomplete(
    settings: Settings, counts: dict[str, int], findings: list[dict[str, Any]]
) -> list[str]:
    reasons = []
    if counts["received"] == 0:
        reasons.append("No record of this day was received.")
    elif counts["rejected"] > (1 - settings.night.completeness_floor) * counts["received"]:
        reasons.append(f"{counts['rejected']} of {counts['received']} records could not be read.")
    reasons += [finding["title"] for finding in findings if finding["kind"] == "missing_data"]
    return reasons


def _unread(settings: Settings, lake: Lake, day: date) -> list[str]:
    """One reason a source that could not be read to its end: which hours, and why."""
    rows = lake.read(LEDGER, day, day, ["kind", "source", "hour", "missing"]).to_pylist()
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "hour" and row["missing"] is not None:
            found.setdefault(row["source"], []).append(row)
    reasons = []
    for source, hours in sorted(found.items()):
        hours.sort(key=lambda row: row["hour"])
        spans = _spans(settings, [row["hour"] for row in hours])
        why = dict.fromkeys(row["missing"] for row in hours)
        more = f" (and {len(why) - 1} other reasons)" if len(why) > 1 else ""
        reasons.append(f"{source} is incomplete {spans}: {next(iter(why))}{more}")
    return reasons


def _spans(settings: Settings, hours: list[datetime]) -> str:
    """Hours in words, as the clock of the configured zone shows them."""
    hour = timedelta(hours=1)
    spans: list[tuple[datetime, datetime]] = []
    for start in hours:
        begun = spans.pop()[0] if spans and spans[-1][1] == start else start
        spans.append((begun, start + hour))
    zone = settings.zone
    return ", ".join(
        f"from {start.astimezone(zone):%H:%M} to {end.astimezone(zone):%H:%M}"
        for start, end in spans
    )


def _uncovered(settings: Settings, coverage: dict[str, float | None]) -> list[str]:
    floor = settings.night.coverage_floor
    low = [
        f"{metric.replace('_', ' ')} ({share:.0%})"
        for metric, share in coverage.items()
        if share is not None and share < floor
    ]
    return (
        [f"Too few rows have a score: {', '.join(low)}; the floor is {floor:.0%}."] if low else []
    )
