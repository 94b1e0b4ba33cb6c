"""The labelled rows that the shipped models are fitted on: which sets, how many of each, and
why."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from evalkit.agreement.reading import chunks_of


@dataclass(frozen=True)
class TrainingSet:
    """One set: how many of its sources are used, how much it weighs, and what it is.

    `weight` is the set's share of the fit, whatever its size; both classes weigh the same within
    it.
    Sets of minimal edits weigh less: there, by design, the words of true and false claims are
    alike, and the true ones are often the freer paraphrases.
    """

    name: str
    file: str
    sources: int
    weight: float
    what: str
    license: str


SETS = (
    TrainingSet(
        "begin", "groundedness", 600, 1.0,
        "BEGIN: dialogue turns of four generators against their knowledge snippet",
        "CC-BY-4.0, CDLA-Sharing-1.0",
    ),
    TrainingSet(
        "wice", "groundedness", 80, 1.0,
        "WiCE: Wikipedia sentences against the whole page that they cite",
        "ODC-BY-1.0, text CC-BY-SA-4.0 and Common Crawl terms",
    ),
    TrainingSet(
        "factcg_doc", "claims", 350, 1.0,
        "FactCG CG2C-doc: machine-made multi-hop claims against documents",
        "MIT",
    ),
    TrainingSet(
        "fool_me_twice", "claims", 250, 0.5,
        "FoolMeTwice: claims of a game, against gold and ten retrieved sentences",
        "Apache-2.0, text CC-BY-SA",
    ),
    TrainingSet(
        "fever_symmetric", "claims", 250, 0.5,
        "FeverSymmetric: claims with a twin of nearly the same words and the other label",
        "CC-BY-SA-3.0",
    ),
    TrainingSet(
        "bump", "groundedness", 80, 0.3,
        "BUMP: news summaries with one error put in by hand",
        "MIT",
    ),
    TrainingSet(
        "summedits", "groundedness", 36, 0.2,
        "SummEdits: summaries of talks, mails and papers with minimal edits",
        "Apache-2.0",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One labelled response."""

    dataset: str
    source: str
    query: str | None
    contexts: tuple[str, ...]
    response: str
    is_unsupported: bool


def read_rows(shared: Path) -> list[Row]:
    """The rows of all sets, in a fixed order.

    Of each set the sources with the smallest SHA-256 of their key are used, so that a sample is
    fixed without a seed and a source is in with all its rows or not at all. Rows without a claim
    (null label) are left out.
    """
    found: list[Row] = []
    for chosen in SETS:
        table = pq.read_table(shared / f"{chosen.file}.parquet").to_pylist()
        rows = [
            Row(
                dataset=chosen.name,
                source=str(item["source_id"]),
                query=item["query"] or None,
                contexts=_contexts(item),
                response=item["response"],
                is_unsupported=item["hallucinated"],
            )
            for item in table
            if item["dataset"] == chosen.name and item["hallucinated"] is not None
        ]
        kept = set(sorted({row.source for row in rows}, key=_rank)[: chosen.sources])
        found.extend(row for row in rows if row.source in kept)
    return found


def _contexts(item: dict[str, str]) -> tuple[str, ...]:
    parts = chunks_of(item["context"])
    if item["dataset"] == "fool_me_twice":
        # Gold evidence alone is easier than what a retriever gives: its ten sentences come along.
        retrieved = json.loads(item["detail"])["retrieved"]
        parts.extend(text for text in retrieved if text not in item["context"])
    return tuple(parts)


def _rank(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
