"""Fitted models that ship with evalkit: read from JSON, checked against their own hash, applied
with numpy; fitting is done in `datasets/train`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import ModelError

__all__ = [
    "Logistic",
    "as_content",
    "digest",
    "hashes",
    "load",
    "load_all",
    "parse",
    "thresholds",
    "with_weights",
]

_PACKAGE = "evalkit.scoring"
_FOLDER = "models"


@dataclass(frozen=True)
class Logistic:
    """A logistic model on clipped, standardised features.

    probability = 1 / (1 + exp(-odds)), where odds = intercept + the sum over inputs of
    coefficient * (clip(x, low, high) - mean) / scale.

    Attributes:
        name: what it is called; `models/<name>.json` and its card `models/<name>.md`.
        features: names of its inputs, in order.
        low, high, mean, scale, coefficient: float64 [features].
        intercept: at the prior below.
        prior: share of positives that the probabilities are calibrated to.
        threshold: the shipped cut: positive from here on. Best balanced accuracy on held-out
        training sets.
        strict_threshold: the same with the best F1 at the prior; fewer rows, more of them right.
        sha256: hash of the file's content.
    """

    name: str
    features: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficient: NDArray[np.float64]
    intercept: float
    prior: float
    threshold: float
    strict_threshold: float
    sha256: str

    def probability(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of the positive class for each row of x, float64 [n, features].

        A row's value depends on that row alone, to the last bit: its terms are summed exactly.
        """
        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise ValueError(f"{self.name}: {x.shape} is not [n, {len(self.features)}]")
        terms = (np.clip(x, self.low, self.high) - self.mean) / self.scale * self.coefficient
        return np.array([_sigmoid(math.fsum(row) + self.intercept) for row in terms.tolist()])

    def of(self, values: Mapping[str, float]) -> float:
        """Probability for one row of named features."""
        row = np.array([[values[name] for name in self.features]], dtype=np.float64)
        return float(self.probability(row)[0])


def _sigmoid(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a model's content without its own `sha256`, as canonical JSON."""
    bare = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(
        bare, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str, where: str) -> Logistic:
    """A model from the text of its file.

    Args:
        text: JSON as `datasets/train` writes it.
        where: the file's name, for messages.

    Raises:
        ModelError: it is no such JSON, or its hash is not the one that it states.
    """
    try:
        content = json.loads(text)
        stated = content["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where}: is no model file ({error}). Install evalkit again.") from error
    found = digest(content)
    if found != stated:
        raise ModelError(
            f"{where}: its content hashes to {found[:12]}..., but it states {str(stated)[:12]}...: "
            "the file was changed after it was made. Install evalkit again, or make it anew with "
            "datasets/train."
        )
    try:
        columns = content["features"]
        made = Logistic(
            name=str(content["name"]),
            features=tuple(str(column["name"]) for column in columns),
            low=_numbers(column["low"] for column in columns),
            high=_numbers(column["high"] for column in columns),
            mean=_numbers(column["mean"] for column in columns),
            scale=_numbers(column["scale"] for column in columns),
            coefficient=_numbers(column["coefficient"] for column in columns),
            intercept=float(content["intercept"]),
            prior=float(content["prior"]),
            threshold=float(content["threshold"]),
            strict_threshold=float(content["strict_threshold"]),
            sha256=stated,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{where}: lacks or misstates {error}. Install evalkit again.") from error
    if not (made.scale > 0).all() or not (made.low <= made.high).all():
        raise ModelError(f"{where}: a scale is not positive, or a range is empty.")
    return made


def as_content(model: Logistic) -> dict[str, Any]:
    """The content of a model's file, as `parse` reads it."""
    columns = [
        {
            "name": name,
            "low": float(model.low[k]),
            "high": float(model.high[k]),
            "mean": float(model.mean[k]),
            "scale": float(model.scale[k]),
            "coefficient": float(model.coefficient[k]),
        }
        for k, name in enumerate(model.features)
    ]
    content: dict[str, Any] = {
        "name": model.name,
        "kind": "logistic",
        "features": columns,
        "intercept": model.intercept,
        "prior": model.prior,
        "threshold": model.threshold,
        "strict_threshold": model.strict_threshold,
    }
    return {**content, "sha256": digest(content)}


def with_weights(
    model: Logistic,
    weights: NDArray[np.float64],
    *,
    prior: float,
    threshold: float,
    strict_threshold: float,
) -> Logistic:
    """The model with other weights: float64 [1 + features], the intercept first."""
    made = replace(
        model,
        intercept=round(float(weights[0]), 5),
        coefficient=np.round(weights[1:], 5),
        prior=round(prior, 4),
        threshold=round(threshold, 4),
        strict_threshold=round(strict_threshold, 4),
    )
    return replace(made, sha256=str(as_content(made)["sha256"]))


def _numbers(values: Iterable[Any]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values], dtype=np.float64)


@cache
def load(name: str) -> Logistic:
    """A shipped model, checked against its hash.

    Raises:
        ModelError: there is no such model, or its file is not what it says.
    """
    path = files(_PACKAGE) / _FOLDER / f"{name}.json"
    if not path.is_file():
        raise ModelError(f"{name!r} is no shipped model. Known: {', '.join(_names())}.")
    return parse(path.read_text(encoding="utf-8"), path.name)


def load_all(folder: Path | None = None) -> Mapping[str, Logistic]:
    """Every model by name: what a `Batch` is given as `models`.

    Args:
        folder: of models that were refitted to the deployment's own labels; each stands in for the
            shipped one of its name. It need not be there.

    Raises:
        ModelError: a file there is no model, or has other inputs than the shipped one of its name.
    """
    found = {name: load(name) for name in _names()}
    for path in sorted(folder.glob("*.json")) if folder is not None else []:
        made = parse(path.read_text(encoding="utf-8"), str(path))
        shipped = found.get(made.name)
        if shipped is None or shipped.features != made.features:
            raise ModelError(
                f"{path}: {made.name!r} was refitted from another version of evalkit: its inputs are "
                "not those of the shipped model. Remove the file, and run `evalkit labels refit`."
            )
        found[made.name] = made
    return found


def hashes(folder: Path | None = None) -> dict[str, str]:
    """SHA-256 of every model by name, for the provenance of scores; `folder` as for `load_all`."""
    return {name: model.sha256 for name, model in load_all(folder).items()}


def thresholds(*, verified: bool) -> dict[str, float]:
    """The shipped cut of each metric that has one, with the verifier or without.

    `groundedness` is cut at 1 - that of the model of sentences: where the mean sentence would be
    marked.
    """
    tier = "" if verified else "_embeddings"
    return {
        "hallucination": load(f"hallucination{tier}").threshold,
        "groundedness": 1 - load(f"support{tier}").threshold,
        "user_correction": load("user_correction").threshold,
        "answer_relevance": load("answer_relevance").threshold,
    }


def _names() -> list[str]:
    folder = files(_PACKAGE) / _FOLDER
    if not folder.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(".json")
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    )
