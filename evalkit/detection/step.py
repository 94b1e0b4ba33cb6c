"""The detection step: shows detectors the days up to one night, and replaces that night of
`findings`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from evalkit import registry
from evalkit.config import Settings
from evalkit.detection.contract import Detector, Finding, History
from evalkit.detection.examples import examples
from evalkit.detection.identity import SEVERITIES, identify, table
from evalkit.detection.instruments import changes, explained
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import CANARY, DAILY, FIELDS, FINDINGS, LEDGER, PROMPTS

__all__ = ["Detected", "detect", "history_of", "registered"]

_GROUP = "evalkit.detectors"
_PACKAGE = "evalkit.detection.detectors"
_log = logging.getLogger(__name__)
#: A change may last as long as the baseline looks back before it is the new normal: the days before
#: it must still be in sight then, with a fortnight for days without traffic and the search for a
#: beginning.
_MARGIN_DAYS = 14


@dataclass(frozen=True)
class Detected:
    """What the step found.

    Attributes:
        day: the night.
        new, ongoing, resolved: how many findings of each status.
        worst: the highest severity among those that are not resolved; None without any.
        failed: detectors that could not look, each with its error.
        findings: the rows written.
    """

    day: date
    new: int
    ongoing: int
    resolved: int
    worst: str | None
    failed: dict[str, str]
    findings: pa.Table

    def __str__(self) -> str:
        text = f"{self.new} new, {self.ongoing} ongoing, {self.resolved} resolved findings"
        broken = "".join(f"; detector {name} failed ({why})" for name, why in self.failed.items())
        return text + broken


def registered() -> dict[str, Detector]:
    """All detectors: the built-in ones and those of other distributions (entry points
    `evalkit.detectors`)."""
    return registry.find(_PACKAGE, _GROUP, Detector)


def detect(
    settings: Settings,
    lake: Lake,
    day: date,
    metrics: dict[str, Metric],
    chosen: dict[str, Detector] | None = None,
) -> Detected:
    """Run all detectors over the days up to `day` and replace that night of `findings`, in one
    commit.

    Args:
        settings: `detect` and the time zone.
        lake: holds `daily`, `ledger`, `prompts`, `canary` and the `findings` of earlier nights.
        day: the night.
        metrics: what is watched, by name.
        chosen: detectors to run; without it all that are registered.
    Returns:
        What was found. Only days up to `day` are read, so a night gives the same findings whenever
        it is run again, as long as the nights before it stand. A detector that raises becomes a
        finding of kind detector_error; what it had open stays open.
    """
    history = history_of(settings, lake, day, metrics)
    found: dict[str, list[Finding]] = {}
    failed: dict[str, str] = {}
    for name, detector in (registered() if chosen is None else chosen).items():
        try:
            found[name] = list(detector.detect(history))
        except Exception as error:  # noqa: BLE001 - an extension must not stop the night
            _log.warning("detector %s failed on %s", name, day, exc_info=True)
            failed[name] = f"{type(error).__name__}: {error}"[:500]
            found[name] = [_broken(name, failed[name])]
    moved = changes(history.canary)
    found = {
        name: [explained(finding, moved, metrics, day) for finding in findings]
        for name, findings in found.items()
    }
    rows = identify(found, history.findings, day, failed)
    known = set(lake.sql("SELECT * FROM scores LIMIT 0").schema.names)
    for row in rows:
        if row["status"] != "resolved":
            row["examples"] = examples(lake, row, metrics.get(row["metric"] or ""), known)
    findings = table(rows)
    lake.update(FINDINGS, day, findings)
    status = [row["status"] for row in rows]
    still = [row["severity"] for row in rows if row["status"] != "resolved"]
    return Detected(
        day=day,
        new=status.count("new"),
        ongoing=status.count("ongoing"),
        resolved=status.count("resolved"),
        worst=max(still, key=SEVERITIES.index, default=None),
        failed=failed,
        findings=findings,
    )


def history_of(settings: Settings, lake: Lake, day: date, metrics: dict[str, Metric]) -> History:
    """What detectors may look at on `day`: as many days back as they can need, and nothing
    later."""
    start = day - timedelta(days=2 * settings.detect.baseline_days + _MARGIN_DAYS)
    ledger = lake.read(LEDGER, start, day)
    return History(
        day=day,
        daily=lake.read(DAILY, start, day),
        ledger=ledger.filter(pc.equal(ledger["kind"], "hour")),
        prompts=lake.read(PROMPTS, start, day),
        findings=lake.read(FINDINGS, start, day - timedelta(days=1)),
        metrics=metrics,
        settings=settings.detect,
        zone=settings.night.timezone,
        canary=lake.read(CANARY, start, day),
        fields=lake.read(FIELDS, start, day),
    )


def _broken(name: str, error: str) -> Finding:
    return Finding(
        kind="detector_error",
        severity="warning",
        title=f"Detector {name} could not look at this night: {error}",
        key=name,
        event=True,
        detail={"detector": name, "error": error},
    )
