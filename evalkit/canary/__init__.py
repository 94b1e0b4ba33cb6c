"""The canary: frozen, labelled rows that are scored every night. When their scores move, the instrument moved, not the
traffic. What follows from it is found by the detector `instrument`."""

from __future__ import annotations

from evalkit.canary.instrument import Instrument
from evalkit.canary.step import Recorded, record

__all__ = ["Instrument", "Recorded", "record"]
