"""States of a text's tokens after the first layers of the default model: what the verifier compares.
A text's states do not depend on what it is encoded beside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.alike import Alike
from evalkit.encoders.batched import Ids, Passes
from evalkit.encoders.contract import Matrix
from evalkit.encoders.model import Model
from evalkit.encoders.quiet import offline
from evalkit.encoders.threads import one_each
from evalkit.encoders.tokenizer import Tokenized
from evalkit.errors import ModelError

__all__ = ["LAYERS", "Cut", "States", "Texts"]

#: Layers of the model that are run; later ones gather a text into one vector, and tokens lose what
#: tells them apart.
LAYERS = 4
_CHARS_PER_TOKEN = 64


class Cut(NamedTuple):
    """As much of a text as is read: its tokens, and the characters of each."""

    text: str
    ids: list[int]
    spans: list[tuple[int, int]]


class Texts:
    """Cuts texts into the default model's tokens.

    Args:
        model: the default model.
    """

    def __init__(self, model: Model) -> None:
        from tokenizers import Tokenizer as Fast

        self._path = model.folder / "tokenizer.json"
        self._fast = Fast.from_file(str(self._path))
        self._fast.no_truncation()
        self._fast.no_padding()
        self.first, self.end, self._pad = (self._id(name) for name in ("[CLS]", "[SEP]", "[PAD]"))

    def _id(self, token: str) -> int:
        found: int | None = self._fast.token_to_id(token)
        if found is None:
            raise ModelError(f"{self._path}: has no {token}. Install evalkit again.")
        return found

    def read(self, texts: Sequence[str], cap: int) -> list[Cut]:
        """The first `cap` tokens of each text, special ones left out."""
        # A lone surrogate (from a careless JSON decoder) is no text: it becomes "?".
        given = [
            text[: cap * _CHARS_PER_TOKEN].encode("utf-8", "replace").decode() for text in texts
        ]
        found = self._fast.encode_batch(given, add_special_tokens=False)
        return [
            Cut(text, one.ids[:cap], one.offsets[:cap])
            for text, one in zip(given, found, strict=True)
        ]

    def pad(self, rows: Sequence[Tokenized], tokens: int) -> tuple[Ids, Ids, Ids]:
        """Ids, mask and types, int64 [rows, tokens]."""
        ids = np.full((len(rows), tokens), self._pad, dtype=np.int64)
        mask = np.zeros((len(rows), tokens), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)], mask[i, : len(row.ids)] = row.ids, 1
        return ids, mask, np.zeros_like(ids)


class States:
    """The model's first layers, on torch.

    Args:
        model: the default model.
        texts: its tokens.
        limit: tokens of the longest text.
        precision: "fp32" or "bf16".
        threads: processor threads, or None for all.
        alike: what is known of small passes.
    """

    def __init__(
        self,
        model: Model,
        texts: Texts,
        limit: int,
        precision: str,
        threads: int | None,
        alike: Alike | None = None,
    ) -> None:
        with offline():
            import torch
            from safetensors.torch import load_file
            from transformers import BertConfig, BertModel
        self._torch = torch
        self._texts = texts
        config = BertConfig.from_pretrained(str(model.folder))
        config.num_hidden_layers = LAYERS
        with torch.device("cpu"):
            base = BertModel(config, add_pooling_layer=False)
        shipped = load_file(str(model.folder / "model.safetensors"))
        base.load_state_dict({name: shipped[name].float() for name in base.state_dict()})
        base.eval()
        self._base = base.to(torch.bfloat16) if precision == "bf16" else base
        self._passes = Passes(
            texts.pad,
            self._row([]),
            self._forward,
            limit + 2,
            alike=alike,
            pool=partial(one_each, torch, threads),
        )

    def encode(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """For each text's tokens their states, float32 [tokens, width]."""
        found: list[NDArray[np.float32]] = [np.zeros((0, 0), np.float32)] * len(rows)
        for members, (states,) in self._passes.run([self._row(ids) for ids in rows]):
            for k, i in enumerate(members):
                found[i] = states[k, 1 : 1 + len(rows[i])]
        return found

    def _row(self, ids: Sequence[int]) -> Tokenized:
        whole = [self._texts.first, *ids, self._texts.end]
        return Tokenized(whole, [0] * len(whole), [], [])

    def _forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, ...]:
        torch = self._torch
        with torch.inference_mode():
            i, m, t = (torch.from_numpy(part) for part in (ids, mask, types))
            hidden = self._base(input_ids=i, attention_mask=m, token_type_ids=t).last_hidden_state
            return (np.asarray(hidden.float().numpy(), dtype=np.float32),)
