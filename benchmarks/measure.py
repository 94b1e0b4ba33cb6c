"""What all benchmarks share: a row of a table, the machine in words, the best of some runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Row", "best_of", "machine"]


@dataclass(frozen=True)
class Row:
    """One figure; `against` names the baseline of the same run, or says what it was measured on."""

    what: str
    value: float
    unit: str
    against: str = ""


def machine() -> str:
    """The processor's instruction set and the threads used: no figure means anything without them."""
    import torch

    from evalkit.encoders import processor

    return f"{processor.instruction_set()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def best_of(runs: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest of some runs: what disturbs a run only makes it longer."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
