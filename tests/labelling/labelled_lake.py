"""A small lake to label: some days of traffic on three routes, with scores; and people who fill in its sheets."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from evalkit.labelling import Sheet, choose
from evalkit.labelling.reading import FORMAT
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import INTERACTIONS, SCORES, scores_schema

LAST = dt.date(2026, 11, 20)
FIRST = LAST - dt.timedelta(days=3)
HALLUCINATION = Metric("hallucination", "probability", "higher", "probability of it", headline=True)
#: Things that logs hold and a sheet must only show.
HOSTILE = (
    "</script><script>document.title='owned'</script>",
    '" onmouseover="document.title=1" x="',
    "<img src=x onerror=document.title=2>",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "user\u202egnp.exe \u2066hidden\u2069 \u200fmarks",
    '=HYPERLINK("http://example.com","click")',
    "\x00\x1b[2J\x7f nul and escape",
    "\U0001f600 emoji, 漢字, עברית, العربية",
    "]]> <!-- --> <textarea></textarea></style>",
)


def told(lake: Lake, per_day: int = 40, texts: tuple[str, ...] = ()) -> Lake:
    """Fill a lake: each day `per_day` rows, one in twenty of them on the rare route."""
    rng = random.Random(7)
    for back in range(4):
        day = LAST - dt.timedelta(days=back)
        rows, scores = [], []
        for k in range(per_day):
            name = f"{day:%d}-{k:03d}"
            route = "/rare" if k % 20 == 0 else "/ask" if k % 3 else "/summary"
            text = texts[k % len(texts)] if texts else f"Answer {name}. It has two sentences."
            rows.append(
                dict.fromkeys(INTERACTIONS.schema.names)
                | {
                    "day": day,
                    "interaction_id": name,
                    "app": "shop",
                    "route": route,
                    "query": text if texts else f"Question {name}?",
                    "response": text,
                    "contexts": [
                        dict.fromkeys(("score", "rank", "updated_at", "attributes"))
                        | {"id": text[:40] or "c", "text": text}
                    ],
                    "status": "ok",
                }
            )
            scores.append(
                {
                    "day": day,
                    "interaction_id": name,
                    "hallucination": rng.betavariate(1, 3),
                    "hallucination__status": "ok",
                    "evidence": [],
                }
            )
        lake.replace(INTERACTIONS, day, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
        schema = scores_schema([("hallucination", "a metric")])
        lake.replace(SCORES, day, pa.Table.from_pylist(scores, schema=schema))
    return lake


def sheet_of(lake: Lake, n: int = 20, **more: Any) -> Sheet:
    return choose(lake, HALLUCINATION, FIRST, LAST, n, **more)


def filled(
    sheet: Sheet,
    path: Path,
    verdict: Callable[[int], str | None],
    by: str = "ann",
    at: str = "2026-11-21T09:00:00Z",
    comment: str | None = None,
) -> Path:
    """The file that the page saves when row k gets `verdict(k)`."""
    verdicts = [
        key | {"verdict": verdict(k), "comment": comment if verdict(k) else None, "at": at}
        for k, key in enumerate(sheet.keys())
    ]
    saved = {"format": FORMAT, "sheet": sheet.design.to_json(), "by": by, "verdicts": verdicts}
    path.write_text(json.dumps(saved), "utf-8")
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A saved file after someone has edited it."""
    saved = json.loads(path.read_text("utf-8"))
    change(saved)
    path.write_text(json.dumps(saved), "utf-8")
    return path


def filled_csv(
    path: Path,
    values: Callable[[int], Mapping[str, str]],
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
) -> Path:
    """A CSV sheet after a spreadsheet program has saved it with some cells filled in."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows([row | dict(values(k)) for k, row in enumerate(rows)])
    return path
