"""Trains the shipped verifier, and writes its weights (int8), what is stated of them, and its card.

    python datasets/train/verifier.py --shared DIR --work DIR [--out FOLDER]

Two stages: a base on sets of single claims and rule-made edits, then the labelled sets of whole
responses on top. Beside the shipped network two more are tuned, each without a part of the labelled
sets, so that every set can be reported on by a network that never saw it or its family; RAGTruth is
in none of them. On two processor cores with bf16 it takes some two hours, on a GPU minutes. Networks
stay in --work; a stage whose file is there is not repeated. Seeds are fixed; the last bits depend on
the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from claim_pairs import BASE_SETS, LABELLED_SETS, Pair, is_development, read_pairs, read_pool
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoModel
from verifier_card import verifier_card
from verifier_data import Editor, epoch, words_alike

from evalkit.config import Settings
from evalkit.encoders import find_model, open_embedder
from evalkit.encoders.verifier import CLAIM_TOKENS, EVIDENCE_TOKENS

#: Labelled sets that each network is tuned on; `final` is shipped.
STAGES: Mapping[str, tuple[str, ...]] = {
    "without_bump_wice": ("summedits", "begin"),
    "without_summedits_begin": ("bump", "wice", "wice_tokens"),
    "final": LABELLED_SETS,
}


@dataclass(frozen=True)
class Recipe:
    """How a stage is trained; `most` and `edits` as `verifier_data.epoch` takes them."""

    epochs: int
    rate: float
    most: Mapping[str, int]
    edits: Mapping[str, float]
    seed: int


_REPLAYED = {
    "fool_me_twice": 700,
    "factcg_doc": 700,
    "fever_symmetric": 300,
    "conj_nli": 500,
    "med": 250,
    "tabfact": 150,
    "clapnq": 500,
    "xquad": 0,
}
BASE = Recipe(
    epochs=3,
    rate=1.5e-4,
    most={"conj_nli": 3500, "med": 1500, "tabfact": 1000, "fool_me_twice:copy": 2500},
    edits={
        "natural": 1.5,
        "copy": 0.9,
        "conj_nli": 0.4,
        "med": 0.0,
        "tabfact": 0.0,
        "clapnq": 2.5,
        "fever_symmetric": 0.7,
    },
    seed=0,
)
TUNED = Recipe(
    epochs=1,
    rate=8e-5,
    most={
        **_REPLAYED,
        **{f"{name}:copy": n // 3 for name, n in _REPLAYED.items()},
        "begin": 1800,
        "begin:copy": 300,
        "bump": 2200,
        "bump:copy": 600,
        "summedits": 2200,
        "summedits:copy": 300,
        "wice:copy": 300,
        "wice_tokens:copy": 200,
    },
    edits={
        "natural": 0.5,
        "copy": 0.8,
        "conj_nli": 0.2,
        "med": 0.0,
        "tabfact": 0.0,
        "clapnq": 1.0,
        "bump": 0.35,
        "summedits": 0.35,
        "wice": 2.0,
    },
    seed=1,
)
_TOKENS_PER_STEP = 3072
#: Unsupported words are rare: each counts as much as this many supported ones.
_WORD_WEIGHT = 3.0
_Row = tuple[list[int], list[int], float, list[float] | None]


class Network(nn.Module):
    """The default encoder with a head for the pair (on [CLS] and the mean of the claim) and one for
    each token."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.base = AutoModel.from_pretrained(
            str(folder), attn_implementation="eager", add_pooling_layer=False
        )
        width = self.base.config.hidden_size
        self.sent = nn.Linear(2 * width, 1)
        self.tok = nn.Linear(width, 1)
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # edits are made anew each epoch: nothing is seen twice

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log-odds of pairs [rows] and tokens [rows, tokens], and which tokens are the claim's."""
        hidden = self.base(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).last_hidden_state
        claim = ((types == 0) & (mask == 1)).to(hidden.dtype)
        claim[:, 0] = 0
        mean = (hidden * claim[..., None]).sum(1) / claim.sum(1, keepdim=True).clamp(min=1)
        whole = self.sent(torch.cat([hidden[:, 0], mean], -1)).squeeze(-1)
        return whole.float(), self.tok(hidden).squeeze(-1).float(), claim


def main() -> None:
    """Read, train each stage, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--work", type=Path, required=True, help="keeps embeddings and networks")
    parser.add_argument("--out", type=Path, default=Path("evalkit/encoders/weights"))
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    encoder = {"cache": str((chosen.work / "embeddings.db").resolve())}
    settings = Settings.model_validate({"encoder": encoder, "scoring": {"verifier": False}})
    pool = read_pool(chosen.shared, (*BASE_SETS, *LABELLED_SETS))
    with open_embedder(settings) as embedder:
        pairs = read_pairs(chosen.shared, (*BASE_SETS, *LABELLED_SETS), pool, embedder.embed)
    folder = find_model(None).folder
    trainer = Trainer(folder)
    base = chosen.work / "base.pt"
    if not base.is_file():
        seen = [p for p in pairs if p.dataset in BASE_SETS and not is_development(p.source)]
        documents = [one for one in pool if one.dataset in BASE_SETS]
        torch.save(trainer.train(None, seen, documents, BASE), base)
    for name, sets in STAGES.items():
        path = chosen.work / f"{name}.pt"
        if not path.is_file():
            known = (*BASE_SETS, *sets)
            seen = [
                p
                for p in pairs
                if p.dataset in known and not (p.dataset in BASE_SETS and is_development(p.source))
            ]
            documents = [one for one in pool if one.dataset in known]
            torch.save(trainer.train(base, seen, documents, TUNED), path)
    for name in ("base", *STAGES):
        export(torch.load(chosen.work / f"{name}.pt"), chosen.work / name, pairs)
    export(torch.load(chosen.work / "final.pt"), chosen.out, pairs)


class Trainer:
    """Trains networks from one encoder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokens.no_padding()
        self._tokens.no_truncation()
        words = Network(folder).base.embeddings.word_embeddings.weight.detach().float().numpy()
        self._alike = words_alike(self._tokens.get_vocab(), words)

    def train(
        self, start: Path | None, pairs: Sequence[Pair], pool: Sequence[Any], recipe: Recipe
    ) -> dict[str, torch.Tensor]:
        """The parameters after one stage.

        The forward and backward passes run in bf16, the steps on a float32 copy (Micikevicius et
        al. (2018), Mixed precision training, arXiv:1710.03740); AdamW with a linear decay. Word
        embeddings stay as they are: the shipped file need not hold them.
        """
        torch.manual_seed(recipe.seed)
        random = np.random.default_rng(recipe.seed)
        network = Network(self._folder)
        if start is not None:
            network.load_state_dict(torch.load(start))
        network.base.embeddings.word_embeddings.weight.requires_grad = False
        network.to(torch.bfloat16).train()
        working = [p for p in network.parameters() if p.requires_grad]
        exact = [p.detach().float().clone().requires_grad_() for p in working]
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in exact if p.ndim > 1], "weight_decay": 0.01},
                {"params": [p for p in exact if p.ndim < 2], "weight_decay": 0.0},
            ],
            lr=recipe.rate,
            betas=(0.9, 0.98),
        )
        editor = Editor(pairs, pool, self._alike)
        steps = 0
        total = 0
        began = time.monotonic()
        for turn in range(recipe.epochs):
            rows = self._rows(epoch(pairs, editor, random, recipe.most, recipe.edits))
            batches = list(_batches(rows, random))
            total = total or len(batches) * recipe.epochs
            for members in batches:
                done = min(steps / total, 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate * min(1.0, steps / (0.05 * total)) * (1 - done)
                loss = _loss(network, _padded([rows[j] for j in members]))
                loss.backward()
                for kept, used in zip(exact, working, strict=True):
                    kept.grad = None if used.grad is None else used.grad.float()
                    used.grad = None
                torch.nn.utils.clip_grad_norm_(exact, 1.0)
                optimizer.step()
                with torch.no_grad():
                    for kept, used in zip(exact, working, strict=True):
                        used.copy_(kept)
                steps += 1
                if steps % 100 == 0:
                    minutes = (time.monotonic() - began) / 60
                    print(f"epoch {turn} step {steps}/{total} {minutes:.0f} min", flush=True)
        network.float()
        with torch.no_grad():
            for kept, used in zip(exact, working, strict=True):
                used.copy_(kept)
        return network.state_dict()

    def _rows(self, pairs: Sequence[Pair]) -> list[_Row]:
        claims = self._tokens.encode_batch([p.claim for p in pairs], add_special_tokens=False)
        evidence = self._tokens.encode_batch([p.evidence for p in pairs], add_special_tokens=False)
        found: list[_Row] = []
        for pair, claim, text in zip(pairs, claims, evidence, strict=True):
            spans = pair.spans
            marks = None
            if spans is not None:
                marks = [
                    float(any(a < end and b > start for a, b in spans))
                    for start, end in claim.offsets[:CLAIM_TOKENS]
                ]
            ids = claim.ids[:CLAIM_TOKENS]
            found.append((ids, text.ids[:EVIDENCE_TOKENS], float(pair.is_unsupported), marks))
        return found


def _width(row: _Row) -> int:
    return -(-(len(row[0]) + len(row[1]) + 3) // 8) * 8


def _batches(rows: Sequence[_Row], random: np.random.Generator) -> Iterator[list[int]]:
    """Rows of like length together, in random order."""
    order = random.permutation(len(rows))
    made: list[list[int]] = []
    for begin in range(0, len(order), 2000):
        part = sorted(order[begin : begin + 2000], key=lambda j: _width(rows[j]))
        now: list[int] = []
        for j in part:
            if now and _width(rows[j]) * (len(now) + 1) > _TOKENS_PER_STEP:
                made.append(now)
                now = []
            now.append(int(j))
        if now:
            made.append(now)
    for k in random.permutation(len(made)):
        yield made[k]


def _padded(rows: Sequence[_Row]) -> tuple[torch.Tensor, ...]:
    """ids, mask, types, marks (-1 where unknown) [rows, tokens], and labels [rows]."""
    width = max(map(_width, rows))
    shape = (len(rows), width)
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    types, marks = np.ones(shape, np.int64), np.full(shape, -1, np.float32)
    for i, (claim, text, _, known) in enumerate(rows):
        row = [101, *claim, 102, *text, 102]
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
        types[i, : len(claim) + 2] = 0
        if known is not None:
            marks[i, 1 : 1 + len(claim)] = known
    label = np.array([row[2] for row in rows], np.float32)
    return tuple(map(torch.from_numpy, (ids, mask, types, marks, label)))


def _loss(network: Network, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Cross-entropy of pairs and of known words; where words are not known, of their softmax
    (a smooth maximum), so that a claim's label teaches its words too."""
    ids, mask, types, marks, label = batch
    whole, token, claim = network(ids, mask, types)
    entropy = functional.binary_cross_entropy_with_logits
    known = (marks >= 0).float() * (claim > 0).float()
    weight = torch.where(marks > 0.5, _WORD_WEIGHT, 1.0) * known
    words = entropy(token, marks.clamp(min=0), reduction="none") * weight
    unknown = ((marks >= 0).sum(1) == 0).float()
    highest = torch.logsumexp(token.masked_fill(claim <= 0, -1e4) * 2, 1) / 2 - math.log(3) / 2
    pooled = entropy(highest, label, reduction="none") * unknown
    return (
        entropy(whole, label)
        + words.sum() / known.sum().clamp(min=1)
        + 0.3 * pooled.sum() / len(label)
    )


def export(state: Mapping[str, torch.Tensor], out: Path, pairs: Sequence[Pair]) -> None:
    """Write the weights as int8 with a scale per row, their statement, and the card."""
    out.mkdir(parents=True, exist_ok=True)
    kept: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if name == "base.embeddings.word_embeddings.weight" or name.endswith("position_ids"):
            continue
        if value.ndim == 2 and value.shape[0] > 1:
            scale = value.abs().amax(1).clamp(min=1e-12) / 127
            kept[name] = (value / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
            kept[f"{name}.scale"] = scale
        else:
            kept[name] = value.float()
    path = out / "verifier.safetensors"
    save_file({name: value.contiguous() for name, value in kept.items()}, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stated = {"name": "verifier", "sha256": digest, "encoder": find_model(None).fingerprint}
    (out / "verifier.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    (out / "verifier.md").write_text(verifier_card(pairs, digest), encoding="utf-8")


if __name__ == "__main__":
    main()
