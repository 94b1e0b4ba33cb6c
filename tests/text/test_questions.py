"""What kind of answer a question asks for, and whether a text holds one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.questions import KINDS, AnswerKind, asks, expected, holds
from evalkit.text.tokens import words


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many seats does the hall have?", "number"),
        ("what's the population of france", "number"),
        ("how old is the pope", "number"),
        ("When was the tower built?", "date"),
        ("in what year did the war end", "date"),
        ("who wrote hamlet", "person"),
        ("which actor played the sheriff", "person"),
        ("who was president when the wall fell", "person"),
        ("Where are my invoices?", "place"),
        ("what city has the most bridges", "place"),
        ("Is breakfast included?", "yes_no"),
        ("can i return shoes after a month", "yes_no"),
        ("why is the sky blue", "reason"),
        ("what is the reason for the delay", "reason"),
        ("how do i reset my password", "how_to"),
        ("what does ASAP mean", "definition"),
        ("what is a monad", "definition"),
        ("what are the symptoms of flu", "list"),
        ("name the four layers of the earth", "list"),
    ],
)
def test_the_wording_says_what_is_asked_for(question: str, kind: AnswerKind) -> None:
    assert expected(question) == kind


@pytest.mark.parametrize(
    "question",
    [
        "Write a poem about rain.",
        "Summarize the following news.",
        "what college does everyone in gossip girl go to",
        "is the united states a country or a nation",  # answered by one of its own words
        "",
        "?",
    ],
)
def test_what_the_wording_does_not_say_is_not_guessed(question: str) -> None:
    assert expected(question) is None


def test_what_stands_around_the_question_is_passed_over() -> None:
    assert expected("Hi, can you tell me when the office opens?") == "date"
    assert expected("I bought a lamp last week. It broke. Where do I send it? Thanks!") == "place"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "1969"),
        ("date", "336"),
        ("date", "It opened in the spring."),
        ("number", "Twelve."),
        ("number", "There are 1,200 of them."),
        ("person", "Shakespeare"),
        ("person", "It was written by William Shakespeare."),
        ("person", "Only citizens."),
        ("place", "Paris"),
        ("place", "in the retina"),
        ("yes_no", "No."),
        ("reason", "Because the warehouse was closed."),
        ("how_to", "1. Open the settings. 2. Select your name."),
        ("list", "Crust, mantle and core."),
    ],
)
def test_an_answer_of_the_kind_is_seen(kind: AnswerKind, text: str) -> None:
    assert holds(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "It is a tall tower of iron."),
        ("number", "It is a large hall with a stage."),
        ("person", "It is a play about a prince."),
        ("place", "1492"),
        ("yes_no", "Breakfast comes with eggs."),
        ("list", "The crust."),
    ],
)
def test_an_answer_of_another_kind_is_not(kind: AnswerKind, text: str) -> None:
    assert not holds(kind, text)


def test_a_name_that_the_question_gives_itself_answers_nothing() -> None:
    known = set(words("who wrote Hamlet"))
    assert not holds("person", "Hamlet", known)
    assert holds("person", "William Shakespeare", known)


def test_a_question_is_known_by_its_mark_or_its_first_word() -> None:
    assert asks("You are open on Sundays?")
    assert asks("where is it")
    assert not asks("Which is why it closed.")
    assert not asks("It is here.")


@given(question=st.text(max_size=300), text=st.text(max_size=300))
def test_any_text_is_read_without_error(question: str, text: str) -> None:
    assert expected(question) in (None, *KINDS)
    for kind in KINDS:
        assert holds(kind, text, set(words(question))) in (True, False)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["when ", "I want to know ", "1. ", "a?", "\n- ", "A B "])
def test_long_texts_take_bounded_time(part: str) -> None:
    long = part * 50_000
    expected(long)
    for kind in KINDS:
        holds(kind, long)
