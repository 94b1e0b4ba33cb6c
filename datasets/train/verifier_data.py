"""What the verifier sees in one epoch: labelled pairs, and edits of the supported ones, made anew
each time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from claim_pairs import Pair, Pool
from edits import Material, drop_phrase, edit, ending, numbers, tails
from numpy.typing import NDArray

from evalkit.text import names as name_finder
from evalkit.text.tokens import is_content, stem, tokens

__all__ = ["Editor", "epoch", "paraphrase", "strangers", "words_alike"]

_SYNONYMS = """
said stated|began started|big large|help assist|buy purchase|bought purchased|show demonstrate
shows demonstrates|use utilize|used utilized|about approximately|people individuals|many numerous
several a number of|because since|but however|also additionally|important significant|get obtain
need require|needs requires|make create|built constructed|movie film|kids children|car automobile
doctor physician|died passed away|hard difficult|simple easy|fast quick|whole entire|try attempt
tried attempted|enough sufficient|give provide|gives provides|think believe|thinks believes
ask request|asked requested|end conclude|ended concluded|near close to|usually typically
often frequently|main primary|chance opportunity|keep maintain|kept maintained|job position
live reside|lived resided|answer reply|famous well-known|annual yearly|mainly mostly|maybe perhaps
released published|located situated|wrote authored|the United States the US|United Kingdom UK
percent %|two 2|three 3|four 4|five 5|six 6|seven 7|eight 8|nine 9|ten 10
""".strip()
_ALIKE: dict[str, str] = {}
for _line in _SYNONYMS.splitlines():
    for _pair in _line.split("|"):
        _parts = _pair.split()
        _half = 1 if len(_parts) == 3 and _parts[0] != "the" else len(_parts) // 2
        _left, _right = " ".join(_parts[:_half]), " ".join(_parts[_half:])
        _ALIKE.setdefault(_left, _right)
        _ALIKE.setdefault(_right, _left)
_SYNONYM = re.compile(
    r"(?<!\w)(" + "|".join(sorted(map(re.escape, _ALIKE), key=len, reverse=True)) + r")(?!\w)"
)
_ASIDE = re.compile(r" \([^()]{2,60}\)|, (?:however|which|who) [^,.;]{5,60}(?=,)")
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(rf"\b({_MONTHS}) (\d{{1,2}}),? (\d{{4}})\b")
_DAY = re.compile(rf"\b(\d{{1,2}}) ({_MONTHS})\b")
_OWNER = re.compile(r"\b([A-Z]\w+)['\u2019]s ([a-z]+(?:ing|ion|ty|er|ment|ship|ance|t|y|e))\b")
_LONG = {
    "isn't": "is not",
    "wasn't": "was not",
    "aren't": "are not",
    "weren't": "were not",
    "don't": "do not",
    "doesn't": "does not",
    "didn't": "did not",
    "won't": "will not",
    "can't": "cannot",
    "couldn't": "could not",
    "wouldn't": "would not",
}
_SHORT = re.compile(r"\b(" + "|".join(_LONG) + r")\b", re.IGNORECASE)
# Adverbs that say how, not whether.
_ADVERB = re.compile(
    r" (?!only|nearly|early|family|likely|hardly|barely|rarely)[a-z]{4,}ly (?=[a-z])"
)
_OPENING = re.compile(
    r"^((?:In|On|At|During|After|Before|Since|By) [^,.;]{3,40}), ([^;:]{12,}?)([.!?]?)$"
)
_POOL_NAMES = 20
_NEAR_WORDS = 80
#: Share of a copy's edits that are made of its evidence too.
_MIRRORED = 0.3


def paraphrase(claim: str, random: np.random.Generator) -> str:
    """A claim in other words, or with less in it: what its evidence supports, it still does."""
    made = _SYNONYM.sub(lambda m: _ALIKE[m[0]] if random.random() < 0.7 else m[0], claim)
    if random.random() < 0.5:
        made = _ASIDE.sub("", made)
    if random.random() < 0.5:
        made = _DATE.sub(r"\2 \1 \3", made)
    elif random.random() < 0.5:
        made = _DAY.sub(r"\2 \1", made)
    if random.random() < 0.5:
        made = _OWNER.sub(r"the \2 of \1", made)
    if random.random() < 0.5:
        made = _SHORT.sub(lambda m: _LONG[m[0].lower()], made)
    if random.random() < 0.3:
        made = _ADVERB.sub(" ", made)
    if random.random() < 0.4:
        made = _OPENING.sub(lambda m: f"{m[2][:1].upper()}{m[2][1:]} {_small(m[1])}{m[3]}", made)
    if random.random() < 0.35:
        made = drop_phrase(made, random)
    return made.lower() if random.random() < 0.15 else made


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def words_alike(
    vocabulary: Mapping[str, int], vectors: NDArray[np.float32]
) -> dict[str, tuple[str, ...]]:
    """For each whole word of a model's vocabulary, words of the same ending that its static
    embeddings put near it: other things of the same kind. The two nearest are left out, they are
    often synonyms.

    Args:
        vocabulary: word to row.
        vectors: float32 [rows, dim].
    """
    words = [w for w in vocabulary if w.isalpha() and w.isascii() and len(w) >= 4]
    x = vectors[[vocabulary[w] for w in words]].astype(np.float64)
    x -= x.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    content = [i for i, w in enumerate(words) if is_content(w)]
    found = {}
    for begin in range(0, len(content), 512):
        rows = content[begin : begin + 512]
        similarity = x[rows] @ x.T
        near = np.argpartition(-similarity, 30, axis=1)[:, :30]
        order = np.argsort(-np.take_along_axis(similarity, near, 1), axis=1, kind="stable")
        nearest = np.take_along_axis(near, order, 1)
        for row, i in enumerate(rows):
            me = words[i]
            others = [
                words[j]
                for j in nearest[row]
                if stem(words[j]) != stem(me)
                and words[j][:4] != me[:4]
                and is_content(words[j])
                and ending(words[j]) == ending(me)
            ][2:18]
            if others:
                found[me] = tuple(others)
    return found


@dataclass(frozen=True)
class _Near:
    """What a document holds that may be swapped into a claim about it."""

    names: list[str]
    numbers: list[str]
    words: list[str]


def _near(text: str) -> _Near:
    words = [t.word for t in tokens(text) if is_content(t.word) and text[t.start : t.end].islower()]
    return _Near(
        list(dict.fromkeys(n.text for n in name_finder.names(text))),
        numbers(text),
        list(dict.fromkeys(words))[:_NEAR_WORDS],
    )


class Editor:
    """Makes unsupported claims of supported ones, from what their own and other documents say."""

    def __init__(
        self, pairs: Sequence[Pair], pool: Sequence[Pool], alike: Mapping[str, Sequence[str]]
    ) -> None:
        random = np.random.default_rng(0)
        self._alike = alike
        self._near: dict[tuple[str, str], _Near] = {}
        self._texts = {(one.dataset, one.source): " ".join(one.texts)[:6000] for one in pool}
        far: list[str] = []
        far_numbers: list[str] = []
        phrases: list[str] = []
        for key, text in self._texts.items():
            mine = self._near[key] = _near(text)
            far += mine.names[:_POOL_NAMES]
            far_numbers += mine.numbers[:_POOL_NAMES]
            phrases += tails(text)[:15]
        self._far = _some(far, 3000, random)
        self._far_numbers = _some(far_numbers, 2000, random)
        self._tails = _some(phrases, 3000, random)
        self._claims = _some([pair.claim for pair in pairs], 3000, random)

    def edit(self, pair: Pair, random: np.random.Generator) -> Pair | None:
        """The pair with an unsupported claim, or None when no rule applies."""
        key = (pair.dataset, pair.source)
        if key not in self._near:
            self._near[key] = _near(pair.evidence)
        near = self._near[key]
        phrases = _drawn(self._tails, 5, random)
        if random.random() < 0.4:
            phrases = tails(self._texts.get(key, pair.evidence)) or phrases
        material = Material(
            near.names,
            _drawn(self._far, 40, random),
            near.numbers,
            _drawn(self._far_numbers, 40, random),
            phrases,
            self._alike,
            near.words,
            _drawn(self._claims, 3, random),
        )
        made = edit(pair.claim, material, random)
        if made is None:
            return None
        spans = tuple((span.start, span.end) for span in made.spans)
        return replace(pair, claim=made.claim, is_unsupported=True, spans=spans)


def epoch(
    pairs: Sequence[Pair],
    editor: Editor,
    random: np.random.Generator,
    most: Mapping[str, int],
    edits: Mapping[str, float],
) -> list[Pair]:
    """One epoch's pairs.

    Args:
        pairs: labelled pairs and copies.
        editor: makes edits.
        random: the only source of chance.
        most: pairs of a set that are used at most; "SET:copy" for its copies.
        edits: edits per supported pair of a set; "natural" and "copy" where a set is not named.
    """
    groups: dict[tuple[str, bool], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.dataset, pair.is_copy), []).append(pair)
    found: list[Pair] = []
    for (name, is_copy), members in groups.items():
        key = f"{name}:copy" if is_copy else name
        limit = most.get(key, len(members))
        if len(members) > limit:
            members = [members[i] for i in random.permutation(len(members))[:limit]]
        rate = edits.get(key, edits["copy" if is_copy else "natural"])
        for pair in members:
            if not is_copy:
                found.append(pair)
            elif random.random() < 0.55:
                plain = random.random() < 0.3
                found.append(pair if plain else _reworded(pair, random))
            if pair.is_unsupported:
                continue
            for _ in range(int(rate) + int(random.random() < rate % 1)):
                reword = is_copy and random.random() < 0.5
                made = editor.edit(_reworded(pair, random) if reword else pair, random)
                if made is not None:
                    found.append(made)
                    if not reword and random.random() < _MIRRORED:
                        found += _mirrored(pair, made)
    # A claim with another claim's evidence is unsupported; which of its words are is not known.
    supported = [pair for pair in found if not pair.is_unsupported]
    for i in random.permutation(len(supported))[: len(supported) // 12]:
        other = supported[int(random.integers(len(supported)))]
        if other.source != supported[i].source:
            found.append(
                replace(supported[i], evidence=other.evidence, is_unsupported=True, spans=None)
            )
    return found


def _mirrored(pair: Pair, made: Pair) -> list[Pair]:
    """The same two claims against evidence that says what the edit says: now the other one is
    supported, so that nothing is to be learnt from how odd a claim sounds."""
    if pair.claim not in pair.evidence:
        return []
    evidence = pair.evidence.replace(pair.claim, made.claim)
    old, new = pair.claim, made.claim
    shortest = min(len(old), len(new))
    start = next((k for k in range(shortest) if old[k] != new[k]), shortest)
    end = next((k for k in range(shortest - start) if old[-1 - k] != new[-1 - k]), shortest - start)
    place = (start, len(old) - end)
    spans = (place,) if place[1] > place[0] else None
    return [
        replace(pair, evidence=evidence, is_unsupported=True, spans=spans),
        replace(made, evidence=evidence, is_unsupported=False, spans=()),
    ]


def strangers(pairs: Sequence[Pair], random: np.random.Generator, share: float) -> list[Pair]:
    """Claims of one subject that their evidence does not speak of: sentences of a passage with what
    was chosen of it for another one, and claims with another claim's evidence, half of each.

    Args:
        pairs: those of an epoch.
        random: the only source of chance.
        share: how many, of the supported pairs.
    """
    supported = [pair for pair in pairs if not pair.is_unsupported]
    of_source: dict[tuple[str, str], list[str]] = {}
    for pair in supported:
        of_source.setdefault((pair.dataset, pair.source), []).append(pair.evidence)
    found: list[Pair] = []
    copies = [pair for pair in supported if pair.is_copy]
    wanted = int(share * len(supported))
    for i in random.permutation(len(copies)):
        pair = copies[i]
        others = of_source[pair.dataset, pair.source]
        evidence = others[int(random.integers(len(others)))]
        # Only a sentence that was left as it is can be told to be absent.
        if evidence != pair.evidence and pair.claim in pair.evidence and pair.claim not in evidence:
            found.append(replace(pair, evidence=evidence, is_unsupported=True, spans=None))
        if len(found) * 2 >= wanted:
            break
    for i in random.permutation(len(supported))[: wanted - len(found)]:
        other = supported[int(random.integers(len(supported)))]
        if other.source != supported[i].source:
            made = replace(supported[i], evidence=other.evidence, is_unsupported=True, spans=None)
            found.append(made)
    return found


def _reworded(pair: Pair, random: np.random.Generator) -> Pair:
    return replace(pair, claim=paraphrase(pair.claim, random))


def _some(items: Sequence[str], most: int, random: np.random.Generator) -> list[str]:
    return [items[i] for i in random.permutation(len(items))[:most]]


def _drawn(items: Sequence[str], n: int, random: np.random.Generator) -> list[str]:
    return [items[i] for i in random.integers(len(items), size=n)] if items else []
