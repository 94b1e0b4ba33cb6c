"""Agreements as JSON, as text for a terminal and as Markdown; the page is made in `page`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

from evalkit.agreement import tables
from evalkit.agreement.figures import Agreement
from evalkit.agreement.page import to_html
from evalkit.agreement.tables import Table
from evalkit.errors import EvalkitError

__all__ = ["FORMATS", "format_of", "render", "to_json", "to_markdown", "to_text"]

#: Characters a line of prose on a terminal.
_LINE = 100
#: What Markdown or the HTML in it would read as a sign.
_SIGNS = re.compile(r"([\\`*\[\]<>&|])")


def to_json(agreement: Agreement) -> dict[str, Any]:
    """The agreement as plain dicts and lists: metric, label, groups (first "all"), and what was
    left out."""
    return {
        "metric": agreement.metric,
        "label": agreement.label,
        "groups": [asdict(group) for group in agreement.groups],
        "unscored": dict(agreement.unscored),
        "unlabelled": agreement.unlabelled,
        "spans_left_out": agreement.spans_left_out,
    }


def to_text(*agreements: Agreement) -> str:
    """The agreements as aligned tables."""
    return _document(agreements, lambda _, title: title, _aligned, lambda text: fill(text, _LINE))


def to_markdown(*agreements: Agreement, level: int = 2) -> str:
    """The agreements as Markdown tables, under headings of a level and the next one."""
    return _document(
        agreements,
        lambda deeper, title: f"{'#' * (level + deeper)} {_escaped(title)}",
        _piped,
        _escaped,
    )


def _document(
    agreements: Sequence[Agreement],
    head: Callable[[int, str], str],
    draw: Callable[[Table], list[str]],
    wrapped: Callable[[str], str],
) -> str:
    blocks: list[str] = []

    def add(table: Table, deeper: int) -> None:
        blocks.extend([head(deeper, table.title), wrapped(table.about), "\n".join(draw(table))])

    shown = tables.scored(agreements)
    if len(agreements) > 1 and shown:
        add(tables.overview(shown), 0)
    for agreement in shown:
        blocks.append(head(0, tables.heading(agreement)))
        for table in tables.tables(agreement):
            add(table, 1)
        blocks.extend(wrapped(note) for note in tables.notes(agreement))
    missing = tables.without_scores(agreements)
    if missing is not None:
        blocks.append(wrapped(missing))
    return "\n\n".join(blocks)


def _aligned(table: Table) -> list[str]:
    lines = [table.columns, *table.rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(table.columns))]
    return [
        "  ".join(
            cell.ljust(width) if k < table.names else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _piped(table: Table) -> list[str]:
    rule = ["---" if k < table.names else "---:" for k in range(len(table.columns))]
    lines = [[_escaped(cell) for cell in line] for line in (table.columns, *table.rows)]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", text)


def _json(*agreements: Agreement) -> str:
    found = [to_json(agreement) for agreement in agreements]
    return json.dumps(
        found[0] if len(found) == 1 else found, ensure_ascii=False, allow_nan=False, indent=1
    )


#: How agreements can be written, by name.
FORMATS: dict[str, Callable[..., str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "json": _json,
    "html": to_html,
}


#: Which of them a file's ending means.
_ENDINGS = {".md": "markdown", ".json": "json", ".html": "html", ".htm": "html"}


def format_of(form: str | None, out: Path | None = None) -> str:
    """The format that is asked for: by name, else by the file's ending, else text.

    Raises:
        EvalkitError: there is no such format.
    """
    if form is None:
        return "text" if out is None else _ENDINGS.get(out.suffix.lower(), "text")
    if form not in FORMATS:
        raise EvalkitError(f"{form!r} is no format. Formats: {', '.join(FORMATS)}.")
    return form


def render(agreements: Sequence[Agreement], form: str) -> str:
    """The agreements in one of `FORMATS`; as JSON one object for one of them, a list for several.

    Raises:
        EvalkitError: there is no such format.
    """
    return FORMATS[format_of(form)](*agreements).rstrip("\n") + "\n"
