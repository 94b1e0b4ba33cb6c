"""Every error that evalkit raises on purpose; each message says what is wrong, where, and what to do.

EvalkitError                catch this at the edge (the CLI does: exit 3)
├── ConfigError             the TOML file: a key, a type, a missing file
├── SourceError             a source as a whole cannot be read (its rows can: those become rejects)
├── ModelError              a model file is missing, or is not the one that was measured
├── LakeError               a table cannot be read or written
│   └── CommitConflictError another run replaced the same day at the same time
├── EngineError         workers cannot be started, or are lost again and again
├── DayError                a day is not a day, or nothing was ever stored for it
├── LabelError              a file of people's verdicts cannot be stored
├── ExtensionError          a scorer, source, detector, encoder or section breaks its contract
└── DeliveryError           the mail could not be delivered (it stays owed)
"""

from __future__ import annotations

__all__ = [
    "CommitConflictError",
    "ConfigError",
    "DayError",
    "DeliveryError",
    "EngineError",
    "EvalkitError",
    "ExtensionError",
    "LabelError",
    "LakeError",
    "ModelError",
    "SourceError",
]


class EvalkitError(Exception):
    """The root: an error whose message is written for the person who reads it."""


class ConfigError(EvalkitError):
    """The configuration cannot be used as it is."""


class SourceError(EvalkitError):
    """A source as a whole cannot be read."""


class ModelError(EvalkitError):
    """A model file is missing or is not the one that was asked for."""


class LakeError(EvalkitError):
    """A table cannot be read or written."""


class CommitConflictError(LakeError):
    """Another run replaced the same day while this one worked on it."""


class EngineError(EvalkitError):
    """Workers cannot be started, or were lost again and again with the same work."""


class DayError(EvalkitError):
    """A day is not a day, or there is nothing stored for it."""


class LabelError(EvalkitError):
    """A file of people's verdicts is wrong; nothing of it was stored."""


class ExtensionError(EvalkitError):
    """An extension does not keep its contract."""


class DeliveryError(EvalkitError):
    """The mail could not be delivered."""
