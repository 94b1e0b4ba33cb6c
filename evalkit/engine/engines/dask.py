"""Dask: the workers of a cluster that is there, or of one on this machine."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from evalkit.engine.contract import ATTEMPTS, Crew, Engine, Plan, Task
from evalkit.errors import EngineError

__all__ = ["dask"]

#: Jobs that are given out per worker: one that runs and one that waits.
_AHEAD = 2


class _Cluster:
    here = False

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self._plan = plan
        self._stack = stack
        self._client: Any = None

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        coming = iter(jobs)
        given: dict[str, Any] = {}
        running: Any = None
        try:
            while True:
                while len(given) < _AHEAD * self._plan.workers:
                    try:
                        job = next(coming)
                    except StopIteration:
                        break
                    future = self._submit(task, job)
                    given[future.key] = (future, job)
                    if running is None:
                        running = as_completed([future], loop=self._client.loop)
                    else:
                        running.add(future)
                if not given:
                    return
                future = next(running)
                _, job = given[future.key]
                try:
                    value = future.result()
                except KilledWorker as error:
                    raise EngineError(
                        f"{job}: its workers were lost {ATTEMPTS} times. Is there enough memory? "
                        "With a smaller [engine] shard_rows or [scoring] batch_rows a worker needs "
                        "less."
                    ) from error
                del given[future.key]
                future.release()
                yield value
        finally:
            for future, _ in given.values():
                future.cancel(force=True)

    def _submit(self, task: Task, job: Any) -> Any:
        if self._client is None:
            self._client = self._opened()
        # Not pure: it has a key of its own, whoever else gives the cluster the same job.
        return self._client.submit(_do, task, job, pure=False)

    def _opened(self) -> Any:
        import dask as library
        from distributed import Client, LocalCluster

        # The scheduler gives a job out again by itself, so many times.
        self._stack.enter_context(
            library.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS - 1})
        )
        address = self._plan.address
        try:
            if address is None:
                cluster = LocalCluster(
                    n_workers=self._plan.workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    # A night's memory is bounded by its shards; a nanny that guesses kills work.
                    memory_limit=0,
                )
                address = self._stack.enter_context(cluster)
            return self._stack.enter_context(Client(address, timeout=60, set_as_default=False))
        except (OSError, TimeoutError) as error:
            where = self._plan.address or "on this machine"
            raise EngineError(
                f"[engine] kind = 'dask': no cluster {where} ({error}). Is the scheduler running, "
                "and is the address right?"
            ) from error


def _do(task: Task, job: Any) -> Any:
    """In a worker: what was made for the task is kept with the worker, and used by one thread at a
    time."""
    from distributed import get_worker

    made: _Made = get_worker().__dict__.setdefault("_evalkit", _Made())
    return made.done(task, job)


class _Made:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key = ""
        self._work: Callable[[Any], Any] | None = None

    def done(self, task: Task, job: Any) -> Any:
        with self._lock:
            if self._work is None or self._key != task.key:
                self._key, self._work = task.key, task.make()
            return self._work(job)


def _obstacle() -> str | None:
    if importlib.util.find_spec("distributed") is None:
        return "Dask is not installed. Run `pip install 'evalkit[dask]'`."
    return None


@contextmanager
def _start(plan: Plan) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield _Cluster(plan, stack)


dask = Engine("dask", _obstacle, _start, __name__)
