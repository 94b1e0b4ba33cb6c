"""Level changes: what is found, how soon, as how many findings, and that it goes on and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from nights import run, settings
from traffic import METRICS, START, Shift, month

from evalkit.detection.detectors.level import level
from evalkit.schema import PROMPTS


def found(daily, first, last, chosen=None, **more):
    return run(level, daily, METRICS, range(first, last), chosen, **more).to_pylist()


def test_a_drop_on_one_route_is_one_finding_there_with_its_numbers():
    drop = Shift("groundedness", -0.25, 30, segment="route", value="/ask")
    (row,) = found(month(1, 31, shifts=(drop,)), 30, 31)
    assert (row["metric"], row["segment"], row["value_of_segment"]) == (
        "groundedness",
        "route",
        "/ask",
    )
    assert row["effect"] == pytest.approx(-0.25, abs=0.08)
    assert row["lower"] < row["effect"] < row["upper"] < 0
    assert row["after"] - row["before"] == pytest.approx(row["effect"])
    assert row["severity"] == "critical"
    assert row["title"].startswith("Groundedness on route /ask fell from 0.")
    assert (row["status"], row["since"]) == ("new", START + timedelta(days=30))


def test_a_drop_everywhere_is_one_finding_on_the_whole_day():
    rows = found(month(2, 31, shifts=(Shift("groundedness", -0.2, 30),)), 30, 31)
    assert [(row["metric"], row["segment"]) for row in rows] == [("groundedness", "all")]


def test_where_else_it_shows_is_told_in_the_same_finding():
    drop = Shift("groundedness", -0.3, 30, segment="route", value="/ask")
    (row,) = found(month(1, 31, rows=400, shifts=(drop,)), 30, 31)
    assert (row["segment"], row["value_of_segment"]) == ("route", "/ask")
    assert "the whole day" in dict(row["detail"])["also_seen_in"]


def test_two_routes_that_break_alone_are_two_findings():
    both = tuple(
        Shift("groundedness", -0.3, 30, segment="route", value=route)
        for route in ("/ask", "/search")
    )
    rows = found(month(3, 31, rows=400, shifts=both), 30, 31)
    assert {row["value_of_segment"] for row in rows} in ({"/ask", "/search"}, {"all"})


def test_metrics_that_move_together_are_one_finding():
    both = (Shift("latency_ms", 0.7, 30), Shift("ttft_ms", 0.7, 30))
    (row,) = found(month(4, 31, shifts=both), 30, 31)
    assert row["metric"] == "latency_ms"
    assert row["effect_kind"] == "ratio"
    assert row["effect"] == pytest.approx(1.0, abs=0.35)
    assert "time to first token" in dict(row["detail"])["also"]


def test_a_change_for_the_better_is_information():
    rows = found(month(5, 31, shifts=(Shift("groundedness", 0.2, 30),)), 30, 31)
    assert [(row["severity"], row["metric"]) for row in rows] == [("info", "groundedness")]


def test_a_change_too_small_to_matter_is_no_finding_however_sure_it_is():
    tiny = Shift("groundedness", -0.03, 30)
    assert found(month(6, 34, rows=3000, shifts=(tiny,), day_noise=0.1), 30, 34) == []


def test_a_failing_provider_is_critical():
    outage = Shift("failed", 0.3, 30, segment="provider", value="two")
    (row,) = found(month(7, 31, shifts=(outage,)), 30, 31)
    assert (row["severity"], row["value_of_segment"]) == ("critical", "two")


def test_a_finding_goes_on_with_the_same_id_and_is_resolved_once():
    episode = Shift("groundedness", -0.2, 30, last=35)
    rows = [
        row
        for row in found(month(8, 45, shifts=(episode,)), 28, 45)
        if row["metric"] == "groundedness"
    ]
    assert len({row["finding_id"] for row in rows}) == 1
    assert [row["status"] for row in rows] == ["new", *["ongoing"] * (len(rows) - 2), "resolved"]
    assert {row["since"] for row in rows} == {START + timedelta(days=30)}
    # Six bad nights; the pooled nights may keep it one night longer, never more.
    assert 7 <= len(rows) <= 8


def test_a_night_that_misses_the_threshold_once_makes_no_noise():
    wavering = (
        Shift("groundedness", -0.2, 30, last=33),
        Shift("groundedness", -0.05, 34, last=34),
        Shift("groundedness", -0.2, 35),
    )
    rows = found(month(9, 38, shifts=wavering), 30, 38)
    assert [row["status"] for row in rows if row["metric"] == "groundedness"].count("new") == 1
    assert "resolved" not in {row["status"] for row in rows}


def test_a_segment_without_rows_for_a_night_keeps_its_finding():
    drop = Shift("groundedness", -0.3, 30, segment="route", value="/ask")
    daily = month(1, 33, shifts=(drop,))
    place = pc.and_(
        pc.equal(daily[31]["segment"], "route"), pc.equal(daily[31]["value_of_segment"], "/ask")
    )
    daily[31] = daily[31].filter(pc.invert(place))
    rows = [row for row in found(daily, 30, 33) if row["value_of_segment"] == "/ask"]
    assert [row["status"] for row in rows] == ["new", "ongoing", "ongoing"]
    assert dict(rows[1]["detail"])["nights_without_rows"] == "1"


def test_what_lasts_as_long_as_the_baseline_becomes_the_new_normal():
    chosen = settings(baseline_days=14)
    rows = found(month(10, 60, shifts=(Shift("groundedness", -0.2, 30),)), 28, 60, chosen)
    mine = [row for row in rows if row["metric"] == "groundedness"]
    assert [row["status"] for row in mine].count("new") == 1
    assert mine[-1]["status"] == "resolved"
    assert (mine[-1]["day"] - mine[0]["since"]).days == pytest.approx(14, abs=1)


def test_an_episode_that_is_over_does_not_spoil_the_baseline():
    episode = Shift("groundedness", -0.3, 30, last=36)
    again = Shift("groundedness", -0.2, 44, last=46)
    rows = found(month(11, 46, shifts=(episode, again)), 29, 46)
    new = [row["day"] for row in rows if row["metric"] == "groundedness" and row["status"] == "new"]
    assert new == [START + timedelta(days=30), START + timedelta(days=44)]


def test_a_slow_shift_is_found_by_three_nights_together():
    slow = Shift("groundedness", -0.09, 30)
    rows = found(month(12, 36, shifts=(slow,)), 30, 36)
    assert any(dict(row["detail"])["nights"] == "3" for row in rows) or any(
        row["day"] > START + timedelta(days=30) for row in rows
    )
    assert all(
        abs((row["since"] - START).days - 30) <= 2
        for row in rows
        if row["metric"] == "groundedness"
    )


def test_a_new_prompt_on_the_route_is_named_as_what_coincided():
    drop = Shift("groundedness", -0.3, 30, segment="route", value="/ask")
    prompts = []
    for number in range(31):
        day = START + timedelta(days=number)
        prompts.append(
            {
                "day": day,
                "fingerprint": "new" if number == 30 else "old",
                "name": "answer",
                "version": "4" if number == 30 else "3",
                "route": "/ask",
                "template": "",
                "n": 60,
                "first_seen": datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
            }
        )
    table = pa.Table.from_pylist(prompts, schema=PROMPTS.schema)
    (row,) = found(month(1, 31, shifts=(drop,)), 30, 31, prompts=table)
    assert row["cause"] == "prompt answer version 4 first seen 2026-02-04 08:00 UTC on route /ask"
    (row,) = found(month(1, 31, shifts=(drop,)), 30, 31)
    assert row["cause"] is None
