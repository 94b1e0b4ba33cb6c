"""Writes down what was planted and how large it came out: incidents.toml and prices.json."""

import json
import statistics
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any, TypeAlias

from sampling import incidents, prompts
from sampling.incidents import Broken, Incident, Repeated
from sampling.traffic import Interaction, line

# A TOML value: str, int, float, bool, date, datetime, or lists and dicts of those.
Toml: TypeAlias = Any

QUALITY = [
    "answer_relevance",
    "context_relevance",
    "context_precision",
    "groundedness",
    "hallucination",
    "context_utilization",
    "context_sufficiency",
    "context_redundancy",
    "context_age_days",
    "fault_retriever_miss",
    "fault_ranked_out",
    "fault_ignored_by_generator",
    "fault_not_in_corpus",
    "abandoned",
]
SIZE_AND_TIME = ["tokens_input", "tokens_output", "cost_usd", "latency_ms", "ttft_ms"]

# USD per million tokens: list prices of the time; cached input at half price as OpenAI later set it
# for the models that have it. Llama-2: Anyscale Endpoints' price for each size.
PRICES = {
    "gpt-4-0613": ("openai", 8192, 30.0, 60.0, 15.0),
    "gpt-3.5-turbo-0613": ("openai", 4096, 1.5, 2.0, 0.75),
    "llama-2-70b-chat": ("anyscale", 4096, 1.0, 1.0, None),
    "llama-2-13b-chat": ("anyscale", 4096, 0.25, 0.25, None),
    "llama-2-7b-chat": ("anyscale", 4096, 0.15, 0.15, None),
}


def prices() -> str:
    """prices.json in the shape of LiteLLM's cost map, USD per token."""
    table: dict[str, dict[str, object]] = {}
    for model, (provider, window, input_usd, output_usd, cached_usd) in PRICES.items():
        table[model] = {
            "litellm_provider": provider,
            "mode": "chat",
            "max_input_tokens": window,
            "input_cost_per_token": round(input_usd / 1e6, 12),
            "output_cost_per_token": round(output_usd / 1e6, 12),
        }
        if cached_usd is not None:
            table[model]["cache_read_input_token_cost"] = round(cached_usd / 1e6, 12)
    return json.dumps(table, indent=2) + "\n"


def cost_usd(row: Interaction) -> float:
    """What the served model's list price makes of the interaction's tokens."""
    _, _, input_usd, output_usd, cached_usd = PRICES[row.model]
    cached = row.cached_tokens if cached_usd is not None else 0
    cached_cost = cached * (cached_usd or 0.0)
    return (
        (row.input_tokens - cached) * input_usd + cached_cost + row.output_tokens * output_usd
    ) / 1e6


def _mean(values: Iterable[float], places: int) -> float:
    return round(statistics.fmean(values), places)


def _label_rate(rows: list[Interaction]) -> float:
    return _mean((row.label for row in rows if row.label is not None), 4)


def _latency(row: Interaction) -> int:
    return int(line(row, {})["latency_ms"])


def _size(
    before: list[Interaction], after: list[Interaction], of: Callable[[Interaction], float]
) -> float:
    return round(statistics.fmean(map(of, after)) / statistics.fmean(map(of, before)), 4)


def tables(
    rows: list[Interaction], lost: list[Interaction], broken: list[Broken], repeated: list[Repeated]
) -> list[dict[str, Toml]]:
    """One table for each incident, with what was measured on the rows of the sample."""
    answered = [row for row in rows if not row.failed]
    return [
        _prompt_version(answered),
        _prompt_edit(answered),
        _stale(answered),
        _weaker(answered),
        _spike(rows),
        _new_topic(answered),
        _lost(lost),
        _malformed(broken),
        _duplicates(repeated),
    ]


def _table(
    incident: Incident, kind: str, segment: dict[str, Toml], detector: str
) -> dict[str, Toml]:
    return {
        "id": incident.id,
        "kind": kind,
        "first_night": incident.begins.date(),
        # The end is half-open: an incident that ends at midnight does not touch that night.
        "last_night": (incident.ends - timedelta(milliseconds=1)).date(),
        "begins_at": incident.begins,
        "ends_at": incident.ends,
        "segment": segment,
        "detector": detector,
    }


def _split(
    rows: list[Interaction], incident: Incident
) -> tuple[list[Interaction], list[Interaction]]:
    mine = [row for row in rows if incident.concerns(row)]
    before = [row for row in mine if row.started_at < incident.begins]
    within = [row for row in mine if incident.touches(row)]
    return before, within


def _prompt_version(rows: list[Interaction]) -> dict[str, Toml]:
    before, after = _split(rows, incidents.PROMPT_VERSION)
    ratio = _size(before, after, lambda row: row.input_tokens)
    return _table(incidents.PROMPT_VERSION, "prompt_version", {"route": "/ask"}, "prompts") | {
        "size": ratio,
        "metrics": ["tokens_input", "cost_usd"],
        "description": "Prompt ask-answer 7 -> 8: a long system prompt. size = mean input tokens "
        "after / before.",
        "measured": {
            "system_tokens_before": prompts.tokens(prompts.ASK_V7),
            "system_tokens_after": prompts.tokens(prompts.ASK_V8),
            "input_tokens_before": _mean((row.input_tokens for row in before), 1),
            "input_tokens_after": _mean((row.input_tokens for row in after), 1),
            # The fallback of 12 to 14 November is cheap; left out, so that this is the prompt.
            "cost_ratio": _size(
                before, [row for row in after if row.model == row.requested_model], cost_usd
            ),
            "rows_after": len(after),
        },
    }


def _prompt_edit(rows: list[Interaction]) -> dict[str, Toml]:
    before, after = _split(rows, incidents.PROMPT_EDIT)
    return _table(incidents.PROMPT_EDIT, "prompt_edit", {"route": "/summarize"}, "prompts") | {
        "size": "one sentence of the system prompt",
        "metrics": ["tokens_input"],
        "description": "The system prompt of summarize-news was edited in place; its version "
        "label stays 3.",
        "measured": {
            "sentence_before": prompts.SUMMARIZE_POLICY_BEFORE,
            "sentence_after": prompts.SUMMARIZE_POLICY_AFTER,
            "rows_before": len(before),
            "rows_after": len(after),
        },
    }


def _stale(rows: list[Interaction]) -> dict[str, Toml]:
    before, within = _split(rows, incidents.STALE)
    return _table(incidents.STALE, "stale_retrieval", {"route": "/kb"}, "level") | {
        "size": "every /kb request",
        "metrics": [*QUALITY, "abstention", *SIZE_AND_TIME],
        "description": "Retrieval read an old index: passages of other questions, updated_at in "
        "2025. About half of the answers are the real human answers (now without support), the "
        "others refuse.",
        "measured": {
            "rows": len(within),
            "refusal_rate_before": _mean((row.refused for row in before), 4),
            "refusal_rate_within": _mean((row.refused for row in within), 4),
        },
    }


def _weaker(rows: list[Interaction]) -> dict[str, Toml]:
    before, within = _split(rows, incidents.WEAKER)
    fallback = [row for row in within if row.model == incidents.FALLBACK_MODEL]
    segment = {"route": "/ask", "requested_model": "gpt-4-0613"}
    return _table(incidents.WEAKER, "weaker_model", segment, "level") | {
        "size": round(len(fallback) / len(within), 4),
        "metrics": [*QUALITY, "abstention", "model_fallback", *SIZE_AND_TIME],
        "description": "Part of the gpt-4-0613 requests of /ask was served by llama-2-7b-chat. "
        "Only response.model tells. size = share of those requests.",
        "measured": {
            "rows": len(within),
            "rows_fallback": len(fallback),
            "label_rate_before": _label_rate(before),
            "label_rate_within": _label_rate(within),
            "label_rate_fallback": _label_rate(fallback),
            "output_tokens_before": _mean((row.output_tokens for row in before), 1),
            "output_tokens_within": _mean((row.output_tokens for row in within), 1),
        },
    }


def _spike(rows: list[Interaction]) -> dict[str, Toml]:
    before, within = _split(rows, incidents.SPIKE)
    segment = {"route": "/summarize", "provider": incidents.SPIKE_PROVIDER}
    calm, slow = (
        round(statistics.median(_latency(row) for row in part if not row.failed))
        for part in (before, within)
    )
    return _table(incidents.SPIKE, "latency_spike", segment, "level") | {
        "size": round(slow / calm, 4),
        "metrics": ["latency_ms", "ttft_ms", "failed", "abandoned"],
        "description": "One provider of /summarize was slow and refused calls with 429. size = "
        "median latency of its answered calls within / before.",
        "measured": {
            "rows": len(within),
            "rows_429": sum(row.failed for row in within),
            "share_429_before": _mean((row.failed for row in before), 4),
            "share_429_within": _mean((row.failed for row in within), 4),
            "median_latency_ms_before": calm,
            "median_latency_ms_within": slow,
        },
    }


def _new_topic(rows: list[Interaction]) -> dict[str, Toml]:
    _, within = _split(rows, incidents.NEW_TOPIC)
    new = [row for row in within if row.item.key.startswith("xquad-")]
    return _table(incidents.NEW_TOPIC, "new_topic", {"route": "/kb"}, "none") | {
        "size": round(len(new) / len(within), 4),
        "metrics": [*QUALITY, "abstention", *SIZE_AND_TIME],
        "description": "Readers ask about European Union law (one XQuAD article), with short "
        "answers. size = share of the answered /kb requests.",
        "measured": {"rows": len(within), "rows_new_topic": len(new)},
    }


def _lost(rows: list[Interaction]) -> dict[str, Toml]:
    hour = rows[0].started_at.replace(minute=0, second=0, microsecond=0)
    return {
        "id": "lost-hour",
        "kind": "lost_hour",
        "first_night": incidents.LOST_NIGHT,
        "last_night": incidents.LOST_NIGHT,
        "begins_at": hour,
        "ends_at": hour + timedelta(hours=1),
        "segment": {},
        "detector": "missing",
        "size": len(rows),
        "metrics": ["volume", "completeness"],
        "description": "The busiest hour never reached the log, on all routes. size = rows lost.",
        "measured": {"hour_utc": hour.hour, "rows_lost": len(rows)},
    }


def _malformed(broken: list[Broken]) -> dict[str, Toml]:
    lines = [{"file": f"{b.night}.jsonl.gz", "line": b.line, "fault": b.fault} for b in broken]
    return {
        "id": "malformed-lines",
        "kind": "malformed",
        "first_night": broken[0].night,
        "last_night": broken[-1].night,
        "nights": sorted({b.night for b in broken}),
        "segment": {},
        "detector": "none",
        "size": len(broken),
        "metrics": ["completeness"],
        "description": "Extra lines that no reader can take, on three nights; no real row is lost.",
        "measured": {"lines": lines},
    }


def _duplicates(repeated: list[Repeated]) -> dict[str, Toml]:
    newest = next(r for r in repeated if r.re_exported)
    copies = [{"file": f"{r.night}.jsonl.gz", "exact_copies": len(r.copies)} for r in repeated]
    return {
        "id": "duplicate-lines",
        "kind": "duplicates",
        "first_night": repeated[0].night,
        "last_night": repeated[-1].night,
        "nights": [r.night for r in repeated],
        "segment": {},
        "detector": "none",
        "size": sum(len(r.copies) for r in repeated) + 1,
        "metrics": [],
        "description": "Exact copies of earlier lines on two nights, and one record exported again "
        "with a newer updated_at and a corrected latency: the newest must win.",
        "measured": {
            "files": copies,
            "re_exported_file": f"{newest.night}.jsonl.gz",
            "re_exported_id": newest.re_exported,
            "newest_latency_ms": newest.newest_latency_ms,
        },
    }


def toml(head: str, sample: dict[str, Toml], found: list[dict[str, Toml]]) -> str:
    """incidents.toml: a comment, the [sample] table, then one [[incident]] each."""
    parts = [head, "[sample]\n" + _pairs(sample)]
    for table in found:
        own = {key: value for key, value in table.items() if key != "measured"}
        parts.append("[[incident]]\n" + _pairs(own))
        parts.append("[incident.measured]\n" + _pairs(table["measured"]))
    return "\n".join(parts)


def _pairs(table: dict[str, Toml]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Toml) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value)
        case date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(_value(part) for part in value) + "]"
        case dict():
            inner = ", ".join(f"{key} = {_value(part)}" for key, part in value.items())
            return "{ " + inner + " }" if inner else "{}"
        case _:
            return repr(value)
