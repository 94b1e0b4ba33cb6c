"""How much of what was retrieved a response really rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.scorers.groundedness import statuses
from evalkit.scoring.support import Support, support_of

__all__ = ["context_utilization", "used_chunks"]

# Half of a sentence's words and meaning must stand in a chunk before the chunk counts as its
# source.
_MIN_EVIDENCE = 0.5
# Chunks this near to a sentence's best one are its sources too (overlapping chunks hold the same
# words).
_TIE = 0.02


def used_chunks(support: Support) -> NDArray[np.bool_]:
    """Which chunks are the source of at least one claim sentence, bool [chunks]."""
    evidence = support.chunk_evidence
    best = evidence.max(axis=1, keepdims=True)
    found: NDArray[np.bool_] = ((evidence >= best - _TIE) & (evidence >= _MIN_EVIDENCE)).any(axis=0)
    return found


@scorer(
    "context_utilization",
    version="1",
    needs=("query", "response", "contexts", "truncated", "embeddings"),
    metrics=(
        Metric(
            "context_utilization",
            "score",
            "lower",
            "share of the retrieved chunks, first ones counting more, that the response rests on",
        ),
    ),
)
def context_utilization(batch: Batch) -> Scores:
    """Rank-weighted share of the retrieved chunks that are the best source of a sentence of the
    response.

    Each claim sentence is traced to the chunk that holds most of its words (rare ones counting
    more) and comes nearest to it in meaning; below half of both it has no source. A chunk at rank
    r (by order) weighs 1 / log2(1 + r), as in DCG: Järvelin and Kekäläinen (2002), ACM TOIS 20:422.

    No response, no contexts or nothing claimed: not_applicable. Declined: abstained. Cut in the
    log:
    truncated. Too long: over_budget.
    """
    values = Values(len(batch))
    for row, (support, status) in enumerate(zip(support_of(batch), statuses(batch), strict=True)):
        if status is not None:
            values.skip(row, status)
            continue
        used = used_chunks(support)
        weight = 1 / np.log2(np.arange(2, len(used) + 2))
        values.set(row, float((weight * used).sum() / weight.sum()))
    return Scores({"context_utilization": values})
