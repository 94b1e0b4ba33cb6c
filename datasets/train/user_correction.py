"""Fits the shipped model `user_correction`, and writes its file and card.

    python datasets/train/user_correction.py --shared DIR [--out FOLDER]

Takes about two minutes. Dialogues are parted by the hash of their id: three fifths are fitted on,
one fifth chooses the cut, and the last fifth is only reported on. Nothing is drawn at random: the
same data give the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from fitting import Fit, as_model, best_cuts, fit_logistic
from numpy.typing import NDArray
from user_correction_card import user_correction_card

from evalkit.scoring.rejection import TURN_INPUTS, turn_inputs
from evalkit.stats.classification import at_threshold, auroc
from evalkit.text.tokens import words
from evalkit.text.user_acts import user_acts

RIDGE = 0.001
#: What a goodbye counts as ("no, that's all" to an offer of more help). It is a no, and says
#: nothing about the answer: it shall stand above a plain turn and below the cut.
GOODBYE = 0.2
_FIFTHS = 5
_FITTED = 3


@dataclass(frozen=True)
class Turn:
    """A user's turn in its dialogue, with what annotators say that it does."""

    dialogue: str
    services: frozenset[str]
    text: str
    answer: str
    rejects: bool
    is_goodbye: bool
    wants_other: bool


@dataclass(frozen=True)
class Turns:
    """The turns as arrays: inputs float64 [n, inputs], labels and parts [n]."""

    x: NDArray[np.float64]
    rejects: NDArray[np.bool_]
    goodbye: NDArray[np.bool_]
    other: NDArray[np.bool_]
    no: NDArray[np.bool_]
    words: NDArray[np.int64]
    part: NDArray[np.int64]

    @property
    def about_answer(self) -> NDArray[np.bool_]:
        """Rejections and corrections without goodbyes."""
        return self.rejects & ~self.goodbye


def main() -> None:
    """Read, fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, default=Path("evalkit/scoring/models"))
    chosen = parser.parse_args()
    turns = read_turns(chosen.shared)
    model, card = train(turns, read_chat(chosen.shared))
    text = json.dumps(model, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    (chosen.out / "user_correction.json").write_text(text, encoding="utf-8")
    (chosen.out / "user_correction.md").write_text(card, encoding="utf-8")
    print(card)


def read_turns(shared: Path) -> list[Turn]:
    """The user's turns that follow an answer, by dialogue and place.

    A rejection is a goodbye where the annotators say that the answer before it asks whether there
    is anything else to do (act REQ_MORE).
    """
    rows = pq.read_table(shared / "sgd_user_acts.parquet").to_pylist()
    rows.sort(key=lambda row: (row["dialogue_id"], row["turn"]))
    found: list[Turn] = []
    for before, row in pairwise(rows):
        if row["role"] != "USER" or before["dialogue_id"] != row["dialogue_id"]:
            continue
        found.append(
            Turn(
                dialogue=row["dialogue_id"],
                services=frozenset(row["services"].split(",")),
                text=row["text"],
                answer=before["text"],
                rejects=row["rejects"],
                is_goodbye=row["rejects"] and "REQ_MORE" in before["acts"],
                wants_other=row["wants_other"],
            )
        )
    return found


def read_chat(shared: Path) -> list[tuple[str, str, str]]:
    """(message, the partner's message before it, how that one was rated) of human chat."""
    rows = pq.read_table(shared / "topical_chat_ratings.parquet").to_pylist()
    rows.sort(key=lambda row: (row["conversation_id"], row["turn"]))
    return [
        (row["text"], before["text"], before["turn_rating"])
        for before, row in pairwise(rows)
        if before["conversation_id"] == row["conversation_id"]
    ]


def train(turns: list[Turn], chat: list[tuple[str, str, str]]) -> tuple[dict[str, Any], str]:
    """The model's content and its card."""
    data = as_arrays(turns)
    fitted, tuned = data.part < _FITTED, data.part == _FITTED
    held_out = data.part > _FITTED
    fit = fit_on(data, fitted)
    odds = fit.score(data.x)
    prior = round(float(data.about_answer[fitted].mean()), 3)
    # Rejections are rare: the cut with the best balanced accuracy would call every goodbye one.
    cut = best_cuts(odds[tuned], data.about_answer[tuned], np.ones(tuned.sum()), prior)[1]
    to_prior = np.log(prior / (1 - prior))
    about = {
        "training": [
            {
                "dataset": "sgd_user_acts",
                "what": "Schema-Guided Dialogue, dev and test: user turns after an answer",
                "rows": int(fitted.sum()),
                "sources": len({t.dialogue for t, used in zip(turns, fitted, strict=True) if used}),
                "positives": int(data.rejects[fitted].sum()),
                "weight": 1.0,
                "license": "CC-BY-SA-4.0",
            }
        ]
    }
    model = as_model(
        "user_correction", TURN_INPUTS, fit, (1.0, -to_prior), prior, (cut, cut), about
    )
    figures = {
        "held_out": measured(data, odds, held_out, model["threshold"]),
        "services": by_service(turns, data),
        "chat": chat_figures(chat, fit, model["threshold"]),
    }
    return model, user_correction_card(model, figures)


def as_arrays(turns: list[Turn]) -> Turns:
    """Inputs, labels and part (0 to 4, by the hash of the dialogue) of each turn."""
    return Turns(
        x=np.stack([turn_inputs(turn.text, turn.answer) for turn in turns]),
        rejects=np.array([turn.rejects for turn in turns]),
        goodbye=np.array([turn.is_goodbye for turn in turns]),
        other=np.array([turn.wants_other for turn in turns]),
        no=np.array([user_acts(turn.text).no for turn in turns]),
        words=np.array([len(words(turn.text)) for turn in turns]),
        part=np.array([_part(turn.dialogue) for turn in turns]),
    )


def fit_on(data: Turns, rows: NDArray[np.bool_]) -> Fit:
    """A fit in which a goodbye is `GOODBYE` of a rejection: once as one, once as none."""
    x, label, goodbye = data.x[rows], data.rejects[rows], data.goodbye[rows]
    return fit_logistic(
        np.concatenate([x, x[goodbye]]),
        np.concatenate([label, np.zeros(goodbye.sum(), dtype=np.bool_)]),
        np.concatenate([np.where(goodbye, GOODBYE, 1.0), np.full(goodbye.sum(), 1.0 - GOODBYE)]),
        RIDGE,
        clip=(0.0, 1.0),
    )


def measured(
    data: Turns, odds: NDArray[np.float64], rows: NDArray[np.bool_], threshold: float
) -> dict[str, float]:
    """How well log-odds tell the rows' labels apart."""
    label, about = data.rejects[rows], data.about_answer[rows]
    probability = 1 / (1 + np.exp(-odds[rows]))
    found = {
        "rows": int(rows.sum()),
        "rejects": int(label.sum()),
        "goodbyes": int((label & ~about).sum()),
        "auroc": auroc(label, odds[rows]),
        "auroc_about_answer": auroc(about, odds[rows]),
        "auroc_no": auroc(label, data.no[rows]),
        "auroc_length": auroc(label, -data.words[rows]),
        "auroc_with_alternatives": auroc(label | data.other[rows], odds[rows]),
        "mean_about_answer": float(probability[about].mean()),
        "mean_goodbye": float(probability[label & ~about].mean()),
        "mean_other": float(probability[~label].mean()),
        "goodbyes_called": float((probability[label & ~about] >= threshold).mean()),
    }
    cut = at_threshold(about, probability, threshold)
    found["balanced_accuracy"] = cut.balanced_accuracy
    found["f1"] = cut.f1
    return found


def by_service(turns: list[Turn], data: Turns) -> list[dict[str, Any]]:
    """AUROC on dialogues about services that the fit never saw: services in five groups, by hash.

    Dialogues about services of several groups are used for none of them.
    """
    groups = [{_part(name) for name in turn.services} for turn in turns]
    found = []
    for group in range(_FIFTHS):
        test = np.array([g == {group} for g in groups])
        fitted = np.array([group not in g for g in groups])
        if not data.rejects[test].any():
            continue
        odds = fit_on(data, fitted).score(data.x[test])
        names = {n for t, used in zip(turns, test, strict=True) if used for n in t.services}
        found.append(
            {
                "services": len(names),
                "rows": int(test.sum()),
                "auroc": auroc(data.rejects[test], odds),
                "auroc_about_answer": auroc(data.about_answer[test], odds),
            }
        )
    return found


def chat_figures(chat: list[tuple[str, str, str]], fit: Fit, threshold: float) -> dict[str, float]:
    """What the model says of chat between people, where nobody has an answer to reject."""
    odds = fit.score(np.stack([turn_inputs(text, before) for text, before, _ in chat]))
    probability = 1 / (1 + np.exp(-odds))
    rating = np.array([rated for _, _, rated in chat])
    low = np.isin(rating, ("Poor", "Not Good"))
    return {
        "rows": len(chat),
        "low": int(low.sum()),
        "called": float((probability >= threshold).mean()),
        "called_after_low": float((probability[low] >= threshold).mean()),
        "auroc_low": auroc(low, odds),
    }


def _part(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % _FIFTHS


if __name__ == "__main__":
    main()
