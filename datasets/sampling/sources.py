"""Reads the shared public data into questions with documents and answers; draws nothing."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sampling.ranking import Bm25

XQUAD_ARTICLE = "European_Union_law"
# A few CLAPnq passages are whole articles (up to 23,000 characters); they would fill the sample.
LONGEST_PASSAGE = 1_600
LONGEST_NEWS = 5_000
# First date and number of days over which documents were last updated: the index, and the old one.
INDEXED = (date(2026, 1, 5), 285)
STALE_INDEXED = (date(2025, 1, 6), 150)


@dataclass(frozen=True)
class Document:
    """One retrieved passage; `score` is None where the source ranks without publishing scores."""

    id: str
    text: str
    score: float | None
    updated_at: str


@dataclass(frozen=True)
class Item:
    """One question with its documents and one answer; `label` 1 = hallucinated, None = no label."""

    key: str
    query: str
    documents: tuple[Document, ...]
    answer: str
    model: str | None = None
    label: int | None = None


@dataclass(frozen=True)
class Sources:
    """Everything that the sample draws from."""

    ask: dict[str, tuple[Item, ...]]
    summarize: dict[str, tuple[Item, ...]]
    kb_answerable: tuple[Item, ...]
    kb_unanswerable: tuple[Item, ...]
    new_topic: tuple[Item, ...]


def read(shared: Path) -> Sources:
    """The texts of `shared`, a folder as described in its own README."""
    ragtruth = _rows(shared / "ragtruth_train_part.parquet")
    answerable, unanswerable = _clapnq(shared)
    return Sources(
        ask=_by_model(ragtruth, "QA", _passages),
        summarize=_by_model(ragtruth, "Summary", _news_parts),
        kb_answerable=answerable,
        kb_unanswerable=unanswerable,
        new_topic=_xquad(shared),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def updated_at(document_id: str, first: date, days: int) -> str:
    """A date for a document that has none: fixed by its id, within `days` of `first`."""
    return (first + timedelta(days=zlib.crc32(document_id.encode()) % days)).isoformat()


def _document(document_id: str, text: str, score: float | None = None) -> Document:
    return Document(document_id, text, score, updated_at(document_id, *INDEXED))


def _by_model(
    rows: list[dict[str, Any]], task: str, split: Callable[[str, str], tuple[Document, ...]]
) -> dict[str, tuple[Item, ...]]:
    items: dict[str, list[Item]] = {}
    for row in sorted(rows, key=lambda row: str(row["id"])):
        if row["task_type"] != task or len(row["context"]) > LONGEST_NEWS:
            continue
        item = Item(
            key=row["id"],
            query=row["query"],
            documents=split(row["source_id"], row["context"]),
            answer=row["response"],
            model=row["model"],
            label=int(row["hallucinated"]),
        )
        items.setdefault(row["model"], []).append(item)
    return {model: tuple(found) for model, found in items.items()}


def _passages(source_id: str, context: str) -> tuple[Document, ...]:
    """RAGTruth QA contexts read 'passage 1:... passage 2:...': one document each, in order."""
    parts = [part.strip() for part in re.split(r"(?:^|\n)passage \d+:", context) if part.strip()]
    return tuple(_document(f"web-{source_id}#{n}", part) for n, part in enumerate(parts, start=1))


def _news_parts(source_id: str, article: str) -> tuple[Document, ...]:
    """An article in one to three documents of nearly equal length, cut between sentences."""
    sentences = re.split(r"(?<=[.!?])\s+", article.strip())
    total = sum(len(sentence) for sentence in sentences)
    wanted = 1 if total < 1_500 else 2 if total < 3_500 else 3
    parts: list[list[str]] = [[] for _ in range(wanted)]
    seen = 0
    for sentence in sentences:
        parts[min(wanted - 1, seen * wanted // total)].append(sentence)
        seen += len(sentence)
    texts = [" ".join(part) for part in parts if part]
    # The parts of one article were published on one day.
    published = updated_at(f"news-{source_id}", *INDEXED)
    return tuple(
        Document(f"news-{source_id}#{n}", text, None, published)
        for n, text in enumerate(texts, start=1)
    )


def _retrieve(
    query: str, gold: int, ranking: Bm25, ids: list[str], texts: list[str], how_many: int
) -> tuple[Document, ...]:
    """The best passages by rank; a gold one that the ranking missed takes the last place."""
    best = ranking.order(query)[:how_many]
    if gold not in best:
        best[-1] = gold
    return tuple(_document(ids[i], texts[i], ranking.score(query, i)) for i in best)


def _clapnq(shared: Path) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    corpus = [
        row
        for row in _rows(shared / "clapnq_corpus.parquet")
        if len(row["text"]) <= LONGEST_PASSAGE
    ]
    ids = [f"kb-{row['doc_id']}" for row in corpus]
    texts = [row["text"] for row in corpus]
    place = {row["doc_id"]: index for index, row in enumerate(corpus)}
    gold = {row["query_id"]: row["doc_id"] for row in _rows(shared / "clapnq_qrels.parquet")}
    ranking = Bm25(texts)
    answerable: list[Item] = []
    unanswerable: list[Item] = []
    for row in _rows(shared / "clapnq_queries.parquet"):
        index = place.get(gold[row["query_id"]])
        if index is None:
            continue
        how_many = 3 + zlib.crc32(row["query_id"].encode()) % 3
        documents = _retrieve(row["query"], index, ranking, ids, texts, how_many)
        answer = row["answers"][0] if row["answerable"] else ""
        item = Item(f"clapnq-{row['query_id']}", row["query"], documents, answer)
        (answerable if row["answerable"] else unanswerable).append(item)
    return tuple(answerable), tuple(unanswerable)


def _xquad(shared: Path) -> tuple[Item, ...]:
    corpus = [
        row for row in _rows(shared / "xquad_corpus.parquet") if row["title"] == XQUAD_ARTICLE
    ]
    ids = [f"kb-{row['doc_id'].lower().replace('_', '-')}" for row in corpus]
    texts = [row["text"] for row in corpus]
    place = {row["doc_id"]: index for index, row in enumerate(corpus)}
    ranking = Bm25(texts)
    return tuple(
        Item(
            key=f"xquad-{row['query_id']}",
            query=row["query"],
            documents=_retrieve(row["query"], place[row["doc_id"]], ranking, ids, texts, 3),
            answer=row["answer"],
        )
        for row in _rows(shared / "xquad_queries.parquet")
        if row["doc_id"] in place
    )


def stale(wrong: Item, query: str) -> tuple[Document, ...]:
    """The documents of another question as an index of 2025 would give them for `query`."""
    ranking = Bm25([document.text for document in wrong.documents])
    return tuple(
        replace(
            wrong.documents[i],
            score=ranking.score(query, i),
            updated_at=updated_at(wrong.documents[i].id, *STALE_INDEXED),
        )
        for i in ranking.order(query)
    )
