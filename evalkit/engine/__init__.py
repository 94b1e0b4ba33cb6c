"""Who does the work: this process, several, or a cluster. `open_crew` gives what `[engine]` asks
for; one engine is one file in `engines/`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from evalkit.config import Settings
from evalkit.engine.contract import ATTEMPTS, Crew, Engine, Plan, Task
from evalkit.errors import ConfigError, ExtensionError
from evalkit.registry import find, names

__all__ = ["ATTEMPTS", "Crew", "Engine", "Plan", "Task", "open_crew"]

_PACKAGE = "evalkit.engine.engines"
_GROUP = "evalkit.engines"


def open_crew(settings: Settings) -> AbstractContextManager[Crew]:
    """The workers that the configuration asks for; a context manager that ends them.

    Nothing is started before there is a job.

    Raises:
        ConfigError: no such engine, or it cannot run here.
    """
    chosen = settings.engine
    try:
        engine = find(_PACKAGE, _GROUP, Engine, chosen.kind)[chosen.kind]
    except ExtensionError:
        known = ", ".join(names(_PACKAGE, _GROUP))
        raise ConfigError(
            f"{settings.file}: [engine] kind: {chosen.kind!r} is no engine. Known: {known}."
        ) from None
    obstacle = engine.obstacle()
    if obstacle is not None:
        raise ConfigError(f"{settings.file}: [engine] kind = {chosen.kind!r}: {obstacle}")
    if chosen.address is not None and chosen.kind == "local":
        raise ConfigError(
            f"{settings.file}: [engine] address: local has none. Leave it out, or name the kind of "
            "cluster that it is the address of."
        )
    return engine.start(Plan(chosen.workers, chosen.address))
