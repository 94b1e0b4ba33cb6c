"""Scores labelled rows with one metric and holds it against the labels, whole and group by
group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit import prices
from evalkit.agreement.baselines import baselines
from evalkit.agreement.reading import Labelled, read
from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.errors import EvalkitError
from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch, TextEmbedder
from evalkit.scoring.calibration import load_all, thresholds
from evalkit.scoring.contract import Scorer
from evalkit.scoring.selection import metrics_of, select
from evalkit.stats import classification

__all__ = ["Agreement", "Baseline", "Group", "evaluate"]

_BATCH_ROWS = 1024
_DRAWS = 1000
# Metrics without a threshold of their own are cut in the middle of their scale.
_MIDDLE = 0.5


@dataclass(frozen=True)
class Baseline:
    """A trivial score on the same rows, cut where it does best on them: more than it could really
    reach."""

    auroc: float | None
    f1: float | None
    balanced_accuracy: float | None


@dataclass(frozen=True)
class Group:
    """Agreement on some rows; what cannot be said of them (one class only, no rows) is None.

    Attributes:
        group: "all", or the value of the group column.
        n, positives: rows with a score, and those of them with label 1.
        n_unscored: rows with a label and without a score (declined, truncated, nothing claimed,
        ...).
        auroc, auroc_lower, auroc_upper: with a 95 % bootstrap interval over whole sources.
        auprc: average precision.
        threshold: the shipped cut; never fitted on the rows at hand. None for an unbounded metric.
        precision, recall, f1, balanced_accuracy, kappa: at that cut.
        ece: expected calibration error, ten bins of equal size; None where the metric is no
        probability.
        baselines: always, length, overlap and cosine.
    """

    group: str
    n: int
    positives: int
    n_unscored: int
    auroc: float | None
    auroc_lower: float | None
    auroc_upper: float | None
    auprc: float | None
    threshold: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    kappa: float | None
    ece: float | None
    baselines: Mapping[str, Baseline]


@dataclass(frozen=True)
class Agreement:
    """How one metric agrees with one label; `groups[0]` is "all".

    `unscored` counts rows without a score by status, `unlabelled` rows that were left out.
    """

    metric: str
    label: str
    groups: tuple[Group, ...]
    unscored: Mapping[str, int]
    unlabelled: int


def evaluate(
    source: Path | str | pa.Table,
    metric: str = "hallucination",
    label: str = "hallucinated",
    group: str | None = None,
    settings: Settings | None = None,
    *,
    embedder: TextEmbedder | None = None,
    seed: int = 0,
) -> Agreement:
    """Score labelled rows and compare: label 1 is expected where the metric is high.

    Args:
        source: a file or table of interactions with a label; see `reading.read`.
        metric: any metric of any scorer.
        label: the column with people's verdicts; "!column" where 1 means that the metric should be
        low
            (groundedness against "!hallucinated").
        group: figures for each value of this column too.
        settings: which encoder; the default one without.
        embedder: an open encoder, instead of the settings'.
        seed: of the bootstrap.

    Raises:
        EvalkitError: the source cannot be used, or there is no such metric.
    """
    labelled = read(Path(source) if isinstance(source, str) else source, label, group)
    scorer, meaning = _find(metric)
    if embedder is not None:
        values, status, trivial = _score(labelled.rows, scorer, meaning, embedder)
    else:
        with open_embedder(settings or Settings(), cache=False) as opened:
            values, status, trivial = _score(labelled.rows, scorer, meaning, opened)
    scored = status == "ok"
    member = {"all": np.ones(len(scored), dtype=np.bool_)}
    for name in sorted(set(labelled.groups)):
        key = f"{group}={name}" if name == "all" else name
        member[key] = np.array([value == name for value in labelled.groups], dtype=np.bool_)
    threshold = _threshold(meaning)
    groups = tuple(
        _group(name, rows, scored, labelled, values, trivial, threshold, meaning, seed)
        for name, rows in member.items()
    )
    reasons, counts = np.unique(status[~scored].astype(str), return_counts=True)
    unscored = dict(zip(reasons.tolist(), counts.tolist(), strict=True))
    return Agreement(metric, label, groups, unscored, labelled.unlabelled)


def _find(metric: str) -> tuple[Scorer, Metric]:
    scorers = select(Settings())
    for scorer in scorers.values():
        for meaning in scorer.metrics:
            if meaning.name == metric:
                return scorer, meaning
    raise EvalkitError(f"{metric!r} is no metric. Known: {', '.join(metrics_of(scorers))}.")


def _score(
    rows: pa.Table, scorer: Scorer, meaning: Metric, embedder: TextEmbedder
) -> tuple[NDArray[np.float64], NDArray[np.object_], dict[str, NDArray[np.float64]]]:
    """The metric's values and statuses, and the baselines' scores, batch by batch."""
    values, status, trivial = [], [], []
    price_list, models = prices.load(None), load_all()
    for start in range(0, rows.num_rows, _BATCH_ROWS):
        batch = Batch(rows.slice(start, _BATCH_ROWS), embedder, price_list, models)
        found = scorer.score(batch).columns[meaning.name]
        values.append(found.values)
        status.append(found.status)
        trivial.append(baselines(batch))
    # Baselines say where support is missing; a metric that falls there has labels for the opposite.
    sign = -1.0 if meaning.worse == "lower" else 1.0
    joined = {
        name: np.concatenate([part[name] for part in trivial]) * (1 if name == "length" else sign)
        for name in trivial[0]
    }
    return np.concatenate(values), np.concatenate(status), joined


def _threshold(meaning: Metric) -> float | None:
    if meaning.bounds[1] != 1.0:
        return None
    return thresholds().get(meaning.name, _MIDDLE)


def _group(
    name: str,
    rows: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    labelled: Labelled,
    values: NDArray[np.float64],
    trivial: Mapping[str, NDArray[np.float64]],
    threshold: float | None,
    meaning: Metric,
    seed: int,
) -> Group:
    used = rows & scored
    truth, score = labelled.labels[used], values[used]
    clusters = np.array(labelled.clusters, dtype=object)[used].astype(str)
    lower, upper = classification.auroc_interval(
        truth, score, groups=clusters, draws=_DRAWS, seed=seed
    )
    cut = classification.at_threshold(truth, score, threshold) if threshold is not None else None
    calibration = classification.ece(truth, score) if meaning.unit == "probability" else None
    return Group(
        group=name,
        n=int(used.sum()),
        positives=int(truth.sum()),
        n_unscored=int((rows & ~scored).sum()),
        auroc=classification.auroc(truth, score),
        auroc_lower=lower,
        auroc_upper=upper,
        auprc=classification.average_precision(truth, score),
        threshold=threshold,
        precision=cut.precision if cut else None,
        recall=cut.recall if cut else None,
        f1=cut.f1 if cut else None,
        balanced_accuracy=cut.balanced_accuracy if cut else None,
        kappa=cut.kappa if cut else None,
        ece=calibration.error if calibration else None,
        baselines={key: _baseline(truth, found[used]) for key, found in trivial.items()},
    )


def _baseline(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Baseline:
    best = classification.best_threshold(truth, score)
    if best is None:
        return Baseline(None, None, None)
    cut = classification.at_threshold(truth, score, best)
    return Baseline(classification.auroc(truth, score), cut.f1, cut.balanced_accuracy)
