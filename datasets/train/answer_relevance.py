"""Fits the shipped model `answer_relevance`, and writes its file and its card.

    python datasets/train/answer_relevance.py --shared DIR [--out FOLDER] [--cache FILE]

Some 18,000 short texts are embedded; with --cache a second run takes less than a minute. Samples
are taken by hash, nothing is drawn at random, and figures are rounded: the same data give the same
files.

RAGTruth and CLAPnq are measured on, and never fitted on: they are the product's sample traffic.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fitting import as_model, best_cuts, calibrate, fit_logistic
from numpy.typing import NDArray
from relevance_card import card
from relevance_rows import (
    FOLDS,
    SHARES,
    Answered,
    Row,
    read_clapnq,
    read_evouna,
    read_ragtruth,
    read_topical_chat,
    read_xquad,
    rows_of,
    weights_of,
)

from evalkit import prices
from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch, TextEmbedder
from evalkit.scoring.relevance import RELEVANCE_INPUTS, relevance_of
from evalkit.scoring.similarity import cosines
from evalkit.stats.classification import auroc

Array = NDArray[np.float64]
RIDGE = 0.01
#: Share of relevant responses that the probabilities are calibrated to.
PRIOR = 0.8
#: Upper ends of the length bins, in words.
BINS = (3, 10, 25, 60, 100_000)


@dataclass(frozen=True)
class Source:
    """One source: how it is read, how many questions to begin with, and what it weighs in the fit
    (0: only measured on)."""

    name: str
    read: Callable[[Path], list[Answered]]
    seeds: int
    weight: float
    what: str
    license: str


SOURCES = (
    Source(
        "evouna", read_evouna, 200, 1.0,
        "EVOUNA: answers of five systems to Natural Questions queries, judged right by people",
        "Apache-2.0",
    ),
    Source(
        "xquad", read_xquad, 300, 0.25,
        "XQuAD: bare answers that people copied from a paragraph",
        "CC-BY-SA-4.0",
    ),
    Source(
        "topical_chat", read_topical_chat, 300, 0.15,
        "Topical-Chat: replies to questions in chats, rated good or excellent by their readers",
        "CDLA-Sharing-1.0",
    ),
    Source(
        "clapnq", read_clapnq, 300, 0.0,
        "CLAPnq: long answers that people wrote to Natural Questions queries",
        "Apache-2.0",
    ),
    Source(
        "ragtruth", read_ragtruth, 45, 0.0,
        "RAGTruth QA: answers of six systems to MS MARCO queries",
        "MIT",
    ),
)  # fmt: skip
SHARE = {source.name: source.weight for source in SOURCES if source.weight}


@dataclass(frozen=True)
class Scored:
    """Rows with the model's inputs and the scores they are compared with; scores are log-odds of
    models that saw neither the row nor its family (`held_out`), nor its source (`foreign`)."""

    rows: list[Row]
    x: Array
    version_1: Array
    cosine: Array
    words: NDArray[np.int64]
    held_out: Array
    foreign: Array


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
    with open_embedder(settings, cache=chosen.cache is not None) as embedder:
        train(chosen.shared, embedder, chosen.out, embedder.fingerprint)


def train(shared: Path, embedder: TextEmbedder, out: Path, encoder: str) -> None:
    """Fit the model and write `answer_relevance.json` and `answer_relevance.md` to a folder."""
    rows, x, version_1, cosine = _read(shared, embedder)
    label = np.array([row.is_relevant for row in rows])
    source = np.array([row.source for row in rows])
    weight = weights_of(rows, SHARE)
    used = weight > 0
    held_out, foreign = _held_out(rows, x, label, source, used)
    fit = fit_logistic(x[used], label[used], weight[used], RIDGE)
    unseen = np.isin(source, list(SHARE), invert=True)
    held_out[unseen] = foreign[unseen] = fit.score(x[unseen])
    balanced, at_prior = best_cuts(held_out[used], label[used], weight[used], PRIOR)
    slope, shift = calibrate(held_out[used], label[used], weight[used])
    about = {
        "encoder": encoder,
        "training": [_training(rows, used, s) for s in SOURCES if s.weight],
    }
    model = as_model(
        "answer_relevance",
        RELEVANCE_INPUTS,
        fit,
        (slope, shift),
        PRIOR,
        # With most responses relevant, the best F1 would be had by calling nearly all of them so.
        (balanced, max(balanced, at_prior)),
        about,
    )
    words = np.array([len(row.response.split()) for row in rows])
    odds = slope * held_out + shift + np.log(PRIOR / (1 - PRIOR))
    found = Scored(rows, x, version_1, cosine, words, odds, foreign)
    figures = {s.name: {"what": s.what, **figures_of(found, s.name)} for s in SOURCES}
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(model, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    (out / "answer_relevance.json").write_text(text, encoding="utf-8")
    (out / "answer_relevance.md").write_text(card(model, figures), encoding="utf-8")
    print(f"threshold {model['threshold']}, sha256 {model['sha256'][:12]}")


def _read(shared: Path, embedder: TextEmbedder) -> tuple[list[Row], Array, Array, Array]:
    rows: list[Row] = []
    inputs: list[Array] = []
    trivial: list[tuple[float, float]] = []
    for source in SOURCES:
        # Measured sources get the phrasings that the fit never saw.
        made = rows_of(
            source.read(shared),
            embedder,
            source.seeds,
            int(not source.weight),
            near_is_wrong=source.name != "topical_chat",
        )
        batch = _batch(made, embedder)
        for row, found, floor in zip(made, relevance_of(batch), _trivial(batch), strict=True):
            if found.status is None:
                rows.append(row)
                inputs.append(found.inputs)
                trivial.append(floor)
        print(f"{source.name}: {len(made)} rows", flush=True)
    floors = np.array(trivial)
    return rows, np.stack(inputs), floors[:, 0], floors[:, 1]


def _batch(rows: Sequence[Row], embedder: TextEmbedder) -> Batch:
    frame = pd.DataFrame(
        {"query": [row.question for row in rows], "response": [row.response for row in rows]}
    )
    return Batch(interactions_from(frame), embedder, prices.load(None), {})


def _trivial(batch: Batch) -> list[tuple[float, float]]:
    """Of each row version 1 of the metric (mean of whole and three nearest sentences), and the
    plain cosine."""
    query, whole = batch.embed("query", by="text"), batch.embed("response", by="text")
    piece = batch.embed("response", by="sentence")
    found = []
    for i in range(len(batch)):
        plain = float(cosines(whole.row(i), query.row(i))[0, 0])
        near = np.sort(cosines(piece.row(i), query.row(i))[:, 0])[::-1][:3]
        found.append((max(0.0, (plain + (near.mean() if len(near) else plain)) / 2), plain))
    return found


def _held_out(
    rows: list[Row], x: Array, label: NDArray[Any], source: NDArray[Any], used: NDArray[Any]
) -> tuple[Array, Array]:
    """Log-odds of the rows of fitted sources, by models without their fold, and without their
    source."""
    fold = np.array([row.fold for row in rows])
    held_out, foreign = np.zeros(len(rows)), np.zeros(len(rows))

    def fitted(seen: NDArray[Any], share: Mapping[str, float]) -> Callable[[Array], Array]:
        chosen = np.flatnonzero(seen)
        weight = weights_of([rows[k] for k in chosen], share)
        return fit_logistic(x[chosen], label[chosen], weight, RIDGE).score

    for k in range(FOLDS):
        score = fitted(used & (fold != k), SHARE)
        held_out[fold == k] = score(x[fold == k])
    for name in SHARE:
        score = fitted(used & (source != name), {s: w for s, w in SHARE.items() if s != name})
        foreign[source == name] = score(x[source == name])
    return held_out, foreign


def _training(rows: list[Row], used: NDArray[Any], source: Source) -> dict[str, Any]:
    own = [row for row, keep in zip(rows, used, strict=True) if keep and row.source == source.name]
    return {
        "dataset": source.name,
        "what": source.what,
        "license": source.license,
        "rows": len(own),
        "sources": len({row.question for row in own}),
        "positives": sum(row.is_relevant for row in own),
        "weight": source.weight,
    }


def figures_of(found: Scored, source: str) -> dict[str, Any]:
    """What the card says of one source, each figure with its n."""
    kind = np.array([row.kind if row.source == source else "" for row in found.rows])
    same = np.array([row.same_kind for row in found.rows])
    answer = kind == "answer"
    groups = {
        "all": np.isin(kind, list(SHARES)),
        **{name: kind == name for name in SHARES},
        "hard, same kind": (kind == "hard") & same,
    }
    swapped = answer | (kind == "random") | (kind == "hard")
    lengths = [
        (low + 1, high, swapped & (found.words > low) & (found.words <= high))
        for low, high in zip((0, *BINS), BINS, strict=False)
    ]
    probability = 1 / (1 + np.exp(-found.held_out))
    return {
        "n": int(answer.sum()),
        "kinds": {
            name: {"n": int(rows.sum()), **_aurocs(found, answer | rows, answer)}
            for name, rows in groups.items()
            if rows.sum() >= 5
        },
        "lengths": [
            {
                "words": f"{low} to {high}" if high < BINS[-1] else f"over {low - 1}",
                "n": int((answer & rows).sum()),
                "others": int((~answer & rows).sum()),
                **_aurocs(found, rows, answer),
                "mean": float(probability[answer & rows].mean()),
                "tenth": float(np.quantile(probability[answer & rows], 0.1)),
            }
            for low, high, rows in lengths
            if (answer & rows).sum() >= 15 and (~answer & rows).sum() >= 15
        ],
        "rank_with_length": {
            name: float(pd.Series(score[answer]).corr(pd.Series(found.words[answer]), "spearman"))
            for name, score in _scores(found).items()
        },
        "ece": _ece(probability, kind),
        "wrong": {
            "n": int((kind == "wrong").sum()),
            **{name: _within(found, score, kind) for name, score in _scores(found).items()},
        },
    }


def _scores(found: Scored) -> dict[str, Array]:
    return {
        "model": found.held_out,
        "foreign": found.foreign,
        "version_1": found.version_1,
        "cosine": found.cosine,
    }


def _aurocs(found: Scored, rows: NDArray[Any], answer: NDArray[Any]) -> dict[str, float | None]:
    return {name: auroc(answer[rows], score[rows]) for name, score in _scores(found).items()}


def _ece(probability: Array, kind: NDArray[Any]) -> float:
    """Expected calibration error over ten equal bins, with rows weighed so that the prior holds
    and each kind of negative has its share. Naeini et al. (2015), AAAI."""
    weight = np.zeros(len(kind))
    present = {k: v for k, v in SHARES.items() if (kind == k).any()}
    weight[kind == "answer"] = PRIOR / (kind == "answer").sum()
    for name, share in present.items():
        part = share / sum(present.values())
        weight[kind == name] = (1 - PRIOR) * part / (kind == name).sum()
    bins = np.minimum((probability * 10).astype(int), 9)
    gaps = [abs((weight * (probability - (kind == "answer")))[bins == k].sum()) for k in range(10)]
    return float(sum(gaps))


def _within(found: Scored, score: Array, kind: NDArray[Any]) -> float | None:
    """How often a right answer stands above a wrong one to the same question; ties count half."""
    above = pairs = 0.0
    by_question: dict[str, tuple[list[float], list[float]]] = {}
    for row, value, name in zip(found.rows, score, kind, strict=True):
        if name in ("answer", "wrong"):
            by_question.setdefault(row.question, ([], []))[name == "wrong"].append(float(value))
    for right, wrong in by_question.values():
        for a in right:
            for b in wrong:
                pairs += 1
                above += (a > b) + (a == b) / 2
    return above / pairs if pairs else None


if __name__ == "__main__":
    main()
