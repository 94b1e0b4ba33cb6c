"""Findings over the nights: the same id, since when, and over only when looked at and not found."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evalkit.detection.contract import Finding
from evalkit.detection.identity import finding_id, identify, table
from evalkit.schema import FINDINGS

FIRST = date(2026, 3, 1)


def finding(key="up", severity="warning", **more) -> Finding:
    return Finding("level_change", severity, "It rose", metric="failed", key=key, **more)


def nights(*found: list[Finding]) -> list[list[dict]]:
    told, memory = [], FINDINGS.empty()
    for number, some in enumerate(found):
        rows = identify({"level": some}, memory, FIRST + timedelta(days=number))
        memory = pa.concat_tables([memory, table(rows)])
        told.append(rows)
    return told


def test_new_then_ongoing_then_resolved_once_with_the_first_day_throughout():
    told = nights([finding(after=1.0)], [finding(after=2.0)], [], [], [finding()])
    assert [[row["status"] for row in rows] for rows in told] == [
        ["new"],
        ["ongoing"],
        ["resolved"],
        [],
        ["new"],
    ]
    assert {row["since"] for rows in told[:3] for row in rows} == {FIRST}
    assert told[2][0]["after"] == 2.0
    assert told[4][0]["since"] == FIRST + timedelta(days=4)


def test_an_event_is_told_once_and_never_resolved():
    told = nights([finding(event=True)], [])
    assert [[row["status"] for row in rows] for rows in told] == [["new"], []]


def test_what_a_broken_detector_had_open_stays_open():
    (rows,) = nights([finding()])
    again = identify({"level": []}, table(rows), FIRST + timedelta(days=1), failed=["level"])
    assert [row["status"] for row in again] == ["ongoing"]


def test_later_nights_say_nothing_about_an_earlier_one():
    (rows,) = nights([finding()])
    assert identify({"level": []}, table(rows), FIRST) == []


def test_one_night_has_one_row_per_id_the_most_severe():
    rows = identify(
        {"a": [finding(severity="info")], "b": [finding(severity="critical")]},
        FINDINGS.empty(),
        FIRST,
    )
    assert [row["severity"] for row in rows] == ["critical"]


@given(
    st.lists(st.text(max_size=4), min_size=4, max_size=4),
    st.lists(st.text(max_size=4), min_size=4, max_size=4),
)
def test_ids_differ_when_any_part_differs(one, other):
    def id_of(parts):
        kind, segment, value, key = (part.replace("\0", "") for part in parts)
        return finding_id(
            Finding(kind, "info", "", segment=segment, value_of_segment=value, key=key)
        )

    same = [part.replace("\0", "") for part in one] == [part.replace("\0", "") for part in other]
    assert (id_of(one) == id_of(other)) == same
