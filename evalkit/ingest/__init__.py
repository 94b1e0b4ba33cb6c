"""The first step: logged traffic becomes a day of `interactions`. Scores come later."""

from __future__ import annotations

from evalkit.ingest.explaining import Pick
from evalkit.ingest.origin import explain
from evalkit.ingest.reading import newest_record
from evalkit.ingest.redaction import Redaction
from evalkit.ingest.step import Counts, Ingested, ingest

__all__ = [
    "Counts",
    "Ingested",
    "Pick",
    "Redaction",
    "explain",
    "ingest",
    "newest_record",
]
