"""What a sheet is: which rows are asked, with which probability, and the seals that show a later change. Not its looks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

__all__ = ["VERDICTS", "Asked", "Design", "Item", "Sheet", "Verdict", "seal"]

#: What a person may say, and what is stored for it.
VERDICTS: Mapping[str, float | None] = {"yes": 1.0, "no": 0.0, "unsure": None}


@dataclass(frozen=True)
class Asked:
    """One row that is asked. `probability` is None where a second person is asked about labelled rows."""

    day: date
    interaction_id: str
    probability: float | None


@dataclass(frozen=True)
class Design:
    """Where the rows of a sheet come from; the same lake, arguments and seed give the same design.

    `population` eligible rows of the days `start` to `end`, of which `asked` were drawn. Rows labelled before
    were not eligible; `after` names the sheets among whose rows these are.
    """

    id: str
    metric: str
    start: date
    end: date
    population: int
    asked: int
    seed: int
    after: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "metric": self.metric,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "population": self.population,
            "asked": self.asked,
            "seed": self.seed,
            "after": list(self.after),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Design:
        """Raises KeyError, TypeError or ValueError on anything else than `to_json` gives."""
        after = raw["after"]
        if not isinstance(after, list) or not all(isinstance(item, str) for item in after):
            raise TypeError("after: a list of sheet ids")
        texts = {name: raw[name] for name in ("id", "metric")}
        counts = {name: raw[name] for name in ("population", "asked", "seed")}
        for name, value in {**texts, **counts}.items():
            if not isinstance(value, str if name in texts else int) or isinstance(value, bool):
                raise TypeError(f"{name}: {value!r}")
        return cls(
            start=date.fromisoformat(raw["start"]),
            end=date.fromisoformat(raw["end"]),
            after=tuple(after),
            **texts,
            **counts,
        )


@dataclass(frozen=True)
class Item:
    """One asked row with what a person reads; `value` is its score where the sheet shows scores."""

    asked: Asked
    app: str | None
    route: str | None
    query: str | None
    response: str
    contexts: tuple[tuple[str | None, str], ...]
    value: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A whole sheet: its design, the question, and the rows in the order in which they are asked."""

    design: Design
    question: str
    items: tuple[Item, ...]
    by: str | None = None

    def keys(self) -> list[dict[str, Any]]:
        """Per row what comes back with its verdict: which row it is, and its seal."""
        return [key_of(self.design, item.asked) for item in self.items]


@dataclass(frozen=True)
class Verdict:
    """One answer that came back, and where it stands for messages. `value` None: could not tell."""

    design: Design
    asked: Asked
    value: float | None
    by: str
    at: datetime
    comment: str | None
    where: str


def key_of(design: Design, asked: Asked) -> dict[str, Any]:
    """The row as it stands in a file, with its seal."""
    return {
        "day": asked.day.isoformat(),
        "interaction_id": asked.interaction_id,
        "probability": asked.probability,
        "seal": seal(design, asked),
    }


def seal(design: Design, asked: Asked) -> str:
    """Hash of a row and its sheet: a row that was changed, or moved to another sheet, no longer fits it.

    It shows accidents (a spreadsheet that rewrote dates or figures); it is no signature against forgery.
    """
    return digest(
        [design.to_json(), asked.day.isoformat(), asked.interaction_id, asked.probability]
    )


def digest(value: Any) -> str:
    """First 16 hexadecimal digits of the hash of a JSON value, whatever its spelling was."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
