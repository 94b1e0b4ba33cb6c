"""What a day's interactions are made of, whatever stands in their attributes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.ingest import profile
from evalkit.ingest.profile import MOST_FIELDS, profile_of, sums_of
from evalkit.schema import FIELDS, INTERACTIONS

DAY = date(2026, 11, 22)
START = datetime(2026, 11, 22, tzinfo=UTC)


def rows(*made: dict[str, Any]) -> pa.Table:
    given_ = {"day": DAY, "source": "own", "started_at": START}
    numbered = [given_ | {"interaction_id": f"i{n}"} | row for n, row in enumerate(made)]
    return pa.Table.from_pylist(numbered, schema=INTERACTIONS.schema)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
values = (
    json_values.map(json.dumps)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
    | json_values.map(lambda value: json.dumps(value)[:-1])
    | st.sampled_from(
        ["{", "[", "{}x", '{"a":', "nan", "1e999", '{"\\ud800":1}', '{"a":1,"a":"b"}']
    )
)
names = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
attributes = st.dictionaries(names, values, max_size=4).map(lambda found: sorted(found.items()))


@settings(deadline=None, max_examples=150)
@given(st.lists(attributes, min_size=1, max_size=4), st.lists(attributes, max_size=2))
@example([[("a", "{" * 500)], [("b", '{"a":' * 200 + "1" + "}" * 200)]], [])
def test_no_attribute_is_too_odd_to_be_counted(
    given_: list[list[tuple[str, str]]], chunks: list[list[tuple[str, str]]]
) -> None:
    contexts = [{"id": "c", "text": "t", "attributes": found} for found in chunks]
    table = rows(*({"attributes": found, "contexts": contexts} for found in given_))
    found = profile_of([table], START).table(DAY)
    assert found.schema.equals(FIELDS.schema)
    named = {row["field"] for row in found.to_pylist()}
    assert {f"attributes.{name}" for row in given_ for name, _ in row} <= named
    assert all(0 < row["n"] <= row["rows"] == len(given_) for row in found.to_pylist())


def test_sums_tell_other_rows_apart_and_not_their_order() -> None:
    made = [{"query": f"q{n}", "attributes": [("a", str(n))]} for n in range(5)]
    table = rows(*made)
    assert sums_of([table]) == sums_of([table.slice(3), table.slice(0, 3)])
    assert profile_of([table], START).sums == sums_of([table])
    other = rows(*made[:4], {"query": "q4", "attributes": [("a", "other")]})
    assert sums_of([table]) != sums_of([other])
    assert sums_of([table]) != sums_of([table, table.slice(0, 1)])
    assert sums_of([]) == (0, 0)


def test_ids_in_keys_do_not_fill_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "_HELD", 2 * MOST_FIELDS)
    made = [{"attributes": [("common", "x"), (f"id-{n}", "x")]} for n in range(3 * MOST_FIELDS)]
    batches = [rows(*made[n : n + 100]) for n in range(0, len(made), 100)]
    found = profile_of(batches, START).table(DAY).to_pylist()
    assert len(found) == MOST_FIELDS
    assert next(row["n"] for row in found if row["field"] == "attributes.common") == len(made)
