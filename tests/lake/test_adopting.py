"""A day that comes as a file: committed like any other day, in its order, without being held."""

from __future__ import annotations

import datetime as dt
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.errors import LakeError
from evalkit.lake import Lake
from evalkit.lake.slices import read_slices, write_slices
from evalkit.schema import INTERACTIONS, SCORES, scores_schema
from tests.services import needs_s3, s3

DAY = dt.date(2026, 11, 22)
NEXT = DAY + dt.timedelta(days=1)


def scores(n: int, *metrics: str, day: dt.date = DAY, value: float = 0.5) -> pa.Table:
    row = {f"{metric}__status": "ok" for metric in metrics} | dict.fromkeys(metrics, value)
    spans = [{"metric": "m", "start": 1, "end": 2, "context_id": None, "note": "é"}]
    rows = [
        row | {"day": day, "interaction_id": f"{(n - i) * 7919 % 10007}", "evidence": spans}
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, scores_schema([(metric, "") for metric in metrics]))


def file_of(folder: Path, table: pa.Table, name: str = "day.parquet") -> Path:
    return write_slices(folder / name, table.schema, [table])


def test_it_is_what_replacing_the_day_would_be(tmp_path: Path) -> None:
    table = scores(50, "a", "b")
    adopted, replaced = Lake(str(tmp_path / "one")), Lake(str(tmp_path / "two"))
    assert adopted.adopt(SCORES, DAY, file_of(tmp_path, table))
    replaced.replace(SCORES, DAY, table)
    assert adopted.read(SCORES).equals(replaced.read(SCORES))
    assert adopted.version(SCORES) == replaced.version(SCORES) == 0
    query = "SELECT * FROM scores ORDER BY interaction_id"
    assert adopted.sql(query).equals(replaced.sql(query))
    # and both ways of writing go on from each other
    adopted.replace(SCORES, DAY, table.slice(0, 9))
    assert adopted.adopt(SCORES, DAY, file_of(tmp_path, table))
    assert adopted.read(SCORES).equals(replaced.read(SCORES))


def test_what_is_the_same_is_not_committed_again(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    file = file_of(tmp_path, scores(20, "a"))
    assert [lake.adopt(SCORES, DAY, file) for _ in range(2)] == [True, False]
    for other in (scores(20, "a", value=0.25), scores(19, "a"), scores(0, "a")):
        assert lake.adopt(SCORES, DAY, file_of(tmp_path, other))
        assert not lake.adopt(SCORES, DAY, file_of(tmp_path, other))
    assert lake.count(SCORES, DAY) == 0


def test_columns_come_and_those_of_other_days_stay(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(2, "old")))
    lake.adopt(SCORES, NEXT, file_of(tmp_path, scores(1, "new", day=NEXT)))
    found = lake.sql("SELECT old, new FROM scores ORDER BY day").to_pylist()
    assert found == [{"old": 0.5, "new": None}] * 2 + [{"old": None, "new": 0.5}]
    assert lake.read(SCORES)["old"].to_pylist() == [0.5, 0.5, None]
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(1, "new")))
    assert set(lake.read(SCORES).column_names) >= {"old", "new"}


def test_nan_is_refused_and_nothing_is_committed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(LakeError, match="NaN is never stored"):
        lake.adopt(SCORES, DAY, file_of(tmp_path, scores(3, "a", value=float("nan"))))
    assert lake.version(SCORES) is None
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(3, "a")))


def test_runs_at_the_same_time_never_mix_their_rows(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(5, "a")))

    def write(k: int) -> None:
        table = scores(20, "a", value=k / 10)
        Lake(lake.url).adopt(SCORES, DAY, file_of(tmp_path, table, f"{k}.parquet"))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(1, 6)))
    values = lake.read(SCORES, DAY, DAY)["a"].to_pylist()
    assert len(values) == 20
    assert len(set(values)) == 1


def test_slices_are_whole_files_cut_evenly(tmp_path: Path) -> None:
    table = pa.table({"a": range(10)})
    file = write_slices(tmp_path / "f", table.schema, [table.slice(0, 7), table.slice(7)])
    assert [part.num_rows for part in read_slices(file, 4)] == [4, 4, 2]
    assert pa.concat_tables(read_slices(file, 3)).equals(table)

    def breaks() -> object:
        yield table
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_slices(tmp_path / "g", table.schema, breaks())
    assert not (tmp_path / "g").exists()


def test_a_pinned_lake_stays_as_it_was_also_elsewhere(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    before = pickle.dumps(lake.pinned(SCORES, INTERACTIONS))
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(2, "a")))
    pinned = pickle.loads(pickle.dumps(lake.pinned(SCORES)))  # noqa: S301  (made here)
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(7, "a", "b")))
    assert pinned.read(SCORES).num_rows == pinned.count(SCORES, DAY) == 2
    assert pinned.sql("SELECT count(*) AS n FROM scores").to_pylist() == [{"n": 2}]
    assert pickle.loads(before).read(SCORES).num_rows == 0  # noqa: S301
    assert lake.count(SCORES, DAY) == 7


def test_a_query_in_parts_is_the_query(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.adopt(SCORES, DAY, file_of(tmp_path, scores(100, "a")))
    pq.write_table(pa.table({"interaction_id": ["7919", "5831"], "place": [1, 0]}), tmp_path / "p")
    asked = "SELECT place, a FROM p JOIN scores USING (interaction_id) WHERE day = $day ORDER BY 1"
    parts = list(lake.stream(asked, {"day": DAY}, {"p": [tmp_path / "p"]}, tmp_path, 1))
    assert [part.to_pylist() for part in parts] == [[{"place": n, "a": 0.5}] for n in (0, 1)]
    with pytest.raises(LakeError, match="cannot be answered"):
        list(lake.stream("SELECT nothing FROM p", {}, {"p": [tmp_path / "p"]}, tmp_path, 1))


@pytest.mark.slow
@needs_s3
def test_on_an_object_store_too(tmp_path: Path) -> None:
    with s3(tmp_path) as bucket:
        storage = {name.lower(): value for name, value in bucket.environment.items()}
        storage |= {"aws_endpoint": bucket.endpoint, "aws_allow_http": "true"}
        lake = Lake(f"s3://{bucket.name}/lake", storage)
        table = scores(30, "a")
        assert lake.adopt(SCORES, DAY, file_of(tmp_path, table))
        assert not lake.adopt(SCORES, DAY, file_of(tmp_path, table))
        assert lake.adopt(SCORES, NEXT, file_of(tmp_path, scores(4, "b", day=NEXT)))
        found = lake.read(SCORES, DAY, DAY)
        assert found["interaction_id"].equals(table["interaction_id"])
        assert lake.sql("SELECT count(*) AS n FROM scores").to_pylist() == [{"n": 34}]
