"""The one story that the sample of every format tells, as the row that each source must give."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evalkit import prices
from evalkit.ingest.contract import Line, Opener, Source, Window
from tests.ingest.story import WINDOW, source_settings

DATA = Path(__file__).parent / "data"
CHUNK = {
    "id": "kb-refunds#3",
    "text": "Annual subscriptions may be refunded in full within 30 days of purchase.",
    "score": 0.82,
    "rank": 1,
}
CANONICAL: dict[str, Any] = {
    "session_id": "s-77",
    "user_id": "u-1842",
    "started_at": datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC),
    "model": "gpt-4o-mini-2024-07-18",
    "prompt_name": "support-answer",
    "prompt_version": "7",
    "system_prompt": "Answer only from the context.",
    "history": [],
    "query": "What is the refund window for annual plans?",
    "response": "Annual plans can be refunded within 30 days of purchase.",
    "contexts": [CHUNK],
    "tokens_input": 412,
    "tokens_cached": 256,
    "tokens_output": 14,
    "token_semantics": "inclusive",
    "latency_ms": 1380,
    "ttft_ms": 410,
    "status": "ok",
    "finish_reason": "stop",
}
COST_USD = 0.000051
#: No row is left out for its time.
ALWAYS = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def lines_of(*names: str) -> list[Line]:
    """The lines of sample files, under their own names."""
    return [
        Line(name, number, data)
        for name in names
        for number, data in enumerate((DATA / name).read_bytes().splitlines(), 1)
        if data.strip()
    ]


def read_lines(
    source: Source, lines: Iterable[Line], window: Window = WINDOW, **values: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Rows and rejects of lines that know their file."""
    opener = Opener(lambda _: iter(list(lines)), "evalkit.toml: [sources.gateway]")
    steps = list(source.open(source_settings(**values), window, opener))
    return [row for step in steps for row in step.rows], [r for step in steps for r in step.rejects]


def assert_tells_the_story(
    row: dict[str, Any], absent: Iterable[str] = (), **different: Any
) -> None:
    """The row is the canonical one, but for columns that the format does not carry (`absent`), and
    for those that it carries in another way (`different`)."""
    told = {name: row[name] for name in CANONICAL if name in row}
    if "contexts" in told:
        told["contexts"] = [{name: chunk[name] for name in CHUNK} for chunk in told["contexts"]]
    if "latency_ms" in told:
        told["latency_ms"] = pytest.approx(told["latency_ms"], abs=1e-3)
    if "ttft_ms" in told:
        told["ttft_ms"] = pytest.approx(told["ttft_ms"], abs=1e-3)
    expected = {name: value for name, value in CANONICAL.items() if name not in {*absent}}
    assert told == expected | different


def assert_costs_the_same(row: dict[str, Any], logged: bool) -> None:
    """The tokens cost what every format says they cost; `logged`: so does the row's own figure."""
    price = prices.load().find(row["model"])
    assert price is not None
    usage = prices.Usage(
        row["tokens_input"],
        row["tokens_output"],
        row["tokens_cached"],
        inclusive=row["token_semantics"] == "inclusive",
    )
    assert price.cost(usage) == pytest.approx(COST_USD, abs=1e-12)
    if logged:
        assert row["cost_logged_usd"] == pytest.approx(COST_USD, abs=1e-12)
    else:
        assert "cost_logged_usd" not in row
