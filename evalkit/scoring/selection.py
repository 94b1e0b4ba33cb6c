"""Which scorers run, what they measure, and a fingerprint of everything that their values rest
on."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Protocol

from evalkit.config import Settings
from evalkit.errors import ConfigError, ExtensionError
from evalkit.metrics import Metric
from evalkit.prices import PriceList
from evalkit.registry import find
from evalkit.scoring import calibration
from evalkit.scoring.batch import reader_of
from evalkit.scoring.contract import Scorer
from evalkit.text import sentences

__all__ = ["metrics", "metrics_of", "scorer_fingerprint", "select"]

_PACKAGE = "evalkit.scoring.scorers"
_GROUP = "evalkit.scorers"


class _Fingerprinted(Protocol):
    @property
    def fingerprint(self) -> str: ...


def select(settings: Settings) -> dict[str, Scorer]:
    """The scorers that the configuration asks for, by name, in the order of their names.

    Raises:
        ConfigError: an unknown name, or none is left.
        ExtensionError: two scorers produce the same metric.
    """
    known = find(_PACKAGE, _GROUP, Scorer)
    chosen = settings.scoring
    for key, listed in (("include", chosen.include), ("exclude", chosen.exclude)):
        for name in listed:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
                raise ConfigError(
                    f"{settings.file}: [scoring] {key}: {name!r} is no scorer. {hint}"
                )
    kept = {
        name: scorer
        for name, scorer in known.items()
        if (not chosen.include or name in chosen.include) and name not in chosen.exclude
    }
    if not kept:
        raise ConfigError(
            f"{settings.file}: [scoring] exclude: no scorer is left. Known: {', '.join(known)}."
        )
    metrics_of(kept)
    return kept


def metrics(settings: Settings) -> dict[str, Metric]:
    """Every metric that the chosen scorers produce, by name, in the order of their names."""
    return metrics_of(select(settings))


def metrics_of(scorers: Mapping[str, Scorer]) -> dict[str, Metric]:
    """Every metric of some scorers.

    Raises:
        ExtensionError: two of them produce the same one.
    """
    found: dict[str, tuple[str, Metric]] = {}
    for scorer in scorers.values():
        for metric in scorer.metrics:
            if metric.name in found:
                raise ExtensionError(
                    f"{scorer.module}: metric {metric.name!r} is produced "
                    f"by scorer {found[metric.name][0]!r} too. "
                    "Rename one, or exclude one of the scorers."
                )
            found[metric.name] = (scorer.name, metric)
    return {name: found[name][1] for name in sorted(found)}


def scorer_fingerprint(settings: Settings, embedder: _Fingerprinted, prices: PriceList) -> str:
    """Hash of everything that a score rests on besides its row: chosen scorers and their versions,
    encoder and verifier and their precision, price list, fitted models, and the sentence rules."""
    models = calibration.hashes(settings.models_path)
    lines = [f"{name} {scorer.version}" for name, scorer in select(settings).items()]
    lines += [f"model {name} {digest}" for name, digest in sorted(models.items())]
    lines += [
        f"encoder {embedder.fingerprint}",
        f"verifier {getattr(reader_of(embedder), 'fingerprint', 'none')}",
        f"prices {prices.fingerprint}",
        f"text {sentences.VERSION}",
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
