"""The step on a real lake: coverage, segments, one commit a day, and the same bytes twice."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from evalkit.config import RollupSettings, Settings
from evalkit.errors import LakeError
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.rollup import rollup
from evalkit.schema import DAILY, INTERACTIONS, SCORES, scores_schema

DAY = date(2026, 3, 2)
METRICS = {
    m.name: m
    for m in (
        Metric("groundedness", "score", "lower", ""),
        Metric("failed", "share", "higher", ""),
        Metric("cost_usd", "usd", "higher", ""),
    )
}


def settings(**changes) -> Settings:
    return Settings(rollup=RollupSettings(**{"segments": ["route", "model"], **changes}))


def fill(lake: Lake, rows: list[dict], scored: list[dict]) -> None:
    lake.replace(
        INTERACTIONS,
        DAY,
        pa.Table.from_pylist([{"day": DAY, **row} for row in rows], schema=INTERACTIONS.schema),
    )
    lake.replace(
        SCORES,
        DAY,
        pa.Table.from_pylist(
            [{"day": DAY, **row} for row in scored],
            schema=scores_schema([(m, "") for m in METRICS]),
        ),
    )


def score(name: str, **values) -> dict:
    row: dict = {"interaction_id": name}
    for metric in METRICS:
        value = values.get(metric, 0.5 if metric != "failed" else 0.0)
        row[metric] = value if not isinstance(value, str) else None
        row[f"{metric}__status"] = value if isinstance(value, str) else "ok"
    return row


def daily(lake: Lake) -> dict[tuple[str, str, str], dict]:
    return {
        (row["metric"], row["segment"], row["value_of_segment"]): row
        for row in lake.read(DAILY, DAY, DAY).to_pylist()
    }


def test_coverage_counts_what_applies_what_abstains_and_what_was_never_scored(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    fill(
        lake,
        [{"interaction_id": name, "route": "/ask"} for name in "abcdef"],
        [
            score("a", groundedness=0.9),
            score("b", groundedness="abstained"),
            score("c", groundedness="not_applicable"),
            score("d", groundedness="error"),
            score("e", groundedness=0.7),
        ],
    )
    done = rollup(settings(), lake, DAY, METRICS)
    row = daily(lake)["groundedness", "all", "all"]
    # Neither b nor c have a groundedness to measure; d failed, and f has no row of scores at all.
    assert (row["n"], row["n_eligible"], row["n_scored"]) == (6, 4, 2)
    assert row["mean"] == pytest.approx(0.8)
    assert done.interactions == 6
    assert done.metrics == ("cost_usd", "failed", "groundedness")


def test_segments_show_their_largest_values_and_name_what_has_none(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    routes = ["/a", "/a", "/b", "/b", None, None, "/c"]
    fill(
        lake,
        [{"interaction_id": str(i), "route": route} for i, route in enumerate(routes)],
        [score(str(i), groundedness=i / 10) for i in range(len(routes))],
    )
    rollup(settings(max_values=3), lake, DAY, METRICS)
    found = {
        key[2]: row for key, row in daily(lake).items() if key[:2] == ("groundedness", "route")
    }
    assert list(found) == ["(none)", "/a", "/b"]
    assert found["/b"]["mean"] == pytest.approx(0.25)
    assert [row["n"] for row in found.values()] == [2, 2, 2]
    models = [key[2] for key in daily(lake) if key[:2] == ("groundedness", "model")]
    assert models == ["(none)"]


def test_two_runs_and_any_order_of_the_files_rows_give_the_same_table(tmp_path):
    rng = np.random.default_rng(7)
    rows = [
        {"interaction_id": f"{i:05d}", "route": f"/{i % 7}", "model": f"m{i % 3}"}
        for i in range(3000)
    ]
    scored = [
        score(
            row["interaction_id"], groundedness=rng.random(), cost_usd=float(rng.lognormal(-6, 2))
        )
        for row in rows
    ]
    tables = []
    for name, order in (("one", slice(None)), ("two", slice(None, None, -1))):
        lake = Lake(str(tmp_path / name))
        fill(lake, rows[order], scored[order])
        for _ in range(2):
            rollup(settings(), lake, DAY, METRICS)
            tables.append(lake.read(DAILY))
    assert all(table.equals(tables[0]) for table in tables)


def test_a_run_replaces_its_day_and_an_empty_day_leaves_nothing(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    fill(lake, [{"interaction_id": "a"}], [score("a")])
    rollup(settings(), lake, DAY, METRICS)
    before = lake.version(DAILY)
    fill(lake, [], [])
    done = rollup(settings(), lake, DAY, METRICS)
    assert (done.rows, lake.read(DAILY).num_rows) == (0, 0)
    assert lake.version(DAILY) == before + 1


def test_a_metric_that_the_scores_do_not_know_is_named(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    fill(lake, [{"interaction_id": "a"}], [score("a")])
    more = {**METRICS, "mrr": Metric("mrr", "score", "lower", "")}
    assert rollup(settings(), lake, DAY, more).absent == ("mrr",)


def test_an_interaction_with_two_rows_of_scores_is_an_error_not_a_double_count(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    fill(lake, [{"interaction_id": "a"}], [score("a"), score("a")])
    with pytest.raises(LakeError, match="Score the day again"):
        rollup(settings(), lake, DAY, METRICS)


def test_hostile_values_stay_values(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    route = "'; DROP VIEW scores; --\""
    fill(lake, [{"interaction_id": "a", "route": route}], [score("a")])
    rollup(settings(), lake, DAY, METRICS)
    assert ("failed", "route", route) in daily(lake)


def test_histograms_of_days_add_up(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    fill(
        lake,
        [{"interaction_id": str(i)} for i in range(4)],
        [score(str(i), groundedness=g) for i, g in enumerate([0.0, 0.51, 0.52, 1.0])],
    )
    rollup(settings(), lake, DAY, METRICS)
    cells = daily(lake)["groundedness", "all", "all"]["histogram"]
    assert [(cell["bin"], cell["count"]) for cell in cells] == [(0, 1), (11, 2), (21, 1)]


def test_scores_in_any_order_and_with_gaps_give_the_figures_of_their_rows(tmp_path) -> None:
    rows = [{"interaction_id": f"i{k}", "route": f"/r{k % 2}"} for k in (3, 1, 4, 0, 2)]
    scored = [score(f"i{k}", groundedness=k / 10, failed=float(k % 2)) for k in range(5)]
    figures = []
    for name, stored in (
        ("same", [scored[k] for k in (3, 1, 4, 0, 2)]),
        ("other", scored),
        ("gap", scored[1:]),
    ):
        lake = Lake(str(tmp_path / name))
        fill(lake, rows, stored)
        rollup(settings(), lake, DAY, METRICS)
        figures.append(daily(lake))
    assert figures[0] == figures[1]
    whole, gap = (part["groundedness", "route", "/r0"] for part in figures[1:])
    assert (whole["n_scored"], gap["n_scored"], gap["n_eligible"]) == (3, 2, 3)
    assert gap["mean"] == pytest.approx(0.3)


def test_a_segment_that_is_no_text_is_named_as_sql_names_it(tmp_path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    cut = [True, None, False]
    rows = [{"interaction_id": f"i{k}", "truncated": value} for k, value in enumerate(cut)]
    fill(lake, rows, [score(f"i{k}") for k in range(3)])
    rollup(settings(segments=["truncated"]), lake, DAY, METRICS)
    names = {name for _, segment, name in daily(lake) if segment == "truncated"}
    assert names == {"true", "false", "(none)"}


def test_what_is_really_called_none_counts_with_what_is_missing(tmp_path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    routes = ["(none)", None, "/ask"]
    rows = [{"interaction_id": f"i{k}", "route": route} for k, route in enumerate(routes)]
    fill(lake, rows, [score(f"i{k}") for k in range(3)])
    rollup(settings(), lake, DAY, METRICS)
    found = daily(lake)
    assert found["groundedness", "route", "(none)"]["n"] == 2
    assert found["groundedness", "route", "/ask"]["n"] == 1
