"""What was made of texts that come again, kept from batch to batch: most chunks of a night do. Bounded by their
characters; what is made depends on a text alone, so that nothing shows whether it was kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Lasting", "Remembered"]

T = TypeVar("T")

#: Characters of the texts of which something is remembered: some thousand chunks.
MOST_CHARS = 2_500_000


class Remembered(Generic[T]):
    """Something for each of the texts that came lately, made once as long as they keep coming.

    Args:
        most_chars: of all texts that are remembered, at most.

    >>> lengths = Remembered[int]()
    >>> lengths.of("a text", lambda: 6), lengths.of("a text", lambda: 7)
    (6, 6)
    """

    def __init__(self, most_chars: int = MOST_CHARS) -> None:
        # Two generations: what did not come while one of them filled is forgotten.
        self._half = most_chars // 2
        self._new: dict[str, T] = {}
        self._old: dict[str, T] = {}
        self._chars = 0

    def __contains__(self, text: str) -> bool:
        return text in self._new or text in self._old

    def of(self, text: str, make: Callable[[], T]) -> T:
        """What `make` gave for a text, or gives now."""
        found = self._new.get(text)
        if found is not None:
            return found
        found = self._old.get(text)
        if found is None:
            found = make()
        if self._chars > self._half:
            self._old, self._new, self._chars = self._new, {}, 0
        self._new[text] = found
        self._chars += len(text)
        return found


class Lasting:
    """Things that are made once and outlive a batch, each under a name of its own."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gave for a name, or gives now."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found
