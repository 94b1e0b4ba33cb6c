"""What an engine is: it has pieces of work done, here or elsewhere. What the work is, it does not
know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["ATTEMPTS", "Crew", "Engine", "Plan", "Task"]

J = TypeVar("J")
R = TypeVar("R")

#: How often a job is given out again because its worker was lost, before it is taken for the cause.
ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """What is to be done with each job.

    Attributes:
        key: tasks with equal keys do the same: a worker keeps what it made for the last one.
        make: called once in each worker, gives the function from a job to its result. Where work is
            done in other processes it is pickled, as jobs and results are.
    """

    key: str
    make: Callable[[], Callable[[Any], Any]]


@dataclass(frozen=True)
class Plan:
    """How many workers, and the address of the cluster that has them (None: start them here)."""

    workers: int = 1
    address: str | None = None


class Crew(Protocol):
    """Workers that are kept over many runs."""

    @property
    def here(self) -> bool:
        """Whether all is done in this very process, so that nothing has to be pickled."""
        ...

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        """The results, each as soon as it is there, in no order.

        Jobs are taken one by one, never many more than there are workers. A job whose worker is
        lost is given out again, and so is one whose result was lost with it; no other job suffers.
        What a job raises ends the run.

        Raises:
            EngineError: the workers of one job were lost `ATTEMPTS` times, or none can be started.
        """
        ...


@dataclass(frozen=True)
class Engine:
    """A member of `engine/engines`.

    Attributes:
        name: as `[engine] kind` names it.
        obstacle: None when it can run here, else the reason and what to do, in words.
        start: gives a crew, whose workers end with the context. Nothing is started before the first
            job; the library is imported there, never by the module that defines the engine.
        module: the module that defines it.
    """

    name: str
    obstacle: Callable[[], str | None]
    start: Callable[[Plan], AbstractContextManager[Crew]]
    module: str
