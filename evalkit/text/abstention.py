"""Signs that a response declines to answer: refusals, "not in the context", "I don't know"; the
verdict itself is a scorer's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evalkit.text import sentences
from evalkit.text.tokens import content_words

CueKind = Literal["refusal", "not_in_context", "unknown", "ask_back"]

# Content words that a sentence without a cue needs to count as an answer of its own.
MIN_CONTENT_WORDS = 3


@dataclass(frozen=True)
class Cue:
    """One sign of abstention and where it stands."""

    kind: CueKind
    start: int
    end: int


@dataclass(frozen=True)
class AbstentionCues:
    """The signs of abstention in a response.

    Attributes:
        cues: in order, at most one a sentence and kind.
        sentences: sentences of the response.
        cue_sentences: those with a refusal, not_in_context or unknown cue.
        share: characters of cue sentences over characters of all sentences; None for no sentence.
        first_at: where the first cue starts, as a share of the response; None without cues.
        content_after: whether a sentence with an answer of its own follows the first cue sentence.
        content_before: whether one comes before it.
    """

    cues: tuple[Cue, ...]
    sentences: int
    cue_sentences: int
    share: float | None
    first_at: float | None
    content_after: bool
    content_before: bool

    @property
    def is_whole(self) -> bool:
        """Whether the response declines and says nothing else."""
        return bool(self.cue_sentences) and not self.content_after and not self.content_before


# Gaps are bounded in words and in letters a word, so each pattern is linear on any text.
_GAP = r"(?:[\w'\u2019-]{1,30}+[ ,]{1,3}+)"
_ADVERB = r"(?:[a-z]{1,20}ly|even|been|be|seem\ to|appear\ to)"
_NOT = r"(?:\ not|n['\u2019]t)"
_CANNOT = r"(?:cannot|can\ not|can['\u2019]t|could\ not|couldn['\u2019]t|unable\ to|not\ able\ to)"
_SOURCE = r"""(?:contexts?|passages?|documents?|documentation|text|article|sources?|excerpts?
    |materials?|information|content|data|knowledge\ base|records?|transcript|snippets?|paragraphs?
    |report)"""
_TELL = r"""(?:mention|specif(?:y|ied)|state|provide|contain|include|say|give|discuss|address
    |indicate|cover|describe|reveal|disclose|answer|list|explain|detail|offer|available|found|clear
    |possible|known)(?:e?d|s)?"""
_SOUGHT = r"(?:information|mention|details?|evidence|answer|indication|data|reference|context)"

_REFUSAL = rf"""
    \b(?:i|we)(?:['\u2019](?:m|re)|\ am|\ are)?
        \ (?:{_CANNOT}|won['\u2019]t|will\ not|not\ allowed\ to|decline\ to|must\ decline\ to)
        \ {_GAP}{{0,2}}?(?:help|assist|comply|fulfill?|support|engage|discuss
            |do\ (?:that|this)|share|create|generate|write|provide)\b
    |\bas\ an\ ai\b
    |\bas\ a\ (?:large\ )?language\ model\b
    |\bagainst\ (?:my|our|the)\ (?:policy|policies|guidelines)\b
    |\bi\ must\ decline\b
"""
_NOT_IN_CONTEXT = rf"""
    # "does not mention ... in the passage", "is not stated in the text"
    \b(?:does|do|did|is|are|was|were|has|have){_NOT}\ (?:{_ADVERB}\ ){{0,2}}{_TELL}\b
        (?=[^.!?\n]{{0,200}}?\b{_SOURCE}\b)
    # "the context does not say"
    |\b{_SOURCE}\ {_GAP}{{0,4}}?(?:does|do|did|is|are|was|were){_NOT}
        \ (?:{_ADVERB}\ ){{0,2}}{_TELL}\b
    # "there is no information", "the passage has no mention"
    |\b(?:there\ (?:is|was|are|were)|i\ (?:found|see|have|could\ find)|contains?|provides?|has|have
        |gives?)\ (?:no|not\ enough|insufficient)\ {_GAP}{{0,3}}?{_SOUGHT}\b
    |\b(?:no|not\ enough|insufficient)\ {_GAP}{{0,2}}?(?:information|mention|details?|data|context)
        \ {_GAP}{{0,4}}?(?:available|provided|given|found|about|on|regarding|to\ answer|in\ the)\b
    |\b(?:not|n['\u2019]t)\ (?:explicitly\ |specifically\ |directly\ )?
        (?:mentioned|specified|stated|provided|given|included|covered|available|found|discussed)
        \ (?:in|by|within)\ {_GAP}{{0,4}}?{_SOURCE}\b
    # "cannot be determined from the context"
    |\b{_CANNOT}\ {_GAP}{{0,2}}?
        (?:answer|determine|find|tell|conclude|infer|locate|confirm)(?:e?d)?\b
        (?=[^.!?\n]{{0,200}}?\b{_SOURCE}\b)
    |\bunable\ to\ answer\b
    |\bunanswerable\b
    |\boutside\ (?:of\ )?(?:the\ )?(?:scope|context)\b
"""
_UNKNOWN = rf"""
    \b(?:i|we)\ (?:really\ )?do{_NOT}\ {_GAP}{{0,2}}?
        (?:know|have\ {_GAP}{{0,2}}?(?:access|information|enough|data|details|answer))\b
    |\b(?:i|we)(?:['\u2019](?:m|re)|\ am|\ are)\ (?:not\ (?:sure|certain|aware)|unsure|unaware)\b
    |\b(?:i|we)(?:['\u2019](?:m|re)|\ am|\ are)?\ {_CANNOT}
        \ (?:answer|say|determine|find|locate|confirm|verify|tell)\b
    |\bit\ is\ (?:not\ (?:clear|known|possible\ to)|unclear|unknown|impossible\ to)\b
    |\bno\ idea\b
    # the whole sentence
    |^\W{{0,8}}(?:unknown|n/a|no\ answer|not\ (?:sure|available|applicable|enough\ information|known
        |found|mentioned|stated|specified))\W{{0,8}}$
"""
_ASK_BACK = r"""
    \b(?:could|can|would)\ you\ (?:please\ )?
        (?:provide|clarify|share|specify|give|rephrase|tell\ me)\b
    |\bplease\ (?:provide|clarify|specify|share|rephrase|check|consult|contact|refer)\b
    |\blet\ me\ know\b
    |\bfeel\ free\b
    |\bif\ you\ (?:have|can|could|would|need|provide)\b
    |\b(?:i['\u2019]d|i\ would|i['\u2019]ll)\ be\ (?:happy|glad)\b
    |\bi\ (?:recommend|suggest)\ (?:checking|consulting|contacting|looking)\b
    |\bis\ there\ anything\ else\b
    |\bhow\ (?:can|may)\ i\ help\b
"""


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_PATTERNS: tuple[tuple[CueKind, re.Pattern[str]], ...] = (
    ("refusal", _compiled(_REFUSAL)),
    ("not_in_context", _compiled(_NOT_IN_CONTEXT)),
    ("unknown", _compiled(_UNKNOWN)),
    ("ask_back", _compiled(_ASK_BACK)),
)
_APOLOGY = re.compile(
    r"\W{0,8}(?:i['\u2019]m|i am|we['\u2019]re|i)? ?(?:very |so )?"
    r"(?:sorry|apologi[sz]e|apologies|unfortunately)\b",
    re.IGNORECASE,
)


def cues(text: str) -> AbstentionCues:
    """Signs that a response declines to answer.

    Args:
        text: the response.
    Returns:
        Which signs, where, how much of the response they take, and whether real content stands
        beside them: "The context does not say. It was 1969." both declines and answers. An offer
        or a
        question
        back ("let me know if ...") is no content, and no abstention by itself.

    >>> found = cues("Sorry, the context does not mention his age. Let me know.")
    >>> [cue.kind for cue in found.cues], found.is_whole
    (['not_in_context', 'ask_back'], True)
    """
    found: list[Cue] = []
    roles: list[str] = []
    sizes: list[int] = []
    for start, end in sentences.split(text):
        here = [
            Cue(kind, place.start, place.end)
            for kind, pattern in _PATTERNS
            if (place := _search(pattern, text, start, end))
        ]
        found.extend(sorted(here, key=lambda cue: (cue.start, cue.end)))
        roles.append(_role(text[start:end], here))
        sizes.append(end - start)
    first = next((place for place, role in enumerate(roles) if role == "cue"), len(roles))
    taken = sum(size for size, role in zip(sizes, roles, strict=True) if role == "cue")
    return AbstentionCues(
        cues=tuple(found),
        sentences=len(roles),
        cue_sentences=roles.count("cue"),
        share=taken / sum(sizes) if sizes else None,
        first_at=found[0].start / len(text) if found else None,
        content_after="content" in roles[first + 1 :],
        content_before="content" in roles[:first] and first < len(roles),
    )


def _search(pattern: re.Pattern[str], text: str, start: int, end: int) -> sentences.Span | None:
    # A slice, so that ^ and $ mean the sentence.
    match = pattern.search(text[start:end])
    return sentences.Span(start + match.start(), start + match.end()) if match else None


def _role(sentence: str, here: list[Cue]) -> str:
    if any(cue.kind != "ask_back" for cue in here):
        return "cue"
    if here or _APOLOGY.match(sentence):
        return "courtesy"
    return "content" if len(content_words(sentence)) >= MIN_CONTENT_WORDS else "courtesy"
