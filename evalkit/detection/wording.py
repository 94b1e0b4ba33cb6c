"""How findings read: names, places and numbers in plain words."""

from __future__ import annotations

from evalkit.metrics import Metric, format_value, label

__all__ = ["metric_name", "moved", "place"]


def metric_name(name: str) -> str:
    """A metric's name as words within a sentence.

    >>> metric_name("latency_ms"), metric_name("context_relevance"), metric_name("mrr")
    ('latency', 'context relevance', 'MRR')
    """
    words = label(name)
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def place(segment: str, value: str) -> str:
    """Where, to be put behind a metric's name; empty for the whole day.

    >>> place("prompt_version", "v3"), place("all", "all")
    (' on prompt version v3', '')
    """
    if segment == "all":
        return ""
    return f" on {segment.replace('_', ' ')} {value}"


def moved(metric: Metric, segment: str, value: str, before: float, after: float) -> str:
    """A change in one sentence.

    >>> moved(Metric("hallucination", "probability", "higher", ""), "route", "/ask", 0.21, 0.34)
    'Hallucination on route /ask rose from 0.210 to 0.340'
    """
    name = label(metric.name)
    verb = "rose" if after > before else "fell"
    return (
        f"{name}{place(segment, value)} {verb} from {format_value(before, metric.unit)} "
        f"to {format_value(after, metric.unit)}"
    )
