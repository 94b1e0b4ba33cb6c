"""Which scores of a day may stay when it is scored again: those of rows that nothing has changed
for. The result is the same as scoring every row anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.schema import INTERACTIONS
from evalkit.scoring.turns import Turns
from evalkit.version import __version__

__all__ = ["content_fingerprints", "corpus_fingerprint", "may_stay", "same_budget"]

_COLUMNS = [column.name for column in INTERACTIONS.columns]


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


def same_budget(made: pa.Table, budget: str | None) -> pa.ChunkedArray:
    """Which scores were made under this budget, or without one."""
    if "budget" not in made.column_names:
        return pa.chunked_array([pa.array([budget is None] * made.num_rows, pa.bool_())])
    if budget is None:
        return pc.is_null(made["budget"])
    return pc.fill_null(pc.equal(made["budget"], budget), False)


def may_stay(
    made: Iterable[pa.Table],
    schema: pa.Schema,
    searched: Callable[[], str],
    budget: str | None = None,
) -> Iterator[pa.Table]:
    """Of scores that were made of the same rows with the same scorers those that may stay.

    A row's scores stay when its content, its place in its session and what scores are made with
    (scorers, encoder, models, prices) are the same, as `queries/kept_scores.sql` has seen to; where
    a scorer has searched the corpus for it, when the corpus is the same too. What had an error is
    tried again. Under another budget all rows are chosen anew; what the models have read by then is
    in the cache.

    Args:
        made: answers to that query.
        schema: of the scores that are made now.
        searched: gives the fingerprint of the corpus; asked only where a row needs it.
        budget: the one that scores are made under now; None without one.
    """
    statuses = [name for name in schema.names if name.endswith("__status")]
    for found in made:
        if set(schema.names) - set(found.column_names):
            continue
        usable = pc.is_null(found["corpus_fingerprint"])
        if not pc.all(usable).as_py():
            usable = pc.or_kleene(usable, pc.equal(found["corpus_fingerprint"], searched()))
        usable = pc.and_kleene(usable, same_budget(found, budget))
        for name in statuses:
            usable = pc.and_kleene(usable, pc.not_equal(found[name], "error"))
        kept = found.filter(pc.fill_null(usable, False))
        yield kept.select(["place", *schema.names])
