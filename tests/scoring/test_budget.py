"""A day scored under a budget: which rows the models read, what is said of the others, and what stands when
it is scored again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import EncoderSettings, EngineSettings, ScoringSettings, Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.engine import open_crew
from evalkit.lake import Lake, ledger
from evalkit.schema import SCORES, SCORES_OF_A_BUDGET
from evalkit.scoring import Scored, score
from evalkit.scoring.budget import allowed
from tests.scoring.rows import PRICES
from tests.scoring.test_keeping import DAY, row, store
from tests.scoring.test_sharding import Stops

NEW = [column.name for column in SCORES_OF_A_BUDGET]
UNREAD = {"over_budget", "not_applicable", "abstained"}


def day(n: int) -> dict[int, Any]:
    """Rows with texts of their own, so that each costs something."""
    rows = {}
    for i in range(n):
        one = row(i, 0, 7 * i, (i % 5, i % 4), [i % 4], (None, "s", "t")[i % 3])
        rows[i] = {**one, "query": f"{one['query']} That is for case number {i}."}
    return rows


def of(base: Path, budget: str, rate: float | None = 10.0, **engine: Any) -> Settings:
    """Ten tokens a second, so that seconds are tens of tokens."""
    return Settings(
        base=base,
        scoring=ScoringSettings(batch_rows=7, budget=budget, tokens_per_second=rate),
        encoder=EncoderSettings(threads=1),
        engine=EngineSettings.model_validate({"shard_rows": 16, **engine}),
    )


def run(base: Path, lake: Lake, budget: str, rate: float | None = 10.0, **more: Any) -> Scored:
    settings = of(base, budget, rate)
    with open_embedder(settings) as embedder:
        return score(settings, lake, DAY, embedder, PRICES, **more)


def filled(base: Path, rows: dict[int, Any]) -> Lake:
    lake = Lake(str(base / "lake"))
    store(lake, rows)
    return lake


def scores(lake: Lake) -> dict[str, dict[str, Any]]:
    return {one["interaction_id"]: one for one in lake.read(SCORES, DAY, DAY).to_pylist()}


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["content_fingerprint"] == other["content_fingerprint"])


def metrics_of(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in NEW}


def test_rows_beyond_the_budget_say_so_and_the_others_are_scored_as_ever(tmp_path: Path) -> None:
    whole, lake = filled(tmp_path / "whole", day(60)), filled(tmp_path, day(60))
    run(tmp_path / "whole", whole, "all")
    done = run(tmp_path, lake, "45s")
    found, truth = scores(lake), scores(whole)
    drawn = [one for one in found.values() if one["is_drawn"]]
    assert done.spent is not None
    assert 0 < done.spent.drawn == len(drawn) < len(found) == 60
    assert "of 60 rows drawn" in str(done)
    for name, one in found.items():
        assert 0 < one["probability"] <= 1
        assert one["budget"] == "45 s"
        if one["is_drawn"]:
            told = metrics_of(one)
            # The corpus was too dear to be searched.
            same = {key for key in told if "fault" not in key and key != "corpus_fingerprint"}
            assert {key: told[key] for key in same} == {key: truth[name][key] for key in same}
        else:
            assert one["groundedness"] is None
            assert one["groundedness__status"] in UNREAD
            assert one["latency_ms"] == truth[name]["latency_ms"]
            guessed = dict(one["cheap"])
            assert guessed or one["cheap"] == []
            if truth[name]["answer_relevance"] is not None:
                assert guessed["answer_relevance"] is not None


def test_without_a_budget_nothing_is_different(tmp_path: Path) -> None:
    lake = filled(tmp_path, day(6))
    run(tmp_path, lake, "all")
    (file,) = lake.files(SCORES)
    assert not set(NEW) & set(pq.read_schema(file).names)
    assert ledger.spent_on(lake, DAY) == {}


def test_a_day_that_is_scored_again_keeps_its_draw(tmp_path: Path) -> None:
    lake = filled(tmp_path, day(40))
    run(tmp_path, lake, "40s")
    again = run(tmp_path, lake, "40s")
    assert again.kept == 40
    assert again.spent is None
    assert lake.version(SCORES) == 0
    before = scores(lake)
    store(lake, day(44))  # late rows are drawn by themselves
    late = run(tmp_path, lake, "40s")
    assert late.spent is not None
    after = scores(lake)
    same = [name for name in before if is_same(before[name], after[name])]
    assert len(same) == 44 - late.spent.rows >= 36  # the last turns of sessions are so no more
    for name in same:
        assert after[name] == before[name]


def test_another_budget_draws_anew_and_what_was_read_is_certain(tmp_path: Path) -> None:
    lake = filled(tmp_path, day(40))
    run(tmp_path, lake, "30s")
    before = scores(lake)
    run(tmp_path, lake, "50s")
    after = scores(lake)
    read = [name for name, one in before.items() if one["is_drawn"]]
    assert read
    assert all(after[name]["probability"] == 1 for name in read)
    assert all(after[name]["cheap"] is None for name in read)
    assert sum(one["is_drawn"] for one in after.values()) > len(read)


def test_a_day_scored_whole_afterwards_is_as_if_it_never_had_a_budget(tmp_path: Path) -> None:
    whole, lake = filled(tmp_path / "whole", day(20)), filled(tmp_path, day(20))
    run(tmp_path / "whole", whole, "all")
    run(tmp_path, lake, "20s")
    assert ledger.spent_on(lake, DAY)["budget"] == "20 s"
    run(tmp_path, lake, "all")
    assert scores(lake) == scores(whole)
    assert ledger.spent_on(lake, DAY) == {}


def test_with_no_money_no_model_is_loaded_and_what_the_cache_has_is_used(tmp_path: Path) -> None:
    lake = filled(tmp_path, day(10))
    settings = of(tmp_path, "$0")
    with open_embedder(settings) as embedder:
        score(settings, lake, DAY, embedder, PRICES)
        assert not embedder.is_loaded
    assert {one["probability"] for one in scores(lake).values()} == {None}
    run(tmp_path, lake, "all")  # fills the cache
    with open_embedder(settings) as embedder:
        score(settings, lake, DAY, embedder, PRICES, fresh=True)
        assert not embedder.is_loaded
    found = scores(lake).values()
    assert {one["is_drawn"] for one in found} == {True}
    assert {one["probability"] for one in found} == {1.0}


def test_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    lake, settings = filled(tmp_path, day(40)), of(tmp_path, "40s")
    with open_embedder(settings) as embedder, open_crew(settings) as inner:
        with pytest.raises(KeyboardInterrupt):
            # Three shards are surveyed, and one of them is scored.
            score(settings, lake, DAY, embedder, PRICES, crew=Stops(inner, 3, of_all_runs=True))
        done = score(settings, lake, DAY, embedder, PRICES)
    assert done.spent is not None
    assert done.spent.rows < 40
    found = scores(lake)
    assert len(found) == 40
    assert all(0 < one["probability"] <= 1 for one in found.values())


def test_a_row_that_has_to_be_scored_again_keeps_its_draw(tmp_path: Path) -> None:
    """Which rows do may have to do with what was found in them: errors, searches of the corpus."""
    lake = filled(tmp_path, day(30))
    run(tmp_path, lake, "30s")
    before = lake.read(SCORES, DAY, DAY)
    failed = pa.array(["error" if drawn else "ok" for drawn in before["is_drawn"].to_pylist()])
    where = before.schema.get_field_index("cost_usd__status")
    lake.replace(SCORES, DAY, before.set_column(where, "cost_usd__status", failed))
    done = run(tmp_path, lake, "30s")
    assert done.kept < 30
    assert done.spent is not None
    assert done.spent.rows == 0
    draw = ["interaction_id", "probability", "is_drawn"]
    assert lake.read(SCORES, DAY, DAY).select(draw).equals(before.select(draw))


def test_the_rate_is_what_was_given_or_reached_before_or_measured(
    tmp_path: Path, embedder: Embedder
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    given = allowed(of(tmp_path, "2m"), lake, DAY, embedder, [])
    assert (given.tokens, given.basis) == (1200.0, "config")
    ticks = iter([0.0, 2.0])
    first = allowed(of(tmp_path, "2m", None), lake, DAY, embedder, [], lambda: next(ticks))
    assert first.basis == "measured"
    assert first.tokens == 120 * first.tokens_per_second
    former = {"encoder": embedder.fingerprint, "budget": "60 s", "rate_reached": "700"}
    other = {**former, "encoder": "another", "rate_reached": "9"}
    ledger.record_spent(lake, DAY - timedelta(days=2), former)
    ledger.record_spent(lake, DAY - timedelta(days=1), other)
    found = allowed(of(tmp_path, "2m", None), lake, DAY, embedder, [])
    assert (found.tokens_per_second, found.basis) == (700.0, str(DAY - timedelta(days=2)))
    own = {**former, "budget": "120 s", "rate": "3", "tokens": "360", "rate_from": "measured"}
    ledger.record_spent(lake, DAY, own)
    again = allowed(of(tmp_path, "2m", None), lake, DAY, embedder, [])
    assert (again.tokens, again.basis) == (360.0, "measured")


@pytest.mark.slow
def test_two_processes_draw_the_same_rows(tmp_path: Path) -> None:
    found = []
    for name, engine in (("one", {}), ("two", {"workers": 2})):
        lake = filled(tmp_path / name, day(40))
        # Two workers have twice the time: half of it each.
        settings = of(tmp_path / name, "20s" if engine else "40s", **engine)
        with open_embedder(settings) as embedder:
            score(settings, lake, DAY, embedder, PRICES)
        found.append(scores(lake))
    assert found[0] == found[1]
