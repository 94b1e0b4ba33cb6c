"""What the model `user_correction` sees of a turn and the answer before it, as named numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.text.tokens import content_words, stem
from evalkit.text.user_acts import Asked, UserActs, asked, user_acts

__all__ = ["TURN_INPUTS", "is_goodbye", "turn_inputs"]

#: Inputs of the model `user_correction`. All are 0 or 1, and 1 where there is more of a rejection.
TURN_INPUTS = (
    "goodbye",
    "corrects",
    "takes_back",
    "no",
    "no_to_proposal",
    "declines",
    "defers",
    "puts_off_proposal",
    "hesitates",
    "changes",
    "changes_proposal",
    "no_yes_to_proposal",
    "restates_proposal",
    "other_number",
    "no_yes",
    "no_alternatives",
)
# As in `user_acts`: what a turn does is told where it begins; a pasted document is no act.
_HEAD, _TAIL = 600, 400


def is_goodbye(turn: str, answer: str) -> bool:
    """Whether a turn only says that nothing more is needed, to an answer that offers more help.

    >>> is_goodbye("No, that's all. Thanks!", "Is there anything else that I can do?")
    True
    """
    return _leaves(user_acts(turn), asked(answer))


def turn_inputs(turn: str, answer: str) -> NDArray[np.float64]:
    """Inputs of the model `user_correction`, float64 [len(TURN_INPUTS)].

    Args:
        turn: what the user says.
        answer: what the assistant said before it.
    """
    acts, before = user_acts(turn), asked(answer)
    row = np.zeros(len(TURN_INPUTS))
    if _leaves(acts, before):
        row[0] = 1.0
        return row
    no_yes = not acts.yes
    proposal = before.confirm or before.offers
    row[1:] = (
        acts.corrects,
        acts.takes_back,
        # "no" to "did you know ...?" is an answer, and no rejection of one
        acts.no and (proposal or not before.question),
        acts.no and proposal,
        acts.declines,
        acts.defers,
        (acts.defers or acts.declines) and proposal,
        acts.hesitates,
        acts.changes,
        (acts.changes or acts.hesitates) and before.confirm and no_yes,
        no_yes and before.confirm,
        *(_replaced(turn, answer) if no_yes and before.confirm else (False, False)),
        no_yes,
        not acts.alternatives,
    )
    return row


def _leaves(acts: UserActs, before: Asked) -> bool:
    if not before.more or acts.corrects or acts.takes_back or acts.changes:
        return False
    return acts.no or acts.closes or ((acts.thanks or acts.declines) and not acts.asks)


def _replaced(turn: str, answer: str) -> tuple[bool, bool]:
    """Whether the turn has other content words than the answer, and another number for one of
    its."""
    said, known = _stems(turn.strip()[:_HEAD]), _stems(answer.rstrip()[-_TAIL:])
    numbers, known_numbers = _numbers(said), _numbers(known)
    return bool(said - known), bool(known_numbers) and bool(numbers - known_numbers)


def _stems(text: str) -> set[str]:
    return {stem(word) for word in content_words(text)}


def _numbers(stems: set[str]) -> set[str]:
    return {word for word in stems if word[:1].isdigit()}
