"""The lake's promise: a day is replaced as a whole or not at all, and reads back exactly as it was written."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import LakeError
from evalkit.lake import Lake, ledger
from evalkit.schema import DAILY, INTERACTIONS, LABELS, LEDGER, SCORES, TABLES, Table, scores_schema

DAY = dt.date(2026, 11, 22)


def rows(table: Table, day: dt.date, *values: dict[str, object]) -> pa.Table:
    blank: dict[str, object] = dict.fromkeys(column.name for column in table.columns)
    return pa.Table.from_pylist(
        [blank | {"day": day} | value for value in values], schema=table.schema
    )


def interactions(day: dt.date, n: int) -> pa.Table:
    return rows(
        INTERACTIONS,
        day,
        *({"interaction_id": f"{day}-{i:04}", "query": f"q{i}"} for i in range(n)),
    )


def test_an_empty_lake_answers_with_empty_tables(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for table in TABLES:
        assert lake.read(table).equals(table.empty())
        assert lake.sql(f"SELECT count(*) AS n FROM {table.name}").to_pylist() == [{"n": 0}]
        assert lake.days(table) == []
    assert not (tmp_path / "lake").exists(), "asking writes nothing"


def test_a_day_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "it's a lake"))  # quotes and spaces in paths are ordinary
    other = DAY - dt.timedelta(days=1)
    lake.replace(INTERACTIONS, other, interactions(other, 2))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 3))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 1))
    assert lake.count(INTERACTIONS, other) == 2
    assert lake.read(INTERACTIONS, DAY, DAY).equals(interactions(DAY, 1))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 0))
    assert lake.days(INTERACTIONS) == [other]


def test_a_row_of_another_day_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 1))
    with pytest.raises(LakeError, match="could not be written"):
        lake.replace(INTERACTIONS, DAY, interactions(DAY - dt.timedelta(days=1), 1))
    assert lake.count(INTERACTIONS, DAY) == 1


def test_parts_of_the_ledger_do_not_touch_each_other(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace(
        LEDGER, DAY, rows(LEDGER, DAY, {"kind": "hour", "received": 3}), part={"kind": "hour"}
    )
    lake.replace(
        LEDGER, DAY, rows(LEDGER, DAY, {"kind": "mail", "status": "owed"}), part={"kind": "mail"}
    )
    lake.replace(
        LEDGER, DAY, rows(LEDGER, DAY, {"kind": "hour", "received": 4}), part={"kind": "hour"}
    )
    found = lake.sql("SELECT kind, received, status FROM ledger ORDER BY kind").to_pylist()
    assert found == [
        {"kind": "hour", "received": 4, "status": None},
        {"kind": "mail", "received": None, "status": "owed"},
    ]
    with pytest.raises(LakeError, match="is replaced by day, kind"):
        lake.replace(LEDGER, DAY, LEDGER.empty())


def test_nan_is_never_stored(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    bad = rows(DAILY, DAY, {"metric": "groundedness", "mean": float("nan")})
    with pytest.raises(LakeError, match="mean: NaN is never stored"):
        lake.replace(DAILY, DAY, bad)
    with pytest.raises(LakeError, match="NaN"):
        lake.store(DAILY, DAY, [bad])
    assert lake.days(DAILY) == []


def test_a_new_metric_is_a_new_column_and_old_days_have_null(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for day, metric in ((DAY, "old"), (DAY + dt.timedelta(days=1), "new")):
        schema = scores_schema([(metric, "a metric")])
        row = {
            "day": day,
            "interaction_id": "a",
            metric: 0.5,
            f"{metric}__status": "ok",
            "evidence": [],
        }
        lake.replace(SCORES, day, pa.Table.from_pylist([row], schema=schema))
    found = lake.sql("SELECT old, new FROM scores ORDER BY day").to_pylist()
    assert found == [{"old": 0.5, "new": None}, {"old": None, "new": 0.5}]


def test_batches_have_exactly_the_rows_asked_for_in_order(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 25))
    batches = list(lake.batches(INTERACTIONS, DAY, 10))
    assert [batch.num_rows for batch in batches] == [10, 10, 5]
    assert pa.concat_tables(batches).equals(interactions(DAY, 25))


def test_values_are_bound_and_text_is_never_sql(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    hostile = "'; DROP VIEW interactions; --"
    lake.replace(
        INTERACTIONS, DAY, rows(INTERACTIONS, DAY, {"interaction_id": "a", "query": hostile})
    )
    found = lake.sql(
        "SELECT interaction_id FROM interactions WHERE query = $query", {"query": hostile}
    )
    assert found.to_pylist() == [{"interaction_id": "a"}]
    with pytest.raises(LakeError, match="cannot be answered"):
        lake.sql("SELECT nonsense FROM interactions")


def test_a_query_sees_tables_and_not_the_programs_variables(tmp_path: Path) -> None:
    secret = pa.table({"a": [1]})
    with pytest.raises(LakeError, match="secret"):
        Lake(str(tmp_path)).sql("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_runs_at_the_same_time_never_mix_their_rows(tmp_path: Path) -> None:
    def write(k: int) -> None:
        Lake(str(tmp_path)).replace(
            INTERACTIONS, DAY, rows(INTERACTIONS, DAY, *({"query": str(k)} for _ in range(20)))
        )

    write(0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 9)))
    queries = Lake(str(tmp_path)).read(INTERACTIONS, DAY, DAY).column("query").to_pylist()
    assert len(queries) == 20
    assert len(set(queries)) == 1


def test_tidying_takes_nothing_that_a_reader_may_need(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for n in (5, 4):
        lake.replace(INTERACTIONS, DAY, interactions(DAY, n))
    files = sorted(path.name for path in tmp_path.rglob("*.parquet"))
    assert lake.tidy() == 0, "the replaced day is younger than a week"
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == files
    assert lake.count(INTERACTIONS, DAY) == 4


def test_the_digest_tells_values_apart_and_not_files(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 5))
    before = ledger.digest(lake, DAY)
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 5))
    assert ledger.digest(lake, DAY) == before
    lake.replace(INTERACTIONS, DAY, interactions(DAY, 4))
    assert ledger.digest(lake, DAY) != before


def older(
    folder: Path, table: Table, without: set[str], parts: list[str], *values: dict[str, object]
) -> None:
    """A table as an earlier version wrote it: some columns not there, divided by `parts`."""
    written = rows(table, DAY, *values).drop_columns(sorted(without))
    write_deltalake(str(folder / table.name), written, partition_by=parts)


def test_a_ledger_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    young = {"expected", "truncated", "contentless", "missing", "redacted"}
    hour = {"kind": "hour", "source": "gateway", "received": 3}
    older(tmp_path, LEDGER, young, ["day", "kind"], hour)
    lake = Lake(str(tmp_path))
    assert lake.read(LEDGER).schema.equals(LEDGER.schema)
    assert lake.read(LEDGER, columns=["received", "expected"]).to_pylist() == [
        {"received": 3, "expected": None}
    ]
    assert lake.sql("SELECT expected, redacted FROM ledger").to_pylist() == [
        {"expected": None, "redacted": None}
    ]
    following = DAY + dt.timedelta(days=1)
    new = {"kind": "hour", "source": "gateway", "received": 4, "expected": 3.0}
    new |= {"redacted": [("email", 2)], "missing": "the API did not answer"}
    lake.replace(LEDGER, following, rows(LEDGER, following, new), part={"kind": "hour"})
    assert lake.read(LEDGER)["expected"].to_pylist() == [None, 3.0]
    assert lake.sql("SELECT missing FROM ledger ORDER BY day").to_pylist() == [
        {"missing": None},
        {"missing": "the API did not answer"},
    ]
    lake.replace(LEDGER, DAY, rows(LEDGER, DAY, new), part={"kind": "hour"})
    assert lake.read(LEDGER)["redacted"].to_pylist() == [[("email", 2)]] * 2


def test_interactions_of_an_earlier_version_are_read_in_batches(tmp_path: Path) -> None:
    older(tmp_path, INTERACTIONS, {"corrected_response"}, ["day"], {"interaction_id": "a"})
    (batch,) = Lake(str(tmp_path)).batches(INTERACTIONS, DAY, 10)
    assert batch.schema.equals(INTERACTIONS.schema)


def test_labels_of_an_earlier_version_are_divided_anew(tmp_path: Path) -> None:
    verdict = {"interaction_id": "a", "metric": "hallucination", "value": 1.0}
    older(tmp_path, LABELS, {"origin", "probability", "sheet"}, ["day"], verdict)
    lake = Lake(str(tmp_path))
    assert lake.read(LABELS)["origin"].to_pylist() == ["traffic"]
    assert lake.sql("SELECT origin FROM labels").to_pylist() == [{"origin": "traffic"}]
    asked = rows(LABELS, DAY, verdict | {"origin": "sheet", "value": 0.0})
    lake.replace(LABELS, DAY, asked, part={"origin": "sheet"})
    found = lake.sql("SELECT origin, value FROM labels ORDER BY origin").to_pylist()
    assert found == [{"origin": "sheet", "value": 0.0}, {"origin": "traffic", "value": 1.0}]
    lake.replace(LABELS, DAY, LABELS.empty(), part={"origin": "traffic"})
    assert lake.read(LABELS)["origin"].to_pylist() == ["sheet"]


def test_an_update_commits_only_what_differs(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert not lake.update(INTERACTIONS, DAY, interactions(DAY, 0))
    assert lake.version(INTERACTIONS) is None
    assert lake.update(INTERACTIONS, DAY, interactions(DAY, 3))
    assert not lake.update(INTERACTIONS, DAY, interactions(DAY, 3))
    assert lake.version(INTERACTIONS) == 0
    assert lake.update(INTERACTIONS, DAY, interactions(DAY, 2))
    hour, mail = ({"kind": kind, "received": 3} for kind in ("hour", "mail"))
    assert lake.update(LEDGER, DAY, rows(LEDGER, DAY, hour), {"kind": "hour"})
    assert lake.update(LEDGER, DAY, rows(LEDGER, DAY, mail), {"kind": "mail"})
    assert not lake.update(LEDGER, DAY, rows(LEDGER, DAY, hour), {"kind": "hour"})
    wider = pa.Table.from_pylist(
        [{"day": DAY, "interaction_id": "a", "old": 0.5}], scores_schema([("old", "a metric")])
    )
    assert lake.update(SCORES, DAY, wider)
    assert lake.update(SCORES, DAY, wider.drop_columns(["old"]))  # a value that is gone is a change


text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
row_values = st.fixed_dictionaries(
    {
        "interaction_id": text,
        "query": st.none() | text,
        "latency_ms": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "tokens_input": st.none() | st.integers(0, 2**60),
        "relevant_ids": st.none() | st.lists(text, max_size=3),
        "attributes": st.none()
        | st.dictionaries(text, text, max_size=3).map(lambda d: list(d.items())),
    }
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=st.lists(row_values, max_size=6), second=st.lists(row_values, max_size=6))
def test_whatever_is_committed_reads_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[dict[str, object]],
    second: list[dict[str, object]],
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    for values in (first, second):
        written = rows(INTERACTIONS, DAY, *values)
        lake.replace(INTERACTIONS, DAY, written)
        assert lake.read(INTERACTIONS, DAY, DAY).equals(written)
        assert lake.sql("SELECT count(*) AS n FROM interactions").to_pylist() == [
            {"n": len(values)}
        ]
