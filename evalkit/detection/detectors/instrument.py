"""The detector of moves of the instrument itself: frozen rows that get other scores."""

from __future__ import annotations

from evalkit.detection.contract import Finding, History, Severity, detector
from evalkit.detection.instruments import Change, Move, changes, describe
from evalkit.detection.wording import metric_name
from evalkit.metrics import Metric

__all__ = ["instrument"]

_MOST = 3


@detector("instrument", version="1")
def instrument(history: History) -> list[Finding]:
    """Finds nights on which frozen rows get other scores: the traffic cannot be the reason.

    A move of more than 0.0001 since the first night of the same instrument (encoder, precision, scorers, models,
    libraries, instruction set) is critical: scores changed and nothing says why. It stays open until the values are
    back. A move that comes with another instrument is a warning where a mean moved by the smallest change worth a
    finding, else worth knowing: trends across that night mix two instruments.
    """
    tonight = [change for change in changes(history.canary) if change.day == history.day]
    return [_fault(change) if change.is_fault else _change(history, change) for change in tonight]


def _fault(change: Change) -> Finding:
    return Finding(
        kind="instrument",
        severity="critical",
        title=(
            f"The instrument moved: {_told(change)} on the frozen rows since {change.since}, "
            "though nothing that the scores rest on has changed"
        ),
        key="fault",
        detail=_detail(change),
    )


def _change(history: History, change: Change) -> Finding:
    worth = any(_is_worth(history, move) for move in change.moves)
    severity: Severity = "warning" if worth else "info"
    parts = f" ({', '.join(change.parts)} changed)" if change.parts else ""
    return Finding(
        kind="instrument",
        severity=severity,
        title=(
            f"Scores are made with another instrument than on {change.since}{parts}: {_told(change)} on the "
            "frozen rows; trends across this night mix two instruments"
        ),
        key=f"change {change.day}",
        event=True,
        cause="; ".join(describe(move, history.metrics) for move in change.moves[:_MOST]),
        detail=_detail(change),
    )


def _told(change: Change) -> str:
    named = [
        f"{metric_name(move.metric)} moved by up to {move.largest:.2g}"
        for move in change.moves[:_MOST]
    ]
    more = len(change.moves) - _MOST
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _is_worth(history: History, move: Move) -> bool:
    metric = history.metrics.get(move.metric) or Metric(move.metric, "score", "either", "")
    if move.before is None:
        return True
    if metric.scale == "log":
        return abs(move.after - move.before) >= history.settings.min_effect_ratio * abs(move.before)
    return abs(move.after - move.before) >= history.settings.min_effect_share


def _detail(change: Change) -> dict[str, str]:
    """Per metric its means, and its agreement with people where there is one; what changed, before and now."""
    found = {}
    for move in change.moves:
        before = "unknown" if move.before is None else f"{move.before:.6g}"
        told = f"mean {before} to {move.after:.6g}"
        if move.auroc_before is not None and move.auroc_after is not None:
            told += f", AUROC {move.auroc_before:.3f} to {move.auroc_after:.3f}"
        found[move.metric] = told
    return (
        found
        | {f"{name} before": was for name, (was, _) in change.parts.items()}
        | {f"{name} now": now for name, (_, now) in change.parts.items()}
    )
