"""Limits the threads that torch uses, for as long as one of our passes runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["limited"]


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
