"""Refits the models of metrics that people labelled, and keeps what is better beside the
configuration, where the next night reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalkit import labelling
from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.errors import EvalkitError
from evalkit.lake import Lake
from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS
from evalkit.scoring import calibration
from evalkit.scoring.adaptation import Adaptation, adapt
from evalkit.scoring.batch import Batch
from evalkit.scoring.scorers.answer_relevance import answer_relevance_inputs
from evalkit.scoring.scorers.groundedness import hallucination_inputs
from evalkit.scoring.scorers.user_behaviour import user_correction_inputs
from evalkit.scoring.turns import read_turns

__all__ = ["LEARNING", "refit"]

#: The metrics whose models learn from labels, and what each model sees of a batch: None for a row
#: without a value.
LEARNING: Mapping[str, Callable[[Batch], Sequence[np.ndarray[Any, Any] | None]]] = {
    "hallucination": hallucination_inputs,
    "answer_relevance": answer_relevance_inputs,
    "user_correction": user_correction_inputs,
}
# Beyond this the weights of an old label and a new one hardly differ, and reading them takes longer.
_MOST = 5_000


def refit(
    settings: Settings,
    lake: Lake,
    embedder: Embedder,
    prices: PriceList,
    up_to_day: date,
    metric: str,
) -> Adaptation:
    """Fit a metric's model to the verdicts on that metric, from the shipped one.

    A refit that is better is written to the folder `[scoring] models`, in place of an earlier one;
    one that is not removes an earlier one, so that the folder always says what all labels say. From
    then on scores have another fingerprint: figures before and after do not compare, and the next
    night says so.

    Args:
        settings: where the model is kept, and how rows are read.
        lake: holds the labels and the interactions that they are about.
        embedder: as the night uses it: it decides which of the two models of hallucination is
            refitted.
        prices: the price list (no figure here rests on it).
        up_to_day: labels of later days are not used.
        metric: one of `LEARNING`.

    Raises:
        EvalkitError: the metric has no model that learns, or the folder cannot be written.
        ModelError: the embedding model cannot be loaded.
    """
    if metric not in LEARNING:
        raise EvalkitError(
            f"{metric!r} has no model that learns from labels. These have: {', '.join(LEARNING)}."
        )
    has_tiers = metric == "hallucination" and embedder.verifier is None
    shipped = calibration.load(f"{metric}_embeddings" if has_tiers else metric)
    verdicts = labelling.read(lake, metric, up_to_day)
    newest = verdicts.slice(max(0, verdicts.num_rows - _MOST))
    inputs: list[np.ndarray[Any, Any]] = []
    labels: list[bool] = []
    groups: list[str] = []
    weights: list[float | None] = []
    for day in pc.unique(newest["day"]).to_pylist():
        of_day = newest.filter(pc.equal(newest["day"], pa.scalar(day, pa.date32())))
        asked = {row["interaction_id"]: row for row in of_day.to_pylist()}
        turns = read_turns(lake, day)
        for rows in lake.batches(INTERACTIONS, day, settings.scoring.batch_rows):
            wanted = rows.filter(pc.is_in(rows["interaction_id"], pa.array(list(asked))))
            batch = Batch(wanted, embedder, prices, {}, turns=turns, verifier=embedder.verifier)
            for k, seen in enumerate(LEARNING[metric](batch)):
                verdict = asked[batch.values("interaction_id")[k]]
                if seen is None or verdict["value"] not in (0.0, 1.0):
                    continue
                inputs.append(seen)
                labels.append(verdict["value"] == 1.0)
                groups.append(_shared(batch, k))
                weights.append(verdict["probability"])
    found = adapt(
        shipped,
        np.array(inputs, dtype=np.float64).reshape(-1, len(shipped.features)),
        np.array(labels, dtype=np.bool_),
        groups,
        _weights(weights),
    )
    _keep(settings.models_path / f"{shipped.name}.json", found)
    return found


def _shared(batch: Batch, row: int) -> str:
    """What rows share: their first chunk, as people see it; without chunks their session."""
    chunks = batch.chunks()[row]
    if chunks:
        return f"chunk {chunks[0].id or chunks[0].text}"
    session, own = batch.values("session_id")[row], batch.values("interaction_id")[row]
    return f"row {own}" if session is None else f"session {session}"


def _weights(probabilities: Sequence[float | None]) -> np.ndarray[Any, Any] | None:
    """Inverse inclusion probabilities, at most ten times their mean; none where one is unknown."""
    if not probabilities or any(p is None for p in probabilities):
        return None
    weight = 1 / np.array(probabilities, dtype=np.float64)
    found: np.ndarray[Any, Any] = np.minimum(weight, 10 * weight.mean())
    return found


def _keep(path: Path, found: Adaptation) -> None:
    try:
        if not found.is_better:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content: Mapping[str, Any] = calibration.as_content(found.model)
        work = path.with_name(f"{path.name}.{os.getpid()}")
        work.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        work.replace(path)
    except OSError as error:
        raise EvalkitError(
            f"{path}: the refitted model cannot be kept ({error}). Make the folder writable, or name "
            "another one in [scoring] models."
        ) from error
