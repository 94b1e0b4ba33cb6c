"""Months of stationary traffic with real noise: chance findings stay within the budget; shifts are
found in time."""

from __future__ import annotations

import pytest
from nights import run, settings
from scipy import stats
from traffic import METRICS, Shift, month

from evalkit.detection.detectors.level import level

WARM_UP = 35


def false_alarms(seeds: range, nights: int) -> int:
    total = 0
    for seed in seeds:
        rows = run(level, month(seed, WARM_UP + nights), METRICS, range(WARM_UP, WARM_UP + nights))
        total += rows["status"].to_pylist().count("new")
    return total


def bound(budget: float, months: float) -> int:
    """More alarms than this come up once in a hundred such simulations when the budget is kept."""
    return int(stats.poisson.ppf(0.99, budget * months))


def nights_until_found(seed: int, shift: Shift, nights: int) -> int | None:
    daily = month(seed, WARM_UP + nights, shifts=(shift,))
    rows = run(level, daily, METRICS, range(WARM_UP, WARM_UP + nights)).to_pylist()
    days = [(row["day"] - daily[WARM_UP]["day"][0].as_py()).days + 1 for row in rows]
    return min(
        (d for d, row in zip(days, rows, strict=True) if row["metric"] == shift.metric),
        default=None,
    )


def test_a_few_quiet_months_stay_within_the_budget():
    nights = 10
    assert false_alarms(range(500, 509), nights) <= bound(settings().false_alarms_per_month, 3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_forty_quiet_months_stay_within_the_budget():
    found = false_alarms(range(40), 30)
    upper = stats.chi2.ppf(0.95, 2 * (found + 1)) / 2 / 40
    assert upper <= settings().false_alarms_per_month


@pytest.mark.parametrize(
    ("shift", "nights"),
    [
        (Shift("hallucination", 0.35, WARM_UP, segment="route", value="/ask"), 3),
        (Shift("groundedness", -0.15, WARM_UP), 2),
        (Shift("latency_ms", 0.7, WARM_UP, segment="provider", value="one"), 2),
        (Shift("failed", 0.25, WARM_UP, segment="provider", value="two"), 3),
        (Shift("cost_usd", 0.4, WARM_UP), 2),
    ],
    ids=lambda value: value.metric if isinstance(value, Shift) else str(value),
)
def test_a_shift_of_this_size_is_found_within_so_many_nights(shift, nights):
    assert [nights_until_found(seed, shift, nights) is not None for seed in (600, 601)] == [
        True
    ] * 2
