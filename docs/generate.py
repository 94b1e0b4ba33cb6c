"""Writes the reference pages of docs/ from the code: `python docs/generate.py`; a test fails when they are not current."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import typer

from evalkit.cli import app
from evalkit.config import Settings, SourceSettings
from evalkit.schema import TABLES
from evalkit.scoring import select

HERE = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py from the code; edit there. -->\n"


def tables() -> str:
    """Every table, column by column."""
    parts = [
        "# Tables\n",
        MADE,
        "Delta Lake tables, one folder each below `[lake] path`, partitioned by day.\n",
    ]
    for table in TABLES:
        parts.append(
            f"## {table.name}\n\nA row is {table.row}.\n\n| column | type | meaning |\n|---|---|---|"
        )
        for column in table.columns:
            kind = _cell(str(column.type))
            parts.append(f"| `{column.name}` | {kind} | {_cell(column.comment)} |")
        if table.name == "scores":
            parts.append(
                "\nBetween these stand `<metric>` and `<metric>__status` for each metric: see [metrics](metrics.md)."
            )
        parts.append("")
    return "\n".join(parts)


def configuration() -> str:
    """Every key of evalkit.toml."""
    parts = [
        "# Configuration\n",
        MADE,
        "One TOML file, `evalkit.toml`. Relative paths start at its folder. An unknown key, a wrong type or a missing\n"
        "file is an error that names the key and the fix. `evalkit init` writes a commented one that runs.\n",
    ]
    sections = [
        (name, field.annotation)
        for name, field in Settings.model_fields.items()
        if name not in {"base", "file", "sources"}
    ]
    sections.insert(2, ("sources.NAME", SourceSettings))
    for name, model in sections:
        doc = (model.__doc__ or "").strip()
        parts.append(
            f"## [{name}]\n\n{doc}\n\n| key | type | default | meaning |\n|---|---|---|---|"
        )
        for key, field in model.model_fields.items():
            kind = (
                str(field.annotation)
                .replace("typing.", "")
                .replace("<class '", "")
                .replace("'>", "")
            )
            default = (
                "required"
                if field.is_required()
                else f"`{field.get_default(call_default_factory=True)!r}`"
            )
            parts.append(
                f"| `{key}` | {_cell(kind)} | {_cell(default)} | {_cell(field.description or '')} |"
            )
        parts.append("")
    return "\n".join(parts)


def metrics() -> str:
    """Every scorer and what it produces."""
    parts = [
        "# Metrics\n",
        MADE,
        "One scorer is one file in `evalkit/scoring/scorers/`; it is a pure function of a batch.\n",
    ]
    for scorer in select(Settings()).values():
        parts.append(
            f"## {scorer.name} (version {scorer.version})\n\n{_paragraphs(scorer.about)}\n"
        )
        parts.append("| metric | unit | worse when | meaning |\n|---|---|---|---|")
        parts += [f"| `{m.name}` | {m.unit} | {m.worse} | {m.about} |" for m in scorer.metrics]
        parts.append("")
    return "\n".join(parts)


def commands() -> str:
    """Every verb's own help."""
    root = typer.main.get_command(app)
    context = click.Context(root, info_name="evalkit", max_content_width=100, terminal_width=100)
    return "\n".join(["# Command line\n", MADE, *_helps(root, context)])


def _helps(group: click.Command, context: click.Context) -> Iterator[str]:
    """The help of each verb of a group, and of the verbs below it."""
    for name in group.list_commands(context):  # type: ignore[attr-defined]  # only groups get here
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        inner = click.Context(
            command, info_name=name, parent=context, max_content_width=100, terminal_width=100
        )
        yield f"## {inner.command_path}\n\n```\n{command.get_help(inner)}\n```\n"
        if hasattr(command, "list_commands"):
            yield from _helps(command, inner)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraphs(doc: str) -> str:
    return "\n".join(line.strip() for line in doc.splitlines())


PAGES = {
    "tables.md": tables,
    "configuration.md": configuration,
    "metrics.md": metrics,
    "commands.md": commands,
}


def main() -> int:
    for name, make in PAGES.items():
        (HERE / name).write_text(make().rstrip() + "\n", "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
