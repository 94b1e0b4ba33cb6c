"""What counts as a word, and which words are equal."""

import pytest

from evalkit.text.tokens import content_words, ngrams, stem, tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat's hat", ["the", "cat", "hat"]),
        ("don’t STOP", ["don't", "stop"]),
        ("1,250.50 and 3.5x GPT-4o", ["1250.50", "and", "3.5x", "gpt", "4o"]),
        ("Straße Ｆｕｌｌ", ["strasse", "full"]),
        ("AI技術です", ["ai", "技", "術", "で", "す"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("snake_case", ["snake", "case"]),
        ("...", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert [token.word for token in tokens(text)] == expected


def test_offsets_point_at_the_word() -> None:
    text = "Åse's café, 10 km"
    assert [text[t.start : t.end] for t in tokens(text)] == ["Åse's", "café", "10", "km"]


def test_content_words_leave_out_small_words() -> None:
    assert content_words("It is the capital of France in 5") == ["capital", "france", "5"]


def test_forms_of_one_word_share_a_stem() -> None:
    for forms in [("rate", "rates"), ("study", "studies"), ("stop", "stopped", "stopping")]:
        assert len({stem(form) for form in forms}) == 1
    assert stem("glass") != stem("glad")


def test_ngrams() -> None:
    assert list(ngrams(["a", "b", "c"], 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(["a"], 2)) == []
    with pytest.raises(ValueError, match="at least 1"):
        ngrams(["a"], 0)
