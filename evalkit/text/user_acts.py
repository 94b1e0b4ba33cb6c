"""What a user does with a turn, by its phrases: corrects, declines, puts off, agrees, says goodbye,
asks for something else or for a person; and what the answer before it asked of the user."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Asked", "UserActs", "asked", "user_acts"]

# Such phrases stand where a turn begins, and what an answer asks of the user where it ends.
_HEAD = 600
_TAIL = 400


@dataclass(frozen=True)
class UserActs:
    """Which acts a turn shows signs of.

    Attributes:
        corrects: says that the answer is wrong, or not what was meant.
        takes_back: corrects the user's own words ("I changed my mind", "my mistake").
        changes: puts something else in the place of what was said ("make it two", "instead").
        hesitates: begins by taking something back ("oh, wait", "sorry", "actually").
        declines: does not want what was offered.
        defers: not now, later.
        no, yes: begins with a no, or with agreement.
        but: agrees, with a "but".
        closes: needs nothing more, goodbye.
        thanks: says thank you.
        asks: asks or requests something.
        alternatives: asks for another answer, option or result.
        human: asks for a person.
    """

    corrects: bool
    takes_back: bool
    changes: bool
    hesitates: bool
    declines: bool
    defers: bool
    no: bool
    yes: bool
    but: bool
    closes: bool
    thanks: bool
    asks: bool
    alternatives: bool
    human: bool


@dataclass(frozen=True)
class Asked:
    """What an answer asks of the user in the end.

    Attributes:
        more: whether there is anything else to do.
        confirm: whether it has understood.
        offers: whether it should do something.
        question: it ends with a question, of any kind.
    """

    more: bool
    confirm: bool
    offers: bool
    question: bool


_I_AM = r"(?:i['\u2019]?m|i\ am|we['\u2019]?re|we\ are)"
_DO_NOT = r"(?:do\ not|don['\u2019]?t|did\ not|didn['\u2019]?t)"
_NOT = r"(?:\ not|n['\u2019]?t)"
_THAT = r"(?:that|this|it)(?:['\u2019]?s|\ is|\ was)"

_CORRECTS = rf"""
    \bi\ (?:really\ |actually\ )?meant\b(?!\ it\b)
    |\b(?:no|not|sorry|oh|wait|oops),?\ i\ mean\b
    |(?:^|[.!,]\ )\W{{0,4}}(?:wrong|incorrect|false)\b
    |\b{_THAT}\ (?:not|n['\u2019]t)\ (?:quite\ |really\ |even\ )?
        (?:right|correct|true|it\b|what|the\ (?:one|right)|how|accurate|helpful)
    |\b{_THAT}\ (?:just\ |totally\ |completely\ |still\ )?(?:wrong|incorrect|false|inaccurate|useless
        |a\ (?:mistake|lie))
    |\b(?:isn['\u2019]?t|wasn['\u2019]?t)\ (?:right|correct|true|what\ i|my\ question|accurate)\b
    |\bnot\ what\ i\b
    |\b(?:you(?:['\u2019]?re|\ are)|your\ answer\ is)\ (?:wrong|mistaken|incorrect|not\ (?:answering
        |listening|understanding))
    |\byou\ (?:misunderst\w{{1,6}}|misread|got\ (?:it|that|this)\ wrong|made\ a\ mistake|forgot|missed
        |ignored|did{_NOT}\ (?:answer|include|mention|address|understand|listen|read))
    |\bi\ {_DO_NOT}\ (?:ask|say|mean)\b
    |\bi\ (?:already\ (?:said|told|tried|asked)|(?:asked|said)\ (?:for|about|you)\b)
    |\b(?:that|this|it|which|still)\ (?:does{_NOT}|did{_NOT}|won['\u2019]?t)
        \ (?:work|help\b(?!\ that)|answer|make\ sense|seem\ right|look\ right)
    |\bstill\ (?:not|wrong|does{_NOT}|the\ same|get(?:ting)?|says|fails)\b
    |\bare\ you\ sure\b
    |\b(?:read|think)\ (?:it\ |that\ |this\ |my\ question\ )?again\b
    |\bthere(?:['\u2019]?s|\ is)\ (?:a\ mistake|an\ error)\b
"""
_TAKES_BACK = r"""
    \b(?:change\ of\ (?:plans?|mind)|(?:changed?|changing)\ my\ (?:plans?|mind))\b
    |\b(?:scratch|strike|cancel|forget)\ (?:that|it)\b
    |\bon\ second\ thought
    |\b(?:my\ (?:mistake|bad)|silly\ me|i\ was\ wrong|i\ forgot|i\ made\ a\ mistake
        |i\ (?:had|got)\ (?:it|that|the\ [\w'\u2019-]{1,20}+)\ wrong)\b
"""
_CHANGES = r"""
    \b(?:change|switch|correct|update|move|set|rename|double)\ (?:it|that|this|these|them|the|to|my)\b
    |\bmake\ (?:it|that|this|them|the|those)\b
    |\b(?:lets|let['\u2019]s|let\ us)\ (?:make|do|go|change|get|try)\b
    |\binstead\b
    |\b(?:i['\u2019]?d|i\ would|would)\ (?:rather|prefer)\b
    |\bi\ (?:think\ i\ )?prefer\b
    |\b(?:only|just)\ (?:need|want|for\ (?:one|two|three|\d)|one|two|three|\d)
    |\bnot\ [\w'\u2019-]{1,20}+,?\ but\b
"""
_HESITATES = rf"""
    ^\W{{0,4}}(?:oh|oops|whoops|uh+|um+|hmm+|wait|hold\ (?:on|up|that)|sorry|{_I_AM}\ sorry|my\ apologies
        |actually|just\ now)\b(?!\ no\ way)
    |[.!?,]\ (?:actually|wait)\b|\bi\ actually\b
"""
_DECLINES = rf"""
    \b(?:i|we)\ (?:really\ )?(?:{_DO_NOT}|would\ not|wouldn['\u2019]?t)
        \ (?:really\ )?(?:want|need|wish|prefer|like|think\ so|care)\b
    |\bnot\ (?:interested|willing|necessary|needed|required)\b
    |\bwon['\u2019]?t\ (?:be\ )?(?:need|necessary|required)
    |\b(?:i['\u2019]?ll|i\ will|i)\ pass\b
    |\bno,?\ (?:thanks|thank\ you|thx|ty)\b
    |^\W{{0,4}}i\ (?:{_DO_NOT})\b
"""
_DEFERS = r"""
    \bnot\ (?:right\ |just\ |for\ )?(?:now|yet|today)\b
    |\bat\ (?:this\ (?:current\ )?time|(?:the|this)\ (?:current\ )?moment)\b|\bnot\ at\ the\ time\b
    |\b(?:maybe|perhaps|possibly|probably)\ (?:later|after|another|some\ other|at\ (?:a|another)|in\ a)
    |\b(?:some\ other|another|at\ a\ later)\ time\b
    |\b(?:do|decide|ask|book|buy|consider)\ (?:it|that|so|this)?\ ?later\b
    |\blater\ on\b|^\W{0,4}later\b|\blater\W{0,3}$
    |\bhold\ (?:off|on\ for\ now)\b
    |(?:^\W{0,4}|\b(?:maybe|perhaps)\ )in\ a\ (?:little|bit|while)\b
    |\blet\ me\ (?:think|get\ back|consider)\b
    |\b(?:first\ things\ first|for\ the\ time\ being)\b
"""
_NO = r"""
    ^\W{0,4}(?:(?:uh+|um+|oh|well|hmm+|sorry|actually|ok|okay|wait|thanks|thank\ you),?\ (?:but\ )?)?
        (?:no|nope|nah|naw|not|negative|neither|none|don['\u2019]?t|do\ not|stop)\b
        (?!\ (?:way|wonder|doubt|idea|only|problem|worries|kidding)\b)
    |^\W{0,4}nothin
"""
_YES = r"""
    ^\W{0,4}(?:(?:oh|well|ok|okay|um+|uh+),?\ )?(?:yes|yeah|yea|yep|yup|ya|sure|ok|okay|k|correct|right
        |exactly|perfect|great|good|fine|awesome|cool|nice|excellent|wonderful|terrific|lovely
        |absolutely|definitely|certainly|of[\ -]course|indeed|confirm(?:ed)?|agreed|alright|all\ right
        |go\ ahead|please\ (?:do|go|proceed)|sounds?|looks|works|i\ do\b(?!n)|i\ (?:like|love)|got\ it
        |that\ (?:works|suits|sounds)
        |that(?:['\u2019]?s|\ is|\ was|\ would|\ will|\ sounds|\ looks)
            \ (?:be\ )?(?:(?!not\b)\w{1,10}\ )?(?:right|correct|fine|good|perfect|great|ok|okay|confirmed
            |it|ideal|wonderful|excellent|awesome|nice|what|for\ me|me|better))(?!\ not\b)\b
"""
_BUT = r"^.{0,60}?\b(?:but|except|however)\b"
_CLOSES = rf"""
    \bthat(?:['\u2019]?s|['\u2019]?ll\ be|\ is|\ was|\ will\ be|\ would\ be|\ just\ about)
        \ (?:just\ about\ )?(?:all|it|everything|covers)\b
    |\b(?:all|it|everything)\ (?:for\ (?:now|today|me)|i\ (?:need|needed|want|wanted))\b
    |\bnothin(?:['\u2019]|g)?(?:\ else|\ more|\ for\ now|\ now)?\b
    |\b{_I_AM}\ (?:all\ )?(?:good|fine|set|done|okay|ok)\b|\ball\ (?:set|good|done)\b
    |\b(?:good)?bye\b|\bsee\ you\b|\btake\ care\b
    |\bhave\ a\ (?:good|great|nice|wonderful|lovely)\b
    |\bi\ (?:{_DO_NOT})\ (?:need|want|require)\ (?:anything|any\ (?:other|more|further))\b
    |\b(?:let\ you\ know\ if|stop\ there|covered\ everything|done\ it\ all|done\ enough|you\ can\ go)\b
    |\b(?:can['\u2019]?t|cannot)\ think\ of\ anything\b
"""
_THANKS = r"""
    \b(?:thanks?|thanx|thx|thnks|thsnk|cheers|appreciated?|grateful|thankful)\b
    |\byou(?:['\u2019]?ve|\ have|\ were|\ are)?\ (?:been\ )?(?:very\ |so\ |really\ |super\ |a\ )?
        (?:super\ |great\ |big\ )?help(?:ful)?\b
"""
_ASKS = r"""
    \?
    |\b(?:can|could|would|will|may)\ (?:you|i|we)\b
    |\b(?:please|find|search|show|tell|give|look|get|check|book|play|list|explain|write|help)\b
    |^\W{0,4}(?:what|who|where|when|why|how|which|is|are|do|does|did|has|have|should)\b
"""
_THING = r"""(?:one|ones|option|choice|place|way|time|idea|example|version|answer|result|solution|source
    |suggestion|recommendation|method|approach|alternative)s?"""
_ALTERNATIVES = rf"""
    \b(?:anything|something|anyone|someone|anywhere|somewhere|who|what|where|how)\ else\b
    |\b(?:any|some|the|what|which|show|find|see|are\ there|have|want|need|try|me|for|about|like|as)
        \ (?:other|others|different|another|alternatives?)\b
    |\b(?:another|a\ different|an\ alternative)\b
    |\b(?:other|different|alternative|more)\ {_THING}\b
    |\bwhat\ (?:are\ the\ )?(?:others|remaining|other)\b
    |\b(?:try|do|answer)\ (?:it\ |that\ |this\ )?(?:again|another\ way)\b
    |\b(?:regenerate|rewrite|rephrase|redo)\b
"""
_PERSON = r"""(?:human|person|agent|representative|rep|operator|supervisor|manager|advisor|adviser
    |someone|somebody|specialist|technician|staff|employee|team\ member)"""
_HUMAN = rf"""
    \b(?:speak|talk|chat|connect(?:ed)?|transfer(?:red)?|put\ (?:me|us)\ through)(?:\ me|\ us)?
        \ (?:directly\ )?(?:to|with)\ (?:a|an|the|your|some)?\ ?(?:real\ |live\ |actual\ |human\ )?
        {_PERSON}\b
    |\b(?:real|live|actual)\ (?:human|person|agent|representative|operator)\b
    |\b(?:human|customer)\ (?:agent|support|service|care|representative|operator|being)\b
    |\b(?:need|want|get\ me|give\ me|like)\ (?:a|an|to\ reach\ a)\ (?:human|representative|supervisor
        |operator|live\ agent|real\ person)\b
    |\bescalate\b
    |\bfile\ a\ complaint\b
    |^\W{{0,4}}(?:human|agent|representative|operator)\W{{0,4}}$
"""
_MORE = r"""
    \b(?:any\ ?thing|something|what|how|who)\ (?:else|more|further)\b
    |\b(?:further|more|additional|other)\ (?:help|assist\w{0,5}|questions?|needs|information)\b
    |\b(?:will|is|would)\ that\ (?:be\ )?all\b
    |\b(?:can|may|could|shall)\ i\ (?:now\ )?(?:further\ )?(?:help|assist|do)\b
    |\b(?:help|assist)\ (?:you\ )?(?:with\ )?(?:now|further|today|anything|more)\b
    |\bi\ can\ (?:help|assist)\b
    |\bglad\ (?:to|i)\b|\bhappy\ to\ (?:help|be|assist)\b|\benjoy\ your\b|\byou['\u2019]?re\ welcome\b
    |\blet\ me\ know\ if\b
"""
_CONFIRM = r"""
    \bconfirm(?:ing|ation|ed)?\b
    |\b(?:is|are)\ (?:this|that|it|these|everything|the\ \w{1,12}+|my\ \w{1,12}+)\ (?:\w{1,12}+\ )?
        (?:correct|right|ok|okay|fine|good|accurate|what\ you)\b
    |\b(?:correct|right|ok|okay|good|accurate|alright)\W{0,3}\?
    |\bhave\ (?:the|this|that|it|everything)\ (?:\w{1,12}+\ )?(?:correct|right)\b
    |\bsounds?\ (?:right|good|correct|okay|ok)\b
    |\b(?:proceed|do\ you\ mean|did\ you\ mean|so\ you\ (?:want|need))\b
    |\byou(?:['\u2019]?d\ like|\ would\ like|\ want|\ wish|\ need|['\u2019]?re\ looking|\ said|\ meant)\b
    |\b(?:i\ will|i['\u2019]?ll|i\ am\ going\ to|i['\u2019]?m\ going\ to)\b
    |\b(?:booking|reserving|playing|setting|scheduling|making|buying|purchasing|renting)\b
"""
_OFFERS = r"""
    \b(?:would|do|did|are|will)\ you\ (?:like|want|wish|need|care|prefer|interested|willing|be)\b
    |\b(?:shall|should|may|can|could|will)\ (?:i|we)\b
    |\b(?:want|like|need|wish)\ (?:me|us)\ to\b
    |\b(?:how|what)\ about\b
    |\b(?:interested\ in|willing\ to|wanna)\b
    |\byou\ (?:want|need)\ (?:it|to|tickets?|some)\b
    |^\W{0,4}so\ \w{1,12}+\ (?:it|them)\W{0,3}\?
"""


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_TURN = {
    "corrects": _compiled(_CORRECTS),
    "takes_back": _compiled(_TAKES_BACK),
    "changes": _compiled(_CHANGES),
    "hesitates": _compiled(_HESITATES),
    "declines": _compiled(_DECLINES),
    "defers": _compiled(_DEFERS),
    "no": _compiled(_NO),
    "yes": _compiled(_YES),
    "closes": _compiled(_CLOSES),
    "thanks": _compiled(_THANKS),
    "asks": _compiled(_ASKS),
    "alternatives": _compiled(_ALTERNATIVES),
    "human": _compiled(_HUMAN),
}
_IS_BUT = re.compile(_BUT, re.IGNORECASE)
_BEFORE = {
    "more": _compiled(_MORE),
    "confirm": _compiled(_CONFIRM),
    "offers": _compiled(_OFFERS),
}
_QUESTION = re.compile(r"\?\W{0,8}$")


def user_acts(turn: str) -> UserActs:
    """The acts that a turn shows signs of; its first 600 characters are looked at.

    >>> acts = user_acts("No, that's wrong. I meant the annual plan.")
    >>> acts.no, acts.corrects, acts.closes
    (True, True, False)
    """
    head = turn.strip()[:_HEAD]
    found = {name: pattern.search(head) is not None for name, pattern in _TURN.items()}
    but = found["yes"] and _IS_BUT.search(head) is not None
    return UserActs(but=but, **found)


def asked(answer: str) -> Asked:
    """What an answer asks of the user; its last 400 characters are looked at.

    >>> asked("Done. Is there anything else that I can do for you?").more
    True
    """
    tail = answer.rstrip()[-_TAIL:]
    found = {name: pattern.search(tail) is not None for name, pattern in _BEFORE.items()}
    return Asked(question=_QUESTION.search(tail) is not None, **found)
