"""What an encoder is: it turns texts into vectors on one runtime, the same bytes for the same text
always."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.model import Model

__all__ = ["Encoder", "Matrix", "Plan", "Runtime", "TokenEmbeddings"]

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class TokenEmbeddings:
    """Token vectors of some texts, ragged: text i has rows `offsets[i]:offsets[i + 1]`.

    `vectors` float32 [n_tokens, dim]; `spans` int32 [n_tokens, 2], each token's characters in its
    text.
    """

    vectors: Matrix
    offsets: NDArray[np.int64]
    spans: NDArray[np.int32]


class Encoder(ABC):
    """A loaded model on one runtime.

    A text's vector must not depend on the texts that it is encoded with: a night that was killed
    and started again, or scored in other batches, has to give the same bytes.
    """

    dim: int
    max_tokens: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit-length sentence vectors, float32 [n, dim]. An empty text gives a vector too (of the
        empty text)."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Token vectors, without special tokens."""


@dataclass(frozen=True)
class Plan:
    """What is to be loaded: known, with its fingerprint, before anything heavy is imported.

    `threads`: processor threads, None for all. `folder`: where a runtime may keep converted files.
    `alike`: the file in which it is kept what small passes are worth (`alike`), or None.
    """

    model: Model
    precision: str
    threads: int | None
    folder: Path
    alike: Path | None = None


@dataclass(frozen=True)
class Runtime:
    """A member of `encoders/runtimes`: says whether this machine can run it, and loads a model on
    it.

    Attributes:
        name: as `[encoder] runtime` names it.
        precisions: what it offers.
        version: the library's version (read from its metadata: the library is not imported). It is
            part of the cache's keys, because another version may change the last bits of a vector.
        obstacle: for a precision, None when it can run here, else the reason and what to do, in
            words.
        load: the model, loaded; it imports the library, never the module that defines the runtime.
        module: the module that defines it.
    """

    name: str
    precisions: tuple[str, ...]
    version: Callable[[], str]
    obstacle: Callable[[str], str | None]
    load: Callable[[Plan], Encoder]
    module: str
