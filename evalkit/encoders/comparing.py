"""The verifier's network: compares the tokens of a claim with those of its evidence, which were
encoded apart. It imports torch: import it where a network is needed, not before.

Late interaction, as in Khattab and Zaharia (2020), ColBERT, arXiv:2004.12832; comparing aligned
tokens, as in Parikh et al. (2016), A decomposable attention model, arXiv:1606.01933.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from evalkit.encoders.literal import FLAGS

__all__ = ["Comparer", "Side"]

Tensor = torch.Tensor
#: Ways in which two tokens are alike: same token, same stem, same number, the same before them, the
#: same after them, the same around them, where the claim's words gather, cosine of their states.
_LIKENESS = 8
_AROUND = 3
_GATHER = 21
#: What is said of a claim's token beside its flags: the best likeness of each kind, and how often.
_SEEN = 10
_FAR = 8
_HEADS = 4
_NEVER = -1e4


class Side(NamedTuple):
    """One side of some pairs, padded: states float32 [rows, tokens, width], mask float32 [rows,
    tokens], and what `literal` says: ids, stems, numbers int64 [rows, tokens], flags float32
    [rows, tokens, len(FLAGS)]."""

    states: Tensor
    mask: Tensor
    ids: Tensor
    stems: Tensor
    numbers: Tensor
    flags: Tensor

    def rows(self, which: Tensor) -> Side:
        """Some rows, by index."""
        return Side(*(part[which] for part in self))


class Comparer(nn.Module):
    """Log-odds that evidence does not support a claim, and that a token of it lacks support.

    Args:
        width: of the states.
        inner: width of the network.
        depth: how often the claim looks at the evidence.
    """

    centre: Tensor

    def __init__(self, width: int = 384, inner: int = 128, depth: int = 2) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.narrow = nn.Linear(width, inner)
        self.even = nn.LayerNorm(inner)
        self.seen = nn.Sequential(
            nn.Linear(_SEEN + len(FLAGS), 64), nn.GELU(), nn.Linear(64, inner)
        )
        self.flags = nn.Linear(len(FLAGS), inner)
        self.blocks = nn.ModuleList(_Block(inner) for _ in range(depth))
        self.last = nn.LayerNorm(inner)
        self.token = nn.Sequential(
            nn.Linear(inner + _SEEN + len(FLAGS), 64), nn.GELU(), nn.Linear(64, 1)
        )
        self.whole = nn.Sequential(nn.Linear(2 * inner, 64), nn.GELU(), nn.Linear(64, 1))
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(
        self, claim: Side, evidence: Side, which: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-odds float32 [rows] of the claims, and [rows, tokens] of their tokens.

        Args:
            claim: one a row.
            evidence: one a row; or several rows' is one, then `which` int64 [rows] says which.
        """
        a, b = claim.states - self.centre, evidence.states - self.centre
        x = self.even(self.narrow(a))
        y = self.even(self.narrow(b)) + self.flags(evidence.flags)
        blocks = cast("list[_Block]", list(self.blocks))
        ahead = [(block.key(y), block.value(y)) for block in blocks]
        if which is not None:
            evidence, b = evidence.rows(which), b[which]
            ahead = [(key[which], value[which]) for key, value in ahead]
        alike = _likeness(claim, evidence, a, b)
        seen = torch.cat([_seen(alike), claim.flags], -1)
        x = x + self.seen(seen)
        for block, (key, value) in zip(blocks, ahead, strict=True):
            x = block(x, key, value, alike, claim.mask, evidence.mask)
        x = self.last(x)
        token = self.token(torch.cat([x, seen], -1)).squeeze(-1)
        mask = claim.mask[..., None]
        mean = (x * mask).sum(1) / mask.sum(1).clamp(min=1)
        most = x.masked_fill(mask == 0, _NEVER).amax(1) * mask.amax(1)
        whole = self.whole(torch.cat([mean, most], -1)).squeeze(-1)
        return whole + self.share * peak(token, claim.mask), token


def peak(token: Tensor, mask: Tensor) -> Tensor:
    """A smooth maximum of the log-odds of a claim's tokens, float32 [rows]."""
    found = torch.logsumexp(2 * token.masked_fill(mask == 0, _NEVER), 1) / 2
    return found * mask.amax(1)


class _Block(nn.Module):
    """The claim's tokens look at the evidence, compare what they find with themselves, and look at
    each other."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.norm = nn.ModuleList(nn.LayerNorm(inner) for _ in range(3))
        self.ask = nn.Linear(inner, inner)
        self.key = nn.Linear(inner, inner)
        self.value = nn.Linear(inner, inner)
        self.nothing = nn.Parameter(torch.randn(2, 1, inner) * 0.02)
        self.bias = nn.Linear(_LIKENESS, _HEADS)
        self.compare = nn.Sequential(nn.Linear(4 * inner, 192), nn.GELU(), nn.Linear(192, inner))
        self.mine = nn.Linear(inner, 3 * inner)
        self.far = nn.Embedding(2 * _FAR + 1, _HEADS)
        self.out = nn.Linear(inner, inner)
        self.think = nn.Sequential(
            nn.Linear(inner, 2 * inner), nn.GELU(), nn.Linear(2 * inner, inner)
        )

    def forward(
        self, x: Tensor, key: Tensor, value: Tensor, alike: Tensor, claim: Tensor, evidence: Tensor
    ) -> Tensor:
        rows, n = x.shape[:2]
        asked = self.norm[0](x)
        nothing = self.nothing[:, None].expand(2, rows, 1, -1)
        key, value = torch.cat([nothing[0], key], 1), torch.cat([nothing[1], value], 1)
        hidden = (1 - evidence)[:, None, None, :] * _NEVER
        bias = functional.pad(self.bias(alike).permute(0, 3, 1, 2) + hidden, (1, 0))
        found = _attend(self.ask(asked), key, value, bias)
        own = self.value(asked)
        x = x + self.compare(torch.cat([asked, found, own - found, own * found], -1))
        query, key, value = self.mine(self.norm[1](x)).chunk(3, -1)
        at = torch.arange(n, device=x.device)
        apart = self.far((at[None] - at[:, None]).clamp(-_FAR, _FAR) + _FAR).permute(2, 0, 1)
        x = x + self.out(
            _attend(query, key, value, apart[None] + (1 - claim)[:, None, None, :] * _NEVER)
        )
        thought: Tensor = x + self.think(self.norm[2](x))
        return thought


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention by heads; bias is added to its logits, [rows, heads, tokens, others]."""
    q, k, v = (
        part.reshape(*part.shape[:-1], _HEADS, -1).transpose(1, 2) for part in (query, key, value)
    )
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias
    found: Tensor = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return found


def _likeness(claim: Side, evidence: Side, a: Tensor, b: Tensor) -> Tensor:
    """How each token of the claim is like each of the evidence, [rows, tokens, others, _LIKENESS]."""
    both = claim.mask[:, :, None] * evidence.mask[:, None, :]
    same = (claim.ids[:, :, None] == evidence.ids[:, None, :]) * both
    stem, number = (
        ((one[:, :, None] == other[:, None, :]) & (one != 0)[:, :, None]) * both
        for one, other in ((claim.stems, evidence.stems), (claim.numbers, evidence.numbers))
    )
    alike = torch.maximum(same, stem)
    before = functional.pad(alike[:, :-1, :-1], (1, 0, 1, 0))
    after = functional.pad(alike[:, 1:, 1:], (0, 1, 0, 1))
    # Small words agree by chance.
    worth = alike * (0.3 + 0.7 * claim.flags[:, :, None, 1])
    around = torch.zeros_like(worth)
    for k in range(1, _AROUND + 1):
        around[:, k:, k:] += worth[:, :-k, :-k]
        around[:, :-k, :-k] += worth[:, k:, k:]
    there = (alike * claim.flags[:, :, None, 5]).amax(1, keepdim=True)
    gather = functional.avg_pool1d(there, _GATHER, 1, _GATHER // 2).expand_as(alike) * both
    cosine = functional.normalize(a, dim=-1) @ functional.normalize(b, dim=-1).transpose(1, 2)
    return torch.stack(
        [same, stem, number, before, after, around / (2 * _AROUND), 4 * gather, cosine * both], -1
    )


def _seen(alike: Tensor) -> Tensor:
    """What is said of each token of the claim, [rows, tokens, _SEEN]."""
    same, stem, number, before, after, around, gather, cosine = alike.unbind(-1)
    either = torch.maximum(same, stem)
    parts = [same, stem, number, either * before, either * after, around, either * around]
    parts += [either * gather, cosine]
    best = torch.stack([part.amax(2) for part in parts], -1)
    return torch.cat([best, torch.log1p(either.sum(2))[..., None]], -1)
