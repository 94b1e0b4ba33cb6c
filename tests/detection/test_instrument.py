"""When the frozen rows get other scores: what is a fault, what a change, and what other findings say of it."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

from evalkit.config import DetectSettings
from evalkit.detection.contract import Finding, History
from evalkit.detection.detectors.instrument import instrument
from evalkit.detection.instruments import TOLERANCE, changes, explained
from evalkit.metrics import Metric
from evalkit.schema import CANARY, DAILY, FINDINGS, LEDGER, PROMPTS

NIGHT = date(2026, 11, 20)
METRICS = {"hallucination": Metric("hallucination", "probability", "higher", "")}


def reading(back: int, **changed) -> dict:
    day = NIGHT - timedelta(days=back)
    return {
        "day": day,
        "metric": "hallucination",
        "fingerprint": "a",
        "instrument": [("torch", "2.12"), ("encoder", "MiniLM-fp32")],
        "n_scored": 80,
        "mean": 0.4,
        "auroc": 0.8,
        "previous_day": day - timedelta(days=1),
        "previous_move": 0.0,
        "first_day": NIGHT - timedelta(days=9),
        "first_move": 0.0,
        **changed,
    }


def canary(**tonight) -> pa.Table:
    """Nine quiet nights and this one."""
    rows = [reading(back) for back in range(9, 0, -1)] + [reading(0, **tonight)]
    return pa.Table.from_pylist(rows, schema=CANARY.schema)


def detect(rows: pa.Table) -> list[Finding]:
    return instrument.detect(
        History(
            day=NIGHT,
            daily=DAILY.empty(),
            ledger=LEDGER.empty(),
            prompts=PROMPTS.empty(),
            findings=FINDINGS.empty(),
            metrics=METRICS,
            settings=DetectSettings(),
            canary=rows,
        )
    )


OTHER = {"fingerprint": "b", "instrument": [("torch", "2.13"), ("encoder", "MiniLM-fp32")]}


def test_equal_scores_are_no_finding_whatever_they_are_made_with():
    assert detect(canary()) == []
    assert detect(canary(**OTHER, first_day=NIGHT)) == []


def test_rounding_is_no_move():
    assert detect(canary(first_move=TOLERANCE, previous_move=TOLERANCE)) == []


def test_a_move_without_a_reason_is_critical_and_stays_open():
    (found,) = detect(canary(previous_move=0.2, first_move=0.2, mean=0.5, auroc=0.6))
    assert (found.severity, found.event) == ("critical", False)
    assert found.title.startswith("The instrument moved: hallucination moved by up to 0.2")
    assert found.detail["hallucination"] == "mean 0.4 to 0.5, AUROC 0.800 to 0.600"


def test_a_move_with_another_instrument_names_what_changed():
    (found,) = detect(canary(**OTHER, previous_move=0.3, mean=0.5, first_day=NIGHT))
    assert (found.severity, found.event) == ("warning", True)
    assert "(torch changed)" in found.title
    assert "trends across this night mix two instruments" in found.title
    assert (found.detail["torch before"], found.detail["torch now"]) == ("2.12", "2.13")


def test_a_small_move_of_the_mean_is_only_worth_knowing():
    (found,) = detect(canary(**OTHER, previous_move=0.3, mean=0.42, first_day=NIGHT))
    assert found.severity == "info"


def test_a_level_that_moves_on_that_night_says_so():
    moved = changes(canary(**OTHER, previous_move=0.3, mean=0.5, first_day=NIGHT))
    level = Finding("level_change", "warning", "up", metric="hallucination", cause="a new prompt")
    told = explained(level, moved, METRICS, NIGHT)
    assert told.cause == (
        "the instrument moved on 2026-11-20: on the same texts hallucination was 0.400 and is 0.500; "
        "a new prompt"
    )
    other = Finding("level_change", "warning", "up", metric="latency_ms")
    assert explained(other, moved, METRICS, NIGHT) == other
    earlier = Finding(
        "level_change", "warning", "up", metric="hallucination", since=NIGHT - timedelta(days=5)
    )
    assert explained(earlier, moved, METRICS, NIGHT + timedelta(days=3)) == earlier
