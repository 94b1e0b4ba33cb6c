"""Runs the chosen scorers over rows at hand, and puts what they give into the shape of `scores`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from evalkit.config import Settings
from evalkit.errors import EvalkitError, ExtensionError
from evalkit.metrics import Metric
from evalkit.prices import PriceList
from evalkit.schema import EVIDENCE, INTERACTIONS, STATUSES, scores_schema
from evalkit.scoring import calibration
from evalkit.scoring.batch import Batch, TextEmbedder, reader_of
from evalkit.scoring.contract import Evidence, Scorer, Scores, Values
from evalkit.scoring.corpus import Corpus
from evalkit.scoring.keeping import content_fingerprints
from evalkit.scoring.lasting import Lasting
from evalkit.scoring.selection import metrics_of, scorer_fingerprint, select
from evalkit.scoring.turns import Turns

__all__ = ["Around", "Scoring", "score_table"]

_LOG = logging.getLogger(__name__)
#: Values are stored to a millionth: what lies below is rounding, and would make every file differ.
#: Money is kept as it is: a token costs less than that.
_DIGITS = 6
#: A scorer that reads one of these judges the answer: it has nothing to say about a call that
#: failed; one that needs "turns" judges the user's turn, which is there all the same.
_CONTENT = frozenset({"query", "response", "contexts"})


class _Fingerprinted(TextEmbedder, Protocol):
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Around:
    """What scores rest on besides their rows.

    Attributes:
        turns: where the rows stand in their sessions; without it no row has a session.
        corpus: gives the chunks that could have been retrieved; called when a row needs them.
        searched: gives the fingerprint of these chunks.
    """

    turns: Turns | None = None
    corpus: Callable[[], Corpus] | None = None
    searched: Callable[[], str] | None = None


def score_table(
    rows: pa.Table, settings: Settings, embedder: _Fingerprinted, prices: PriceList
) -> pa.Table:
    """Scores of interactions at hand, row by row in their order.

    Args:
        rows: any columns of `interactions`; those that are not there are NULL.
        settings: which scorers.

    Returns:
        `scores` rows: day, interaction_id, per metric a value and a status, evidence,
        scorer_fingerprint.
    """
    scoring, around = Scoring(settings, embedder, prices), Around(Turns.of_rows(rows))
    size = settings.scoring.batch_rows
    parts = [scoring.table(rows.slice(i, size), around) for i in range(0, rows.num_rows, size)]
    return pa.concat_tables(parts) if parts else scoring.schema.empty_table()


class Scoring:
    """The chosen scorers, ready to run on any number of tables; counts on how many rows one failed.

    A scorer that raises is run again row by row, and the rows on which it still raises have status
    error: one bad row never stops a night, and never hides another.
    """

    def __init__(self, settings: Settings, embedder: _Fingerprinted, prices: PriceList) -> None:
        self.scorers = select(settings)
        self.metrics = metrics_of(self.scorers)
        about = [(name, metric.about) for name, metric in self.metrics.items()]
        self.schema = scores_schema(about)
        self.budget_schema = scores_schema(about, under_budget=True)
        self.fingerprint = scorer_fingerprint(settings, embedder, prices)
        self.failed: Counter[str] = Counter()
        self._embedder = embedder
        self._prices = prices
        self._models = calibration.load_all(settings.models_path)
        self._lasting = Lasting()

    def table(
        self, rows: pa.Table, around: Around | None = None, content: list[str] | None = None
    ) -> pa.Table:
        """The scores of some rows, in their order.

        Args:
            rows: any columns of `interactions`; those that are not there are NULL.
            around: their sessions and the chunks that could have been retrieved.
            content: their `content_fingerprints`, where these are known.
        """
        rows, around = _complete(rows), around or Around()
        if content is None:
            content = content_fingerprints(rows, around.turns)
        batch = self._batch(rows, around)
        columns: dict[str, Values] = {}
        evidence: dict[int, list[Evidence]] = {}
        for scorer in self.scorers.values():
            found = self._run(scorer, batch, around)
            if _CONTENT & set(scorer.needs) and "turns" not in scorer.needs:
                found = _without_failed(found, batch)
            columns.update(found.columns)
            for row, items in found.evidence.items():
                evidence.setdefault(row, []).extend(items)
        searched = around.searched() if batch.searched and around.searched is not None else None
        return self._assemble(batch, content, searched, columns, evidence)

    def _batch(self, rows: pa.Table, around: Around) -> Batch:
        return Batch(
            rows,
            self._embedder,
            self._prices,
            self._models,
            corpus=around.corpus,
            turns=around.turns,
            verifier=reader_of(self._embedder),
            lasting=self._lasting,
        )

    def _run(self, scorer: Scorer, batch: Batch, around: Around) -> Scores:
        try:
            return _checked(scorer, batch)
        except Exception as error:  # noqa: BLE001  (whatever an extension raises is its own affair)
            _give_up_on_ours(error)
        columns = {metric.name: Values(len(batch)) for metric in scorer.metrics}
        evidence: dict[int, list[Evidence]] = {}
        for i in range(len(batch)):
            alone = self._batch(batch.rows.slice(i, 1), around)
            try:
                one = _checked(scorer, alone)
            except Exception as error:  # noqa: BLE001
                _give_up_on_ours(error)
                if not self.failed[scorer.name]:
                    _LOG.warning("scorer %s: %s: %s", scorer.name, type(error).__name__, error)
                self.failed[scorer.name] += 1
                continue
            if alone.searched:
                batch.searched.add(i)
            for name, values in one.columns.items():
                columns[name].values[i] = values.values[0]
                columns[name].status[i] = values.status[0]
            if one.evidence.get(0):
                evidence[i] = one.evidence[0]
        return Scores(columns, evidence)

    def _assemble(
        self,
        batch: Batch,
        content: list[str],
        corpus: str | None,
        columns: Mapping[str, Values],
        evidence: Mapping[int, list[Evidence]],
    ) -> pa.Table:
        n, rows = len(batch), batch.rows
        arrays: dict[str, Any] = {name: rows.column(name) for name in ("day", "interaction_id")}
        for name, metric in self.metrics.items():
            value, status = _stored(metric, columns[name])
            arrays[name] = pa.array(value, pa.float64(), mask=status != "ok")
            arrays[f"{name}__status"] = pa.array(status.tolist(), pa.string())
        arrays["evidence"] = pa.array([_spans(evidence.get(i)) for i in range(n)], EVIDENCE)
        arrays["scorer_fingerprint"] = pa.array([self.fingerprint] * n, pa.string())
        arrays["content_fingerprint"] = pa.array(content, pa.string())
        searched = [corpus if i in batch.searched else None for i in range(n)]
        arrays["corpus_fingerprint"] = pa.array(searched, pa.string())
        return pa.table(arrays, schema=self.schema)


def _give_up_on_ours(error: Exception) -> None:
    """Our own errors (no model, no cache folder) would hit every row: the night has to hear of
    them."""
    if isinstance(error, EvalkitError) and not isinstance(error, ExtensionError):
        raise error


def _checked(scorer: Scorer, batch: Batch) -> Scores:
    """What a scorer gives for a batch, held against its contract."""
    found = scorer.score(batch)
    declared = {metric.name for metric in scorer.metrics}
    if set(found.columns) != declared:
        raise ExtensionError(
            f"{scorer.module}: scorer {scorer.name!r} declares {sorted(declared)} "
            f"and gives {sorted(found.columns)}."
        )
    for name, values in found.columns.items():
        if len(values.values) != len(batch) or len(values.status) != len(batch):
            raise ExtensionError(
                f"{scorer.module}: {name}: {len(values.values)} values for {len(batch)} rows."
            )
        wrong = set(values.status.tolist()) - set(STATUSES)
        if wrong:
            raise ExtensionError(
                f"{scorer.module}: {name}: {sorted(map(str, wrong))} is no status."
            )
    return found


def _without_failed(found: Scores, batch: Batch) -> Scores:
    """The scores of the calls that came back; those that failed have status not_applicable."""
    failed = [i for i, status in enumerate(batch.values("status")) if status == "error"]
    for values in found.columns.values():
        for i in failed:
            values.skip(i, "not_applicable")
    gone = set(failed)
    return Scores(found.columns, {i: items for i, items in found.evidence.items() if i not in gone})


def _stored(metric: Metric, found: Values) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Values as they are stored, and statuses: what is not finite or out of the metric's range is
    an error."""
    value = found.values if metric.unit == "usd" else np.round(found.values, _DIGITS)
    low, high = metric.bounds
    with np.errstate(invalid="ignore"):
        good = np.isfinite(value) & (value >= low) & (value <= high)
    status = found.status.copy()
    status[(status == "ok") & ~good] = "error"
    return value + 0.0, status  # -0.0 becomes 0.0: equal values have equal bytes


def _spans(items: list[Evidence] | None) -> list[dict[str, Any]] | None:
    if not items:
        return None
    return [
        {
            "metric": e.metric,
            "start": e.start,
            "end": e.end,
            "context_id": e.context_id,
            "note": e.note,
        }
        for e in items
    ]


def _complete(rows: pa.Table) -> pa.Table:
    """The rows with every column of `interactions`, in its type; those that are not there are
    NULL."""
    given = set(rows.column_names)
    return pa.table(
        {
            column.name: rows.column(column.name).cast(column.type)
            if column.name in given
            else pa.nulls(rows.num_rows, column.type)
            for column in INTERACTIONS.columns
        }
    )
