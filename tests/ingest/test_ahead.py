"""Items that are made in a thread: the same ones, in order, and what was opened there is closed there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from evalkit.ingest.ahead import ahead


def rows(closed: list[bool]) -> Iterator[int]:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            for n in range(9):
                yield connection.execute("SELECT ?", (n,)).fetchone()[0]
        finally:
            connection.execute("SELECT 1")  # refused in any other thread
            closed.append(True)


def test_what_is_left_early_is_closed_in_its_thread() -> None:
    closed: list[bool] = []
    items = ahead(ahead(rows(closed)))
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert closed == [True]


def test_an_error_comes_where_its_item_would() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(KeyError, match="two"):
        next(items)
