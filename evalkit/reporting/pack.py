"""Finds the report pack: templates, styles and SQL, which a team may copy and change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from evalkit.config import Settings
from evalkit.errors import ConfigError
from evalkit.metrics import label
from evalkit.reporting import display, words

__all__ = ["Pack"]


class Pack:
    """One report pack: where its files are, and the template engine that renders them.

    The engine escapes every value, knows no attribute that leads out of the template (sandbox), and
    refuses an unknown name instead of printing nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = self._engine(autoescape=True)
        #: For the mail's text part, where an escaped sign would be read as it stands.
        self.plain = self._engine(autoescape=False)

    def _engine(self, *, autoescape: bool) -> ImmutableSandboxedEnvironment:
        engine = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self.folder),
            autoescape=autoescape,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        filters: dict[str, Callable[..., Any]] = {
            "bdi": display.isolate,
            "clip": display.clip,
            "marked": display.marked,
            "label": label,
            "short": words.short,
            "longdate": words.long_date,
            "shortdate": words.short_date,
            "clock": words.clock,
            "count": words.count,
            "percent": words.percent,
            "plural": words.plural,
        }
        engine.filters.update({name: _checked(function) for name, function in filters.items()})
        return engine

    @classmethod
    def of(cls, settings: Settings) -> Pack:
        """The pack that the settings name, or the shipped one.

        Raises:
            ConfigError: the named folder is not there or holds no page.
        """
        if settings.report.pack is not None:
            folder = settings.path(settings.report.pack)
            if not (folder / "page.html").is_file():
                raise ConfigError(
                    f"{settings.file}: [report] pack: {folder} holds no page.html. "
                    f"Copy {shipped()} there and change the copy, or remove the key."
                )
            return cls(folder)
        return cls(shipped())

    def text(self, name: str) -> str:
        """The text of one file of the pack.

        Raises:
            ConfigError: it is not there.
        """
        path = self.folder / name
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}: cannot be read ({error}). Copy it from the shipped pack {shipped()}."
            ) from error

    def style(self, name: str) -> Markup:
        """A stylesheet for a `<style>` element. It comes from the team, never from traffic."""
        return Markup(self.text(name).replace("</", "<\\/"))


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that names an undefined variable instead of failing on its type."""

    @functools.wraps(function)
    def checked(*values: Any, **named: Any) -> Any:
        for value in values:
            if isinstance(value, Undefined):
                str(value)  # raises, and says which name
        return function(*values, **named)

    return checked


def shipped() -> Path:
    """The pack that comes with evalkit: inside the installed wheel, or in the source checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_reports", package.parent / "reports"):
        if (folder / "page.html").is_file():
            return folder
    raise ConfigError(
        f"{package}: the report pack is missing from this installation. Install evalkit again."
    )
