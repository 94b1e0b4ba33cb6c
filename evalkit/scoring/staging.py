"""The folder of one scoring of one day: what is on its way between driver, workers and lake, and
what a run that was killed leaves to the next one. It knows files, not what they hold."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.errors import EngineError

__all__ = ["Staging", "staged"]

#: What a killed run of another day has left is kept so long for the day to be scored again.
_KEEP_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class Staging:
    """One run's folder.

    Attributes:
        folder: where; it is this run's alone.
        left: results that runs of the same day have left that were killed.
    """

    folder: Path
    left: list[Path] = field(default_factory=list)

    def shard(self, number: int) -> Path:
        """The file of a shard's rows."""
        return self.folder / f"rows-{number:06d}.parquet"

    def result(self, number: int) -> Path:
        """The file of a shard's scores."""
        return self.folder / "results" / f"scores-{number:06d}.parquet"

    @property
    def spill(self) -> Path:
        """A folder for queries that need more room than memory has."""
        return self.folder / "spill"

    def usable(self, schema: pa.Schema) -> list[Path]:
        """What is left of killed runs and has these columns."""
        return [path for path in self.left if _has(path, schema)]


@contextmanager
def staged(root: Path, day: date, *, fresh: bool = False) -> Iterator[Staging]:
    """A folder below `root` for scoring a day: gone after it, kept where it ends with an error.

    A run locks its folder for as long as it lives: several may score the same day at once, and what
    is not locked is of a run that was killed.

    Args:
        root: of all days.
        day: the day.
        fresh: whether every row is to be scored: then only what such a run has left counts.

    Raises:
        EngineError: there can be no such folder.
    """
    kind, home = "fresh" if fresh else "run", root / day.isoformat()
    name = f"{kind}-{uuid.uuid4().hex}"
    try:
        _forget_old(root)
        lock = _made(home, name)
    except OSError as error:
        raise EngineError(
            f"{root}: shards cannot be put there ({error}). Name a folder in [engine] staging."
        ) from error
    own = home / name
    staging = Staging(own)
    try:
        _take_over(staging, home, "fresh-" if fresh else "")
        yield staging
    except BaseException:
        if not staging.left and not any((own / "results").iterdir()):
            shutil.rmtree(own, ignore_errors=True)
        raise
    else:
        for other in chain([own], _dead(home)):
            shutil.rmtree(other, ignore_errors=True)
    finally:
        os.close(lock)
        for empty in (home, root):
            with suppress(OSError):
                empty.rmdir()


def _take_over(staging: Staging, home: Path, prefix: str) -> None:
    """Move the results of runs that were killed into this run's folder."""
    for folder in _dead(home):
        if not folder.name.startswith(prefix):
            continue
        for path in sorted([*folder.glob("left/*.parquet"), *folder.glob("results/*.parquet")]):
            mine = staging.folder / "left" / f"{len(staging.left):06d}.parquet"
            path.rename(mine)
            staging.left.append(mine)
        shutil.rmtree(folder, ignore_errors=True)


def _made(home: Path, name: str) -> int:
    """Make a run's folder; gives its lock. Others see it once it is locked."""
    new = home / f".{name}"
    for part in ("results", "left", "spill"):
        (new / part).mkdir(parents=True)
    lock = _locked(new / "lock", os.O_CREAT)
    assert lock is not None  # nobody else knows of it
    new.rename(home / name)
    return lock


def _dead(home: Path) -> Iterator[Path]:
    """The folders of a day whose runs are no more, each locked while it is looked at."""
    for folder in sorted(home.iterdir()):
        lock = None if folder.name.startswith(".") else _locked(folder / "lock")
        if lock is not None:
            try:
                yield folder
            finally:
                os.close(lock)


def _locked(path: Path, more: int = 0) -> int | None:
    """The lock of a folder, held until it is closed; None where another run has it."""
    try:
        lock = os.open(path, os.O_RDWR | more)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _forget_old(root: Path) -> None:
    """Remove what killed runs of days have left that nobody scored again."""
    if not root.is_dir():
        return
    for home in root.iterdir():
        with suppress(OSError):
            if time.time() - home.stat().st_mtime > _KEEP_SECONDS:
                for folder in _dead(home):
                    shutil.rmtree(folder, ignore_errors=True)
                for unfinished in home.glob(".*"):
                    shutil.rmtree(unfinished, ignore_errors=True)
                home.rmdir()


def _has(path: Path, schema: pa.Schema) -> bool:
    try:
        found = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid):  # the machine went down before the file was on its disk
        return False
    return all(
        name in found.names and found.field(name).type == schema.field(name).type
        for name in schema.names
    )
