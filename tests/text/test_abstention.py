"""Declining to answer is told from answering, and from answering with a caveat."""

import pytest

from evalkit.text.abstention import cues


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I don't know.", "unknown"),
        ("I’m not sure about that.", "unknown"),
        ("Unknown", "unknown"),
        ("Based on the given passages, it is not possible to determine the date.", "unknown"),
        ("The context does not provide any information about his age.", "not_in_context"),
        ("There is no mention of a price in the document.", "not_in_context"),
        ("His age is not explicitly stated in the provided text.", "not_in_context"),
        ("Unable to answer based on given passages.", "not_in_context"),
        ("This cannot be determined from the context.", "not_in_context"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("As an AI language model, I have no opinions.", "disclaimer"),
    ],
)
def test_abstentions(text: str, kind: str) -> None:
    found = cues(text)
    assert kind in [cue.kind for cue in found.cues]
    assert found.is_whole
    assert found.share == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital of France.",
        "You do not need to include the data file.",
        "The app is not available in Germany.",
        "The unknown soldier's grave is in Paris.",
        "Let me know if you have questions.",
        "",
    ],
)
def test_answers(text: str) -> None:
    found = cues(text)
    assert found.cue_clauses == 0
    assert not found.is_whole


def test_an_answer_after_a_caveat_is_seen() -> None:
    found = cues("The text does not mention it. The tower opened in Paris in 1889.")
    assert (found.content_after, found.content_before, found.is_whole) == (True, False, False)


def test_an_answer_before_a_caveat_is_seen() -> None:
    found = cues("The tower opened in Paris in 1889. I don't know its height.")
    assert (found.content_after, found.content_before) == (False, True)


def test_an_offer_is_no_content() -> None:
    found = cues("Sorry, I don't know. Please provide more details about it. Feel free to ask.")
    assert [cue.kind for cue in found.cues] == ["unknown", "ask_back", "ask_back"]
    assert found.is_whole
    assert [clause.role for clause in found.clauses] == ["declines", "asks", "asks"]
