"""What a metric is: its unit, its range, which direction is worse, and the scale on which change is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Metric", "format_value", "label"]

Unit = Literal["probability", "share", "score", "ms", "tokens", "usd", "days"]


@dataclass(frozen=True)
class Metric:
    """One figure that a scorer gives to a row.

    `share` metrics are 0 or 1 per row (their mean is a rate); `probability` and `score` lie in [0, 1];
    `ms`, `tokens`, `usd` and `days` are positive and are tested on the logarithmic scale.
    `headline` metrics stand at the top of the page.
    """

    name: str
    unit: Unit
    worse: Literal["lower", "higher", "either"]
    about: str
    headline: bool = False

    @property
    def scale(self) -> Literal["linear", "log"]:
        return "log" if self.unit in {"ms", "tokens", "usd", "days"} else "linear"

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, float("inf")) if self.scale == "log" else (0.0, 1.0)


_LABELS = {
    "ttft_ms": "Time to first token",
    "tokens_input": "Prompt tokens",
    "tokens_output": "Completion tokens",
    "cost_usd": "Cost per request",
    "failed": "Failure rate",
    "fault_retriever_miss": "Bad answers: retriever missed",
    "fault_ranked_out": "Bad answers: chunk ranked out",
    "fault_ignored_by_generator": "Bad answers: chunk ignored",
    "fault_not_in_corpus": "Bad answers: not in the corpus",
}
_ACRONYMS = {"mrr": "MRR", "ndcg": "nDCG", "usd": "", "ms": "", "llm": "LLM"}


def label(name: str) -> str:
    """A metric's or column's name in plain words.

    >>> label("cost_usd"), label("answer_relevance"), label("latency_ms"), label("ndcg_at_5")
    ('Cost per request', 'Answer relevance', 'Latency', 'nDCG at 5')
    """
    if name in _LABELS:
        return _LABELS[name]
    parts = [part for part in name.split("_") if part]
    text = " ".join(word for word in (_ACRONYMS.get(part, part) for part in parts) if word) or name
    return text if text.startswith("nDCG") else text[:1].upper() + text[1:]


def format_value(value: float | None, unit: str) -> str:
    """A value as a person reads it, with its unit; an en dash for a missing one.

    >>> format_value(0.1234, "share"), format_value(1530.0, "ms"), format_value(None, "usd")
    ('12.3 %', '1.53 s', '–')
    """
    if value is None:
        return "–"
    if unit == "share":
        return f"{value * 100:.1f} %"
    if unit == "ms":
        return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"
    if unit == "usd":
        return f"${value:,.2f}" if value >= 1 else f"${value:.4g}"
    if unit == "tokens":
        return f"{value:,.0f}"
    if unit == "days":
        return f"{value:,.0f} days" if value >= 10 else f"{value:.1f} days"
    return f"{value:.3f}"
