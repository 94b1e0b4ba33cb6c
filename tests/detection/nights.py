"""Runs detectors over nights without a lake: the findings of one night are the memory of the
next."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from evalkit.config import DetectSettings
from evalkit.detection.contract import Detector, History
from evalkit.detection.identity import identify, table
from evalkit.metrics import Metric
from evalkit.schema import FINDINGS, LEDGER, PROMPTS


def settings(**changes) -> DetectSettings:
    return DetectSettings(**changes)


def run(
    detector: Detector,
    daily: list[pa.Table],
    metrics: dict[str, Metric],
    nights: range,
    chosen: DetectSettings | None = None,
    prompts: pa.Table | None = None,
    lookback: int = 72,
) -> pa.Table:
    """Findings of the nights with these numbers, in order; night i sees `daily[: i + 1]`."""
    told = FINDINGS.empty()
    for number in nights:
        day: date = daily[number]["day"][0].as_py()
        seen = pa.concat_tables(daily[max(0, number - lookback) : number + 1])
        history = History(
            day=day,
            daily=seen,
            ledger=LEDGER.empty(),
            prompts=PROMPTS.empty() if prompts is None else prompts,
            findings=told,
            metrics=metrics,
            settings=chosen or settings(),
        )
        rows = identify({detector.name: detector.detect(history)}, told, day)
        told = pa.concat_tables([told, table(rows)])
    return told
