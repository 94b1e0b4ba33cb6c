"""Scores labelled rows with metrics and baselines, and has the outcome compared with the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit import prices
from evalkit.agreement.baselines import baselines, tfidf
from evalkit.agreement.comparing import MIDDLE, compare
from evalkit.agreement.figures import Agreement
from evalkit.agreement.reading import Labelled, read
from evalkit.agreement.spans import Span, SpanCounts, count_spans
from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.errors import EvalkitError
from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch, TextEmbedder, reader_of
from evalkit.scoring.calibration import load_all, thresholds
from evalkit.scoring.contract import Scorer
from evalkit.scoring.selection import metrics_of, select

__all__ = ["ALL", "evaluate", "evaluate_many"]

#: In the place of a metric's name: every metric there is.
ALL = "all"
_BATCH_ROWS = 1024


@dataclass(frozen=True)
class _Asked:
    """One metric, and whether verdicts are turned around for it."""

    metric: Metric
    turned: bool


@dataclass
class _Found:
    """What one metric said of all rows, gathered batch by batch."""

    values: list[NDArray[np.float64]] = field(default_factory=list)
    status: list[NDArray[np.object_]] = field(default_factory=list)
    marked: list[list[Span]] = field(default_factory=list)
    has_evidence: bool = False


def evaluate(
    source: Path | str | pa.Table,
    metric: str = "hallucination",
    label: str = "hallucinated",
    group: str | Sequence[str] | None = None,
    settings: Settings | None = None,
    *,
    spans: str | None = None,
    embedder: TextEmbedder | None = None,
    seed: int = 0,
) -> Agreement:
    """Score labelled rows and compare: label 1 is expected where the metric is high.

    Args:
        source: a file or table of interactions with a label; see `reading.read`.
        metric: any metric of any scorer; "!metric" where label 1 means that it should be low.
        label: the column with people's verdicts; "!column" turns each verdict around
            (groundedness against "!hallucinated").
        group: figures for each value of this column, or of each of these columns, too.
        settings: which encoder; the default one without.
        spans: the column of unsupported spans; without it `labels`, where it holds some.
        embedder: an open encoder, instead of the settings'.
        seed: of the bootstrap.

    Raises:
        EvalkitError: the source cannot be used, or there is no such metric.
    """
    return evaluate_many(
        source, [metric], label, group, settings, spans=spans, embedder=embedder, seed=seed
    )[0]


def evaluate_many(
    source: Path | str | pa.Table,
    metrics: Sequence[str],
    label: str = "hallucinated",
    group: str | Sequence[str] | None = None,
    settings: Settings | None = None,
    *,
    spans: str | None = None,
    embedder: TextEmbedder | None = None,
    seed: int = 0,
) -> tuple[Agreement, ...]:
    """As `evaluate`, for several metrics of the same rows, which are read and encoded once.

    Args:
        metrics: names as in `evaluate`, or "all": every metric, turned around where low is worse,
            so that label 1 is taken for the worse verdict.
        source, label, group, settings, spans, embedder, seed: as in `evaluate`.

    Returns:
        One agreement a metric, in the order asked; those of "all" by name.

    Raises:
        EvalkitError: the source cannot be used, or there is no such metric.
    """
    scorers = select(Settings())
    asked = _asked(metrics, metrics_of(scorers))
    columns = [group] if isinstance(group, str) else list(dict.fromkeys(group or ()))
    wanted = {one.metric.name for one in asked}
    used = [s for s in scorers.values() if wanted & {meaning.name for meaning in s.metrics}]
    path = Path(source) if isinstance(source, str) else source
    needs = {name for scorer in used for name in scorer.needs}
    labelled = read(path, label, columns, spans, needs=needs)
    with _open(settings, embedder) as opened:
        found, trivial = _score(labelled.rows, used, opened)
        cuts = thresholds(verified=reader_of(opened) is not None)
    return tuple(
        _compare(one, found[one.metric.name], trivial, labelled, label, cuts, seed) for one in asked
    )


def _asked(names: Sequence[str], known: Mapping[str, Metric]) -> list[_Asked]:
    found: dict[tuple[str, bool], _Asked] = {}
    for name in names:
        if name == ALL:
            every = [_Asked(meaning, meaning.worse == "lower") for meaning in known.values()]
            found |= {(one.metric.name, one.turned): one for one in every}
            continue
        bare = name.removeprefix("!")
        if bare not in known:
            raise EvalkitError(f"{bare!r} is no metric. Known: {', '.join(known)}, or {ALL}.")
        found[bare, name != bare] = _Asked(known[bare], name != bare)
    if not found:
        raise EvalkitError(f"No metric was asked for. Known: {', '.join(known)}, or {ALL}.")
    return list(found.values())


@contextmanager
def _open(settings: Settings | None, embedder: TextEmbedder | None) -> Iterator[TextEmbedder]:
    if embedder is not None:
        yield embedder
        return
    with open_embedder(settings or Settings(), cache=False) as opened:
        yield opened


def _score(
    rows: pa.Table, scorers: Sequence[Scorer], embedder: TextEmbedder
) -> tuple[dict[str, _Found], dict[str, NDArray[np.float64]]]:
    """What each metric says of the rows, and the baselines' scores."""
    found: dict[str, _Found] = {m.name: _Found() for s in scorers for m in s.metrics}
    trivial: list[dict[str, NDArray[np.float64]]] = []
    responses: list[str | None] = []
    contexts: list[list[str]] = []
    price_list, models = prices.load(None), load_all()
    for start in range(0, rows.num_rows, _BATCH_ROWS):
        batch = Batch(
            rows.slice(start, _BATCH_ROWS),
            embedder,
            price_list,
            models,
            verifier=reader_of(embedder),
        )
        for scorer in scorers:
            scores = scorer.score(batch)
            for name, column in scores.columns.items():
                one = found[name]
                one.values.append(column.values)
                one.status.append(column.status)
                for row in range(len(batch)):
                    own = [e for e in scores.evidence.get(row, ()) if e.metric == name]
                    one.has_evidence |= bool(own)
                    one.marked.append([(e.start, e.end) for e in own if e.note == "unsupported"])
        trivial.append(baselines(batch))
        responses += batch.strings("response")
        contexts += [[chunk.text for chunk in row] for row in batch.chunks()]
    joined = {name: np.concatenate([part[name] for part in trivial]) for name in trivial[0]}
    return found, joined | {"tfidf": tfidf(responses, contexts)}


def _compare(
    asked: _Asked,
    found: _Found,
    trivial: Mapping[str, NDArray[np.float64]],
    labelled: Labelled,
    label: str,
    cuts: Mapping[str, float],
    seed: int,
) -> Agreement:
    meaning = asked.metric
    values = np.concatenate(found.values)
    status = np.concatenate(found.status)
    # Baselines are high where support is missing; a metric that falls there has labels for the
    # opposite.
    sign = -1.0 if meaning.worse == "lower" else 1.0
    marked: SpanCounts | None = None
    if labelled.spans is not None and found.has_evidence:
        responses = labelled.rows.column("response").to_pylist()
        marked = count_spans(responses, labelled.spans, found.marked)
    return compare(
        np.where(status == "ok", values, np.nan),
        labelled.labels ^ asked.turned,
        labelled.clusters,
        metric=meaning.name,
        label=_turned(label) if asked.turned else label,
        groups=labelled.groups,
        baselines={name: sign * scores for name, scores in trivial.items()},
        lengths=trivial["length"],
        spans=marked,
        status=status.tolist(),
        threshold=_threshold(meaning, cuts),
        probability=meaning.unit == "probability",
        unlabelled=labelled.unlabelled,
        spans_left_out=labelled.spans_left_out,
        seed=seed,
    )


def _turned(label: str) -> str:
    return label[1:] if label.startswith("!") else f"!{label}"


def _threshold(meaning: Metric, cuts: Mapping[str, float]) -> float | None:
    if meaning.bounds[1] != 1.0:
        return None
    return cuts.get(meaning.name, MIDDLE)
