"""Whether a response speaks to what was asked, by a shipped model on the features of
`scoring/relevance`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.calibration import Logistic
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.relevance import relevance_of
from evalkit.scoring.scorers.abstention import abstentions

__all__ = ["answer_relevance", "answer_relevance_inputs"]


@scorer(
    "answer_relevance",
    version="2",
    needs=("query", "response", "truncated", "embeddings", "models"),
    metrics=(
        Metric(
            "answer_relevance",
            "probability",
            "lower",
            "probability that the response speaks to what was asked",
            headline=True,
        ),
    ),
)
def answer_relevance(batch: Batch) -> Scores:
    """The probability that a response addresses its question, by the model `answer_relevance`.

    It looks at the cosines of the question with the whole response and with those of its sentences
    that add something to the question's own words, at the share of the question's subject that the
    response takes up, at whether it holds the kind of thing that is asked for (a time for "when"),
    and at whether it only repeats the question, talks about it or asks back. Cosines count less the
    shorter the response is, so that a bare "1969" is not held for a stray one. It says that the
    question is met, not that the answer is right: read it beside groundedness. The model's card
    says what it was fitted on, how well it does and where it fails. Sentence vectors: Reimers and
    Gurevych (2019), arXiv:1908.10084.

    A response that declines is abstained: it is counted by `abstention`, and a night with more
    refusals must not look like one with stray answers. No query, no response, or a query that names
    neither a subject nor a kind of answer ("Summarize the following news."): not_applicable. Cut in
    the log: truncated. Longer than 60,000 characters or 400 sentences: over_budget.
    """
    model: Logistic = batch.models["answer_relevance"]
    values = Values(len(batch))
    for row, (seen, relevance) in enumerate(
        zip(answer_relevance_inputs(batch), relevance_of(batch), strict=True)
    ):
        if seen is not None:
            values.set(row, float(model.probability(seen[None])[0]))
        else:
            values.skip(row, relevance.status or "abstained")
    return Scores({"answer_relevance": values})


def answer_relevance_inputs(batch: Batch) -> list[NDArray[np.float64] | None]:
    """What the model sees of each row; None where it has no value."""
    rows = zip(relevance_of(batch), abstentions(batch), strict=True)
    return [
        relevance.inputs if relevance.status is None and not declined else None
        for relevance, declined in rows
    ]
