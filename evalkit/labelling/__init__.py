"""People's verdicts: which rows to ask, the sheet to ask them on, and what came back; `read` serves rates and refits."""

from __future__ import annotations

from evalkit.labelling.agreement import Pair, pairs
from evalkit.labelling.consolidation import Consolidated, consolidate, given, read
from evalkit.labelling.design import Sheet
from evalkit.labelling.exporting import choose
from evalkit.labelling.sheet import render, write
from evalkit.labelling.storing import Imported, store

__all__ = [
    "Consolidated",
    "Imported",
    "Pair",
    "Sheet",
    "choose",
    "consolidate",
    "given",
    "pairs",
    "read",
    "render",
    "store",
    "write",
]
