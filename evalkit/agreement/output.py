"""An agreement as JSON and as a table for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from evalkit.agreement.evaluation import Agreement, Group

__all__ = ["to_json", "to_text"]

_COLUMNS = ("AUROC", "95 % interval", "AUPRC", "bal. acc.", "F1", "kappa", "ECE")


def to_json(agreement: Agreement) -> dict[str, Any]:
    """The agreement as plain dicts and lists: metric, label, groups (first "all"), and what was
    left out."""
    return {
        "metric": agreement.metric,
        "label": agreement.label,
        "groups": [asdict(group) for group in agreement.groups],
        "unscored": dict(agreement.unscored),
        "unlabelled": agreement.unlabelled,
    }


def to_text(agreement: Agreement) -> str:
    """The agreement as a small table: the metric per group, with each baseline below it."""
    cut = agreement.groups[0].threshold
    lines = [
        f"{agreement.metric} against {agreement.label}"
        + (f", cut at {cut:.3f} (shipped)" if cut is not None else "")
        + "; baselines are cut where they do best on these rows",
        "",
    ]
    width = max(14, *(len(group.group) for group in agreement.groups)) + 2
    lines.append(
        " " * width + f"{'n':>6}{'label 1':>9}" + "".join(f"{name:>15}" for name in _COLUMNS)
    )
    for group in agreement.groups:
        lines.extend(_lines(group, width))
    if agreement.unscored:
        reasons = ", ".join(f"{n} {status}" for status, n in sorted(agreement.unscored.items()))
        lines.extend(["", f"Without a score, and in no figure above: {reasons}."])
    if agreement.unlabelled:
        lines.append(f"Without a label, left out: {agreement.unlabelled}.")
    upper = agreement.groups[0].auroc_upper
    if upper is not None and upper < 0.5:
        lines.append(
            f"The label says the opposite of the metric: ask for --label '!{agreement.label}'."
        )
    return "\n".join(lines)


def _lines(group: Group, width: int) -> list[str]:
    interval = "-"
    if group.auroc_lower is not None and group.auroc_upper is not None:
        interval = f"{group.auroc_lower:.3f}-{group.auroc_upper:.3f}"
    figures = (group.balanced_accuracy, group.f1, group.kappa, group.ece)
    found = [
        f"{group.group:<{width}}{group.n:>6}{group.positives:>9}"
        + f"{_figure(group.auroc):>15}{interval:>15}{_figure(group.auprc):>15}"
        + "".join(f"{_figure(value):>15}" for value in figures)
    ]
    for name, baseline in group.baselines.items():
        found.append(
            f"{'  ' + name:<{width}}{'':>15}{_figure(baseline.auroc):>15}{'':>30}"
            + f"{_figure(baseline.balanced_accuracy):>15}{_figure(baseline.f1):>15}"
        )
    return found


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
