"""Each distinct text is encoded once, the model is loaded only when it is needed, and wrong choices
say what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import (
    Embedder,
    EmbedderStats,
    Encoder,
    TokenEmbeddings,
    open_embedder,
    processor,
)
from evalkit.encoders import embedder as embedder_module
from evalkit.encoders.cache import VectorCache
from evalkit.encoders.contract import Matrix
from evalkit.errors import ConfigError, ModelError


class Counting(Encoder):
    """Vectors from the text's bytes, and a list of all that was asked."""

    dim, max_tokens = 3, 8

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Matrix:
        self.asked += texts
        return np.array([[len(t), sum(t.encode()), 1] for t in texts], dtype=np.float32).reshape(
            -1, 3
        )

    def tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        raise NotImplementedError


def test_each_distinct_text_is_encoded_once_over_nights(tmp_path: Path) -> None:
    encoder = Counting()
    for night in range(2):
        embedder = Embedder("f", 3, lambda: encoder, VectorCache(tmp_path / "c.sqlite", "f", 3))
        with embedder:
            assert embedder.embed(["b", "a", "b", ""])[:, 0].tolist() == [1, 1, 1, 0]
            assert embedder.embed([]).shape == (0, 3)
        assert embedder.is_loaded == (night == 0)
    assert sorted(encoder.asked) == ["", "a", "b"]
    assert embedder.stats == EmbedderStats(texts=4, distinct=3, hits=3, encoded=0)


def test_without_a_cache_and_with_broken_unicode_it_works() -> None:
    embedder = Embedder("f", 3, Counting)
    assert embedder.embed(["x\ud800"]).tolist() == embedder.embed(["x?"]).tolist()


def test_a_model_that_cannot_be_loaded_is_no_matter_until_it_is_needed(tmp_path: Path) -> None:
    def fail() -> Encoder:
        raise ModelError("no model")

    with Embedder("f", 3, Counting, VectorCache(tmp_path / "c.sqlite", "f", 3)) as first:
        first.embed(["a"])
    with Embedder("f", 3, fail, VectorCache(tmp_path / "c.sqlite", "f", 3)) as second:
        second.embed(["a"])
        with pytest.raises(ModelError, match="no model"):
            second.embed(["new"])


def test_opening_imports_no_model_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from evalkit.config import Settings; "
        "from evalkit.encoders import open_embedder; "
        f"open_embedder(Settings(base=Path({str(tmp_path)!r}))); "
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'openvino', 'onnxruntime'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            {"runtime": "tensorrt"},
            "'tensorrt' is no runtime. Known: auto, cuda, onnx, openvino, torch",
        ),
        ({"runtime": "torch", "precision": "int8"}, "torch has no int8. It has: fp32, bf16"),
        ({"model": "no/such/folder"}, "no such folder"),
    ],
)
def test_wrong_choices_are_named(tmp_path: Path, encoder: dict[str, str], message: str) -> None:
    settings = Settings(base=tmp_path, encoder=EncoderSettings.model_validate(encoder))
    with pytest.raises((ConfigError, ModelError), match=message):
        open_embedder(settings)


def test_bf16_is_refused_where_it_would_be_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "flags", lambda: frozenset({"avx2"}))
    settings = Settings(base=tmp_path, encoder=EncoderSettings(runtime="torch", precision="bf16"))
    with pytest.raises(ConfigError, match="five times slower"):
        open_embedder(settings)
    assert (
        "-fp32-"
        in open_embedder(
            Settings(base=tmp_path, encoder=EncoderSettings(precision="auto"))
        ).fingerprint
    )


def test_the_fingerprint_names_runtime_and_precision(tmp_path: Path) -> None:
    fingerprint = open_embedder(Settings(base=tmp_path)).fingerprint
    assert fingerprint.startswith("all-MiniLM-L6-v2-torch-fp32-")
    assert fingerprint == open_embedder(Settings(base=tmp_path / "elsewhere")).fingerprint


def test_what_the_cache_gave_is_not_asked_of_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_module, "_AT_HAND_BYTES", 4 * 3 * 8)  # eight vectors
    texts = [f"text {i}" for i in range(40)]
    path = tmp_path / "c.sqlite"
    with Embedder("f", 3, Counting, VectorCache(path, "f", 3)) as first:
        wanted = first.embed(texts)
    cache = VectorCache(path, "f", 3)
    asked: list[bytes] = []
    get = cache.get
    monkeypatch.setattr(cache, "get", lambda keys: asked.extend(keys) or get(keys))
    with Embedder("f", 3, Counting, cache) as embedder:
        assert embedder.embed(texts[:3]).tolist() == embedder.embed(texts[:3]).tolist()
        assert len(asked) == 3
        for _ in range(2):  # more than stays at hand
            assert embedder.embed(texts).tolist() == wanted.tolist()
        assert len(asked) > len(texts)
        assert embedder.stats.encoded == 0
        assert len(embedder._at_hand._new) + len(embedder._at_hand._old) <= 8
