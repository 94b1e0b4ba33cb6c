"""Whether a response declines to answer: a rule on the cues of `text/abstention`, without a
model."""

from __future__ import annotations

import math

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.text.abstention import AbstentionCues, cues

__all__ = ["abstention", "abstention_grade", "abstentions", "is_abstention"]

# A cue beyond this is a hedge in passing: no answer declines after ten thousand characters.
_MAX_CHARS = 10_000
# Points of a response, in log-odds; a round version of what a logistic regression gives on the
# development half of tests/data/abstention.jsonl.
_BASE = -1.5
_DECLINES = 3.5
_DECLINES_FIRST = 1.0
_DECLINES_MOSTLY = 1.0
_DISCLAIMS = 0.7
_ASKS = 1.2
_GENERAL = 0.5
_NOTHING_ELSE = 1.0
_ANSWERS = -1.2
_PER_LOG_WORD = -0.8
_ANSWERS_AT_ONCE = -1.5


def abstention_grade(response: str) -> float:
    """How much of an abstention a response is, in [0, 1]: 0.5 and more declines to answer.

    Points are added for declining (more when it comes first), for saying what the speaker lacks,
    for asking back and for speaking in general; taken away for an answer beside it, by the
    logarithm of its content words, and for one that follows at once. So a long answer that hedges
    in passing is none, and neither is one that first declines and then answers.

    >>> abstention_grade("Sorry, the passages do not mention his age.") > 0.9
    True
    >>> abstention_grade("The context does not say. It was 1969.") < 0.5
    True
    """
    if len(response) > _MAX_CHARS:
        return 0.0
    return 1 / (1 + math.exp(-_points(cues(response))))


def _points(found: AbstentionCues) -> float:
    roles = [clause.role for clause in found.clauses]
    told = [role for role in roles if role in {"declines", "general", "content"}]
    words = sum(clause.words for clause in found.clauses if clause.role == "content")
    points = _BASE
    if "declines" in roles:
        points += _DECLINES
        if told[0] == "declines":
            points += _DECLINES_FIRST
        if 2 * told.count("declines") > len(told):
            points += _DECLINES_MOSTLY
        after = roles.index("declines") + 1
        if after < len(roles) and roles[after] == "content":
            points += _ANSWERS_AT_ONCE
    if "disclaims" in roles:
        points += _DISCLAIMS
    if "asks" in roles:
        points += _ASKS
    if "general" in roles:
        points += _GENERAL
    if "content" in roles:
        points += _ANSWERS + _PER_LOG_WORD * math.log1p(words)
    elif "declines" in roles or "disclaims" in roles:
        points += _NOTHING_ELSE
    return points


def is_abstention(response: str) -> bool:
    """Whether a response as a whole declines to answer: its grade is 0.5 or more.

    >>> is_abstention("Sorry, the passages do not mention his age. Let me know if I can help.")
    True
    >>> is_abstention("It opened in 1889 and was the tallest tower. The text does not say why.")
    False
    """
    return abstention_grade(response) >= 0.5


def abstentions(batch: Batch) -> list[bool | None]:
    """The verdict of each row, made once per batch; None where there is no response."""

    def make() -> list[bool | None]:
        return [None if text is None else is_abstention(text) for text in batch.strings("response")]

    return batch.memo("abstentions", make)


@scorer(
    "abstention",
    version="2",
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

    The rule is that of `abstention_grade`: how clearly the response declines, and how much of an
    answer stands beside it. "As an AI I have no live data, but it opened in 1889" answers; "I could
    not find when it opened" declines, whatever else it then tells.
    """
    values = Values(len(batch))
    for row, verdict in enumerate(abstentions(batch)):
        if verdict is None:
            values.skip(row, "not_applicable")
        else:
            values.set(row, float(verdict))
    return Scores({"abstention": values})
