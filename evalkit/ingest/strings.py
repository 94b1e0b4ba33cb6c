"""All strings of many rows or records, gathered so that they are looked at together: which of the rows
hold something that is to be taken out. How that is done: `masking.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.text.redaction import PLACEHOLDER, Redactor, may_be_placed

__all__ = ["LEAST_NUMBER", "Looked", "look_at", "parsed", "rows_that_hold"]

#: A number as long as a card's may be one, written without quotes.
LEAST_NUMBER = 10**12
_LONG = 256
_SAMPLE = 128


@dataclass(frozen=True)
class Looked:
    """Which of some values hold something, in which placeholders may stand, and strings of those that
    hold something in which nothing is."""

    holds: list[bool]
    placed: list[bool]
    clean: Collection[str]


def look_at(
    redactor: Redactor,
    values: Iterable[Any],
    *,
    all_: bool = False,
    inner: bool = False,
    placeholders: bool = False,
) -> Looked:
    """Look through the strings, names and long numbers of values of any shape.

    Args:
        redactor: says what is to be taken out.
        values: rows, records, or what else JSON can say.
        all_: all of them will be gone through, whatever they hold: their clean strings are wanted.
        inner: strings that are JSON are opened as well.
        placeholders: those that were put there earlier are looked for too.
    """
    texts: list[str] = []
    names: set[Any] = set()
    counts = []
    for value in values:
        before = len(texts)
        _gather(value, texts, names, inner=inner)
        counts.append(len(texts) - before)
    owner = np.repeat(np.arange(len(counts)), counts)
    known = sorted(name for name in names if isinstance(name, str))
    found = redactor.holding([*texts, *known])
    placed = np.zeros(len(counts), np.bool_)
    if placeholders:
        placed[owner[may_be_placed(texts)]] = True
        placed |= any(map(PLACEHOLDER.search, known))
    in_texts, in_names = found[: len(texts)], found[len(texts) :]
    # A name is not looked for again in the values that have it: they are all gone through then.
    holds = np.full(len(counts), in_names.any())
    holds[owner[in_texts]] = True
    wanted = np.flatnonzero(~in_texts & (holds | all_)[owner])
    clean = {texts[at] for at in wanted.tolist()}
    if len(clean):
        clean.update(name for name, one in zip(known, in_names.tolist(), strict=True) if not one)
    return Looked(holds.tolist(), placed.tolist(), clean)


def _gather(value: Any, texts: list[str], names: set[Any], *, inner: bool) -> None:
    left = [value]
    while left:
        one = left.pop()
        kind = type(one)
        if kind is str:
            texts.append(one)
            if inner and one[:1] in ("{", "["):
                left.append(parsed(one))
        elif kind is dict:
            names.update(one)
            left.extend(one.values())
        elif kind is list:
            left.extend(one)
        elif kind is int:
            if one >= LEAST_NUMBER:
                texts.append(str(one))
        elif one is not None and kind is not float and kind is not bool:
            left.extend(_plainly(one))


def _plainly(value: Any) -> Iterable[Any]:
    """What `_gather` takes instead of a value of a rarer type."""
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, Mapping):
        yield dict(value)
    elif isinstance(value, list | tuple):
        yield list(value)
    elif isinstance(value, int):
        yield int(value)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")


def parsed(text: str) -> Any:
    """What a string says as JSON; None where it says nothing."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def rows_that_hold(redactor: Redactor, table: pa.Table) -> NDArray[np.bool_]:
    """As `look_at`, for the rows of a table: all strings of its columns, in lists and structs too."""
    strings: list[tuple[pa.Array, NDArray[np.int64]]] = []
    every = np.arange(table.num_rows)
    for column in table.columns:
        _gather_column(column.combine_chunks(), every, strings)
    holds = np.zeros(table.num_rows, np.bool_)
    if not strings:
        return holds
    looked = [_distinct(array, owner) for array, owner in strings]
    found = redactor.holding(pa.concat_arrays([array for array, *_ in looked]))
    at = 0
    for array, which, owner in looked:
        of_array = found[at : at + len(array)]
        holds[owner[of_array if which is None else of_array[which]]] = True
        at += len(array)
    return holds


def _distinct(
    array: pa.Array, owner: NDArray[np.int64]
) -> tuple[pa.Array, NDArray[np.int64] | None, NDArray[np.int64]]:
    """Texts that come again, each once, and which of them each owner has: long ones, for chunks come
    with row after row, and such as models and statuses. Other short ones are sooner looked at than
    compared."""
    if array.nbytes < _LONG * len(array) and not _come_again(array):
        return array, None, owner
    owner = owner[array.is_valid().to_numpy(zero_copy_only=False)]
    coded = array.drop_null().dictionary_encode()
    return coded.dictionary, coded.indices.to_numpy(), owner


def _come_again(array: pa.Array) -> bool:
    first = array.slice(0, _SAMPLE)
    return len(array) > _SAMPLE and len(first.unique()) <= _SAMPLE // 8


def _gather_column(
    array: pa.Array, owner: NDArray[np.int64], strings: list[tuple[pa.Array, NDArray[np.int64]]]
) -> None:
    """The strings of a column, and of each the row that it is in (`owner`: those of the values)."""
    if array.null_count == len(array):
        return
    if pa.types.is_string(array.type):
        strings.append((array, owner))
    elif pa.types.is_map(array.type):
        entries = np.repeat(owner, np.diff(array.offsets.to_numpy()))
        _gather_column(array.keys, entries, strings)
        _gather_column(array.items, entries, strings)
    elif pa.types.is_list(array.type):
        parents = pc.list_parent_indices(array).to_numpy(zero_copy_only=False)
        _gather_column(pc.list_flatten(array), owner[parents], strings)
    elif pa.types.is_struct(array.type):
        for child in array.flatten():
            _gather_column(child, owner, strings)
