"""Pages of APIs: every object once, and an end, or an error that says what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import SourceError
from evalkit.ingest.paging import by_token, field_of, listed, stamp
from evalkit.ingest.times import time_of


@given(st.integers(0, 6 * 10**15))
def test_a_stamp_is_read_back_around_its_time(microseconds: int) -> None:
    time = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    below, above = time_of(stamp(time)), time_of(stamp(time, up=True))
    assert below is not None
    assert above is not None
    assert below <= time <= above
    assert above - below <= timedelta(milliseconds=1)


def test_a_stamp_is_in_utc() -> None:
    time = datetime(2026, 11, 22, 3, tzinfo=timezone(timedelta(hours=1)))
    assert stamp(time) == "2026-11-22T02:00:00.000Z"
    last = datetime.max.replace(tzinfo=UTC)
    assert stamp(last, up=True) == "9999-12-31T23:59:59.999Z"


@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=5))
def test_all_objects_of_all_pages_come_once(pages: list[list[int]]) -> None:
    def ask(token: str | None) -> Any:
        at = int(token or 0)
        following = {"next": at + 1} if at + 1 < len(pages) else {}
        return {"data": {"items": [{"n": n} for n in pages[at]]}, "page": following}

    found = by_token(ask, ("data", "items"), ("page", "next"))
    assert [one["n"] for one in found] == [n for page in pages for n in page]


@pytest.mark.parametrize("end", [None, ""])
def test_an_empty_token_is_the_end(end: str | None) -> None:
    assert list(by_token(lambda _: {"items": [{}], "next": end}, ("items",), ("next",))) == [{}]


def test_a_page_that_names_itself_is_told() -> None:
    with pytest.raises(SourceError, match="names page 'a' twice"):
        list(by_token(lambda _: {"items": [], "next": "a"}, ("items",), ("next",)))


@pytest.mark.parametrize("answer", [None, 7, "x", {}, {"items": {}}, {"items": [7]}, [7]])
def test_an_answer_without_the_list_is_told(answer: Any) -> None:
    with pytest.raises(SourceError, match="without 'items'"):
        listed(answer, "items")


def test_a_bare_list_is_listed() -> None:
    assert listed([{"a": 1}]) == [{"a": 1}]
    assert field_of([1], "a") is None
