"""Whether a response speaks of what was asked."""

from __future__ import annotations

import numpy as np

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.similarity import cosines

__all__ = ["answer_relevance"]

# An answer is given in a sentence or a few; what explains it is not held against it.
_BEST_SENTENCES = 3


@scorer(
    "answer_relevance",
    version="1",
    needs=("query", "response", "truncated", "embeddings"),
    metrics=(
        Metric(
            "answer_relevance",
            "score",
            "lower",
            "how near the response is in meaning to the question, whole and in its best sentences",
            headline=True,
        ),
    ),
)
def answer_relevance(batch: Batch) -> Scores:
    """relevance = max(0, (cos(query, response) + mean of the three nearest sentences' cos(query,
    sentence)) / 2).

    The whole alone falls with the length of an answer, however good (its vector is a mean, and is
    cut at the model's limit); the best sentences alone do not see an answer that drifts away.
    Nothing here is fitted. It says that the subject is met, not that the answer is right, and a
    response that repeats the question is near to it: read it beside groundedness and abstention.
    Sentence vectors: Reimers and Gurevych (2019), arXiv:1908.10084.

    No query or no response: not_applicable. Cut in the log: truncated. Too long to read sentence by
    sentence: over_budget.
    """
    values = Values(len(batch))
    query = batch.embed("query", by="text")
    whole = batch.embed("response", by="text")
    piece = batch.embed("response", by="sentence")
    beyond = batch.over_budget("response")
    truncated = batch.values("truncated")
    for i in range(len(batch)):
        if not len(query.row(i)) or not len(whole.row(i)):
            values.skip(i, "not_applicable")
        elif truncated[i]:
            values.skip(i, "truncated")
        elif beyond[i]:
            values.skip(i, "over_budget")
        else:
            all_of_it = float(cosines(whole.row(i), query.row(i))[0, 0])
            near = np.sort(cosines(piece.row(i), query.row(i))[:, 0])[::-1][:_BEST_SENTENCES]
            best = float(near.mean()) if len(near) else all_of_it
            values.set(i, max(0.0, (all_of_it + best) / 2))
    return Scores({"answer_relevance": values})
