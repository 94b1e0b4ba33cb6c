"""How near texts are in meaning, row by row: cosines of the batch's shared vectors. What that is
worth is decided by the scorers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch

__all__ = ["chunk_relevance", "cosines"]

# Below these a difference is one of rounding, not of meaning.
_DIGITS = 6


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines of unit vectors float32 [n, dim] and [m, dim], in [-1, 1], float64 [n, m].

    In double precision and rounded: the last bits of a matrix product may depend on its shape and
    on where its operands lie in memory, and a score must not.
    """
    product = a.astype(np.float64) @ b.astype(np.float64).T
    found: NDArray[np.float64] = np.clip(np.round(product, _DIGITS), -1.0, 1.0)
    return found


def chunk_relevance(batch: Batch) -> list[NDArray[np.float64] | None]:
    """How near each retrieved chunk is to its query, in [0, 1], best rank first; made once per
    batch.

    A chunk is as relevant as its whole (cut at the model's limit) or its best sentence, whichever
    is nearer: one sentence that answers makes a long chunk worth retrieving, and its other
    sentences dilute the whole's vector.

    Returns:
        Per row float64 [chunks with text], or None where there is no query or no chunk, or the row
        is over budget.
    """

    def make() -> list[NDArray[np.float64] | None]:
        query = batch.embed("query", by="text")
        whole = batch.embed("contexts", by="text")
        piece = batch.embed("contexts", by="sentence")
        beyond = batch.over_budget("contexts")
        found: list[NDArray[np.float64] | None] = []
        for i in range(len(batch)):
            if not len(query.row(i)) or not len(whole.row(i)) or beyond[i]:
                found.append(None)
                continue
            best = cosines(whole.row(i), query.row(i))[:, 0]
            if len(piece.row(i)):
                np.maximum.at(best, piece.row_parts(i), cosines(piece.row(i), query.row(i))[:, 0])
            found.append(np.clip(best, 0.0, 1.0))
        return found

    return batch.memo("chunk_relevance", make)
