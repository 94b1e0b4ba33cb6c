"""THE NIGHT: the seven steps in order. Read this first.

    source ──ingest──▶ interactions ──score──▶ scores ──rollup──▶ daily ──detect──▶ findings ──report──▶ page ──send──▶ mail
               └──▶ rejects, ledger

Each step reads tables and replaces its table's day in one atomic commit, so that any of them can be run again, alone,
in any order of days, and killed at any instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from evalkit import prices
from evalkit.config import Settings
from evalkit.detection import detect
from evalkit.encoders import open_embedder
from evalkit.errors import EvalkitError
from evalkit.ingest import ingest
from evalkit.lake import Lake, ledger
from evalkit.reporting import report, send
from evalkit.reporting.summary import NightSummary
from evalkit.rollup import rollup
from evalkit.scoring import metrics, score
from evalkit.verdict import judge

__all__ = ["STEPS", "Night", "backfill", "run", "step"]

STEPS = ("ingest", "score", "rollup", "detect", "report", "send")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Night:
    """What one night came to."""

    summary: NightSummary
    findings: list[dict[str, object]] = field(default_factory=list)
    report: Path | None = None
    mail: str = ""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        return self.summary.exit_code


def run(settings: Settings, day: date, say: Say = print) -> Night:
    """One whole night, from the sources to the mail; never raises an `EvalkitError`: a night that failed says so."""
    return backfill(settings, day, day, say, again=True)[0]
