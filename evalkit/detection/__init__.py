"""The detection step: what is different about one day, who it is over the nights, and where to look
(`findings`)."""

from __future__ import annotations

from evalkit.detection.contract import Detector, Finding, History, detector
from evalkit.detection.step import Detected, detect, registered

__all__ = ["Detected", "Detector", "Finding", "History", "detect", "detector", "registered"]
