"""Rows of `interactions` for the tests of scoring, and everything that scoring asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS
from evalkit.scoring.turns import Turns

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
    "started_at": datetime(2026, 11, 2, 9, tzinfo=UTC),
    "provider": "openai",
    "model": "gpt-4o-mini-2024-07-18",
    "requested_model": "gpt-4o-mini",
    "query": "How long does a refund take?",
    "response": "A refund takes five working days. We send an e-mail when it is on its way.",
    "history": [
        {"role": "user", "content": "Do you give refunds?"},
        {"role": "assistant", "content": "Yes, within 30 days. Is there anything else?"},
    ],
    "feedback": [{"name": "user-thumbs", "value": 1.0}],
    "corrected_response": "A refund takes five working days.",
    "contexts": [
        {
            "id": "a",
            "text": "Refunds take five working days after the parcel is back. You get an e-mail.",
            "rank": 1,
            "updated_at": datetime(2026, 10, 30, 9, tzinfo=UTC),
        },
        {"id": "b", "text": "Our office is in Zürich, near the lake.", "rank": 2},
    ],
    "relevant_ids": ["a"],
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


def turns(n: int) -> Turns:
    """Places for `table` of n rows: each a last turn, two minutes after the one before it."""
    row = {"query": "Do you give refunds?", "answer": "Yes.", "seconds": 120.0, "is_last": True}
    return Turns(pa.Table.from_pylist([{"interaction_id": f"i{k}", **row} for k in range(n)]))
