"""What the APIs of several vendors have in common: times in requests, lists in answers, pages told by
a token. Which API it is, is a source's business; waits and retries are the client's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from evalkit.errors import SourceError

__all__ = ["by_token", "field_of", "listed", "stamp"]

_MILLISECOND = timedelta(milliseconds=1)


def stamp(time: datetime, *, up: bool = False) -> str:
    """A time as APIs want it: UTC with a Z, to the millisecond, rounded down or up.

    >>> stamp(datetime(2026, 11, 22, 2, 14, 5, 120_500, tzinfo=UTC), up=True)
    '2026-11-22T02:14:05.121Z'
    """
    time = time.astimezone(UTC)
    if up and time.microsecond % 1000 and time < datetime.max.replace(tzinfo=UTC) - _MILLISECOND:
        time += _MILLISECOND
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def field_of(answer: object, *path: str) -> Any:
    """What stands in an answer under these names; None where it does not."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def listed(answer: object, *path: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer.

    Raises:
        SourceError: there is no such list: a proxy answered, or it is another API.
    """
    found = field_of(answer, *path)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        name = ".".join(path) or "a list"
        raise SourceError(f"the API answered without {name!r}. Check that url is the API's root.")
    return found


def by_token(
    ask: Callable[[str | None], Any], items: tuple[str, ...], token: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """The objects of all pages, where each names the next one.

    Args:
        ask: gets the answer for a page's token; None for the first.
        items, token: where the objects and the next token stand in an answer.

    Raises:
        SourceError: a page is none, or names one that was read before: the rest cannot be reached.
    """
    seen: set[str] = set()
    at: str | None = None
    while True:
        answer = ask(at)
        yield from listed(answer, *items)
        following = field_of(answer, *token)
        if following in (None, ""):
            return
        at = str(following)
        if at in seen:
            raise SourceError(f"the API names page {at[:40]!r} twice. Its paging does not end.")
        seen.add(at)
