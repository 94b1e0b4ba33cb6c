"""What the page and the mail need to know of a night's outcome; it is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

__all__ = ["NightSummary"]


class NightSummary(Protocol):
    """The outcome of one night, as `evalkit.verdict.judge` gives it.

    `status` is healthy, findings (at or above `fail_on`), degraded (coverage or completeness under
    its floor) or failed; `reasons` says why in one sentence each; `counts` has received,
    accepted, duplicate, rejected and scored; `coverage` the share of eligible interactions with a
    value, by metric.
    """

    @property
    def day(self) -> date: ...

    @property
    def status(self) -> str: ...

    @property
    def reasons(self) -> Sequence[str]: ...

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def coverage(self) -> Mapping[str, float | None]: ...
