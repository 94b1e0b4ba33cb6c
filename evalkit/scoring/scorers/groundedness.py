"""Whether a response stands on its contexts, sentence by sentence, by two shipped models on the
features of `scoring/support`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.calibration import Logistic
from evalkit.scoring.contract import Evidence, Scores, Values, scorer
from evalkit.scoring.features import response_inputs, sentence_inputs
from evalkit.scoring.scorers.abstention import abstentions
from evalkit.scoring.support import Support, support_of
from evalkit.scoring.verification import Verified, verified
from evalkit.text.sentences import Span

__all__ = [
    "Judgement",
    "groundedness",
    "hallucination_inputs",
    "is_hallucinated",
    "judgements",
    "marked_words",
    "statuses",
]

# Log-odds from which on a word is marked: the best F1 of tokens on edited claims of sources that the
# verifier's training left out (`datasets/train/verifier.py` prints it), no set that is reported on.
_WORD_CUT = 0.75
# Evidence is for people to read; a row keeps its first so many spans of each metric.
_MAX_SPANS = 200


@scorer(
    "groundedness",
    version="1",
    needs=("query", "response", "contexts", "truncated", "embeddings", "models"),
    metrics=(
        Metric(
            "groundedness",
            "score",
            "lower",
            "share of the response's sentences that its contexts support",
            headline=True,
        ),
        Metric(
            "hallucination",
            "probability",
            "higher",
            "probability that something in the response is not supported by its contexts",
            headline=True,
        ),
    ),
)
def groundedness(batch: Batch) -> Scores:
    """How far the contexts support the response: words and sentence embeddings find the evidence of
    each sentence and how much of it is there.

    `groundedness` is the mean, over the sentences that claim something, of the probability that the
    contexts support them (model `support`). `hallucination` is the probability that the response
    holds anything unsupported (model `hallucination`, whose card says how well that agrees with
    people, and where it fails). Both rest on words and embeddings (models `support_embeddings` and
    `hallucination_embeddings`), or with `[scoring] verifier = true` on what the verifier makes of
    each claim and its evidence as well (models `support` and `hallucination`).

    Evidence: under `groundedness` each claim sentence, with the chunk that supports it best or
    noted as unsupported; under `hallucination` the words that lack support in sentences that are in
    doubt: those that no context holds, and with the verifier those that it doubts as well.

    No response, no contexts or nothing claimed: not_applicable. Cut in the log: truncated.
    Declined:
    abstained. Longer than 60,000 characters or 400 sentences (contexts: 600,000 or 4,000):
    over_budget.
    """
    grounded, hallucinated = Values(len(batch)), Values(len(batch))
    evidence: dict[int, list[Evidence]] = {}
    model = _models(batch)[0]
    for row, (found, status) in enumerate(zip(judgements(batch), statuses(batch), strict=True)):
        if found is None:
            grounded.skip(row, status or "error")
            hallucinated.skip(row, status or "error")
            continue
        unsupported = found.unsupported
        grounded.set(row, math.fsum(1 - p for p in unsupported) / len(unsupported))
        hallucinated.set(row, found.hallucination)
        ids = [chunk.id for chunk in batch.chunks()[row]]
        evidence[row] = _evidence(found.support, found.reading, unsupported, model, ids)
    return Scores({"groundedness": grounded, "hallucination": hallucinated}, evidence)


@dataclass(frozen=True)
class Judgement:
    """One response: the probability that each claim sentence is unsupported, and that anything is."""

    support: Support
    reading: Verified | None
    unsupported: list[float]
    hallucination: float


def judgements(batch: Batch) -> list[Judgement | None]:
    """The judgement of each row, made once per batch; None where `statuses` says why not."""

    def make() -> list[Judgement | None]:
        sentence_model, response_model = _models(batch)
        readings = _readings(batch)
        found: list[Judgement | None] = [None] * len(batch)
        for row, inputs in enumerate(hallucination_inputs(batch)):
            if inputs is None:
                continue
            support, reading = support_of(batch)[row], readings.get(row)
            unsupported = sentence_model.probability(sentence_inputs(support, reading)).tolist()
            whole = float(response_model.probability(inputs[None])[0])
            found[row] = Judgement(support, reading, unsupported, whole)
        return found

    return batch.memo("judgements", make)


def hallucination_inputs(batch: Batch) -> list[NDArray[np.float64] | None]:
    """What the model of the tier in use sees of each row; None where `statuses` says why not."""
    readings = _readings(batch)
    return [
        response_inputs(support, readings.get(row)) if status is None else None
        for row, (support, status) in enumerate(
            zip(support_of(batch), statuses(batch), strict=True)
        )
    ]


def _readings(batch: Batch) -> Mapping[int, Verified]:
    rows = [row for row, status in enumerate(statuses(batch)) if status is None]
    return verified(batch, rows) or {}


def _models(batch: Batch) -> tuple[Logistic, Logistic]:
    """The models of sentences and of responses, of the tier in use."""
    tier = "" if batch.verifier is not None else "_embeddings"
    return batch.models[f"support{tier}"], batch.models[f"hallucination{tier}"]


def is_hallucinated(batch: Batch) -> list[bool]:
    """Whether each row's probability is at or above the shipped cut; False without one."""
    cut = _models(batch)[1].threshold
    return [found is not None and found.hallucination >= cut for found in judgements(batch)]


def statuses(batch: Batch) -> list[str | None]:
    """Why each row has no groundedness; None where it has."""
    declined = abstentions(batch)
    truncated = batch.values("truncated")
    found: list[str | None] = []
    for row, support in enumerate(support_of(batch)):
        has_both = batch.strings("response")[row] is not None and bool(batch.chunks()[row])
        if has_both and truncated[row]:
            found.append("truncated")
        elif has_both and declined[row]:
            found.append("abstained")
        else:
            found.append(support.status)
    return found


def _evidence(
    support: Support,
    reading: Verified | None,
    unsupported: list[float],
    model: Logistic,
    ids: list[str | None],
) -> list[Evidence]:
    sentences: list[Evidence] = []
    for k, span in enumerate(support.spans):
        if unsupported[k] >= model.strict_threshold:
            sentences.append(Evidence("groundedness", span.start, span.end, None, "unsupported"))
        else:
            best = ids[int(support.chunk_evidence[k].argmax())]
            sentences.append(Evidence("groundedness", span.start, span.end, best, "supported"))
    words = [
        Evidence("hallucination", place.start, place.end, None, "unsupported")
        for place in marked_words(support, reading, unsupported, model)
    ]
    return sentences[:_MAX_SPANS] + words[:_MAX_SPANS]


def marked_words(
    support: Support, reading: Verified | None, unsupported: Sequence[float], model: Logistic
) -> list[Span]:
    """The words of a response that lack support, in sentences that are in doubt.

    Args:
        support, reading: of one row: the words that no context holds, and with a reading those that
            the verifier doubts as well.
        unsupported: probability of each claim sentence, by the model.
        model: of the sentences; its threshold says which are in doubt.
    """
    marked: Sequence[Sequence[Span]] = support.new_words
    if reading is not None:
        both = zip(support.new_words, _doubted(reading), strict=True)
        marked = [_together([*new, *doubted]) for new, doubted in both]
    return [
        place
        # A new word in a sentence that stands on its contexts is paraphrase, not news.
        for places, doubt in zip(marked, unsupported, strict=True)
        if doubt >= model.threshold
        for place in places
    ]


def _doubted(reading: Verified) -> Sequence[Sequence[Span]]:
    """Runs of words at or above the cut, for each claim sentence; a single word between two marked
    ones is marked with them."""
    found: list[list[Span]] = []
    for odds, places in zip(reading.words, reading.places, strict=True):
        runs: list[Span] = []
        last = -2
        for k in (odds >= _WORD_CUT).nonzero()[0].tolist():
            if runs and k - last <= 2:
                runs[-1] = Span(runs[-1].start, places[k].end)
            else:
                runs.append(places[k])
            last = k
        found.append(runs)
    return found


def _together(places: Sequence[Span]) -> list[Span]:
    """Places in order; those that overlap, or have one character between them, made one."""
    found: list[Span] = []
    for place in sorted(places):
        if found and place.start <= found[-1].end + 1:
            found[-1] = Span(found[-1].start, max(found[-1].end, place.end))
        else:
            found.append(place)
    return found
