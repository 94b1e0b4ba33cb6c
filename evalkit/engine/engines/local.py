"""This machine alone: with one worker this very process, else as many processes of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from evalkit.engine.contract import ATTEMPTS, Crew, Engine, Plan, Task
from evalkit.errors import EngineError, EvalkitError

__all__ = ["local"]


class _Here:
    """Does everything itself."""

    here = True

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        # Made anew for each run: what it closes over is of this process and may have been closed.
        work = task.make()
        for job in jobs:
            yield work(job)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Any = None
    attempt: int = 0


class _Processes:
    """Processes that are started anew, not forked: model runtimes do not survive a fork. Each has a
    pipe of its own, so a process that is killed takes nothing but its job along."""

    here = False

    def __init__(self, workers: int) -> None:
        self._wanted = workers
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        coming = iter(jobs)
        again: list[tuple[Any, int]] = []
        try:
            while True:
                self._give_out(task, coming, again)
                busy = [worker for worker in self._workers if worker.attempt]
                if not busy:
                    return
                ready = wait([worker.pipe for worker in busy])
                for worker in [worker for worker in busy if worker.pipe in ready]:
                    try:
                        done, value = worker.pipe.recv()
                    except (EOFError, OSError):
                        again.append(self._lost(worker))
                        continue
                    worker.job, worker.attempt = None, 0
                    if not done:
                        raise value
                    yield value
        finally:
            # A run that was left early: its jobs are nobody's now, and their answers would come to
            # the next one.
            for worker in [worker for worker in self._workers if worker.attempt]:
                self._dismiss(worker)

    def close(self) -> None:
        for worker in list(self._workers):
            self._dismiss(worker)

    def _give_out(self, task: Task, coming: Iterator[Any], again: list[tuple[Any, int]]) -> None:
        idle = [worker for worker in self._workers if not worker.attempt]
        while idle or len(self._workers) < self._wanted:
            if again:
                job, attempt = again.pop()
            else:
                try:
                    job, attempt = next(coming), 0
                except StopIteration:
                    return
            worker = idle.pop() if idle else self._start()
            worker.job, worker.attempt = job, attempt + 1
            try:
                worker.pipe.send((task, job))
            except OSError:  # it ended while it had nothing to do
                again.append(self._lost(worker))

    def _start(self) -> _Worker:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, mine)
        self._workers.append(worker)
        return worker

    def _lost(self, worker: _Worker) -> tuple[Any, int]:
        """Take leave of a worker that is gone; its job, and how often that was tried."""
        job, attempt = worker.job, worker.attempt
        self._dismiss(worker)
        if attempt >= ATTEMPTS:
            raise EngineError(
                f"{job}: {attempt} processes were lost with it, the last with exit code "
                f"{worker.process.exitcode}. Is there enough memory? With a smaller "
                "[engine] shard_rows or [scoring] batch_rows a worker needs less."
            )
        return job, attempt

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


def _serve(pipe: Connection) -> None:
    """A worker: one job after the other, until the other end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, which ends its workers
    key, work = "", None
    with suppress(EOFError, OSError):
        while True:
            task, job = pipe.recv()
            try:
                if work is None or key != task.key:
                    key, work = task.key, task.make()
                answer = (True, work(job))
            except Exception as error:  # noqa: BLE001  (the driver raises it)
                answer = (False, _portable(error))
            pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """An error that another process can read: ours as they are, others as their text."""
    if isinstance(error, EvalkitError):
        return error
    text = "".join(traceback.format_exception(error))
    return RuntimeError(f"{type(error).__name__}: {error}\nIn process {os.getpid()}:\n{text}")


@contextmanager
def _start(plan: Plan) -> Iterator[Crew]:
    if plan.workers == 1:
        yield _Here()
        return
    crew = _Processes(plan.workers)
    try:
        yield crew
    finally:
        crew.close()


local = Engine("local", lambda: None, _start, __name__)
