"""What an agreement consists of: plain data, made in `comparing` and shown by `output` and
`page`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.stats.reliability import Bin

__all__ = ["Agreement", "Baseline", "Group", "SpanFigure"]


@dataclass(frozen=True)
class Baseline:
    """A trivial score on the same rows, helped more than it could be in practice: each of its
    figures is at the threshold that is best for it on these very rows.

    `gain` is the metric's AUROC less this one's, with a 95 % bootstrap interval.
    """

    auroc: float | None
    f1: float | None
    balanced_accuracy: float | None
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None


@dataclass(frozen=True)
class SpanFigure:
    """How well the marked spans of responses are those that people marked, all rows together.

    `f1` with a 95 % bootstrap interval; `everything_f1` is what marking all of every response would
    reach. What has no denominator is None.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    f1_lower: float | None
    f1_upper: float | None
    everything_f1: float | None


@dataclass(frozen=True)
class Group:
    """Agreement on some rows; what cannot be said of them (one class only, no rows) is None.

    Every `<figure>_lower` and `_upper` is a 95 % bootstrap interval over whole sources.

    Attributes:
        group: "all", or a value of a group column ("column=value" with several of them).
        n, positives: rows with a score, and those of them with label 1.
        n_unscored: rows with a label and without a score (declined, truncated, nothing claimed,
        ...).
        clusters: how many sources the rows are from.
        auroc: area under the ROC curve.
        matched_auroc: the same among pairs of a positive and a negative response of like length.
        matched_pairs: how many such pairs there are.
        auprc: average precision.
        threshold: the given cut; never fitted on the rows at hand. None for an unbounded metric.
        precision, recall, f1, balanced_accuracy, kappa: at that cut.
        ece: expected calibration error, ten bins of equal size; None where the metric is no
        probability, as `brier`, `brier_skill` and `calibration`.
        brier, brier_skill: mean squared error; 1 - that over the error of the base rate.
        calibration: the curve, bin by bin.
        baselines: always, length, overlap, cosine, tfidf and a guess from each group column.
        spans: by unit ("character", "word", "response"); empty without labelled and marked spans.
        n_spans: rows whose spans are compared, also those without a score: they mark nothing.
    """

    group: str
    n: int
    positives: int
    n_unscored: int
    clusters: int
    auroc: float | None
    auroc_lower: float | None
    auroc_upper: float | None
    matched_auroc: float | None
    matched_auroc_lower: float | None
    matched_auroc_upper: float | None
    matched_pairs: int
    auprc: float | None
    auprc_lower: float | None
    auprc_upper: float | None
    threshold: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    f1_lower: float | None
    f1_upper: float | None
    balanced_accuracy: float | None
    balanced_accuracy_lower: float | None
    balanced_accuracy_upper: float | None
    kappa: float | None
    kappa_lower: float | None
    kappa_upper: float | None
    ece: float | None
    brier: float | None
    brier_skill: float | None
    brier_skill_lower: float | None
    brier_skill_upper: float | None
    calibration: tuple[Bin, ...]
    baselines: Mapping[str, Baseline]
    spans: Mapping[str, SpanFigure]
    n_spans: int


@dataclass(frozen=True)
class Agreement:
    """How one metric agrees with one label; `groups[0]` is "all".

    `label` begins with "!" where verdicts are turned around. `unscored` counts rows without a score
    by status, `unlabelled` rows that were left out, `spans_left_out` rows whose labelled spans do
    not lie within their response.
    """

    metric: str
    label: str
    groups: tuple[Group, ...]
    unscored: Mapping[str, int]
    unlabelled: int
    spans_left_out: int = 0
