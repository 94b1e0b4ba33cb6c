"""The claims that the verifier learns from: each a sentence with its evidence, its label, and the
words that lack support where those are known."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.agreement.reading import chunks_of
from evalkit.scoring.evidence import EVIDENCE_WORDS, choose
from evalkit.scoring.passages import Context, Words, claims
from evalkit.text.sentences import split
from evalkit.text.tokens import tokens

__all__ = [
    "BASE_SETS",
    "LABELLED_SETS",
    "Pair",
    "Pool",
    "is_development",
    "read_pairs",
    "read_pool",
]

#: Sets of single claims, and passages without claims: none of them is reported on.
BASE_SETS = (
    "fool_me_twice",
    "factcg_doc",
    "fever_symmetric",
    "conj_nli",
    "med",
    "tabfact",
    "clapnq",
    "xquad",
)
#: Sets of whole responses. RAGTruth is not among them: it is the product's sample and its test.
LABELLED_SETS = ("begin", "wice", "wice_tokens", "bump", "summedits")
# Of the long logic sets a share is enough; tables that do not fit into the evidence are left out.
_KEPT = {"conj_nli": 0.4, "med": 0.6, "tabfact": 0.25}
_TABLE_CHARS = 1500
_NO_PASSAGES = ("med", "tabfact", "conj_nli", "fever_symmetric")
# Passage sentences that are used as claims, per document.
_SENTENCES = {"clapnq": 5, "xquad": 5, "wice": 3, "wice_tokens": 2, "bump": 10, "summedits": 10}
_WORDS = range(7, 46)
# Sentences of a long page that are embedded: those that share most words with the claim.
_EMBEDDED = 40

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Chars = tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """One claim.

    `spans` are the characters of the claim that lack support: () for a supported claim, None where
    they are not known. `is_copy` marks a sentence of the passage itself.
    """

    dataset: str
    source: str
    row: str
    claim: str
    evidence: str
    is_unsupported: bool
    spans: tuple[Chars, ...] | None
    is_copy: bool = False


@dataclass(frozen=True)
class Pool:
    """One document: what edits may draw names, numbers and phrases from."""

    dataset: str
    source: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class _Open:
    """A pair whose evidence is still to be chosen from its texts."""

    dataset: str
    source: str
    row: str
    claim: str
    texts: tuple[str, ...]
    is_unsupported: bool
    spans: tuple[Chars, ...] | None
    is_copy: bool = False


def is_development(source: str) -> bool:
    """Whether a source is kept out of training, to see how it goes (one in twelve)."""
    return int(hashlib.sha256(source.encode()).hexdigest()[:4], 16) % 12 == 0


def read_pool(shared: Path, datasets: Iterable[str]) -> list[Pool]:
    """The documents of some sets."""
    wanted = set(datasets)
    found: dict[tuple[str, str], Pool] = {}
    for name in ("clapnq", "xquad"):
        if name in wanted:
            for item in pq.read_table(shared / f"{name}_corpus.parquet").to_pylist():
                found[name, item["doc_id"]] = Pool(name, item["doc_id"], (item["text"],))
    for item in _rows(shared, wanted - set(_NO_PASSAGES)):
        key = (item["dataset"], item["source_id"])
        if key not in found:
            found[key] = Pool(*key, _texts(item))
    return list(found.values())


def read_pairs(
    shared: Path, datasets: Iterable[str], pool: Sequence[Pool], embed: Embed
) -> list[Pair]:
    """All pairs of some sets, in a fixed order: labelled ones, then sentences of the passages."""
    wanted = set(datasets)
    found = [pair for item in _rows(shared, wanted) for pair in _of_row(item, shared)]
    if "clapnq" in wanted:
        found.extend(_answers(shared))
    found.extend(_copies(pool))
    evidence = _Evidence(embed).choose(found)
    return [
        Pair(o.dataset, o.source, o.row, o.claim, text, o.is_unsupported, o.spans, o.is_copy)
        for o, text in zip(found, evidence, strict=True)
        if text
    ]


def _rows(shared: Path, wanted: set[str]) -> Iterable[dict[str, Any]]:
    random = np.random.default_rng(0)
    for name in ("groundedness", "claims"):
        for item in pq.read_table(shared / f"{name}.parquet").to_pylist():
            if item["dataset"] not in wanted or item["hallucinated"] is None:
                continue
            if random.random() > _KEPT.get(item["dataset"], 1.0):
                continue
            if item["dataset"] == "tabfact" and len(item["context"]) > _TABLE_CHARS:
                continue
            yield item


def _texts(item: Mapping[str, Any]) -> tuple[str, ...]:
    parts = chunks_of(item["context"])
    if item["dataset"] == "fool_me_twice" and int(item["id"].rsplit("-", 1)[-1]) % 2:
        # Gold evidence alone is easier than what a retriever gives: half of the rows get both.
        parts += [t for t in json.loads(item["detail"])["retrieved"] if t not in item["context"]]
    return tuple(parts)


@cache
def _references(shared: Path) -> dict[str, list[str]]:
    """The unedited summaries of BUMP, per article."""
    found: dict[str, list[str]] = {}
    for item in pq.read_table(shared / "groundedness.parquet").to_pylist():
        if item["dataset"] == "bump" and not item["hallucinated"]:
            found.setdefault(item["source_id"], []).append(item["response"])
    return found


def _of_row(item: Mapping[str, Any], shared: Path) -> Iterable[_Open]:
    """The sentences of a response that have a label of their own.

    Where an unsupported response has one sentence, or is an edit of a supported one (BUMP,
    SummEdits), its sentences do; other unsupported responses are one claim when they are short.
    """
    response: str = item["response"]
    wrong: bool = item["hallucinated"]
    spans: list[Chars] | None = None if wrong else []
    if wrong and item["dataset"] == "bump":
        original = max(
            _references(shared)[item["source_id"]],
            key=lambda text: difflib.SequenceMatcher(None, text.split(), response.split()).ratio(),
        )
        spans = changed(original, response) or None
    elif wrong and item["dataset"] == "summedits":
        spans = changed(json.loads(item["detail"])["original_summary"], response) or None
    elif wrong and item["dataset"] == "wice_tokens":
        spans = [(span["start"], span["end"]) for span in item["labels"]]
    texts = _texts(item)

    def made(claim: str, is_wrong: bool, places: tuple[Chars, ...] | None) -> _Open:
        return _Open(item["dataset"], item["source_id"], item["id"], claim, texts, is_wrong, places)

    found = split(response)
    if spans is None and len(found) != 1:
        if len(response.split()) < 60:
            yield made(response, True, None)
        return
    for span in found:
        claim = response[span.start : span.end]
        if spans is None:
            yield made(claim, True, None)
            continue
        inside = tuple(
            (max(start, span.start) - span.start, min(end, span.end) - span.start)
            for start, end in spans
            if start < span.end and end > span.start
        )
        yield made(claim, bool(inside), inside)


def changed(original: str, edited: str) -> list[Chars]:
    """Characters of an edited text that differ from the original, by words; beside a deletion the
    words on both sides of it."""
    old = [m[0].lower() for m in re.finditer(r"\S+", original)]
    new = list(re.finditer(r"\S+", edited))
    matcher = difflib.SequenceMatcher(None, old, [m[0].lower() for m in new], autojunk=False)
    found = []
    for kind, _, _, low, high in matcher.get_opcodes():
        if kind == "delete":
            low, high = max(0, low - 1), min(len(new), low + 1)
        if kind != "equal" and high > low:
            found.append((new[low].start(), new[high - 1].end()))
    return found


def _answers(shared: Path) -> Iterable[_Open]:
    """The human answers of CLAPnq, sentence by sentence: all supported by their passage."""
    text = {
        item["doc_id"]: item["text"]
        for item in pq.read_table(shared / "clapnq_corpus.parquet").to_pylist()
    }
    gold = {
        item["query_id"]: item["doc_id"]
        for item in pq.read_table(shared / "clapnq_qrels.parquet").to_pylist()
        if item["relevance"] == 1
    }
    for item in pq.read_table(shared / "clapnq_queries.parquet").to_pylist():
        if item["answerable"]:
            source = gold[item["query_id"]]
            for answer in item["answers"]:
                for span in split(answer):
                    claim = answer[span.start : span.end]
                    yield _Open(
                        "clapnq", source, item["query_id"], claim, (text[source],), False, ()
                    )


def _copies(pool: Sequence[Pool]) -> Iterable[_Open]:
    """Sentences of the passages, each supported by itself: what edits are made of."""
    random = np.random.default_rng(1)
    for one in pool:
        found = [text[s.start : s.end] for text in one.texts for s in split(text)]
        fit = [
            sentence
            for sentence in found
            if len(sentence.split()) in _WORDS
            and (sentence[:1].isupper() or one.dataset == "begin")
        ]
        most = _SENTENCES.get(one.dataset, 1)
        if len(fit) > most:
            fit = [fit[i] for i in sorted(random.choice(len(fit), most, replace=False))]
        for sentence in fit:
            yield _Open(one.dataset, one.source, "", sentence, one.texts, False, (), is_copy=True)


class _Evidence:
    """Chooses evidence as the product does, except that of a long page only the sentences that
    share words with the claim are embedded."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._words = Words()
        self._contexts: dict[tuple[str, ...], Context] = {}

    def choose(self, pairs: Sequence[_Open]) -> list[str]:
        plans = [self._plan(pair) for pair in pairs]
        texts: dict[str, int] = {}
        for pair, (sentences, more) in zip(pairs, plans, strict=True):
            if more is not None:
                for text in (pair.claim, *(sentences[j] for j in more[2])):
                    texts.setdefault(text, len(texts))
        vectors = self._embed(list(texts)).astype(np.float64) if texts else np.zeros((0, 1))
        found = []
        for pair, (sentences, more) in zip(pairs, plans, strict=True):
            chosen = list(range(len(sentences)))
            if more is not None:
                hits, share, top = more
                cosine = np.full(len(sentences), -1.0)
                cosine[top] = (
                    vectors[[texts[sentences[j]] for j in top]] @ vectors[texts[pair.claim]]
                )
                # What is not embedded is made too long to be chosen.
                sizes = np.full(len(sentences), 10 * EVIDENCE_WORDS)
                sizes[top] = [len(sentences[j].split()) for j in top]
                chosen = choose(cosine, hits, share, sizes.tolist())
            found.append(" ".join(sentences[j].strip() for j in chosen))
        return found

    def _plan(
        self, pair: _Open
    ) -> tuple[
        list[str], tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]] | None
    ]:
        context = self._context(pair.texts)
        n = len(context)
        sentences = [context.sentence(j) for j in range(n)]
        if sum(len(sentence.split()) for sentence in sentences) <= EVIDENCE_WORDS:
            return sentences, None
        distinct = list(dict.fromkeys(claims(t.word for t in tokens(pair.claim))))
        hits = np.zeros((len(distinct), n))
        weight = np.empty(len(distinct))
        for k, word in enumerate(distinct):
            places = context.where(word)
            hits[k, places] = 1.0
            weight[k] = np.log1p(n / (1 + len(places)))
        share = weight / max(weight.sum(), 1e-9)
        top = np.argsort(-(share @ hits), kind="stable")[:_EMBEDDED]
        return sentences, (hits, share, top)

    def _context(self, texts: tuple[str, ...]) -> Context:
        if texts not in self._contexts:
            self._contexts[texts] = self._words.context(texts, [split(text) for text in texts])
        return self._contexts[texts]
