"""What must stand in a text for a pattern to match there, in the smaller language of RE2, which goes
through many texts in one pass without ever going back."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Hint", "necessary"]

_LOOKAROUND = ("(?=", "(?!", "(?<=", "(?<!")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?[=!]|\(|\)|.", re.DOTALL)
#: Before what is looked for there is none of a set: RE2 can say so where a pattern begins.
_NOT_BEHIND = re.compile(r"\(\?<!\[([^\]^\\]+)\]\)")
_BOUNDED = re.compile(r"\{([0-9]+),([0-9]*)\}\+?")
#: Higher bounds cost states, and lower ones tell much.
_HIGHEST_BOUND = 8
_POSSESSIVE = re.compile(r"(?<!\\)([*+?}])\+")
#: What RE2 lacks, or takes for something else than `re` does.
_STRANGE = re.compile(r"\\[wWbBdDsSAZ1-9]|(?<!\\)[$]")
_SPACE_LEFT_OUT = re.compile(r"\[\^[^\]]*\\s")


@dataclass(frozen=True, slots=True)
class Hint:
    """What is in every text that holds a thing, said in RE2: `first` is looked for in all texts and has
    to be simple; where it is, `then` has to be as well."""

    first: str
    then: str = ""


def necessary(pattern: re.Pattern[str] | str) -> str:
    r"""A pattern for RE2 that matches in every text in which `pattern` matches, and in few others.

    What stands around a match is not asked for, but for a set that may not stand before it; repeats
    have no upper bound and are never possessive. So the text may be one that `pattern` leaves alone,
    never the other way round.

    Args:
        pattern: without `\w`, `\b`, `\d`, references, and `\s` outside of `[^...]`, which mean
            something else in RE2.
    Raises:
        ValueError: it holds one of those.

    >>> necessary(re.compile(r"(?<![a-z])key-[0-9]{4,16}+(?!x)", re.IGNORECASE))
    '(?i:(?:^|[^a-z])key-[0-9]{4,})'
    """
    source = pattern if isinstance(pattern, str) else pattern.pattern
    folded = not isinstance(pattern, str) and pattern.flags & re.IGNORECASE
    rest, alternatives = _without_lookarounds(source)
    behind = None if alternatives else _NOT_BEHIND.match(source)
    if _STRANGE.search(_SPACE_LEFT_OUT.sub("", rest)):
        raise ValueError(f"what {source!r} needs cannot be said in RE2: say it by hand")
    rest = _POSSESSIVE.sub(r"\1", _BOUNDED.sub(_repeat, rest))
    if behind is not None:
        rest = f"(?:^|[^{behind[1]}]){rest}"
    return f"(?i:{rest})" if folded else f"(?:{rest})" if alternatives else rest


def _repeat(found: re.Match[str]) -> str:
    most = found[2] if found[2] and int(found[2]) <= _HIGHEST_BOUND else ""
    return f"{{{found[1]},{most}}}"


def _without_lookarounds(source: str) -> tuple[str, bool]:
    """The rest, and whether it is one of several alternatives that matches."""
    kept: list[str] = []
    alternatives = False
    depth = inside = 0  # inside: the depth at which a lookaround was opened, 0 outside of any
    for token in _TOKEN.findall(source):
        if token in _LOOKAROUND or token == "(":
            depth += 1
            if token in _LOOKAROUND and not inside:
                inside = depth
        if not inside:
            kept.append(token)
        alternatives |= token == "|" and not depth
        if token == ")":
            if depth == inside:
                inside = 0
            depth -= 1
    return "".join(kept), alternatives
