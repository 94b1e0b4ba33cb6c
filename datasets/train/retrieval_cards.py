"""Writes the cards of `chunk_relevance` and `context_sufficiency` from the figures of their training
run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SETS = {"clapnq": "CLAPnq", "xquad": "XQuAD", "fool_me_twice": "FoolMeTwice"}
_SCORES = {"model": "chunk_relevance", "bm25": "BM25 (with titles)", "cosine": "plain cosine"}
_FAULTS = ("retriever_miss", "not_in_corpus", "ranked_out", "ignored_by_generator")


def relevance_card(model: Mapping[str, Any], held_out: Sequence[Mapping[str, Any]]) -> str:
    """The card of `chunk_relevance`, Markdown."""
    table = [
        "| set | by | nDCG@10 | P@1 | AUROC, near | AUROC, other |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {_name(item)} ({item['questions']:,} questions) | {_SCORES[by]} | "
            f"{item[by]['ndcg10']:.3f} | {item[by]['p1']:.3f} | {item[by]['auroc_near']:.3f} | "
            f"{item[by]['auroc_other']:.3f} |"
            for item in held_out
            for by in _SCORES
        ),
    ]
    return f"""# chunk_relevance

The probability that a chunk speaks of what was asked. `context_relevance` and `context_precision`
are made of it, and the fault split ranks by it.

A logistic regression on {len(model["features"])} features (`evalkit/scoring/ranking.py`): the cosine of the question
to the whole chunk, to its nearest sentence or pair of neighbouring ones, and BM25 over the most that
BM25 could be, with the rarity of words in English at large (`evalkit/text/rarity.txt`) in place of a
corpus. So a chunk's value depends on the question and the chunk alone. No weight may be negative.

- Calibrated to {model["prior"]:.0%} relevant chunks, on sets that were held out; where yours is another
  share, the order holds and the level does not.
- Encoder: `{model["encoder"]}`.
- SHA-256 of the content: `{model["sha256"]}`.

## Training data

{_training(model)}

Positives are the passages that questions (or claims) rest on. Negatives are, for each, the five best
others by BM25 and by cosine, and five that are near by neither; they weigh 35 : 15 against 50 for the
positives, and each set weighs the same. 60 questions of CLAPnq are left out: the project's tests use
them. No other questions of people are public under a licence that lets them be redistributed here.

## On sets that it was not fitted on

CLAPnq by a model fitted on XQuAD and FoolMeTwice, XQuAD by one fitted on CLAPnq and FoolMeTwice: over
the set's whole small corpus (597 and 240 passages; those beyond the first 40 by BM25 and by cosine are
not ranked). AUROC: the gold passage against near and against other ones.

{chr(10).join(table)}

On CLAPnq its AUROC against near passages is not above that of plain cosine. Of eight lists of inputs
that were tried this one ranks best over both sets (they differ by up to 0.02 nDCG), and FoolMeTwice
was added because XQuAD alone trusts words too much, its questions being written from the paragraph.
Both choices were made with these figures at hand, so that they are a little kind.

## Weights

{_weights(model)}

## Where it fails

- A passage that never names its subject (the title does) looks less relevant than it is. Log chunks
  with their title.
- Two chunks of one page about the same thing are as good as each other to it, whichever answers.
- It judges nearness, not truth: a chunk that contradicts the answer is relevant.
- English only: stems, stop words and rarity are English. Other languages rest on the cosines alone,
  and on words, names and numbers that are written alike; that has not been measured.
"""


def sufficiency_card(model: Mapping[str, Any], held_out: Sequence[Mapping[str, Any]]) -> str:
    """The card of `context_sufficiency`, Markdown."""
    table = [
        "| set | one passage, AUROC (n) | five passages, AUROC (n) |",
        "| --- | --- | --- |",
        *(
            f"| {_name(item)} | {item['sufficiency_1']['auroc']:.3f} ({item['sufficiency_1']['n']:,}) "
            f"| {item['sufficiency_5']['auroc']:.3f} ({item['sufficiency_5']['n']:,}) |"
            for item in held_out
        ),
    ]
    faults = [
        "| set | cases | right | " + " | ".join(name.replace("_", " ") for name in _FAULTS) + " |",
        "| --- | --- | --- |" + " --- |" * len(_FAULTS),
        *(
            f"| {_name(item)} | {item['faults']['n']:,} | {item['faults']['right']:.3f} | "
            + " | ".join(f"{item['faults'][name]:.3f}" for name in _FAULTS)
            + " |"
            for item in held_out
        ),
    ]
    return f"""# context_sufficiency

The probability that a question can be answered from a chunk; of a whole context, that of its best
chunk. The fault split uses it too.

A logistic regression on {len(model["features"])} features (`evalkit/scoring/ranking.py`): those of
`chunk_relevance`, and how many of the question's words the chunk holds, holds within three sentences,
and holds side by side.

- Calibrated to {model["prior"]:.0%} answerable questions, on sets that were held out.
- Threshold {model["threshold"]:.3f}: of log-odds plus lead, in the fault split (`fault_of` in
  `evalkit/scoring/scorers/retrieval_fault.py`). It has the most planted cases right on the training
  sets.
- Encoder: `{model["encoder"]}`.
- SHA-256 of the content: `{model["sha256"]}`.

## Training data

{_training(model)}

CLAPnq: passages that people found to answer the question, against those that they found not to,
alone and with the four nearest other passages. XQuAD: the paragraph that the question was written
from, against the nearest other one, alone and among five. 60 questions of CLAPnq are left out: the
project's tests use them.

## On sets that it was not fitted on

CLAPnq by a model fitted on XQuAD, XQuAD by one fitted on CLAPnq.

{chr(10).join(table)}

## The fault split on planted cases

Four cases per question, of the set that nothing was fitted on, threshold included: the gold passage
not retrieved (retriever miss), nowhere (not in corpus), last of five (ranked out), first of five and
not followed (ignored by generator). The retriever is the encoder's plain cosine, so what stands beside
or instead of the gold passage is as near as it gets. The answer's text plays no part: that it is bad
is given, and the split looks at the chunks alone. That a lead counts, and how much (2.0), was settled
with these figures at hand (between weights of 1 and 3 they differ by up to 0.02).

{chr(10).join(faults)}

## Weights

{_weights(model)}

## Where it fails

- It sees whether a chunk speaks of the same things, not whether the answer is in it. Sibling
  paragraphs of one article look as if they answered (XQuAD, not in corpus).
- Answers that have to be put together from several chunks look harder than they are: each chunk is
  judged alone.
- Questions of CLAPnq that have no answer are often vague as well: part of what it learns is that.
- English only, as `chunk_relevance`.
"""


def _name(item: Mapping[str, Any]) -> str:
    return _SETS[item["dataset"]] + (", titles before texts" if item.get("titles") else "")


def _training(model: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "| set | rows | positives | licence |",
            "| --- | --- | --- | --- |",
            *(
                f"| {item['what']} | {item['rows']:,} | {item['positives']:,} | {item['license']} |"
                for item in model["training"]
            ),
        ]
    )


def _weights(model: Mapping[str, Any]) -> str:
    ranked = sorted(model["features"], key=lambda column: -column["coefficient"])
    return "\n".join(
        [
            "| input | weight of one standard deviation |",
            "| --- | --- |",
            *(f"| {column['name']} | {column['coefficient']:.3f} |" for column in ranked),
        ]
    )
