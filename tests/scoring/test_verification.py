"""The verifier's readings in the product: which claims it gets, and what is made of its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from evalkit import prices
from evalkit.encoders import Embedder
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch
from evalkit.scoring.support import support_of
from evalkit.scoring.verification import verified


@dataclass(frozen=True)
class Said:
    """A reading in which words of five letters lack support."""

    unsupported: float
    tokens: np.ndarray
    spans: np.ndarray


class FiveLetters:
    """Reads pairs without a network, and remembers them."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[Said]:
        self.pairs.extend(pairs)
        found = []
        for claim, _ in pairs:
            spans, at = [], 0
            for word in claim.split():
                at = claim.index(word, at)
                middle = at + len(word) // 2
                spans += [(at, middle), (middle, at + len(word))]
                at += len(word)
            odds = [2.0 if 0 < b - a < 3 else -2.0 for a, b in spans]
            found.append(Said(1.0, np.array(odds, np.float32), np.array(spans, np.int32)))
        return found


CONTEXT = "The tower opened in 1889. " + "It stands in Paris and is made of iron. " * 20


@pytest.fixture
def batch(embedder: Embedder) -> Batch:
    frame = pd.DataFrame(
        {
            "query": ["When?", "When?"],
            "response": ["The tower opened in 1889. It rusts.", "The tower never opened."],
            "contexts": [[CONTEXT], [CONTEXT]],
        }
    )
    table = interactions_from(frame)
    return Batch(table, embedder, prices.load(None), {}, verifier=FiveLetters())


def test_each_claim_is_read_against_the_sentences_that_cover_it(batch: Batch) -> None:
    found = verified(batch, [0])
    assert found is not None
    reader = batch.verifier
    assert isinstance(reader, FiveLetters)
    assert [claim for claim, _ in reader.pairs] == ["The tower opened in 1889.", "It rusts."]
    assert "opened in 1889" in reader.pairs[0][1]
    assert len(reader.pairs[0][1].split()) <= 100
    assert set(found) == {0}


def test_tokens_of_one_word_are_one_word_in_the_response(batch: Batch) -> None:
    found = verified(batch, [0, 1])
    assert found is not None
    text = batch.strings("response")[0]
    assert text is not None
    second = found[0].places[1]
    assert [text[p.start : p.end] for p in second] == ["It", "rusts."]
    assert len(found[0].words[1]) == len(second)


def test_without_a_verifier_there_are_no_readings(embedder: Embedder) -> None:
    table = interactions_from(pd.DataFrame({"query": ["a"], "response": ["b"]}))
    batch = Batch(table, embedder, prices.load(None), {})
    assert verified(batch, []) is None
    assert support_of(batch)[0].evidence == ()
