"""Text to token ids with the model's own fast tokenizer, without the model's library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.model import Model
from evalkit.errors import ModelError

__all__ = ["Tokenized", "Tokenizer"]

#: Characters read for each token that the model can take: what follows can only matter in texts
#: that are nearly all white space, and a text of megabytes costs no more than a page.
_CHARS_PER_TOKEN = 64


@dataclass(frozen=True)
class Tokenized:
    """One text as the model sees it. `special` marks tokens that stand for no characters of the
    text."""

    ids: list[int]
    types: list[int]
    spans: list[tuple[int, int]]
    special: list[bool]


class Tokenizer:
    """The tokenizer of a model.

    Raises:
        ModelError: its file cannot be read.
    """

    def __init__(self, model: Model) -> None:
        from tokenizers import Tokenizer as Fast

        path = model.folder / "tokenizer.json"
        try:
            self._fast = Fast.from_file(str(path))
        except Exception as error:
            raise ModelError(f"{path}: is no tokenizer ({error}). Copy the model again.") from error
        self._fast.enable_truncation(model.max_tokens)
        self._fast.no_padding()
        self._model = model
        self._chars = model.max_tokens * _CHARS_PER_TOKEN
        self._pad_id = _pad_id(model.folder, self._fast.token_to_id)

    def read(self, texts: Sequence[str]) -> list[Tokenized]:
        """Each text's tokens, cut at the model's limit; spans are characters of the text itself."""
        skip = len(self._model.prefix)
        given = [self._model.prefix + text[: self._chars] for text in texts]
        if self._model.lowercase:
            given = [text.lower() for text in given]
        found = []
        for one in self._fast.encode_batch(given):
            spans = [(max(0, start - skip), max(0, end - skip)) for start, end in one.offsets]
            special = [
                bool(mark) or span[1] <= span[0]
                for mark, span in zip(one.special_tokens_mask, spans, strict=True)
            ]
            found.append(Tokenized(one.ids, one.type_ids, spans, special))
        return found

    def filler(self) -> Tokenized:
        """The tokens of the empty text: what fills up a pass."""
        return self.read([""])[0]

    def pad(
        self, rows: Sequence[Tokenized], tokens: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Ids, attention mask and token types, int64 [rows, tokens] each, padded on the right."""
        ids = np.full((len(rows), tokens), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), tokens), dtype=np.int64)
        types = np.zeros((len(rows), tokens), dtype=np.int64)
        for i, row in enumerate(rows):
            n = len(row.ids)
            ids[i, :n], mask[i, :n], types[i, :n] = row.ids, 1, row.types
        return ids, mask, types


def _pad_id(folder: Path, look_up: object) -> int:
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    token = config.get("pad_token", "[PAD]")
    if isinstance(token, dict):  # older files write the token with its options
        token = token.get("content", "[PAD]")
    assert callable(look_up)
    found = look_up(str(token))
    return 0 if found is None else int(found)
