"""Days on disk: in whatever order they were read, rows come back whole, sorted, in pieces."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest import spool as spool_module
from evalkit.ingest.merging import merged, values_at
from evalkit.ingest.spool import Spool

DAYS = [date(2026, 11, 21), date(2026, 11, 22)]


def table_of(keys: list[int], size: int = 1) -> pa.Table:
    return pa.table(
        {"key": pa.array(keys, pa.int64()), "text": [f"{key}-" + "x" * size for key in keys]}
    )


@given(
    steps=st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=40), max_size=8),
    dropped=st.sets(st.integers(0, 100)),
    held=st.integers(100, 5000),
    group=st.integers(50, 1000),
)
def test_kept_rows_come_back_sorted(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[list[int]],
    dropped: set[int],
    held: int,
    group: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "_HELD_BYTES", held)
        patch.setattr(spool_module, "_GROUP_BYTES", group)
        spool = Spool(tmp_path_factory.mktemp("s"), "rows", DAYS, order=("key",))
        for step in steps:
            spool.add(table_of(step), pa.array([DAYS[0]] * len(step), pa.date32()))
        files = spool.files(DAYS[0])
    keys = [key for step in steps for key in step]
    stand = [ordinal for ordinal in range(len(keys)) if ordinal not in dropped]
    if len({keys[ordinal] for ordinal in stand}) < len(
        stand
    ):  # equal keys have no order of their own
        stand = sorted({keys[ordinal]: ordinal for ordinal in stand}.values())
    order = sorted(stand, key=lambda ordinal: keys[ordinal])
    places = np.array([order.index(ordinal) for ordinal in stand], np.int64)
    kept = np.array(stand, np.int64)
    found = [
        row for table in merged(files, kept, places) for row in table.column("key").to_pylist()
    ]
    assert found == [keys[ordinal] for ordinal in order]
    texts = values_at(files, "text", kept)
    assert texts == {ordinal: f"{keys[ordinal]}-x" for ordinal in stand}


def test_rows_go_to_their_days_and_others_are_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "rows", DAYS)
    days = [DAYS[1], date(2026, 11, 23), DAYS[0], DAYS[1]]
    spool.add(table_of([1, 2, 3, 4]), pa.array(days, pa.date32()))
    spool.add(table_of([5]))
    read = {day: pq.read_table(spool.files(day)[0]).to_pydict() for day in [*DAYS, None]}
    assert read[DAYS[0]]["key"] == [3]
    assert (read[DAYS[1]]["key"], read[DAYS[1]]["ordinal"]) == ([1, 4], [0, 3])
    assert (read[None]["key"], read[None]["ordinal"]) == ([5], [4])
    assert spool.size(DAYS[1]) > spool.size(DAYS[0]) > 0


def test_large_rows_stand_in_small_groups(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "rows", DAYS)
    spool.add(table_of(list(range(30)), size=3_000_000))
    (file,) = spool.files(None)
    assert pq.ParquetFile(file).num_row_groups == 30
