"""The second step: interactions become scores. Figures over many of them come later."""

from __future__ import annotations

from evalkit.scoring.adaptation import Adaptation
from evalkit.scoring.batch import Batch, reader_of
from evalkit.scoring.contract import Evidence, Metric, Scorer, Scores, Values, scorer
from evalkit.scoring.refitting import LEARNING, refit
from evalkit.scoring.running import score_table
from evalkit.scoring.selection import metrics, scorer_fingerprint, select
from evalkit.scoring.step import Scored, score

__all__ = [
    "LEARNING",
    "Adaptation",
    "Batch",
    "Evidence",
    "Metric",
    "Scored",
    "Scorer",
    "Scores",
    "Values",
    "metrics",
    "reader_of",
    "refit",
    "score",
    "score_table",
    "scorer",
    "scorer_fingerprint",
    "select",
]
