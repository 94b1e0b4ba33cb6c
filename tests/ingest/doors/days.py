"""A day of each vendor's records, made of its sample, and the vendor's API over them.

Whoever gives a source an `api` adds its vendor here: `tests/ingest/doors/test_apis.py` runs over every
registered source with an API, and fails for one that is not in `DAYS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from evalkit.ingest.times import time_of
from tests.ingest import vendors
from tests.ingest.vendors import Vendor, records_of

__all__ = ["DAYS", "Day", "spread"]

Records = list[dict[str, Any]]

_ISO = re.compile(r"2026-11-22([T ])(\d\d):(\d\d):(\d\d)")
_COMPACT = re.compile(r"20261122T(\d\d)(\d\d)(\d\d)")
_EPOCH = re.compile(r"(?<!\d)(17953\d{5})(?=\d{0,9}(?!\d))")


@dataclass(frozen=True)
class Day:
    """One vendor.

    Attributes:
        sample: the records of one trace, at 02:14 on 2026-11-22.
        ids: texts in them that differ from trace to trace; their last three characters are replaced.
        vendor: the vendor's API over records.
        settings: what the configuration names besides `url` and the keys.
        lines: the records as they stand in files, where the API gives them in another shape.
    """

    sample: Records
    ids: tuple[str, ...]
    vendor: Callable[[Records], Vendor]
    settings: Mapping[str, str]

    def records(self, count: int = 61) -> Records:
        """So many traces over the whole day; every one runs from a minute into the next, every
        third from an hour into the next, the first and the last over midnight."""
        found = []
        for number in range(count):
            seconds = number * 86400 // (count - 1)
            seconds -= seconds % (60 if number % 3 else 3600)
            found += spread(self.sample, self.ids, number, seconds - 8045)
        return found


def spread(
    sample: Iterable[dict[str, Any]], ids: Iterable[str], number: int, seconds: int
) -> Records:
    """A copy of records under other ids, so many seconds later."""
    text = json.dumps(list(sample))
    for id_ in ids:
        text = text.replace(id_, f"{id_[:-3]}{number:03d}")
    shift = timedelta(seconds=seconds)

    def iso(found: re.Match[str]) -> str:
        time = datetime(2026, 11, 22, *map(int, found.groups()[1:]), tzinfo=UTC) + shift
        return time.strftime(f"%Y-%m-%d{found[1]}%H:%M:%S")

    def compact(found: re.Match[str]) -> str:
        time = datetime(2026, 11, 22, *map(int, found.groups()), tzinfo=UTC) + shift
        return time.strftime("%Y%m%dT%H%M%S")

    text = _COMPACT.sub(compact, _ISO.sub(iso, text))
    text = _EPOCH.sub(lambda found: str(int(found[1]) + seconds), text)
    moved: Records = json.loads(text)
    return moved


# ── Langfuse


def _camel(record: dict[str, Any]) -> dict[str, Any]:
    def name(text: str) -> str:
        first, *more = text.split("_")
        return first + "".join(word.title() for word in more)

    return {name(key): value for key, value in record.items()}


def _langfuse_sample() -> Records:
    found = []
    for record in records_of("langfuse_observations.jsonl"):
        times = {name: f"{value.replace(' ', 'T')}Z" for name, value in record.items()
                 if name.endswith(("_time", "_at")) and isinstance(value, str)}  # fmt: skip
        found.append(_camel(record | times))
    score = {
        "id": "sc-001", "projectId": "clx9prod", "name": "user_thumb", "value": 1,
        "dataType": "NUMERIC", "source": "API", "timestamp": "2026-11-22T02:20:00.000Z",
        "environment": "production", "createdAt": "2026-11-22T02:20:00.000Z",
        "updatedAt": "2026-11-22T02:20:00.000Z", "comment": "helpful",
        "subject": {"kind": "trace", "id": "5b8efff798038103d269b633813fc60c"},
    }  # fmt: skip
    return [*found, score]


def langfuse(records: Records, page: int = 2) -> Vendor:
    """`/v2/observations` and `/v3/scores`, newest first, with cursors and no counts."""
    projects = {"data": [{"id": "clx9prod", "name": "support"}]}

    def answer(method: str, path: str, query: Mapping[str, str], _: Any) -> Any:
        if (method, path) == ("GET", "/api/public/projects"):
            return projects
        if (method, path) == ("GET", "/api/public/v2/observations"):
            name, bounds, most = "startTime", ("fromStartTime", "toStartTime"), 1000
            assert {"io", "usage", "trace_context"} <= {*query["fields"].split(",")}
        elif (method, path) == ("GET", "/api/public/v3/scores"):
            name, bounds, most = "timestamp", ("fromTimestamp", "toTimestamp"), 100
        else:
            return None
        assert int(query["limit"]) <= most
        first, last = (_moment(query[bound]) for bound in bounds)
        kept = [one for one in records if name in one and first <= _moment(one[name]) < last]
        kept.sort(key=lambda one: (one[name], one["id"]), reverse=True)
        at = int(query.get("cursor", "c0").removeprefix("c"))
        more = {"cursor": f"c{at + page}"} if at + page < len(kept) else {}
        return {"data": kept[at : at + page], "meta": {"limit": int(query["limit"]), **more}}

    return answer


def _moment(text: str) -> datetime:
    time = time_of(text)
    assert time is not None, text
    return time


DAYS: Mapping[str, Day] = {
    "langfuse": Day(
        _langfuse_sample(),
        (
            "5b8efff798038103d269b633813fc60c",
            "00f067aa0ba902b7",
            "eee19b7ec3c1b174",
            "a1b2c3d4e5f60718",
            "sc-001",
        ),
        langfuse,
        {},
    ),
    "langsmith": Day(
        records_of("langsmith.jsonl"),
        tuple({one[name] for one in records_of("langsmith.jsonl") for name in ("id", "trace_id")}),
        vendors.langsmith,
        {"project": "support-bot"},
    ),
    "opik": Day(
        records_of("opik.jsonl"),
        (
            "01935d2a-1b7c-7c1e-9a55-0f4d3f0c9a11",
            "01935d2a-1b90-7f00-8d0e-1f2a3b4c5d6e",
            "01935d2a-1bb8-7a11-b3c2-6d7e8f901234",
        ),
        vendors.opik,
        {"project": "acme/support-bot"},
    ),
    "mlflow": Day(
        records_of("mlflow.jsonl"),
        ("5b8efff798038103d269b633813fc60c", "00f067aa0ba902b7", "eee19b7ec3c1b174"),
        vendors.mlflow,
        {"project": "support"},
    ),
}
