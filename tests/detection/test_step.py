"""The step on a real lake: one commit a night, repeatable, in any order of nights, and never
stopped by a detector."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from traffic import METRICS, START, Shift, month

from evalkit.config import Settings
from evalkit.detection import detect, registered
from evalkit.detection.contract import Detector, Finding
from evalkit.lake import Lake
from evalkit.schema import DAILY, FINDINGS, INTERACTIONS, SCORES, scores_schema

BAD = START + timedelta(days=30)
LEVEL = {"level": registered()["level"]}


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("nights") / "lake"))
    drop = Shift("groundedness", -0.3, 30, last=31, segment="route", value="/ask")
    for table in month(1, 33, shifts=(drop,)):
        lake.replace(DAILY, table["day"][0].as_py(), table)
    rows, scored = [], []
    for i in range(40):
        route = "/ask" if i % 2 == 0 else "/chat"
        rows.append(
            {
                "day": BAD,
                "interaction_id": f"{i:02d}",
                "route": route,
                "query": f"question {i // 4}",
            }
        )
        scored.append(
            {
                "day": BAD,
                "interaction_id": f"{i:02d}",
                "groundedness": i / 100,
                "groundedness__status": "ok",
            }
        )
    lake.replace(INTERACTIONS, BAD, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
    schema = scores_schema([("groundedness", "")])
    lake.replace(SCORES, BAD, pa.Table.from_pylist(scored, schema=schema))
    return lake


def test_a_night_has_its_finding_with_the_worst_interactions_of_its_segment(lake):
    done = detect(Settings(), lake, BAD, METRICS)
    assert (done.new, done.worst, done.failed) == (1, "critical", {})
    (row,) = lake.read(FINDINGS, BAD, BAD).to_pylist()
    # Route /ask only, lowest groundedness first, each question once.
    assert row["examples"] == [f"{i:02d}" for i in range(0, 40, 4)]
    assert row["detector"] == "level"


def test_a_night_that_is_run_again_says_the_same_and_commits_nothing(lake):
    detect(Settings(), lake, BAD, METRICS)
    before, version = lake.read(FINDINGS, BAD, BAD), lake.version(FINDINGS)
    detect(Settings(), lake, BAD, METRICS)
    assert lake.read(FINDINGS, BAD, BAD).equals(before)
    assert lake.version(FINDINGS) == version


def test_nights_remember_the_nights_before_and_nothing_later(lake):
    for number in (30, 31, 32):
        detect(Settings(), lake, START + timedelta(days=number), METRICS)
    told = [
        [row["status"] for row in lake.read(FINDINGS, day, day).to_pylist()]
        for day in (START + timedelta(days=n) for n in (30, 31, 32))
    ]
    assert told == [["new"], ["ongoing"], ["resolved"]]
    assert detect(Settings(), lake, BAD, METRICS).new == 1


def test_a_detector_that_raises_is_a_finding_and_what_it_had_open_stays_open(lake):
    detect(Settings(), lake, BAD, METRICS, LEVEL)

    def broken(history) -> list[Finding]:
        raise ZeroDivisionError("no rows")

    chosen = {"level": Detector("level", "1", broken, "", __name__)}
    done = detect(Settings(), lake, BAD + timedelta(days=1), METRICS, chosen)
    rows = {row["kind"]: row for row in done.findings.to_pylist()}
    assert rows["detector_error"]["severity"] == "warning"
    assert "ZeroDivisionError: no rows" in rows["detector_error"]["title"]
    assert rows["level_change"]["status"] == "ongoing"
    assert done.failed == {"level": "ZeroDivisionError: no rows"}


def test_an_empty_lake_has_no_findings(tmp_path):
    done = detect(Settings(), Lake(str(tmp_path / "lake")), BAD, METRICS)
    assert (done.new, done.worst) == (0, None)


def test_a_segment_of_a_foreign_detector_never_becomes_sql(lake):
    def hostile(history) -> list[Finding]:
        return [
            Finding(
                "level_change",
                "info",
                "odd",
                metric="groundedness",
                segment='route" OR 1=1 --',
                value_of_segment="'; DROP VIEW scores; --",
            )
        ]

    done = detect(
        Settings(), lake, BAD, METRICS, {"odd": Detector("odd", "1", hostile, "", __name__)}
    )
    odd = [row for row in done.findings.to_pylist() if row["detector"] == "odd"]
    assert odd[0]["examples"] == []
