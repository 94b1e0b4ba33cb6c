"""How long a source that fails is asked again: what can go wrong on a network, and the waits between
tries. What is asked for is not known here."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["GivenUpError", "NetworkError", "Outside", "Patience", "RefusedError", "SlowError"]

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
#: A server may ask for longer; it is not believed.
_LONGEST_ASKED_SECONDS = 300.0


class NetworkError(Exception):
    """What was asked for did not come; the text says why in words, and never holds a key."""


class SlowError(NetworkError):
    """The answer took too long or was too large: a smaller window may do."""


class RefusedError(NetworkError):
    """No further try will do tonight: the key, the certificate or the address is wrong."""


class GivenUpError(NetworkError):
    """The source failed for so long that the night goes on without it."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Outside:
    """What a door takes from the world besides bytes: time, waiting, and chance.

    Attributes:
        now: the time of the calendar, UTC.
        clock: seconds that only grow.
        sleep: waits for so many seconds.
        seed: decides on the jitter of waits; None for one of its own.
    """

    now: Callable[[], datetime] = _now
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    seed: int | None = None


class Patience:
    """Waits between the tries of one source. It ends when nothing has succeeded for `seconds`."""

    def __init__(self, seconds: float, outside: Outside) -> None:
        self._seconds = seconds
        self._outside = outside
        self._random = random.Random(outside.seed)
        self._failing_since: float | None = None

    def succeeded(self) -> None:
        self._failing_since = None

    def wait(self, attempt: int, reason: str, asked: float | None = None) -> None:
        """Wait before the next try: twice as long after each, times a random share so that many
        who failed together do not come back together.

        Args:
            attempt: how many tries failed in a row, from 1.
            reason: of the failure, for the error.
            asked: seconds that the server asked for; waited for in full, within bounds.

        Raises:
            GivenUpError: it has failed for long enough, or would by the end of the wait.
        """
        now = self._outside.clock()
        if self._failing_since is None:
            self._failing_since = now
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 30))
        seconds = self._random.uniform(longest / 2, longest)
        if asked is not None:
            seconds += min(max(asked, 0.0), _LONGEST_ASKED_SECONDS)
        if now + seconds - self._failing_since >= self._seconds:
            raise GivenUpError(
                f"{reason}; given up after {round(self._seconds / 60, 2):g} minutes of failing"
            )
        self._outside.sleep(seconds)
