"""What kind of answer a question asks for, and whether a text holds one; by wording alone, so in
English. Whether it is the right one is not asked here."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from evalkit.text import names, numbers, sentences
from evalkit.text.tokens import content_words, words
from evalkit.text.word_lists import word_list, word_set

__all__ = ["KINDS", "AnswerKind", "asks", "expected", "holds"]

AnswerKind = Literal[
    "number", "date", "person", "place", "yes_no", "reason", "how_to", "definition", "list"
]
KINDS: tuple[AnswerKind, ...] = (
    "number", "date", "person", "place", "yes_no", "reason", "how_to", "definition", "list",
)  # fmt: skip

# A question may stand at the end of pages of pasted text; its kind is read from one sentence.
_MAX_CHARS = 20_000
_MAX_WORDS = 60
# A name or a time in a text this long is no sign of anything, and one is soon found.
_MAX_HELD_CHARS = 20_000
# Up to this many words a text is an answer without a sentence around it: its capitals are names.
_BARE_WORDS = 6

_AUXILIARY = word_set(
    "is are was were am do does did can could will would shall should may might must has have had "
    "isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't shouldn't "
    "hasn't haven't"
)
_INTERROGATIVE = word_set("who whose whom when where why how what what's which who's where's")
_MEASURES = word_set(
    "many much old tall long far big large high deep heavy fast wide often few hot cold small "
    "late early close thick strong frequently quickly"
)
# Nouns that say what a "what" or "which" is after; the first one that follows it decides.
_SOUGHT: dict[str, AnswerKind] = {
    **dict.fromkeys(
        word_list("year years date day month time century decade era period deadline"),
        "date",
    ),
    **dict.fromkeys(
        word_list(
            "number percentage percent population age height distance price cost amount size fee "
            "temperature length rate score total speed weight salary width depth maximum minimum "
            "average count limit duration"
        ),
        "number",
    ),
    **dict.fromkeys(
        word_list(
            "city country state place town continent county island location capital region "
            "province village planet address"
        ),
        "place",
    ),
    **dict.fromkeys(
        word_list(
            "person actor actress singer author president king queen player man woman artist "
            "writer scientist founder inventor director character composer"
        ),
        "person",
    ),
    **dict.fromkeys(word_list("reason reasons cause causes purpose"), "reason"),
    **dict.fromkeys(word_list("steps procedure way ways method"), "how_to"),
    **dict.fromkeys(word_list("mean means meant meaning definition"), "definition"),
    **dict.fromkeys(
        word_list("types kinds examples list names members parts ingredients symptoms"), "list"
    ),
}
# "could you tell me who ...": what is asked comes after the courtesy.
_COURTESY = re.compile(
    r"^\W{0,8}(?:(?:please|hi|hello|hey|so|and|but|ok|okay)\b\W{0,3}){0,3}"
    r"(?:(?:can|could|would|will|do)\ (?:you|anyone|somebody)\ (?:please\ )?"
    r"(?:tell|explain|know|say|show|remind|describe|find\ out)(?:\ (?:me|us|to\ me))?"
    r"|(?:tell|show|remind)\ (?:me|us)"
    r"|i(?:\ (?:want|need|would\ like)|'d\ like)\ to\ (?:know|learn|understand|find\ out)"
    r"|(?:do\ you\ have\ any\ idea)|i\ wonder|i'm\ wondering)\b\W{0,3}",
    re.IGNORECASE,
)

_TIME_WORDS = re.compile(
    r"^\W{0,4}[0-9]{1,4}\W{0,4}$|\b(?:1[0-9]|20)[0-9]{2}s?\b"
    r"|\b[0-9]{1,2}(?:st|nd|rd|th)\b|\bcentur(?:y|ies)\b"
    r"|\b[0-9]{1,2}\ ?[ap]\.?m\b"
    r"|\b(?:january|february|march|april|june|july|august|september|october|november|december"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|winter"
    r"|today|yesterday|tomorrow|tonight|noon|midnight|annually|yearly|monthly|weekly|daily|ago"
    r"|christmas|easter|never|currently|bce?|ce|ad)\b"
    r"|\b(?:every|each|last|next|this|early|late|mid)[ -]{1,2}(?:year|month|week|day|season)s?\b"
    r"|\b(?:after|before|during|until|once|within|in\ the)\ [a-z0-9]",
    re.IGNORECASE,
)
_NUMBER_WORDS = re.compile(
    r"[0-9]|\b(?:no|none|zero|nobody|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|once|twice|thrice|half|both|single|double|dozens?|hundreds?|thousands?|millions?"
    r"|billions?|several|few|many|most|annually|yearly|monthly|weekly|daily|hourly|every)\b",
    re.IGNORECASE,
)
_PERSON_WORDS = re.compile(
    r"\b(?:he|she|his|her|him|president|king|queen|actor|actress|singer|people|man|woman|men|women"
    r"|person|someone|anyone|everyone|members?|citizens?|users?|customers?|team|company|staff"
    r"|government|congress|parliament|court|council|committee|department|minister|manager|owner"
    r"|mother|father|brother|sister|daughter|son|wife|husband|[a-z]{2,20}(?:ists?|ians?))\b",
    re.IGNORECASE,
)
_PLACE_WORDS = re.compile(
    r"\b(?:in|at|on|near|between|along|from|within|inside|outside|under|above|behind|through|across"
    r"|north|south|east|west|northern|southern|eastern|western|located|city|country|state|region"
    r"|here|there|everywhere|worldwide)\b",
    re.IGNORECASE,
)
_ASSENT = re.compile(
    r"\b(?:yes|yeah|yep|no|nope|not|never|cannot|correct|incorrect|true|false|indeed|absolutely"
    r"|certainly|definitely|sure|only\ if|it\ depends|depends|can|may|must|allowed|required"
    r"|possible|impossible)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_REASON_WORDS = re.compile(
    r"\b(?:because|due\ to|owing\ to|since|so\ that|in\ order\ to|as\ a\ result|caused?|causes"
    r"|leads?\ to|reasons?|results?|therefore|thus|thanks\ to|in\ response|to\ [a-z]{3,20}|for)\b",
    re.IGNORECASE,
)
_MANNER_WORDS = re.compile(
    r"(?:^|\n)\s{0,8}(?:[0-9]{1,2}[.)]|[-*\u2022])\ |\b(?:by|through|via|using|use|with|step|steps"
    r"|first|then|next|finally|click|open|select|press|go\ to|make\ sure|you\ can|you\ need"
    r"|you\ should|to\ [a-z]{2,20})\b",
    re.IGNORECASE,
)
_DEFINING_WORDS = re.compile(
    r"\b(?:is|are|was|were|means?|refers?\ to|defined|known\ as|called|describes?|denotes?"
    r"|stands\ for|type\ of|kind\ of|form\ of|term)\b",
    re.IGNORECASE,
)
_LISTING = re.compile(r",|;|\n|\band\b|\bor\b|&", re.IGNORECASE)


def expected(question: str) -> AnswerKind | None:
    """The kind of answer that a question asks for.

    Args:
        question: what the user wrote; of several sentences, the last one that asks counts.
    Returns:
        The kind, or None where the wording does not say (most requests, and "what ..." about
        anything).

    >>> [expected(q) for q in ("who wrote hamlet", "Is it open?", "in what year did it open?")]
    ['person', 'yes_no', 'date']
    >>> expected("Can you tell me how much it costs?"), expected("Write a poem about rain.")
    ('number', None)
    """
    focus = _COURTESY.sub("", _focus(question), count=1)
    run = words(focus.replace("\u2019", "'"))[:_MAX_WORDS]
    for at, word in enumerate(run):
        if word in _INTERROGATIVE:
            # Beyond the head, "when", "where" and their kin mostly join clauses.
            if at > 3 and word not in ("what", "which", "who", "how") and run[0] in _AUXILIARY:
                break
            return _of_word(word, run[at + 1 :])
        if at == 0 and word in _AUXILIARY:
            # "is it red or blue" is answered with a colour, not with yes.
            return None if "or" in run else "yes_no"
    if run[:1] in (["define"], ["definition"], ["meaning"]):
        return "definition"
    if run[:1] in (["list"], ["name"], ["types"], ["examples"]):
        return "list"
    return None


def _of_word(word: str, rest: list[str]) -> AnswerKind | None:
    head = rest[0] if rest else ""
    if word in ("who", "who's", "whose", "whom"):
        return "person"
    if word == "when":
        return "date"
    if word in ("where", "where's"):
        return "place"
    if word == "why":
        return "reason"
    if word == "how":
        if head in _MEASURES:
            return "number"
        return "reason" if head == "come" else "how_to"
    if "mean" in rest[-2:] or "means" in rest[-2:]:
        return "definition"
    for noun in rest[:5]:
        if noun in _SOUGHT:
            return _SOUGHT[noun]
    if head in ("is", "are") and rest[1:2] in (["a"], ["an"]):
        return "definition"
    if word == "what's" and head in ("a", "an"):
        return "definition"
    return None


def _focus(question: str) -> str:
    tail = question[-_MAX_CHARS:]
    parts = [tail[span.start : span.end] for span in sentences.split(tail)]
    asking = [part for part in parts if asks(part)]
    if asking:
        return asking[-1]
    return parts[0] if parts else tail


def asks(sentence: str) -> bool:
    """Whether a sentence is a question: by its mark, or by how it begins.

    >>> asks("You are open on Sunday?"), asks("where is it"), asks("It is here.")
    (True, True, False)
    """
    bare = sentence.rstrip(" \t\r\n\"')]}\u201d\u2019")
    if bare.endswith(("?", "\uff1f", "\u061f")):
        return True
    first = words(bare[:80])[:2]
    # "Which is why it closed." and "When it rains, ..." state something.
    return bool(first) and first[0] in _INTERROGATIVE and not bare.endswith((".", "!"))


def holds(kind: AnswerKind, text: str, known: Collection[str] = ()) -> bool:
    """Whether a text holds something of a kind.

    Args:
        kind: from `expected`.
        text: the response.
        known: folded words of the question: a name that it gives itself answers nothing.
    Returns:
        For a date any time, for a number any amount, for a person or place a new name or a word
        such as "citizens" or "near"; for the other kinds, wording that is usual in them. Lenient:
        that it is missing says more than that it is there.

    >>> holds("date", "It opened in 1889."), holds("date", "It is very tall.")
    (True, False)
    >>> holds("person", "Hamlet is a play.", {"hamlet"}), holds("person", "Shakespeare")
    (False, True)
    """
    text = text[:_MAX_HELD_CHARS]
    if kind == "date":
        return bool(_TIME_WORDS.search(text)) or any(
            number.kind in ("year", "date", "time") for number in numbers.facts(text)
        )
    if kind == "number":
        return bool(_NUMBER_WORDS.search(text)) or bool(numbers.facts(text))
    if kind == "person":
        return _has_new_name(text, known) or bool(_PERSON_WORDS.search(text))
    if kind == "place":
        return _has_new_name(text, known) or bool(_PLACE_WORDS.search(text))
    if kind == "yes_no":
        return bool(_ASSENT.search(text))
    if kind == "reason":
        return bool(_REASON_WORDS.search(text))
    if kind == "how_to":
        return bool(_MANNER_WORDS.search(text))
    if kind == "definition":
        return bool(_DEFINING_WORDS.search(text))
    return bool(_LISTING.search(text))


def _has_new_name(text: str, known: Collection[str]) -> bool:
    if len(words(text[:200])) <= _BARE_WORDS and len(text) <= 200:
        bare = [word for word in re.findall(r"[^\W\d_][\w'\u2019-]*+", text) if word[0].isupper()]
        return any(word not in known for name in bare for word in content_words(name))
    return any(word not in known for name in names.names(text) for word in content_words(name.text))
