"""The page of a night: collects what its sections need, renders them, writes one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config import Settings, day_bounds
from evalkit.metrics import Metric, label
from evalkit.reporting import archive, charts, sections
from evalkit.reporting.figures import Figure, History, change, headline
from evalkit.reporting.pack import Pack
from evalkit.reporting.sections import Rendered
from evalkit.reporting.summary import NightSummary
from evalkit.reporting.verdict import Verdict, effect, got_worse, headline_of, verdict
from evalkit.reporting.words import metric_of, prose, since, where
from evalkit.version import __version__

if TYPE_CHECKING:
    from evalkit.lake import Lake

__all__ = ["Edition", "build", "gather", "parameters", "report", "templates"]

#: No page is larger, whatever the traffic was.
MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Edition:
    """What page, mail and index of one night have in common."""

    day: date
    trend_start: date
    usual_start: date
    night: NightSummary
    metrics: Mapping[str, Metric]
    verdict: Verdict
    findings: list[dict[str, Any]]
    resolved: list[dict[str, Any]]
    history: History
    figures: list[Figure]
    shared_sql: dict[str, str]


def report(
    settings: Settings, lake: Lake, night: NightSummary, metrics: Mapping[str, Metric]
) -> Path:
    """Write the page of a night, its findings as CSV, and the list of all nights.

    Args:
        settings: the report's folder, title, number of examples and days.
        lake: the tables; only read.
        night: which night, and its outcome.
        metrics: every metric that may stand in `daily`, by name.

    Returns:
        The page's path, `<dir>/<day>.html`. Beside it stand `<day>.findings.csv`, `index.html` (all
        nights) and `latest.html` (a copy of the newest page).

    Raises:
        ConfigError: the report pack is not where the settings say.
        LakeError: the tables cannot be read.
    """
    pack = Pack.of(settings)
    edition = gather(settings, lake, pack, night, metrics)
    html = build(settings, lake, pack, edition)
    return archive.publish(settings, lake, pack, edition, html)


def gather(
    settings: Settings, lake: Lake, pack: Pack, night: NightSummary, metrics: Mapping[str, Metric]
) -> Edition:
    """Read what page and mail of a night have in common."""
    day = night.day
    params = parameters(settings, day, metrics)
    shared = {name: pack.text(f"sql/{name}.sql").strip() for name in ("findings", "daily")}
    found = sections.answer(lake.sql, shared["findings"], params)
    daily = sections.answer(lake.sql, shared["daily"], params)
    open_ones = [finding for finding in found if finding["status"] != "resolved"]
    history = History(daily, open_ones, day, params["usual_start"])
    nights = history.nights()
    # A young lake: no month of empty axis, but never less than a week.
    start = max(params["trend_start"], min([*nights, day, day - timedelta(days=6)]))
    return Edition(
        day,
        start,
        params["usual_start"],
        night,
        metrics,
        verdict(night, found, metrics, settings.detect.min_history_days - len(nights)),
        open_ones,
        [finding for finding in found if finding["status"] == "resolved"],
        history,
        headline(history, metrics, (day - start).days + 1),
        shared,
    )


def parameters(settings: Settings, day: date, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """What a section's queries may bind, by name without `$` (documented in docs/report.md)."""
    start, end = day_bounds(day, settings.zone)
    return {
        "day": day,
        "trend_start": day - timedelta(days=settings.report.trend_days - 1),
        "usual_start": day - timedelta(days=settings.detect.baseline_days),
        "week_start": day - timedelta(days=7),
        "from_instant": start,
        "to_instant": end,
        "examples": settings.report.examples,
        "money": [metric.name for metric in metrics.values() if metric.unit == "usd"],
    }


def build(settings: Settings, lake: Lake, pack: Pack, edition: Edition) -> str:
    """The whole page as HTML, never larger than `MAX_BYTES`."""
    params = parameters(settings, edition.day, edition.metrics)
    context = templates(settings, edition)
    rendered = [
        sections.render(section, pack, lake.sql, params, context)
        for section in sections.load(pack.folder)
    ]
    template = pack.engine.get_template("page.html")
    fixed = {**context, "css": pack.style("style.css")}
    html = template.render({**fixed, "sections": rendered})
    while len(html.encode()) > MAX_BYTES:
        largest = max(rendered, key=lambda part: len(part.html))
        if not largest.html:
            break
        rendered = [_too_large(part) if part is largest else part for part in rendered]
        html = template.render({**fixed, "sections": rendered})
    return html


def _too_large(part: Rendered) -> Rendered:
    size = len(part.html) / 1e6
    problem = f"it has {size:.1f} MB, and a page has at most {MAX_BYTES / 1e6:.0f} MB"
    return Rendered(part.name, part.title or part.name, "", type(part.html)(""), part.sql, problem)


def templates(settings: Settings, edition: Edition) -> dict[str, Any]:
    """Everything that a template may name besides its own queries (see docs/report.md)."""
    metrics = edition.metrics
    return {
        "day": edition.day,
        "trend_start": edition.trend_start,
        "usual_start": edition.usual_start,
        "title": settings.report.title,
        "zone": settings.zone,
        "fail_on": settings.night.fail_on,
        "coverage_floor": settings.night.coverage_floor,
        "completeness_floor": settings.night.completeness_floor,
        "night": edition.night,
        "verdict": edition.verdict,
        "findings": edition.findings,
        "resolved": edition.resolved,
        "figures": edition.figures,
        "history": edition.history,
        "metrics": metrics,
        "shared_sql": edition.shared_sql,
        "evalkit_version": __version__,
        "config_hash": settings.fingerprint,
        "metric": partial(metric_of, metrics),
        "headline_of": partial(headline_of, metrics=metrics, today=edition.day),
        "effect": partial(effect, metrics=metrics),
        "got_worse": partial(got_worse, metrics=metrics),
        "change": change,
        "where": where,
        "prose": partial(prose, today=edition.day),
        "since": partial(since, today=edition.day),
        "order_of": partial(_order_of, edition),
        "trend_chart": partial(_trend_chart, edition),
        "hours_chart": partial(_hours_chart, settings),
        "sparkline": charts.sparkline,
    }


def _order_of(edition: Edition, known: Sequence[str] | None = None) -> list[str]:
    """Metrics as they matter: with findings first, then headline ones, then by name."""
    metrics, alarmed = edition.metrics, edition.history.alarmed
    ranked = list(alarmed)

    def key(name: str) -> tuple[int, bool, str]:
        place = ranked.index(name) if name in ranked else len(ranked)
        return place, not (name in metrics and metrics[name].headline), name

    return sorted(edition.history.names() if known is None else known, key=key)


def _trend_chart(
    edition: Edition,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]] = (),
    usual: float | None = None,
    unit: str | None = None,
    title: str | None = None,
    column: str = "mean",
    width: int = 320,
) -> Any:
    """A trend chart of rows with day, lower, upper and the column that is drawn."""
    points = [
        charts.Point(row["day"], row[column], row.get("lower"), row.get("upper"))
        if column == "mean"
        else charts.Point(row["day"], row[column])
        for row in rows
    ]
    marks = [
        charts.Mark(finding["since"], headline_of(finding, edition.metrics))
        for finding in findings
        if finding["since"] is not None
    ]
    return charts.trend(
        charts.Trend(
            title or label(name),
            unit or metric_of(edition.metrics, name).unit,
            edition.trend_start,
            edition.day,
            points,
            usual,
            marks,
        ),
        width,
    )


def _hours_chart(settings: Settings, rows: Sequence[Mapping[str, Any]], title: str) -> Any:
    """A chart of rows with hour, received and usual, labelled with the local time."""
    return charts.hours(
        [
            charts.Hour(
                row["hour"].astimezone(settings.zone).strftime("%H:%M"),
                int(row["received"]),
                row["usual"],
            )
            for row in rows
        ],
        title,
    )
