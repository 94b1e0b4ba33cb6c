"""Every text measure takes any text: nothing raises, spans are in order, time is linear."""

import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.abstention import cues
from evalkit.text.names import names
from evalkit.text.negation import polarity
from evalkit.text.number_words import phrases
from evalkit.text.numbers import facts, supported
from evalkit.text.sentences import split
from evalkit.text.tokens import tokens

Spans = list[tuple[int, int]]
MEASURES: dict[str, Callable[[str], Spans]] = {
    "sentences": lambda text: [(s.start, s.end) for s in split(text)],
    "tokens": lambda text: [(t.start, t.end) for t in tokens(text)],
    "numbers": lambda text: [(n.start, n.end) for n in facts(text)],
    "number_words": lambda text: [(p.start, p.end) for p in phrases(text)],
    "names": lambda text: [(n.start, n.end) for n in names(text)],
    "negation": lambda text: [(c.start, c.end) for c in polarity(text).cues],
}
# Pieces that patterns look for, thrown together in any order, with any text between.
_PIECES = (
    ". ;...;! ;\";';\n;\n\n;- ;1. ;## ;```;```\n;> ; ;\t;Dr.;U.S.;e.g.;No. ;A;Anna ;of ;and ;one ;"
    "half ;a ;million ;hundred ;second ;12;,000;$;€;%;-;/;:;2026-11-22;Nov ;may ;not ;n't ;but ;"
    "I cannot ;the context ;does not ;mention ;漢字。;مرحبا؟;\u0300;\x00;\u2028;ß;İ;½;²;٣;１２"
)
PIECES = st.sampled_from(_PIECES.split(";"))
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join),
)


def check(found: Iterable[tuple[int, int]], length: int) -> None:
    last = 0
    for start, end in found:
        assert last <= start < end <= length
        last = end


@pytest.mark.parametrize("name", MEASURES)
@given(text=TEXTS)
def test_spans_are_ordered_disjoint_and_in_range(name: str, text: str) -> None:
    check(MEASURES[name](text), len(text))


@given(TEXTS)
def test_abstention_takes_any_text(text: str) -> None:
    found = cues(text)
    assert all(0 <= cue.start < cue.end <= len(text) for cue in found.cues)
    assert found.share is None or 0 <= found.share <= 1
    assert found.cue_clauses <= len(found.clauses)


@given(TEXTS)
def test_a_number_supports_itself(text: str) -> None:
    for number in facts(text):
        assert supported(number, [number])


HOSTILE = [
    ".", " ", '"', "'", ". ", '."', "a.", "1,", "1.", "(", "[1]", "`", "```\n", "\n", "- ", "> ",
    "#", "A ", "A.", "A of ", "one ", "a half ", "and ", "not ", "do not a ", "I cannot ", "$",
    "the context does not ", "is not mentioned ", "has no ", "no information ", "do n't ", "if ",
    "x", "漢",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear(piece: str) -> None:
    """40,000 characters take moments; anything quadratic would take minutes."""
    text = piece * (40_000 // len(piece))
    begin = time.process_time()
    for measure in MEASURES.values():
        measure(text + "x")
    cues(text)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("piece", [".", " ", '"'])
def test_a_million_characters_split_at_once(piece: str) -> None:
    begin = time.process_time()
    assert split(piece * 1_000_000) == []
    assert time.process_time() - begin < 10
