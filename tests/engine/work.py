"""Work for the workers of the tests: it stands in a module, because other processes import it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError


@dataclass(frozen=True)
class Squares:
    """Squares numbers, and leaves a line for each worker that was made and each job that was begun.

    `kill` is the number whose worker is killed, the first `times` times that it is begun.
    """

    folder: Path
    kill: int = -1
    times: int = 1

    def __call__(self) -> Callable[[int], int]:
        note(self.folder / "made", os.getpid())
        return self.square

    def square(self, number: int) -> int:
        begun = note(self.folder / f"begun-{number}", os.getpid())
        if number == self.kill and begun <= self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 13:
            raise ModelError("thirteen is not to be had")
        if number == 14:
            raise UnsendableError("fourteen", lambda: None)
        return number * number


@dataclass(frozen=True)
class Killing:
    """Another task's work, but the worker that begins the shard `number` first is killed."""

    make: Callable[[], Callable[[Any], Any]]
    folder: Path
    number: int = 1

    def __call__(self) -> Callable[[Any], Any]:
        work = self.make()

        def done(job: Any) -> Any:
            begun = note(self.folder / f"begun-{job.number}", os.getpid())
            if job.number == self.number and begun == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(job)

        return done


class UnsendableError(Exception):
    """An error that cannot be pickled."""


def note(path: Path, what: object) -> int:
    """Add a line to a file; gives how many it has then."""
    with path.open("a") as file:
        file.write(f"{what}\n")
    return len(path.read_text().splitlines())
