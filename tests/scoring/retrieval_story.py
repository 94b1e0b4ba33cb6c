"""A small retrieval application with known faults: questions and passages of CLAPnq that no shipped
model was fitted on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.encoders import Embedder
from evalkit.scoring.corpus import Corpus

FILE = Path(__file__).parent / "clapnq_part.jsonl"
DECLINED = "I could not find that in the provided documents."


@dataclass(frozen=True)
class Case:
    """A bad answer, and where it went wrong."""

    fault: str
    row: dict[str, Any]
    corpus: str  # "all", or the question whose passage the corpus lacks


@cache
def questions() -> tuple[dict[str, str], ...]:
    """Questions, each with its passage: `text`, title first."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return tuple({**row, "text": f"{row['title']}\n{row['text']}"} for row in rows)


def swapped(answer: str) -> str:
    """An answer that says the opposite of what it rests on, with other figures."""
    return " ".join(
        str(int(word) + 7) if word.isdigit() else {"is": "is not", "was": "was not"}.get(word, word)
        for word in answer.split()
    )


def cases(embedder: Embedder, every: int = 1) -> Iterator[Case]:
    """Four cases a question; the retriever is the encoder's plain cosine."""
    rows = questions()
    texts = list(dict.fromkeys(row["text"] for row in rows))
    vectors = embedder.embed(texts)
    for row in rows[::every]:
        asked = embedder.embed([row["query"]])[0]
        order = np.argsort(-np.round(vectors @ asked, 5), kind="stable")
        near = [texts[k] for k in order if texts[k] != row["text"]][:5]
        gold = row["text"]
        for fault, given, answer, corpus in (
            ("retriever_miss", near, DECLINED, "all"),
            ("not_in_corpus", near, DECLINED, row["query"]),
            ("ranked_out", [*near[:4], gold], DECLINED, "all"),
            ("ignored_by_generator", [gold, *near[:4]], swapped(row["answer"]), "all"),
        ):
            yield Case(fault, asked_with(row["query"], given, answer), corpus)


def asked_with(query: str, given: Sequence[str], answer: str) -> dict[str, Any]:
    """A row whose answer a person voted down."""
    return {
        "query": query,
        "response": answer,
        "contexts": [{"id": f"c{k}", "text": text, "rank": k + 1} for k, text in enumerate(given)],
        "feedback": [{"name": "user_thumb", "value": 0.0}],
        "corrected_response": None,
        "relevant_ids": None,
    }


def corpus_without(embedder: Embedder, query: str) -> Corpus:
    """All passages, less the one that answers a question."""
    gold = next((row["text"] for row in questions() if row["query"] == query), None)
    return Corpus((row["text"] for row in questions() if row["text"] != gold), embedder)
