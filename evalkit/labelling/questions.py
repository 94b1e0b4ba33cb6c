"""The question that a person is asked about a metric. Yes is 1 on the metric's scale, no is 0."""

from __future__ import annotations

from evalkit.errors import EvalkitError
from evalkit.metrics import Metric

__all__ = ["question_of"]

_ABOUT_A_PERSON = {"probability", "share", "score"}
#: For metrics whose description is no question by itself; any other metric is asked by its description.
_QUESTIONS = {
    "hallucination": "Does the answer say anything that the passages do not support?",
    "groundedness": "Do the passages support everything that the answer says?",
    "answer_relevance": "Does the answer respond to the question?",
    "context_relevance": "Do the passages help to answer the question?",
    "context_sufficiency": "Could the question be answered from these passages alone?",
    "abstention": "Does the answer decline to answer?",
    "user_correction": "Does the user's next message correct or reject the answer?",
}


def question_of(metric: Metric) -> str:
    """The yes/no question behind a metric.

    Raises:
        EvalkitError: the metric measures money, time or tokens; nobody can judge that by reading.

    >>> question_of(Metric("tone", "probability", "higher", "probability that the answer is rude"))
    'Is it true that the answer is rude?'
    """
    if metric.unit not in _ABOUT_A_PERSON:
        raise EvalkitError(
            f"{metric.name!r} is measured in {metric.unit}; a person cannot judge it by reading. "
            "Ask about a metric between 0 and 1, for example hallucination."
        )
    known = _QUESTIONS.get(metric.name)
    if known is not None:
        return known
    about = metric.about.removeprefix("probability that ")
    return f"Is it true that {about}?" if about != metric.about else f"Is this so: {about}?"
