"""What users do about answers, on turns that anyone would judge the same way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import ScoringSettings, Settings
from evalkit.encoders import Embedder
from evalkit.scoring import calibration, score_table
from evalkit.text.edits import MAX_WORDS
from tests.scoring.rows import PRICES, table

NAMES = ("user_behaviour", "abandonment", "answer_edited", "user_feedback")
CUT = calibration.load("user_correction").threshold
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def scores(embedder: Embedder, *changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    settings = Settings(base=Path("/nowhere"), scoring=ScoringSettings(include=list(NAMES)))
    return [
        dict(row) for row in score_table(table(*changes), settings, embedder, PRICES).to_pylist()
    ]


def said(row: Mapping[str, Any], metric: str) -> Any:
    """The value, or why there is none."""
    return row[metric] if row[f"{metric}__status"] == "ok" else row[f"{metric}__status"]


def after(answer: str, turn: str, query: str = "Do you have a table for two?") -> dict[str, Any]:
    """A turn after an answer, with its history."""
    messages = [{"role": "user", "content": query}, {"role": "assistant", "content": answer}]
    return {"history": messages, "query": turn}


REJECTS = [
    after("A table for two at seven. Is that correct?", "No, for three people."),
    after("A table for 2 at 7 pm. Please confirm.", "Make it 8 pm instead"),
    after("It opened in 1989.", "That's wrong, I meant the old tower."),
    after("Use the export menu.", "That is not what I asked."),
    after("Shall I book it?", "Not now, maybe later."),
]
PLAIN = [
    after("A table for two at seven. Is that correct?", "Yes, that's right."),
    after("It opened in 1889.", "And how tall is it?"),
    after("Did you know that it is repainted every seven years?", "No, why is that?"),
    after("Use the export menu.", "Great, that works. How do I share the file?"),
]


def test_rejections_stand_above_plain_turns_and_goodbyes_between(embedder: Embedder) -> None:
    bye = after("Done. Is there anything else I can do?", "No, that's all. Thanks!")
    found = [row["user_correction"] for row in scores(embedder, *REJECTS, bye, *PLAIN)]
    rejects, goodbye, plain = found[: len(REJECTS)], found[len(REJECTS)], found[len(REJECTS) + 1 :]
    assert min(rejects) > CUT > goodbye > max(plain)


def test_the_session_stands_in_for_a_history_that_is_not_logged(embedder: Embedder) -> None:
    first = {"session_id": "s", "started_at": NOON, "history": None, "query": "When did it open?"}
    first["response"] = "It opened in 1989."
    second = {
        "session_id": "s", "started_at": NOON + timedelta(minutes=1), "history": None,
        "query": "That's wrong. I meant the old tower.",
    }  # fmt: skip
    one, two = scores(embedder, first, second)
    assert said(one, "user_correction") == "not_applicable"
    assert two["user_correction"] > CUT


def test_without_history_or_session_nothing_is_known(embedder: Embedder) -> None:
    row = scores(embedder, {"history": None}, {"query": None})
    metrics = (
        "user_correction", "user_rephrase", "user_retry", "asks_alternatives", "asks_for_human",
        "abandoned",
    )  # fmt: skip
    assert {said(r, m) for r in row for m in metrics} == {"not_applicable"}


def test_a_history_may_end_with_the_turn_itself(embedder: Embedder) -> None:
    with_it = after("It opened in 1989.", "That's wrong.")
    with_it["history"] = [*with_it["history"], {"role": "user", "content": "That's wrong."}]
    a, b = scores(embedder, after("It opened in 1989.", "That's wrong."), with_it)
    assert a["user_correction"] == b["user_correction"] > CUT


@pytest.mark.parametrize(
    ("query", "turn", "expected"),
    [
        ("How do I reset my password?", "What do I have to do to reset a password?", 1.0),
        ("What is the capital gains tax rate?", "How much is capital gains tax?", 1.0),
        ("How do I reset my password?", "Where do I find my invoices?", 0.0),
        ("flights to Rome on 5 May", "flights to Rome on 7 May", 0.0),  # the next one
        ("Weather in Paris tomorrow", "Weather in London tomorrow", 0.0),
        ("Who built the Eiffel Tower?", "When was the Eiffel Tower built?", 0.0),
        ("How do I reset my password?", "How do I reset my password?", 0.0),  # a retry
    ],
)
def test_asking_again_in_other_words(
    embedder: Embedder, query: str, turn: str, expected: float
) -> None:
    assert scores(embedder, after("So.", turn, query))[0]["user_rephrase"] == expected


def test_the_same_again_is_a_retry_for_five_minutes(embedder: Embedder) -> None:
    turn = {"session_id": "s", "history": None, "query": "How do I reset it?"}
    at = [NOON, NOON + timedelta(seconds=20), NOON + timedelta(minutes=9)]
    found = scores(embedder, *({**turn, "started_at": when} for when in at))
    assert [said(row, "user_retry") for row in found] == ["not_applicable", 1.0, 0.0]
    no_times = after("So.", "How do I reset it?", "How do I reset it?")
    assert said(scores(embedder, no_times)[0], "user_retry") == "not_applicable"


def test_alternatives_and_people_are_asked_for(embedder: Embedder) -> None:
    other, person, plain = scores(
        embedder,
        after("Try the Ritz.", "Show me another hotel"),
        after("Try again.", "I want to talk to a real person"),
        after("Try the Ritz.", "Where is it?"),
    )
    assert (other["asks_alternatives"], other["asks_for_human"]) == (1, 0)
    assert person["asks_for_human"] == 1
    assert (plain["asks_alternatives"], plain["asks_for_human"]) == (0, 0)


def test_leaving_after_a_failure_or_a_refusal_is_abandonment(embedder: Embedder) -> None:
    def turn(session: str | None, minute: int, **more: Any) -> dict[str, Any]:
        at = NOON + timedelta(minutes=minute)
        return {"session_id": session, "started_at": at, **more}

    found = scores(
        embedder,
        turn("a", 0, status="error", response=None),
        turn("b", 0, response="I'm sorry, I don't know."),
        turn("c", 0),  # an answer, and gone: who knows whether content
        turn("d", 0, status="error", response=None),
        turn("d", 1),  # went on
        turn(None, 0, status="error", response=None),
        turn("e", 590, status="error", response=None),  # the log may end before the session does
        turn(None, 600),
    )
    expected = [1, 1, 0, 0, 0, "not_applicable", "not_applicable", "not_applicable"]
    assert [said(row, "abandoned") for row in found] == expected


def test_edits_are_counted_where_there_is_an_edited_answer(embedder: Embedder) -> None:
    found = scores(
        embedder,
        {"response": "It takes five days.", "corrected_response": "It takes ten days."},
        {"response": "It takes five days.", "corrected_response": "It takes five days."},
        {"corrected_response": None},
        {"truncated": True},
        {"response": "word " * (MAX_WORDS + 1)},
    )
    expected = [0.25, 0.0, "not_applicable", "truncated", "over_budget"]
    assert [said(row, "corrected_by_edit") for row in found] == expected


def test_one_piece_of_feedback_against_an_answer_is_enough(embedder: Embedder) -> None:
    up, down = {"name": "user-thumbs", "value": 1.0}, {"label": "thumbs_down"}
    remark = {"name": "note", "comment": "the date is missing"}
    found = scores(
        embedder,
        {"feedback": [up]},
        {"feedback": [up, down]},
        {"feedback": [remark]},
        {"feedback": []},
        {"feedback": None},
    )
    expected = [0.0, 1.0, "not_applicable", "not_applicable", "not_applicable"]
    assert [said(row, "negative_feedback") for row in found] == expected


def test_a_users_turn_is_judged_though_its_call_failed(embedder: Embedder) -> None:
    failed = {**REJECTS[2], "status": "error", "response": None}
    assert scores(embedder, failed)[0]["user_correction"] > CUT
