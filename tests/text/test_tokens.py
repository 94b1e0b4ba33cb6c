"""What counts as a word, and which words are equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text import tokens as tokens_module
from evalkit.text.tokens import content_words, fold, ngrams, stem, tokens, words


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


@given(st.text(st.characters(codec="ascii")) | st.text("aB9's.,- ’é", max_size=40))
def test_words_are_the_folded_matches(text: str) -> None:
    pattern = tokens_module._ASCII if text.isascii() else tokens_module._ANY
    expected = [(fold(m[0]), m.start(), m.end()) for m in pattern.finditer(text)]
    assert [tuple(token) for token in tokens(text)] == expected
    assert words(text) == [word for word, _, _ in expected]


def test_a_word_of_a_megabyte_is_not_kept() -> None:
    kept = tokens_module._fold.cache_info().currsize
    assert fold("X" * 1_000_000) == "x" * 1_000_000
    assert tokens_module._fold.cache_info().currsize == kept
