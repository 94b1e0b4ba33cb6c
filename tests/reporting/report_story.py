"""A made-up story for the report's tests: a help desk whose hallucination goes up on 12 November.

`tell` writes it into a real lake; `nulls` writes rows that hold nothing but their keys; `hostile`
turns a text of the story into an attack.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import (
    DAILY,
    FINDINGS,
    INTERACTIONS,
    LEDGER,
    PROMPTS,
    REJECTS,
    SCORES,
    Table,
    scores_schema,
)
from evalkit.verdict import NightSummary

DAY = date(2026, 11, 22)
METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "groundedness", "score", "lower", "Share of an answer that its chunks support", True
        ),
        Metric(
            "hallucination",
            "probability",
            "higher",
            "Probability that an answer says what no chunk does",
            True,
        ),
        Metric("answer_relevance", "score", "lower", "How well the answer fits the question", True),
        Metric(
            "retrieval_hit", "share", "lower", "A relevant chunk is among the retrieved ones", True
        ),
        Metric("context_relevance", "score", "lower", "How well the chunks fit the question"),
        Metric("abstention", "share", "higher", "The answer says that it does not know"),
        Metric("user_correction", "share", "higher", "The next turn corrects the answer"),
        Metric("error", "share", "higher", "The call failed"),
        Metric("latency_ms", "ms", "higher", "From request to last token", True),
        Metric("ttft_ms", "ms", "higher", "From request to first token"),
        Metric("tokens_input", "tokens", "higher", "Prompt tokens"),
        Metric("tokens_output", "tokens", "either", "Completion tokens"),
        Metric("cost_usd", "usd", "higher", "What the call cost", True),
    )
}
LEVELS = {
    "groundedness": 0.81,
    "hallucination": 0.21,
    "answer_relevance": 0.74,
    "retrieval_hit": 0.88,
    "context_relevance": 0.62,
    "abstention": 0.04,
    "user_correction": 0.021,
    "error": 0.006,
    "latency_ms": 1840.0,
    "ttft_ms": 420.0,
    "tokens_input": 1650.0,
    "tokens_output": 212.0,
    "cost_usd": 0.0026,
}
QUESTIONS = (
    "How long do I have to return a pair of shoes that I bought in the sale?",
    "Can I change the delivery address after the parcel has left the warehouse?",
    "Which of your tents can stand winds above 60 km/h?",
)
ANSWER = (
    "You can return sale items within 60 days of delivery. The refund goes back to the card "
    "you paid with, "
    "and we add a 10 % voucher for your trouble. Bring the receipt to any shop."
)
CHUNKS = (
    "Returns. Items bought at full price can be returned within 30 days of delivery; sale "
    "items within 14 days.",
    "Refunds are paid to the original means of payment within five working days.",
    "Our shops take returns during opening hours. A receipt or the order number is needed.",
)

Text = Callable[[str], str]


def tell(
    lake: Lake, days: int = 30, n: int = 40, text: Text = lambda value: value, day: date = DAY
) -> NightSummary:
    """Write `days` days up to `day`, the last ones with `n` interactions; gives the night's "
    "summary."""
    rng = random.Random(7)
    for back in range(days - 1, -1, -1):
        that = day - timedelta(days=back)
        if back != 17:  # a night that nobody ran
            lake.replace(
                DAILY, that, pa.Table.from_pylist(_daily(that, back, rng, text), DAILY.schema)
            )
        lake.replace(
            LEDGER,
            that,
            pa.Table.from_pylist(_hours(that, back, rng, text), LEDGER.schema),
            {"kind": "hour"},
        )
        lake.replace(
            LEDGER,
            that,
            pa.Table.from_pylist([_run(that, back, text)], LEDGER.schema),
            {"kind": "run"},
        )
        lake.replace(
            PROMPTS, that, pa.Table.from_pylist(_prompts(that, back, text), PROMPTS.schema)
        )
        if back < 8:
            rows = [_interaction(that, index, rng, text) for index in range(n)]
            lake.replace(INTERACTIONS, that, pa.Table.from_pylist(rows, INTERACTIONS.schema))
    ids = [row["interaction_id"] for row in rows]
    lake.replace(SCORES, day, _scores(day, ids, text))
    lake.replace(FINDINGS, day, pa.Table.from_pylist(_findings(day, ids, text), FINDINGS.schema))
    refused = [
        {
            "day": day,
            "source": text("gateway"),
            "file": text("logs/2026-11-22.jsonl"),
            "line": 118 + 7 * i,
            "reason": text("not valid JSON: unexpected end of data"),
            "raw": text('{"id": "c'),
        }
        for i in range(6)
    ]
    lake.replace(REJECTS, day, pa.Table.from_pylist(refused, REJECTS.schema))
    return night(day)


ATTACK = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>\"'><a "
    "href=javascript:alert(4)>"
    "{{7*7}}{% for x in y %}${7*7}]]></style><!--\u202egnp.exe\x00\r\nBcc: "
    "all@example.com\n=cmd|' /C calc'!A0"
)


def hostile(value: str) -> str:
    """The value with everything that a page, a mail or a template might trip over."""
    return ATTACK + value


def huge(value: str) -> str:
    """The value in a text of a megabyte that grows fivefold when it is escaped."""
    return value + "&'<\"" * 250_000


def nulls(lake: Lake, day: date = DAY) -> NightSummary:
    """One row in every table, with nothing in it but the keys."""
    rows: list[tuple[Table, dict[str, Any], dict[str, str] | None]] = [
        (INTERACTIONS, {"interaction_id": "i1"}, None),
        (DAILY, {"metric": "groundedness", "segment": "all", "value_of_segment": "all"}, None),
        (
            FINDINGS,
            {"finding_id": "f1", "metric": "groundedness", "severity": "warning", "status": "new"},
            None,
        ),
        (PROMPTS, {"fingerprint": "p1"}, None),
        (REJECTS, {}, None),
        (LEDGER, {"kind": "hour", "source": "gateway"}, {"kind": "hour"}),
        (LEDGER, {"kind": "run"}, {"kind": "run"}),
    ]
    for table, given, part in rows:
        lake.replace(table, day, pa.Table.from_pylist([{"day": day, **given}], table.schema), part)
    lake.replace(
        SCORES, day, pa.Table.from_pylist([{"day": day, "interaction_id": "i1"}], SCORES.schema)
    )
    return NightSummary(day, "healthy")


def night(day: date = DAY) -> NightSummary:
    return NightSummary(
        day,
        "findings",
        ["2 findings at or above warning"],
        {"received": 4875, "accepted": 4812, "duplicate": 57, "rejected": 6, "scored": 4812},
        {"groundedness": 0.97},
    )


def _level(name: str, back: int, rng: random.Random) -> float:
    level = LEVELS[name]
    if name == "hallucination" and back <= 10:
        level += 0.08
    if name == "groundedness" and back <= 10:
        level -= 0.06
    if name == "tokens_input" and back <= 3:
        level *= 1.32
    if name == "cost_usd" and back <= 3:
        level *= 1.27
    return level * (
        1 + rng.gauss(0, 0.012 if name not in {"error", "user_correction", "abstention"} else 0.12)
    )


def _daily(day: date, back: int, rng: random.Random, text: Text) -> list[dict[str, Any]]:
    rows = []
    places = [
        ("all", "all", 1.0),
        ("route", "/ask", 0.5),
        ("route", "/search", 0.3),
        ("route", "/chat", 0.2),
        ("model", "gpt-4o-mini-2024-07-18", 0.42),
        ("model", "llama-2-7b-chat", 0.58),
    ]
    total = 4800 + rng.randint(-300, 300) - (900 if day.weekday() > 4 else 0)
    for name, metric in METRICS.items():
        for segment, value, share in places:
            n = int(total * share)
            eligible = (
                int(n * 0.8)
                if name in {"groundedness", "hallucination", "context_relevance"}
                else n
            )
            scored = int(eligible * (0.86 if name == "retrieval_hit" else 0.985))
            mean = _level(name, back, rng)
            if value == "/ask" and name == "hallucination" and back <= 10:
                mean += 0.05
            half = 0.35 / eligible**0.5 * (1 if metric.scale == "linear" else mean * 1.5)
            rows.append(
                {
                    "day": day,
                    "metric": name,
                    "segment": segment,
                    "value_of_segment": value if segment == "all" else text(value),
                    "n": n,
                    "n_eligible": eligible,
                    "n_scored": scored,
                    "mean": mean,
                    "variance": 0.1,
                    "lower": max(mean - half, 0.0),
                    "upper": mean + half,
                    "p50": mean,
                    "total": mean * scored,
                }
            )
    return rows


def _hours(day: date, back: int, rng: random.Random, text: Text) -> list[dict[str, Any]]:
    rows = []
    for hour in range(24):
        usual = int(20 + 330 * max(0.0, 1 - abs(hour - 13) / 9))
        got = int(usual * rng.uniform(0.9, 1.1))
        if back == 0 and hour in (15, 16):
            got = 0
        at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        rows.append(
            {
                "day": day,
                "kind": "hour",
                "source": text("gateway"),
                "hour": at,
                "expected": float(usual),
                "received": got,
                "accepted": max(0, got - 2),
                "duplicate": min(got, 2),
                "rejected": 0,
                "late": 1 if hour == 3 else 0,
                "truncated": 0,
                "contentless": 0,
                "missing": text("the API did not answer") if back == 0 and hour == 16 else None,
                "scored": max(0, got - 2),
            }
        )
    return rows


def _run(day: date, back: int, text: Text) -> dict[str, Any]:
    return {
        "day": day,
        "kind": "run",
        "run_id": "r1",
        "status": "findings" if back <= 10 else "healthy",
        "exit_code": 1 if back <= 10 else 0,
        "config_hash": "9f2c41d07be35a18",
        "versions": {
            "evalkit": "0.1.0",
            "encoder": "torch fp32",
            "model": "all-MiniLM-L6-v2 53aa51172d142c89",
            "price list": text("2026-11-01 7d1f"),
        },
        "message": None,
        "started_at": datetime(day.year, day.month, day.day, 3, tzinfo=UTC) + timedelta(days=1),
        "seconds": 71.5,
    }


def _prompts(day: date, back: int, text: Text) -> list[dict[str, Any]]:
    at = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    rows = [
        ("a91c03e4d2", "support-answer", "12", "/ask", 2380, 1711.0),
        ("07be55a81f", "search-summary", "3", "/search", 1420, 890.0),
    ]
    if back <= 3:
        rows.append(("d1042fbb90", "support-answer", "13", "/ask", 1012, 2204.0))
    return [
        {
            "day": day,
            "fingerprint": mark,
            "name": text(name),
            "version": text(version),
            "route": text(route),
            "template": text("Answer from the chunks only."),
            "n": n,
            "first_seen": at,
            "last_seen": at,
            "tokens_input": tokens,
        }
        for mark, name, version, route, n, tokens in rows
    ]


def _interaction(day: date, index: int, rng: random.Random, text: Text) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(minutes=index % 600)
    stages = [
        ("prompt", 12),
        ("retrieval", 180),
        ("inference", 1380),
        ("validation", 60),
        ("safety", 95),
    ]
    start = 0.0
    timed = []
    for name, usual in stages:
        took = usual * rng.lognormvariate(0, 0.35)
        timed.append(
            {
                "name": text(name),
                "kind": text(name),
                "start_ms": start,
                "duration_ms": took,
                "status": "error" if rng.random() < 0.01 else "ok",
                "error": None,
            }
        )
        start += took
    return {
        "day": day,
        "interaction_id": text(f"{day:%m%d}{index:012x}"),
        "source": text("gateway"),
        "source_id": text(f"c{index}"),
        "started_at": at,
        "route": text("/ask"),
        "model": text("llama-2-7b-chat"),
        "query": text(QUESTIONS[index % 3]),
        "response": None if index == 5 else text(ANSWER),
        "error_type": text("429 rate_limit_exceeded") if index == 5 else None,
        "contexts": [
            {
                "id": text(f"help-{i}"),
                "text": text(chunk),
                "score": 0.5,
                "rank": i + 1,
                "updated_at": datetime(2026, 3, 1, tzinfo=UTC),
                "attributes": None,
            }
            for i, chunk in enumerate(CHUNKS)
        ],
        "stages": timed,
        "status": "ok",
        "latency_ms": start,
    }


def _span(words: str) -> dict[str, int]:
    start = ANSWER.index(words)
    return {"start": start, "end": start + len(words)}


def _scores(day: date, ids: list[str], text: Text) -> pa.Table:
    schema = scores_schema((name, metric.about) for name, metric in METRICS.items())
    rows = []
    for index, interaction_id in enumerate(ids):
        row: dict[str, Any] = {
            "day": day,
            "interaction_id": interaction_id,
            "scorer_fingerprint": "c04d1e9ab7f2",
        }
        for name in METRICS:
            ok = (index + len(name)) % 9 != 0
            row[name] = LEVELS[name] if ok else None
            row[f"{name}__status"] = (
                "ok" if ok else ("not_applicable", "abstained", "truncated")[index % 3]
            )
        row["evidence"] = [
            {
                "metric": "groundedness",
                **_span("60 days"),
                "context_id": text("help-0"),
                "note": "unsupported",
            },
            {
                "metric": "groundedness",
                **_span("a 10 % voucher"),
                "context_id": None,
                "note": "unsupported",
            },
            {
                "metric": "groundedness",
                **_span("for your trouble"),
                "context_id": None,
                "note": "unsupported",
            },
            {
                "metric": "retrieval_fault",
                "start": 0,
                "end": len(ANSWER),
                "context_id": None,
                "note": text("a better chunk was in the corpus and was not retrieved"),
            },
        ]
        rows.append(row)
    return pa.Table.from_pylist(rows, schema)


def _findings(day: date, ids: list[str], text: Text) -> list[dict[str, Any]]:
    def finding(**given: Any) -> dict[str, Any]:
        return {
            "day": day,
            "segment": "all",
            "value_of_segment": "all",
            "effect_kind": "difference",
            "detector": "levels",
            "kind": "level_change",
            "status": "ongoing",
            "severity": "warning",
        } | given

    return [
        finding(
            finding_id="f1",
            severity="critical",
            metric="hallucination",
            segment="route",
            value_of_segment=text("/ask"),
            title=text("Hallucination on route /ask rose from 0.210 to 0.340"),
            before=0.21,
            after=0.34,
            effect=0.13,
            lower=0.09,
            upper=0.17,
            p_value=1e-6,
            n=2380,
            since=day - timedelta(days=10),
            status="ongoing",
            cause=text(
                "model llama-2-7b-chat answered for the first time on 2026-11-12 (58 % of that "
                "day's traffic)"
            ),
            examples=ids[:4],
        ),
        finding(
            finding_id="f2",
            metric="tokens_input",
            title=text("Prompt tokens rose from 1,650 to 2,178"),
            before=1650.0,
            after=2178.0,
            effect=0.32,
            lower=0.29,
            upper=0.35,
            effect_kind="ratio",
            n=4812,
            since=day - timedelta(days=3),
            status="new",
            cause=text(
                "prompt support-answer version 13 first seen 2026-11-19 08:02 UTC on route /ask"
            ),
            examples=ids[4:7],
            detail={text("prompt"): text("support-answer 12 to 13"), "added tokens": "493"},
        ),
        finding(
            finding_id="f3",
            kind="missing_data",
            metric=None,
            title=text("Source gateway sent nothing from 15:00 to 17:00"),
            segment="source",
            value_of_segment=text("gateway"),
            status="new",
            since=day,
        ),
        finding(
            finding_id="f4",
            severity="info",
            kind="prompt_version",
            metric=None,
            status="ongoing",
            title=text("Prompt support-answer has a new version 13"),
            since=day - timedelta(days=3),
        ),
        finding(
            finding_id="f5",
            metric="latency_ms",
            title=text("Latency on /search is up from 1.2 s to 1.9 s"),
            status="resolved",
            before=1200.0,
            after=1900.0,
            effect=0.58,
            effect_kind="ratio",
            since=day - timedelta(days=14),
        ),
    ]
