"""Writes the reference pages of docs/ from the code: `python docs/generate.py`; a test fails when they are not current."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import typer

from evalkit.capacity import Assumptions, plan
from evalkit.cli import app
from evalkit.config import Settings, SourceSettings
from evalkit.schema import TABLES
from evalkit.scoring import select

HERE = Path(__file__).parent
#: Tokens that one core embeds in int8, as docs/speed.md has it.
INT8_TOKENS = 9_800
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


def capacity() -> str:
    """What nights of several sizes need."""
    sizes = [100_000, 10_000_000, 1_000_000_000]
    ways = {
        "bf16": Assumptions(),
        "int8": Assumptions(tokens_per_second=INT8_TOKENS),
        "bf16 and the verifier": Assumptions(verifier=1),
    }
    parts = [
        "# What a night needs\n",
        MADE,
        "`evalkit plan --rows 10M` counts the work of a night and divides it by what one core does:\n",
        "| interactions a night | encoder | core hours | machines of 16 cores for 4 hours | USD a night "
        "| lake grows by |\n|---|---|---|---|---|---|",
    ]
    for rows in sizes:
        for way, given in ways.items():
            found = plan(rows, given)
            parts.append(
                f"| {rows:,} | {way} | {found.core_hours:,.1f} | {found.machines:,} "
                f"| {found.usd:,.2f} | {found.lake_bytes / 1e9:,.1f} GB |"
            )
    parts.append(f"\n{_chart(ways)}")
    parts.append(
        "The work is linear in the rows, and so is the cost. A chunk that was embedded before costs\n"
        "nothing: `repeated` decides more than any other assumption. `evalkit plan --observed` takes the\n"
        "traffic (chunks, repetition, lengths) from the newest day of your own lake; every other\n"
        "assumption is changed with `--set NAME=VALUE`.\n"
    )
    parts.append("| assumption | value | meaning |\n|---|---|---|")
    parts += [
        f"| `{one.name}` | {one.default:,g} | {one.metadata['about']} |"
        for one in fields(Assumptions)
    ]
    parts.append(
        f"\nSpeeds are of one core of a shared machine with AVX-512, bf16 and VNNI ([speed.md](speed.md)); int8 embeds\n"
        f"{INT8_TOKENS:,g} tokens a second. On a processor with AVX2 alone take half. No GPU was measured: with one, give\n"
        "its rate (`--set tokens_per_second=... --set cores=1`) and its price. Machines work as\n"
        "[scale.md](scale.md) says; 1 B interactions in one `day` were never run, the figures are arithmetic on\n"
        "what was measured on one machine.\n"
    )
    return "\n".join(parts)


def _chart(ways: dict[str, Assumptions]) -> str:
    """USD a night against interactions, as GitHub draws it."""
    steps = [n * 10_000_000 for n in range(11)]
    lines = [
        "line [0, " + ", ".join(f"{plan(rows, given).usd:.2f}" for rows in steps[1:]) + "]"
        for given in ways.values()
    ]
    axis = ", ".join(f'"{rows // 1_000_000} M"' for rows in steps)
    title = "USD a night (from above: verifier, bf16, int8)"
    return "\n".join(
        [
            "```mermaid",
            "xychart-beta",
            f'  title "{title}"',
            f"  x-axis [{axis}]",
            *(f"  {line}" for line in lines),
            "```\n",
        ]
    )


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
    "capacity.md": capacity,
}


def main() -> int:
    for name, make in PAGES.items():
        (HERE / name).write_text(make().rstrip() + "\n", "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
