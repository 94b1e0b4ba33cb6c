"""What an encoder is: it turns texts into vectors on one runtime, the same bytes for the same text always."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.config import EncoderSettings

__all__ = ["Encoder", "Matrix", "Runtime", "TokenEmbeddings"]

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class TokenEmbeddings:
    """Token vectors of some texts, ragged: text i has rows `offsets[i]:offsets[i + 1]`.

    `vectors` float32 [n_tokens, dim]; `spans` int32 [n_tokens, 2], each token's characters in its text.
    """

    vectors: Matrix
    offsets: NDArray[np.int64]
    spans: NDArray[np.int32]


class Encoder(ABC):
    """A loaded model on one runtime.

    A text's vector must not depend on the texts that it is encoded with: a night that was killed and started
    again, or scored in other batches, has to give the same bytes.
    """

    #: runtime, precision and the model file's hash; changes whenever a vector may change
    fingerprint: str
    dim: int
    max_tokens: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit-length sentence vectors, float32 [n, dim]. An empty text gives a vector too (of the empty text)."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Token vectors, without special tokens."""


@dataclass(frozen=True)
class Runtime:
    """A member of `encoders/runtimes`: says whether this machine can run it, and loads it.

    `available` returns None when it can run here, else the reason in words (package missing, no such device).
    """

    name: str
    available: Callable[[], str | None]
    load: Callable[[EncoderSettings], Encoder]
    precisions: tuple[str, ...]
    module: str
    options: dict[str, Any] | None = None
