"""What a row would cost: the texts that models would have to read for it, counted in tokens before any
of them is read. Which rows are worth it is `choosing`'s."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from evalkit.encoders import Embedder
from evalkit.scoring.batch import SENTENCE_LIMITS, Batch, Field
from evalkit.scoring.contract import Scorer
from evalkit.scoring.turns import clipped

__all__ = ["WORK", "Work", "tokens_of", "work_of"]

#: Characters of a token: about what English takes. A count that needs no tokeniser is the same for
#: every model, and what matters is that it grows as the work does.
_CHARS = 4
#: A model reads no more of a text than this.
_MOST = 256
# The verifier reads a claim with its evidence; which that is is not known before the vectors are.
_CLAIM_TOKENS, _EVIDENCE_TOKENS = 72, 100

#: What is there to do for one row: texts by a key of their own, each with the tokens of what is
#: missing of it; what no other row shares; and what all of it would be without a cache.
WORK = pa.schema(
    [
        ("place", pa.int64()),
        ("keys", pa.list_(pa.int64())),
        ("tokens", pa.list_(pa.int64())),
        ("own", pa.int64()),
        ("whole", pa.int64()),
    ]
)


def tokens_of(text: str) -> int:
    """About how many tokens a model reads of a text.

    >>> tokens_of("How long does a refund take?"), tokens_of("word " * 1000)
    (8, 256)
    """
    return min(len(text) // _CHARS + 1, _MOST)


@dataclass(frozen=True)
class Work:
    """One row's.

    Attributes:
        texts: by key the tokens that are missing of each; rows may share them.
        own: tokens that only this row needs.
        whole: all its tokens, in the cache or not.
    """

    texts: Mapping[int, int]
    own: int
    whole: int


def work_of(batch: Batch, scorers: Iterable[Scorer], embedder: Embedder) -> list[Work]:
    """What there is to do for each row of a batch.

    Args:
        batch: the rows.
        scorers: those that need models.
        embedder: says what its cache has; it has a verifier where one is to read.
    """
    needed = {name for scorer in scorers for name in scorer.needs}
    fields: list[Field] = [name for name in SENTENCE_LIMITS if name in needed]
    rows = [dict(_texts(batch, i, fields)) for i in range(len(batch))]
    if "turns" in needed:
        for i, before in enumerate(_asked_before(batch)):
            rows[i].update((_key("query", text), [text]) for text in before)
    pieces = list(dict.fromkeys(piece for row in rows for part in row.values() for piece in part))
    lacking = {
        piece
        for piece, is_lacking in zip(pieces, embedder.lacks(pieces), strict=True)
        if is_lacking
    }
    found = []
    for i, row in enumerate(rows):
        missing = {
            key: sum(tokens_of(piece) for piece in parts if piece in lacking)
            for key, parts in row.items()
        }
        own = _reading(batch, i) if embedder.verifier is not None else 0
        whole = own + sum(tokens_of(piece) for parts in row.values() for piece in parts)
        found.append(Work({key: n for key, n in missing.items() if n}, own, whole))
    return found


def _texts(batch: Batch, row: int, fields: Sequence[Field]) -> Iterator[tuple[int, list[str]]]:
    """The texts of a row, each with itself and its sentences: what is encoded of it."""
    for field in fields:
        if field == "contexts":
            texts = [chunk.text for chunk in batch.chunks()[row]]
        else:
            text = batch.strings(field)[row]
            texts = [] if text is None else [text]
        beyond = batch.over_budget(field)[row] or field == "query"
        for text, spans in zip(texts, batch.sentences(field)[row], strict=True):
            pieces = [] if beyond else [text[span.start : span.end] for span in spans]
            yield _key(field, text), [text, *pieces]


def _asked_before(batch: Batch) -> Iterator[list[str]]:
    """The question before each row's own, which it may be held against: of its history or session."""
    for history, place in zip(batch.values("history"), batch.places(), strict=True):
        asked = [m.get("content") for m in history or [] if m and m.get("role") == "user"]
        texts = [clipped(text, None)[0] for text in asked[-2:]]
        texts.append(None if place is None else place.query)
        yield [text for text in dict.fromkeys(texts) if text]


def _key(field: str, text: str) -> int:
    data = f"{field}\0{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big", signed=True)


def _reading(batch: Batch, row: int) -> int:
    """Tokens that the verifier reads for a row: its sentences, each with evidence."""
    response = batch.strings("response")[row]
    if response is None or not batch.chunks()[row]:
        return 0
    return sum(
        min(tokens_of(response[span.start : span.end]), _CLAIM_TOKENS) + _EVIDENCE_TOKENS
        for span in batch.sentences("response")[row][0]
    )
