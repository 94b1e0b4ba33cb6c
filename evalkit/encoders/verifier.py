"""The verifier: a small network that reads a claim together with its evidence and says how far the
claim, and each word of it, lacks support. Which evidence a claim is read against is chosen
elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.encoders import processor, shapes
from evalkit.encoders.batched import Ids, Passes
from evalkit.encoders.cache import VectorCache
from evalkit.encoders.contract import Matrix
from evalkit.encoders.model import Model, find_model
from evalkit.encoders.quiet import offline
from evalkit.encoders.threads import limited
from evalkit.encoders.tokenizer import Tokenized
from evalkit.errors import ModelError

__all__ = [
    "CLAIM_TOKENS",
    "EVIDENCE_TOKENS",
    "Reading",
    "Verifier",
    "VerifierStats",
    "open_verifier",
]

#: A claim and its evidence are cut here: the network was trained on no longer ones.
CLAIM_TOKENS = 72
EVIDENCE_TOKENS = 152
_LIMIT = CLAIM_TOKENS + EVIDENCE_TOKENS + 3
_CHARS_PER_TOKEN = 64
_SLICE = 512
#: Raise it when a change here may change a reading.
_VERSION = "1"
_PACKAGE = "evalkit.encoders"
_WEIGHTS = "verifier.safetensors"
_STATED = "verifier.json"


@dataclass(frozen=True)
class Reading:
    """What the verifier makes of one claim.

    Attributes:
        unsupported: log-odds that the evidence does not support the claim.
        tokens: float32 [tokens of the claim], log-odds that a token is part of what lacks support.
        spans: int32 [tokens, 2], each token's characters in the claim.
    """

    unsupported: float
    tokens: NDArray[np.float32]
    spans: NDArray[np.int32]


@dataclass(frozen=True)
class VerifierStats:
    """What was asked since it was opened: pairs, and how many of them the network read."""

    pairs: int = 0
    read: int = 0


class Verifier:
    """Reads claims against evidence, each distinct pair once; keeps what it read across nights.

    Args:
        fingerprint: weights, precision and shapes: readings with equal fingerprints compare.
        load: gives the network; called at most once, when a pair is not in the cache.
        model: the default model, whose tokens the verifier reads.
        cache: where readings are kept, or None.
    """

    def __init__(
        self,
        fingerprint: str,
        load: Callable[[], Callable[[Ids, Ids, Ids], tuple[Matrix, ...]]],
        model: Model,
        cache: VectorCache | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.stats = VerifierStats()
        self._load = load
        self._tokens = _PairTokens(model)
        self._passes: Passes | None = None
        self._cache = cache

    def __enter__(self) -> Verifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the cache. The verifier still works, without it."""
        if self._cache is not None:
            self._cache.close()

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[Reading]:
        """One reading per (claim, evidence); a pair's reading depends on that pair alone.

        Raises:
            ModelError: the network is needed and cannot be loaded.
        """
        at: dict[tuple[str, str], int] = {}
        positions = [at.setdefault(pair, len(at)) for pair in pairs]
        distinct = list(at)
        keys = [_key(pair) for pair in distinct]
        known = self._cache.get(keys) if self._cache is not None and keys else {}
        rows = dict(known)
        missing = [i for i in range(len(distinct)) if i not in known]
        for begin in range(0, len(missing), _SLICE):
            part = missing[begin : begin + _SLICE]
            found = self._run([distinct[i] for i in part])
            rows.update(zip(part, found, strict=True))
            if self._cache is not None:
                self._cache.put({keys[i]: row for i, row in zip(part, found, strict=True)})
        self.stats = VerifierStats(self.stats.pairs + len(pairs), self.stats.read + len(missing))
        spans = self._tokens.claim_spans([claim for claim, _ in distinct])
        made = [_reading(rows[i], spans[i]) for i in range(len(distinct))]
        return [made[i] for i in positions]

    def _run(self, pairs: Sequence[tuple[str, str]]) -> list[NDArray[np.float32]]:
        """Rows for the cache: the pair's log-odds, then those of its claim's tokens."""
        if self._passes is None:
            self._passes = Passes(self._tokens.pad, self._tokens.filler(), self._load(), _LIMIT)
        read, sizes = self._tokens.read(pairs)
        found = np.zeros((len(pairs), 1 + CLAIM_TOKENS), dtype=np.float32)
        for members, (whole, token) in self._passes.run(read):
            for row, i in enumerate(members):
                found[i, 0] = whole[row, 0]
                found[i, 1 : 1 + sizes[i]] = token[row, 1 : 1 + sizes[i]]
        if not np.isfinite(found).all():
            raise ModelError(
                f"{_WEIGHTS}: gives readings that are no numbers. Install evalkit again."
            )
        return list(found)


def open_verifier(
    settings: Settings, *, cache: bool = True, folder: Path | None = None
) -> Verifier:
    """The shipped verifier, or one in a folder; a context manager that closes its cache.

    It runs on torch at the precision of `[encoder]` ("bf16" where that is asked for and the
    processor has it), whatever model the embeddings are of: it was trained with its own.

    Raises:
        ModelError: its weights, or the default model whose tokens it reads, are missing or wrong.
    """
    folder = Path(str(files(_PACKAGE) / "weights")) if folder is None else folder
    stated = _stated(folder)
    model = find_model(None)
    precision = "bf16" if settings.encoder.precision == "bf16" and processor.has_bf16() else "fp32"
    exact = f"{_VERSION}\n{stated['sha256']}\n{precision}\n{model.fingerprint}\n{shapes.VERSION}"
    digest = hashlib.sha256(exact.encode()).hexdigest()[:12]
    fingerprint = f"verifier-torch-{precision}-{digest}"
    kept = None
    if cache:
        space = (
            f"{fingerprint}\ntorch {version('torch')}, transformers {version('transformers')}"
            f"\n{processor.instruction_set()}"
        )
        kept = VectorCache(settings.cache_path, space, 1 + CLAIM_TOKENS)
    threads = settings.encoder.threads
    return Verifier(
        fingerprint, lambda: _Network(model, folder, precision, threads).forward, model, kept
    )


class _PairTokens:
    """[CLS] claim [SEP] evidence [SEP], claim type 0 and evidence type 1."""

    def __init__(self, model: Model) -> None:
        from tokenizers import Tokenizer as Fast

        self._fast = Fast.from_file(str(model.folder / "tokenizer.json"))
        self._fast.no_truncation()
        self._fast.no_padding()
        self._first, self._end, self._pad = (
            self._id(model, token) for token in ("[CLS]", "[SEP]", "[PAD]")
        )

    def _id(self, model: Model, token: str) -> int:
        found: int | None = self._fast.token_to_id(token)
        if found is None:
            raise ModelError(
                f"{model.folder / 'tokenizer.json'}: has no {token}. Install evalkit again."
            )
        return found

    def claim_spans(self, claims: Sequence[str]) -> list[NDArray[np.int32]]:
        return [
            np.array(offsets, dtype=np.int32).reshape(-1, 2)
            for _, offsets in self._encode(claims, CLAIM_TOKENS)
        ]

    def read(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[Tokenized], list[int]]:
        """Each pair's tokens, and how many of them are the claim's."""
        claims = self._encode([claim for claim, _ in pairs], CLAIM_TOKENS)
        evidence = self._encode([text for _, text in pairs], EVIDENCE_TOKENS)
        found = []
        for (claim, _), (text, _) in zip(claims, evidence, strict=True):
            ids = [self._first, *claim, self._end, *text, self._end]
            types = [0] * (len(claim) + 2) + [1] * (len(text) + 1)
            found.append(Tokenized(ids, types, [], []))
        return found, [len(claim) for claim, _ in claims]

    def filler(self) -> Tokenized:
        return self.read([("", "")])[0][0]

    def pad(self, rows: Sequence[Tokenized], tokens: int) -> tuple[Ids, Ids, Ids]:
        """Ids, mask and types, int64 [rows, tokens]; what is padded is of the evidence's type."""
        ids = np.full((len(rows), tokens), self._pad, dtype=np.int64)
        mask = np.zeros((len(rows), tokens), dtype=np.int64)
        types = np.ones((len(rows), tokens), dtype=np.int64)
        for i, row in enumerate(rows):
            n = len(row.ids)
            ids[i, :n], mask[i, :n], types[i, :n] = row.ids, 1, row.types
        return ids, mask, types

    def _encode(
        self, texts: Sequence[str], cap: int
    ) -> list[tuple[list[int], list[tuple[int, int]]]]:
        # A lone surrogate (from a careless JSON decoder) is no text: it becomes "?".
        given = [
            text[: cap * _CHARS_PER_TOKEN].encode("utf-8", "replace").decode() for text in texts
        ]
        found = self._fast.encode_batch(given, add_special_tokens=False)
        return [(one.ids[:cap], one.offsets[:cap]) for one in found]


class _Network:
    """The default model's network with the verifier's weights and its two heads, on torch."""

    def __init__(self, model: Model, folder: Path, precision: str, threads: int | None) -> None:
        with offline():
            import torch
            from transformers import BertConfig, BertModel
        self._torch = torch
        self._threads = threads
        config = BertConfig.from_pretrained(str(model.folder))
        with torch.device("cpu"):
            base = BertModel(config, add_pooling_layer=False)
        state, heads = _weights(model, folder, torch)
        base.load_state_dict(state)
        base.eval()
        self._base = base.to(torch.bfloat16) if precision == "bf16" else base
        self._whole = (heads["sent.weight"][0], heads["sent.bias"])
        self._token = (heads["tok.weight"][0], heads["tok.bias"])

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, ...]:
        """Log-odds of the pairs float32 [rows, 1] and of all tokens float32 [rows, tokens]."""
        torch = self._torch
        with torch.inference_mode(), limited(torch, self._threads):
            i, m, t = (torch.from_numpy(part) for part in (ids, mask, types))
            hidden = self._base(input_ids=i, attention_mask=m, token_type_ids=t)
            h = hidden.last_hidden_state.float()
            claim = ((t == 0) & (m == 1)).float()
            claim[:, 0] = 0  # [CLS]; the claim's [SEP] is part of its mean, as in training
            mean = (h * claim[..., None]).sum(1) / claim.sum(1, keepdim=True).clamp(min=1)
            whole = torch.cat([h[:, 0], mean], -1) @ self._whole[0] + self._whole[1]
            token = h @ self._token[0] + self._token[1]
        return np.asarray(whole.numpy()[:, None], np.float32), np.asarray(token.numpy(), np.float32)


def _weights(model: Model, folder: Path, torch: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network's parameters: word embeddings of the default model, all else from the shipped
    file, where matrices are int8 with one scale per row."""
    from safetensors.torch import load_file

    shipped = load_file(str(_checked(folder)))
    found: dict[str, Any] = {}
    for name, value in shipped.items():
        if name.endswith(".scale"):
            continue
        scale = shipped.get(f"{name}.scale")
        found[name] = value.float() if scale is None else value.float() * scale[:, None]
    words = load_file(str(model.folder / "model.safetensors"))["embeddings.word_embeddings.weight"]
    found["base.embeddings.word_embeddings.weight"] = words.float()
    state = {name[5:]: value for name, value in found.items() if name.startswith("base.")}
    heads = {name: value for name, value in found.items() if not name.startswith("base.")}
    return state, heads


def _stated(folder: Path) -> dict[str, Any]:
    """What is said of the weights: their SHA-256 and the model that they go with."""
    path = folder / _STATED
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}). Install evalkit again.") from error
    return found


def _checked(folder: Path) -> Path:
    path = folder / _WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Install evalkit again.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    stated = str(_stated(folder)["sha256"])
    if found != stated:
        raise ModelError(
            f"{path}: hashes to {found[:12]}..., but {_STATED} states {stated[:12]}...: it is not "
            "the file that was shipped. Install evalkit again."
        )
    return path


def _key(pair: tuple[str, str]) -> bytes:
    claim, evidence = (part.encode("utf-8", "replace") for part in pair)
    return len(claim).to_bytes(8, "big") + claim + evidence


def _reading(row: NDArray[np.float32], spans: NDArray[np.int32]) -> Reading:
    return Reading(float(row[0]), row[1 : 1 + len(spans)], spans)
