"""The verifier: a small network that compares a claim with its evidence and says how far the claim,
and each word of it, lacks support. Which evidence a claim is read against is chosen elsewhere; what
the network is like stands in `comparing`."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
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
from evalkit.encoders.alike import Alike, kept_in
from evalkit.encoders.cache import VectorCache
from evalkit.encoders.literal import FLAGS, Literal, literal
from evalkit.encoders.model import Model, find_model
from evalkit.encoders.quiet import offline
from evalkit.encoders.states import States, Texts
from evalkit.encoders.threads import limited
from evalkit.errors import ModelError

__all__ = [
    "CLAIM_TOKENS",
    "EVIDENCE_TOKENS",
    "Encoded",
    "Reading",
    "Verifier",
    "VerifierStats",
    "open_verifier",
    "padded",
]

#: A claim and its evidence are cut here: the network was trained on no longer ones.
CLAIM_TOKENS = 72
EVIDENCE_TOKENS = 152
# Pairs are compared so many at a time, padded to the next of these widths: the shape of a pass, and
# with it the last bit of a reading, depends on the pair's own length alone.
_ROWS = 8
_CLAIM_WIDTHS = (16, 24, 32, 48, CLAIM_TOKENS)
_EVIDENCE_WIDTHS = (32, 64, 96, 128, EVIDENCE_TOKENS)
_SLICE = 512
#: Pieces of evidence whose states are kept for pairs to come, 0.2 MB each at most.
_KEPT_TEXTS = 512
#: Raise it when a change here may change a reading.
_VERSION = "2"
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
        load: Callable[[Texts], _Network],
        model: Model,
        cache: VectorCache | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.stats = VerifierStats()
        self._load = load
        self._texts = Texts(model)
        self._network: _Network | None = None
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
        cut = self._texts.read([claim for claim, _ in distinct], CLAIM_TOKENS)
        made = [_reading(rows[i], one.spans) for i, one in enumerate(cut)]
        return [made[i] for i in positions]

    def _run(self, pairs: Sequence[tuple[str, str]]) -> list[NDArray[np.float32]]:
        """Rows for the cache: the pair's log-odds, then those of its claim's tokens."""
        if self._network is None:
            self._network = self._load(self._texts)
        found = self._network.read(pairs)
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
    threads = settings.encoder.threads
    kept, alike = None, None
    if cache:
        space = (
            f"{fingerprint}\ntorch {version('torch')}, transformers {version('transformers')}"
            f"\n{processor.instruction_set()}"
        )
        kept = VectorCache(settings.cache_path, space, 1 + CLAIM_TOKENS)
        alike = kept_in(settings.networks_path, space, threads)

    def load(texts: Texts) -> _Network:
        return _Network(model, texts, folder, precision, threads, Alike(alike))

    return Verifier(fingerprint, load, model, kept)


@dataclass(frozen=True)
class Encoded:
    """A text as the network takes it: what is literally there, and float32 [tokens, width]."""

    text: Literal
    states: NDArray[np.float32]


class _Network:
    """The default model's first layers, and the comparing network on top of them."""

    def __init__(
        self,
        model: Model,
        texts: Texts,
        folder: Path,
        precision: str,
        threads: int | None,
        alike: Alike,
    ) -> None:
        path = _checked(folder)
        with offline():
            import torch
            from safetensors.torch import load_file

            from evalkit.encoders.comparing import Comparer, Side
        self._torch, self._side, self._threads = torch, Side, threads
        self._texts = texts
        self._states = States(model, texts, EVIDENCE_TOKENS, precision, threads, alike)
        with torch.device("cpu"):
            self._comparer = Comparer()
        self._comparer.load_state_dict(load_file(str(path)))
        self._comparer.eval()
        self._kept: OrderedDict[str, Encoded] = OrderedDict()

    def read(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Log-odds of each pair, then those of its claim's tokens, float32 [pairs, 1 +
        CLAIM_TOKENS]."""
        claims = self._encoded([claim for claim, _ in pairs], CLAIM_TOKENS)
        evidence = self._evidence([text for _, text in pairs])
        found = np.zeros((len(pairs), 1 + CLAIM_TOKENS), dtype=np.float32)
        sizes = [(len(a.states), len(b.states)) for a, b in zip(claims, evidence, strict=True)]
        for members, widths in _passes(sizes):
            # What is missing in the last pass of a shape is filled up with its first pair.
            filled = [*members, *members[:1] * (_ROWS - len(members))]
            sides = (
                padded([one[i] for i in filled], width)
                for one, width in zip((claims, evidence), widths, strict=True)
            )
            torch = self._torch
            with torch.inference_mode(), limited(torch, self._threads):
                a, b = (self._side(*map(torch.from_numpy, side)) for side in sides)
                whole, token = (part.numpy() for part in self._comparer(a, b))
            for row, i in enumerate(members):
                found[i, 0] = whole[row]
                found[i, 1 : 1 + sizes[i][0]] = token[row, : sizes[i][0]]
        return found

    def _encoded(self, texts: Sequence[str], cap: int) -> list[Encoded]:
        """Each text, encoded once."""
        distinct = list(dict.fromkeys(texts))
        cut = self._texts.read(distinct, cap)
        states = self._states.encode([one.ids for one in cut])
        found = {
            text: Encoded(literal(*one), its)
            for text, one, its in zip(distinct, cut, states, strict=True)
        }
        return [found[text] for text in texts]

    def _evidence(self, texts: Sequence[str]) -> list[Encoded]:
        """The same of evidence, which comes again with every claim: the last of it is kept."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        made = dict(zip(missing, self._encoded(missing, EVIDENCE_TOKENS), strict=True))
        found = [made.get(text) or self._kept[text] for text in texts]
        for text, one in zip(texts, found, strict=True):
            self._kept[text] = one
            self._kept.move_to_end(text)
        while len(self._kept) > _KEPT_TEXTS:
            self._kept.popitem(last=False)
        return found


def padded(rows: Sequence[Encoded], tokens: int) -> tuple[NDArray[Any], ...]:
    """The parts of a `comparing.Side`, [rows, tokens, ...] each, padded with zeros."""
    shape = (len(rows), tokens)
    width = rows[0].states.shape[1] if rows else 0
    states = np.zeros((*shape, width), dtype=np.float32)
    mask = np.zeros(shape, dtype=np.float32)
    ids, stems, numbers = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    flags = np.zeros((*shape, len(FLAGS)), dtype=np.float32)
    for i, row in enumerate(rows):
        n = len(row.states)
        states[i, :n], mask[i, :n], ids[i, :n] = row.states, 1, row.text.ids
        stems[i, :n], numbers[i, :n], flags[i, :n] = (
            row.text.stems, row.text.numbers, row.text.flags,
        )  # fmt: skip
    return states, mask, ids, stems, numbers, flags


def _passes(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Which pairs are compared together, and the widths of claim and evidence."""
    shaped: dict[tuple[int, int], list[int]] = {}
    for i, (claim, evidence) in enumerate(sizes):
        widths = _width(claim, _CLAIM_WIDTHS), _width(evidence, _EVIDENCE_WIDTHS)
        shaped.setdefault(widths, []).append(i)
    for widths, members in sorted(shaped.items()):
        for begin in range(0, len(members), _ROWS):
            yield members[begin : begin + _ROWS], widths


def _width(tokens: int, widths: Sequence[int]) -> int:
    return next(width for width in widths if width >= tokens)


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


def _reading(row: NDArray[np.float32], spans: Sequence[tuple[int, int]]) -> Reading:
    places = np.array(spans, dtype=np.int32).reshape(-1, 2)
    return Reading(float(row[0]), row[1 : 1 + len(places)], places)
