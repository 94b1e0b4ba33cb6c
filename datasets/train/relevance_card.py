"""Writes the card of the model `answer_relevance` from the figures of its training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "evouna": "EVOUNA",
    "xquad": "XQuAD",
    "topical_chat": "Topical-Chat",
    "clapnq": "CLAPnq",
    "ragtruth": "RAGTruth QA",
}
_KINDS = {
    "all": "all kinds together, as at hand",
    "random": "the answer of another question",
    "hard": "the answer of the nearest other question",
    "hard, same kind": "the same, where both ask for one kind of thing",
    "cut": "the right answer cut out of the response",
    "echo": "an echo of the question",
    "restated": "the question asked back",
    "generic": "a response that fits any question",
    "refusal": "a refusal",
}
# Below so many wrong answers a figure says nothing.
_FEWEST = 20
_SCORES = ("model", "foreign", "version_1", "cosine")


def card(model: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The card, Markdown.

    Args:
        model: the content of the model's file.
        figures: per source what `figures_of` gives.
    """
    return f"""# answer_relevance

The probability that a response speaks to what was asked. It does not say that the answer is right.

A logistic regression on {len(model["features"])} features of sentence embeddings, word overlap and
the kind of answer that the question asks for (`evalkit/scoring/relevance.py`). Inputs are clipped
to the 0.5 % and 99.5 % quantiles of the training rows and standardised; no weight may be negative,
since each input is made so that higher means more relevant. Runs on numpy; the file holds
everything and is refused when its hash does not fit.

- Calibrated to a prior of {model["prior"]:.0%} relevant responses; where yours is another, the
  order holds and the level does not. A response that gives no evidence either way gets about that
  value, and so does a bare answer of a few words, unless its kind is not the one that is asked for.
- Shipped threshold: {model["threshold"]:.3f}, the best balanced accuracy on held-out rows.
- Encoder: `{model["encoder"]}`.
- SHA-256 of the content: `{model["sha256"]}`.

## Training data

| source | rows | questions | relevant | weight | licence |
| --- | --- | --- | --- | --- | --- |
{_training(model)}

Relevant are answers that people judged right, wrote themselves or rated well. That an answer is
wrong says little of relevance: most wrong answers are on the subject, so they are not fitted on.
What does not answer is made, in seven kinds: the answer of another question (a distant one, and
the nearest that is not the same question: cosine under 0.85, above which 99 % of CLINC150 queries
share their intent, and no common word in the right answers); the right answer cut out of the
response; an echo of the question; the question asked back; a response that fits any question; a
refusal. The last four are phrased by hand, with other phrasings in the sources that are fitted on
than in those that are only measured on. No row of RAGTruth or CLAPnq is in the fit; the list of
inputs and the weights of the sources were settled with figures on them in view, so their figures
are out of sample for the fit, and not quite for those choices.

## How well it does

AUROC of relevant responses against each kind. "model": rows of fitted sources by a model without
their family of questions (five folds), rows of the others by the shipped model; "other sources":
by a model that saw nothing of the source; "version 1": the mean of the cosines of the whole and of
the three nearest sentences, which this metric was before; "cosine": of question and response.

{_kinds(figures)}

### By length

Relevant responses against the answers of other questions of the same length, in words; then the
mean and the 10 % quantile of the probability of relevant ones.

{_lengths(figures)}

Spearman's rank correlation of score and length among relevant responses:

{_correlations(figures)}

### Calibration

Expected calibration error at the prior, ten bins, kinds weighed as in the fit, held-out rows:
{_ece(figures)}.

### Right and wrong

How often a right answer stands above a wrong one to the same question, for information:

{_wrong(figures)}

About 0.5 is what a measure of relevance should have here: a wrong answer to the question is still
an answer to the question. Do not read this metric as correctness.

## Weights

| input | weight of one standard deviation |
| --- | --- |
{_weights(model)}

Also tried, without gain on held-out rows: the share of words copied from the question counted
without their rarity, and whether a person, place, reason or list is missing in a short answer. The
share of the question's subject that is taken up counts for next to nothing.

## Where it fails

- A bare answer of the right kind from another question ("1969" for "1492") cannot be told from a
  right one by question and response alone: both get about the prior.
- An answer to the nearest other question of the same kind is often taken for relevant, the more
  words they share.
- A response from which only the answer is missing is seen for dates and amounts, and hardly else.
- Small talk is worse than questions of fact: replies in chats leave the words of the question.
- Only the query is read, not the history: a follow-up ("and in winter?") is held against its own
  few words.
- The kind of answer, stop words and phrases are English. In other languages the cosines and copied
  words are left, and have not been measured.
- The kinds of negatives are made, not found: how often each occurs in your traffic is not known,
  and the pooled figures depend on it.
"""


def _training(model: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {item['what']} | {item['rows']:,} | {item['sources']:,} | {item['positives']:,} | "
        f"{item['weight']} | {item['license']} |"
        for item in model["training"]
    )


def _kinds(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| source (relevant) | against | n | model | other sources | version 1 | cosine |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, figure in figures.items():
        for kind, item in figure["kinds"].items():
            lines.append(
                f"| {_NAMES[name]} ({figure['n']:,}) | {_KINDS[kind]} | {item['n']:,} | "
                + " | ".join(_figure(item[score]) for score in _SCORES)
                + " |"
            )
    return "\n".join(lines)


def _lengths(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| source | words | n | others | model | version 1 | cosine | mean | 10 % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, figure in figures.items():
        for item in figure["lengths"]:
            columns = ("model", "version_1", "cosine", "mean", "tenth")
            lines.append(
                f"| {_NAMES[name]} | {item['words']} | {item['n']:,} | {item['others']:,} | "
                + " | ".join(_figure(item[column]) for column in columns)
                + " |"
            )
    return "\n".join(lines)


def _correlations(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| source | model | version 1 | cosine |", "| --- | --- | --- | --- |"]
    for name, figure in figures.items():
        ranks = figure["rank_with_length"]
        columns = ("model", "version_1", "cosine")
        lines.append(f"| {_NAMES[name]} | " + " | ".join(_figure(ranks[c]) for c in columns) + " |")
    return "\n".join(lines)


def _ece(figures: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{_NAMES[name]} {figure['ece']:.3f}" for name, figure in figures.items())


def _wrong(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| source | wrong answers | model | version 1 | cosine |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figure in figures.items():
        wrong = figure["wrong"]
        if wrong["n"] >= _FEWEST and wrong["model"] is not None:
            columns = ("model", "version_1", "cosine")
            lines.append(
                f"| {_NAMES[name]} | {wrong['n']:,} | "
                + " | ".join(_figure(wrong[column]) for column in columns)
                + " |"
            )
    return "\n".join(lines)


def _weights(model: Mapping[str, Any]) -> str:
    ranked = sorted(model["features"], key=lambda column: -column["coefficient"])
    return "\n".join(f"| {column['name']} | {column['coefficient']:.3f} |" for column in ranked)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
