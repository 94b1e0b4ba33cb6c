"""Spans of a trace as every trace format gives them, what a dialect reads in one, and their tree.
No format is known here, and nothing is decided about questions and answers (`folding.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

__all__ = [
    "Answer",
    "Event",
    "Kind",
    "Meaning",
    "Reader",
    "Span",
    "Tree",
    "Usage",
    "filled",
]

#: What a span stands for, whatever its format calls it.
Kind = Literal[
    "llm",
    "retrieval",
    "rerank",
    "embedding",
    "tool",
    "agent",
    "chain",
    "guardrail",
    "evaluator",
    "prompt",
    "other",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened within a span; `time_ns` is a Unix time in nanoseconds."""

    name: str
    time_ns: int | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """One timed step of a trace, as its format gave it. Times are Unix times in nanoseconds.

    `kind` is the emitter's own word for it (CLIENT, INTERNAL), `status` is ok, error or None.
    """

    trace: str
    id: str
    parent: str | None
    name: str
    start_ns: int
    end_ns: int | None = None
    kind: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    status: Literal["ok", "error"] | None = None
    message: str | None = None
    resource: Mapping[str, Any] = field(default_factory=dict)

    @property
    def duration_ms(self) -> float | None:
        """How long it took; None where the end is unknown or before the start."""
        if self.end_ns is None or self.end_ns < self.start_ns:
            return None
        return (self.end_ns - self.start_ns) / 1e6

    @property
    def order(self) -> tuple[int, str]:
        """Spans stand in the order of their beginnings, however they arrived."""
        return self.start_ns, self.id


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call; `written` are those put into the provider's cache."""

    input: int | None = None
    cached: int | None = None
    written: int | None = None
    output: int | None = None
    reasoning: int | None = None

    @property
    def exclusive(self) -> bool:
        """More in the cache than sent can only mean that both are counted apart."""
        return self.input is not None and (self.cached or 0) + (self.written or 0) > self.input

    @property
    def known(self) -> bool:
        return self.input is not None or self.output is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice that a model gave. `calls` is whether it asks for a tool."""

    text: str | None
    finish_reason: str | None = None
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a dialect reads in one span. None is "not said", an empty list is "said: none".

    `messages` are dicts of role and content, system messages included; `input_text` and
    `output_text` are what went into and came out of a step that is no model call; `documents` are
    objects for `parts.contexts_of`; `rest` is what nobody asked for.
    """

    kind: Kind = "other"
    messages: list[dict[str, Any]] | None = None
    answers: tuple[Answer, ...] | None = None
    input_text: str | None = None
    output_text: str | None = None
    query: str | None = None
    documents: list[dict[str, Any]] | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    provider: str | None = None
    model: str | None = None
    requested_model: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    app: str | None = None
    environment: str | None = None
    route: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    response_format: str | None = None
    finish_reason: str | None = None
    ttft_ms: float | None = None
    error_type: str | None = None
    feedback: list[dict[str, Any]] | None = None
    truncated: bool | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """The first answer that is not blank."""
        for answer in self.answers or ():
            if answer.text and not answer.text.isspace():
                return answer.text
        return None


#: What a span means: the dialects of a format, in one function. Must not raise.
Reader = Callable[[Span], Meaning]
_NAMES = tuple(item.name for item in fields(Meaning) if item.name not in {"kind", "rest"})


def filled(meaning: Meaning, other: Meaning) -> Meaning:
    """`meaning`, and where it says nothing what `other` says.

    >>> filled(Meaning("llm", model="a"), Meaning("chain", model="b", user_id="u")).user_id
    'u'
    """
    more: dict[str, Any] = {
        name: value
        for name in _NAMES
        if getattr(meaning, name) is None and (value := getattr(other, name)) is not None
    }
    if meaning.kind == "other" and other.kind != "other":
        more["kind"] = other.kind
    return replace(meaning, **more) if more else meaning


class Tree:
    """The spans of one trace, each id once, in the order of their beginnings.

    A span whose parent is missing is a root (the parent was sampled away, or logged elsewhere). A
    circle is opened at its earliest span. Of several readings of one span the one that ends last
    stands, of equals the one that says most, of these the one read last; `readings` counts them.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        best: dict[str, tuple[tuple[int, int], Span]] = {}
        self.readings: dict[str, int] = {}
        for span in spans:
            self.readings[span.id] = self.readings.get(span.id, 0) + 1
            rank = (span.end_ns or 0, len(span.attributes) + len(span.events))
            if span.id not in best or rank >= best[span.id][0]:
                best[span.id] = (rank, span)
        found = sorted((span for _, span in best.values()), key=lambda span: span.order)
        self.spans: dict[str, Span] = {span.id: span for span in found}
        self._parents = self._without_circles()
        self._children: dict[str | None, list[str]] = {}
        for id_ in self.spans:
            self._children.setdefault(self._parents[id_], []).append(id_)
        self._down = self._walked()
        self._places = {id_: place for place, id_ in enumerate(self._down)}
        self._depths: dict[str | None, int] = {None: -1}
        for id_ in self._down:
            self._depths[id_] = self._depths[self._parents[id_]] + 1

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def roots(self) -> Sequence[str]:
        return self._children.get(None, [])

    def parent(self, id_: str) -> str | None:
        return self._parents[id_]

    def children(self, id_: str) -> Sequence[str]:
        return self._children.get(id_, [])

    def above(self, id_: str) -> Iterable[str]:
        """The ancestors of a span, nearest first."""
        at = self._parents[id_]
        while at is not None:
            yield at
            at = self._parents[at]

    def down(self) -> Sequence[str]:
        """All spans, each after its parent."""
        return self._down

    def place(self, id_: str) -> int:
        """Where a span stands in `down`."""
        return self._places[id_]

    def depth(self, id_: str) -> int:
        """How many spans are above this one."""
        return self._depths[id_]

    def _walked(self) -> list[str]:
        found: list[str] = []
        stack = list(reversed(self.roots))
        while stack:
            id_ = stack.pop()
            found.append(id_)
            stack.extend(reversed(self.children(id_)))
        return found

    def _without_circles(self) -> dict[str, str | None]:
        parents: dict[str, str | None] = {
            id_: span.parent if span.parent in self.spans else None
            for id_, span in self.spans.items()
        }
        done: set[str] = set()
        for id_ in self.spans:
            path: dict[str, None] = {}
            at: str | None = id_
            while at is not None and at not in done and at not in path:
                path[at] = None
                at = parents[at]
            if at is not None and at in path:
                walked = list(path)
                circle = walked[walked.index(at) :]
                parents[min(circle, key=lambda one: self.spans[one].order)] = None
            done.update(path)
        return parents
