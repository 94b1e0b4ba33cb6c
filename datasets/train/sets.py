"""The labelled sets that the shipped response and sentence models are fitted on: how much each
weighs, and what it is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SETS", "TrainingSet"]


@dataclass(frozen=True)
class TrainingSet:
    """One set. `weight` is its share of the fit, whatever its size; both classes weigh the same
    within it."""

    name: str
    weight: float
    what: str
    license: str


SETS = (
    TrainingSet(
        "begin", 1.0,
        "BEGIN: dialogue turns of four generators against their knowledge snippet",
        "CC-BY-4.0, CDLA-Sharing-1.0",
    ),
    TrainingSet(
        "wice", 1.0,
        "WiCE: Wikipedia sentences against the whole page that they cite",
        "ODC-BY-1.0, text CC-BY-SA-4.0 and Common Crawl terms",
    ),
    TrainingSet(
        "bump", 0.5,
        "BUMP: news summaries with one error put in by hand",
        "MIT",
    ),
    TrainingSet(
        "summedits", 0.5,
        "SummEdits: summaries of talks, mails and papers with minimal edits",
        "Apache-2.0",
    ),
    TrainingSet(
        "factcg_doc", 0.7,
        "FactCG CG2C-doc: machine-made multi-hop claims against documents",
        "MIT",
    ),
    TrainingSet(
        "fool_me_twice", 0.4,
        "FoolMeTwice: claims of a game, against gold and ten retrieved sentences",
        "Apache-2.0, text CC-BY-SA",
    ),
    TrainingSet(
        "fever_symmetric", 0.3,
        "FeverSymmetric: claims with a twin of nearly the same words and the other label",
        "CC-BY-SA-3.0",
    ),
)  # fmt: skip
