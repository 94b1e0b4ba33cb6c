"""Docs cannot rot: pages made from code are current, every verb has help, links lead somewhere, examples run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest
import typer

import evalkit
from evalkit.cli import app

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_a_page_made_from_code_is_current(name: str) -> None:
    made = generate.PAGES[name]().rstrip() + "\n"
    assert (ROOT / "docs" / name).read_text("utf-8") == made, "run: python docs/generate.py"


def test_every_verb_and_option_has_help() -> None:
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", "x"), f"{name} {parameter.name}"


PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "datasets").rglob("*.md"),
        ROOT / "jobs" / "README.md",
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(evalkit.__path__, "evalkit.")
    if "__main__" not in info.name
)


@pytest.mark.parametrize("name", [name for name in MODULES if "runtimes" not in name])
def test_examples_in_docstrings_run(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_importing_evalkit_is_light() -> None:
    """`import evalkit` must not pull in a model runtime, pandas or DuckDB."""
    import subprocess
    import sys

    code = "import sys, evalkit; print([m for m in ('torch', 'pandas', 'duckdb', 'deltalake') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
