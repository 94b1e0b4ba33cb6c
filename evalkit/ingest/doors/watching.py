"""Waits for another side no longer than it may take, whatever it does. Which side that is is not known here."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ["SilentError", "watched"]

_END = object()
_Item = TypeVar("_Item")


class SilentError(TimeoutError):
    """Nothing came for as long as it may take."""


def watched(ask: Callable[[], Iterator[_Item]], seconds: float, name: str) -> Iterator[_Item]:
    """What `ask` gives, asked on a thread of its own: a server that says nothing, or one byte at a
    time, would hold the reader beyond any limit of a socket, and cannot be told to stop either.

    Args:
        ask: gives the items, one after the other.
        seconds: how long each may take.
        name: of the thread.

    Raises:
        SilentError: an item took longer. The thread is left to its line.
        Exception: whatever `ask` raised.
    """
    found: queue.Queue[Any] = queue.Queue(maxsize=2)
    unwanted = threading.Event()

    def give(item: Any) -> bool:
        while not unwanted.is_set():
            try:
                found.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in ask():
                if not give((item, None)):
                    return
            give((_END, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            give((_END, error))

    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        while True:
            try:
                item, error = found.get(timeout=seconds)
            except queue.Empty:
                raise SilentError from None
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        unwanted.set()
