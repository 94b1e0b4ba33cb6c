"""Fits the shipped models `chunk_relevance` and `context_sufficiency`, and writes files and cards.

    python datasets/train/retrieval.py --shared DIR [--out FOLDER] [--cache FILE]

What is reported of CLAPnq comes from models fitted without it (on XQuAD and FoolMeTwice), and what
is reported of XQuAD from models fitted without that one. The shipped models are fitted on all three
but for 60 questions of CLAPnq, on which the project's tests plant their cases. Nothing is drawn at
random and figures are rounded: the same data give the same files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fitting import Fit, as_model, best_cuts, calibrate, fit_logistic
from numpy.typing import NDArray
from retrieval_cards import relevance_card, sufficiency_card
from retrieval_sets import Array, Asked, RetrievalSet, read_set

from evalkit.config import Settings
from evalkit.encoders import open_embedder
from evalkit.scoring.calibration import Logistic, digest, parse
from evalkit.scoring.ranking import CHUNK_INPUTS, RELEVANCE_INPUTS, Judged, judge
from evalkit.scoring.scorers.retrieval_fault import FAULTS, fault_of
from evalkit.stats.classification import auroc

RIDGE = 0.03
#: Shares of positives that the probabilities are calibrated to: of retrieved chunks those that
#: speak of what was asked, and of questions those that their chunks answer.
RELEVANCE_PRIOR, SUFFICIENCY_PRIOR = 0.3, 0.7
#: What gold, near and other passages weigh in the fit of `chunk_relevance`.
WEIGHT = {"gold": 0.5, "near": 0.35, "other": 0.15}
RETRIEVED = 5
CASES = 300
Models = Mapping[str, Logistic]


@dataclass(frozen=True)
class Rows:
    """Rows to fit on: inputs, labels, and weights that sum to 1."""

    x: Array
    label: NDArray[np.bool_]
    weight: Array


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=Path("evalkit/scoring/models"))
    parser.add_argument("--cache", type=Path, help="keeps embeddings for the next run")
    chosen = parser.parse_args()
    settings = Settings()
    if chosen.cache is not None:
        encoder = settings.encoder.model_copy(update={"cache": str(chosen.cache.resolve())})
        settings = settings.model_copy(update={"encoder": encoder})
    with open_embedder(settings, cache=chosen.cache is not None) as embedder:
        sets = {
            n: read_set(n, chosen.shared, embedder) for n in ("clapnq", "xquad", "fool_me_twice")
        }
        titled = read_set("clapnq", chosen.shared, embedder, titled=True)
        encoder_name = embedder.fingerprint
    print("read", flush=True)
    held_out = []
    for fit_on, report_on in (("xquad", [sets["clapnq"], titled]), ("clapnq", [sets["xquad"]])):
        models = fitted([sets[fit_on]], [sets[fit_on], sets["fool_me_twice"]], {})
        for reported in report_on:
            figures = figures_of(reported, models)
            figures["titles"] = reported is titled
            held_out.append(figures)
            print(json.dumps(figures), flush=True)
    kept = [sets[name] for name in ("clapnq", "xquad")]
    about = {"encoder": encoder_name}
    shipped = fitted(kept, list(sets.values()), about, without_held_out=True, as_json=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, card in (
        ("chunk_relevance", relevance_card),
        ("context_sufficiency", sufficiency_card),
    ):
        text = json.dumps(shipped[name], indent=2, ensure_ascii=True, allow_nan=False) + "\n"
        (chosen.out / f"{name}.json").write_text(text, encoding="utf-8")
        (chosen.out / f"{name}.md").write_text(card(shipped[name], held_out), encoding="utf-8")
        print(f"{name}: threshold {shipped[name]['threshold']}, {shipped[name]['sha256'][:12]}")


def fitted(
    question_sets: Sequence[RetrievalSet],
    ranking_sets: Sequence[RetrievalSet],
    about: Mapping[str, Any],
    *,
    without_held_out: bool = False,
    as_json: bool = False,
) -> Any:
    """Both models.

    Args:
        question_sets: what `context_sufficiency` and its threshold are fitted on.
        ranking_sets: what `chunk_relevance` is fitted on.
    """
    pairs = [relevance_rows(chosen, without_held_out) for chosen in ranking_sets]
    whole = [sufficiency_rows(chosen, without_held_out) for chosen in question_sets]
    raw = {
        "chunk_relevance": _model(
            "chunk_relevance", RELEVANCE_INPUTS, pairs, RELEVANCE_PRIOR,
            {**about, "training": _training(ranking_sets, pairs)},
        ),
        "context_sufficiency": _model(
            "context_sufficiency", CHUNK_INPUTS, whole, SUFFICIENCY_PRIOR,
            {**about, "training": _training(question_sets, whole)},
        ),
    }  # fmt: skip
    models = {name: _parsed(content) for name, content in raw.items()}
    cut = fault_cut(question_sets, models, without_held_out)
    content = {**raw["context_sufficiency"], "threshold": cut}
    content["strict_threshold"] = max(cut, content["strict_threshold"])
    content["sha256"] = digest(content)
    raw["context_sufficiency"] = content
    return raw if as_json else {name: _parsed(content) for name, content in raw.items()}


def _parsed(content: Mapping[str, Any]) -> Logistic:
    return parse(json.dumps(content), str(content["name"]))


def _model(
    name: str,
    inputs: Sequence[str],
    parts: Sequence[Rows],
    prior: float,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Fitted on all parts, each weighing the same; calibrated on log-odds of parts held out."""
    label = np.concatenate([part.label for part in parts])
    weight = np.concatenate([part.weight for part in parts]) / len(parts)
    fit = _fit(parts)
    calibration, odds = (1.0, 0.0), fit.score(np.concatenate([part.x for part in parts]))
    if len(parts) > 1:
        odds = np.concatenate(
            [_fit([p for p in parts if p is not part]).score(part.x) for part in parts]
        )
        calibration = calibrate(odds, label, weight * len(weight))
    low, high = sorted(best_cuts(odds, label, weight, prior))
    return as_model(name, inputs, fit, calibration, prior, (low, high), about)


def _fit(parts: Sequence[Rows]) -> Fit:
    weight = np.concatenate([part.weight for part in parts])
    return fit_logistic(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.label for part in parts]),
        weight * len(weight) / weight.sum(),
        RIDGE,
    )


def _training(sets: Sequence[RetrievalSet], parts: Sequence[Rows]) -> list[dict[str, Any]]:
    return [
        {
            "dataset": chosen.name,
            "what": chosen.what,
            "license": chosen.license,
            "rows": len(part.label),
            "positives": int(part.label.sum()),
        }
        for chosen, part in zip(sets, parts, strict=True)
    ]


def relevance_rows(chosen: RetrievalSet, without_held_out: bool) -> Rows:
    """Gold passages against near ones (the first 5 by BM25 and by cosine) and others."""
    rows = [
        (asked.inputs[k, : len(RELEVANCE_INPUTS)], kind)
        for asked in chosen.asked
        if asked.gold is not None and not (without_held_out and asked.held_out)
        for k, kind in _kinds(asked)
    ]
    kinds = np.array([kind for _, kind in rows])
    weight = np.zeros(len(rows))
    for kind, share in WEIGHT.items():
        weight[kinds == kind] = share / max((kinds == kind).sum(), 1)
    return Rows(np.array([x for x, _ in rows]), kinds == "gold", weight / weight.sum())


def _kinds(asked: Asked) -> Iterator[tuple[int, str]]:
    if asked.gold is not None:
        yield asked.at(asked.gold), "gold"
    near = dict.fromkeys([*asked.nearest(asked.bm25, 5), *asked.nearest(asked.inputs[:, 0], 5)])
    yield from ((k, "near") for k in near)
    yield from ((k, "other") for k in asked.others()[:5])


def contexts_of(asked: Asked) -> Iterator[tuple[list[int], bool]]:
    """What a retriever could give for a question, and whether it answers: one passage, and five."""
    ranked = asked.nearest(asked.inputs[:, :3] @ np.array([1.0, 1.0, 0.5]), len(asked.passages))
    if asked.near is not None:
        at = asked.at(asked.near)
        yield [at], False
        yield [at, *[k for k in ranked if k != at][: RETRIEVED - 1]], False
    if asked.gold is not None:
        at = asked.at(asked.gold)
        yield [at], True
        yield [at, *ranked[: RETRIEVED - 1]], True
        if asked.near is None:
            yield ranked[:1], False
            yield ranked[:RETRIEVED], False


def sufficiency_rows(chosen: RetrievalSet, without_held_out: bool) -> Rows:
    """The nearest passage of each context, labelled with whether the context answers.

    CLAPnq has questions that people found unanswered by their passage; in XQuAD the other side is
    the nearest passages without the gold one.
    """
    unanswered = any(asked.near is not None for asked in chosen.asked)
    x, label = [], []
    for asked in chosen.asked:
        if without_held_out and asked.held_out:
            continue
        for places, answers in contexts_of(asked):
            if unanswered and not answers and asked.near is None:
                continue
            inputs = asked.inputs[places]
            x.append(inputs[int((inputs[:, :3] @ np.array([1.0, 1.0, 0.5])).argmax())])
            label.append(answers)
    y = np.array(label, dtype=np.bool_)
    return Rows(np.array(x), y, np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum()))


def planted(
    chosen: RetrievalSet, without_held_out: bool
) -> Iterator[tuple[str, Asked, list[int], list[int]]]:
    """Cases whose fault is known: fault, question, places given (best rank first), other places.

    The retriever is the encoder's plain cosine; what it gave is the five nearest passages without
    the gold one, the gold one put last of five, or first of five.
    """
    rows = [a for a in chosen.asked if a.gold is not None and not (without_held_out and a.held_out)]
    for asked in rows[:: max(len(rows) // CASES, 1)][:CASES]:
        gold = asked.at(asked.gold or 0)
        given = asked.nearest(asked.inputs[:, 0], RETRIEVED)
        near = dict.fromkeys(
            [*asked.nearest(asked.inputs[:, 0], 25), *asked.nearest(asked.bm25, 25)]
        )
        rest = [k for k in near if k not in given]
        yield "retriever_miss", asked, given, [gold, *rest]
        yield "not_in_corpus", asked, given, rest
        yield "ranked_out", asked, [*given[:-1], gold], [given[-1], *rest]
        yield "ignored_by_generator", asked, [gold, *given[:-1]], [given[-1], *rest]


def _cases(
    chosen: RetrievalSet, models: Models, without_held_out: bool = False
) -> list[tuple[str, Judged, Judged]]:
    def told(asked: Asked, places: list[int]) -> Judged:
        vectors = chosen.vectors[asked.passages[places]]
        return judge(asked.inputs[places], vectors, models)

    return [
        (fault, told(asked, given), told(asked, rest))
        for fault, asked, given, rest in planted(chosen, without_held_out)
    ]


def fault_cut(sets: Sequence[RetrievalSet], models: Models, without_held_out: bool) -> float:
    """The threshold with the most planted cases right (each set weighing the same)."""
    cases = [_cases(chosen, models, without_held_out) for chosen in sets]
    cuts = 1 / (1 + np.exp(-np.arange(-3, 6.01, 0.25)))
    right = [
        np.mean([np.mean([fault_of(g, o, cut) == f for f, g, o in part]) for part in cases])
        for cut in cuts.tolist()
    ]
    return round(float(np.median(cuts[np.array(right) >= max(right) - 0.002])), 4)


def figures_of(chosen: RetrievalSet, models: Models) -> dict[str, Any]:
    """What models do on a set that they were not fitted on, beside BM25 and plain cosine."""
    answered = [asked for asked in chosen.asked if asked.gold is not None]
    scores = {
        "model": [_relevance(asked, models) for asked in answered],
        "bm25": [asked.bm25 for asked in answered],
        "cosine": [asked.inputs[:, 0] for asked in answered],
    }
    found: dict[str, Any] = {"dataset": chosen.name, "questions": len(answered)}
    for name, of_set in scores.items():
        ranks = np.array([_rank_of(a, s) for a, s in zip(answered, of_set, strict=True)])
        found[name] = {
            "ndcg10": _rounded(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean()),
            "p1": _rounded((ranks == 1).mean()),
            "auroc_near": _auroc(answered, of_set, "near"),
            "auroc_other": _auroc(answered, of_set, "other"),
        }
    model = models["context_sufficiency"]
    unanswered = any(asked.near is not None for asked in chosen.asked)
    for size in (1, RETRIEVED):
        label, probability = [], []
        for asked in chosen.asked:
            for places, answers in contexts_of(asked):
                if len(places) == size and (answers or asked.near is not None or not unanswered):
                    label.append(answers)
                    probability.append(model.probability(asked.inputs[places]).max())
        found[f"sufficiency_{size}"] = {
            "n": len(label),
            "auroc": _rounded(auroc(np.array(label), np.array(probability)) or 0.0),
        }
    cases = _cases(chosen, models)
    right = {
        fault: np.mean([fault_of(g, o, model.threshold) == f for f, g, o in cases if f == fault])
        for fault in FAULTS
    }
    found["faults"] = {
        "n": len(cases),
        "right": _rounded(np.mean(list(right.values()))),
        **{fault: _rounded(value) for fault, value in right.items()},
    }
    return found


def _relevance(asked: Asked, models: Models) -> Array:
    return models["chunk_relevance"].probability(asked.inputs[:, : len(RELEVANCE_INPUTS)])


def _rank_of(asked: Asked, score: Array) -> int:
    """The gold passage's rank among all that were looked at; of equal scores the first stands first."""
    gold = asked.at(asked.gold or 0)
    ahead = (score > score[gold]) | ((score == score[gold]) & (np.arange(len(score)) < gold))
    return int(ahead.sum()) + 1


def _auroc(answered: Sequence[Asked], of_set: Sequence[Array], against: str) -> float:
    label, score = [], []
    for asked, values in zip(answered, of_set, strict=True):
        for k, kind in _kinds(asked):
            if kind in ("gold", against):
                label.append(kind == "gold")
                score.append(values[k])
    return _rounded(auroc(np.array(label), np.array(score)) or 0.0)


def _rounded(value: Any) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()
