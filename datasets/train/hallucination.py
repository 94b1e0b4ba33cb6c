"""Fits the shipped models `support` and `hallucination`, and writes their files and cards.

    python datasets/train/hallucination.py --shared DIR [--out FOLDER] [--cache FILE]

Most of the time goes into embedding some 24,000 sentences; with --cache a second run takes less
than a minute. The rows are a fixed sample, nothing is drawn at random, and figures are rounded: the
same data give the same files.

RAGTruth and CLAPnq are never read here: they are the product's sample traffic and its test.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cards import hallucination_card, support_card
from fitting import Fit, as_model, best_cuts, calibrate, fit_logistic, leave_one_out, set_weights
from numpy.typing import NDArray
from training_rows import SETS, Row, read_rows

from evalkit import prices
from evalkit.agreement.baselines import baselines
from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch, TextEmbedder
from evalkit.scoring.features import (
    RESPONSE_INPUTS,
    SENTENCE_INPUTS,
    response_inputs,
    sentence_inputs,
)
from evalkit.scoring.support import Support, support_of
from evalkit.stats.classification import at_threshold, auroc

RIDGE = 0.1
#: Shares of positives that the probabilities are calibrated to: responses, and single sentences.
RESPONSE_PRIOR = 0.3
SENTENCE_PRIOR = 0.1
SHARE = {chosen.name: chosen.weight for chosen in SETS}
#: Sets of which a row is one claim, so that its label is the label of its sentence.
ONE_CLAIM = ("begin", "wice", "factcg_doc", "fool_me_twice", "fever_symmetric")


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, default=Path("evalkit/scoring/models"))
    parser.add_argument("--cache", type=Path, help="keeps embeddings for the next run")
    chosen = parser.parse_args()
    settings = Settings()
    if chosen.cache is not None:
        encoder = settings.encoder.model_copy(update={"cache": str(chosen.cache.resolve())})
        settings = settings.model_copy(update={"encoder": encoder})
    rows = read_rows(chosen.shared)
    with open_embedder(settings, cache=chosen.cache is not None) as embedder:
        train(rows, embedder, chosen.out, embedder.fingerprint)


def train(rows: list[Row], embedder: TextEmbedder, out: Path, encoder: str) -> None:
    """Fit both models on the rows and write `<name>.json` and `<name>.md` to a folder."""
    supports: list[Support] = []
    trivial: dict[str, list[NDArray[np.float64]]] = {}
    for chosen in SETS:
        batch = _batch([row for row in rows if row.dataset == chosen.name], embedder)
        supports.extend(support_of(batch))
        for name, values in baselines(batch).items():
            trivial.setdefault(name, []).append(values)
        print(f"{chosen.name}: {len(batch)} rows", flush=True)
    kept = np.array([support.status is None for support in supports])
    rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    supports = [support for support in supports if support.status is None]
    floors = {name: np.concatenate(parts)[kept] for name, parts in trivial.items()}
    about = {"encoder": encoder, "training": _training(rows)}
    out.mkdir(parents=True, exist_ok=True)
    _write(out, *_response_model(rows, supports, floors, about))
    _write(out, *_sentence_model(rows, supports, about))


def _batch(rows: list[Row], embedder: TextEmbedder) -> Batch:
    frame = pd.DataFrame(
        {
            "query": [row.query for row in rows],
            "response": [row.response for row in rows],
            "contexts": [list(row.contexts) for row in rows],
        }
    )
    return Batch(interactions_from(frame), embedder, prices.load(None), {})


def _training(rows: list[Row]) -> list[dict[str, Any]]:
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


def _response_model(
    rows: list[Row],
    supports: list[Support],
    floors: dict[str, NDArray[np.float64]],
    about: dict[str, Any],
) -> tuple[dict[str, Any], str]:
    x = np.stack([response_inputs(support) for support in supports])
    label, dataset = _targets(rows)
    model, odds, cut = _fitted(
        "hallucination", RESPONSE_INPUTS, x, label, dataset, RESPONSE_PRIOR, about
    )
    held_out = [
        {
            "dataset": chosen.name,
            "auroc": auroc(label[dataset == chosen.name], odds[dataset == chosen.name]),
            "balanced_accuracy": at_threshold(
                label[dataset == chosen.name], odds[dataset == chosen.name], cut
            ).balanced_accuracy,
            **{
                name: auroc(label[dataset == chosen.name], values[dataset == chosen.name])
                for name, values in floors.items()
            },
        }
        for chosen in SETS
    ]
    return model, hallucination_card(model, held_out)


def _sentence_model(
    rows: list[Row], supports: list[Support], about: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    single = [
        k
        for k, (row, support) in enumerate(zip(rows, supports, strict=True))
        if row.dataset in ONE_CLAIM and len(support.spans) == 1
    ]
    rows = [rows[k] for k in single]
    x = np.concatenate([sentence_inputs(supports[k]) for k in single])
    label, dataset = _targets(rows)
    used = [item for item in _training(rows) if item["rows"]]
    model, odds, _ = _fitted(
        "support", SENTENCE_INPUTS, x, label, dataset, SENTENCE_PRIOR, {**about, "training": used}
    )
    held_out = [
        {
            "dataset": name,
            "auroc": auroc(label[dataset == name], odds[dataset == name]),
        }
        for name in ONE_CLAIM
    ]
    return model, support_card(model, held_out)


def _targets(rows: list[Row]) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
    label = np.array([row.is_unsupported for row in rows], dtype=np.bool_)
    return label, np.array([row.dataset for row in rows])


def _fitted(
    name: str,
    inputs: tuple[str, ...],
    x: NDArray[np.float64],
    label: NDArray[np.bool_],
    dataset: NDArray[np.str_],
    prior: float,
    about: dict[str, Any],
) -> tuple[dict[str, Any], NDArray[np.float64], float]:
    """The model fitted on all sets; calibration and cut rest on log-odds of sets that were held
    out."""
    weight = set_weights(dataset, label, SHARE)
    odds = leave_one_out(x, label, dataset, SHARE, RIDGE)
    cuts = best_cuts(odds, label, weight, prior)
    fit: Fit = fit_logistic(x, label, weight, RIDGE)
    return (
        as_model(name, inputs, fit, calibrate(odds, label, weight), prior, cuts, about),
        odds,
        cuts[0],
    )


def _write(out: Path, model: dict[str, Any], card: str) -> None:
    name = model["name"]
    text = json.dumps(model, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    (out / f"{name}.md").write_text(card, encoding="utf-8")
    print(f"{out / name}.json: threshold {model['threshold']}, sha256 {model['sha256'][:12]}")


if __name__ == "__main__":
    main()
