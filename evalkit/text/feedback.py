"""Whether a piece of feedback is for or against an answer, from how logs name and count it."""

from __future__ import annotations

import re

from evalkit.text.word_lists import word_set

__all__ = ["is_negative"]

# What users give; a score of another name ("hallucination", "toxicity") may be a machine's, and 1
# may be bad.
_OF_USERS = re.compile(
    r"thumb|user|feedback|rating|rate\b|stars?\b|satisf|csat|helpful|useful|like|vote|reaction"
    r"|accept|quality|score$",
    re.IGNORECASE,
)
_STARS = re.compile(r"rating|stars?\b|csat|satisf|rate\b", re.IGNORECASE)
_AGAINST = re.compile(
    r"dislike|thumbs?[-_ ]?down|downvote|unhelpful|not[-_ ]helpful", re.IGNORECASE
)
_BAD = word_set(
    "thumbs_down thumbsdown thumb_down thumbdown down negative bad dislike disliked poor terrible "
    "unhelpful not_helpful downvote no false wrong incorrect rejected reject unsatisfied "
    "dissatisfied not_good very_bad awful \U0001f44e"
)
_GOOD = word_set(
    "thumbs_up thumbsup thumb_up thumbup up positive good like liked great excellent helpful upvote "
    "yes true right correct accepted accept satisfied very_good \U0001f44d"
)
_MAX_STARS = 5.0


def is_negative(name: str | None, value: float | None, label: str | None) -> bool | None:
    """Whether one piece of feedback is negative; None where that cannot be told.

    A label that says so decides. Else the value, where the name is one that users' feedback has:
    below 0 is negative, and so is below a half in [0, 1]; a rating from 1 to 5 is negative up to 2
    and tells nothing at 3. Other scales, and scores of other names, tell nothing.

    >>> is_negative("user-thumbs", 0.0, None), is_negative("rating", 5.0, None)
    (True, False)
    >>> is_negative("hallucination", 0.0, None) is None
    True
    """
    said = re.sub(r"[\s-]+", "_", (label or "").strip().casefold())[:40]
    said = re.sub(r"[\ufe0f\U0001f3fb-\U0001f3ff]", "", said)  # skin tones and the emoji mark
    if said in _BAD:
        return True
    if said in _GOOD:
        return False
    name = (name or "")[:100]
    if value is None or not _OF_USERS.search(name):
        return None
    if _AGAINST.search(name):  # "dislike = 1"
        return value > 0 if 0 <= value <= 1 else None
    if value < 0:
        return True
    if _STARS.search(name) and value >= 1 and value == int(value):
        return None if value > _MAX_STARS or value == 3 else value < 3
    return value < 0.5 if value <= 1 else None
