"""What a first look at many texts leaves out holds nothing; it is tried against the finders themselves."""

import base64
import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text import credentials, numbers_of_people, packed
from evalkit.text.disguises import plain
from evalkit.text.glance import Glance
from evalkit.text.necessary import necessary
from evalkit.text.personal import CLASSES, HINTS, find
from evalkit.text.redaction import PLACEHOLDER, Redactor, may_be_placed
from tests.ingest.planted import planted
from tests.text.test_personal import FOUND, HOSTILE, INNOCENT

GLANCES = {kind: Glance([kind]) for kind in CLASSES}
DATA = [text for cases in FOUND.values() for text, _ in cases] + [d.written for d in planted(9)]
#: So often a text is repeated that no later look is left out because too little is left.
MANY = 400


def left_out(texts: list[str], kind: str) -> list[str]:
    """Texts in which `find` finds a datum of a class, and the look says that there is none."""
    times = 1 + 4 * MANY // len(texts)
    held = GLANCES[kind].may_hold(pa.array(texts * times, pa.string()))[: len(texts)]
    return [text for text, may in zip(texts, held, strict=True) if not may and find(text, [kind])]


def test_every_class_has_hints() -> None:
    assert set(HINTS) == set(CLASSES)
    assert all(HINTS.values())


@pytest.mark.parametrize("kind", CLASSES)
def test_no_datum_that_is_promised_is_left_out(kind: str) -> None:
    around = ["{}", "x {} y", "({})", "a={}&b", "tel:{}", "“{}”", "id {}.", '{{"a": "{}"}}', "{}{}"]
    texts = [one.format(datum, datum) for one in around for datum in DATA]
    assert left_out(texts, kind) == []
    coded = [base64.b64encode(text.encode()).decode() for text in DATA]
    assert left_out([*coded, *(f"/p/{one}" for one in coded)], kind) == []


def test_most_innocent_texts_are_left_out() -> None:
    texts = [text for text in INNOCENT if plain(text).text == text]
    held = Glance(CLASSES).may_hold(pa.array(texts * MANY))[: len(texts)]
    assert held.mean() < 0.4, "made to look like data"
    prose = ["Refunds are made within 30 days – ask the team at 9:30, or see part 2."] * MANY
    assert not Glance(CLASSES).may_hold(pa.array(prose)).any()


# ── each pattern
# ───────────────────────────────────────────────────────────────────────────────────────

PATTERNS = {
    name: (kind, pattern)
    for kind, module, names in (
        ("key", credentials, ("_PEM", "_LOGIN", "_LOGIN_TOKEN", "_HEADER", "_AUTHORIZATION")),
        ("card", numbers_of_people, ("_DIGITS",)),
        ("phone", numbers_of_people, ("_INTERNATIONAL", "_AMERICAN", "_TRUNK", "_AREA", "_NAMED")),
    )
    for name in names
    for pattern in (getattr(module, name),)
}


def matching(pattern: str, flags: int = 0) -> st.SearchStrategy[str]:
    """Texts that a pattern matches, or would but for what stands around and for repeats kept whole."""
    kept = re.sub(r"\(\?<?[!=](?:[^()\[\]]|\[[^\]]*\])*\)", "", pattern)
    return st.from_regex(re.compile(re.sub(r"([*+?}])\+", r"\1", kept), flags), fullmatch=True)


@pytest.mark.parametrize("name", PATTERNS)
def test_what_a_pattern_matches_is_not_left_out(name: str) -> None:
    kind, pattern = PATTERNS[name]

    @settings(max_examples=12, deadline=None)
    @given(st.lists(matching(pattern.pattern, pattern.flags), min_size=1, max_size=10))
    def check(texts: list[str]) -> None:
        assert left_out(texts, kind) == []

    check()


@pytest.mark.parametrize("shape", [shape for _, shape in credentials._SHAPES])
def test_no_maker_is_forgotten(shape: str) -> None:
    @settings(max_examples=4, deadline=None)
    @given(st.lists(matching(shape, re.ASCII), min_size=1, max_size=10))
    def check(texts: list[str]) -> None:
        assert left_out(texts, "key") == []

    check()


@settings(max_examples=50, deadline=None)
@given(
    matching(credentials._CALLED_PASSWORD, re.IGNORECASE)
    | matching(credentials._CALLED_SECRET, re.IGNORECASE),
    matching(credentials._CALLED_MORE, re.IGNORECASE),
    st.sampled_from(["=", ": ", '" : "', " => '", " is ", "`:`", " lautet "]),
)
def test_no_name_is_forgotten(name: str, more: str, sign: str) -> None:
    assert left_out([f"{name}{more}{sign}aB3dE5fG7hI9jK1l"], "key") == []


def test_first_digits_are_those_of_the_issuers() -> None:
    issued = [
        first
        for first in "0123456789"
        for rest in range(1000)
        if any(begins.match(f"{first}{rest:03}") for begins, _ in numbers_of_people._ISSUERS)
    ]
    assert set(issued) == set(numbers_of_people._FIRST_DIGITS)


def test_what_is_needed_is_said_in_the_other_language() -> None:
    assert necessary(r"(?<![a-z])(?:x|y{2,64}+)++(?!z(?:a|[)]))") == "(?:^|[^a-z])(?:x|y{2,})+"
    assert necessary(r"(?<!a)x|y") == "(?:x|y)"
    for pattern in (r"\w", r"\bx", r"(a)\1", r"a$", r"x\s"):
        with pytest.raises(ValueError, match="say it by hand"):
            necessary(pattern)


@given(st.binary(min_size=15, max_size=60) | st.text(min_size=15).map(str.encode))
def test_base64_of_text_is_seen(inner: bytes) -> None:
    text = base64.b64encode(inner).decode()
    decoded = [one for run in packed.packed(text) for *_, one in run]
    if any(len(one.encode()) >= 6 for one in decoded):
        assert all(re.search(hint.first, text) for hint in packed.HINTS)
        for hint in packed.HINTS:
            assert pc.match_substring_regex(pa.array([text]), hint.then)[0].as_py()


@given(st.text("a1@.:;=+ &#%4b/k\u0661\uff20", max_size=5))
def test_no_datum_is_shorter_than_what_is_seen_in_base64(text: str) -> None:
    assert find(text) == []


# ── any text
# ───────────────────────────────────────────────────────────────────────────────────────

_TEXTS = st.lists(
    st.one_of(st.sampled_from([*DATA, *HOSTILE, *INNOCENT]), st.text(max_size=6)), max_size=8
).map("".join)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(_TEXTS, min_size=1, max_size=12),
    st.sets(st.sampled_from(CLASSES), min_size=1),
)
def test_looking_at_many_says_what_looking_at_each_says(texts: list[str], kinds: set[str]) -> None:
    redactor = Redactor(kinds)
    wanted = [bool(find(text, redactor.classes)) for text in texts]
    assert redactor.holding(texts * MANY).tolist() == wanted * MANY
    assert redactor.holding(pa.array([None, *texts])).tolist() == [False, *wanted]


def test_half_a_character_is_no_hindrance() -> None:
    texts = ["\ud800", "\ud800 jane@example.org"]
    assert Redactor(["email"]).holding(texts).tolist() == [False, True]
    assert may_be_placed(texts).all()


@given(st.lists(st.text(max_size=20) | st.from_regex(PLACEHOLDER), min_size=1, max_size=10))
def test_no_placeholder_is_left_out(texts: list[str]) -> None:
    may = may_be_placed(texts * MANY)[: len(texts)]
    assert not [t for t, one in zip(texts, may, strict=True) if not one and PLACEHOLDER.search(t)]
