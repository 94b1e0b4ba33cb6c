"""What a night tells about itself: pure data, made where the steps are run, read by the page and the mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from evalkit.metrics import Metric

__all__ = ["NightSummary", "Status"]

Status = Literal["healthy", "findings", "degraded", "failed"]


@dataclass(frozen=True)
class NightSummary:
    """The outcome of one night.

    Args:
        day: the day that was evaluated.
        status: healthy; findings (at or above `fail_on`); degraded (coverage or completeness under its
            floor); failed (a step could not finish).
        reasons: why it is not healthy, one sentence each.
        counts: received, accepted, duplicate, rejected, scored: records of the day.
        coverage: per metric the share of eligible interactions that have a value.
        metrics: every metric that may stand in `daily`, by name.
    """

    day: date
    status: Status
    reasons: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
