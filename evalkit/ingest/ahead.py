"""Makes the next item in a thread while the last one is worked on. What is made and in which order is the
same as without it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

__all__ = ["ahead"]

_END = object()
_Item = TypeVar("_Item")


def ahead(items: Iterable[_Item]) -> Generator[_Item, None, None]:
    """The same items, each begun when the one before it is handed on; one at a time, never two.

    Gains where both sides leave Python for long (Arrow, files). An error comes where its item would.

    >>> list(ahead(n * n for n in range(4)))
    [0, 1, 4, 9]
    """
    left: Iterator[object] = iter(items)
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(next, left, _END)
        try:
            while (item := coming.result()) is not _END:
                coming = pool.submit(next, left, _END)
                yield cast(_Item, item)
        finally:
            # Where items are not gone through to the end: what was opened in the thread (SQLite, say) has to be closed
            # there.
            if isinstance(left, Generator):
                pool.submit(left.close)
