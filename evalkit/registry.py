"""Finds the members of an extension point: a module in its package, or an entry point of another distribution.

Being there is being registered: nothing else lists names. What a member must do is said by the contract
of its package (`ingest/contract.py`, `encoders/contract.py`, `scoring/contract.py`,
`detection/contract.py`, `reporting/contract.py`).
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TypeVar

from evalkit.errors import ExtensionError

__all__ = ["find", "names"]

T = TypeVar("T")


def names(package: str, group: str) -> list[str]:
    """The names of all members of `package` (modules without a leading underscore) and of entry points `group`."""
    return sorted({*_module_names(package), *(point.name for point in entry_points(group=group))})


def find(package: str, group: str, kind: type[T], name: str | None = None) -> dict[str, T]:
    """All members (or the one called `name`), by name, in the order of their names.

    A member module holds one or more objects of `kind`; each is registered under its own attribute `name`.

    Args:
        package: the package that holds the built-in members, one file each.
        group: the entry-point group for members of other distributions; each point gives an object of `kind`.
        kind: the class that a member is an instance of.
        name: load only the module or entry point of this name (its imports may be heavy).

    Raises:
        ExtensionError: a module holds no member, two members share a name, or `name` is not there.
    """
    found: dict[str, T] = {}
    for module_name in _module_names(package):
        if name is not None and module_name != name:
            continue
        module = importlib.import_module(f"{package}.{module_name}")
        members = [
            value
            for value in vars(module).values()
            if isinstance(value, kind)
            and getattr(value, "module", module.__name__) == module.__name__
        ]
        if not members:
            raise ExtensionError(
                f"{module.__name__}: holds no {kind.__name__}. Define one, or move the file."
            )
        for member in members:
            _add(found, member, module.__name__)
    for point in entry_points(group=group):
        if name is not None and point.name != name:
            continue
        loaded = point.load()
        if not isinstance(loaded, kind):
            raise ExtensionError(f"entry point {point.value} ({group}): is no {kind.__name__}.")
        _add(found, loaded, point.value)
    if name is not None and not found:
        known = ", ".join(names(package, group))
        raise ExtensionError(f"{name!r} is no member of {package}. Known: {known}.")
    return dict(sorted(found.items()))


def _module_names(package: str) -> list[str]:
    path = importlib.import_module(package).__path__
    return sorted(info.name for info in pkgutil.iter_modules(path) if not info.name.startswith("_"))


def _add(found: dict[str, T], member: T, where: str) -> None:
    name = str(getattr(member, "name", ""))
    if not name:
        raise ExtensionError(f"{where}: a member without a name.")
    if name in found and found[name] is not member:
        raise ExtensionError(f"{where}: the name {name!r} is taken by another member.")
    found[name] = member
