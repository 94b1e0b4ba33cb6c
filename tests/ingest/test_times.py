"""The ways in which logs write a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest.times import time_of

STORY = datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22T02:14:05.120Z",
        "2026-11-22T02:14:05.120z",
        "2026-11-22T02:14:05.120",
        "2026-11-22 02:14:05.120",
        "2026-11-22 02:14:05.120 UTC",
        "2026-11-22T03:14:05.120+01:00",
        "2026-11-21T21:14:05.120000999-0500",
        " 2026-11-22T02:14:05.12Z ",
        "1795313645.12",
        "1795313645120",
        1795313645.12,
        1795313645120,
        1795313645120.0,
        1795313645120000,
        1795313645120000789,
    ],
)
def test_one_instant_in_many_ways(written: object) -> None:
    assert time_of(written) == STORY


@pytest.mark.parametrize(
    "written",
    [None, True, "", "soon", "12", 0, -5, 12, float("nan"), float("inf"), 10**40, [], {}, "²",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1" * 5000, "1e400"],
)  # fmt: skip
def test_what_is_no_time_of_a_log(written: object) -> None:
    assert time_of(written) is None


@given(st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_any_iso_text_is_read_back_exactly(moment: datetime) -> None:
    try:
        text = moment.isoformat()
        expected = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:  # offsets with seconds, long ago
        return
    assert time_of(text) == expected


@given(st.text() | st.integers() | st.floats())
def test_nothing_raises(written: object) -> None:
    found = time_of(written)
    assert found is None or found.tzinfo is UTC
