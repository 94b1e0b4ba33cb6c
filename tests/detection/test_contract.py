"""What every detector must do, run over all that are registered."""

from __future__ import annotations

import copy
import dataclasses
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from traffic import METRICS, START, month

from evalkit.config import DetectSettings
from evalkit.detection import registered
from evalkit.detection.contract import Detector, Finding, History
from evalkit.detection.identity import SEVERITIES, finding_id, identify, table
from evalkit.schema import CANARY, DAILY, FIELDS, FINDINGS, LEDGER, PROMPTS

ALL = registered()


@pytest.fixture(params=sorted(ALL))
def detector(request) -> Detector:
    return ALL[request.param]


def history(
    daily=None, ledger=None, prompts=None, day=START, findings=None, canary=None, fields=None
) -> History:
    return History(
        day=day,
        daily=DAILY.empty() if daily is None else daily,
        ledger=LEDGER.empty() if ledger is None else ledger,
        prompts=PROMPTS.empty() if prompts is None else prompts,
        findings=FINDINGS.empty() if findings is None else findings,
        metrics=METRICS,
        settings=DetectSettings(),
        canary=CANARY.empty() if canary is None else canary,
        fields=FIELDS.empty() if fields is None else fields,
    )


def busy(days: int) -> History:
    """Nights in which something happens for every detector: a shift, a lost afternoon, a new
    prompt, another instrument, a field that vanished."""
    from traffic import Shift

    daily = month(3, days, shifts=(Shift("groundedness", -0.3, days - 1),))
    ledger, prompts, canary, fields = [], [], [], []
    for number in range(days):
        day = START + timedelta(days=number)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        last = number == days - 1
        ledger.extend(
            {
                "day": day,
                "kind": "hour",
                "source": "gateway",
                "hour": midnight + timedelta(hours=hour),
                "received": 0 if last and 12 <= hour < 16 else 50,
            }
            for hour in range(24)
        )
        fields.extend(
            {
                "day": day,
                "source": "gateway",
                "field": name,
                "type": "text",
                "n": 1180,
                "rows": 1200,
                "share": 1180 / 1200,
            }
            for name in (("query",) if last else ("query", "attributes.tenant"))
        )
        prompts.append(
            {
                "day": day,
                "fingerprint": "b" if last else "a",
                "name": "answer",
                "version": "2" if last else "1",
                "route": "/ask",
                "template": "Answer briefly." if last else "Answer.",
                "n": 100,
                "first_seen": midnight,
                "last_seen": midnight,
                "tokens_input": 900.0 if last else 500.0,
            }
        )
        canary.append(
            {
                "day": day,
                "metric": "groundedness",
                "fingerprint": "new" if last else "old",
                "instrument": [("torch", "2" if last else "1")],
                "mean": 0.5 if last else 0.6,
                "previous_day": day - timedelta(days=1) if number else None,
                "previous_move": (0.3 if last else 0.0) if number else None,
                "first_day": day if last else START,
                "first_move": 0.0,
            }
        )
    return history(
        pa.concat_tables(daily),
        pa.Table.from_pylist(ledger, schema=LEDGER.schema),
        pa.Table.from_pylist(prompts, schema=PROMPTS.schema),
        START + timedelta(days=days - 1),
        canary=pa.Table.from_pylist(canary, schema=CANARY.schema),
        fields=pa.Table.from_pylist(fields, schema=FIELDS.schema),
    )


def test_finds_something_where_something_happened(detector):
    found = detector.detect(busy(30))
    assert found
    for finding in found:
        assert isinstance(finding, Finding)
        assert finding.severity in SEVERITIES
        assert finding.title
        assert len(finding.title) < 300
    assert len({finding_id(finding) for finding in found}) == len(found)


def test_no_history_no_finding(detector):
    assert detector.detect(history()) == []


def test_one_day_is_no_history(detector):
    assert detector.detect(busy(1)) == []


def test_nothing_is_said_before_there_is_enough_history(detector):
    if detector.name in {"prompts", "instrument"}:
        pytest.skip("something new needs one earlier day, not a level")
    assert detector.detect(busy(DetectSettings().min_history_days)) == []


def test_nulls_everywhere(detector):
    def hollow(schema: pa.Schema, kept: set[str], rows: list[dict]) -> pa.Table:
        return pa.Table.from_pylist(
            [{name: value for name, value in row.items() if name in kept} for row in rows],
            schema=schema,
        )

    full = busy(30)
    found = detector.detect(
        dataclasses.replace(
            full,
            daily=hollow(
                DAILY.schema,
                {"day", "metric", "segment", "value_of_segment"},
                full.daily.to_pylist(),
            ),
            ledger=hollow(LEDGER.schema, {"day", "kind"}, full.ledger.to_pylist()),
            prompts=hollow(PROMPTS.schema, {"day"}, full.prompts.to_pylist()),
            canary=hollow(CANARY.schema, {"day"}, full.canary.to_pylist()),
            fields=hollow(FIELDS.schema, {"day"}, full.fields.to_pylist()),
        )
    )
    assert found == []


def test_same_tables_same_findings_in_any_order_of_rows(detector):
    full = busy(30)
    once = detector.detect(full)
    assert detector.detect(full) == once
    turned = {
        name: pa.Table.from_pylist(getattr(full, name).to_pylist()[::-1], schema=schema)
        for name, schema in (
            ("daily", DAILY.schema),
            ("ledger", LEDGER.schema),
            ("prompts", PROMPTS.schema),
            ("canary", CANARY.schema),
            ("fields", FIELDS.schema),
        )
    }
    assert detector.detect(dataclasses.replace(full, **turned)) == once


def test_changes_nothing_that_it_was_given(detector):
    full = busy(30)
    before = {
        name: copy.deepcopy(getattr(full, name).to_pylist())
        for name in ("daily", "ledger", "prompts", "canary", "fields")
    }
    detector.detect(full)
    assert {name: getattr(full, name).to_pylist() for name in before} == before


def test_findings_fit_their_table(detector):
    day: date = START + timedelta(days=29)
    rows = identify({detector.name: detector.detect(busy(30))}, FINDINGS.empty(), day)
    written = table(rows)
    assert written.schema.equals(FINDINGS.schema)
    assert set(written["status"].to_pylist()) == {"new"}


def test_says_what_it_does(detector):
    assert detector.about.count(".") >= 2
    assert detector.version
