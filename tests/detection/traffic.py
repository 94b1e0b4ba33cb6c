"""Seeded months of stationary traffic as rows of `daily`, for the simulations; real rows are tested
elsewhere.

Every interaction has a route, a model, a prompt version and a provider (overlapping segments);
every metric of a day moves with a shared true level of that day (noise that no number of rows
averages out) and with the weekday. Latencies and costs are log-normal with a heavy tail,
hallucination is bimodal, and some shares are rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute

from evalkit.metrics import Metric
from evalkit.schema import DAILY
from evalkit.stats.histograms import count, sparse

START = date(2026, 1, 5)

METRICS = {
    m.name: m
    for m in (
        Metric("groundedness", "score", "lower", ""),
        Metric("hallucination", "probability", "higher", ""),
        Metric("relevance", "score", "lower", ""),
        Metric("retrieval_accuracy", "share", "lower", ""),
        Metric("context_precision", "score", "lower", ""),
        Metric("abstention", "share", "either", ""),
        Metric("failed", "share", "higher", ""),
        Metric("correction", "share", "higher", ""),
        Metric("latency_ms", "ms", "higher", ""),
        Metric("ttft_ms", "ms", "higher", ""),
        Metric("tokens_input", "tokens", "higher", ""),
        Metric("cost_usd", "usd", "higher", ""),
    )
}
SHARES = {
    "route": (["/ask", "/search", "/summary", "/chat"], [0.4, 0.3, 0.2, 0.1]),
    "model": (["large", "small", "mini"], [0.5, 0.3, 0.2]),
    "prompt_version": (["v3", "v4", "v5"], [0.45, 0.35, 0.2]),
    "provider": (["one", "two"], [0.7, 0.3]),
}


@dataclass(frozen=True)
class Shift:
    """A change put into the traffic: from `first` day number on, on one segment value (or on
    all)."""

    metric: str
    size: float
    first: int
    last: int = 10_000
    segment: str = "all"
    value: str = "all"


def month(
    seed: int, days: int, rows: int = 140, shifts: tuple[Shift, ...] = (), day_noise: float = 1.0
) -> list[pa.Table]:
    """`daily` of some days, one table a day.

    Args:
        seed: everything follows from it.
        days: how many.
        rows: interactions on an average day (Poisson about a weekly shape).
        shifts: sizes are differences of probabilities, shares and scores, and differences of
        logarithms. day_noise: factor on the true change of levels from day to day.
    """
    rng = np.random.default_rng(seed)
    week = rng.normal(0.0, 1.0, 7)
    effects = {name: rng.normal(0.0, 1.0, (8, 4)) for name in METRICS}
    tables = []
    for number in range(days):
        weekday = number % 7
        volume = rng.poisson(rows * (1.0 if weekday < 5 else 0.6))
        places = {
            name: rng.choice(len(values), size=volume, p=shares)
            for name, (values, shares) in SHARES.items()
        }
        columns = {}
        quality = rng.normal(0.0, 1.0, volume)  # what metrics of one interaction share
        for name in METRICS:
            level = day_noise * rng.normal(0.0, 1.0) + 0.7 * week[weekday]
            base = effects[name][places["route"], 0] + effects[name][places["model"], 1]
            mask_effect = np.zeros(volume)
            for shift in shifts:
                if shift.metric == name and shift.first <= number <= shift.last:
                    hit = np.ones(volume, dtype=bool)
                    if shift.segment != "all":
                        index = SHARES[shift.segment][0].index(shift.value)
                        hit = places[shift.segment] == index
                    mask_effect[hit] += shift.size
            columns[name] = _values(name, rng, level, base, quality, mask_effect)
        tables.append(_daily(START + timedelta(days=number), places, columns))
    return tables


def _values(name, rng, level, base, quality, shift):
    n = len(base)
    unit = METRICS[name].unit
    if unit in {"ms", "tokens", "usd"}:
        heavy = rng.standard_gamma(1.5, n) * 0.4 if unit == "ms" else rng.normal(0, 0.4, n)
        return np.exp(np.log(800.0) * (unit != "usd") + 0.3 * base + 0.03 * level + heavy + shift)
    if unit == "share":
        rate = {"failed": 0.01, "correction": 0.04, "abstention": 0.08}.get(name, 0.85)
        odds = np.log(rate / (1 - rate)) + 0.3 * base + 0.1 * level
        return (rng.random(n) < np.clip(1 / (1 + np.exp(-odds)) + shift, 0, 1)).astype(float)
    if name == "hallucination":  # mostly low, some near 1
        bad = rng.random(n) < 1 / (1 + np.exp(1.8 - 0.2 * base - 0.1 * level))
        low, high = rng.beta(1, 12, n), rng.beta(10, 2, n)
        return np.clip(np.where(bad, high, low) + shift, 0, 1)
    return np.clip(
        0.7 + 0.06 * base + 0.01 * level + 0.1 * quality + rng.normal(0, 0.15, n) + shift, 0, 1
    )


def _daily(day, places, columns):
    rows = []
    groups = [("all", "all", np.ones(len(places["route"]), dtype=bool))]
    for name, (values, _) in SHARES.items():
        groups += [(name, value, places[name] == i) for i, value in enumerate(values)]
    for metric, values in columns.items():
        log = METRICS[metric].scale == "log"
        for segment, value, mask in groups:
            part = values[mask]
            if not len(part):
                continue
            level = np.log(part) if log else part
            cells = sparse(count(part, "log" if log else "unit"))
            rows.append(
                {
                    "day": day,
                    "metric": metric,
                    "segment": segment,
                    "value_of_segment": value,
                    "n": len(part),
                    "n_eligible": len(part),
                    "n_scored": len(part),
                    "mean": float(part.mean()),
                    "level_mean": float(level.mean()),
                    "level_variance": float(level.var(ddof=1)) if len(part) > 1 else None,
                    "histogram": [
                        {"bin": int(b), "count": int(c)} for b, c in zip(*cells, strict=True)
                    ],
                }
            )
    return pa.Table.from_pylist(rows, schema=DAILY.schema)
