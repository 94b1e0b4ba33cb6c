"""Scores that anyone could give without a model: what a metric has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.text.tokens import content_words, words

__all__ = ["baselines"]


def baselines(batch: Batch) -> dict[str, NDArray[np.float64]]:
    """For each baseline a score per row, float64 [n], higher where less of the response is
    supported.

    always: the same for every row. length: words of the response. overlap: share of the response's
    distinct content words that no context holds. cosine: 1 - cosine of the mean sentence vector of
    the response to that of all contexts. A row without response or contexts gets what the rule
    gives for an empty text (0 words, nothing new, no likeness).
    """
    responses = batch.strings("response")
    chunks = batch.chunks()
    mine = batch.embed("response", by="sentence")
    theirs = batch.embed("contexts", by="sentence")
    n = len(batch)
    length, overlap, cosine = np.zeros(n), np.zeros(n), np.ones(n)
    for i, response in enumerate(responses):
        said = set(content_words(response or ""))
        held = {word for chunk in chunks[i] for word in words(chunk.text)}
        length[i] = len(words(response or ""))
        overlap[i] = len(said - held) / len(said) if said else 0.0
        if len(mine.row(i)) and len(theirs.row(i)):
            a, b = mine.row(i).mean(axis=0), theirs.row(i).mean(axis=0)
            norm = float(np.linalg.norm(a) * np.linalg.norm(b))
            cosine[i] = 1 - float(a @ b) / norm if norm else 1.0
    return {"always": np.zeros(n), "length": length, "overlap": overlap, "cosine": cosine}
