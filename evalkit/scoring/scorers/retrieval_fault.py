"""Where a bad answer went wrong: in finding the right chunk, in ranking it, in using it, or nowhere
in the pipeline because nothing in the corpus answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Evidence, Scores, Values, scorer
from evalkit.scoring.corpus import Corpus
from evalkit.scoring.ranking import Judged, Question, chunk_inputs, judge, judged, reader_of
from evalkit.scoring.scorers.abstention import abstentions
from evalkit.scoring.scorers.groundedness import is_hallucinated
from evalkit.scoring.similarity import cosines
from evalkit.text.feedback import is_negative

__all__ = ["FAULTS", "Fault", "bad_answers", "fault_of", "retrieval_fault"]

Fault = Literal["retriever_miss", "ranked_out", "ignored_by_generator", "not_in_corpus"]
FAULTS: tuple[Fault, ...] = (
    "retriever_miss",
    "ranked_out",
    "ignored_by_generator",
    "not_in_corpus",
)
#: What is said of an answer with this fault.
_SAID: Mapping[Fault, str] = {
    "retriever_miss": "a better chunk was in the corpus and was not retrieved",
    "ranked_out": "the chunk that answers was ranked below most of the others",
    "ignored_by_generator": "a chunk that answers stood near the top and was not used",
    "not_in_corpus": "no chunk of the corpus answers the question",
}
# Two chunks this near are one passage, cut or indexed twice: neither is ahead of the other.
_ALIKE = 0.9
# What a lead of so much log-odds of relevance is worth in log-odds of answering.
_LEAD = 2.0
# Probabilities nearer to 0 and 1 are taken as this: log-odds have to be finite.
_LEAST = 1e-9


def bad_answers(batch: Batch) -> list[bool]:
    """Which answers are bad enough to ask why.

    Bad is: hallucinated (the probability is at or above the shipped threshold); declined although
    something was asked, since the person who asked got nothing; voted down (`text/feedback`); or
    rewritten by a person. A low relevance alone is not: it speaks of the chunks, and the split
    would explain itself.
    """
    hallucinated = is_hallucinated(batch)
    declined, responses = abstentions(batch), batch.strings("response")
    feedback, corrected = batch.values("feedback"), batch.strings("corrected_response")
    return [
        responses[i] is not None
        and (
            bool(declined[i])
            or hallucinated[i]
            or _is_voted_down(feedback[i])
            or (corrected[i] is not None and corrected[i] != responses[i])
        )
        for i in range(len(batch))
    ]


def fault_of(given: Judged, others: Judged | None, threshold: float) -> Fault | None:
    """The one fault of a bad answer, from what the models say of its chunks.

    The chunk that speaks best of what was asked is sought among those given and those that the
    corpus holds besides. It counts as an answer by the log-odds that it answers plus its lead: by
    how much log-odds of relevance it is ahead of the next chunk that says something else. A chunk
    that was written about what is asked stands out; where none was, the best of many is as good as
    the next.

    If it does not count as an answer, nothing in the corpus does. If it was not given, the
    retriever missed it. If at least half of what was given stands above it, it was ranked out:
    readers and models lose what stands deep (Liu et al. 2024, Lost in the middle, TACL 12:157).
    Otherwise the answer had what it needed and ignored it.

    Args:
        given: the retrieved chunks, best rank first; may be none.
        others: the nearest chunks of the corpus that were not retrieved; None without a corpus.
        threshold: from which probability (of log-odds with lead) on a chunk answers.
    Returns:
        The fault; None when that cannot be said without a corpus.
    """
    sides = [given] if others is None else [given, others]
    relevance = np.concatenate([side.relevance for side in sides])
    answers = np.concatenate([side.answers for side in sides])
    best = int(relevance.argmax()) if len(relevance) else None
    if best is None or _log_odds(answers[best]) + _LEAD * _lead(sides, best) < _log_odds(threshold):
        return None if others is None else "not_in_corpus"
    if best >= len(given.relevance):
        return "retriever_miss"
    return "ranked_out" if best > 0 and best >= len(given.relevance) / 2 else "ignored_by_generator"


def _lead(sides: Sequence[Judged], best: int) -> float:
    """Log-odds of relevance by which the best chunk is ahead of the next that is not its like."""
    relevance = np.concatenate([side.relevance for side in sides])
    vectors = np.concatenate([side.vectors for side in sides if len(side.relevance)])
    unlike = cosines(vectors, vectors[best : best + 1])[:, 0] < _ALIKE
    if not unlike.any():
        return 0.0
    return _log_odds(relevance[best]) - _log_odds(relevance[unlike].max())


def _log_odds(probability: float) -> float:
    bounded = min(max(float(probability), _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))


@scorer(
    "retrieval_fault",
    version="3",
    needs=(
        "query",
        "response",
        "contexts",
        "feedback",
        "corrected_response",
        "truncated",
        "embeddings",
        "models",
        "corpus",
    ),
    metrics=(
        Metric(
            "fault_retriever_miss",
            "share",
            "higher",
            "of bad answers, those for which a better chunk was in the corpus and not retrieved",
        ),
        Metric(
            "fault_ranked_out",
            "share",
            "higher",
            "of bad answers, those whose answering chunk was ranked below most of the others",
        ),
        Metric(
            "fault_ignored_by_generator",
            "share",
            "higher",
            "of bad answers, those that had an answering chunk near the top and did not use it",
        ),
        Metric(
            "fault_not_in_corpus",
            "share",
            "higher",
            "of bad answers, those to whose question no chunk of the corpus has an answer",
        ),
    ),
)
def retrieval_fault(batch: Batch) -> Scores:
    """For each bad answer (`bad_answers`) the one place where it went wrong (`fault_of`): that
    metric is 1, the other three are 0.

    The corpus is every distinct chunk that was retrieved in the last 90 days (at most 200,000, the
    newest): it holds what the retriever could find on some other question. What was never
    retrieved is not known, so `fault_not_in_corpus` may also be a document that no question ever
    reached.

    Evidence: the whole response, with the fault in words.

    Not a bad answer, no query, no contexts in the log (contexts [] is a retriever that found
    nothing): not_applicable. So is a bad answer without an answering chunk where there is no corpus
    (scores of a frame at hand). Cut in the log: truncated. Too long: over_budget.
    """
    n = len(batch)
    columns = {name: Values(n) for name in (f"fault_{fault}" for fault in FAULTS)}
    bad, given = bad_answers(batch), judged(batch)
    contexts, queries = batch.values("contexts"), batch.strings("query")
    truncated, beyond = batch.values("truncated"), batch.over_budget("contexts")
    cut = batch.models["context_sufficiency"].threshold
    responses = batch.strings("response")
    evidence: dict[int, list[Evidence]] = {}
    for i in range(n):
        fault: Fault | None = None
        status = "not_applicable"
        if bad[i] and queries[i] is not None and contexts[i] is not None:
            if truncated[i]:
                status = "truncated"
            elif beyond[i]:
                status = "over_budget"
            else:
                known = given[i] or _nothing(batch)
                corpus = batch.corpus(i)
                others = None if corpus is None else _others(batch, i, corpus)
                fault = fault_of(known, others, cut)
        for name, values in columns.items():
            if fault is None:
                values.skip(i, status)
            else:
                values.set(i, float(name == f"fault_{fault}"))
        if fault is not None:
            whole = len(responses[i] or "")
            evidence[i] = [Evidence("retrieval_fault", 0, whole, None, _SAID[fault])]
    return Scores(columns, evidence)


def _is_voted_down(feedback: Sequence[Mapping[str, Any] | None] | None) -> bool:
    return any(
        item is not None and is_negative(item["name"], item["value"], item["label"]) is True
        for item in feedback or ()
    )


def _nothing(batch: Batch) -> Judged:
    return judge((), batch.embed("contexts", by="text").vectors[:0], batch.models)


def _others(batch: Batch, row: int, corpus: Corpus) -> Judged:
    """What the models say of the nearest chunks of the corpus that the row was not given."""
    question = Question.of(batch.strings("query")[row] or "")
    asked: NDArray[np.float32] = batch.embed("query", by="text").row(row)[0]
    reader = reader_of(batch)
    passages = corpus.search(question, asked, [chunk.text for chunk in batch.chunks()[row]])
    return judge(
        (
            chunk_inputs(question, reader.read(p.text, p.spans), asked, p.whole, p.pieces)
            for p in passages
        ),
        np.array([p.whole for p in passages], dtype=np.float32).reshape(-1, len(asked)),
        batch.models,
    )
