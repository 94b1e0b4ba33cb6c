"""Fits the shipped models `hallucination` and `support`, and their `_embeddings` tier without the
verifier, and writes their files and cards.

    python datasets/train/hallucination.py --shared DIR --work DIR [--out FOLDER]

The verifier that reads the sets is the shipped one, which saw none of them; of the sets of single
claims that it was trained on only the sources that its training left out are used. RAGTruth is in no
fit: it is the product's sample and its test. --work keeps embeddings, rows and readings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cards import hallucination_card, support_card
from fitting import Fit, as_model, best_cuts, calibrate, fit_logistic, leave_one_out, set_weights
from held_out import Row, rank, read_rows, with_readings
from numpy.typing import NDArray
from sets import SETS

from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.scoring.features import (
    RESPONSE_INPUTS,
    SENTENCE_INPUTS,
    VERIFIED_RESPONSE_INPUTS,
    VERIFIED_SENTENCE_INPUTS,
)
from evalkit.stats.classification import at_threshold, auroc

RIDGE = 0.1
#: Shares of positives that the probabilities are calibrated to: responses, and single sentences.
RESPONSE_PRIOR = 0.3
SENTENCE_PRIOR = 0.1
SHARE = {chosen.name: chosen.weight for chosen in SETS}
#: Sets of which a row is one claim, so that its label is the label of its sentence.
ONE_CLAIM = ("begin", "wice", "factcg_doc", "fool_me_twice", "fever_symmetric")

#: Rows of a set that a fit uses, about: each weighs its share whatever its size.
FIT_ROWS = 900

Array = NDArray[np.float64]


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--work", type=Path, required=True, help="keeps embeddings and readings")
    parser.add_argument("--out", type=Path, default=Path("evalkit/scoring/models"))
    chosen = parser.parse_args()
    settings = working_settings(chosen.work)
    with open_embedder(settings, cache=False) as embedder:
        encoder = embedder.fingerprint
    rows = read(chosen.shared, chosen.work, settings)
    about = {"encoder": encoder, "training": _training(rows)}
    chosen.out.mkdir(parents=True, exist_ok=True)
    for tier, with_verifier in (("", True), ("_embeddings", False)):
        _write(chosen.out, *_response_model(f"hallucination{tier}", rows, with_verifier, about))
        _write(chosen.out, *_sentence_model(f"support{tier}", rows, with_verifier, about))


def working_settings(work: Path) -> Settings:
    """The product's defaults, with caches in the working folder and without the shipped verifier."""
    encoder = {"cache": str((work / "embeddings.db").resolve())}
    return Settings.model_validate({"encoder": encoder, "scoring": {"verifier": False}})


def read(shared: Path, work: Path, settings: Settings) -> list[Row]:
    """The rows that the models are fitted on."""
    everything = [row for row in read_rows(shared, work, settings) if row.dataset in SHARE]
    rows: list[Row] = []
    for name in SHARE:
        # By source, in an order that means nothing: a source is in with all its rows or not at all.
        mine = sorted(
            (row for row in everything if row.dataset == name), key=lambda row: rank(row.source)
        )
        last = mine[min(len(mine), FIT_ROWS) - 1].source
        rows += [row for row in mine if rank(row.source) <= rank(last)]
    return with_readings(rows, settings)


def labels(rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Which rows are unsupported, [rows]."""
    return np.array([row.is_unsupported for row in rows], dtype=np.bool_)


def datasets(rows: Sequence[Row]) -> NDArray[np.str_]:
    """Of which set each row is, [rows]."""
    return np.array([row.dataset for row in rows])


def response_x(rows: Sequence[Row], *, verified: bool) -> Array:
    """Inputs of the response model, float64 [rows, inputs]."""
    return np.stack([row.inputs(verified=verified) for row in rows])


def _response_model(
    name: str, rows: Sequence[Row], verified: bool, about: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    inputs = VERIFIED_RESPONSE_INPUTS if verified else RESPONSE_INPUTS
    x = response_x(rows, verified=verified)
    model, odds, cut = _fitted(name, inputs, x, rows, RESPONSE_PRIOR, about)
    label, dataset = labels(rows), datasets(rows)
    held_out = []
    for chosen in SETS:
        mine = dataset == chosen.name
        floors = {
            floor: np.array([row.trivial[floor] for row in rows])
            for floor in ("overlap", "cosine", "length", "always")
        }
        held_out.append(
            {
                "dataset": chosen.name,
                "auroc": auroc(label[mine], odds[mine]),
                "balanced_accuracy": at_threshold(label[mine], odds[mine], cut).balanced_accuracy,
                **{floor: auroc(label[mine], values[mine]) for floor, values in floors.items()},
            }
        )
    return model, hallucination_card(model, held_out, verified)


def _sentence_model(
    name: str, rows: Sequence[Row], verified: bool, about: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    inputs = VERIFIED_SENTENCE_INPUTS if verified else SENTENCE_INPUTS
    single = [row for row in rows if row.dataset in ONE_CLAIM and len(row.support.spans) == 1]
    x = np.concatenate([row.sentence_inputs(verified=verified) for row in single])
    used = [item for item in _training(single) if item["rows"]]
    model, odds, _ = _fitted(name, inputs, x, single, SENTENCE_PRIOR, {**about, "training": used})
    label, dataset = labels(single), datasets(single)
    held_out = [
        {"dataset": name, "auroc": auroc(label[dataset == name], odds[dataset == name])}
        for name in ONE_CLAIM
    ]
    return model, support_card(model, held_out, verified)


def _fitted(
    name: str,
    inputs: tuple[str, ...],
    x: Array,
    rows: Sequence[Row],
    prior: float,
    about: dict[str, Any],
) -> tuple[dict[str, Any], Array, float]:
    """The model fitted on all sets; calibration and cut rest on log-odds of sets that were held
    out of the fit, and were never in the network's training."""
    label, dataset = labels(rows), datasets(rows)
    weight = set_weights(dataset, label, SHARE)
    odds = leave_one_out(x, label, dataset, SHARE, RIDGE)
    cuts = best_cuts(odds, label, weight, prior)
    fit: Fit = fit_logistic(x, label, weight, RIDGE)
    return (
        as_model(name, inputs, fit, calibrate(odds, label, weight), prior, cuts, about),
        odds,
        cuts[0],
    )


def _training(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "dataset": chosen.name,
            "what": chosen.what,
            "license": chosen.license,
            "rows": sum(row.dataset == chosen.name for row in rows),
            "sources": len({row.source for row in rows if row.dataset == chosen.name}),
            "positives": sum(row.is_unsupported for row in rows if row.dataset == chosen.name),
            "weight": chosen.weight,
        }
        for chosen in SETS
    ]


def _write(out: Path, model: dict[str, Any], card: str) -> None:
    name = model["name"]
    text = json.dumps(model, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    (out / f"{name}.md").write_text(card, encoding="utf-8")
    print(f"{out / name}.json: threshold {model['threshold']}, sha256 {model['sha256'][:12]}")


if __name__ == "__main__":
    main()
