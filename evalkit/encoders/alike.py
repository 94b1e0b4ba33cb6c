"""Which small passes give the very bytes of full ones on this machine: found out once, and kept, since
to ask takes passes of its own."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["Alike", "kept_in"]


class Alike:
    """What is known of shapes (tokens, rows): whether a pass with so few rows gives the bytes that a
    full one gives.

    Args:
        path: where it is kept, or None. The name has to say all that may change a bit of a vector.
            A file that is missing or damaged only means that it is asked again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known = {} if path is None else _read(path)

    def get(self, tokens: int, rows: int) -> bool | None:
        """None where nobody asked yet."""
        return self._known.get(f"{tokens}x{rows}")

    def put(self, tokens: int, rows: int, is_same: bool) -> None:
        """Keep an answer; it is lost without harm where it cannot be written."""
        self._known[f"{tokens}x{rows}"] = is_same
        if self._path is None:
            return
        work = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Another run may have asked of other shapes meanwhile.
            work.write_text(json.dumps({**_read(self._path), **self._known}, sort_keys=True))
            work.replace(self._path)


def kept_in(folder: Path, space: str, threads: int | None) -> Path:
    """Where it is kept for a network.

    Args:
        folder: of all networks.
        space: whose bytes: the network, the library that runs it, the instruction set.
        threads: of the processor, None for all: how a product is summed may depend on how many
            share it, too.
    """
    exact = f"{space}\n{threads} {os.cpu_count()} {os.environ.get('OMP_NUM_THREADS')}"
    return folder / f"passes-{hashlib.sha256(exact.encode()).hexdigest()[:12]}.json"


def _read(path: Path) -> dict[str, bool]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, bool)}
