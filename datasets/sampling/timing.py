"""How long calls take and how they fail: real llmperf rows, scaled by the answer's tokens."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# OpenAI is not among the measured providers. Bedrock's 70B rows run at about 22 tokens a second,
# as gpt-4-0613 did; Anyscale's 70B rows at about 70, as gpt-3.5-turbo-0613 did.
MEASURED_AS = {
    ("openai", "gpt-4-0613"): ("bedrock", "llama-2-70b-chat"),
    ("openai", "gpt-3.5-turbo-0613"): ("anyscale", "llama-2-70b-chat"),
    # What answered for gpt-4-0613 during the fallback: measured 7B rows.
    ("openai", "llama-2-7b-chat"): ("fireworks", "llama-2-7b-chat"),
}


@dataclass(frozen=True)
class Call:
    """One measured call: time to first token and time per further token, ms."""

    ttft_ms: float
    per_token_ms: float


@dataclass(frozen=True)
class Measured:
    """llmperf calls by (provider, model), and one real rate-limit error body."""

    calls: dict[tuple[str, str], tuple[Call, ...]]
    rate_limit: dict[str, Any]

    def draw(self, draw: random.Random, provider: str, model: str) -> Call:
        """One real call of that provider and model, at random."""
        return draw.choice(self.calls[MEASURED_AS.get((provider, model), (provider, model))])


def read_measured(shared: Path) -> Measured:
    """Successful calls and the first 429 body that carries a message."""
    calls: dict[tuple[str, str], list[Call]] = {}
    bodies: list[dict[str, Any]] = []
    for row in pq.read_table(shared / "llmperf_latency.parquet").to_pylist():
        if row["error_code"]:
            if row["error_code"] == "429" and row["error_msg"]:
                bodies.append(json.loads(row["error_msg"])["error"])
            continue
        further = row["output_tokens"] - 1
        if further < 50:
            continue
        per_token_ms = (row["latency_s"] - row["ttft_s"]) * 1000 / further
        # together has one call of 102 s; a per-token time of half a second is a stall, not a speed.
        if per_token_ms < 500:
            call = Call(row["ttft_s"] * 1000, per_token_ms)
            calls.setdefault((row["provider"], row["model"]), []).append(call)
    return Measured({key: tuple(found) for key, found in calls.items()}, bodies[0])
