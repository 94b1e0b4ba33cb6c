"""An encoder made of forward passes of canonical shapes; a runtime adds only the forward pass
itself."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.alike import Alike
from evalkit.encoders.contract import Encoder, Matrix, Plan, TokenEmbeddings
from evalkit.encoders.shapes import TOKENS_PER_PASS, Pass, few_of, passes, rows_of
from evalkit.encoders.tokenizer import Tokenized, Tokenizer
from evalkit.errors import ModelError

__all__ = ["BatchedEncoder", "Ids", "Passes"]

Ids = NDArray[np.int64]
Pad = Callable[[Sequence[Tokenized], int], tuple[Ids, Ids, Ids]]
Forward = Callable[[Ids, Ids, Ids], tuple[Matrix, ...]]
Pool = Callable[[], AbstractContextManager[Executor]]
#: Passes that are begun or done and not yet taken: enough for any number of processors, and some MB.
_AHEAD = 64


class Passes:
    """Sorts tokenised texts into forward passes, and fills up what is missing.

    A pass that is not full may run with fewer rows (`few_of`) instead of filler, where that gives
    the very same bytes: both are run on a probe and compared, and the answer is kept. So speed may
    differ between machines, results never. To ask costs rows, too, and is put off until a shape's
    filler has cost as many: filler and question together then cost at most about twice the less of
    the two (ski rental; Karlin et al. 1988, Algorithmica 3:79).

    Args:
        pad: ids, mask and types of some texts, padded to a width.
        filler: a text that stands in for none.
        forward: one pass; each result has a row per text.
        limit: tokens of the longest text.
        per_pass: tokens of a full pass.
        alike: what is known of small passes.
        pool: what runs several passes side by side; without it, one runs after the other.
    """

    def __init__(
        self,
        pad: Pad,
        filler: Tokenized,
        forward: Forward,
        limit: int,
        per_pass: int = TOKENS_PER_PASS,
        alike: Alike | None = None,
        pool: Pool | None = None,
    ) -> None:
        self._pad = pad
        self._filler = filler
        self._forward = forward
        self._limit = limit
        self._per_pass = per_pass
        self._alike = Alike() if alike is None else alike
        #: Rows of filler that a shape (tokens, rows) has had while nobody knew whether it needs it.
        self._wasted: Counter[tuple[int, int]] = Counter()
        self._asked: set[tuple[int, int]] = set()
        self._asking = Lock()
        self._pool = pool

    def run(self, read: Sequence[Tokenized]) -> Iterator[tuple[list[int], tuple[Matrix, ...]]]:
        """Which texts were in a pass, and its results for them, pass by pass."""
        todo = passes([len(text.ids) for text in read], self._limit, self._per_pass)
        for one, found in self._all(todo, read):
            n = len(one.members)
            yield list(one.members), tuple(part[:n] for part in found)

    def _all(
        self, todo: Sequence[Pass], read: Sequence[Tokenized]
    ) -> Iterator[tuple[Pass, tuple[Matrix, ...]]]:
        """Each pass and its results, in their order."""

        def run(one: Pass) -> tuple[Matrix, ...]:
            return self._run(one, [read[i] for i in one.members])

        if self._pool is None:
            yield from ((one, run(one)) for one in todo)
            return
        begun: deque[tuple[Pass, Future[tuple[Matrix, ...]]]] = deque()
        with self._pool() as pool:
            for one in todo:
                begun.append((one, pool.submit(run, one)))
                if len(begun) == _AHEAD:
                    first, found = begun.popleft()
                    yield first, found.result()
            for one, found in begun:
                yield one, found.result()

    def _run(self, one: Pass, rows: list[Tokenized]) -> tuple[Matrix, ...]:
        full = rows_of(one.tokens, self._per_pass)
        few = min(full, few_of(len(rows)))
        if few == full:
            return self._filled(rows, full, one.tokens)
        is_same = self._alike.get(one.tokens, few)
        if is_same is not None:
            return self._filled(rows, few if is_same else full, one.tokens)
        # A full pass answers in any case; where it has room, the probe goes with it.
        fits = len(rows) + few <= full
        if not self._is_due((one.tokens, few), few if fits else full + few, full - few):
            return self._filled(rows, full, one.tokens)
        probe = _probe(rows[0], few, one.tokens)
        if not fits:
            is_same = self._compare(self._filled(probe, full, one.tokens), probe, one.tokens)
            return self._filled(rows, few if is_same else full, one.tokens)
        both = self._filled(probe + rows, full, one.tokens)
        self._compare(both, probe, one.tokens)
        return tuple(part[few:] for part in both)

    def _is_due(self, shape: tuple[int, int], cost: int, filler: int) -> bool:
        """Whether to ask about a shape now, which is once; else its filler is counted."""
        with self._asking:
            if shape in self._asked or self._wasted[shape] < cost:
                self._wasted[shape] += filler
                return False
            self._asked.add(shape)
            return True

    def _compare(self, whole: tuple[Matrix, ...], probe: list[Tokenized], tokens: int) -> bool:
        """Whether the probe alone gives the bytes that it has at the head of a full pass; kept."""
        few = len(probe)
        short = self._filled(probe, few, tokens)
        is_same = all(a.tobytes() == b[:few].tobytes() for a, b in zip(short, whole, strict=True))
        with self._asking:
            self._alike.put(tokens, few, is_same)
        return is_same

    def _filled(self, rows: list[Tokenized], count: int, tokens: int) -> tuple[Matrix, ...]:
        filled = rows + [self._filler] * (count - len(rows))
        return self._forward(*self._pad(filled, tokens))


def _probe(row: Tokenized, count: int, tokens: int) -> list[Tokenized]:
    """Rows that use the whole width: short texts may agree by chance, where sums of their two or three
    tokens have only one order."""
    return [_stretched(row, max(1, tokens - 3 * (i % 4))) for i in range(count)]


def _stretched(row: Tokenized, tokens: int) -> Tokenized:
    """A text of that many tokens, all of them the row's."""
    times = -(-tokens // len(row.ids))
    types = [*row.types, *([row.types[-1]] * tokens)][:tokens]
    return Tokenized((row.ids * times)[:tokens], types, [], [])


class BatchedEncoder(Encoder):
    """Puts texts through the passes of one model, and their vectors back in order."""

    def __init__(
        self, plan: Plan, per_pass: int = TOKENS_PER_PASS, pool: Pool | None = None
    ) -> None:
        model = plan.model
        self.dim = model.dim
        self.max_tokens = model.max_tokens
        self._model = model
        self._tokenizer = Tokenizer(model)
        self._passes = Passes(
            self._tokenizer.pad,
            self._tokenizer.filler(),
            self.forward,
            model.max_tokens,
            per_pass,
            Alike(plan.alike),
            pool,
        )

    @abstractmethod
    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        """One pass over int64 [rows, tokens]: sentence vectors float32 [rows, dim] and token
        vectors float32 [rows, tokens, width]."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit-length sentence vectors, float32 [n, dim]."""
        found = np.zeros((len(texts), self.dim), dtype=np.float32)
        read = self._tokenizer.read(texts)
        for members, (sentence, _) in self._passes.run(read):
            found[members] = _unit(sentence)
        if not np.isfinite(found).all():
            raise ModelError(
                f"{self._model.folder}: the model gives vectors that are no numbers. Copy it again."
            )
        return found

    def tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Token vectors without special tokens."""
        read = self._tokenizer.read(texts)
        rows: list[Matrix] = [np.zeros((0, 0), dtype=np.float32)] * len(texts)
        for members, (_, token) in self._passes.run(read):
            for at, i in enumerate(members):
                rows[i] = token[at, : len(read[i].ids)][~np.array(read[i].special)]
        spans = [
            span
            for one in read
            for span, out in zip(one.spans, one.special, strict=True)
            if not out
        ]
        return TokenEmbeddings(
            np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32),
            np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64),
            np.array(spans, dtype=np.int32).reshape(-1, 2),
        )


def _unit(vectors: Matrix) -> Matrix:
    norm = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    found: Matrix = (vectors / np.maximum(norm, 1e-12)[:, None]).astype(np.float32)
    return found
