"""Trains the shipped verifier, and writes its weights, what is stated of them, and its card.

    python datasets/train/verifier.py --shared DIR --work DIR [--out FOLDER]

One network, trained on sets of single claims and on rule-made edits of what passages say. It sees
none of the sets that are reported on, nor any set of their families; RAGTruth neither. The encoder
below it is frozen, so each text's states are made once (some 20 minutes on two processor cores) and
kept in --work (2 GB); the training itself takes about as long. Seeds are fixed; the last bits depend on the
machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from claim_pairs import BASE_SETS, Pair, Pool, is_development, read_pairs, read_pool
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from state_library import StateLibrary
from tokenizers import Tokenizer
from torch.nn import functional
from verifier_card import verifier_card
from verifier_data import Editor, epoch, strangers, words_alike

from evalkit.encoders import Model, find_model
from evalkit.encoders.comparing import Comparer, Side, peak
from evalkit.encoders.states import Texts
from evalkit.encoders.verifier import CLAIM_TOKENS, EVIDENCE_TOKENS, padded
from evalkit.stats.classification import auroc

__all__ = ["Recipe", "Trainer", "read_everything"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Round:
    """One fall of the rate: over what share of the epochs' pairs, and how many claims that their
    evidence does not speak of are added, of the supported ones."""

    rate: float
    share: float
    strangers: float


@dataclass(frozen=True)
class Recipe:
    """How the network is trained; `most` and `edits` as `verifier_data.epoch` takes them.

    Each of the `epochs` has edits of its own, whose states cost more to make than to learn from: they
    are gone through in `rounds`. `pairwise` weighs the order of claims with the same evidence against
    each claim's own label; `word` how much an unsupported word counts beside a supported one;
    `natural` a label that people gave beside one that a rule gave.
    """

    epochs: int = 2
    rounds: tuple[Round, ...] = (Round(1.2e-3, 1.0, 0.0), Round(7e-4, 0.5, 0.35))
    per_step: int = 64
    pairwise: float = 0.5
    word: float = 3.0
    natural: float = 1.5
    seed: int = 0
    most: Mapping[str, int] = field(
        default_factory=lambda: {
            "conj_nli": 2500,
            "med": 1000,
            "tabfact": 1000,
            "tabfact:copy": 0,
            "fool_me_twice:copy": 1500,
            "factcg_doc:copy": 2500,
        }
    )
    edits: Mapping[str, float] = field(
        default_factory=lambda: {
            "natural": 2.0,
            "copy": 1.2,
            "conj_nli": 0.4,
            "med": 0.0,
            "tabfact": 0.0,
            "tabfact:copy": 0.0,
            "clapnq": 2.5,
            "xquad": 1.0,
            "fever_symmetric": 1.0,
        }
    )


def main() -> None:
    """Read, train, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--work", type=Path, required=True, help="keeps embeddings and states")
    parser.add_argument("--out", type=Path, default=Path("evalkit/encoders/weights"))
    chosen = parser.parse_args()
    pairs, pool = read_everything(chosen.shared, chosen.work)
    trainer = Trainer(chosen.work, pairs, pool)
    network = trainer.train(BASE_SETS, Recipe())
    development = trainer.development(network)
    print(development)
    export(network, chosen.out, pairs, development)


def read_everything(shared: Path, work: Path) -> tuple[list[Pair], list[Pool]]:
    """All pairs and documents of the base sets; kept in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "pairs.pickle"
    if not path.is_file():
        pool = read_pool(shared, BASE_SETS)
        pairs = read_pairs(shared, BASE_SETS, pool, mean_words(find_model(None)))
        path.write_bytes(pickle.dumps((pairs, pool)))
    found: tuple[list[Pair], list[Pool]] = pickle.loads(path.read_bytes())  # noqa: S301  (written by this script)
    return found


def mean_words(model: Model) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Texts as the mean of their tokens' static vectors: near enough to the encoder's vectors to
    choose evidence of a few sentences by, and some hundred times faster."""
    texts = Texts(model)
    vectors = _word_vectors(model)
    vectors = vectors - vectors.mean(0)

    def embed(given: Sequence[str]) -> NDArray[np.float32]:
        found = np.zeros((len(given), vectors.shape[1]), dtype=np.float32)
        for i, cut in enumerate(texts.read(given, EVIDENCE_TOKENS)):
            if cut.ids:
                found[i] = vectors[cut.ids].mean(0)
        norm = np.linalg.norm(found, axis=1, keepdims=True)
        made: NDArray[np.float32] = found / np.maximum(norm, 1e-9)
        return made

    return embed


def _word_vectors(model: Model) -> NDArray[np.float32]:
    words = load_file(str(model.folder / "model.safetensors"))
    found: NDArray[np.float32] = words["embeddings.word_embeddings.weight"].float().numpy()
    return found


class Trainer:
    """Trains networks on some sets, and judges them on the sources that were kept out."""

    def __init__(self, work: Path, pairs: Sequence[Pair], pool: Sequence[Pool]) -> None:
        model = find_model(None)
        self._pairs, self._pool = pairs, pool
        self._library = StateLibrary(work, model, EVIDENCE_TOKENS)
        tokens = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        self._alike = words_alike(tokens.get_vocab(), _word_vectors(model))

    def epochs(self, sets: Sequence[str], recipe: Recipe) -> list[list[Pair]]:
        """What each epoch sees, and the states for it."""
        seen = [p for p in self._pairs if p.dataset in sets and not is_development(p.source)]
        documents = [
            one for one in self._pool if one.dataset in sets and not is_development(one.source)
        ]
        editor = Editor(seen, documents, self._alike)
        found = [
            epoch(seen, editor, np.random.default_rng((recipe.seed, k)), recipe.most, recipe.edits)
            for k in range(recipe.epochs)
        ]
        self.prepare([pair for part in found for pair in part])
        return found

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """Make the states of pairs that lack them."""
        self._library.add((pair.evidence for pair in pairs), EVIDENCE_TOKENS)
        self._library.add((pair.claim for pair in pairs), CLAIM_TOKENS)

    def train(self, sets: Sequence[str], recipe: Recipe) -> Comparer:
        """A network trained on some sets.

        AdamW (Loshchilov and Hutter (2019), arXiv:1711.05101), in each round warmed up and then with a
        rate that falls to nothing along a cosine (the same (2017), SGDR, arXiv:1608.03983).
        """
        parts = self.epochs(sets, recipe)
        torch.manual_seed(recipe.seed)
        random = np.random.default_rng(recipe.seed)
        network = Comparer()
        network.centre.copy_(self._centre(parts[0]))
        pairs = [pair for part in parts for pair in part]
        for one in recipe.rounds:
            chosen = [
                pairs[i] for i in random.permutation(len(pairs))[: int(one.share * len(pairs))]
            ]
            chosen += strangers(chosen, random, one.strangers)
            self._go_through(network, chosen, one.rate, recipe, random)
        return network.eval()

    def _go_through(
        self,
        network: Comparer,
        pairs: Sequence[Pair],
        rate: float,
        recipe: Recipe,
        random: np.random.Generator,
    ) -> None:
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.02},
                {"params": [p for p in network.parameters() if p.ndim < 2], "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.98),
        )
        batches = list(_batches(pairs, recipe.per_step, random))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=len(batches), pct_start=0.06, cycle_momentum=False
        )
        began, shown = time.monotonic(), 0.0
        for step, rows in enumerate(batches):
            loss = self._loss(network, rows, recipe)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            shown = 0.98 * shown + 0.02 * float(loss.detach())
            if step % 100 == 99:
                minutes = (time.monotonic() - began) / 60
                print(f"step {step + 1}/{len(batches)} {shown:.3f} {minutes:.1f} min", flush=True)

    def read(self, network: Comparer, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        """Log-odds of some pairs, float64 [pairs]."""
        found = np.zeros(len(pairs))
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].evidence))
        with torch.inference_mode():
            for begin in range(0, len(order), 32):
                part = order[begin : begin + 32]
                claim, evidence, which = self._sides([pairs[i] for i in part])
                found[part] = network(claim, evidence, which)[0].numpy()
        return found

    def development(self, network: Comparer) -> dict[str, str]:
        """AUROC on sources that were kept out: of each set, and of edits of its passages."""
        mine = [p for p in self._pairs if is_development(p.source)]
        labelled = [p for p in mine if not p.is_copy]
        self.prepare(mine)
        found = {name: _auroc(self, network, [p for p in labelled if p.dataset == name])
                 for name in BASE_SETS}  # fmt: skip
        documents = [one for one in self._pool if is_development(one.source)]
        editor, random = Editor(mine, documents, self._alike), np.random.default_rng(99)
        for title, chosen in (
            ("edits of copies", [p for p in mine if p.is_copy and p.dataset != "tabfact"]),
            ("edits of claims", labelled),
        ):
            true = [p for p in chosen if not p.is_unsupported][:1500]
            false = [made for p in true if (made := editor.edit(p, random)) is not None]
            self.prepare(false)
            found[title] = _auroc(self, network, [*true, *false])
            if title == "edits of claims":
                found["words of edits of claims"] = self._word_cut(network, [*true, *false])
        return found

    def _word_cut(self, network: Comparer, pairs: Sequence[Pair]) -> str:
        """The cut of tokens' log-odds with the best F1, and that F1: what `groundedness` marks by."""
        odds, marks = [], []
        with torch.inference_mode():
            for begin in range(0, len(pairs), 32):
                part = pairs[begin : begin + 32]
                token = network(*self._sides(part))[1]
                known = self._marks(part, token.shape[1])
                odds.append(token[known >= 0])
                marks.append(known[known >= 0] > 0.5)
        value, is_marked = torch.cat(odds), torch.cat(marks)
        best, at = 0.0, 0.0
        for cut in np.arange(-3, 3.25, 0.25).tolist():
            called = value >= cut
            hit = float((called & is_marked).sum())
            f1 = 2 * hit / max(1.0, float(called.sum() + is_marked.sum()))
            best, at = max((best, at), (f1, cut))
        return f"F1 {best:.3f} of tokens, cut at {at:+.2f}"

    def _marks(self, pairs: Sequence[Pair], tokens: int) -> Tensor:
        """Which tokens lack support, [pairs, tokens] of 1 and 0; -1 where that is not known."""
        marks = torch.full((len(pairs), tokens), -1.0)
        for i, pair in enumerate(pairs):
            if pair.spans is not None:
                spans = self._library.get(pair.claim, CLAIM_TOKENS).text.spans.tolist()
                for k, (start, end) in enumerate(spans):
                    marks[i, k] = float(any(a < end and b > start for a, b in pair.spans))
        return marks

    def _centre(self, pairs: Sequence[Pair]) -> Tensor:
        some = pairs[:: max(1, len(pairs) // 2000)]
        states = [self._library.get(pair.claim, CLAIM_TOKENS).states for pair in some]
        return torch.from_numpy(np.concatenate(states).astype(np.float32).mean(0))

    def _sides(self, pairs: Sequence[Pair]) -> tuple[Side, Side, Tensor]:
        """The claims, the distinct evidence, and which of it is each claim's."""
        at: dict[str, int] = {}
        which = torch.tensor([at.setdefault(pair.evidence, len(at)) for pair in pairs])
        claims = [self._library.get(pair.claim, CLAIM_TOKENS) for pair in pairs]
        evidence = [self._library.get(text, EVIDENCE_TOKENS) for text in at]
        claim, other = (
            Side(*map(torch.from_numpy, padded(rows, _round(max(len(r.states) for r in rows)))))
            for rows in (claims, evidence)
        )
        return claim, other, which

    def _loss(self, network: Comparer, pairs: Sequence[Pair], recipe: Recipe) -> Tensor:
        """Cross-entropy of the claims and of their words where those are known, else of a smooth
        maximum of them; and of the order of claims that have the same evidence."""
        claim, evidence, which = self._sides(pairs)
        whole, token = network(claim, evidence, which)
        label = torch.tensor([float(pair.is_unsupported) for pair in pairs])
        weight = torch.tensor(
            [1.0 if p.is_copy or (p.is_unsupported and p.spans) else recipe.natural for p in pairs]
        )
        marks = self._marks(pairs, token.shape[1])
        entropy = functional.binary_cross_entropy_with_logits
        own = (entropy(whole, label, reduction="none") * weight).sum() / weight.sum()
        known = (marks >= 0).float()
        each = torch.where(marks > 0.5, recipe.word, 1.0) * known
        words = (entropy(token, marks.clamp(min=0), reduction="none") * each).sum()
        unknown = (known.sum(1) == 0).float()
        pooled = (entropy(peak(token, claim.mask), label, reduction="none") * unknown).sum()
        rivals = (
            (which[:, None] == which[None]) & (label[:, None] > label[None])
        ).float()  # [i, j]: i is unsupported, j is supported by the same evidence
        order = functional.softplus(whole[None] - whole[:, None]) * rivals
        return (
            own
            + words / known.sum().clamp(min=1)
            + 0.3 * pooled / len(pairs)
            + recipe.pairwise * order.sum() / rivals.sum().clamp(min=1)
        )


def _auroc(trainer: Trainer, network: Comparer, pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "-"
    label = np.array([pair.is_unsupported for pair in pairs], dtype=np.bool_)
    found = auroc(label, trainer.read(network, pairs))
    return "-" if found is None else f"{found:.3f} of {len(pairs)}"


def _round(tokens: int) -> int:
    return max(8, -(-tokens // 8) * 8)


def _batches(
    pairs: Sequence[Pair], per_step: int, random: np.random.Generator
) -> Iterator[list[Pair]]:
    """Claims of the same evidence together, claims of like length together, in random order."""
    units: dict[str, list[Pair]] = {}
    for i in random.permutation(len(pairs)):
        units.setdefault(pairs[i].evidence, []).append(pairs[i])
    for unit in units.values():
        unit.sort(key=lambda pair: len(pair.claim))
    parts = [
        unit[begin : begin + per_step // 4]
        for unit in units.values()
        for begin in range(0, len(unit), per_step // 4)
    ]
    order = random.permutation(len(parts))
    made: list[list[Pair]] = []
    for begin in range(0, len(order), 1500):
        now: list[Pair] = []
        for j in sorted(order[begin : begin + 1500], key=lambda j: len(parts[j][-1].claim)):
            if now and len(now) + len(parts[j]) > per_step:
                made.append(now)
                now = []
            now = [*now, *parts[j]]
        if now:
            made.append(now)
    for k in random.permutation(len(made)):
        yield made[k]


def export(
    network: Comparer, out: Path, pairs: Sequence[Pair], development: Mapping[str, str]
) -> None:
    """Write the weights, their statement, and the card."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "verifier.safetensors"
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    save_file(state, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stated = {"name": "verifier", "sha256": digest, "encoder": find_model(None).fingerprint}
    (out / "verifier.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    parameters = sum(p.numel() for p in network.parameters())
    card = verifier_card(pairs, digest, parameters, development)
    (out / "verifier.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
