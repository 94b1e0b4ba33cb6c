"""The APIs of vendors as far as sources ask them: what each answers over a set of its records, page
after page. Bytes, failures and waits are not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evalkit.ingest.times import time_of
from tests.ingest.golden import lines_of

#: A method, a path without its query, the query, and the body; gives JSON, or None for "not found".
Vendor = Callable[[str, str, Mapping[str, str], Any], Any]


@dataclass
class Direct:
    """A client that asks a vendor without a network, and keeps what it asked."""

    vendor: Vendor
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        self.asked.append(("GET", path, dict(params)))
        return self._known(self.vendor("GET", path, params, None), path)

    def post(self, path: str, body: Any) -> Any:
        body = json.loads(json.dumps(body))
        self.asked.append(("POST", path, body))
        return self._known(self.vendor("POST", path, {}, body), path)

    @staticmethod
    def _known(answer: Any, path: str) -> Any:
        if answer is None:
            raise LookupError(path)
        return answer


def records_of(*names: str) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in lines_of(*names)]


def _moment(text: str) -> datetime:
    time = time_of(text)
    assert time is not None, text
    return time


def langsmith(
    runs: Iterable[dict[str, Any]], project: str = "support-bot", page: int = 2
) -> Vendor:
    """`/runs/query` with cursors, `/sessions` by name."""
    runs = sorted(runs, key=lambda run: run["start_time"])
    id_ = "1ffd059c-17ea-40a8-8aef-70fd0307db82"

    def answer(method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        if (method, path) == ("GET", "/api/v1/sessions"):
            known = query.get("name") in (None, project)
            return [{"id": id_, "name": project}] if known else []
        if (method, path) != ("POST", "/api/v1/runs/query") or body["session"] != [id_]:
            return None
        assert body["limit"] <= 100, "a larger page is an error there"
        before = body["filter"].removeprefix('lt(start_time, "').removesuffix('")')
        found = [
            {name: run[name] for name in body["select"] if name in run}
            for run in runs
            if _moment(body["start_time"]) <= _moment(run["start_time"]) < _moment(before)
        ]
        at = int(body.get("cursor") or 0)
        following = str(at + page) if at + page < len(found) else None
        return {"runs": found[at : at + page], "cursors": {"next": following, "prev": None}}

    return answer


def opik(exports: Iterable[dict[str, Any]], project: str = "support-bot", page: int = 2) -> Vendor:
    """`/v1/private/traces` and `/spans` by number of page, with a total."""
    kept: dict[str, list[dict[str, Any]]] = {"traces": [], "spans": []}
    for export in exports:
        kept["traces"].append(export["trace"])
        kept["spans"] += export["spans"]

    def answer(method: str, path: str, query: Mapping[str, str], _: Any) -> Any:
        name = path.removeprefix("/v1/private/")
        if method != "GET" or name not in (*kept, "projects"):
            return None
        if name == "projects":
            return {"page": 1, "size": 1, "total": 1, "content": [{"name": project}]}
        assert query["truncate"] == "false", "long texts would be cut"
        first, last = (one["value"] for one in json.loads(query["filters"]))
        found = [
            record
            for record in kept[name]
            if query.get("project_name") in (None, project)
            and _moment(first) <= _moment(record["start_time"]) < _moment(last)
        ]
        at = (int(query["page"]) - 1) * page
        content = found[at : at + page]
        return {
            "page": query["page"],
            "size": len(content),
            "total": len(found),
            "content": content,
        }

    return answer


def mlflow(traces: Iterable[dict[str, Any]], project: str = "support", page: int = 2) -> Vendor:
    """`/traces/search` with page tokens, `/traces/get` for each, experiments by name."""
    kept = {trace["info"]["trace_id"]: trace for trace in traces}
    experiments = "/api/2.0/mlflow/experiments"

    def answer(method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        if path == f"{experiments}/get-by-name":
            known = query["experiment_name"] == project
            return {"experiment": {"experiment_id": "3", "name": project}} if known else None
        if path == f"{experiments}/search":
            return {"experiments": [{"experiment_id": "3", "name": project}]}
        if (method, path) == ("GET", "/api/3.0/mlflow/traces/get"):
            trace = kept[query["trace_id"]]
            return {"trace": {"trace_info": trace["info"], "spans": trace["data"]["spans"]}}
        if (method, path) != ("POST", "/api/3.0/mlflow/traces/search"):
            return None
        (place,) = body["locations"]
        assert place["mlflow_experiment"] == {"experiment_id": "3"}
        first, last = (int(one.split()[-1]) for one in body["filter"].split(" AND "))
        found = [
            trace["info"]
            for trace in kept.values()
            if first <= _moment(trace["info"]["request_time"]).timestamp() * 1000 <= last
        ]
        at = int(body.get("page_token") or 0)
        if not found[at : at + page]:
            return {}  # what is empty is not written
        following = {"next_page_token": str(at + page)} if at + page <= len(found) else {}
        return {"traces": found[at : at + page], **following}

    return answer
