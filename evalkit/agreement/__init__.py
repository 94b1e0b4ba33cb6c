"""How well a metric agrees with people's verdicts, beside trivial baselines; nothing is fitted
here."""

from evalkit.agreement.baselines import tfidf
from evalkit.agreement.comparing import compare
from evalkit.agreement.evaluation import ALL, evaluate, evaluate_many
from evalkit.agreement.figures import Agreement, Baseline, Group, SpanFigure
from evalkit.agreement.output import FORMATS, format_of, render, to_json, to_markdown, to_text
from evalkit.agreement.page import to_html
from evalkit.agreement.spans import SpanCounts, count_spans

__all__ = [
    "ALL",
    "FORMATS",
    "Agreement",
    "Baseline",
    "Group",
    "SpanCounts",
    "SpanFigure",
    "compare",
    "count_spans",
    "evaluate",
    "evaluate_many",
    "format_of",
    "render",
    "tfidf",
    "to_html",
    "to_json",
    "to_markdown",
    "to_text",
]
