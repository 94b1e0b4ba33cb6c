"""Scoring a day again: what nothing has changed for stays, and the result is that of scoring everything anew."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.config import ScoringSettings, Settings
from evalkit.encoders import Embedder
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LEDGER, SCORES
from evalkit.scoring import score
from evalkit.scoring.keeping import corpus_fingerprint
from tests.scoring.rows import PRICES

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
QUERIES = (
    "How long do refunds take?",
    "How long does a refund take?",
    "Where is my invoice?",
    "No, that is wrong. How long do refunds take?",
    None,
)
ANSWERS = (
    "Refunds take five working days.",
    "Refunds take 60 years and come by pigeon.",
    "I cannot answer that from the given documents.",
    None,
)
CHUNKS = (
    "Refunds are paid within five working days.",
    "Invoices stand under Billing, Documents.",
    "Our office is closed on Sundays.",
    "Shipping takes two days within Switzerland.",
)


def row(id_: int, day: int, minute: int, texts: tuple[int, int], chunks: Any, session: Any) -> Any:
    at = NOON + timedelta(days=day, minutes=minute)
    return {
        "day": at.date(),
        "interaction_id": f"i{id_}",
        "source": "log",
        "source_id": str(id_),
        "session_id": session,
        "started_at": at,
        "status": "ok",
        "query": QUERIES[texts[0]],
        "response": ANSWERS[texts[1]],
        "contexts": None
        if chunks is None
        else [{"id": str(k), "text": CHUNKS[k], "rank": n + 1} for n, k in enumerate(chunks)],
        "latency_ms": 100.0 + minute,
        "tokens_input": 10 + texts[0],
    }


def store(lake: Lake, rows: dict[int, Any]) -> None:
    for day in (DAY - timedelta(days=1), DAY):
        mine = [made for made in rows.values() if made["day"] == day]
        mine.sort(key=lambda made: (made["started_at"], made["interaction_id"]))
        lake.replace(INTERACTIONS, day, pa.Table.from_pylist(mine, INTERACTIONS.schema))


def of(base: Path, rows: int = 4, **scoring: Any) -> Settings:
    return Settings(
        base=base, scoring=ScoringSettings.model_validate({"batch_rows": rows, **scoring})
    )


def some(n: int) -> dict[int, Any]:
    return {i: row(i, 0, i, (i % 3, i % 2), [i % 4], None) for i in range(n)}


def test_only_what_changed_is_scored(tmp_path: Path, embedder: Embedder) -> None:
    lake, rows = Lake(str(tmp_path / "lake")), some(10)
    store(lake, rows)
    assert score(of(tmp_path), lake, DAY, embedder, PRICES).kept == 0
    version = lake.version(SCORES)
    again = score(of(tmp_path), lake, DAY, embedder, PRICES)
    assert (again.kept, lake.version(SCORES)) == (10, version)
    rows[3] |= {"latency_ms": 7.0}
    rows[10] = row(10, 0, 30, (0, 0), [0], None)
    store(lake, rows)
    done = score(of(tmp_path), lake, DAY, embedder, PRICES)
    assert (done.interactions, done.kept) == (11, 9)
    assert "9 kept, 2 scored" in str(done)


def test_other_scorers_or_prices_keep_nothing(tmp_path: Path, embedder: Embedder) -> None:
    lake = Lake(str(tmp_path / "lake"))
    store(lake, some(4))
    score(of(tmp_path), lake, DAY, embedder, PRICES)
    assert score(of(tmp_path, exclude=["cost"]), lake, DAY, embedder, PRICES).kept == 0


def test_scores_of_an_earlier_version_are_made_anew(tmp_path: Path, embedder: Embedder) -> None:
    lake = Lake(str(tmp_path / "lake"))
    store(lake, some(4))
    score(of(tmp_path), lake, DAY, embedder, PRICES)
    found = lake.read(SCORES, DAY, DAY)
    old = found.drop_columns(["content_fingerprint", "corpus_fingerprint"])
    lake = Lake(str(tmp_path / "old"))
    store(lake, some(4))
    lake.replace(SCORES, DAY, old)
    assert score(of(tmp_path), lake, DAY, embedder, PRICES).kept == 0
    assert lake.read(SCORES, DAY, DAY).equals(found)


def test_a_new_chunk_only_reaches_rows_that_the_corpus_was_searched_for(
    tmp_path: Path, embedder: Embedder
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    rows = {i: row(i, 0, i, (0, 2 if i == 1 else 0), [2], None) for i in range(5)}  # one declined
    store(lake, rows)
    score(of(tmp_path), lake, DAY, embedder, PRICES)
    rows[9] = row(9, -1, 0, (2, 0), [0], None)  # the day before retrieved what would have answered
    store(lake, rows)
    before = lake.read(SCORES, DAY, DAY)
    searched = before["corpus_fingerprint"].null_count
    done = score(of(tmp_path), lake, DAY, embedder, PRICES)
    assert done.kept == searched < 5
    after = lake.read(SCORES, DAY, DAY).to_pylist()
    assert before["fault_not_in_corpus"].to_pylist()[1] == 1.0
    assert after[1]["fault_retriever_miss"] == 1.0


def test_the_ledger_hears_how_much_was_scored(tmp_path: Path, embedder: Embedder) -> None:
    lake = Lake(str(tmp_path / "lake"))
    store(lake, {i: row(i, 0, 40 * i, (0, 0), [0], None) for i in range(4)})
    hours = [
        {
            "day": DAY,
            "kind": "hour",
            "source": "log",
            "hour": NOON + timedelta(hours=n),
            "received": 9,
        }
        for n in range(4)
    ]
    lake.replace(LEDGER, DAY, pa.Table.from_pylist(hours, LEDGER.schema), {"kind": "hour"})
    score(of(tmp_path), lake, DAY, embedder, PRICES)
    assert lake.read(LEDGER)["scored"].to_pylist() == [2, 1, 1, 0]
    assert lake.read(LEDGER)["received"].to_pylist() == [9] * 4


def test_a_corpus_is_the_same_in_any_order() -> None:
    assert corpus_fingerprint(["a", "b", "a"]) == corpus_fingerprint(["b", "a"])
    assert corpus_fingerprint(["ab", "c"]) != corpus_fingerprint(["a", "bc"])


ROWS = st.builds(
    row,
    st.integers(0, 9),
    st.sampled_from([0, 0, 0, -1]),
    st.integers(-700, 700),
    st.tuples(st.integers(0, len(QUERIES) - 1), st.integers(0, len(ANSWERS) - 1)),
    st.none() | st.lists(st.integers(0, 3), max_size=3, unique=True),
    st.sampled_from([None, "s", "t"]),
)
#: One night's changes: rows that came or changed, and ids that are gone.
CHANGES = st.tuples(st.lists(ROWS, min_size=1, max_size=6), st.lists(st.integers(0, 9), max_size=2))


@pytest.mark.timeout(600)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(nights=st.lists(CHANGES, min_size=2, max_size=4))
def test_scores_are_those_of_scoring_everything_anew(
    tmp_path_factory: pytest.TempPathFactory,
    embedder: Embedder,
    nights: list[tuple[list[Any], list[int]]],
) -> None:
    """Late, changed, moved and removed rows, sessions over midnight, and a corpus that grows and shrinks."""
    base = tmp_path_factory.mktemp("nights")
    lake = Lake(str(base / "lake"))
    rows: dict[int, Any] = {}
    for number, (came, gone) in enumerate(nights):
        rows = {id_: made for id_, made in rows.items() if id_ not in gone}
        rows |= {int(made["source_id"]): made for made in came}
        store(lake, rows)
        score(of(base), lake, DAY, embedder, PRICES)
        anew = Lake(str(base / f"anew-{number}"))
        store(anew, rows)
        score(of(base, rows=512), anew, DAY, embedder, PRICES)
        mine, theirs = lake.read(SCORES, DAY, DAY), anew.read(SCORES, DAY, DAY)
        # Where no row is left, the new lake has no table yet, and so no columns of metrics.
        assert mine.num_rows == theirs.num_rows, number
        assert mine.equals(theirs) or not mine.num_rows, number
