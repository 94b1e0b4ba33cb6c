"""The verifier: one reading per claim and evidence, the same whatever it is read beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evalkit.config import Settings
from evalkit.encoders import Reading, Verifier, open_verifier
from evalkit.errors import ModelError

EVIDENCE = (
    "The Eiffel Tower was completed in March 1889. It is 330 metres tall and was designed by the "
    "engineers of Gustave Eiffel's company."
)
TRUE = "The Eiffel Tower was completed in 1889."
FALSE = "The Eiffel Tower was completed in 1925."


@pytest.fixture(scope="module")
def reader() -> Verifier:
    return open_verifier(Settings(), cache=False)


def text_of(claim: str, reading: Reading, k: int) -> str:
    start, end = reading.spans[k]
    return claim[start:end]


def test_a_changed_year_lacks_support_and_is_the_word_that_does(reader: Verifier) -> None:
    good, bad = reader.read([(TRUE, EVIDENCE), (FALSE, EVIDENCE)])
    assert bad.unsupported > good.unsupported + 1
    worst = int(bad.tokens.argmax())
    assert text_of(FALSE, bad, worst) in "1925"


def test_a_reading_depends_on_its_pair_alone(reader: Verifier) -> None:
    alone = reader.read([(FALSE, EVIDENCE)])[0]
    others = [(f"Sentence number {k} says something else.", EVIDENCE[:k]) for k in range(40)]
    among = reader.read([*others, (FALSE, EVIDENCE), *others])[40]
    assert among.unsupported == alone.unsupported
    np.testing.assert_array_equal(among.tokens, alone.tokens)


def test_equal_pairs_are_read_once(reader: Verifier) -> None:
    before = reader.stats.read
    reader.read([("Read once.", EVIDENCE)] * 5)
    assert reader.stats.read == before + 1


def test_what_was_read_is_kept_across_nights(tmp_path: Path) -> None:
    settings = Settings.model_validate({"encoder": {"cache": str(tmp_path / "cache.sqlite")}})
    with open_verifier(settings) as first:
        made = first.read([(FALSE, EVIDENCE)])[0]
        assert first.stats.read == 1
    with open_verifier(settings) as second:
        again = second.read([(FALSE, EVIDENCE)])[0]
        assert second.stats.read == 0
    assert again.unsupported == made.unsupported
    np.testing.assert_array_equal(again.tokens, made.tokens)
    np.testing.assert_array_equal(again.spans, made.spans)


def test_what_small_passes_are_worth_is_kept_too(tmp_path: Path) -> None:
    settings = Settings.model_validate({"encoder": {"cache": str(tmp_path / "cache.sqlite")}})
    with open_verifier(settings) as opened:
        for n in range(2):  # to ask costs more than to fill one pass up
            opened.read([(f"Claim number {n} is short.", EVIDENCE)])
    assert list(settings.networks_path.glob("passes-*.json"))


@pytest.mark.parametrize(
    "claim", ["", " ", "\ud800", "\x00", "a" * 100_000, "💥" * 50, "[SEP] [CLS] [MASK]"]
)
def test_any_text_has_a_finite_reading(reader: Verifier, claim: str) -> None:
    reading = reader.read([(claim, EVIDENCE), (TRUE, claim)])[0]
    assert np.isfinite(reading.unsupported)
    assert np.isfinite(reading.tokens).all()
    assert len(reading.tokens) == len(reading.spans)


def test_no_pairs_are_no_readings(reader: Verifier) -> None:
    assert reader.read([]) == []


def test_weights_that_are_not_the_shipped_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "verifier.safetensors").write_bytes(b"something else")
    (tmp_path / "verifier.json").write_text('{"sha256": "0123456789abcdef"}')
    wrong = open_verifier(Settings(), cache=False, folder=tmp_path)
    with pytest.raises(ModelError, match="is not the file that was shipped"):
        wrong.read([(TRUE, EVIDENCE)])
