"""What users do about an answer: reject or correct it, ask again, leave, edit it, vote it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.calibration import Logistic
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.rejection import turn_inputs
from evalkit.scoring.scorers.abstention import abstentions
from evalkit.scoring.similarity import cosines
from evalkit.scoring.turns import QUERY_CHARS, clipped
from evalkit.text import tokens
from evalkit.text.edits import edit_share
from evalkit.text.feedback import is_negative
from evalkit.text.tokens import content_words, stem
from evalkit.text.user_acts import user_acts
from evalkit.text.word_lists import word_set

__all__ = [
    "abandonment",
    "answer_edited",
    "user_behaviour",
    "user_correction_inputs",
    "user_feedback",
]

#: A question that comes again within this time of the first is a retry.
RETRY_SECONDS = 300.0
# The same words, the same meaning: shares of content words in both, and cosines.
_SAME_WORDS = 0.8
_LIKE_WORDS = 0.6
_LIKE_MEANING = 0.8
_SOUGHT = word_set("who whose where when why")
_NOTHING: float | None = None


@dataclass(frozen=True)
class _Turn:
    """A user's turn and what stood before it; None where that is not known."""

    text: str
    query: str | None
    answer: str | None
    seconds: float | None


_METRICS = (
    Metric(
        "user_correction",
        "probability",
        "higher",
        "probability that the turn rejects or corrects the answer before it",
    ),
    Metric(
        "user_rephrase",
        "share",
        "higher",
        "turns that ask the question before them again in other words",
    ),
    Metric(
        "user_retry",
        "share",
        "higher",
        "turns that repeat the question before them within five minutes",
    ),
    Metric(
        "asks_alternatives",
        "share",
        "higher",
        "turns that ask for another answer, option or result than they got",
    ),
    Metric("asks_for_human", "share", "higher", "turns that ask for a person"),
)


@scorer(
    "user_behaviour",
    version="1",
    needs=("interaction_id", "query", "history", "turns", "embeddings", "models"),
    metrics=_METRICS,
)
def user_behaviour(batch: Batch) -> Scores:
    """What the user's turn does about the answer before it, from its phrases and from what stood
    there.

    What stood before a turn is the end of its `history`; without one, the turn before it in the
    same session, of the same day or the day before. Without either, and for the first turn of a
    session, there is nothing to react to: not_applicable. The values stand on the reacting turn,
    not on the answer.

    `user_correction`: the shipped model of that name (see its card): phrases that correct, decline
    or put off, read against what the answer had asked for. "No, that's all, thanks" counts a fifth.
    `user_rephrase`: the turn before shares most content words, or its meaning (cosine), and neither
    names another number or name; a follow-up about something else is none. `user_retry`: the same
    content words again within 300 seconds; without times not_applicable. `asks_alternatives` and
    `asks_for_human`: phrases; English.
    """
    model: Logistic = batch.models["user_correction"]
    columns = {metric.name: Values(len(batch)) for metric in _METRICS}
    turns = _turns(batch)
    alike, seen = _alike(batch, turns), user_correction_inputs(batch)
    for i, (turn, (words, meaning), inputs) in enumerate(zip(turns, alike, seen, strict=True)):
        said = dict.fromkeys(columns, _NOTHING) if turn is None else _said(turn, words, meaning)
        if inputs is not None:
            said["user_correction"] = float(model.probability(inputs[None])[0])
        for name, values in columns.items():
            value = said[name]
            if value is None:
                values.skip(i, "not_applicable")
            else:
                values.set(i, value)
    return Scores(columns)


def user_correction_inputs(batch: Batch) -> list[NDArray[np.float64] | None]:
    """What the model sees of each turn; None where no answer stood before it."""
    return [
        None if turn is None or turn.answer is None else turn_inputs(turn.text, turn.answer)
        for turn in _turns(batch)
    ]


def _said(turn: _Turn, words: float, meaning: float) -> dict[str, float | None]:
    """What the rules say of a turn; None where they do not apply."""
    acts = user_acts(turn.text)
    found: dict[str, float | None] = {
        "user_correction": None,
        "user_rephrase": None,
        "user_retry": None,
        "asks_alternatives": float(acts.alternatives),
        "asks_for_human": float(acts.human),
    }
    if turn.query is not None:
        found["user_rephrase"] = float(_is_rephrase(turn.text, turn.query, words, meaning))
        if turn.seconds is not None:
            found["user_retry"] = float(words >= _SAME_WORDS and turn.seconds <= RETRY_SECONDS)
    return found


def _turns(batch: Batch) -> list[_Turn | None]:
    return batch.memo("turns before", lambda: _read_turns(batch))


def _read_turns(batch: Batch) -> list[_Turn | None]:
    rows = zip(batch.strings("query"), batch.values("history"), batch.places(), strict=True)
    found: list[_Turn | None] = []
    for text, history, place in rows:
        query, answer = _before(history, text)
        seconds = None
        if place is not None:
            seconds = place.seconds
            if query is None and answer is None:
                query, answer = place.query, place.answer
        known = text is not None and (query is not None or answer is not None)
        found.append(_Turn((text or "")[:QUERY_CHARS], query, answer, seconds) if known else None)
    return found


def _before(
    history: list[dict[str, Any]] | None, text: str | None
) -> tuple[str | None, str | None]:
    """The last question and answer of a conversation, which may or may not end with the turn
    itself."""
    said = [m for m in history or [] if m and m.get("role") in {"user", "assistant"}]
    if said and said[-1]["role"] == "user" and said[-1].get("content") == text:
        said.pop()
    last = {message["role"]: message.get("content") for message in said}
    return clipped(last.get("user"), last.get("assistant"))


def _alike(batch: Batch, turns: list[_Turn | None]) -> list[tuple[float, float]]:
    """Per row the share of content words in both questions, and the cosine of their meaning."""
    rows = [i for i, turn in enumerate(turns) if turn is not None and turn.query is not None]
    found = [(0.0, 0.0)] * len(turns)
    texts = [(turn.text, turn.query) for i in rows if (turn := turns[i]) and turn.query]
    before = batch.vectors([query for _, query in texts])
    now = batch.embed("query", by="text")
    for k, i in enumerate(rows):
        text, query = texts[k]
        a, b = _stems(text), _stems(query)
        words = len(a & b) / len(a | b) if a | b else 0.0
        found[i] = (words, float(cosines(now.row(i), before[k : k + 1])[0, 0]))
    return found


def _is_rephrase(text: str, query: str, words: float, meaning: float) -> bool:
    if text.split() == query.split():
        return False  # the same words are a retry
    if words < _LIKE_WORDS and meaning < _LIKE_MEANING:
        return False
    sought, sought_before = (_SOUGHT & set(tokens.words(t)) for t in (text, query))
    if sought and sought_before and sought != sought_before:
        return False  # "where" after "who" is another question
    new, old = _particulars(text), _particulars(query)
    return not (new - old and old - new)


def _stems(text: str) -> set[str]:
    return {stem(word) for word in content_words(text)}


def _particulars(text: str) -> set[str]:
    """Numbers, and words with a capital that do not begin a sentence: what a question is about."""
    found = set()
    for word in text.split()[1:]:
        bare = word.strip(".,;:!?\"'()")
        if bare[:1].isupper() or any(c.isdigit() for c in bare):
            found.add(bare.casefold())
    return found


@scorer(
    "abandonment",
    version="1",
    needs=("interaction_id", "response", "status", "turns"),
    metrics=(
        Metric(
            "abandoned",
            "share",
            "higher",
            "answers that failed or declined, and after which the session had no further turn",
        ),
    ),
)
def abandonment(batch: Batch) -> Scores:
    """1 when the call failed or its answer declines, and no turn of the session follows on the day;
    else 0.

    A log does not show who left content. So an end after an answer counts as no abandonment, and an
    end after a failure as one, though the user may come back another day: later days are never
    looked at, so that a day's scores stay the same. No session, or a last turn less than half an
    hour before the day's log ends: not_applicable.
    """
    values = Values(len(batch))
    rows = zip(batch.places(), batch.values("status"), abstentions(batch), strict=True)
    for i, (place, status, declined) in enumerate(rows):
        if place is None or place.is_last is None or (status is None and declined is None):
            values.skip(i, "not_applicable")
        else:
            values.set(i, float(place.is_last and (status == "error" or declined is True)))
    return Scores({"abandoned": values})


@scorer(
    "answer_edited",
    version="1",
    needs=("response", "corrected_response", "truncated"),
    metrics=(
        Metric(
            "corrected_by_edit",
            "score",
            "higher",
            "share of an answer's words that a person changed before using it",
        ),
    ),
)
def answer_edited(batch: Batch) -> Scores:
    """Word edits between the answer and the one that a person made of it, over the words of the
    longer one.

    0 is an answer that was kept as it was, 1 one of which nothing stayed. No edited answer in the
    log: not_applicable (it says nothing about whether somebody would have edited it). Longer than
    3,000 words: over_budget.
    """
    values = Values(len(batch))
    rows = zip(
        batch.strings("response"),
        batch.strings("corrected_response"),
        batch.values("truncated"),
        strict=True,
    )
    for i, (response, edited, cut) in enumerate(rows):
        if response is None or edited is None:
            values.skip(i, "not_applicable")
        elif cut:
            values.skip(i, "truncated")
        elif (share := edit_share(response, edited)) is None:
            values.skip(i, "over_budget")
        else:
            values.set(i, share)
    return Scores({"corrected_by_edit": values})


@scorer(
    "user_feedback",
    version="1",
    needs=("feedback",),
    metrics=(
        Metric(
            "negative_feedback",
            "share",
            "higher",
            "answers with explicit feedback against them, of those that got any",
        ),
    ),
)
def user_feedback(batch: Batch) -> Scores:
    """1 when a thumb, vote, rating or label of a user is against the answer, else 0.

    Several pieces of feedback: one against it is enough. None, or none that can be read as for or
    against (a comment, a machine's score, a scale that is not known): not_applicable. Few users
    give any, and the discontent more often: read it as a sign, not as a rate of bad answers.
    """
    values = Values(len(batch))
    for i, feedback in enumerate(batch.values("feedback")):
        verdicts = [
            is_negative(item.get("name"), item.get("value"), item.get("label"))
            for item in feedback or []
            if item
        ]
        told = [verdict for verdict in verdicts if verdict is not None]
        if told:
            values.set(i, float(any(told)))
        else:
            values.skip(i, "not_applicable")
    return Scores({"negative_feedback": values})
