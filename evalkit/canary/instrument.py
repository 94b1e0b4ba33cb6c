"""What a night's scores are made with, and what it gives for the frozen rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

import pyarrow as pa

from evalkit.canary.reading import Canary, read
from evalkit.config import Settings
from evalkit.encoders import Embedder, processor
from evalkit.metrics import Metric
from evalkit.prices import PriceList
from evalkit.scoring import metrics, score_table, scorer_fingerprint
from evalkit.version import __version__

__all__ = ["Instrument", "fingerprint"]

#: What computes scores besides this package.
_LIBRARIES = ("numpy", "onnxruntime", "openvino", "sentence-transformers", "tokenizers", "torch")


class Instrument:
    """Scorers, encoder, models and libraries of one process. The frozen rows are scored once, when first asked for:
    within a process the instrument stays the same, however many nights are run.

    Args:
        settings: which scorers.
        embedder, prices: those of the night.
    """

    def __init__(self, settings: Settings, embedder: Embedder, prices: PriceList) -> None:
        self._settings = settings
        self._embedder = embedder
        self._prices = prices

    @cached_property
    def canary(self) -> Canary:
        """The frozen rows."""
        return read()

    @cached_property
    def scores(self) -> pa.Table:
        """Rows of `scores`, in the order of the frozen rows.

        Raises:
            ModelError: the frozen rows or a model are not what they should be.
        """
        rows = self.canary.interactions
        return score_table(rows, self._settings, self._embedder, self._prices)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """What it measures, by name."""
        return metrics(self._settings)

    @cached_property
    def parts(self) -> dict[str, str]:
        """Everything that a score rests on besides its row, by name."""
        found = {
            "evalkit": __version__,
            "encoder": self._embedder.fingerprint,
            "scorers": scorer_fingerprint(self._settings, self._embedder, self._prices),
            "processor": processor.instruction_set(),
        }
        for library in _LIBRARIES:
            try:
                found[library] = version(library)
            except PackageNotFoundError:
                continue
        return found


def fingerprint(parts: Mapping[str, str]) -> str:
    """Hash of an instrument's parts: equal ones must give equal scores."""
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:16]
