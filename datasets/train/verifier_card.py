"""Writes the verifier's card from the pairs it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from claim_pairs import Pair

_SETS = {
    "fool_me_twice": ("FoolMeTwice", "Apache-2.0, text CC-BY-SA"),
    "factcg_doc": ("FactCG CG2C-doc", "MIT"),
    "fever_symmetric": ("FeverSymmetric v0.2", "CC-BY-SA-3.0"),
    "conj_nli": ("ConjNLI", "MIT, text CC-BY-SA"),
    "med": ("MED", "CC-BY-SA-4.0"),
    "tabfact": ("TabFact", "MIT, tables CC-BY-SA"),
    "clapnq": ("CLAPnq passages and human answers", "Apache-2.0"),
    "xquad": ("XQuAD paragraphs", "CC-BY-SA-4.0"),
    "begin": ("BEGIN", "CC-BY-4.0, CDLA-Sharing-1.0"),
    "wice": ("WiCE", "ODC-BY-1.0, text CC-BY-SA-4.0 and Common Crawl terms"),
    "wice_tokens": ("WiCE, with unsupported words", "as WiCE"),
    "bump": ("BUMP", "MIT"),
    "summedits": ("SummEdits", "Apache-2.0"),
}


def verifier_card(pairs: Sequence[Pair], digest: str) -> str:
    """The card, Markdown."""
    lines = []
    for name, (title, licence) in _SETS.items():
        mine = [pair for pair in pairs if pair.dataset == name]
        labelled = [pair for pair in mine if not pair.is_copy]
        wrong = sum(pair.is_unsupported for pair in labelled)
        copies = len(mine) - len(labelled)
        lines.append(f"| {title} | {len(labelled):,} | {wrong:,} | {copies:,} | {licence} |")
    return f"""# verifier

Reads a claim (one sentence of a response) together with its evidence (the context sentences that
cover it best, about 100 words) and says how far the claim, and each word of it, lacks support.

A fine-tune of all-MiniLM-L6-v2 (Apache-2.0; 6 layers, 22 million parameters) with two linear heads,
one on the pair and one on each token. The word embeddings are those of the encoder and are not in
the file; all else is, as int8 with one scale per row (11 MB). What it says are log-odds at the mix of
its training, not probabilities of your traffic: the models `support` and `hallucination` put them
together with words and embeddings, and are calibrated.

- SHA-256 of the weights: `{digest}`.
- Trained by `datasets/train/verifier.py`; how well it agrees with people is in `docs/agreement.md`.

## Training data

Claims with a label; sentences of the passages ("copies") serve as supported claims and, edited by
rule, as unsupported ones. Edits are made anew each epoch: numbers, dates, names (of the same document
or of another one), units, negation, opposites, quantifiers, swapped roles, words of the same kind,
inserted and exchanged phrases, spliced halves, another claim's evidence.

| set | labelled claims | unsupported | copies | licence |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}

No row of RAGTruth is in it: that is the product's sample and its test. One source in twelve of the
sets of single claims was kept out to watch the training.

## Where it fails

- Claims that need more than some 100 words of evidence, arithmetic, or several steps.
- Coreference: it reads one sentence at a time, so "she" is not looked up in the sentence before.
- World knowledge: what is true but not in the evidence lacks support, as it should; what is implied
  by common sense often seems to lack it.
- English only; other languages get a value that has not been measured.
- Tables and records of key and value: seen in training only as flattened TabFact.
"""
