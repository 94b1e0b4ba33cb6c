"""Rows of `interactions` for the tests of scoring, and everything that scoring asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS

DAY = date(2026, 11, 2)
PRICES = PriceList(
    {
        "gpt-4o-mini": {
            "input_cost_per_token": 1.5e-07,
            "output_cost_per_token": 6e-07,
            "cache_read_input_token_cost": 7.5e-08,
        }
    }
)
GOOD: Mapping[str, Any] = {
    "day": DAY,
    "provider": "openai",
    "model": "gpt-4o-mini-2024-07-18",
    "requested_model": "gpt-4o-mini",
    "query": "How long does a refund take?",
    "response": "A refund takes five working days. We send an e-mail when it is on its way.",
    "contexts": [
        {
            "id": "a",
            "text": "Refunds take five working days after the parcel is back. You get an e-mail.",
            "rank": 1,
        },
        {"id": "b", "text": "Our office is in Zürich, near the lake.", "rank": 2},
    ],
    "tokens_input": 412,
    "tokens_output": 14,
    "tokens_cached": 256,
    "token_semantics": "inclusive",
    "latency_ms": 900.5,
    "ttft_ms": 120.25,
    "status": "ok",
    "finish_reason": "stop",
}


def table(*changes: Mapping[str, Any]) -> pa.Table:
    """One row per argument: the good row with these changes."""
    rows = [{**GOOD, "interaction_id": f"i{k}", **change} for k, change in enumerate(changes)]
    return pa.Table.from_pylist(rows, schema=INTERACTIONS.schema)
