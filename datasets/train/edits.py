"""Turns a supported claim into one that its evidence does not support, by rule, and says which
words were changed; knows nothing of models or files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.text import names as name_finder
from evalkit.text.sentences import Span
from evalkit.text.tokens import Token, is_content, stem, tokens
from evalkit.text.word_lists import word_list

__all__ = ["OPPOSITES", "Edit", "Material", "drop_phrase", "edit", "ending", "numbers", "tails"]


@dataclass(frozen=True)
class Material:
    """What an edit may draw on.

    Attributes:
        near: names in the claim's own document: what is swapped in from here is there, but said of
            something else.
        far: names of other documents.
        near_numbers, far_numbers: numbers as written, likewise.
        tails: prepositional phrases of other documents.
        alike: for a folded word, other words that could stand in its place.
        near_words: content words of the claim's own document, as written.
        other_claims: claims about other documents.
    """

    near: Sequence[str]
    far: Sequence[str]
    near_numbers: Sequence[str]
    far_numbers: Sequence[str]
    tails: Sequence[str]
    alike: Mapping[str, Sequence[str]]
    near_words: Sequence[str]
    other_claims: Sequence[str]


@dataclass(frozen=True)
class Edit:
    """An unsupported claim, the characters that make it so, and the rule's name."""

    claim: str
    spans: tuple[Span, ...]
    kind: str


_Made = tuple[str, tuple[Span, ...]] | None
_NUMBER = re.compile(r"\b\d[\d,]*(?:\.\d+)?")
_WORD_NUMBERS = word_list(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred"
)
_CYCLES = (
    word_list(
        "January February March April May June July August September October November December"
    ),
    word_list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    word_list("first second third fourth fifth sixth seventh eighth ninth tenth"),
    word_list("spring summer autumn winter"),
    word_list("north south east west"),
    word_list("northern southern eastern western"),
    word_list("red blue green yellow black white brown orange purple"),
    word_list("gold silver bronze"),
    word_list("million billion thousand hundred"),
    word_list("seconds minutes hours days weeks months years decades centuries"),
    word_list("second minute hour day week month year decade century"),
    word_list("kilometers miles meters feet inches"),
    word_list("dollars euros pounds yen"),
    word_list("grams kilograms pounds tons ounces"),
    word_list("all most some none few many"),
    word_list("always usually sometimes rarely never"),
    word_list("must may might should"),
    word_list("he she they"),
    word_list("his her their"),
    word_list("morning afternoon evening night"),
    word_list("mother father brother sister son daughter wife husband uncle aunt"),
    word_list("English French German Spanish Italian Russian Chinese Japanese American British"),
)
_PAIRS = """
increase decrease|increased decreased|increases decreases|increasing decreasing|rise fall|rose fell
rising falling|rises falls|gain loss|gained lost|grew shrank|higher lower|high low|highest lowest
more less|most least|larger smaller|large small|largest smallest|bigger smaller|big small|longer shorter
long short|longest shortest|older younger|old young|oldest youngest|old new|earlier later|early late
earliest latest|before after|above below|over under|inside outside|up down|top bottom|front back
first last|start end|started ended|begin finish|began finished|beginning end|opened closed|open closed
won lost|win lose|winner loser|victory defeat|success failure|successful unsuccessful|accepted rejected
accept reject|approved rejected|agreed disagreed|agree disagree|support oppose|supported opposed
for against|allowed banned|allow forbid|legal illegal|include exclude|included excluded|including excluding
with without|always never|everyone nobody|everything nothing|all none|best worst|better worse|good bad
positive negative|strong weak|stronger weaker|safe dangerous|easy difficult|easier harder|easy hard
simple complex|cheap expensive|fast slow|faster slower|rich poor|hot cold|warm cool|wet dry|dark light
male female|man woman|men women|boy girl|father mother|son daughter|brother sister|husband wife|king queen
actor director|author editor|buy sell|bought sold|borrow lend|arrived left|arrive leave|joined left
enter leave|entered left|appeared disappeared|married divorced|alive dead|born died|guilty innocent
convicted acquitted|arrested released|hired fired|promoted demoted|present absent|public private
national local|international domestic|major minor|main minor|common rare|popular unpopular|famous unknown
true false|correct incorrect|right wrong|possible impossible|likely unlikely|able unable|known unknown
active inactive|complete incomplete|direct indirect|formal informal|regular irregular|necessary unnecessary
equal unequal|similar different|same different|same opposite|happy unhappy|happy sad|love hate|loved hated
like dislike|remember forget|remembered forgot|built destroyed|build destroy|created destroyed|create destroy
export import|exports imports|attack defend|attacked defended|attacker victim|teacher student|doctor patient
buyer seller|employer employee|parent child|parents children|ancestor descendant|cause effect|caused prevented
cause prevent|causes prevents|help harm|helped harmed|improve worsen|improved worsened|protect endanger
add remove|added removed|raise lower|raised lowered|pushed pulled|sent received|send receive|give take
gave took|teach learn|taught learned|lead follow|led followed|question answer|asked answered|son father
only also|at least at most|more than less than|up to at least|exactly about|still no longer|part of all of
""".strip()
#: Words with the words that turn their meaning around, both ways.
OPPOSITES: dict[str, tuple[str, ...]] = {}


def _read_pairs() -> None:
    for line in _PAIRS.splitlines():
        for pair in line.split("|"):
            words = pair.split()
            half = len(words) // 2
            left, right = " ".join(words[:half]), " ".join(words[half:])
            OPPOSITES[left] = (*OPPOSITES.get(left, ()), right)
            OPPOSITES[right] = (*OPPOSITES.get(right, ()), left)


_read_pairs()
_PHRASES = re.compile(
    r"(?<!\w)(" + "|".join(sorted(map(re.escape, OPPOSITES), key=len, reverse=True)) + r")(?!\w)",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|should|did|does|do|must|may)\b"
    r"(?! (?:not|never)\b)(?!n['\u2019]t)",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|never) |n['\u2019]t\b", re.IGNORECASE)
_TAIL = re.compile(
    r" (?:in|on|at|for|with|after|before|during|by|from|near|against|because of|despite) "
    r"[^,.;:()\n]{4,40}(?=[.,;])"
)
_PAST = re.compile(r"(?<= )([a-z]{3,}ed)(?= )")


def tails(text: str) -> list[str]:
    """Prepositional phrases of a text, with the space before them."""
    return [match[0] for match in _TAIL.finditer(text)]


def drop_phrase(text: str, random: np.random.Generator) -> str:
    """The text without one of its prepositional phrases, where it has any."""
    found = list(_TAIL.finditer(text))
    if not found:
        return text
    match = found[int(random.integers(len(found)))]
    return text[: match.start()] + text[match.end() :]


def numbers(text: str) -> list[str]:
    """Numbers of a text, as written."""
    return [match[0] for match in _NUMBER.finditer(text)]


def _swap(claim: str, start: int, end: int, new: str) -> _Made:
    old = claim[start:end]
    if old[:1].isupper() and new[:1].islower():
        new = new[:1].upper() + new[1:]
    if new.lower() == old.lower():
        return None
    return claim[:start] + new + claim[end:], (Span(start, start + len(new)),)


def _pick(random: np.random.Generator, items: Sequence[str]) -> str | None:
    return items[int(random.integers(len(items)))] if len(items) else None


def _number(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = list(_NUMBER.finditer(claim))
    worded = [
        m for m in re.finditer(r"\b[a-z]+\b", claim, re.IGNORECASE) if m[0].lower() in _WORD_NUMBERS
    ]
    if worded and (not found or random.random() < 0.3):
        match = worded[int(random.integers(len(worded)))]
        return _swap(claim, match.start(), match.end(), _pick(random, _WORD_NUMBERS) or "two")
    if not found:
        return None
    match = found[int(random.integers(len(found)))]
    old = match[0]
    source = material.near_numbers if random.random() < 0.5 else material.far_numbers
    same = [n for n in source if len(n) == len(old) and n != old]
    new = _pick(random, same)
    if new is None or random.random() < 0.4:
        digits = list(old)
        places = [k for k, c in enumerate(digits) if c.isdigit()]
        at = places[int(random.integers(len(places)))]
        digits[at] = str((int(digits[at]) + int(random.integers(1, 9))) % 10)
        if digits[0] == "0":
            digits[0] = "1" if old[0] != "1" else "2"
        new = "".join(digits)
    return _swap(claim, match.start(), match.end(), new)


def _name(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = name_finder.names(claim)
    if not found:
        return None
    name = found[int(random.integers(len(found)))]
    source = material.near if random.random() < 0.6 else material.far
    size = len(name.text.split())
    fitting = [
        n
        for n in source
        if n.lower() not in claim.lower()
        and name.text.lower() not in n.lower()
        and abs(len(n.split()) - size) <= 1
    ]
    new = _pick(random, fitting)
    return None if new is None else _swap(claim, name.start, name.end, new)


def _roles(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = name_finder.names(claim)
    if len(found) < 2:
        return None
    at = int(random.integers(len(found) - 1))
    a, b = found[at], found[at + 1]
    between = claim[a.end : b.start]
    if a.text == b.text or re.fullmatch(r"\s*(,|and|or|&|/|-)+\s*(and|or)?\s*", between):
        return None  # the order in a list says nothing
    made = claim[: a.start] + b.text + between + a.text + claim[b.end :]
    middle = a.start + len(b.text) + len(between)
    return made, (Span(a.start, a.start + len(b.text)), Span(middle, middle + len(a.text)))


def _cycle(claim: str, material: Material, random: np.random.Generator) -> _Made:
    places: list[tuple[re.Match[str], list[str]]] = []
    for cycle in _CYCLES:
        known = {word.lower(): word for word in cycle}
        places.extend(
            (match, cycle)
            for match in re.finditer(r"\b[A-Za-z]+\b", claim)
            if match[0].lower() in known and (match[0][0].isupper() or cycle[0][0].islower())
        )
    if not places:
        return None
    match, cycle = places[int(random.integers(len(places)))]
    if match[0] == "May" and random.random() < 0.5:
        return None
    return _swap(claim, match.start(), match.end(), _pick(random, cycle) or "")


def _opposite(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = list(_PHRASES.finditer(claim))
    if not found:
        return None
    match = found[int(random.integers(len(found)))]
    new = _pick(random, OPPOSITES[match[0].lower()])
    return None if new is None else _swap(claim, match.start(), match.end(), new)


def _negation(claim: str, material: Material, random: np.random.Generator) -> _Made:
    denied = _NOT.search(claim)
    if denied is not None and random.random() < 0.7:
        made = claim[: denied.start()] + claim[denied.end() :]
        after = re.match(r"\s*\w+", made[denied.start() :])
        end = denied.start() + (after.end() if after else 0)
        before = re.search(r"\w+\s*$", made[: denied.start()])
        return made, (Span(before.start() if before else denied.start(), end),)
    found = list(_NOT_AFTER.finditer(claim))
    if found:
        match = found[int(random.integers(len(found)))]
        word = " not" if random.random() < 0.8 else " never"
        end = match.end()
        return claim[:end] + word + claim[end:], (Span(end + 1, end + len(word)),)
    past = list(_PAST.finditer(claim))
    if past:
        match = past[int(random.integers(len(past)))]
        base = match[0][:-2] if not match[0].endswith("eed") else match[0]
        new = f"did not {base}"
        return _swap(claim, match.start(), match.end(), new)
    return None


def _alike(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = [
        t
        for t in tokens(claim)
        if is_content(t.word) and t.word in material.alike and claim[t.start].islower()
    ]
    if not found:
        return None
    token = found[int(random.integers(len(found)))]
    new = _pick(random, [w for w in material.alike[token.word] if w not in claim.lower()])
    if new is None or stem(new) == stem(token.word):
        return None
    return _swap(claim, token.start, token.end, new)


def ending(word: str) -> str:
    """The ending that says of what kind a word may be; "" for most."""
    return next((e for e in ("ing", "ed", "ly", "s") if word.endswith(e)), "")


def _plain(claim: str) -> list[Token]:
    """Content words in small letters."""
    return [t for t in tokens(claim) if is_content(t.word) and claim[t.start : t.end].islower()]


def _near_word(claim: str, material: Material, random: np.random.Generator) -> _Made:
    """A word of the same passage in another's place: all words are known, and it is wrong."""
    found = _plain(claim)
    if not found:
        return None
    token = found[int(random.integers(len(found)))]
    mine = {stem(t.word) for t in tokens(claim)}
    fitting = [
        word
        for word in material.near_words
        if ending(word) == ending(token.word) and stem(word) not in mine
    ]
    new = _pick(random, fitting)
    return None if new is None else _swap(claim, token.start, token.end, new)


def _exchange(claim: str, material: Material, random: np.random.Generator) -> _Made:
    """Two words or numbers of the claim change places."""
    found = _plain(claim)
    figures = list(_NUMBER.finditer(claim))
    places = [(t.start, t.end) for t in found]
    if len(figures) > 1 and (len(found) < 2 or random.random() < 0.5):
        places = [m.span() for m in figures]
    pairs = [
        (a, b)
        for a, b in itertools.combinations(places, 2)
        if ending(claim[slice(*a)]) == ending(claim[slice(*b)])
        and stem(claim[slice(*a)]) != stem(claim[slice(*b)])
        and not re.fullmatch(r"\s*(,|and|or|&|/|-)*\s*(and|or)?\s*", claim[a[1] : b[0]])
    ]
    if not pairs:
        return None
    a, b = pairs[int(random.integers(len(pairs)))]
    left, between, right = claim[slice(*a)], claim[a[1] : b[0]], claim[slice(*b)]
    made = claim[: a[0]] + right + between + left + claim[b[1] :]
    middle = a[0] + len(right) + len(between)
    return made, (Span(a[0], a[0] + len(right)), Span(middle, middle + len(left)))


def _insertion(claim: str, material: Material, random: np.random.Generator) -> _Made:
    new = _pick(random, material.tails)
    if new is None:
        return None
    places = [m.start() for m in re.finditer(r"(?=[.,;])", claim)] or [len(claim)]
    at = places[int(random.integers(len(places)))]
    return claim[:at] + new + claim[at:], (Span(at + 1, at + len(new)),)


def _tail(claim: str, material: Material, random: np.random.Generator) -> _Made:
    found = list(_TAIL.finditer(claim))
    new = _pick(random, material.tails)
    if not found or new is None:
        return None
    match = found[int(random.integers(len(found)))]
    made = _swap(claim, match.start(), match.end(), new)
    return None if made is None else (made[0], (Span(made[1][0].start + 1, made[1][0].end),))


def _splice(claim: str, material: Material, random: np.random.Generator) -> _Made:
    other = _pick(random, material.other_claims)
    if other is None:
        return None
    mine = tokens(claim)
    theirs = tokens(other)
    if len(mine) < 6 or len(theirs) < 6:
        return None
    at = mine[int(random.integers(len(mine) // 3, 2 * len(mine) // 3 + 1))].start
    tail = other[theirs[len(theirs) // 2].start :]
    return claim[:at] + tail, (Span(at, at + len(tail)),)


_RULES: Mapping[str, tuple[Callable[[str, Material, np.random.Generator], _Made], float]] = {
    "number": (_number, 2.0),
    "name": (_name, 2.0),
    "roles": (_roles, 1.0),
    "cycle": (_cycle, 1.5),
    "opposite": (_opposite, 2.0),
    "negation": (_negation, 1.0),
    "word": (_alike, 3.0),
    "near_word": (_near_word, 2.0),
    "exchange": (_exchange, 1.0),
    "insertion": (_insertion, 1.0),
    "phrase": (_tail, 1.0),
    "splice": (_splice, 0.5),
}


def edit(claim: str, material: Material, random: np.random.Generator) -> Edit | None:
    """One edit of a claim by a rule that applies, rules drawn by weight; None when none does.

    Args:
        claim: a claim that its evidence supports.
        material: what may be swapped in.
        random: the only source of chance.
    """
    kinds = list(_RULES)
    weight = np.array([_RULES[kind][1] for kind in kinds])
    for kind in random.choice(kinds, size=len(kinds), replace=False, p=weight / weight.sum()):
        made = _RULES[str(kind)][0](claim, material, random)
        if made is not None and made[0] != claim:
            return Edit(made[0], made[1], str(kind))
    return None
