"""What stands beside the page: all nights, the newest page, findings as CSV. Writes are atomic."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config import Settings
from evalkit.reporting import sections
from evalkit.reporting.pack import Pack
from evalkit.reporting.words import short
from evalkit.schema import FINDINGS
from evalkit.text.csv import write_csv

if TYPE_CHECKING:
    from evalkit.lake import Lake
    from evalkit.reporting.page import Edition

__all__ = ["publish", "write"]

_PAGE = re.compile(r"\A\d{4}-\d{2}-\d{2}\.html\Z")
#: The list of nights goes back this far; older pages stay where they are.
_MOST_NIGHTS = 400
#: Which headline metrics the list shows when there is no room for all: judgements before measures.
_UNITS = ("probability", "score", "share", "ms", "usd", "tokens", "days")


def publish(
    settings: Settings,
    lake: Lake,
    pack: Pack,
    edition: Edition,
    html: str,
) -> Path:
    """Write a page and bring what stands beside it up to date; gives the page's path."""
    folder = settings.path(settings.report.dir)
    folder.mkdir(parents=True, exist_ok=True)
    day = edition.day
    page = folder / f"{day}.html"
    write(folder / f"{day}.findings.csv", _findings_csv(edition.findings + edition.resolved))
    write(page, html)
    newest = max(path.name for path in _pages(folder))
    write(folder / "latest.html", (folder / newest).read_text("utf-8"))
    write(folder / "index.html", _index(settings, lake, pack, folder, edition))
    return page


def write(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old text or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _pages(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _PAGE.match(path.name)]


def _findings_csv(findings: Sequence[Mapping[str, Any]]) -> str:
    columns = [column.name for column in FINDINGS.columns]
    flat = [
        {
            name: ", ".join(f"{key}={item}" for key, item in sorted(value.items()))
            if isinstance(value, dict)
            else ", ".join(str(item) for item in value)
            if isinstance(value, list)
            else value.isoformat()
            if hasattr(value, "isoformat")
            else value
            for name, value in finding.items()
        }
        for finding in findings
    ]
    return write_csv(columns, flat)


def _index(settings: Settings, lake: Lake, pack: Pack, folder: Path, edition: Edition) -> str:
    """The list of nights that have a page, newest first."""
    days = sorted((date.fromisoformat(path.stem) for path in _pages(folder)), reverse=True)[
        :_MOST_NIGHTS
    ]
    named = [metric for metric in edition.metrics.values() if metric.headline]
    shown = sorted(named, key=lambda metric: _UNITS.index(metric.unit))[:3]
    params = {"first": min(days), "last": max(days), "metrics": [metric.name for metric in shown]}
    facts = sections.answer(lake.sql, pack.text("sql/nights.sql"), params)
    means = sections.answer(lake.sql, pack.text("sql/night_figures.sql"), params)
    by_day = {row["day"]: row for row in facts}
    level = {(row["day"], row["metric"]): row["mean"] for row in means}
    nights = []
    for day in days:
        row = by_day.get(day, {})
        status = edition.night.status if day == edition.day else row.get("status")
        nights.append(
            {
                "day": day,
                "status": status,
                "new": row.get("new", 0),
                "open": row.get("open", 0),
                "news": row.get("news"),
                "n": row.get("n"),
                "figures": [short(level.get((day, metric.name)), metric.unit) for metric in shown],
            }
        )
    return pack.engine.get_template("index.html").render(
        title=settings.report.title, css=pack.style("style.css"), nights=nights, shown=shown
    )
