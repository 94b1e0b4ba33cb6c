"""The score step: reads the interactions of a day, runs the scorers, and replaces that day of
`scores` in one commit."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import Settings, day_bounds
from evalkit.encoders import Embedder
from evalkit.errors import EvalkitError, ExtensionError
from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.prices import PriceList
from evalkit.schema import EVIDENCE, INTERACTIONS, SCORES, STATUSES, scores_schema
from evalkit.scoring import calibration
from evalkit.scoring.batch import Batch, TextEmbedder, reader_of
from evalkit.scoring.contract import Evidence, Scorer, Scores, Values
from evalkit.scoring.corpus import Corpus, read_chunks
from evalkit.scoring.keeping import Kept, content_fingerprints, corpus_fingerprint
from evalkit.scoring.selection import metrics_of, scorer_fingerprint, select
from evalkit.scoring.turns import Turns, read_turns

__all__ = ["Scored", "Scoring", "score", "score_table"]

_LOG = logging.getLogger(__name__)
#: Values are stored to a millionth: what lies below is rounding, and would make every file differ.
#: Money is kept as it is: a token costs less than that.
_DIGITS = 6
_HOUR = timedelta(hours=1)
#: A scorer that reads one of these judges the answer: it has nothing to say about a call that
#: failed; one that needs "turns" judges the user's turn, which is there all the same.
_CONTENT = frozenset({"query", "response", "contexts"})


class _Fingerprinted(TextEmbedder, Protocol):
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Scored:
    """What the step did.

    Attributes:
        day: the day.
        interactions: rows of the day, all of which have a row of scores.
        metrics: per metric, how many rows have a value.
        errors: per scorer that raised, on how many rows.
        embedded, cached: texts that went through the model, and that the cache had.
        kept: rows whose scores stand from before, because nothing has changed for them.
    """

    day: date
    interactions: int
    metrics: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0
    kept: int = 0

    def __str__(self) -> str:
        stood = (
            f"; {self.kept:,} kept, {self.interactions - self.kept:,} scored" if self.kept else ""
        )
        failed = "".join(f"; {name} failed on {n:,} rows" for name, n in self.errors.items())
        return (
            f"{self.interactions:,} interactions, {len(self.metrics)} metrics{stood}; "
            f"{self.embedded:,} texts embedded, {self.cached:,} from the cache{failed}"
        )


def score(
    settings: Settings,
    lake: Lake,
    day: date,
    embedder: Embedder,
    prices: PriceList,
    *,
    fresh: bool = False,
) -> Scored:
    """Score the interactions of one day, replacing that day of `scores` in one commit.

    Rows for which nothing has changed since they were scored keep their scores (`keeping.Kept`); a
    day of which nothing changed is not committed. The ledger's hours then say how many were scored.

    Args:
        settings: which scorers, and how many rows are held in memory at a time.
        lake: holds `interactions`.
        day: the day; without interactions it is replaced by no rows.
        embedder: gives vectors.
        prices: what tokens cost.
        fresh: score every row, whatever is stored.

    Raises:
        ModelError: the embedding model is needed and cannot be loaded.
        CommitConflictError: another run replaced the same day meanwhile.
        LakeError: a table cannot be read or written.
    """
    # Read when the first bad answer asks for it, and once: a day without any never reads it. In
    # the order of their texts, so that the same chunks give the same answers.
    chunks = cache(lambda: sorted(read_chunks(lake, day)))
    corpus = cache(lambda: Corpus(chunks(), embedder))
    searched = cache(lambda: corpus_fingerprint(chunks()))
    turns = read_turns(lake, day)
    scoring = Scoring(settings, embedder, prices, corpus=corpus, searched=searched, turns=turns)
    kept = None if fresh else Kept(lake, day, scoring.fingerprint, scoring.schema, searched)
    before = embedder.stats
    # One table, not a stream into the commit: its writer drives the reading of a stream, and panics
    # when that opens another table of the lake; it also stores a stream's batches in any order. A
    # row of scores is some hundred bytes, its texts and vectors are gone by then.
    parts, hours = [], _Hours(day, settings)
    for batch in lake.batches(INTERACTIONS, day, settings.scoring.batch_rows):
        parts.append(scoring.table(batch, kept))
        hours.add(batch, parts[-1])
    lake.update(SCORES, day, pa.concat_tables(parts) if parts else scoring.schema.empty_table())
    ledger.record_scored(lake, day, hours.scored)
    return Scored(
        day=day,
        interactions=scoring.rows,
        metrics=dict(scoring.valued),
        errors=dict(sorted(scoring.failed.items())),
        embedded=embedder.stats.encoded - before.encoded,
        cached=embedder.stats.hits - before.hits,
        kept=scoring.kept,
    )


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
    scoring = Scoring(settings, embedder, prices, turns=Turns.of_rows(rows))
    size = settings.scoring.batch_rows
    parts = [scoring.table(rows.slice(i, size)) for i in range(0, rows.num_rows, size)]
    return pa.concat_tables(parts) if parts else scoring.schema.empty_table()


class Scoring:
    """The chosen scorers, ready to run on any number of tables; counts what they did.

    A scorer that raises is run again row by row, and the rows on which it still raises have status
    error: one bad row never stops a night, and never hides another.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: _Fingerprinted,
        prices: PriceList,
        *,
        corpus: Callable[[], Corpus] | None = None,
        searched: Callable[[], str] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.scorers = select(settings)
        self.metrics = metrics_of(self.scorers)
        self.schema = scores_schema((name, metric.about) for name, metric in self.metrics.items())
        self.fingerprint = scorer_fingerprint(settings, embedder, prices)
        self.rows = 0
        self.kept = 0
        self.valued: dict[str, int] = dict.fromkeys(self.metrics, 0)
        self.failed: Counter[str] = Counter()
        self._embedder = embedder
        self._prices = prices
        self._corpus = corpus
        self._searched = searched
        self._turns = turns
        self._models = calibration.load_all(settings.models_path)

    def table(self, rows: pa.Table, kept: Kept | None = None) -> pa.Table:
        """The scores of some rows, those that may stay from `kept`."""
        rows = _complete(rows)
        content = content_fingerprints(rows, self._turns)
        places = np.full(rows.num_rows, -1) if kept is None else kept.places(rows, content)
        stay, new = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
        if not len(stay) or kept is None:
            found = self._scored(rows, content)
        else:
            parts = [kept.scores(places[stay])]
            if len(new):
                parts.append(self._scored(rows.take(pa.array(new)), [content[i] for i in new]))
            order = np.argsort(np.concatenate([stay, new]), kind="stable")
            found = pa.concat_tables(parts).take(pa.array(order)).combine_chunks()
        self.rows += rows.num_rows
        self.kept += len(stay)
        for name in self.metrics:
            self.valued[name] += len(found) - found[name].null_count
        return found

    def _scored(self, rows: pa.Table, content: list[str]) -> pa.Table:
        batch = self._batch(rows)
        columns: dict[str, Values] = {}
        evidence: dict[int, list[Evidence]] = {}
        for scorer in self.scorers.values():
            found = self._run(scorer, batch)
            if _CONTENT & set(scorer.needs) and "turns" not in scorer.needs:
                found = _without_failed(found, batch)
            columns.update(found.columns)
            for row, items in found.evidence.items():
                evidence.setdefault(row, []).extend(items)
        return self._assemble(batch, content, columns, evidence)

    def _batch(self, rows: pa.Table) -> Batch:
        return Batch(
            rows,
            self._embedder,
            self._prices,
            self._models,
            corpus=self._corpus,
            turns=self._turns,
            verifier=reader_of(self._embedder),
        )

    def _run(self, scorer: Scorer, batch: Batch) -> Scores:
        try:
            return _checked(scorer, batch)
        except Exception as error:  # noqa: BLE001  (whatever an extension raises is its own affair)
            _give_up_on_ours(error)
        columns = {metric.name: Values(len(batch)) for metric in scorer.metrics}
        evidence: dict[int, list[Evidence]] = {}
        for i in range(len(batch)):
            alone = self._batch(batch.rows.slice(i, 1))
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
        corpus = self._searched() if batch.searched and self._searched is not None else None
        searched = [corpus if i in batch.searched else None for i in range(n)]
        arrays["corpus_fingerprint"] = pa.array(searched, pa.string())
        return pa.table(arrays, schema=self.schema)


class _Hours:
    """How many interactions of each source and hour have at least one score."""

    def __init__(self, day: date, settings: Settings) -> None:
        self._start = day_bounds(day, settings.zone)[0]
        self.scored: Counter[tuple[str, datetime]] = Counter()

    def add(self, rows: pa.Table, scores: pa.Table) -> None:
        names = [name for name in scores.column_names if name.endswith("__status")]
        valued = [pc.equal(scores[name], "ok") for name in names]
        has = functools.reduce(pc.or_kleene, valued).to_pylist()
        pairs = zip(rows["source"].to_pylist(), rows["started_at"].to_pylist(), has, strict=True)
        self.scored.update(
            (source, self._start + (at - self._start) // _HOUR * _HOUR)
            for source, at, is_scored in pairs
            if is_scored and source is not None and at is not None
        )


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
