"""Whether the question could be answered from what was retrieved, whatever the answer says."""

from __future__ import annotations

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.ranking import judged

__all__ = ["context_sufficiency"]


@scorer(
    "context_sufficiency",
    version="1",
    needs=("query", "contexts", "truncated", "embeddings", "models"),
    metrics=(
        Metric(
            "context_sufficiency",
            "probability",
            "lower",
            "probability that the question can be answered from the retrieved chunks",
        ),
    ),
)
def context_sufficiency(batch: Batch) -> Scores:
    """The probability that the best retrieved chunk answers the question (model
    `context_sufficiency`).

    It rests on the words and the vectors of question and chunk, as `context_relevance` does, and
    is fitted to tell chunks that answer from near ones that do not. An answer that has to be put
    together from several chunks looks harder than it is: each is judged alone. Its card says how
    well it does on questions of a kind that it was not fitted on.

    No query or no chunks: not_applicable. Cut in the log: truncated. More text than is read:
    over_budget.
    """
    values = Values(len(batch))
    contexts, queries = batch.values("contexts"), batch.strings("query")
    truncated, beyond = batch.values("truncated"), batch.over_budget("contexts")
    for i, found in enumerate(judged(batch)):
        if truncated[i] and contexts[i]:
            values.skip(i, "truncated")
        elif found is None:
            values.skip(i, "over_budget" if beyond[i] and queries[i] else "not_applicable")
        else:
            values.set(i, float(found.answers.max()))
    return Scores({"context_sufficiency": values})
