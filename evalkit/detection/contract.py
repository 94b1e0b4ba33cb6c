"""What a detector is: it reads what past days were like and says what is different about one
day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import pyarrow as pa

from evalkit.config import DetectSettings
from evalkit.metrics import Metric
from evalkit.schema import CANARY, FIELDS

__all__ = ["Detector", "Finding", "History", "Severity", "detector"]

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Finding:
    """One thing that someone should know (see `schema.FINDINGS`). Identity and status come later,
    from `detection/identity.py`: a detector only says what is so today.

    `key` tells two findings of one kind, metric and segment apart (a prompt's name and version, an
    hour); `event` is true for something that happens once (a new prompt version) and so is not
    "resolved" the night after.
    """

    kind: str
    severity: Severity
    title: str
    metric: str | None = None
    segment: str = "all"
    value_of_segment: str = "all"
    key: str = ""
    event: bool = False
    before: float | None = None
    after: float | None = None
    effect: float | None = None
    effect_kind: Literal["difference", "ratio"] = "difference"
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    n: int | None = None
    since: date | None = None
    since_at: datetime | None = None
    cause: str | None = None
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """What a detector may look at: the tables of the day and of the days before it, nothing later.

    `daily`, `ledger` (kind hour), `prompts`, `canary` and `fields` have the schema of their tables; `findings` are
    those of earlier nights only. `metrics` says of each metric which direction is worse and on
    which scale it is tested. `zone` is the IANA name of the time zone that days and hours of the
    day are counted in.
    """

    day: date
    daily: pa.Table
    ledger: pa.Table
    prompts: pa.Table
    findings: pa.Table
    metrics: dict[str, Metric]
    settings: DetectSettings
    zone: str = "UTC"
    canary: pa.Table = field(default_factory=CANARY.empty)
    fields: pa.Table = field(default_factory=FIELDS.empty)


@dataclass(frozen=True)
class Detector:
    """A member of `detection/detectors`; pure: no I/O, no clock, no randomness without a fixed
    seed."""

    name: str
    version: str
    detect: Callable[[History], list[Finding]]
    about: str
    module: str


def detector(name: str, version: str) -> Callable[[Callable[[History], list[Finding]]], Detector]:
    """Make a function a detector; its docstring is its documentation."""

    def wrap(function: Callable[[History], list[Finding]]) -> Detector:
        return Detector(
            name, version, function, (function.__doc__ or "").strip(), function.__module__
        )

    return wrap
