"""Where an interaction stands in its session: from the day and the day before, never from later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from evalkit.scoring.turns import ANSWER_CHARS, QUERY_CHARS, Place, Turns, read_turns

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def row(id_: str, minute: float, session: str | None = "s", **more: Any) -> dict[str, Any]:
    """An interaction some minutes after noon of the day."""
    at = NOON + timedelta(minutes=minute)
    return {
        "day": at.date(),
        "interaction_id": id_,
        "source": "log",
        "session_id": session,
        "started_at": at,
        "query": f"question {id_}",
        "response": f"answer {id_}",
        **more,
    }


def rows(*made: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(made), schema=INTERACTIONS.schema)


def stored(folder: Path, table: pa.Table) -> Lake:
    lake = Lake(str(folder / "lake"))
    for day in sorted(set(table.column("day").to_pylist())):
        kept = [r for r in table.to_pylist() if r["day"] == day]
        lake.replace(INTERACTIONS, day, pa.Table.from_pylist(kept, schema=INTERACTIONS.schema))
    return lake


END = row("end", 600, session=None)  # the log of the day goes on until ten at night


def test_turns_of_a_session_follow_in_time() -> None:
    turns = Turns.of_rows(rows(row("b", 2), row("a", 0), row("c", 3.5), END))
    assert turns.of("a") == Place(is_last=False)
    assert turns.of("b") == Place("question a", "answer a", 120.0, False)
    assert turns.of("c") == Place("question b", "answer b", 90.0, True)
    assert turns.of("end") is None
    assert turns.of("unknown") is None
    assert turns.of(None) is None


def test_sessions_of_other_sources_are_other_sessions() -> None:
    turns = Turns.of_rows(rows(row("a", 0), row("b", 1, source="other"), END))
    assert turns.of("b") == Place(is_last=True)


def test_a_turn_of_the_day_before_counts_and_an_older_one_does_not() -> None:
    yesterday, older = row("a", -24 * 60), row("a", -2 * 24 * 60)
    assert Turns.of_rows(rows(yesterday, row("b", 0), END)).of("b") == Place(
        "question a", "answer a", 86_400.0, True
    )
    assert Turns.of_rows(rows(older, row("b", 0), END)).of("b") == Place(is_last=True)


def test_whether_a_turn_is_the_last_is_open_near_the_end_of_the_log() -> None:
    turns = Turns.of_rows(rows(row("a", 0), row("b", 590, session="t"), END))
    assert turns.of("a") == Place(is_last=True)
    assert turns.of("b") == Place(is_last=None)


def test_long_texts_are_clipped_where_nothing_is_said() -> None:
    long = row("a", 0, query="q" * 9_000 + "!", response="!" + "r" * 9_000)
    place = Turns.of_rows(rows(long, row("b", 1), END)).of("b")
    assert place is not None
    assert (place.query, place.answer) == ("q" * QUERY_CHARS, "r" * ANSWER_CHARS)


def test_without_sessions_there_are_no_places() -> None:
    assert len(Turns()) == 0
    assert len(Turns.of_rows(pa.table({"interaction_id": ["a"], "query": ["b"]}))) == 0
    assert len(Turns.of_rows(rows(row("a", 0, session=None)))) == 0
    assert len(Turns.of_rows(rows(row("a", 0, started_at=None, day=DAY)))) == 0


def test_a_days_places_do_not_change_when_later_days_come(tmp_path: Path) -> None:
    made = [row("y", -1_440), row("a", 0), row("b", 1), row("x", 5, session="x"), END]
    before = read_turns(stored(tmp_path / "one", rows(*made)), DAY)
    later = [row("c", 900), row("d", 1_440, session="x")]
    after = read_turns(stored(tmp_path / "two", rows(*made, *later)), DAY)
    for id_ in ("a", "b", "x"):
        assert before.of(id_) == after.of(id_)
    assert before.of("a") == Place("question y", "answer y", 86_400.0, False)
    assert before.of("y") is None  # of another day


def test_a_lake_without_interactions_has_no_places(tmp_path: Path) -> None:
    assert len(read_turns(Lake(str(tmp_path / "lake")), DAY)) == 0


MADE = st.lists(
    st.tuples(
        st.integers(-1_700, 700),
        st.sampled_from([None, "s", "t"]),
        st.sampled_from([None, "", "why?", "q" * 2_500]),
        st.sampled_from([None, "", "so.", "r" * 500]),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(MADE)
def test_the_lake_says_what_the_table_says(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, Any, Any, Any]]
) -> None:
    table = rows(
        *[
            row(f"i{k}", minute, session, query=query, response=response)
            for k, (minute, session, query, response) in enumerate(made)
        ]
    )
    from_lake = read_turns(stored(tmp_path_factory.mktemp("lake"), table), DAY)
    from_table = Turns.of_rows(table)
    for r in table.to_pylist():
        if r["day"] == DAY:
            assert from_lake.of(r["interaction_id"]) == from_table.of(r["interaction_id"])
