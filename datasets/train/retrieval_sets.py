"""Questions with the passage that answers them and the passages that nearly do, each pair as the
named numbers of `evalkit/scoring/ranking.py`; nothing is fitted here."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.scoring.batch import TextEmbedder
from evalkit.scoring.ranking import Question, Reader, chunk_inputs
from evalkit.text import sentences
from evalkit.text.tokens import is_content, stem, words

Array = NDArray[np.float64]
#: Passages looked at per question: the nearest by BM25 and by cosine, and some others.
NEAREST, OTHERS = 40, 5
CLAIMS = 400
#: CLAPnq questions that the shipped models never see: the planted cases of the project's own tests.
HELD_OUT = 60
LONGEST_HELD_OUT = 900


@dataclass(frozen=True)
class Asked:
    """One question of a set.

    Attributes:
        text: the question.
        gold: the passage that answers it; None where none does.
        near: a passage that people looked at and found not to answer it, where there is one.
        passages: indices of the passages looked at, rising.
        inputs: of each, float64 [passages, inputs].
        bm25: of each, with the set's own word counts and titles: the baseline.
        held_out: whether the shipped models must not see it.
    """

    text: str
    gold: int | None
    near: int | None
    passages: NDArray[np.int64]
    inputs: Array
    bm25: Array
    held_out: bool

    def at(self, passage: int) -> int:
        """Where a passage stands among those looked at."""
        return int(np.searchsorted(self.passages, passage))

    def nearest(self, score: Array, n: int) -> list[int]:
        """Places of the n best passages by a score, without the gold one."""
        order = np.lexsort((self.passages, -score))
        return [int(k) for k in order if self.passages[k] != self.gold][:n]

    def others(self) -> list[int]:
        """Places of passages that no measure finds near."""
        near = {*self.nearest(self.bm25, NEAREST), *self.nearest(self.inputs[:, 0], NEAREST)}
        return [
            k
            for k in range(len(self.passages))
            if k not in near and self.passages[k] not in (self.gold, self.near)
        ]


@dataclass(frozen=True)
class RetrievalSet:
    """A set: its name, what it is, its licence, passages (float32 [n, dim]) and questions."""

    name: str
    what: str
    license: str
    texts: tuple[str, ...]
    vectors: NDArray[np.float32]
    asked: tuple[Asked, ...]


def read_set(
    name: str, shared: Path, embedder: TextEmbedder, *, titled: bool = False
) -> RetrievalSet:
    """One of clapnq, xquad and fool_me_twice.

    Args:
        titled: put each passage's title before its text, as many indexes do.
    """
    if name == "fool_me_twice":
        what = "FoolMeTwice: claims of a game with the sentences of Wikipedia that they rest on"
        rows = _claims(shared)
        return _made(
            (name, what, "Apache-2.0, text CC-BY-SA"),
            [(row["response"], k, None, False) for k, row in enumerate(rows)],
            [row["context"] for row in rows],
            [""] * len(rows),
            embedder,
        )
    corpus = pq.read_table(shared / f"{name}_corpus.parquet").to_pylist()
    queries = pq.read_table(shared / f"{name}_queries.parquet").to_pylist()
    at = {row["doc_id"]: k for k, row in enumerate(corpus)}
    titles = [row["title"].replace("_", " ") for row in corpus]
    texts = [
        f"{title}\n{row['text']}" if titled else row["text"]
        for title, row in zip(titles, corpus, strict=True)
    ]
    if name == "xquad":
        what = "XQuAD English: questions written from a paragraph of Wikipedia"
        asked = [(row["query"], at[row["doc_id"]], None, False) for row in queries]
        return _made((name, what, "CC-BY-SA-4.0"), asked, texts, titles, embedder)
    judged = pq.read_table(shared / "clapnq_qrels.parquet").to_pylist()
    gold = {row["query_id"]: at[row["doc_id"]] for row in judged if row["relevance"]}
    near = {row["query_id"]: at[row["doc_id"]] for row in judged if not row["relevance"]}
    short = [q for q in gold if len(corpus[gold[q]]["text"]) <= LONGEST_HELD_OUT]
    kept = set(sorted(short, key=_rank)[:HELD_OUT])
    asked = [
        (
            row["query"],
            gold.get(row["query_id"]),
            near.get(row["query_id"]),
            row["query_id"] in kept,
        )
        for row in queries
    ]
    what = "CLAPnq: questions of people to a search engine, with the passage that answers or nearly"
    return _made((name, what, "Apache-2.0"), asked, texts, titles, embedder)


def _claims(shared: Path) -> list[dict[str, Any]]:
    """One claim per evidence text, those with the smallest hash."""
    rows = [
        row
        for row in pq.read_table(shared / "claims.parquet").to_pylist()
        if row["dataset"] == "fool_me_twice"
    ]
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: _rank(row["source_id"] + row["id"])):
        first.setdefault(row["context"], row)
    return list(first.values())[:CLAIMS]


def _rank(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _made(
    about: tuple[str, str, str],
    asked: Sequence[tuple[str, int | None, int | None, bool]],
    texts: Sequence[str],
    titles: Sequence[str],
    embedder: TextEmbedder,
) -> RetrievalSet:
    split = [sentences.split(text) for text in texts]
    reader = Reader()
    chunks = [reader.read(text, spans) for text, spans in zip(texts, split, strict=True)]
    whole = embedder.embed(texts)
    pieces = [
        embedder.embed([text[span.start : span.end] for span in spans])
        for text, spans in zip(texts, split, strict=True)
    ]
    vectors = embedder.embed([question for question, _, _, _ in asked])
    with_title = [
        text if text.startswith(title) else f"{title} {text}"
        for title, text in zip(titles, texts, strict=True)
    ]
    bm25 = bm25_scores([question for question, _, _, _ in asked], with_title)
    made = []
    for i, (text, gold, near, held_out) in enumerate(asked):
        cosine = (whole @ vectors[i]).astype(np.float64)
        chosen = {*_first(bm25[i], NEAREST), *_first(cosine, NEAREST)}
        chosen |= {k for k in (gold, near) if k is not None}
        spare = [k for k in range(len(texts)) if k not in chosen]
        # Spread over the set by the question's number: fixed, and not near by any measure.
        chosen |= {spare[(i * 31 + k * 97) % len(spare)] for k in range(OTHERS)}
        passages = np.array(sorted(chosen))
        question = Question.of(text)
        inputs = np.array(
            [chunk_inputs(question, chunks[k], vectors[i], whole[k], pieces[k]) for k in passages]
        )
        made.append(Asked(text, gold, near, passages, inputs, bm25[i][passages], held_out))
    return RetrievalSet(*about, tuple(texts), whole, tuple(made))


def _first(score: Array, n: int) -> list[int]:
    found: list[int] = np.lexsort((np.arange(len(score)), -score))[:n].tolist()
    return found


def bm25_scores(questions: Sequence[str], texts: Sequence[str]) -> Array:
    """BM25 with k1 1.2 and b 0.75 over the texts' own counts, float64 [questions, texts].

    Robertson and Zaragoza (2009), Found. Trends IR 3:333; content words as stems.
    """
    counts = [Counter(stem(word) for word in words(text) if is_content(word)) for text in texts]
    sizes = np.array([sum(count.values()) for count in counts], dtype=np.float64)
    norm = 1.2 * (0.25 + 0.75 * sizes / sizes.mean())
    holders: dict[str, list[int]] = {}
    for k, count in enumerate(counts):
        for word in count:
            holders.setdefault(word, []).append(k)
    found = np.zeros((len(questions), len(texts)))
    for i, question in enumerate(questions):
        for word in {stem(word) for word in words(question) if is_content(word)}:
            held = holders.get(word, [])
            idf = math.log(1 + (len(texts) - len(held) + 0.5) / (len(held) + 0.5))
            tf = np.array([counts[k][word] for k in held], dtype=np.float64)
            found[i, held] += idf * tf * 2.2 / (tf + norm[held])
    return found
