"""Rows of the labelled sets with what the product sees of them, read by the verifier, which saw none
of them: what the shipped models are fitted on, and what is reported of them."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from claim_pairs import is_development
from numpy.typing import NDArray

from evalkit import prices
from evalkit.agreement.baselines import baselines
from evalkit.agreement.reading import chunks_of
from evalkit.config import Settings
from evalkit.encoders import open_embedder, open_verifier
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch, PairReader, PairReading, TextEmbedder
from evalkit.scoring.features import response_inputs, sentence_inputs
from evalkit.scoring.support import Support, support_of
from evalkit.scoring.verification import Verified, verified

__all__ = ["CLAIMS", "REPORTED", "SPANS", "Row", "rank", "read_rows", "with_readings"]

#: Sets that are reported on.
REPORTED = ("begin", "wice", "bump", "summedits", "ragtruth")
#: Rows with the words that lack support, for span figures alone: all of them are unsupported.
SPANS = ("wice_tokens",)
_SPAN_ROWS = 150
#: Sets of single claims that the models are fitted on beside them; of these only the sources that
#: the verifier's training left out.
CLAIMS = ("factcg_doc", "fool_me_twice", "fever_symmetric")
_BATCH = 128


@dataclass(frozen=True)
class Row:
    """One labelled response with its features, and what the verifier makes of it."""

    dataset: str
    id: str
    source: str
    task: str
    query: str | None
    contexts: tuple[str, ...]
    response: str
    is_unsupported: bool
    spans: tuple[tuple[int, int], ...] | None
    support: Support
    trivial: Mapping[str, float]
    reading: Verified | None = None

    def inputs(self, *, verified: bool) -> NDArray[np.float64]:
        """Inputs of the response model, with the verifier's or without."""
        return response_inputs(self.support, self.reading if verified else None)

    def sentence_inputs(self, *, verified: bool) -> NDArray[np.float64]:
        """Inputs of the sentence model, one row per claim sentence."""
        return sentence_inputs(self.support, self.reading if verified else None)


def read_rows(shared: Path, work: Path, settings: Settings) -> list[Row]:
    """Every row of the reported sets, and the development rows of the claim sets, that has claims.

    Kept in `work` by set: what is there is not made again.
    """
    found: list[Row] = []
    with open_embedder(settings) as embedder:
        for name in (*REPORTED, *SPANS, *CLAIMS):
            path = work / f"rows_{name}.pickle"
            if not path.is_file():
                rows = _rows(shared, name, embedder)
                path.write_bytes(pickle.dumps(rows))
                print(f"{name}: {len(rows)} rows", flush=True)
            found.extend(pickle.loads(path.read_bytes()))  # noqa: S301  (written by this script)
    return found


def with_readings(rows: Sequence[Row], settings: Settings) -> list[Row]:
    """The rows as the shipped verifier reads them; what it read before is in the settings' cache."""
    found: list[Row] = []
    with open_verifier(settings) as reader:
        for begin in range(0, len(rows), _BATCH):
            part = rows[begin : begin + _BATCH]
            batch = _batch(part, _Known(), reader)
            supports = [row.support for row in part]
            batch.memo("support", partial(list, supports))
            readings = verified(batch, range(len(part))) or {}
            found += [replace(row, reading=readings[k]) for k, row in enumerate(part)]
    return found


class _Known:
    """Stands in for an embedder where the supports are known already."""

    dim = 1

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError("nothing is embedded twice")


class _Nobody:
    """Stands in for the verifier where evidence is chosen and not read yet."""

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[PairReading]:
        raise AssertionError("nothing is read twice")


def _rows(shared: Path, name: str, embedder: TextEmbedder) -> list[Row]:
    items = list(_items(shared, name))
    if name in SPANS:  # whole pages: a share of them is enough
        items = sorted(items, key=lambda item: rank(item["id"]))[:_SPAN_ROWS]
    found: list[Row] = []
    for begin in range(0, len(items), _BATCH):
        part = items[begin : begin + _BATCH]
        plain = [_plain(item) for item in part]
        batch = _batch(plain, embedder, _Nobody())
        trivial = baselines(batch)
        for k, support in enumerate(support_of(batch)):
            if support.status is None:
                floors = {floor: float(values[k]) for floor, values in trivial.items()}
                found.append(replace(plain[k], support=support, trivial=floors))
    return found


def _items(shared: Path, name: str) -> Iterable[dict[str, Any]]:
    file = "claims" if name in CLAIMS else "groundedness"
    file = "ragtruth_train_part" if name == "ragtruth" else file
    for item in pq.read_table(shared / f"{file}.parquet").to_pylist():
        item.setdefault("dataset", "ragtruth")
        if item["dataset"] != name or item["hallucinated"] is None:
            continue
        if name in CLAIMS and not is_development(item["source_id"]):
            continue
        yield item


def _plain(item: Mapping[str, Any]) -> Row:
    contexts = chunks_of(item["context"])
    if item["dataset"] == "fool_me_twice":
        contexts += [t for t in json.loads(item["detail"])["retrieved"] if t not in item["context"]]
    spans = item.get("labels")
    return Row(
        dataset=item["dataset"],
        id=f"{item['dataset']} {item['id']}",
        source=str(item["source_id"]),
        task=item["task_type"],
        query=item["query"] or None,
        contexts=tuple(contexts),
        response=item["response"],
        is_unsupported=item["hallucinated"],
        spans=None if spans is None else tuple((s["start"], s["end"]) for s in spans),
        support=Support("not_applicable", (), np.zeros((0, 0)), np.zeros((0, 0)), (), ()),
        trivial={},
    )


def _batch(rows: Sequence[Row], embedder: TextEmbedder, reader: PairReader | None) -> Batch:
    frame = pd.DataFrame(
        {
            "query": [row.query for row in rows],
            "response": [row.response for row in rows],
            "contexts": [list(row.contexts) for row in rows],
        }
    )
    return Batch(interactions_from(frame), embedder, prices.load(None), {}, verifier=reader)


def rank(text: str) -> str:
    """A fixed order that means nothing."""
    return hashlib.sha256(text.encode()).hexdigest()
