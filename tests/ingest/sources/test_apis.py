"""What sources ask of vendors' APIs: every record of a window over all pages, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Api, Line, Source
from evalkit.ingest.sources.langsmith import SOURCE as LANGSMITH
from evalkit.ingest.sources.mlflow import SOURCE as MLFLOW
from evalkit.ingest.sources.opik import SOURCE as OPIK
from tests.ingest import vendors
from tests.ingest.golden import CANONICAL, assert_tells_the_story, read_lines
from tests.ingest.story import WINDOW, copy_of, source_settings
from tests.ingest.vendors import Direct, Vendor, records_of


def _langsmith(count: int) -> list[dict[str, Any]]:
    runs = []
    for number in range(count):
        for run in records_of("langsmith.jsonl"):
            text = json.dumps(run).replace("0e01bf50", f"0e01b{number:03d}")
            runs.append(json.loads(text.replace("0ec6b845", f"0ec6b{number:03d}")))
    return runs


def _renamed(name: str, count: int, *ids: str) -> list[dict[str, Any]]:
    """Copies of a sample, each with ids of its own."""
    (record,) = records_of(name)
    found = []
    for number in range(count):
        text = json.dumps(record)
        for id_ in ids:
            text = text.replace(id_, f"{id_[:-3]}{number:03d}")
        found.append(json.loads(text))
    return found


OPIK_IDS = ("01935d2a-1b7c-7c1e-9a55-0f4d3f0c9a11", "01935d2a-1b90-7f00-8d0e-1f2a3b4c5d6e",
            "01935d2a-1bb8-7a11-b3c2-6d7e8f901234")  # fmt: skip
MLFLOW_IDS = ("5b8efff798038103d269b633813fc60c", "00f067aa0ba902b7", "eee19b7ec3c1b174")
COUNT = 5
#: Each source, its vendor with five copies of the story, and what the configuration names.
CASES: dict[str, tuple[Source, Vendor, dict[str, str], set[str]]] = {
    "langsmith": (LANGSMITH, vendors.langsmith(_langsmith(COUNT)), {"project": "support-bot"}, set()),
    "opik": (OPIK, vendors.opik(_renamed("opik.jsonl", COUNT, *OPIK_IDS)),
             {"project": "acme/support-bot"}, {"ttft_ms"}),
    "mlflow": (MLFLOW, vendors.mlflow(_renamed("mlflow.jsonl", COUNT, *MLFLOW_IDS)),
               {"project": "support"}, {"ttft_ms"}),
}  # fmt: skip


def fetched(name: str, vendor: Vendor | None = None, **values: Any) -> tuple[list[Any], Direct]:
    source, known, configured, _ = CASES[name]
    client = Direct(vendor or known)
    assert source.api is not None
    asked = source_settings(format=name, path=None, url="https://x", **{**configured, **values})
    return list(source.api.fetch(asked, WINDOW, client)), client


@pytest.mark.parametrize("name", CASES)
def test_what_the_api_gives_tells_the_story(name: str) -> None:
    records, _ = fetched(name)
    lines = [Line("landed", n, json.dumps(one).encode()) for n, one in enumerate(records, 1)]
    rows, rejects = read_lines(CASES[name][0], lines)
    assert rejects == []
    assert len({row["source_id"] for row in rows}) == len(rows) == COUNT
    for row in rows:
        assert_tells_the_story(row, absent=CASES[name][3])


@pytest.mark.parametrize("name", CASES)
def test_only_the_window_is_asked_for(name: str) -> None:
    source, vendor, configured, _ = CASES[name]
    assert source.api is not None
    asked = source_settings(format=name, path=None, url="https://x", **configured)
    moment = CANONICAL["started_at"]
    before = type(WINDOW)(moment - timedelta(days=2), moment - timedelta(days=1))
    assert list(source.api.fetch(asked, before, Direct(vendor))) == []


@pytest.mark.parametrize("name", CASES)
def test_an_answer_of_something_else_is_no_empty_window(name: str) -> None:
    # As a proxy answers that wants a login.
    with pytest.raises(SourceError):
        fetched(name, lambda *_: {"detail": "sign in"})


@pytest.mark.parametrize(("name", "error"), [("langsmith", ConfigError), ("mlflow", LookupError)])
def test_a_project_that_is_not_there(name: str, error: type[Exception]) -> None:
    # MLflow says so itself, with "not found", which the client tells.
    with pytest.raises(error, match=r"nobody|get-by-name"):
        fetched(name, project="nobody")
    with pytest.raises(ConfigError, match="Name one with project"):
        fetched(name, project=None)


def test_a_project_by_its_id_is_not_looked_for() -> None:
    _, client = fetched("langsmith", project="1ffd059c-17ea-40a8-8aef-70fd0307db82")
    assert {path for _, path, _ in client.asked} == {"/api/v1/runs/query"}
    _, client = fetched("mlflow", project="3")
    assert not [path for _, path, _ in client.asked if "experiments" in path]


@pytest.mark.parametrize("name", ["langsmith", "mlflow"])
def test_pages_that_do_not_end_are_told(name: str) -> None:
    _, vendor, _, _ = CASES[name]

    def turning(method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        answer = vendor(method, path, query, body)
        if isinstance(answer, dict) and method == "POST":
            answer = {**answer, "cursors": {"next": "2"}, "next_page_token": "2"}
        return answer

    with pytest.raises(SourceError, match="twice"):
        fetched(name, turning)


def test_fewer_than_the_api_counts_is_told() -> None:
    _, vendor, _, _ = CASES["opik"]

    def wrong(method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        answer = vendor(method, path, query, body)
        return {**answer, "total": answer["total"] + 1}

    with pytest.raises(SourceError, match="counts 6, but gave 5"):
        fetched("opik", wrong)


HEADERS: list[tuple[Api | None, dict[str, Any], tuple[str | None, str | None], dict[str, str]]] = [
    (LANGSMITH.api, {}, ("k", None), {"x-api-key": "k"}),
    (OPIK.api, {"project": "acme/bot"}, ("k", None),
     {"Authorization": "k", "Comet-Workspace": "acme"}),
    (OPIK.api, {"project": "bot"}, (None, None), {}),
    (MLFLOW.api, {}, ("k", None), {"Authorization": "Bearer k"}),
    (MLFLOW.api, {}, ("u", "p"), {"Authorization": "Basic dTpw"}),
    (MLFLOW.api, {}, (None, None), {}),
]  # fmt: skip


@pytest.mark.parametrize(("api", "values", "keys", "expected"), HEADERS)
def test_headers(
    api: Api, values: dict[str, Any], keys: tuple[str | None, str | None], expected: dict[str, str]
) -> None:
    assert dict(api.headers(source_settings(**values), *keys)) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_probe_is_answered(name: str) -> None:
    source, vendor, _, _ = CASES[name]
    assert source.api is not None
    path, _, query = source.api.probe.partition("?")
    assert vendor("GET", path, dict([query.split("=")] if query else []), None)


def test_a_trace_that_does_not_come_ends_the_window() -> None:
    _, vendor, _, _ = CASES["mlflow"]

    def without(method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        return {} if path.endswith("/traces/get") else vendor(method, path, query, body)

    with pytest.raises(SourceError, match="without the trace"):
        fetched("mlflow", without)


def test_an_info_without_an_id_is_a_reject() -> None:
    (trace,) = records_of("mlflow.jsonl")
    info = copy_of(trace["info"])
    del info["trace_id"]

    def answer(method: str, path: str, *_: Any) -> Any:
        return {"traces": [info]} if path.endswith("/traces/search") else None

    records, _ = fetched("mlflow", answer, project="3")
    lines = [Line("landed", 1, json.dumps(one).encode()) for one in records]
    rows, (reject,) = read_lines(MLFLOW, lines)
    assert (rows, reject.reason) == ([], "trace_id: missing")
