"""Which scores of a day may stay when it is scored again: those of rows that nothing has changed
for. The result is the same as scoring every row anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring.turns import Turns
from evalkit.version import __version__

__all__ = ["Kept", "content_fingerprints", "corpus_fingerprint"]

_COLUMNS = [column.name for column in INTERACTIONS.columns]
_HEAD = ["interaction_id", "content_fingerprint", "corpus_fingerprint", "scorer_fingerprint"]


def content_fingerprints(rows: pa.Table, turns: Turns | None) -> list[str]:
    """Hash of everything that the scores of each row rest on besides scorers and corpus: its own
    columns and its place in its session."""
    ids = rows.column("interaction_id").to_pylist()
    places = [None if turns is None else turns.of(id_) for id_ in ids]
    found = []
    for row, place in zip(rows.select(_COLUMNS).to_pylist(), places, strict=True):
        said = {name: value for name, value in row.items() if value is not None}
        near = None if place is None else [place.query, place.answer, place.seconds, place.is_last]
        text = orjson.dumps([__version__, said, near], option=orjson.OPT_SORT_KEYS)
        found.append(hashlib.blake2b(text, digest_size=16).hexdigest())
    return found


def corpus_fingerprint(chunks: Sequence[str]) -> str:
    """Hash of a set of chunks, whatever their order."""
    total = hashlib.blake2b(digest_size=16)
    for chunk in sorted(set(chunks)):
        data = chunk.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "big"))
        total.update(data)
    return total.hexdigest()


class Kept:
    """The stored scores of a day that may stay.

    A row's scores stay when its content, its place in its session and what scores are made with
    (scorers, encoder, models, prices) are the same; where a scorer has searched the corpus for it,
    when the corpus is the same too. What had an error is tried again.

    Args:
        lake, day: where the stored scores are.
        scorers: the fingerprint of what scores are made with now.
        schema: of the scores that are made now.
        corpus: gives the fingerprint of the corpus; asked only where a stored row needs it.
    """

    def __init__(
        self, lake: Lake, day: date, scorers: str, schema: pa.Schema, corpus: Callable[[], str]
    ) -> None:
        self._corpus = corpus
        head = lake.read(SCORES, day, day, _HEAD)
        usable = pc.and_kleene(
            pc.equal(head["scorer_fingerprint"], scorers), pc.is_valid(head["content_fingerprint"])
        )
        self._at: dict[str, int] = {}
        if not pc.any(usable).as_py():
            return
        stored = lake.read(SCORES, day, day)
        if set(schema.names) - set(stored.column_names):
            return
        for name in schema.names:
            if name.endswith("__status"):
                usable = pc.and_kleene(usable, pc.not_equal(stored[name], "error"))
        self._stored = stored.filter(usable).select(schema.names).cast(schema).combine_chunks()
        self._content = self._stored["content_fingerprint"].to_pylist()
        self._searched = self._stored["corpus_fingerprint"].to_pylist()
        self._at = {id_: i for i, id_ in enumerate(self._stored["interaction_id"].to_pylist())}

    def places(self, rows: pa.Table, content: Sequence[str]) -> NDArray[np.int64]:
        """For each row where its stored scores are that may stay, -1 where there are none."""
        found = np.full(rows.num_rows, -1, np.int64)
        for i, id_ in enumerate(rows.column("interaction_id").to_pylist()):
            at = self._at.get(id_)
            if at is None or self._content[at] != content[i]:
                continue
            if self._searched[at] is None or self._searched[at] == self._corpus():
                found[i] = at
        return found

    def scores(self, places: NDArray[np.int64]) -> pa.Table:
        """The stored scores at these places."""
        return self._stored.take(pa.array(places))
