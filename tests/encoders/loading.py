"""Loads real encoders for the tests: one thread, nothing kept on disk but what a runtime
converts."""

from __future__ import annotations

from pathlib import Path

from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import Encoder, open_embedder


def settings(folder: Path, runtime: str = "torch", precision: str = "fp32") -> Settings:
    chosen = {"runtime": runtime, "precision": precision, "threads": 1}
    return Settings(base=folder, encoder=EncoderSettings.model_validate(chosen))


def load(folder: Path, runtime: str = "torch", precision: str = "fp32") -> Encoder:
    return open_embedder(settings(folder, runtime, precision), cache=False).encoder
