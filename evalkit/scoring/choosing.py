"""Which rows the models read when they cannot read all: probabilities from what a row's reading would
tell and cost, and a seeded draw. Numbers in, numbers out; nothing here looks at a clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.sampling import proportional, systematic

__all__ = ["Candidates", "Chosen", "choose", "rarity"]

Vector = NDArray[np.float64]
Counts = NDArray[np.int64]

#: What every row is worth, whatever is known of it: the floor of random sampling. At most so much
#: comes to it for doubt, for texts that nobody has seen, and for rarity.
_FLOOR = 1.0
_UNSURE = 1.0
_NEW = 0.25
_RARITY = 0.5
#: Below so many rows a value of a segment is rare.
_RARE = 30
#: A row's cost counts as at most so many times the usual one, and at least as a part of it: weights
#: that differ much cost more certainty than they save.
_COST_RANGE = 3.0
#: Halvings of the search for a scale: more than float64 can tell apart.
_HALVINGS = 80


@dataclass
class Candidates:
    """The rows that could be drawn, gathered slice by slice.

    Attributes:
        ids: interaction ids.
        unsure: float64 [n] in [0, 1], how much of the spread of a verdict the cheap tier leaves.
        own, whole: int64 [n], tokens that only the row needs, and all of its tokens, read or not.
        keys, tokens: int64 [m], the missing texts of all rows, each with its tokens.
        at: int64 [m], the row of each.
    """

    ids: list[str] = field(default_factory=list)
    unsure: list[Vector] = field(default_factory=list)
    own: list[Counts] = field(default_factory=list)
    whole: list[Counts] = field(default_factory=list)
    keys: list[Counts] = field(default_factory=list)
    tokens: list[Counts] = field(default_factory=list)
    at: list[Counts] = field(default_factory=list)


@dataclass(frozen=True)
class Chosen:
    """The draw.

    Attributes:
        probability: float64 [n] in (0, 1]; 0 where there is nothing to spend and the row costs
            something.
        is_drawn: bool [n].
        work: tokens that all rows would take, each text counted once.
        expected: tokens that a draw with these probabilities takes on average.
        drawn: tokens that this one takes.
    """

    probability: Vector
    is_drawn: NDArray[np.bool_]
    work: int
    expected: float
    drawn: int


def rarity(
    columns: Iterable[Sequence[str | None]], n: int, flags: Iterable[NDArray[np.bool_]] = ()
) -> Vector:
    """How rare the rarest thing about each row is, float64 [n] in [0, 1]: 1 below 30 rows, else 30
    over the number of its rows.

    Args:
        columns: segments, the value of each row.
        n: how many rows.
        flags: bool [n] each, what some rows have and others have not: metrics that apply.

    >>> rarity([["a"] * 60 + ["b"]], 61)[[0, 60]].tolist()
    [0.5, 1.0]
    """
    found = np.zeros(n)
    for flag in flags:
        size = max(int(flag.sum()), 1)
        found = np.where(flag, np.maximum(found, min(1.0, _RARE / size)), found)
    for values in columns:
        names = np.array(["" if value is None else value for value in values], dtype=object)
        _, member, sizes = np.unique(names.astype(str), return_inverse=True, return_counts=True)
        found = np.maximum(found, np.minimum(1.0, _RARE / sizes[member]))
    return found


def choose(candidates: Candidates, rare: Vector, allowance: float, seed: str) -> Chosen:
    """Draw rows so that on average the models read as many tokens as are allowed.

    Args:
        candidates: the rows.
        rare: `rarity` of each.
        allowance: tokens.
        seed: with the rows and what is missing of them it decides the draw.

    A row's probability is proportional to what its reading tells, over the root of what it costs
    (Neyman's allocation; Särndal, Swensson and Wretman 1992, 3.7.3). A text that many rows share is read
    once, so a draw is expected to read each with the probability that any of its rows is drawn; a
    row's own cost is its part of what it shares. What costs nothing is drawn for certain.

    The draw depends on what is missing as well as on the seed. A row that was drawn once costs
    nothing the next time: with the same random numbers the others would never be.
    """
    n = len(candidates.ids)
    own, whole = _joined(candidates.own), _joined(candidates.whole)
    at, tokens = _joined(candidates.at), _joined(candidates.tokens)
    keys, text, sharing = np.unique(
        _joined(candidates.keys), return_inverse=True, return_counts=True
    )
    each = np.zeros(len(keys))
    each[text] = tokens
    part = np.bincount(at, weights=tokens / sharing[text], minlength=n) + own
    free = part == 0
    work = int(own.sum() + each.sum())

    def expected(probability: Vector) -> float:
        missed = np.log1p(-np.minimum(probability, 1 - 1e-15))[at]
        none = np.exp(np.bincount(text, weights=missed, minlength=len(keys)))
        return float(own @ probability + each @ (1 - none))

    if work <= allowance or n == 0:
        everyone = np.ones(n)
        return Chosen(everyone, np.ones(n, dtype=np.bool_), work, float(work), work)
    if allowance <= 0:
        return Chosen(free.astype(np.float64), free, work, 0.0, 0)
    sizes = _worth(candidates, rare, part, whole)
    low, high = 0.0, 1.0 / float(sizes[~free].min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = expected(np.where(free, 1.0, proportional(sizes, middle))) > allowance
        low, high = (low, middle) if over else (middle, high)
    probability = np.where(free, 1.0, proportional(sizes, max(low, np.finfo(np.float64).tiny)))
    order, start = _numbers(candidates.ids, f"{seed}\n{_state(own, keys, each)}")
    is_drawn = systematic(probability, order, start)
    read = np.bincount(text, weights=is_drawn[at], minlength=len(keys)) > 0
    drawn = int(own[is_drawn].sum() + each[read].sum())
    return Chosen(probability, is_drawn, work, expected(probability), drawn)


def _worth(candidates: Candidates, rare: Vector, part: Vector, whole: Counts) -> Vector:
    """What a row's reading tells, over the root of what it costs."""
    unsure = _joined(candidates.unsure)
    new = np.minimum(1.0, part / np.maximum(whole, 1))
    told = _FLOOR + _UNSURE * unsure + _NEW * new + _RARITY * rare
    usual = float(np.median(part[part > 0]))
    cost = np.clip(part / usual, 1 / _COST_RANGE, _COST_RANGE)
    found: Vector = told / np.sqrt(cost)
    return found


def _numbers(ids: Sequence[str], seed: str) -> tuple[Counts, float]:
    """A random order of the rows and a start, both decided by the seed and the ids."""
    salt = hashlib.blake2b(seed.encode(), digest_size=16).digest()
    order = np.fromiter((_hash(id_, salt) for id_ in ids), np.int64, len(ids))
    # Half of 64 bits are taken for the start: float64 holds them exactly.
    return order, (_hash("", salt) & 0xFFFFFFFF) / 2**32


def _hash(text: str, salt: bytes) -> int:
    data = text.encode("utf-8", "surrogatepass")
    found = hashlib.blake2b(data, digest_size=8, salt=salt).digest()
    return int.from_bytes(found, "big", signed=True)


def _state(own: Counts, keys: Counts, each: Vector) -> str:
    total = hashlib.blake2b(digest_size=16)
    for values in (own, keys, each.astype(np.int64)):
        total.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return total.hexdigest()


def _joined(parts: Sequence[NDArray[np.generic]]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
