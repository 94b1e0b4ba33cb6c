"""Prices: what a call costs, which entry is taken, and what the shipped list holds."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.prices import Price, PriceList, Usage, load

MINI = {
    "input_cost_per_token": 1.5e-07,
    "output_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 7.5e-08,
}


def found(
    prices: PriceList, model: str, provider: str | None = None, day: date | None = None
) -> Price:
    price = prices.find(model, provider, day)
    assert price is not None
    return price


def test_cached_tokens_inside_and_on_top_cost_the_same_call_differently() -> None:
    price = found(PriceList({"m": MINI}), "m")
    assert price.cost(Usage(412, 14, 256)) == pytest.approx(5.1e-05)
    assert price.cost(Usage(156, 14, 256, inclusive=False)) == pytest.approx(5.1e-05)


def test_without_a_cache_price_cached_tokens_cost_the_full_price() -> None:
    assert Price(2.0, 3.0).cost(Usage(10, 0, 4)) == 20.0


def test_reasoning_tokens_are_part_of_the_output() -> None:
    assert Price(0.0, 1.0).cost(Usage(0, 10, tokens_reasoning=4)) == 10.0
    assert Price(0.0, 1.0, reasoning=3.0).cost(Usage(0, 10, tokens_reasoning=4)) == 18.0


def test_tiers_go_by_all_input_tokens_and_hold_for_the_whole_call() -> None:
    tiers = {
        "input_cost_per_token_above_200k_tokens": 3e-07,
        "output_cost_per_token_above_200k_tokens": 9e-07,
    }
    price = found(PriceList({"m": MINI | tiers}), "m")
    assert price.cost(Usage(200_000, 0)) == pytest.approx(200_000 * 1.5e-07)
    assert price.cost(Usage(200_001, 10)) == pytest.approx(200_001 * 3e-07 + 10 * 9e-07)
    on_top = Usage(200_000, 0, 1, inclusive=False)
    assert price.cost(on_top) == pytest.approx(200_000 * 3e-07 + 7.5e-08)


def test_a_model_is_found_by_name_without_date_and_under_its_provider() -> None:
    prices = PriceList({"gpt-x": MINI, "host/llama": MINI | {"input_cost_per_token": 1e-06}})
    for name in ("gpt-x", "GPT-X", "gpt-x-2024-07-18", "gpt-x-20240718"):
        assert found(prices, name).input == 1.5e-07
    assert found(prices, "llama", "Host").input == 1e-06
    assert prices.find("llama") is None
    assert prices.find("gpt-x-mini") is None


def test_a_price_holds_from_its_day_on() -> None:
    old, new = (
        MINI | {"effective_from": "2026-01-01"},
        MINI | {"input_cost_per_token": 1e-07, "effective_from": "2026-06-01"},
    )
    prices = PriceList({"m": [new, old]})
    assert found(prices, "m", day=date(2026, 5, 31)).input == 1.5e-07
    assert found(prices, "m", day=date(2026, 6, 1)).input == 1e-07
    assert found(prices, "m").input == 1e-07
    assert prices.find("m", day=date(2025, 12, 31)) is None


TIERS = {
    "input_cost_per_token_batches": 7e-08,
    "output_cost_per_token_batches": 3e-07,
    "input_cost_per_token_priority": 3e-07,
    "output_cost_per_token_priority": 12e-07,
    "cache_read_input_token_cost_priority": 1.25e-07,
}


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "anything"])
def test_a_call_of_no_special_tier_has_the_regular_price(tier: str | None) -> None:
    price = found(PriceList({"m": MINI | TIERS}), "m")
    assert price.at(tier) is price


def test_a_batch_costs_half_where_the_list_does_not_say() -> None:
    price = found(PriceList({"m": MINI}), "m")
    usage = Usage(412, 14, 256)
    for tier in ("batch", "Batch", "flex"):
        cheap = price.at(tier)
        assert cheap is not None
        assert cheap.cost(usage) == pytest.approx(price.cost(usage) / 2)


def test_half_holds_above_a_limit_too() -> None:
    above = {"input_cost_per_token_above_200k_tokens": 3e-07}
    batch = found(PriceList({"m": MINI | above}), "m").at("batch")
    assert batch is not None
    assert batch.cost(Usage(300_000, 0)) == pytest.approx(300_000 * 1.5e-07)


def test_a_tier_with_prices_of_its_own_has_these() -> None:
    price = found(PriceList({"m": MINI | TIERS}), "m")
    batch, priority = price.at("batch"), price.at("priority")
    assert batch is not None
    assert priority is not None
    assert (batch.input, batch.output) == (7e-08, 3e-07)
    assert batch.cached == pytest.approx(7.5e-08 * 7 / 15)  # as much less as the input
    assert (priority.input, priority.output, priority.cached) == (3e-07, 12e-07, 1.25e-07)


def test_priority_without_a_price_is_unpriced_and_not_cheap() -> None:
    assert found(PriceList({"m": MINI}), "m").at("priority") is None


def test_what_is_not_priced_by_token_is_unpriced_and_not_free() -> None:
    prices = PriceList(
        {"sample_spec": {"input_cost_per_token": 0}, "img": {"input_cost_per_image": 1}}
    )
    assert len(prices) == 0
    assert prices.find("img") is None


@pytest.mark.parametrize("value", [-1e-06, 1.5, "cheap", float("nan")])
def test_a_price_that_is_none_is_refused_by_name(value: object) -> None:
    with pytest.raises(ConfigError, match="list: m: input_cost_per_token"):
        PriceList({"m": {"input_cost_per_token": value}}, "list")


@given(
    tokens=st.tuples(*[st.integers(0, 10**6)] * 4),
    price=st.tuples(*[st.floats(0, 1e-3)] * 3),
    inclusive=st.booleans(),
)
def test_a_cost_is_never_negative(
    tokens: tuple[int, ...], price: tuple[float, ...], inclusive: bool
) -> None:
    assert Price(*price).cost(Usage(*tokens, inclusive)) >= 0


def test_the_shipped_list() -> None:
    prices = load()
    assert len(prices) >= 60
    assert found(prices, "gpt-4o-mini-2024-07-18").cost(Usage(412, 14, 256)) == pytest.approx(
        5.1e-05
    )
    assert found(prices, "gpt-4-0613").input == 3e-05
    assert found(prices, "gpt-3.5-turbo-0613").output == 2e-06
    assert found(prices, "llama-2-70b-chat", "replicate")
    entries = json.loads((resources.files("evalkit") / "default_prices.json").read_text("utf-8"))
    for name, entry in entries.items():
        assert {"litellm_provider", "mode", "max_input_tokens"} <= set(entry), name
        assert entry["output_cost_per_token"] >= entry["input_cost_per_token"] > 0, name
        assert entry.get("cache_read_input_token_cost", 0) < entry["input_cost_per_token"], name
        assert entry["output_cost_per_token"] < 2e-4, name  # per token, not per thousand


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"mine": MINI}), "utf-8")
    assert len(load(file)) == 1
    assert load(file).fingerprint != load().fingerprint


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_file_that_is_no_price_list_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"\[prices\] file: .*prices\.json is no"):
        load(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "gone.json")
