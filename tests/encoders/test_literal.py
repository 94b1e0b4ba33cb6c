"""What is literally in a text, token by token."""

from __future__ import annotations

import numpy as np

from evalkit.encoders import find_model
from evalkit.encoders.literal import FLAGS, Literal, literal
from evalkit.encoders.states import Texts

TEXT = "The towers opened in 1889, for three dollars."


def of(text: str) -> Literal:
    return literal(*Texts(find_model()).read([text], 72)[0])


def at(found: Literal, text: str, word: str) -> int:
    start = text.index(word)
    return int(np.flatnonzero(found.spans[:, 0] == start)[0])


def test_words_of_one_stem_and_numbers_of_one_value_meet() -> None:
    first, second = of(TEXT), of("A tower costs 3 dollars")
    a, b = at(first, TEXT, "towers"), at(second, "A tower costs 3 dollars", "tower")
    assert first.stems[a] == second.stems[b] != 0
    a, b = at(first, TEXT, "three"), at(second, "A tower costs 3 dollars", "3")
    assert first.ids[a] != second.ids[b]
    assert first.numbers[a] == second.numbers[b] != 0


def test_flags_say_what_a_token_is_part_of() -> None:
    found = of(TEXT)

    def flags(word: str) -> dict[str, float]:
        return dict(zip(FLAGS, found.flags[at(found, TEXT, word)].tolist(), strict=True))

    assert flags("The")["content"] == 0
    assert flags("The")["capital"] == 1
    assert flags("towers")["content"] == 1
    assert flags("1889")["number"] == 1
    assert flags(",")["wordless"] == 1
    assert flags("towers")["rarity"] > flags("The")["rarity"]


def test_no_text_has_no_tokens() -> None:
    found = of("")
    assert found.flags.shape == (0, len(FLAGS))
    assert found.spans.shape == (0, 2)
