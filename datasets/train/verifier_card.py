"""Writes the verifier's card from the pairs it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from claim_pairs import Pair

_SETS = {
    "fool_me_twice": ("FoolMeTwice", "Apache-2.0, text CC-BY-SA"),
    "factcg_doc": ("FactCG CG2C-doc", "MIT"),
    "fever_symmetric": ("FeverSymmetric v0.2", "CC-BY-SA-3.0"),
    "conj_nli": ("ConjNLI", "MIT, text CC-BY-SA"),
    "med": ("MED", "CC-BY-SA-4.0"),
    "tabfact": ("TabFact", "MIT, tables CC-BY-SA"),
    "clapnq": ("CLAPnq passages and human answers", "Apache-2.0"),
    "xquad": ("XQuAD paragraphs, and questions with their answers put in", "CC-BY-SA-4.0"),
}


def verifier_card(
    pairs: Sequence[Pair], digest: str, parameters: int, development: Mapping[str, str]
) -> str:
    """The card, Markdown.

    Args:
        pairs: what it was trained on.
        digest: SHA-256 of its weights.
        parameters: how many it has.
        development: AUROC on sources that were kept out of the training, by name.
    """
    lines = []
    for name, (title, licence) in _SETS.items():
        mine = [pair for pair in pairs if pair.dataset == name]
        labelled = [pair for pair in mine if not pair.is_copy]
        wrong = sum(pair.is_unsupported for pair in labelled)
        copies = len(mine) - len(labelled)
        lines.append(f"| {title} | {len(labelled):,} | {wrong:,} | {copies:,} | {licence} |")
    figures = [
        f"| {_SETS[name][0] if name in _SETS else name} | {figure} |"
        for name, figure in development.items()
    ]
    return f"""# verifier

Compares a claim (one sentence of a response) with its evidence (the context sentences that cover it
best, about 100 words) and says how far the claim, and each word of it, lacks support.

A network of {parameters / 1e6:.2f} million parameters on top of the first four layers of
all-MiniLM-L6-v2 (Apache-2.0), which stay as they are. Claim and evidence are encoded apart, so a text
that comes again is not encoded again; the network then lets the claim's tokens look at those of the
evidence, and is told which tokens, stems and numbers of the claim are literally there, and whether
the words around them are too. The file holds that network alone, as float32. What it says are
log-odds at the mix of its training, not probabilities of your traffic: the models `support` and
`hallucination` put them together with words and embeddings, and are calibrated.

- SHA-256 of the weights: `{digest}`.
- Trained by `datasets/train/verifier.py`; how well it agrees with people is in `docs/agreement.md`.

## Training data

Claims with a label; sentences of the passages ("copies") serve as supported claims, as they are and
in other words, and edited by rule as unsupported ones. Edits are made anew each epoch: numbers,
dates, names (of the same document or of another one), units, negation, opposites, quantifiers,
swapped roles and words, words of the same kind or of the same passage, inserted and exchanged
phrases, spliced halves, another claim's evidence, a passage without the sentence.

| set | labelled claims | unsupported | copies | licence |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}

It saw none of the sets that `docs/agreement.md` reports on (BEGIN, WiCE, BUMP, SummEdits, RAGTruth),
nor another set of their families. One source in twelve was kept out to watch the training:

| kept out | AUROC |
| --- | --- |
{chr(10).join(figures)}

## Where it fails

- Claims that need more than some 100 words of evidence, arithmetic, or several steps.
- Coreference: it reads one sentence at a time, so "she" is not looked up in the sentence before.
- World knowledge: what is true but not in the evidence lacks support, as it should; what is implied
  by common sense often seems to lack it.
- English only; other languages get a value that has not been measured.
- Tables and records of key and value: seen in training only as flattened TabFact.
"""
