"""Negation and direction words by clause, to see when two sentences of the same words say opposite
things."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.text.tokens import Token, tokens
from evalkit.text.word_lists import word_set

_NEGATIONS = word_set(
    "not no never none nobody nothing neither nor nowhere without cannot can't won't don't doesn't "
    "didn't isn't aren't wasn't weren't hasn't haven't hadn't shouldn't wouldn't couldn't mustn't "
    "needn't ain't hardly barely scarcely rarely seldom unable fail fails failed failing lack "
    "lacks lacked lacking refuse refuses refused deny denies denied declined false untrue unlikely "
    "impossible absent"
)
# "not only ... but also" and "no doubt" deny nothing.
_NO_NEGATION_BEFORE = word_set("only just merely doubt")
_CLAUSE_WORDS = word_set(
    "but however although though while whereas except unless because which who yet instead"
)
_CLAUSE_STOP = re.compile(r"[,;:.!?()\n\u2014\u3002\uff0c]")

# One line an axis: words of one direction | words of the other.
_AXES = """
increase increases increased increasing rise rises rose risen rising grow grows grew grown growing climb climbed gain gains gained up surge surged jump jumped expand expanded improve improves improved | decrease decreases decreased decreasing fall falls fell fallen falling drop drops dropped dropping decline declines declining shrink shrank reduce reduced reduces lose loses lost down plunge plunged worsen worsened worsens cut cuts
more higher greater larger bigger above over exceed exceeds exceeded maximum most highest largest | less lower fewer smaller below under minimum least lowest smallest fewest
before earlier prior previously precede preceded | after later following subsequently follow followed
win wins won victory | defeat defeats loss losing
accept accepts accepted approve approves approved agree agrees agreed support supports supported favor favour endorse endorsed | reject rejects rejected disapprove oppose opposes opposed disagree disagrees disagreed against block blocked veto vetoed
include includes included including with | exclude excludes excluded excluding without
allow allows allowed permit permits permitted legal enable enables enabled | forbid forbids forbidden prohibit prohibits prohibited ban bans banned illegal prevent prevents prevented disable disabled
success successful succeed succeeded succeeds pass passed passes | failure unsuccessful fail failed fails
always all every everyone entirely fully | never none nobody partly partially
best better good positive benefit beneficial strong stronger safe | worst worse bad negative harm harmful weak weaker unsafe dangerous
first begin begins began start starts started open opens opened launch launched join joined | last end ends ended stop stops stopped close closes closed leave left quit
true correct right accurate possible likely | false incorrect wrong inaccurate impossible unlikely
buy buys bought purchase purchased acquire acquired | sell sells sold
male man men boy he him his father son husband brother | female woman women girl she her hers mother daughter wife sister
north northern northeast | south southern southwest
hot warm hotter warmer | cold cool colder cooler
present alive | absent dead
married | divorced unmarried single
guilty convicted | innocent acquitted
"""  # noqa: E501
_DIRECTIONS: dict[str, tuple[int, int]] = {}
for _axis, _line in enumerate(_AXES.strip().splitlines()):
    for _sign, _half in zip((1, -1), _line.split("|"), strict=True):
        for _word in _half.split():
            _DIRECTIONS.setdefault(_word, (_axis, _sign))


@dataclass(frozen=True)
class Cue:
    """A negation word, and how far it reaches: to the end of its clause."""

    word: str
    start: int
    end: int
    scope_end: int


@dataclass(frozen=True)
class Direction:
    """A word with an opposite: its axis, its sign with negation applied, and where it stands."""

    word: str
    axis: int
    sign: int
    start: int
    end: int


@dataclass(frozen=True)
class Polarity:
    """Negations and directions of a text."""

    cues: tuple[Cue, ...]
    directions: tuple[Direction, ...]

    @property
    def negations(self) -> int:
        """How many negation words there are."""
        return len(self.cues)

    @property
    def is_negative(self) -> bool:
        """Whether the negations are odd in number."""
        return len(self.cues) % 2 == 1


def polarity(text: str) -> Polarity:
    """Negation words with their scope, and direction words with the sign they have in it.

    Args:
        text: a sentence or any text.
    Returns:
        Both, in order. Scope by clause follows the NegEx idea, Chapman et al. (2001), J. Biomed.
        Inform. 34:301.

    >>> [(d.word, d.sign) for d in polarity("Sales did not rise, but costs fell.").directions]
    [('rise', -1), ('fell', -1)]
    """
    cues: list[Cue] = []
    directions: list[Direction] = []
    for clause in _clauses(text):
        scope_end = clause[-1].end
        denied = 0
        for place, token in enumerate(clause):
            follower = clause[place + 1].word if place + 1 < len(clause) else ""
            known = _DIRECTIONS.get(token.word)
            if known:
                sign = known[1] * (-1 if denied % 2 else 1)
                directions.append(Direction(token.word, known[0], sign, token.start, token.end))
            if token.word in _NEGATIONS and follower not in _NO_NEGATION_BEFORE:
                cues.append(Cue(token.word, token.start, token.end, scope_end))
                # A word that is itself a direction ("failed") has told its sign already.
                denied += not known
    return Polarity(tuple(cues), tuple(directions))


def conflicts(first: Polarity, second: Polarity) -> int:
    """On how many axes two texts point in clearly opposite directions.

    Args:
        first, second: from `polarity`.
    Returns:
        The number of axes that have one sign only in each text, and not the same.

    >>> conflicts(polarity("Costs rose."), polarity("Costs did not rise."))
    1
    """
    mine, theirs = _signs(first), _signs(second)
    return sum(mine[axis] * theirs[axis] == -1 for axis in mine.keys() & theirs.keys())


def _signs(side: Polarity) -> dict[int, int]:
    """1 or -1 for each axis; 0 where a text points both ways."""
    found: dict[int, int] = {}
    for direction in side.directions:
        known = found.setdefault(direction.axis, direction.sign)
        if known != direction.sign:
            found[direction.axis] = 0
    return found


def _clauses(text: str) -> list[list[Token]]:
    clauses: list[list[Token]] = []
    current: list[Token] = []
    last_end = 0
    for token in tokens(text):
        parted = _CLAUSE_STOP.search(text, last_end, token.start) or token.word in _CLAUSE_WORDS
        if current and parted:
            clauses.append(current)
            current = []
        current.append(token)
        last_end = token.end
    if current:
        clauses.append(current)
    return clauses
