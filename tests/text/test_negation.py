"""Negations reach to the end of their clause and turn directions round."""

import pytest

from evalkit.text.negation import conflicts, polarity


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It does not work.", 1),
        ("It doesn’t work without power.", 2),
        ("Not only fast but cheap.", 0),
        ("All is fine.", 0),
        ("", 0),
    ],
)
def test_count(text: str, count: int) -> None:
    assert polarity(text).negations == count
    assert polarity(text).is_negative is (count == 1)


def test_scope_ends_with_the_clause() -> None:
    text = "Sales did not rise, but costs rose."
    found = polarity(text)
    assert [(d.word, d.sign) for d in found.directions] == [("rise", -1), ("rose", 1)]
    (cue,) = found.cues
    assert text[cue.start : cue.scope_end] == "not rise"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Costs rose.", "Costs fell.", 1),
        ("Costs rose.", "Costs did not rise.", 1),
        ("Costs did not rise.", "Costs fell.", 0),
        ("The plan was accepted before May.", "The plan was rejected after May.", 2),
        ("Costs rose and fell.", "Costs fell.", 0),
        ("Cats sleep.", "Costs fell.", 0),
    ],
)
def test_conflicts(first: str, second: str, expected: int) -> None:
    assert conflicts(polarity(first), polarity(second)) == expected
    assert conflicts(polarity(second), polarity(first)) == expected
