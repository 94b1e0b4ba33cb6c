"""What users do with a turn is seen by its phrases, in chat as in bookings; any text is taken."""

from __future__ import annotations

import time
from dataclasses import astuple, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.user_acts import Asked, UserActs, asked, user_acts


@pytest.mark.parametrize(
    ("turn", "act"),
    [
        ("No, I meant the annual plan.", "corrects"),
        ("That's not right.", "corrects"),
        ("that isn’t what I asked", "corrects"),
        ("You misunderstood me", "corrects"),
        ("You forgot the second part of the question.", "corrects"),
        ("Wrong. It opened in 1889.", "corrects"),
        ("This doesn't work", "corrects"),
        ("Are you sure?", "corrects"),
        ("I changed my mind.", "takes_back"),
        ("scratch that, two please", "takes_back"),
        ("Make it two, please", "changes"),
        ("French subtitles instead", "changes"),
        ("Oh, wait, on Tuesday", "hesitates"),
        ("I don't want that", "declines"),
        ("no thanks", "declines"),
        ("Not right now", "defers"),
        ("Maybe later.", "defers"),
        ("Nope", "no"),
        ("Sorry, no", "no"),
        ("Yes, that is correct.", "yes"),
        ("Yeah but not the red one", "but"),
        ("That's all for now", "closes"),
        ("Nothing else, bye!", "closes"),
        ("Thx a lot", "thanks"),
        ("Where is it?", "asks"),
        ("Anything else?", "alternatives"),
        ("Show me another one", "alternatives"),
        ("Do you have other options", "alternatives"),
        ("Can I speak to a human?", "human"),
        ("transfer me to an agent please", "human"),
        ("representative", "human"),
    ],
)
def test_an_act_is_seen(turn: str, act: str) -> None:
    assert getattr(user_acts(turn), act)


@pytest.mark.parametrize(
    ("turn", "act"),
    [
        ("How do refunds work?", "corrects"),
        ("That is right.", "corrects"),
        ("I mean the plot is good though", "corrects"),
        ("No way! That is great", "no"),
        ("no problem", "no"),
        ("That is not right.", "yes"),
        ("What does the user agent header mean?", "human"),
        ("Which human organs filter blood?", "human"),
        ("I was in Rome at the time", "defers"),
        ("Notify me when it is done", "no"),
    ],
)
def test_an_act_that_is_none(turn: str, act: str) -> None:
    assert not getattr(user_acts(turn), act)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("It is booked. Is there anything else I can do for you?", "more"),
        ("What else do you need?", "more"),
        ("Please confirm: a table for two at seven.", "confirm"),
        ("A table for two at seven. Is that correct?", "confirm"),
        ("Would you like me to write the letter?", "offers"),
        ("Which city?", "question"),
    ],
)
def test_what_an_answer_asks(answer: str, what: str) -> None:
    assert getattr(asked(answer), what)


def test_only_the_head_of_a_turn_and_the_tail_of_an_answer_are_read() -> None:
    pasted = "Summarise this: " + "the report was long. " * 100
    assert user_acts(pasted + "Wrong! I meant no.") == user_acts(pasted)
    assert asked("Anything else? " + "The report was long. " * 100) == Asked(*[False] * 4)


@given(st.text(max_size=300))
def test_any_text_has_acts(text: str) -> None:
    assert all(isinstance(value, bool) for value in astuple(user_acts(text)))
    assert all(isinstance(value, bool) for value in astuple(asked(text)))


PIECES = [
    "a ", " ", "no ", "i ", "i don't ", "that is ", "that's not ", "you ", "yes ", "not ", "what ",
    "speak to ", "is the ", "more ", "other ", "x", "'", "漢", "1", "please ", ", ", "a, but ", "??",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_takes_no_time(piece: str) -> None:
    """100,000 characters take moments, whatever is repeated in them."""
    text = piece * (100_000 // len(piece))
    begin = time.process_time()
    user_acts(text)
    asked(text)
    assert time.process_time() - begin < 1


def test_acts_are_documented() -> None:
    for kind in (UserActs, Asked):
        assert all(f"{field.name}" in (kind.__doc__ or "") for field in fields(kind))
