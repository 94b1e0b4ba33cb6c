"""Where sentences end, and where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.sentences import split


def pieces(text: str, max_chars: int = 1000) -> list[str]:
    return [text[start:end] for start, end in split(text, max_chars)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Wu met Mrs. Li at 5 p.m. today.", ["Dr. Wu met Mrs. Li at 5 p.m. today."]),
        ("He left at 5 p.m. The bus came.", ["He left at 5 p.m.", "The bus came."]),
        ("It cost 3.5 million. So what.", ["It cost 3.5 million.", "So what."]),
        ("See https://a.b/c.d?x=1. Then go.", ["See https://a.b/c.d?x=1.", "Then go."]),
        ("J. R. Li agreed. Vitamin C. The rest.", ["J. R. Li agreed.", "Vitamin C.", "The rest."]),
        ("The U.S. Senate met. Use e.g. this.", ["The U.S. Senate met.", "Use e.g. this."]),
        ("See No. 5. Is it so? No. But why?", ["See No. 5.", "Is it so?", "No.", "But why?"]),
        ("Wait ... what? Well… yes.", ["Wait ... what?", "Well… yes."]),
        ('"Really?" he said. "Yes." She left.', ['"Really?" he said.', '"Yes."', "She left."]),
        ("It rose in 2020.[3] Then it fell. [4]", ["It rose in 2020.[3]", "Then it fell.", "[4]"]),
        ("**Note.** It works.", ["**Note.**", "It works."]),
        ("你好。世界！再见", ["你好。", "世界！", "再见"]),
        ("هل هذا صحيح؟ نعم۔ شكرا", ["هل هذا صحيح؟", "نعم۔", "شكرا"]),
        ("यह ठीक है। हाँ।", ["यह ठीक है।", "हाँ।"]),
        ("Steps: 1. Open it. 2. Close it.", ["Steps: 1. Open it.", "2. Close it."]),
        ("# Title\nText one. Text two.", ["Title", "Text one.", "Text two."]),
        ("- one\n- [x] two. More\n3) third\n* last", ["one", "two.", "More", "third", "last"]),
        ("> quoted line. End.", ["quoted line.", "End."]),
        ("one\n\ntwo", ["one", "two"]),
        ("one\r\n\r\ntwo\r\n", ["one", "two"]),
        ("So:\n```\na. B\n\nc = 1\n```\nDone.", ["So:", "```\na. B\n\nc = 1\n```", "Done."]),
        ("```\nnever closed. Still code", ["```\nnever closed. Still code"]),
        ("---\n...\n!!!", []),
        ("", []),
    ],
)  # fmt: skip
def test_cases(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_lines_wrapped_by_hand_are_one_sentence() -> None:
    text = "This line was wrapped by hand at some seventy characters, and it goes\non here."
    assert pieces(text) == [text]


def test_long_pieces_are_cut_at_white_space() -> None:
    assert pieces("alpha beta gamma", 11) == ["alpha beta", "gamma"]
    assert pieces("abcdefgh", 3) == ["abc", "def", "gh"]
    with pytest.raises(ValueError, match="max_chars"):
        split("a", 0)


@given(st.text(alphabet="ab. \n\"'!?A1-#`。", max_size=120), st.integers(1, 30))
def test_sentences_are_trimmed_bounded_and_lose_no_word(text: str, max_chars: int) -> None:
    found = pieces(text, max_chars)
    assert all(piece == piece.strip() and 0 < len(piece) <= max_chars for piece in found)
    # Only marks of lists and headings may stand outside: single letters or digits before . or ).
    kept = sum(character in "abA1" for piece in found for character in piece)
    whole = sum(character in "abA1" for character in text)
    marks = text.count(". ")
    assert whole - 3 * marks <= kept <= whole
