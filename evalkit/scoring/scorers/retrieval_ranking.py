"""How good the retrieved ranking is where the relevant chunks are known, by an IR library."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.scorers.context_relevance import retrieved_ids

__all__ = ["CUT", "ranking_measures", "retrieval_ranking"]

#: Ranks that are looked at: what most applications put into a prompt. Where fewer were retrieved,
#: these are all.
CUT = 5


def ranking_measures(
    retrieved: Sequence[Sequence[str | None]], relevant: Sequence[Collection[str]]
) -> list[dict[str, float]]:
    """Hit, recall, reciprocal rank and nDCG of rankings against the ids known to be relevant.

    By ir-measures over pytrec_eval (trec_eval's own code): MacAvaney, Macdonald and Ounis (2022),
    ECIR, https://ir-measur.es. Success@5, R@5, RR and nDCG@5 with relevance 0 or 1; nDCG discounts
    rank k by 1 / log2(k + 1) and divides by the best that k <= 5 ranks could hold.

    Args:
        retrieved: per row the ids, best first; None is a chunk without an id, which is relevant to
            nothing and keeps its rank. An id that comes twice counts where it stands first.
        relevant: per row the ids known to be relevant, at least one.
    Returns:
        Per row `retrieval_hit`, `retrieval_recall`, `retrieval_mrr` and `retrieval_ndcg`.

    >>> ranking_measures([["x", "a"]], [{"a", "b"}])[0]["retrieval_recall"]
    0.5
    """
    import ir_measures

    measures = {
        ir_measures.parse_measure(f"Success@{CUT}"): "retrieval_hit",
        ir_measures.parse_measure(f"R@{CUT}"): "retrieval_recall",
        ir_measures.parse_measure("RR"): "retrieval_mrr",
        ir_measures.parse_measure(f"nDCG@{CUT}"): "retrieval_ndcg",
    }
    found = [dict.fromkeys(measures.values(), 0.0) for _ in retrieved]
    qrels: dict[str, dict[str, int]] = {}
    runs: dict[str, dict[str, float]] = {}
    for row, (ids, wanted) in enumerate(zip(retrieved, relevant, strict=True)):
        names = _numbered(ids, wanted)
        qrels[str(row)] = {names[id_]: 1 for id_ in wanted}
        if ids:
            runs[str(row)] = _run(ids, names)
    for value in ir_measures.iter_calc(list(measures), qrels, runs) if runs else ():
        found[int(value.query_id)][measures[value.measure]] = float(value.value)
    return found


def _numbered(ids: Sequence[str | None], wanted: Collection[str]) -> dict[str, str]:
    """A plain name for every id: logged ids may hold anything, and the library ends strings at a NUL."""
    known = dict.fromkeys([*sorted(wanted), *(id_ for id_ in ids if id_ is not None)])
    return {id_: f"d{k}" for k, id_ in enumerate(known)}


def _run(ids: Sequence[str | None], names: Mapping[str, str]) -> dict[str, float]:
    """Scores that fall with the place; a repeated chunk takes its place and counts for nothing."""
    run: dict[str, float] = {}
    for k, id_ in enumerate(ids):
        is_new = id_ is not None and names[id_] not in run
        run[names[id_] if is_new and id_ is not None else f"n{k}"] = float(len(ids) - k)
    return run


@scorer(
    "retrieval_ranking",
    version="1",
    needs=("contexts", "relevant_ids", "truncated"),
    metrics=(
        Metric(
            "retrieval_hit",
            "share",
            "lower",
            f"whether one of the first {CUT} chunks is known to be relevant (hit@{CUT})",
        ),
        Metric(
            "retrieval_recall",
            "score",
            "lower",
            f"share of the chunks known to be relevant that are among the first {CUT} (recall@{CUT})",
        ),
        Metric(
            "retrieval_mrr",
            "score",
            "lower",
            "one over the rank of the first chunk known to be relevant; its mean is MRR",
        ),
        Metric(
            "retrieval_ndcg",
            "score",
            "lower",
            f"how near the ranking is to the best one, by the known relevant chunks (nDCG@{CUT})",
        ),
    ),
)
def retrieval_ranking(batch: Batch) -> Scores:
    """hit@5, recall@5, reciprocal rank and nDCG@5 of the retrieved chunks, by `relevant_ids`.

    Ids alone are compared, so texts are not needed. See `ranking_measures` for the definitions.

    No `relevant_ids`, no contexts in the log, or contexts without ids: not_applicable (a retriever
    that ran and found nothing, contexts [], scores 0). Cut in the log: truncated.
    """
    n = len(batch)
    columns = {metric.name: Values(n) for metric in retrieval_ranking.metrics}
    contexts, relevant = batch.values("contexts"), batch.values("relevant_ids")
    truncated = batch.values("truncated")
    rows, retrieved, wanted = [], [], []
    for i in range(n):
        known = frozenset(id_ for id_ in relevant[i] or () if id_ is not None)
        ids = retrieved_ids(contexts[i])
        status = None
        if not known or contexts[i] is None or (ids and not any(ids)):
            status = "not_applicable"
        elif truncated[i]:
            status = "truncated"
        if status is not None:
            for values in columns.values():
                values.skip(i, status)
            continue
        rows.append(i)
        retrieved.append(ids)
        wanted.append(known)
    measured = ranking_measures(retrieved, wanted) if rows else []
    for i, found in zip(rows, measured, strict=True):
        for name, value in found.items():
            columns[name].set(i, value)
    return Scores(columns)
