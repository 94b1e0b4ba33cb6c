"""Ray: actors of a cluster that is there, or of one on this machine."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from evalkit.engine.contract import ATTEMPTS, Crew, Engine, Plan, Task
from evalkit.errors import EngineError

__all__ = ["ray"]

_HELLO = object()


class _Actor:
    """In a worker: what was made for the last task, and the jobs, one after the other."""

    def __init__(self) -> None:
        self._key = ""
        self._work: Callable[[Any], Any] | None = None

    def hello(self) -> None:
        """Says that it is there."""

    def do(self, task: Task, job: Any) -> Any:
        if self._work is None or self._key != task.key:
            self._key, self._work = task.key, task.make()
        return self._work(job)


class _Cluster:
    here = False

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self._plan = plan
        self._stack = stack
        self._actors: list[Any] = []

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        coming = iter(jobs)
        try:
            first = next(coming)
        except StopIteration:
            return
        library = self._opened()
        again: list[tuple[Any, int]] = [(first, 0)]
        # An actor gets a job once it has said that it is there: a cluster may have room for fewer.
        given = {actor.hello.remote(): (actor, _HELLO, 1) for actor in self._actors}
        sent = library.put(task)
        try:
            while True:
                (ref,), _ = library.wait(list(given), num_returns=1)
                actor, job, attempt = given.pop(ref)
                try:
                    value = library.get(ref)
                except library.exceptions.RayTaskError as error:
                    raise error.cause from None
                except library.exceptions.RayActorError as error:
                    library.kill(actor)
                    self._actors.remove(actor)
                    if attempt >= ATTEMPTS:
                        raise EngineError(
                            f"{job}: its workers were lost {ATTEMPTS} times. Is there enough "
                            "memory? With a smaller [engine] shard_rows or [scoring] batch_rows a "
                            "worker needs less."
                        ) from error
                    if job is not _HELLO:
                        again.append((job, attempt))
                    fresh = self._hired(library)
                    given[fresh.hello.remote()] = (
                        fresh,
                        _HELLO,
                        attempt + 1 if job is _HELLO else 1,
                    )
                    continue
                if job is not _HELLO:
                    yield value
                if again:
                    job, attempt = again.pop()
                else:
                    try:
                        job, attempt = next(coming), 0
                    except StopIteration:
                        if all(other is _HELLO for _, other, _ in given.values()):
                            return
                        continue
                given[actor.do.remote(sent, job)] = (actor, job, attempt + 1)
        finally:
            for actor, job, _ in given.values():
                if job is not _HELLO:  # nobody's now
                    library.kill(actor)
                    self._actors.remove(actor)

    def _opened(self) -> Any:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when the library is imported
        import ray as library

        if not self._actors:
            if not library.is_initialized():
                self._connect(library)
                self._stack.callback(library.shutdown)
            self._stack.callback(self._actors.clear)
        while len(self._actors) < self._plan.workers:
            self._hired(library)
        return library

    def _connect(self, library: Any) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self._plan.address is not None:
                library.init(address=self._plan.address, **quiet)
            else:
                library.init(
                    address="local",
                    num_cpus=self._plan.workers,
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            where = self._plan.address or "on this machine"
            raise EngineError(
                f"[engine] kind = 'ray': no cluster {where} ({error}). Is it running, and is the "
                "address right?"
            ) from error

    def _hired(self, library: Any) -> Any:
        # Half a processor each: the cluster keeps room for what it does besides.
        made = library.remote(_Actor).options(num_cpus=0.5).remote()
        self._actors.append(made)
        return made


def _obstacle() -> str | None:
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed. Run `pip install 'evalkit[ray]'`."
    return None


@contextmanager
def _start(plan: Plan) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield _Cluster(plan, stack)


ray = Engine("ray", _obstacle, _start, __name__)
