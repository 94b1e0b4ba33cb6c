"""Agreements as one self-contained HTML page in the report's style: no script, nothing loaded."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from evalkit.agreement import charts, tables
from evalkit.agreement.figures import Agreement
from evalkit.config import Settings
from evalkit.reporting.pack import Pack
from evalkit.version import __version__

__all__ = ["to_html"]


def to_html(*agreements: Agreement) -> str:
    """The whole page; every name in it comes from the data and is escaped.

    Raises:
        ConfigError: the shipped style sheet is missing from this installation.
    """
    engine = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = engine.from_string(
        (files("evalkit.agreement") / "page.html").read_text(encoding="utf-8")
    )
    shown = tables.scored(agreements)
    overview = tables.overview(shown) if len(agreements) > 1 and shown else None
    return template.render(
        css=Pack.of(Settings()).style("style.css"),
        overview=overview,
        parts=[_part(agreement) for agreement in shown],
        missing=tables.without_scores(agreements),
        version=__version__,
    )


def _part(agreement: Agreement) -> dict[str, object]:
    curve = agreement.groups[0].calibration
    metric = tables.name(agreement.metric)
    return {
        "heading": tables.heading(agreement),
        "areas": charts.areas(agreement.groups),
        "curve": charts.calibration(curve, metric) if curve else None,
        "tables": tables.tables(agreement),
        "notes": tables.notes(agreement),
    }
