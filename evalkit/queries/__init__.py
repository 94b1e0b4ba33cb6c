"""The SQL that is asked outside of the report, one question a file; values are always bound."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["query"]


def query(name: str) -> str:
    """The text of `<name>.sql`."""
    return files("evalkit.queries").joinpath(f"{name}.sql").read_text("utf-8")
