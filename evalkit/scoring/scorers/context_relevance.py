"""Whether what was retrieved speaks of what was asked, and whether the best of it stands first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.ranking import judged

__all__ = [
    "average_precision",
    "context_relevance",
    "graded_precision",
    "position_mean",
    "retrieved_ids",
]


def position_mean(relevance: NDArray[np.float64]) -> float:
    """Mean relevance of ranked chunks, the one at position k weighing 1 / log2(k + 1).

    The discount of DCG: Järvelin and Kekäläinen (2002), ACM TOIS 20:422.

    >>> round(position_mean(np.array([1.0, 0.0])), 3), round(position_mean(np.array([0.0, 1.0])), 3)
    (0.613, 0.387)
    """
    weight = 1 / np.log2(np.arange(2, len(relevance) + 2))
    return float((weight * relevance).sum() / weight.sum())


def graded_precision(relevance: NDArray[np.float64]) -> float:
    """Average precision of ranked chunks whose relevance v is graded: sum_k v_k P@k / sum_k v_k,
    P@k = mean(v_1..v_k).

    With v of 0 and 1 it is the context precision of Es et al. (2023), RAGAS, arXiv:2309.15217 (as
    its library computes it); 0 when nothing is relevant.

    >>> graded_precision(np.array([1.0, 0.0])), graded_precision(np.array([0.0, 1.0]))
    (1.0, 0.5)
    """
    total = relevance.sum()
    if total <= 0:
        return 0.0
    precision = relevance.cumsum() / np.arange(1, len(relevance) + 1)
    return float((relevance * precision).sum() / total)


def average_precision(retrieved: Sequence[str | None], relevant: Collection[str]) -> float:
    """Average precision of ranked ids against the ids known to be relevant, divided by the hits
    that were possible.

    AP@K = sum over hits of P@k / min(K, relevant): Manning, Raghavan and Schütze (2008), section
    8.4. An id that comes twice is a hit once.

    >>> average_precision(["a", "x", "b"], {"a", "b"})
    0.8333333333333333
    """
    wanted = set(relevant)
    possible = min(len(retrieved), len(wanted))
    hits, total = 0, 0.0
    for k, found in enumerate(retrieved, start=1):
        if found in wanted:
            wanted.discard(found)
            hits += 1
            total += hits / k
    return total / possible if possible else 0.0


@scorer(
    "context_relevance",
    version="2",
    needs=("query", "contexts", "relevant_ids", "truncated", "embeddings", "models"),
    metrics=(
        Metric(
            "context_relevance",
            "score",
            "lower",
            "mean probability that a retrieved chunk speaks of what was asked, first ones counting more",
            headline=True,
        ),
        Metric(
            "context_precision",
            "score",
            "lower",
            "whether the relevant chunks stand first (average precision, by known ids if any)",
        ),
    ),
)
def context_relevance(batch: Batch) -> Scores:
    """A chunk's relevance is the probability that it speaks of what was asked (model
    `chunk_relevance`), from the cosines of the question to it and to its best sentence and from the
    question's rarer words in it. Its card says how well that ranks chunks, beside BM25 and cosine.

    context_relevance is their position-weighted mean (`position_mean`), context_precision their
    average precision (`graded_precision`; with `relevant_ids` the classical one,
    `average_precision`, which needs ids only).

    No query or no chunks: not_applicable. Cut in the log: truncated. More text than is read:
    over_budget.
    """
    relevance, precision = Values(len(batch)), Values(len(batch))
    found = judged(batch)
    beyond = batch.over_budget("contexts")
    truncated = batch.values("truncated")
    contexts, relevant = batch.values("contexts"), batch.values("relevant_ids")
    for i, chunks in enumerate(found):
        grades = None if chunks is None else chunks.relevance
        if truncated[i] and contexts[i]:
            relevance.skip(i, "truncated")
            precision.skip(i, "truncated")
            continue
        status = "over_budget" if beyond[i] and batch.strings("query")[i] else "not_applicable"
        if grades is None:
            relevance.skip(i, status)
        else:
            relevance.set(i, position_mean(grades))
        known, ids = [r for r in relevant[i] or () if r is not None], retrieved_ids(contexts[i])
        if known and any(ids):
            precision.set(i, average_precision(ids, known))
        elif grades is None:
            precision.skip(i, status)
        else:
            precision.set(i, graded_precision(grades))
    return Scores({"context_relevance": relevance, "context_precision": precision})


def retrieved_ids(contexts: Sequence[Any] | None) -> list[str | None]:
    """Ids of the retrieved chunks, best rank first; a rank that is missing is the place in the
    list."""
    chunks = [
        (k + 1 if c["rank"] is None else c["rank"], c["id"])
        for k, c in enumerate(contexts or ())
        if c
    ]
    return [id_ for _, id_ in sorted(chunks, key=lambda chunk: chunk[0])]
