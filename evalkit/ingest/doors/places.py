"""A file, wherever it stands: on disk or in a bucket. How it is read is not known here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

__all__ = ["Bytes", "StoreError", "Stored"]


class StoreError(OSError):
    """A store gave no answer, or refused one, after it was asked again and again. What it holds is
    unknown: that is no damage to a file, and no mistake in the configuration."""


class Bytes(Protocol):
    """An open file, of which is used no more than this."""

    def read(self, size: int = ..., /) -> bytes: ...
    def seek(self, offset: int, whence: int = ..., /) -> int: ...
    def __enter__(self) -> Bytes: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


@dataclass(frozen=True)
class Stored:
    """One file. `name` is for rejects and messages, `path` finds the file again, `modified` is a
    Unix time; `open` gives its bytes from any place, and raises OSError (of a bucket: StoreError).
    """

    name: str
    path: str
    modified: float
    size: int
    open: Callable[[], Bytes]
