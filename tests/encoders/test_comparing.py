"""The verifier's network: what is padded does not show, and evidence may be shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.encoders.comparing import Comparer, Side
from evalkit.encoders.literal import FLAGS

WIDTH = 384


def side(rows: int, tokens: int, padding: int, seed: int) -> Side:
    """Random rows; what is padded is filled with other random values, and masked."""
    random = np.random.default_rng(seed)
    junk = np.random.default_rng(seed + padding)
    shape, more = (rows, tokens), (rows, padding)
    values = [
        (random.normal(size=(*shape, WIDTH)), junk.normal(size=(*more, WIDTH))),
        (np.ones(shape), np.zeros(more)),
        *((random.integers(0, 20, shape), junk.integers(0, 20, more)) for _ in range(3)),
        (random.random((*shape, len(FLAGS))), junk.random((*more, len(FLAGS)))),
    ]
    parts = [torch.from_numpy(np.concatenate(pair, axis=1)) for pair in values]
    return Side(*(part.float() if part.is_floating_point() else part for part in parts))


@pytest.fixture(scope="module")
def network() -> Comparer:
    torch.manual_seed(0)
    return Comparer().eval()


@torch.inference_mode()
def test_what_is_padded_does_not_show(network: Comparer) -> None:
    whole, token = network(side(3, 12, 0, 1), side(3, 30, 0, 2))
    padded, padded_token = network(side(3, 12, 4, 1), side(3, 30, 10, 2))
    torch.testing.assert_close(padded, whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(padded_token[:, :12], token, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_evidence_may_be_shared(network: Comparer) -> None:
    claim, evidence = side(4, 12, 0, 1), side(2, 30, 0, 2)
    which = torch.tensor([0, 1, 1, 0])
    shared, _ = network(claim, evidence, which)
    apart, _ = network(claim, evidence.rows(which))
    torch.testing.assert_close(shared, apart)


@torch.inference_mode()
def test_a_claim_or_evidence_without_tokens_has_a_reading(network: Comparer) -> None:
    nothing = side(2, 0, 8, 3)
    for claim, evidence in ((nothing, side(2, 9, 0, 1)), (side(2, 9, 0, 1), nothing)):
        whole, _ = network(claim, evidence)
        assert torch.isfinite(whole).all()
