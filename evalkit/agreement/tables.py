"""An agreement as tables of short texts, the same for terminal, Markdown and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.agreement.figures import Agreement, Baseline, Group

__all__ = ["Table", "heading", "name", "notes", "overview", "scored", "tables", "without_scores"]

_LONGEST_NAME = 48
_INTERVAL = "95 % interval"


@dataclass(frozen=True)
class Table:
    """Cells as text; the first `names` columns are names, the others figures."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1


def name(text: str) -> str:
    """A name from the data, on one line and not endless."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def heading(agreement: Agreement) -> str:
    """What is held against what.

    >>> heading(Agreement("hallucination", "hallucinated", (), {}, 0))
    'hallucination against hallucinated'
    """
    return f"{name(agreement.metric)} against {name(agreement.label)}"


def scored(agreements: Sequence[Agreement]) -> list[Agreement]:
    """Those with a score on any row."""
    return [each for each in agreements if each.groups[0].n]


def without_scores(agreements: Sequence[Agreement]) -> str | None:
    """One sentence about the metrics that have no score on any row; None where all have some."""
    told = [
        f"{name(each.metric)} ({_reasons(each) or 'no row'})"
        for each in agreements
        if not each.groups[0].n
    ]
    return f"No row has a score of {', '.join(told)}." if told else None


def overview(agreements: Sequence[Agreement]) -> Table:
    """All metrics on all rows, the best first."""
    rows = []
    for each in sorted(agreements, key=lambda a: -(a.groups[0].auroc or 0.0)):
        group = each.groups[0]
        best = _best(group)
        gain = ("-", "-") if best is None else _gain(group.baselines[best])
        rows.append(
            (
                name(each.metric),
                name(each.label),
                f"{group.n:,}",
                _figure(group.auroc),
                _interval(group.auroc_lower, group.auroc_upper),
                _figure(group.matched_auroc),
                "-" if best is None else name(best),
                *gain,
            )
        )
    return Table(
        "All metrics",
        "On all rows. The gain is the AUROC less that of the best trivial score.",
        ("metric", "label", "n", "AUROC", _INTERVAL, "matched", "best trivial", "gain", _INTERVAL),
        tuple(rows),
        names=2,
    )


def tables(agreement: Agreement) -> list[Table]:
    """The figures of one metric: ranking, decisions, trivial scores, calibration, spans."""
    found = [_ranking(agreement.groups)]
    threshold = agreement.groups[0].threshold
    if threshold is not None:
        found.append(_decisions(agreement.groups, threshold))
    if agreement.groups[0].baselines:
        found += [_baselines(agreement), _gains(agreement.groups)]
    if any(group.brier is not None for group in agreement.groups):
        found += [_probabilities(agreement.groups), _curve(agreement.groups[0])]
    if any(group.spans for group in agreement.groups):
        found.append(_spans(agreement.groups))
    return found


def notes(agreement: Agreement) -> list[str]:
    """What was left out, and what looks wrong."""
    found = []
    reasons = _reasons(agreement)
    if reasons:
        found.append(f"Without a score, and in no figure of the score: {reasons}.")
    if agreement.unlabelled:
        found.append(f"Without a label, left out: {agreement.unlabelled:,}.")
    if agreement.spans_left_out:
        found.append(
            f"With labelled spans that are not within the response, left out of the span figures: "
            f"{agreement.spans_left_out:,}."
        )
    upper = agreement.groups[0].auroc_upper
    if upper is not None and upper < 0.5:
        label = agreement.label
        other = label[1:] if label.startswith("!") else f"!{label}"
        found.append(f"The label says the opposite of the metric: ask for --label '{name(other)}'.")
    return found


def _ranking(groups: Sequence[Group]) -> Table:
    return Table(
        "Ranking",
        "Matched: AUROC among pairs of responses whose lengths differ by at most a quarter.",
        (
            *("", "n", "label 1", "sources", "AUROC", _INTERVAL, "matched", _INTERVAL),
            *("AUPRC", _INTERVAL),
        ),
        tuple(
            (
                name(group.group),
                f"{group.n:,}",
                f"{group.positives:,}",
                f"{group.clusters:,}",
                _figure(group.auroc),
                _interval(group.auroc_lower, group.auroc_upper),
                _figure(group.matched_auroc),
                _interval(group.matched_auroc_lower, group.matched_auroc_upper),
                _figure(group.auprc),
                _interval(group.auprc_lower, group.auprc_upper),
            )
            for group in groups
        ),
    )


def _decisions(groups: Sequence[Group], threshold: float) -> Table:
    return Table(
        "Decisions",
        f"Cut at {threshold:.3f}, which was not chosen on these rows.",
        (
            *("", "precision", "recall", "F1", _INTERVAL, "bal. acc.", _INTERVAL),
            *("kappa", _INTERVAL),
        ),
        tuple(
            (
                name(group.group),
                _figure(group.precision),
                _figure(group.recall),
                _figure(group.f1),
                _interval(group.f1_lower, group.f1_upper),
                _figure(group.balanced_accuracy),
                _interval(group.balanced_accuracy_lower, group.balanced_accuracy_upper),
                _figure(group.kappa),
                _interval(group.kappa_lower, group.kappa_upper),
            )
            for group in groups
        ),
    )


def _baselines(agreement: Agreement) -> Table:
    keys = list(agreement.groups[0].baselines)
    rows: list[tuple[str, ...]] = []
    for group in agreement.groups:
        trivial = [group.baselines[key] for key in keys]
        for measure, mine, theirs in (
            ("AUROC", group.auroc, [each.auroc for each in trivial]),
            ("bal. acc.", group.balanced_accuracy, [each.balanced_accuracy for each in trivial]),
            ("F1", group.f1, [each.f1 for each in trivial]),
        ):
            rows.append(
                (
                    name(group.group) if measure == "AUROC" else "",
                    measure,
                    _figure(mine),
                    *(_figure(value) for value in theirs),
                )
            )
    return Table(
        "Beside trivial scores",
        "Each of these is cut where it does best on these very rows, which nothing could in "
        "practice, and a guess from a group knows the share of label 1 in it; the metric is not "
        "helped so.",
        ("", "", name(agreement.metric), *(name(key) for key in keys)),
        tuple(rows),
        names=2,
    )


def _gains(groups: Sequence[Group]) -> Table:
    rows = []
    for group in groups:
        best = _best(group)
        found = group.baselines.get(best) if best is not None else None
        rows.append(
            (
                name(group.group),
                "-" if best is None else name(best),
                *(("-", "-") if found is None else _gain(found)),
            )
        )
    return Table(
        "Gain over the best trivial score",
        "Of AUROC, on the same resamples.",
        ("", "over", "gain", _INTERVAL),
        tuple(rows),
        names=2,
    )


def _probabilities(groups: Sequence[Group]) -> Table:
    return Table(
        "As probabilities",
        "ECE: mean distance of what is said from what is so. Skill: 0 is no better than saying the "
        "base rate of every row, 1 is perfect.",
        ("", "said", "so", "ECE", "Brier", "skill", _INTERVAL),
        tuple(
            (
                name(group.group),
                _figure(_said(group)),
                _figure(group.positives / group.n if group.n else None),
                _figure(group.ece),
                _figure(group.brier),
                _figure(group.brier_skill),
                _interval(group.brier_skill_lower, group.brier_skill_upper),
            )
            for group in groups
        ),
    )


def _curve(group: Group) -> Table:
    return Table(
        "Calibration",
        "All rows in bins of equal size by rising score; intervals by Wilson, as if rows were "
        "independent.",
        ("from", "to", "n", "said", "so", _INTERVAL),
        tuple(
            (
                _figure(part.lowest),
                _figure(part.highest),
                f"{part.n:,}",
                _figure(part.probability),
                _figure(part.rate),
                _interval(part.lower, part.upper),
            )
            for part in group.calibration
        ),
        names=0,
    )


def _spans(groups: Sequence[Group]) -> Table:
    rows: list[tuple[str, ...]] = []
    for group in groups:
        for row, (unit, figure) in enumerate(group.spans.items()):
            rows.append(
                (
                    "" if row else name(group.group),
                    unit,
                    "" if row else f"{group.n_spans:,}",
                    _figure(figure.precision),
                    _figure(figure.recall),
                    _figure(figure.f1),
                    _interval(figure.f1_lower, figure.f1_upper),
                    _figure(figure.everything_f1),
                )
            )
    return Table(
        "Unsupported spans",
        "Marked spans against those that people marked, all rows together; a row without a score "
        "marks nothing. Last column: F1 of marking everything.",
        ("", "unit", "n", "precision", "recall", "F1", _INTERVAL, "everything"),
        tuple(rows),
        names=2,
    )


def _best(group: Group) -> str | None:
    """The trivial score with the highest AUROC."""
    known = {key: found.auroc for key, found in group.baselines.items() if found.auroc is not None}
    return max(known, key=lambda key: known[key]) if known else None


def _gain(baseline: Baseline) -> tuple[str, str]:
    if baseline.gain is None:
        return "-", "-"
    if baseline.gain_lower is None or baseline.gain_upper is None:
        return f"{baseline.gain:+.3f}", "-"
    return f"{baseline.gain:+.3f}", f"{baseline.gain_lower:+.3f} to {baseline.gain_upper:+.3f}"


def _said(group: Group) -> float | None:
    n = sum(part.n for part in group.calibration)
    return sum(part.n * part.probability for part in group.calibration) / n if n else None


def _reasons(agreement: Agreement) -> str:
    return ", ".join(f"{n:,} {name(why)}" for why, n in sorted(agreement.unscored.items()))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(lower: float | None, upper: float | None) -> str:
    return "-" if lower is None or upper is None else f"{lower:.3f} to {upper:.3f}"
