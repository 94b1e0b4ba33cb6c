"""Holds scores against labels, whole and group by group: pure, whoever made the scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.agreement.baselines import guess
from evalkit.agreement.figures import Agreement, Baseline, Group, SpanFigure
from evalkit.agreement.spans import UNITS, SpanCounts
from evalkit.stats import classification, reliability
from evalkit.stats.matching import MatchedPairs, matched_pairs
from evalkit.stats.resampling import intervals

__all__ = ["MIDDLE", "compare"]

#: Where a metric is cut that has no threshold of its own.
MIDDLE = 0.5

_Resampled = Callable[[NDArray[np.float64]], Mapping[str, float | None]]
_Ends = dict[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class _Rows:
    """Everything that is known of the rows, each [n]; `score` is NaN without a score."""

    score: NDArray[np.float64]
    truth: NDArray[np.bool_]
    clusters: NDArray[np.str_]
    trivial: Mapping[str, NDArray[np.float64]]
    lengths: NDArray[np.float64] | None
    spans: SpanCounts | None

    def of(self, rows: NDArray[np.bool_]) -> _Rows:
        return _Rows(
            self.score[rows],
            self.truth[rows],
            self.clusters[rows],
            {name: values[rows] for name, values in self.trivial.items()},
            None if self.lengths is None else self.lengths[rows],
            None if self.spans is None else self.spans.of(rows),
        )


@dataclass(frozen=True)
class _Rules:
    threshold: float | None
    probability: bool
    draws: int
    seed: int


def compare(
    scores: ArrayLike,
    labels: ArrayLike,
    clusters: Sequence[str],
    *,
    metric: str = "score",
    label: str = "label",
    groups: Mapping[str, Sequence[str]] | None = None,
    baselines: Mapping[str, ArrayLike] | None = None,
    lengths: ArrayLike | None = None,
    spans: SpanCounts | None = None,
    status: Sequence[str] | None = None,
    threshold: float | None = MIDDLE,
    probability: bool = True,
    unlabelled: int = 0,
    spans_left_out: int = 0,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Compare scores, made anywhere, with people's verdicts.

    Args:
        scores: [n], higher where label 1 is expected; NaN for a row without a score.
        labels: [n] of 0/1.
        clusters: [n] key of each row's source: rows of one source are resampled together.
        metric, label: names, for the reader.
        groups: by column a value for each row; figures for each value too, and a guess from it as
            baseline.
        baselines: by name [n] scores in the same direction (see `baselines`).
        lengths: [n] words of each response, for the length-matched AUROC.
        spans: of `count_spans`.
        status: [n] why a row has no score ("ok" where it has one).
        threshold: 1 from there on; it must not have been chosen on these rows. None for no cut.
        probability: whether scores are probabilities, to be judged as such.
        unlabelled, spans_left_out: rows that the caller left out, to be told.
        draws: resamples of each interval.
        seed: of the resampling.

    Raises:
        ValueError: unequal lengths, another label than 0 and 1, or a probability outside [0, 1].

    >>> found = compare([0.9, 0.2, 0.6, 0.4], [1, 0, 0, 1], ["a", "b", "c", "d"], draws=20)
    >>> found.groups[0].auroc, found.groups[0].balanced_accuracy
    (0.75, 0.5)
    """
    score = np.asarray(scores, dtype=np.float64)
    scored = ~np.isnan(score)
    # Checks the labels of all rows; those without a score have none to be checked.
    truth = classification.checked(labels, np.where(scored, score, 0.0))[0]
    columns = dict(groups or {})
    trivial = {k: np.asarray(v, dtype=np.float64) for k, v in (baselines or {}).items()}
    sizes = None if lengths is None else np.asarray(lengths, dtype=np.float64)
    told = list(status) if status is not None else ["ok" if ok else "no score" for ok in scored]
    parts: dict[str, Sized] = {
        "clusters": clusters,
        "status": told,
        **columns,
        **trivial,
    }
    if sizes is not None:
        parts["lengths"] = sizes
    if spans is not None:
        parts["spans"] = spans.known
    for name, part in parts.items():
        if len(part) != len(score):
            raise ValueError(f"{name}: {len(part)} values for {len(score)} scores")
    for column, values in columns.items():
        rate = np.zeros(len(score))
        rate[scored] = guess(truth[scored], np.asarray(values, dtype=str)[scored].tolist())
        trivial[f"guess from {column}"] = rate
    everything = _Rows(
        score, truth, np.asarray(clusters, dtype=object).astype(str), trivial, sizes, spans
    )
    rules = _Rules(threshold, probability, draws, seed)
    return Agreement(
        metric=metric,
        label=label,
        groups=tuple(
            _group(name, everything.of(rows), rules)
            for name, rows in _members(columns, len(score)).items()
        ),
        unscored=dict(
            sorted(Counter(why for why, ok in zip(told, scored, strict=True) if not ok).items())
        ),
        unlabelled=unlabelled,
        spans_left_out=spans_left_out,
    )


def _members(columns: Mapping[str, Sequence[str]], n: int) -> dict[str, NDArray[np.bool_]]:
    found = {"all": np.ones(n, dtype=np.bool_)}
    for column, values in columns.items():
        for name in sorted(set(values)):
            plain = len(columns) == 1 and name != "all"
            key = name if plain else f"{column}={name}"
            found[key] = np.array([value == name for value in values], dtype=np.bool_)
    return found


def _group(name: str, rows: _Rows, rules: _Rules) -> Group:
    scored = ~np.isnan(rows.score)
    used = rows.of(scored)
    truth, score, threshold = used.truth, used.score, rules.threshold
    cut = classification.at_threshold(truth, score, threshold) if threshold is not None else None
    likely = reliability.brier(truth, score) if rules.probability else None
    pairs = None
    if used.lengths is not None:
        pairs = matched_pairs(truth, score, used.lengths, seed=rules.seed)
    area = classification.auroc(truth, score)
    trivial = {key: classification.auroc(truth, found) for key, found in used.trivial.items()}

    ends: _Ends = {}
    if area is not None:
        ends = _intervals(_figures(used, rules, pairs), used.clusters, rules)

    def lower(figure: str) -> float | None:
        return ends.get(figure, (None, None))[0]

    def upper(figure: str) -> float | None:
        return ends.get(figure, (None, None))[1]

    marked = None if rows.spans is None else rows.of(rows.spans.known)
    return Group(
        group=name,
        n=len(truth),
        positives=int(truth.sum()),
        n_unscored=int((~scored).sum()),
        clusters=len(np.unique(used.clusters)),
        auroc=area,
        auroc_lower=lower("auroc"),
        auroc_upper=upper("auroc"),
        matched_auroc=pairs.auroc() if pairs else None,
        matched_auroc_lower=lower("matched"),
        matched_auroc_upper=upper("matched"),
        matched_pairs=pairs.pairs if pairs else 0,
        auprc=classification.average_precision(truth, score),
        auprc_lower=lower("auprc"),
        auprc_upper=upper("auprc"),
        threshold=threshold,
        precision=cut.precision if cut else None,
        recall=cut.recall if cut else None,
        f1=cut.f1 if cut else None,
        f1_lower=lower("f1"),
        f1_upper=upper("f1"),
        balanced_accuracy=cut.balanced_accuracy if cut else None,
        balanced_accuracy_lower=lower("balanced_accuracy"),
        balanced_accuracy_upper=upper("balanced_accuracy"),
        kappa=cut.kappa if cut else None,
        kappa_lower=lower("kappa"),
        kappa_upper=upper("kappa"),
        ece=reliability.ece(truth, score) if rules.probability else None,
        brier=likely.score if likely else None,
        brier_skill=likely.skill if likely else None,
        brier_skill_lower=lower("brier_skill"),
        brier_skill_upper=upper("brier_skill"),
        calibration=reliability.calibration_curve(truth, score) if rules.probability else (),
        baselines={
            key: _baseline(truth, found, area, trivial[key], ends.get(f"gain {key}", (None, None)))
            for key, found in used.trivial.items()
        },
        spans={} if marked is None else _spans(marked, rules),
        n_spans=0 if marked is None else len(marked.score),
    )


def _intervals(figures: _Resampled, clusters: NDArray[np.str_], rules: _Rules) -> _Ends:
    return intervals(figures, clusters, draws=rules.draws, seed=rules.seed)


def _figures(rows: _Rows, rules: _Rules, pairs: MatchedPairs | None) -> _Resampled:
    """Every figure that gets an interval, as a function of row weights."""
    truth, score = rows.truth, rows.score
    auroc = classification.auroc_by_weight(truth, score)
    auprc = classification.average_precision_by_weight(truth, score)
    skill = reliability.brier_skill_by_weight(truth, score) if rules.probability else None
    threshold = rules.threshold
    cut_at = None
    if threshold is not None:
        cut_at = classification.cut_by_weight(truth, score, threshold)
    trivial = {
        name: classification.auroc_by_weight(truth, found) for name, found in rows.trivial.items()
    }

    def figures(weight: NDArray[np.float64]) -> dict[str, float | None]:
        area = auroc(weight)
        found = {"auroc": area, "auprc": auprc(weight)}
        if pairs is not None:
            found["matched"] = pairs.auroc(weight)
        if skill is not None:
            found["brier_skill"] = skill(weight)
        if cut_at is not None:
            cut = cut_at(weight)
            found["f1"], found["kappa"] = cut.f1, cut.kappa
            found["balanced_accuracy"] = cut.balanced_accuracy
        for name, other in trivial.items():
            theirs = other(weight)
            found[f"gain {name}"] = None if area is None or theirs is None else area - theirs
        return found

    return figures


def _baseline(
    truth: NDArray[np.bool_],
    score: NDArray[np.float64],
    area: float | None,
    auroc: float | None,
    gain: tuple[float | None, float | None],
) -> Baseline:
    balanced = classification.best_threshold(truth, score)
    f1 = classification.best_threshold(truth, score, by="f1")
    if balanced is None or f1 is None or area is None or auroc is None:
        return Baseline(None, None, None, None, None, None)
    return Baseline(
        auroc=auroc,
        f1=classification.at_threshold(truth, score, f1).f1,
        balanced_accuracy=classification.at_threshold(truth, score, balanced).balanced_accuracy,
        gain=area - auroc,
        gain_lower=gain[0],
        gain_upper=gain[1],
    )


def _spans(rows: _Rows, rules: _Rules) -> dict[str, SpanFigure]:
    counts = rows.spans
    if counts is None or not len(counts.known):
        return {}
    f1 = {name: counts.f1_by_weight(unit) for unit, name in enumerate(UNITS)}
    ends = _intervals(
        lambda weight: {name: of(weight) for name, of in f1.items()}, rows.clusters, rules
    )
    return {name: counts.figure(unit, ends[name]) for unit, name in enumerate(UNITS)}
