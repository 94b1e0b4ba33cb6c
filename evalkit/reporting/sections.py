"""Sections, the extension point of the report: one file each in the pack's `sections` folder.

A file holds a TOML head between two `+++` lines and a template below it:

    +++
    title = "Coverage"
    about = "How much of the traffic has a score."
    [sql]
    coverage = '''
    -- Which share of the eligible interactions has a value, by metric?
    SELECT metric, n_eligible, n_scored FROM daily WHERE day = $day AND segment = 'all'
    '''
    +++
    {% for row in coverage %} ... {{ row.metric }} ... {% endfor %}

The queries' answers are the template's variables. A section that fails says so in its place; it
never stops the page. Which parameters and variables there are is listed in docs/report.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import TemplateError
from markupsafe import Markup

from evalkit.errors import EvalkitError, ExtensionError
from evalkit.reporting import display
from evalkit.reporting.pack import Pack, shipped

__all__ = ["Rendered", "Section", "load", "names", "parse", "render"]

_HEAD = re.compile(
    r"\A\+\+\+[ \t]*\r?\n(?P<head>.*?)^\+\+\+[ \t]*\r?\n?(?P<template>.*)\Z",
    re.DOTALL | re.MULTILINE,
)
_FILE = re.compile(r"\A(?P<order>\d+)_(?P<name>[a-z][a-z0-9_]*)\.html\Z")
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_KEYS = {"title", "order", "about", "sql"}


@dataclass(frozen=True)
class Section:
    """One part of the page as its file defines it."""

    name: str
    order: int
    title: str
    about: str
    template: str
    sql: Mapping[str, str] = field(default_factory=dict)
    broken: str | None = None


@dataclass(frozen=True)
class Rendered:
    """One part of a page as it came out; `problem` says why when it could not be made."""

    name: str
    title: str
    about: str
    html: Markup
    sql: Mapping[str, str]
    problem: str | None = None


def names(folder: Path | None = None) -> list[str]:
    """The names of all sections of a pack (the shipped one when none is named), in page order."""
    return [section.name for section in load(folder or shipped())]


def load(pack: Path) -> list[Section]:
    """All sections of a pack, in page order. A file that breaks the contract becomes one that "
    "says so."""
    found = []
    for path in sorted((pack / "sections").glob("*.html")):
        try:
            found.append(parse(path.name, path.read_text("utf-8")))
        except (ExtensionError, OSError, UnicodeDecodeError) as error:
            found.append(Section(path.stem, 999, path.stem, "", "", broken=str(error)))
    return sorted(found, key=lambda section: (section.order, section.name))


def parse(file: str, text: str) -> Section:
    """A section from the text of its file.

    Raises:
        ExtensionError: the name, the head or a query breaks the contract; the message says how.
    """
    named = _FILE.match(file)
    if named is None:
        raise ExtensionError(f"sections/{file}: name it NN_name.html, for example 45_topics.html.")
    match = _HEAD.match(text)
    if match is None:
        raise ExtensionError(f"sections/{file}: begins with a TOML head between two lines of +++.")
    try:
        head = tomllib.loads(match["head"])
    except tomllib.TOMLDecodeError as error:
        raise ExtensionError(f"sections/{file}: the head is not valid TOML: {error}.") from error
    unknown = sorted(set(head) - _KEYS)
    if unknown:
        raise ExtensionError(
            f"sections/{file}: {unknown[0]}: unknown key. Known: {', '.join(sorted(_KEYS))}."
        )
    sql = head.get("sql", {})
    title, order, about = (
        head.get("title", ""),
        head.get("order", int(named["order"])),
        head.get("about", ""),
    )
    if not isinstance(title, str) or not isinstance(about, str) or not isinstance(order, int):
        raise ExtensionError(
            f"sections/{file}: title and about are texts, order is a whole number."
        )
    if not isinstance(sql, dict) or not all(isinstance(query, str) for query in sql.values()):
        raise ExtensionError(f"sections/{file}: [sql] holds one text per query.")
    for name, query in sql.items():
        if not query.lstrip().startswith("--"):
            raise ExtensionError(
                f"sections/{file}: [sql] {name}: begin with a comment that says what question "
                f"it answers."
            )
    queries = {name: query.strip() for name, query in sql.items()}
    return Section(named["name"], order, title, about, match["template"], queries)


def render(
    section: Section,
    pack: Pack,
    ask: Callable[[str, dict[str, Any]], pa.Table],
    params: Mapping[str, Any],
    context: Mapping[str, Any],
) -> Rendered:
    """One section as HTML, or a short block that says why there is none.

    Args:
        section: what to render.
        pack: whose template engine is used.
        ask: answers a query with bound parameters (`lake.sql`).
        params: what queries may bind (`$day`, ...).
        context: what every template may name.
    """
    if section.broken is not None:
        return _failed(section, section.broken)
    try:
        answers = {name: answer(ask, query, params) for name, query in section.sql.items()}
        template = pack.engine.from_string(section.template)
        html = Markup(template.render({**context, **answers}))
    except EvalkitError as error:
        return _failed(section, str(error))
    except TemplateError as error:
        return _failed(section, f"template: {error.message or type(error).__name__}")
    except Exception as error:  # noqa: BLE001  (a team's template can fail in any way; the page goes on)
        return _failed(section, f"{type(error).__name__}: {error}")
    return Rendered(section.name, section.title, section.about, html, section.sql)


def answer(
    ask: Callable[[str, dict[str, Any]], pa.Table], query: str, params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A query's answer as cleaned rows; only the parameters that it names are bound."""
    used = {name: params[name] for name in _PARAMETER.findall(query) if name in params}
    return display.rows(ask(query, used))


def _failed(section: Section, reason: str) -> Rendered:
    return Rendered(
        section.name,
        section.title or section.name,
        "",
        Markup(""),
        section.sql,
        display.clean(reason.strip() or "no reason given", 400),
    )
