"""Signs that a response declines to answer: refusals, "not in the context", "I don't know", and how
much of an answer stands beside them; the verdict itself is a scorer's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from evalkit.text import sentences
from evalkit.text.sentences import Span
from evalkit.text.tokens import content_words

CueKind = Literal["refusal", "not_in_context", "unknown", "which", "disclaimer", "ask_back"]
#: What a clause does: it declines to answer, says what the speaker is or lacks in general, asks or
#: offers, is polite, speaks in general ("it varies"), or says something.
Role = Literal["declines", "disclaims", "asks", "courtesy", "general", "content"]

# Content words that a clause without a cue needs to count as an answer of its own.
MIN_CONTENT_WORDS = 3


@dataclass(frozen=True)
class Cue:
    """One sign of abstention and where it stands."""

    kind: CueKind
    start: int
    end: int


@dataclass(frozen=True)
class Clause:
    """A sentence, or its part before or after a "but": what it does, and its content words."""

    role: Role
    start: int
    end: int
    words: int


@dataclass(frozen=True)
class AbstentionCues:
    """The signs of abstention in a response.

    Attributes:
        cues: in order, at most one a clause and kind.
        clauses: in order; what each does.
    """

    cues: tuple[Cue, ...]
    clauses: tuple[Clause, ...]

    @property
    def cue_clauses(self) -> int:
        """How many clauses decline or disclaim."""
        return sum(clause.role in _CUE_ROLES for clause in self.clauses)

    @property
    def share(self) -> float | None:
        """Characters of clauses that decline or disclaim, over those of all; None for no clause."""
        total = sum(clause.end - clause.start for clause in self.clauses)
        taken = sum(c.end - c.start for c in self.clauses if c.role in _CUE_ROLES)
        return taken / total if total else None

    @property
    def content_before(self) -> bool:
        """Whether a clause with an answer of its own comes before the first that declines."""
        first = self._first()
        return first is not None and any(c.role == "content" for c in self.clauses[:first])

    @property
    def content_after(self) -> bool:
        """Whether one follows it: "The context does not say. It was 1969." declines and answers."""
        first = self._first()
        return first is not None and any(c.role == "content" for c in self.clauses[first:])

    @property
    def is_whole(self) -> bool:
        """Whether the response declines and says nothing else."""
        return self._first() is not None and not self.content_after and not self.content_before

    def _first(self) -> int | None:
        return next((k for k, c in enumerate(self.clauses) if c.role in _CUE_ROLES), None)


_CUE_ROLES = ("declines", "disclaims")

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
_SOUGHT = r"(?:information|mention|details?|indication|data|reference|context)"
_I = r"\b(?:i|we)(?:['\u2019](?:m|re)|\ am|\ are)?"

_REFUSAL = rf"""
    {_I}\ (?:{_CANNOT}|won['\u2019]t|will\ not|not\ allowed\ to|decline\ to|must\ decline\ to)
        \ {_GAP}{{0,2}}?(?:help|assist|comply|fulfill?|support|engage|discuss
            |do\ (?:that|this)|share|create|generate|write|provide|offer|give|predict)\b
    |{_I}\ not\ capable\ of\b
    |\bagainst\ (?:my|our|the)\ (?:policy|policies|guidelines)\b
    |{_I}\ must\ decline\b
    |\band\ {_CANNOT}\ (?:provide|give|answer|tell)\b
    |\blet['\u2019]?s\ (?:try|talk\ about|move\ on\ to)\ {_GAP}{{0,2}}?(?:topic|else)\b
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
    |{_I}\ (?:still\ |also\ )?{_CANNOT}\ (?:be\ )?
        (?:answer|say|determine|find|locate|confirm|verify|tell|certain|sure)\b
    |{_I}\ did{_NOT}\ find\b
    |\bit\ is\ (?:not\ (?:clear|known|possible\ to)|unclear|unknown
        |impossible\ to|difficult\ to\ (?:say|tell|determine))\b
    |\bit['\u2019]s\ (?:not\ (?:clear|known|possible\ to)|unclear|unknown
        |impossible\ to|difficult\ to\ (?:say|tell|determine))\b
    |\b(?:i\ have\ )?no\ idea\b
    |\bnothing\ (?:was\ |is\ )?found\b
    # the whole sentence, or what stands after a colon
    |(?:^|:\ )\W{{0,8}}(?:unknown|unclear|n/a|no\ answer|not\ (?:sure|available|applicable
        |enough\ information|known|found|mentioned|stated|specified))
        (?:\W{{0,8}}$|,|\ {_GAP}{{0,1}}[\w'\u2019-]{{1,30}}+\W{{0,8}}$)
"""
_WHICH = rf"""
    \bneed(?:\ to\ know)?\ {_GAP}{{0,2}}?(?:more|further|additional|specific)
        \ {_GAP}{{0,2}}?(?:information|context|details?)\b
    |\bwithout\ (?:a\ |any\ |the\ )?(?:more|further|additional|specific|knowing)\b
    |\b(?:to|please|to\ be)\ (?:specify|specified)\ (?:which|what|the)\b
    |\b(?:which|what|who|whom)\ {_GAP}{{0,4}}?you(?:['\u2019]re|\ are)\ (?:referring|asking)\b
    |\byou(?:['\u2019]re|\ are)\ referring\ to(?:\W{{0,8}}$|\ (?:when|by|as)\b)
    |\byour\ question\ (?:does{_NOT}|is\ (?:unclear|ambiguous|not\ clear))
"""
# Said of the speaker, not of the question: an answer may well follow.
_DISCLAIMER = rf"""
    \bas\ an?\ (?:ai|large\ language\ model|language\ model)\b
    |\bi\ am\ an\ ai\b
    |\bdo{_NOT}\ have\ {_GAP}{{0,2}}?(?:access\ to\ {_GAP}{{0,2}}?(?:real|live|current|latest
        |up-to-date|updates?|recent|the\ internet|classified|news)|real-time|personal|opinions?
        |beliefs?|feelings?|the\ ability)
    |\bmy\ (?:knowledge|training)\ is\ (?:current|limited|up)\b
"""
_ASK_BACK = r"""
    \b(?:could|can|would)\ you\ (?:please\ )?
        (?:provide|clarify|share|specify|give|rephrase|tell\ me)\b
    |\bplease\ (?:provide|clarify|specify|share|rephrase|check|consult|contact|refer)\b
    |\blet\ me\ know\b
    |\bfeel\ free\b
    |\bif\ you\ (?:have|can|could|would|need|provide)\b
    |\b(?:i['\u2019]d|i\ would|i['\u2019]ll)\ be\ (?:happy|glad)\b
    |\b(?:i\ (?:recommend|suggest)|recommended\ to|it(?:\ is|['\u2019]s)\ best\ to|you\ (?:can|may|should))
        \ (?:check|consult|contact|look|visit|refer|keep|easily\ find|find)(?:ing)?\b
    |\bis\ there\ anything\ else\b
    |\bhow\ (?:can|may)\ i\ help\b
"""
# What speaks of no case in particular, or of another.
_GENERAL = r"""
    \b(?:var(?:y|ies)|depend(?:s|ing)?\ (?:on|upon)|different\ (?:things|organizations|artists)
        |(?:can|could|may|might)\ (?:refer|mean|change|be\ found)|changes?\ (?:yearly|over\ time)
        |there\ (?:are|have\ been)\ (?:many|several|multiple|various)|it\ is\ important\ to
        |it\ is\ possible\ that|provide\ (?:you\ with\ )?(?:some|a\ general)\ )
    # told instead of what was asked
    |^\W{0,4}(?:however|but)\W{1,3}i\ (?:did\ )?(?:find|found)\b
"""


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_PATTERNS: tuple[tuple[CueKind, re.Pattern[str]], ...] = (
    ("refusal", _compiled(_REFUSAL)),
    ("not_in_context", _compiled(_NOT_IN_CONTEXT)),
    ("unknown", _compiled(_UNKNOWN)),
    ("which", _compiled(_WHICH)),
    ("disclaimer", _compiled(_DISCLAIMER)),
    ("ask_back", _compiled(_ASK_BACK)),
)
_IS_GENERAL = _compiled(_GENERAL)
_COURTESY = re.compile(
    r"\W{0,8}(?:(?:i['\u2019]m|i am|we['\u2019]re|i)? ?(?:very |so )?"
    r"(?:sorry|apologi[sz]e|apologies|unfortunately)|thank|thanks|sure|of course|certainly|hello"
    r"|hi|hmm+|great question|good question|i hope|hope this|best regards|regards)\b",
    re.IGNORECASE,
)
_SHORT_ANSWER = re.compile(
    r"\W{0,8}(?:(?i:it|he|she|they|this|that|there|the answer)(?: (?:is|was|are|were)|['\u2019]s) \w"
    r"|(?i:in |on |about )?[^\W_]{0,20}\d|[A-Z][\w'\u2019-]{1,30}(?: [A-Z]|\W{0,4}$))"
)
# Where a clause turns: "I have no access to news, but it was 1969."
_TURN = re.compile(r"[,;]\s{1,3}(?:but|however|though|although)\b", re.IGNORECASE)


def cues(text: str) -> AbstentionCues:
    """Signs that a response declines to answer.

    Args:
        text: the response.
    Returns:
        Which signs, where, and what each clause does, so that real content beside them is seen. An
        offer or a question back ("let me know if ...") is no content, and no abstention by itself.

    >>> found = cues("Sorry, the context does not mention his age. Let me know.")
    >>> [cue.kind for cue in found.cues], found.is_whole
    (['not_in_context', 'ask_back'], True)
    """
    found: list[Cue] = []
    clauses: list[Clause] = []
    for start, end in _clauses(text):
        clause = text[start:end]  # a slice, so that ^ and $ mean the clause
        here = [
            Cue(kind, start + match.start(), start + match.end())
            for kind, pattern in _PATTERNS
            if (match := pattern.search(clause))
        ]
        found.extend(sorted(here, key=lambda cue: (cue.start, cue.end)))
        words = len(content_words(clause))
        clauses.append(Clause(_role(clause, here, words), start, end, words))
    return AbstentionCues(tuple(found), tuple(clauses))


def _clauses(text: str) -> Iterator[Span]:
    for start, end in sentences.split(text):
        last = start
        for turn in _TURN.finditer(text, start, end):
            # "I'm sorry, but I cannot": an apology alone is no clause.
            if len(content_words(text[last : turn.start()])) >= MIN_CONTENT_WORDS:
                yield Span(last, turn.start())
                last = turn.start() + 1
        yield Span(last, end)


def _role(clause: str, here: list[Cue], words: int) -> Role:
    kinds = {cue.kind for cue in here}
    if kinds & {"refusal", "not_in_context", "which"} or (
        "unknown" in kinds and "disclaimer" not in kinds
    ):
        return "declines"
    if "disclaimer" in kinds:
        # "do not have access to real-time data" is both; of the speaker, not of the question.
        return "disclaims"
    if kinds:
        return "asks"
    if _COURTESY.match(clause):
        return "courtesy"
    if _IS_GENERAL.search(clause):
        return "general"
    answers = words >= MIN_CONTENT_WORDS or (words and _SHORT_ANSWER.match(clause))
    return "content" if answers else "courtesy"
