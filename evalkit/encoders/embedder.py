"""Vectors for texts, each distinct text encoded once: from the cache, else from the model, which is
loaded only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.cache import VectorCache
from evalkit.encoders.contract import Encoder, TokenEmbeddings
from evalkit.encoders.verifier import Verifier

__all__ = ["Embedder", "EmbedderStats"]

#: Texts between two writes to the cache: what a killed night has encoded so far is not lost.
_SLICE = 1024
#: Bytes of vectors that stay in memory: asking the cache for one takes longer than making a score of
#: it, and the chunks of a night come again and again.
_AT_HAND_BYTES = 96 * 1024**2


@dataclass(frozen=True)
class EmbedderStats:
    """What was asked since it was opened: texts, distinct ones (per call), found in the cache,
    encoded."""

    texts: int = 0
    distinct: int = 0
    hits: int = 0
    encoded: int = 0


class _AtHand:
    """Vectors that were asked for lately, by text (UTF-8)."""

    def __init__(self, most: int) -> None:
        # Two generations: what was not asked for while one of them filled is forgotten.
        self._half = max(1, most // 2)
        self._new: dict[bytes, NDArray[np.float32]] = {}
        self._old: dict[bytes, NDArray[np.float32]] = {}

    def get(self, text: bytes) -> NDArray[np.float32] | None:
        found = self._new.get(text)
        if found is None:
            found = self._old.get(text)
            if found is not None:
                self.put(text, found)
        return found

    def put(self, text: bytes, vector: NDArray[np.float32]) -> None:
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[text] = vector


class Embedder:
    """What `scoring` asks for vectors.

    Args:
        fingerprint: model, runtime and precision: scores with equal fingerprints compare.
        dim: length of a vector.
        load: gives the encoder; called at most once, on the first text that the cache does not
            have.
        cache: where vectors are kept, or None.
        verifier: reads claims against evidence; None where the configuration does without.
    """

    def __init__(
        self,
        fingerprint: str,
        dim: int,
        load: Callable[[], Encoder],
        cache: VectorCache | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self.verifier = verifier
        self.fingerprint = fingerprint
        self.dim = dim
        self.stats = EmbedderStats()
        self._load = load
        self._encoder: Encoder | None = None
        self._cache = cache
        self._at_hand = _AtHand(_AT_HAND_BYTES // (4 * dim))

    def __enter__(self) -> Embedder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the caches. The embedder still works, without them."""
        if self.verifier is not None:
            self.verifier.close()
        if self._cache is not None:
            self._cache.close()

    @property
    def is_loaded(self) -> bool:
        """Whether the model had to be loaded so far."""
        return self._encoder is not None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length vectors, float32 [len(texts), dim]; equal texts have equal bytes, always.

        Raises:
            ModelError: the model is needed and cannot be loaded.
        """
        at: dict[bytes, int] = {}
        # A lone surrogate (from a careless JSON decoder) is no text: it becomes "?".
        positions = [at.setdefault(text.encode("utf-8", "replace"), len(at)) for text in texts]
        distinct = list(at)
        vectors = np.zeros((len(distinct), self.dim), dtype=np.float32)
        asked = self._from_memory(distinct, vectors)
        missing = self._from_cache(distinct, asked, vectors)
        for begin in range(0, len(missing), _SLICE):
            part = missing[begin : begin + _SLICE]
            encoded = self.encoder.encode([distinct[i].decode() for i in part])
            vectors[part] = encoded
            if self._cache is not None:
                self._cache.put({distinct[i]: encoded[k] for k, i in enumerate(part)})
        self.stats = replace(
            self.stats,
            texts=self.stats.texts + len(texts),
            distinct=self.stats.distinct + len(distinct),
            hits=self.stats.hits + len(distinct) - len(missing),
            encoded=self.stats.encoded + len(missing),
        )
        return vectors[positions] if positions else vectors

    def _from_memory(self, distinct: list[bytes], vectors: NDArray[np.float32]) -> list[int]:
        """Fill in what is in memory; which texts are not."""
        asked = []
        for i, text in enumerate(distinct):
            vector = self._at_hand.get(text)
            if vector is None:
                asked.append(i)
            else:
                vectors[i] = vector
        return asked

    def _from_cache(
        self, distinct: list[bytes], asked: list[int], vectors: NDArray[np.float32]
    ) -> list[int]:
        """Fill in what the cache has; which texts it does not. What is found there comes again."""
        if self._cache is None or not asked:
            return asked
        known = self._cache.get([distinct[i] for i in asked])
        for k, vector in known.items():
            vectors[asked[k]] = vector
            self._at_hand.put(distinct[asked[k]], vector)
        return [i for k, i in enumerate(asked) if k not in known]

    def lacks(self, texts: Sequence[str]) -> list[bool]:
        """Which texts would have to be encoded: the cache does not have them."""
        at: dict[bytes, int] = {}
        positions = [at.setdefault(text.encode("utf-8", "replace"), len(at)) for text in texts]
        known = self._cache.holds(list(at)) if self._cache is not None else set()
        return [position not in known for position in positions]

    def tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Token vectors of texts; not cached."""
        return self.encoder.tokens(texts)

    @property
    def encoder(self) -> Encoder:
        """The model, loaded."""
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder
