"""Lost hours and days, against ledgers of several weeks."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from test_contract import history

from evalkit.detection.detectors.missing import missing
from evalkit.detection.identity import identify, table
from evalkit.schema import FINDINGS, LEDGER

FIRST = date(2026, 1, 5)


def ledger(
    days: int, lost=(), seed: int = 1, a_day: float = 600.0, start: date = FIRST, zone: str = "UTC"
) -> pa.Table:
    """Hours of a source whose traffic follows the clock of its zone and the week.

    `lost` are (day number, first hour, end hour, share that is kept).
    """
    rng = np.random.default_rng(seed)
    shape = 1.2 + np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)
    shape = shape / shape.sum() * a_day
    rows = []
    at = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    while (local := at.astimezone(ZoneInfo(zone))).date() < start + timedelta(days=days):
        weekday = 0.6 if local.weekday() >= 5 else 1.0
        count = int(rng.poisson(shape[local.hour] * weekday))
        for where, begin, end, kept in lost:
            if local.date() == start + timedelta(days=where) and begin <= local.hour < end:
                count = int(count * kept)
        if count:
            rows.append(
                {"day": local.date(), "kind": "hour", "source": "gw", "hour": at, "received": count}
            )
        at += timedelta(hours=1)
    return pa.Table.from_pylist(rows, schema=LEDGER.schema)


def found(table_: pa.Table, number: int):
    return missing.detect(history(ledger=table_, day=FIRST + timedelta(days=number)))


def test_lost_hours_that_touch_are_one_finding_with_what_was_expected():
    (finding,) = found(ledger(29, lost=[(28, 10, 14, 0.0)]), 28)
    assert finding.severity == "critical"
    assert finding.since_at == datetime(2026, 2, 2, 10, tzinfo=UTC)
    assert finding.detail["hours"] == "4"
    assert finding.after == 0
    assert 80 < finding.before < 200
    assert finding.title.startswith("Source gw, 10:00 to 14:00 UTC: nothing arrived")


def test_two_gaps_are_two_findings():
    gaps = found(ledger(29, lost=[(28, 8, 10, 0.0), (28, 16, 18, 0.0)]), 28)
    assert [gap.since_at.hour for gap in gaps] == [8, 16]


def test_an_hour_of_which_a_part_arrived_is_lost_too():
    (finding,) = found(ledger(29, lost=[(28, 13, 14, 0.2)], a_day=3000), 28)
    assert finding.since_at.hour == 13
    assert finding.severity == "warning"


def test_little_traffic_needs_a_longer_gap_but_shows_it():
    (finding,) = found(ledger(29, lost=[(28, 12, 18, 0.0)], a_day=120), 28)
    assert finding.since_at.hour == 12


def test_a_silent_source_is_one_finding_that_goes_on_until_it_counts_as_switched_off():
    short = ledger(29)
    memory, told = FINDINGS.empty(), []
    # Another source keeps the nights going.
    other = ledger(45, seed=2).to_pylist()
    both = pa.Table.from_pylist(
        short.to_pylist() + [{**row, "source": "other"} for row in other], schema=LEDGER.schema
    )
    for number in range(29, 40):
        day = FIRST + timedelta(days=number)
        rows = identify({"missing": found(both, number)}, memory, day)
        memory = pa.concat_tables([memory, table(rows)])
        told.append([row["status"] for row in rows if row["value_of_segment"] == "gw"])
    assert told[0] == ["new"]
    assert told[1:7] == [["ongoing"]] * 6
    assert ["resolved"] in told
    assert told[-1] == []


def test_a_quiet_weekend_is_no_loss():
    assert [found(ledger(35), number) for number in range(28, 35)] == [[]] * 7


def test_the_first_nights_know_nothing():
    assert found(ledger(7, lost=[(6, 0, 24, 0.0)]), 6) == []


def test_a_gap_last_week_does_not_excuse_the_same_gap_tonight():
    assert len(found(ledger(29, lost=[(21, 10, 14, 0.0), (28, 10, 14, 0.0)]), 28)) == 1


@pytest.mark.parametrize(
    "day", [date(2026, 3, 29), date(2026, 10, 25)], ids=["23 hours", "25 hours"]
)
def test_days_on_which_clocks_change_are_nothing_special(day):
    traffic = ledger(21, start=day - timedelta(days=20), zone="Europe/Zurich")
    full = history(ledger=traffic, day=day)
    assert missing.detect(dataclasses.replace(full, zone="Europe/Zurich")) == []


def chance(seeds: range) -> int:
    """Nights with a finding, of 14 nights of ordinary traffic for each seed."""
    return sum(
        bool(found(table_, number))
        for table_ in (ledger(42, seed=seed, a_day=140) for seed in seeds)
        for number in range(28, 42)
    )


def test_ordinary_nights_have_no_lost_hours():
    # 42 nights at 0.1 a month: two or more would come up once in a hundred such tests.
    assert chance(range(3)) <= 1


@pytest.mark.slow
def test_chance_alone_stays_within_its_part_of_the_budget():
    # 560 nights at 0.1 a month: about two expected; seven or more once in a hundred.
    assert chance(range(40)) <= 6
