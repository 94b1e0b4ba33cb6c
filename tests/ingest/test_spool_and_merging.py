"""Days on disk: in whatever order they were read, rows come back whole, in order, in pieces."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest import merging, spool
from evalkit.ingest.merging import Ordered, values_at
from evalkit.ingest.ordering import places_of, seen_twice
from evalkit.ingest.spool import Spool
from evalkit.schema import TIME

DAYS = [date(2026, 11, 21), date(2026, 11, 22)]
START = datetime(2026, 11, 22, tzinfo=UTC)


def table_of(keys: list[int], size: int = 1) -> pa.Table:
    return pa.table(
        {"key": pa.array(keys, pa.int64()), "text": [f"{key}-" + "x" * size for key in keys]}
    )


@given(
    steps=st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=40), max_size=8),
    dropped=st.sets(st.integers(0, 100)),
    batch=st.integers(50, 2000),
    held=st.integers(50, 5000),
    rows=st.integers(1, 60),
)
def test_rows_that_stand_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[list[int]],
    dropped: set[int],
    batch: int,
    held: int,
    rows: int,
) -> None:
    folder = tmp_path_factory.mktemp("s")
    keys = [key for step in steps for key in step]
    stand = [ordinal for ordinal in range(len(keys)) if ordinal not in dropped]
    order = sorted(stand, key=lambda ordinal: (keys[ordinal], ordinal))
    places = np.full(len(keys), -1, np.int64)
    places[order] = np.arange(len(order))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_BATCH_BYTES", batch)
        patch.setattr(merging, "_HELD_BYTES", held)
        patch.setattr(merging, "_PART_BYTES", held)
        patch.setattr(merging, "_PIECE_BYTES", batch)
        spooled = Spool(folder, "rows", DAYS)
        for step in steps:
            spooled.add(table_of(step), pa.array([DAYS[0]] * len(step), pa.date32()))
        batches = spooled.batches(DAYS[0])
        ordered = Ordered(batches, places, folder, "sorted")
        for _ in range(2):  # it can be gone through again
            tables = list(ordered.tables(rows))
            assert all(table.num_rows == rows for table in tables[:-1])
            found = [row for table in tables for row in table.to_pylist()]
            assert found == [{"key": keys[at], "text": f"{keys[at]}-x"} for at in order]
    texts = values_at(batches, "text", np.array(stand, np.int64))
    assert texts == {ordinal: f"{keys[ordinal]}-x" for ordinal in stand}


@given(
    calls=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=30),
    dropped=st.sets(st.integers(0, 30)),
)
def test_the_order_is_that_of_times_and_ids(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, int]], dropped: set[int]
) -> None:
    rows = Spool(tmp_path_factory.mktemp("s"), "rows", DAYS)
    ids = [hashlib.sha256(bytes([call])).hexdigest()[:32] for _, call in calls]
    times = [START + timedelta(seconds=second) for second, _ in calls]
    table = pa.table(
        {"interaction_id": pa.array(ids, pa.string()), "started_at": pa.array(times, TIME)}
    )
    for at in range(0, table.num_rows, 7):
        rows.add(table.slice(at, 7))
    batches = rows.batches(None)
    assert seen_twice(batches).tolist() == [n for n, id_ in enumerate(ids) if ids.count(id_) > 1]
    gone = np.array(sorted(dropped & set(range(len(calls)))), np.int64)
    stand = [n for n in range(len(calls)) if n not in dropped]
    order = sorted(stand, key=lambda n: (times[n], ids[n]))
    places = places_of(batches, gone)
    assert [place >= 0 for place in places] == [n in stand for n in range(len(calls))]
    found = sorted(stand, key=lambda n: places[n])
    assert [(times[n], ids[n]) for n in found] == [(times[n], ids[n]) for n in order]


def test_rows_go_to_their_days_and_others_are_dropped(tmp_path: Path) -> None:
    spooled = Spool(tmp_path, "rows", DAYS)
    days = [DAYS[1], date(2026, 11, 23), DAYS[0], DAYS[1]]
    spooled.add(table_of([1, 2, 3, 4]), pa.array(days, pa.date32()))
    spooled.add(table_of([5]))
    read = {
        day: [row for table in spooled.batches(day).tables() for row in table.to_pylist()]
        for day in [*DAYS, None]
    }
    found = {day: [(row["key"], row["ordinal"]) for row in rows] for day, rows in read.items()}
    assert found == {DAYS[0]: [(3, 2)], DAYS[1]: [(1, 0), (4, 3)], None: [(5, 4)]}
    # What comes after a look is there as well.
    spooled.add(table_of([6]))
    keys = [table["key"].to_pylist() for table in spooled.batches(None).tables(["key"])]
    assert keys == [[5], [6]]


def test_many_days_do_not_keep_as_many_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_OPEN_FILES", 2)
    monkeypatch.setattr(spool, "_BATCH_BYTES", 1)
    days = [date(2026, 1, n) for n in range(1, 8)]
    spooled = Spool(tmp_path, "rows", days)
    for turn in range(2):
        for n, day in enumerate(days):
            spooled.add(table_of([10 * turn + n]), pa.array([day], pa.date32()))
    for n, day in enumerate(days):
        tables = spooled.batches(day).tables(["key"])
        assert [table["key"].to_pylist() for table in tables] == [[n], [10 + n]]


def test_large_rows_stand_in_small_batches(tmp_path: Path) -> None:
    spooled = Spool(tmp_path, "rows", DAYS)
    spooled.add(table_of(list(range(30)), size=3_000_000))
    assert [rows for rows, _ in spooled.batches(None).shapes()] == [1] * 30
