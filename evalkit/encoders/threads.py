"""How our passes use the processor's threads, for as long as they run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

__all__ = ["limited", "one_each", "usable"]


def usable() -> int:
    """Processors that this process may use, and no more than OpenMP is told to."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(int(told), allowed) if told.isdigit() and int(told) else allowed


@contextmanager
def one_each(torch: Any, threads: int | None) -> Iterator[Executor]:
    """Threads in each of which torch runs on that one alone (None: as many as torch has).

    Passes side by side never wait for each other, as the threads within one pass do at every
    product: on a busy machine they spend more time on that than on the products.
    """
    count = threads or torch.get_num_threads()
    with (
        limited(torch, 1),
        ThreadPoolExecutor(count, "pass", torch.set_num_threads, (1,)) as pool,
    ):
        yield pool


@contextmanager
def limited(torch: Any, threads: int | None) -> Iterator[None]:
    """Run torch on so many threads (None: as many as it has).

    The number is the whole process's: it is put back, so that other users of torch keep theirs.
    """
    before = torch.get_num_threads()
    wanted = threads or before
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        if wanted != before:
            torch.set_num_threads(before)
