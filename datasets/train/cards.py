"""Writes the cards of the shipped models from the figures of their training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SETS = {
    "begin": "BEGIN",
    "wice": "WiCE",
    "factcg_doc": "FactCG doc",
    "fool_me_twice": "FoolMeTwice",
    "fever_symmetric": "FeverSymmetric",
    "bump": "BUMP",
    "summedits": "SummEdits",
}


_VERIFIED = (
    "word overlap, numbers, names, negation and sentence embeddings, and of what the verifier "
    "(`evalkit/encoders/weights/verifier.md`) makes of each sentence and word"
)
_EMBEDDINGS = "word overlap, numbers, names, negation and sentence embeddings"
_TIERS = {
    True: "With the verifier. Its twin without is `{name}_embeddings` (`[scoring] verifier = false`).",
    False: "The cheap tier, without the verifier (`[scoring] verifier = false`).",
}


def hallucination_card(
    model: Mapping[str, Any], held_out: Sequence[Mapping[str, Any]], verified: bool
) -> str:
    """The card of `hallucination` or `hallucination_embeddings`, Markdown."""
    columns = ("auroc", "balanced_accuracy", "overlap", "cosine", "length", "always")
    table = [
        "| held-out set | AUROC | balanced accuracy | overlap | cosine | length | always |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {_SETS[item['dataset']]} | "
            + " | ".join(_figure(item[name]) for name in columns)
            + " |"
            for item in held_out
        ),
    ]
    return f"""# {model["name"]}

The probability that a response says something that its contexts do not support.
{_TIERS[verified].format(name="hallucination")}

A logistic regression on {len(model["features"])} features of
{_VERIFIED if verified else _EMBEDDINGS}
(`evalkit/scoring/features.py`). Inputs are clipped to the 0.5 %
and 99.5 % quantiles of the training rows and standardised; no weight may be negative, since each
input is made so that higher means less support. Runs on numpy; the file holds everything and is
refused when its hash does not fit.

- Calibrated to a prior of {model["prior"]:.0%} unsupported responses; where yours is another, the
order
  holds and the level does not.
- Shipped threshold: {model["threshold"]:.3f}, the best balanced accuracy on sets that were held
out.
- Encoder: `{model["encoder"]}`.
- SHA-256 of the content: `{model["sha256"]}`.

## Training data

Each set weighs what the table says, whatever its size, and its two classes weigh the same. No row
of RAGTruth is in it, and weights, calibration and thresholds rest on the sets below alone. The
verifier saw none of the sets of whole responses, nor their families; of the sets of single claims
only sources that its training left out are used. The list of inputs was settled with figures
on the RAGTruth part at hand too (between the lists and penalties tried they differed by about 0.02
AUROC): its figures in `docs/agreement.md` are out of sample for the fit, and not quite for the
choice of inputs.

{_training(model)}

Left out here: TabFact (its claims are about arithmetic over table cells, and their tokenised lower
case would teach the style), ConjNLI and MED (single-sentence logic, where words and embeddings are
the same on both sides by design), the token part of WiCE (one class only). The verifier's own
training used some of them.

## Leave one set out

Each row: the model fitted on other sets, on a set that neither it nor the verifier saw (of the sets
of single claims the verifier saw other sources). AUROC of the model, its
balanced accuracy at the threshold, then the AUROC of trivial scores on the same rows: share of
content words in no context, 1 - cosine of mean sentence vectors, response length, a constant.

{chr(10).join(table)}

How well it does on real retrieval answers (RAGTruth, never trained on) is in `docs/agreement.md`.

## Weights

{_weights(model)}

Also tried, without gain on the held-out sets: shares of new word triples, the longest copied run,
response length, the mean of the three nearest sentences, responses composed of several claims as
further training rows, and gradient boosted trees with the same monotone constraints.

## Where it fails

- Small changes of fact in copied wording (BUMP, SummEdits, FoolMeTwice): near chance. It sees which
  words, names and numbers are new, or far from their evidence; it does not reason. On SummEdits the
  true summaries are the freer paraphrases, so that every measure of overlap points the wrong way.
- Faithful answers in quite other words than the contexts look worse than they are.
- Summaries are harder than answers to questions: what is wrong in them is mostly a twist of
  something that is there.
- Longer answers hold more that can be wrong and score higher; compare like with like, or look at
  `groundedness`, which is a mean over sentences.
- English only: stop words, stems, negation and number words are English. Other languages get a
value
  that has not been measured.
- True statements that the contexts do not hold count as unsupported: that is what is measured.
"""


def support_card(
    model: Mapping[str, Any], held_out: Sequence[Mapping[str, Any]], verified: bool
) -> str:
    """The card of `support` or `support_embeddings`, Markdown."""
    table = [
        "| held-out set | AUROC |",
        "| --- | --- |",
        *(f"| {_SETS[item['dataset']]} | {_figure(item['auroc'])} |" for item in held_out),
    ]
    return f"""# {model["name"]}

The probability that one sentence of a response is NOT supported by its contexts. `groundedness` is
one minus its mean over the sentences that claim something.
{_TIERS[verified].format(name="support")}

Made like `hallucination` (see its card), on rows whose response is a single sentence, so that the
label of the response is the label of the sentence.

- Calibrated to a prior of {model["prior"]:.0%} unsupported sentences.
- Shipped threshold: {model["threshold"]:.3f}; it decides only which sentences are marked as
unsupported.
- Encoder: `{model["encoder"]}`.
- SHA-256 of the content: `{model["sha256"]}`.

## Training data

{_training(model)}

## Leave one set out

{chr(10).join(table)}

## Weights

{_weights(model)}

## Where it fails

As `hallucination`: small changes of fact in copied wording, and faithful sentences in quite other
words.
"""


def _training(model: Mapping[str, Any]) -> str:
    lines = [
        "| set | rows | sources | unsupported | weight | licence |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {item['what']} | {item['rows']:,} | {item['sources']:,} | {item['positives']:,} | "
            f"{item['weight']} | {item['license']} |"
            for item in model["training"]
        ),
    ]
    return "\n".join(lines)


def _weights(model: Mapping[str, Any]) -> str:
    ranked = sorted(model["features"], key=lambda column: -column["coefficient"])
    lines = ["| input | weight of one standard deviation |", "| --- | --- |"]
    lines.extend(f"| {column['name']} | {column['coefficient']:.3f} |" for column in ranked)
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
