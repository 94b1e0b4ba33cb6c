"""The claims that the verifier learns from: each a sentence with its evidence, its label, and the
words that lack support where those are known."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
# Of the long logic sets a share is enough; tables that do not fit into the evidence are left out.
_KEPT = {"conj_nli": 0.3, "med": 0.4, "tabfact": 0.2}
_TABLE_CHARS = 1500
_NO_PASSAGES = ("med", "tabfact", "conj_nli", "fever_symmetric")
# Passage sentences that are used as claims, per document.
_SENTENCES = {"clapnq": 5, "xquad": 5, "factcg_doc": 4}
# Sets of whole passages: one of their sentences is also read against the rest of its own passage.
_WHOLE = ("clapnq", "xquad", "factcg_doc")
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
    found = [pair for item in _rows(shared, wanted) for pair in _of_row(item)]
    if "clapnq" in wanted:
        found.extend(_answers(shared))
    if "xquad" in wanted:
        found.extend(_questions(shared))
    found.extend(_copies(pool))
    evidence = _Evidence(embed).choose(found)
    return [
        Pair(o.dataset, o.source, o.row, o.claim, text, o.is_unsupported, o.spans, o.is_copy)
        for o, text in zip(found, evidence, strict=True)
        if text
    ]


def _rows(shared: Path, wanted: set[str]) -> Iterable[dict[str, Any]]:
    random = np.random.default_rng(0)
    for item in pq.read_table(shared / "claims.parquet").to_pylist():
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


def _of_row(item: Mapping[str, Any]) -> Iterable[_Open]:
    """The sentences of a supported claim; an unsupported one as a whole, when it is short."""
    claim: str = item["response"]
    wrong: bool = item["hallucinated"]
    texts = _texts(item)
    if wrong and (len(split(claim)) == 1 or len(claim.split()) < 60):
        yield _Open(item["dataset"], item["source_id"], item["id"], claim, texts, True, None)
    if not wrong:
        for span in split(claim):
            part = claim[span.start : span.end]
            yield _Open(item["dataset"], item["source_id"], item["id"], part, texts, False, ())


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


# What a question asks for: its place in the sentence is where the answer goes.
_ASKED = re.compile(
    r"\b(?:(?:in|on|at|for|to|from|by|with|of|during|under)\s+)?"
    r"(?:how\s+(?:many|much|long|old|far|often)|whose|whom|who|when|where|what|which|why|how)\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d")


def _questions(shared: Path) -> Iterable[_Open]:
    """Claims in the words of people: XQuAD's questions with the answer in place of what they ask
    for, and with another answer of the same paragraph, which is unsupported.

    Demszky, Guu and Liang (2018), Transforming question answering datasets into natural language
    inference datasets, arXiv:1809.02922, without its grammar.
    """
    random = np.random.default_rng(2)
    text = {
        item["doc_id"]: item["text"]
        for item in pq.read_table(shared / "xquad_corpus.parquet").to_pylist()
    }
    answers: dict[str, list[str]] = {}
    items = pq.read_table(shared / "xquad_queries.parquet").to_pylist()
    for item in items:
        answers.setdefault(item["doc_id"], []).append(item["answer"])
    for item in items:
        place = _ASKED.search(item["query"])
        if place is None:
            continue
        source, right = item["doc_id"], item["answer"]

        def made(answer: str, is_wrong: bool, item: Any = item, place: Any = place) -> _Open:
            query = item["query"].rstrip(" ?")
            claim = f"{query[: place.start()]}{answer}{query[place.end() :]}."
            spans = ((place.start(), place.start() + len(answer)),) if is_wrong else ()
            claim = claim[:1].upper() + claim[1:]
            return _Open(
                "xquad", item["doc_id"], item["query_id"], claim, (text[item["doc_id"]],),
                is_wrong, spans,
            )  # fmt: skip

        yield made(right, False)
        others = [
            other
            for other in dict.fromkeys(answers[source])
            if other.lower() not in right.lower()
            and right.lower() not in other.lower()
            and bool(_DIGITS.search(other)) == bool(_DIGITS.search(right))
        ]
        if others:
            yield made(others[int(random.integers(len(others)))], True)


def _copies(pool: Sequence[Pool]) -> Iterable[_Open]:
    """Sentences of the passages, each supported by itself: what edits are made of. Of a whole
    passage one sentence more is held against all the others, which rarely support it."""
    random = np.random.default_rng(1)
    for one in pool:
        found = [text[s.start : s.end] for text in one.texts for s in split(text)]
        fit = [
            sentence
            for sentence in found
            if len(sentence.split()) in _WORDS and sentence[:1].isupper()
        ]
        most = _SENTENCES.get(one.dataset, 1)
        kept = fit
        if len(fit) > most:
            kept = [fit[i] for i in sorted(random.choice(len(fit), most, replace=False))]
        for sentence in kept:
            yield _Open(one.dataset, one.source, "", sentence, one.texts, False, (), is_copy=True)
        if one.dataset in _WHOLE and len(fit) > 1 and len(found) > 2:
            sentence = fit[int(random.integers(len(fit)))]
            rest = tuple(text.replace(sentence, " ") for text in one.texts)
            yield _Open(one.dataset, one.source, "", sentence, rest, True, None, is_copy=True)


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
