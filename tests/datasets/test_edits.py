"""Rule-made errors: each changes the claim where it says, and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "datasets" / "train"))

from edits import Material, edit

MATERIAL = Material(
    near=("Angela Merkel", "Berlin"),
    far=("Paris", "Bank of England"),
    near_numbers=("1989", "12"),
    far_numbers=("34", "2001"),
    tails=(" in the summer of love",),
    alike={"visited": ("attacked", "praised")},
    near_words=("walked", "singers"),
    other_claims=("The cat sat on the mat and then it went home.",),
)
CLAIM = "Barack Obama first visited London in 2009, before he met 12 leaders."


def test_every_rule_is_seen_and_marks_what_it_changed() -> None:
    random = np.random.default_rng(0)
    kinds = set()
    for _ in range(400):
        made = edit(CLAIM, MATERIAL, random)
        assert made is not None
        assert made.claim != CLAIM
        kinds.add(made.kind)
        for span in made.spans:
            assert 0 <= span.start < span.end <= len(made.claim)
    assert kinds == {
        "number", "name", "roles", "cycle", "opposite", "negation", "word", "insertion", "phrase",
        "splice", "near_word", "exchange",
    }  # fmt: skip


def test_a_swapped_number_is_the_span() -> None:
    random = np.random.default_rng(1)
    for _ in range(100):
        made = edit(CLAIM, MATERIAL, random)
        if made is not None and made.kind == "number":
            (span,) = made.spans
            outside = made.claim[: span.start] + made.claim[span.end :]
            assert outside in {CLAIM.replace("2009", ""), CLAIM.replace("12", "")}
            return
    raise AssertionError("no number was changed")


def test_the_same_chance_gives_the_same_edit() -> None:
    first = edit(CLAIM, MATERIAL, np.random.default_rng(7))
    assert first == edit(CLAIM, MATERIAL, np.random.default_rng(7))


@given(st.text(max_size=200), st.integers(0, 1000))
def test_any_text_is_edited_or_left(text: str, seed: int) -> None:
    made = edit(text, MATERIAL, np.random.default_rng(seed))
    if made is not None:
        assert made.claim != text
        assert all(0 <= s.start <= s.end <= len(made.claim) for s in made.spans)
