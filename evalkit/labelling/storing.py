"""Checked verdicts into `labels`: the newest of a person stands, and nothing is written where nothing is new."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from evalkit.config import RedactionSettings
from evalkit.errors import LabelError
from evalkit.labelling.agreement import Pair, pairs
from evalkit.labelling.consolidation import given
from evalkit.labelling.design import Verdict
from evalkit.labelling.reading import Filled, read_file, told
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS
from evalkit.text.redaction import Redactor

__all__ = ["Imported", "store"]

_ORIGIN = "sheet"
_Place = tuple[str, str, str]


@dataclass(frozen=True)
class Imported:
    """What became of the verdicts of some files.

    `new`, `replaced` (an older one of the same person on the same row) and `unchanged` add up to the verdicts
    that were read; `blank` rows had none. `days` were written. `verdicts` counts yes, no and unsure by person;
    `agreement` holds every two people with rows in common, one of whom judged in these files.
    """

    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    blank: int = 0
    days: tuple[date, ...] = ()
    verdicts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    agreement: tuple[Pair, ...] = ()

    @property
    def stored(self) -> int:
        return self.new + self.replaced


def store(
    lake: Lake,
    files: Iterable[Path | str],
    by: str | None = None,
    redaction: RedactionSettings | None = None,
) -> Imported:
    """Check files of verdicts and store them, one atomic commit a day; all files are checked first.

    A newer verdict of the same person on the same row replaces the older; the same verdict again changes
    nothing, so a file may be imported twice.

    Args:
        lake: where interactions and labels are.
        files: what sheets have saved (JSON), or filled CSV sheets.
        by: who judged, where a file does not say.
        redaction: what is taken out of comments; without it the default.

    Raises:
        LabelError: a file or line is wrong, or its interaction is not in this lake. Nothing was stored then.
    """
    filled = [read_file(Path(file), by) for file in files]
    _refuse_unknown(lake, filled)
    redactor = _redactor(redaction or RedactionSettings())
    by_day: dict[date, list[Verdict]] = defaultdict(list)
    for file in filled:
        for verdict in file.verdicts:
            by_day[verdict.asked.day].append(_redacted(verdict, redactor))
    counts: Counter[str] = Counter()
    written = []
    for day, verdicts in sorted(by_day.items()):
        stored = [
            row for row in lake.read(LABELS, day, day).to_pylist() if row["origin"] == _ORIGIN
        ]
        rows, changes = _merged(stored, verdicts)
        counts += changes
        if changes["new"] or changes["replaced"]:
            data = pa.Table.from_pylist(rows, schema=LABELS.schema)
            lake.replace(LABELS, day, data, part={"origin": _ORIGIN})
            written.append(day)
    return Imported(
        counts["new"],
        counts["replaced"],
        counts["unchanged"],
        sum(file.blank for file in filled),
        tuple(written),
        _per_person(filled),
        tuple(_agreement(lake, filled)),
    )


def _redactor(wanted: RedactionSettings) -> Redactor:
    patterns = {name: re.compile(pattern) for name, pattern in wanted.patterns.items()}
    return Redactor(wanted.classes, patterns)


def _redacted(verdict: Verdict, redactor: Redactor) -> Verdict:
    """Who comments quotes what was asked, and what was answered."""
    if verdict.comment is None:
        return verdict
    return replace(verdict, comment=redactor.masks().text(verdict.comment))


def _refuse_unknown(lake: Lake, filled: Sequence[Filled]) -> None:
    days = sorted({verdict.asked.day for file in filled for verdict in file.verdicts})
    known = {
        day: set(lake.read(INTERACTIONS, day, day, ["interaction_id"])[0].to_pylist())
        for day in days
    }
    problems = [
        f"{file.file.name}, {verdict.where}: interaction_id: {verdict.asked.interaction_id!r} of "
        f"{verdict.asked.day} is not in {lake.url}. Give the lake that the sheet was exported from."
        for file in filled
        for verdict in file.verdicts
        if verdict.asked.interaction_id not in known[verdict.asked.day]
    ]
    if problems:
        raise LabelError(told(problems))


def _merged(
    stored: Sequence[dict[str, Any]], verdicts: Sequence[Verdict]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The rows of a day after the verdicts, and how many of these were new, replaced or unchanged."""
    rows = {(row["interaction_id"], row["metric"], row["by"]): row for row in stored}
    newest: dict[_Place, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda verdict: verdict.at):
        newest[verdict.asked.interaction_id, verdict.design.metric, verdict.by] = verdict
    # What a newer verdict of the same import overrules changes nothing.
    changes = Counter(unchanged=len(verdicts) - len(newest))
    for place, verdict in newest.items():
        row, old = _row(verdict), rows.get(place)
        if old is None:
            changes["new"] += 1
        elif row["at"] < old["at"] or all(row[name] == old[name] for name in ("value", "comment")):
            changes["unchanged"] += 1
            continue
        else:
            changes["replaced"] += 1
            # The row was drawn when it was first asked; another answer does not change that.
            if row["probability"] is None:
                row |= {name: old[name] for name in ("probability", "sheet")}
        rows[place] = row
    return [rows[place] for place in sorted(rows)], changes


def _row(verdict: Verdict) -> dict[str, Any]:
    design, asked = verdict.design, verdict.asked
    return {
        "day": asked.day,
        "origin": _ORIGIN,
        "interaction_id": asked.interaction_id,
        "metric": design.metric,
        "value": verdict.value,
        "by": verdict.by,
        "at": verdict.at,
        "comment": verdict.comment,
        "probability": asked.probability,
        "sheet": {
            "id": design.id,
            "start": design.start,
            "end": design.end,
            "asked": design.asked,
            "after": list(design.after),
        },
    }


def _per_person(filled: Sequence[Filled]) -> dict[str, dict[str, int]]:
    words = {1.0: "yes", 0.0: "no", None: "unsure"}
    found: dict[str, dict[str, int]] = {}
    for file in filled:
        for verdict in file.verdicts:
            person = found.setdefault(verdict.by, dict.fromkeys(words.values(), 0))
            person[words[verdict.value]] += 1
    return dict(sorted(found.items()))


def _agreement(lake: Lake, filled: Sequence[Filled]) -> Iterable[Pair]:
    verdicts = [verdict for file in filled for verdict in file.verdicts]
    for metric in sorted({verdict.design.metric for verdict in verdicts}):
        people = {verdict.by for verdict in verdicts if verdict.design.metric == metric}
        yield from pairs(given(lake, metric, date.max), people)
