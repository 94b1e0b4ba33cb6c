"""The rows that the model `answer_relevance` is fitted and measured on: answers of people and
systems to their own question, and seven kinds of response that do not answer it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.scoring.batch import TextEmbedder
from evalkit.scoring.similarity import cosines
from evalkit.text.questions import asks, expected
from evalkit.text.tokens import content_words, stem

#: Kinds of row, with the share of each kind of negative among the negatives of a source.
SHARES: Mapping[str, float] = {
    "random": 0.20,
    "hard": 0.35,
    "cut": 0.10,
    "echo": 0.15,
    "restated": 0.07,
    "generic": 0.08,
    "refusal": 0.05,
}
FOLDS = 5
# Two questions at least this near are taken for the same one: of CLINC150 queries whose nearest
# other query is as near as this, 99 % have the same intent.
_SAME_QUESTION = 0.85
# Every so many questions, one has a phrased response of a kind: they differ little.
_PHRASED = 3
_SEEDS = {"xquad": 150, "topical_chat": 300}


@dataclass(frozen=True)
class Answered:
    """A question and a response that people hold for its answer, or not."""

    source: str
    group: str
    question: str
    answer: str
    system: str
    gold: tuple[str, ...] = ()
    is_right: bool | None = True


@dataclass(frozen=True)
class Row:
    """One row to fit or measure on.

    `kind` is "answer", or the kind of negative, or "wrong": an own answer that people judged wrong
    (or rated poor), which is neither, since most of those are on the subject. `same_kind` says
    whether a response from elsewhere answers a question that asks for the same kind of thing.
    """

    source: str
    group: str
    fold: int
    question: str
    response: str
    kind: str
    system: str
    same_kind: bool = False

    @property
    def is_relevant(self) -> bool:
        return self.kind == "answer"


def read_evouna(shared: Path) -> list[Answered]:
    """Answers of five systems to Natural Questions queries, judged right or wrong by people."""
    found: dict[tuple[str, str], Answered] = {}
    for item in pq.read_table(shared / "evouna_nq.parquet").to_pylist():
        if not item["improper_question"] and (item["answer"] or "").strip():
            found.setdefault(
                (item["question"], item["model"]),
                Answered(
                    "evouna",
                    item["question"],
                    item["question"],
                    item["answer"].strip().removeprefix("?").strip(),
                    item["model"],
                    tuple(part for part in item["golden_answer"].split("/") if part.strip()),
                    bool(item["correct"]),
                ),
            )
    return list(found.values())


def read_clapnq(shared: Path) -> list[Answered]:
    """Long answers that people wrote to Natural Questions queries."""
    table = pq.read_table(shared / "clapnq_queries.parquet").to_pylist()
    return [
        Answered("clapnq", item["query_id"], item["query"], item["answers"][0], "people")
        for item in table
        if item["answerable"] and item["answers"]
    ]


def read_ragtruth(shared: Path) -> list[Answered]:
    """Answers of six systems to MS MARCO queries; most of them are on the subject."""
    table = pq.read_table(shared / "ragtruth_train_part.parquet").to_pylist()
    return [
        Answered("ragtruth", item["source_id"], item["query"], item["response"], item["model"])
        for item in table
        if item["task_type"] == "QA"
    ]


def read_xquad(shared: Path) -> list[Answered]:
    """Bare answers, copied from the paragraph; two questions of each paragraph."""
    table = pq.read_table(shared / "xquad_queries.parquet").to_pylist()
    taken: dict[str, list[Answered]] = {}
    for item in sorted(table, key=lambda item: _rank(item["query_id"])):
        of_doc = taken.setdefault(item["doc_id"], [])
        if len(of_doc) < 2 and all(item["answer"] != other.answer for other in of_doc):
            of_doc.append(
                Answered(
                    "xquad",
                    item["doc_id"],
                    item["query"],
                    item["answer"],
                    "people",
                    (item["answer"],),
                )
            )
    kept = sorted(taken, key=_rank)[: _SEEDS["xquad"]]
    return [one for doc in kept for one in taken[doc]]


def read_topical_chat(shared: Path) -> list[Answered]:
    """Messages that end in a question, with the next message of the chat, rated by its reader."""
    table = pq.read_table(shared / "topical_chat_ratings.parquet").to_pylist()
    table.sort(key=lambda item: (item["conversation_id"], item["turn"]))
    found = [
        Answered(
            "topical_chat",
            item["conversation_id"],
            before["text"],
            item["text"],
            "people",
            is_right=_rated(item["turn_rating"]),
        )
        for before, item in pairwise(table)
        if before["conversation_id"] == item["conversation_id"]
        and before["turn"] + 1 == item["turn"]
        and before["text"].rstrip().endswith("?")
        and asks(before["text"])
    ]
    kept = set(sorted({one.group for one in found}, key=_rank)[: _SEEDS["topical_chat"]])
    return [one for one in found if one.group in kept]


def _rated(rating: str) -> bool | None:
    if rating in ("Excellent", "Good"):
        return True
    return False if rating in ("Poor", "Not Good") else None


def rows_of(
    answered: Sequence[Answered],
    embedder: TextEmbedder,
    seeds: int,
    wording: int,
    near_is_wrong: bool = True,
) -> list[Row]:
    """Rows of one source: its right answers, and the negatives made of them.

    Args:
        answered: all of the source.
        embedder: finds the nearest other question.
        seeds: questions to begin with; the nearest other question of each comes along.
        wording: which half of the fixed phrasings to use, 0 or 1, so that a model is measured on
            phrasings that it never saw.
        near_is_wrong: False where the reply to the nearest other question may well fit, as in
            chats ("Do you like football?").

    A question and its nearest are one family and lie in one fold, and a response from elsewhere is
    one from the same fold.
    """
    first = {one.question: one for one in reversed(answered)}
    questions = list(first)
    at = {question: k for k, question in enumerate(questions)}
    vectors = embedder.embed(questions)
    near = cosines(vectors, vectors)
    neighbour = {
        question: _nearest(first, questions, near[at[question]])
        for question in sorted(questions, key=_rank)[:seeds]
    }
    family = _families(first, neighbour)
    fold = {question: int(_rank(family[question]), 16) % FOLDS for question in family}
    by_question: dict[str, list[Answered]] = {}
    for one in answered:
        if one.question in family:
            by_question.setdefault(one.question, []).append(one)
    rows: list[Row] = []
    for question, own in by_question.items():
        add = _adder(rows, own[0].source, family[question], fold[question], question)
        for one in own:
            if one.is_right:
                add(one.answer, "answer", one.system)
                cut = _without_answer(one.answer, one.gold)
                if cut is not None:
                    add(cut, "cut", one.system)
            elif one.is_right is False:
                add(one.answer, "wrong", one.system)
        for kind, other in _others(question, neighbour, family, fold):
            if kind == "hard" and not near_is_wrong:
                continue
            same = expected(question) is not None and expected(question) == expected(other)
            for one in by_question[other]:
                add(one.answer, kind, one.system, same)
        for kind, texts in PHRASES.items():
            mine, place = texts[wording::2], int(_rank(question + kind), 16)
            if place // 8 % _PHRASED == 0:
                text = mine[place % len(mine)]
                add(text.format(**_forms(question)), kind, "made")
    return rows


def _adder(
    rows: list[Row], source: str, group: str, fold: int, question: str
) -> Callable[..., None]:
    def add(response: str, kind: str, system: str, same: bool = False) -> None:
        rows.append(Row(source, group, fold, question, response, kind, system, same))

    return add


def _others(
    question: str, neighbour: Mapping[str, str | None], family: Mapping[str, str],
    fold: Mapping[str, int],
) -> Iterable[tuple[str, str]]:  # fmt: skip
    near = neighbour.get(question)
    if near is not None:
        yield "hard", near
    far = [q for q in family if fold[q] == fold[question] and family[q] != family[question]]
    if far:
        yield "random", min(far, key=lambda other: _rank(question + other))


def _nearest(
    first: Mapping[str, Answered], questions: Sequence[str], near: NDArray[np.float64]
) -> str | None:
    """The nearest other question that is not the same one in other words."""
    own = questions[int(near.argmax())]
    for k in np.argsort(-near, kind="stable")[:20]:
        other = questions[int(k)]
        if near[k] < _SAME_QUESTION and not _shares_answer(first[own].gold, first[other].gold):
            return other
    return None


def _shares_answer(mine: Iterable[str], theirs: Iterable[str]) -> bool:
    left = {stem(word) for text in mine for word in content_words(text)}
    right = {stem(word) for text in theirs for word in content_words(text)}
    return bool(left & right)


def _families(first: Mapping[str, Answered], neighbour: Mapping[str, str | None]) -> dict[str, str]:
    """Which questions must lie in one fold: a question, its nearest, and those of one document."""
    root: dict[str, str] = {}

    def find(key: str) -> str:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    kept = set(neighbour) | {other for other in neighbour.values() if other is not None}
    for question in sorted(kept):
        root[find(question)] = find("group " + first[question].group)
    for question, other in sorted(neighbour.items()):
        if other is not None:
            root[find(question)] = find(other)
    return {question: find(question) for question in sorted(kept)}


def _without_answer(answer: str, gold: Sequence[str]) -> str | None:
    """The answer with every form of the right answer cut out, where enough is left."""
    cut = answer
    for form in sorted(gold, key=len, reverse=True):
        cut = re.sub(rf"\b{re.escape(form.strip())}\b", "", cut, flags=re.IGNORECASE)
    if cut == answer or len(content_words(cut)) < 4 or cut.count("\n") > 2:
        return None
    return re.sub(r"\s+", " ", cut).strip()


def _forms(question: str) -> dict[str, str]:
    bare = question.strip().rstrip("?. ")
    return {
        "question": bare,
        "Question": bare[:1].upper() + bare[1:],
        "subject": " ".join(content_words(bare)) or bare,
    }


def _rank(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


#: Phrasings of responses that do not answer; even ones to fit on, odd ones to measure with, or the
#: other way round.
PHRASES: Mapping[str, tuple[str, ...]] = {
    "echo": (
        "You asked about {question}. {Question} is a question about {subject}.",
        "{Question} is what you would like to hear about, and {question} is an interesting topic.",
        "This is about {question}. When it comes to {question}, many people ask {question}.",
        "Regarding {question}: the subject of {subject} is one that you raised, namely {subject}.",
        "Your question, {question}, concerns {subject}.",
        "Let us talk about {subject}. {Question}: that is the matter at hand.",
    ),
    "restated": (
        "{Question}?",
        "So you want to know {question}?",
        "Do you mean {question}?",
        "If I understand you correctly, you are asking {question}.",
        "Are you asking about {subject}?",
        "You would like me to find out {question}?",
    ),
    "generic": (
        "That is a great question! There are many factors to consider, and it depends on the"
        " context.",
        "Thank you for reaching out. I am happy to help you with anything you need today.",
        "This is an interesting topic that has been discussed by many people over the years.",
        "There are several aspects to this. It is important to look at all of them carefully before"
        " coming to a conclusion.",
        "Great question. Let me know if you would like more details, and I will be glad to assist.",
        "Many experts have different opinions about this, and more research is needed.",
    ),
    "refusal": (
        "I'm sorry, but I can't help with that request.",
        "I'm afraid this goes beyond what I am able to do. Please contact the support team.",
        "As an assistant I must decline to comment on this.",
        "Unfortunately no answer could be given at this time. Please try again later.",
        "I do not have enough information to say anything about this.",
        "Sorry, that is not something that I can talk about.",
    ),
}


def weights_of(rows: Sequence[Any], share: Mapping[str, float]) -> NDArray[np.float64]:
    """Row weights, mean 1: a source has its share, answers weigh as much as all that is none, and
    each kind of the latter what `SHARES` says."""
    weight = np.zeros(len(rows))
    source = np.array([row.source for row in rows])
    kind = np.array([row.kind for row in rows])
    for name, of_source in share.items():
        present = {k: SHARES[k] for k in SHARES if ((source == name) & (kind == k)).any()}
        parts = {"answer": 0.5, **{k: v / sum(present.values()) / 2 for k, v in present.items()}}
        for k, part in parts.items():
            chosen = (source == name) & (kind == k)
            if chosen.any():
                weight[chosen] = of_source * part / chosen.sum()
    return weight * len(weight) / weight.sum()
