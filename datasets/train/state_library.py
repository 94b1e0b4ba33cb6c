"""The frozen states of every text that the verifier learns from: each made once, kept as float16 in
a file that is mapped into memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.literal import Literal, literal
from evalkit.encoders.model import Model
from evalkit.encoders.states import States, Texts
from evalkit.encoders.verifier import Encoded

__all__ = ["StateLibrary"]

_CHUNK = 1000
_EVERY = 20


@dataclass(frozen=True)
class _Entry:
    text: Literal
    start: int


class StateLibrary:
    """States by text; those that are in the folder are not made again.

    Args:
        folder: holds `states.f16`, float16 [tokens of all texts, width], and where each text is.
        model: the default model.
        longest: tokens of the longest text.
    """

    def __init__(self, folder: Path, model: Model, longest: int) -> None:
        self._file, self._index = folder / "states.f16", folder / "states.pickle"
        self._width = model.dim
        self._texts = Texts(model)
        self._states = States(model, self._texts, longest, "fp32", None)
        self._known: dict[tuple[str, int], _Entry] = {}
        self._tokens = 0
        if self._index.is_file():
            self._known, self._tokens = pickle.loads(self._index.read_bytes())  # noqa: S301  (written by this script)
        self._map: NDArray[np.float16] | None = None

    def add(self, texts: Iterable[str], cap: int) -> None:
        """Make the states of texts that are not there, cut at `cap` tokens."""
        missing = [text for text in dict.fromkeys(texts) if (text, cap) not in self._known]
        if not missing:
            return
        self._map = None
        missing.sort(key=len)
        with self._file.open("r+b" if self._file.is_file() else "w+b") as file:
            file.truncate(self._tokens * self._width * 2)  # what a killed run left over
            file.seek(0, 2)
            for begin in range(0, len(missing), _CHUNK):
                cut = self._texts.read(missing[begin : begin + _CHUNK], cap)
                found = self._states.encode([one.ids for one in cut])
                for text, one, states in zip(missing[begin:], cut, found, strict=False):
                    file.write(states.astype(np.float16).tobytes())
                    self._known[text, cap] = _Entry(literal(*one), self._tokens)
                    self._tokens += len(states)
                print(f"states: {begin + len(cut):,} of {len(missing):,} texts", flush=True)
                if begin // _CHUNK % _EVERY == _EVERY - 1:
                    file.flush()
                    self._save()
        self._save()

    def get(self, text: str, cap: int) -> Encoded:
        """One text as the network takes it; its states are float16 [tokens, width]."""
        if self._map is None:
            shape = (self._tokens, self._width)
            self._map = np.memmap(self._file, np.float16, "r", shape=shape)
        entry = self._known[text, cap]
        states = self._map[entry.start : entry.start + len(entry.text.ids)]
        return Encoded(entry.text, cast("NDArray[np.float32]", states))  # padding makes it float32

    def _save(self) -> None:
        self._index.write_bytes(pickle.dumps((self._known, self._tokens)))
