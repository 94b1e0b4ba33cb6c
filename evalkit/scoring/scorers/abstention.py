"""Whether a response declines to answer: a rule on the cues of `text/abstention`, without a
model."""

from __future__ import annotations

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.text.abstention import cues

__all__ = ["abstention", "abstentions", "is_abstention"]

# A response that begins by declining may go on to explain; one that ends so has mostly answered.
_SHARE_WHEN_FIRST = 0.4
_SHARE_ANYWHERE = 0.6
# A cue beyond this is a hedge in passing: no answer declines after ten thousand characters.
_MAX_CHARS = 10_000


def is_abstention(response: str) -> bool:
    """Whether a response as a whole declines to answer.

    It does when it says nothing else; when it begins by declining and at least 40 % of it (in
    characters) are sentences that decline; or when at least 60 % of it are, wherever they stand.
    So a long answer that hedges in passing is none, and neither is one that first declines and
    then answers in full.

    >>> is_abstention("Sorry, the passages do not mention his age. Let me know if I can help.")
    True
    >>> is_abstention("It opened in 1889 and was the tallest tower. The text does not say why.")
    False
    """
    if len(response) > _MAX_CHARS:
        return False
    found = cues(response)
    if not found.cue_sentences or found.share is None:
        return False
    if found.is_whole or found.share >= _SHARE_ANYWHERE:
        return True
    return not found.content_before and found.share >= _SHARE_WHEN_FIRST


def abstentions(batch: Batch) -> list[bool | None]:
    """The verdict of each row, made once per batch; None where there is no response."""

    def make() -> list[bool | None]:
        return [None if text is None else is_abstention(text) for text in batch.strings("response")]

    return batch.memo("abstentions", make)


@scorer(
    "abstention",
    version="1",
    needs=("response",),
    metrics=(
        Metric(
            "abstention",
            "share",
            "higher",
            "responses that decline to answer: refusals, and answers that the context does not say",
        ),
    ),
)
def abstention(batch: Batch) -> Scores:
    """1 when the response declines to answer, else 0; without a response not_applicable.

    The rule is that of `is_abstention`: what share of the response declines, and where that stands.
    """
    values = Values(len(batch))
    for row, verdict in enumerate(abstentions(batch)):
        if verdict is None:
            values.skip(row, "not_applicable")
        else:
            values.set(row, float(verdict))
    return Scores({"abstention": values})
