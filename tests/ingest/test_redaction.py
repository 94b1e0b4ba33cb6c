"""Nothing personal comes through ingest, in whatever format and field it was planted; all else does."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import Settings, load
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest import ingest, reading
from evalkit.ingest.contract import Source
from evalkit.ingest.redaction import Redaction
from evalkit.lake import Lake
from evalkit.registry import find
from evalkit.schema import INTERACTIONS, LABELS, LEDGER, REJECTS, TABLES
from evalkit.text.disguises import plain
from tests.ingest.golden import DATA
from tests.ingest.planted import Planted, planted, traces
from tests.ingest.sources.test_table import COLUMNS
from tests.ingest.story import DAY, STORY, copy_of, write_lines

CLASSES = ["email", "phone", "card", "iban", "key", "ip"]
ALL = {"classes": CLASSES}
#: Every sample of every format; the canonical lines have a sample of their own below.
SAMPLES: dict[str, list[str]] = {
    "openai_log": ["openai_pairs", "openai_stream_pairs", "openai_stored", "openai_stream_list"],
    "litellm": ["litellm", "litellm_spend_logs"],
    "langfuse": ["langfuse_observations", "langfuse_legacy_observations", "langfuse_scores"],
    "langsmith": ["langsmith"],
    "opik": ["opik"],
    "mlflow": ["mlflow"],
    "sagemaker": ["sagemaker", "sagemaker_bodies"],
    "vertex": ["vertex", "vertex_partner"],
    "otlp": ["otlp_genai", "otlp_openinference", "otlp_phoenix", "otlp_events", "otlp_numbered"],
}
CANONICAL: dict[str, Any] = {
    "source_id": "a-1",
    "started_at": "2026-11-22T02:14:05.120Z",
    "user_id": "u-1842",
    "session_id": "s-77",
    "route": "/a b/c",
    "query": "What is the refund window for annual plans?",
    "response": "Annual plans can be refunded within 30 days.",
    "reference": "It is 30 days.",
    "corrected_response": "It is 30 days, from the purchase.",
    "system_prompt": "Answer only from the context.",
    "history": [{"role": "user", "content": "Hello there"}],
    "contexts": [
        {"id": "kb one", "text": "Refunds within 30 days.", "attributes": {"a note": "by the team"}}
    ],
    "relevant_ids": ["kb one"],
    "stages": [{"name": "the search", "kind": "retrieval", "error": "it was slow"}],
    "error_type": "time out",
    "feedback": [{"name": "thumbs", "value": 1, "comment": "Thank you all", "by": "u-1842"}],
    "attributes": {"a key": "a value"},
}


class Planting:
    """Puts the planted data into texts, one after the other, each as often as it takes."""

    def __init__(self) -> None:
        self.data = planted()
        self.used: set[Planted] = set()
        self._next = 0

    def into(self, text: str) -> str:
        datum = self.data[self._next % len(self.data)]
        self._next += 1
        self.used.add(datum)
        return f"{text} {datum.written} "

    def everywhere(self, value: Any) -> Any:
        """Into every prose text of a record, those inside of packed JSON too."""
        if isinstance(value, dict):
            return {name: self.everywhere(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.everywhere(one) for one in value]
        if not isinstance(value, str) or " " not in value:
            return value
        if value[:1] in ("{", "["):
            try:
                return json.dumps(self.everywhere(json.loads(value)))
            except ValueError:
                pass
        return self.into(value)


def records_of(name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()
        if line
    ]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Lake, Planting]:
    folder = tmp_path_factory.mktemp("planted")
    planting = Planting()
    sources: dict[str, Any] = {}
    for form, names in SAMPLES.items():
        for name in names:
            sample = [planting.everywhere(record) for record in records_of(name)]
            broken = [
                planting.into("no JSON at all: ").encode(),
                json.dumps({"text": planting.into("cut")}).encode()[:-1],
                json.dumps([planting.into("a list")]).encode(),
            ]
            write_lines(folder / name / "log.jsonl", [*sample, *broken])
            sources[name] = {"format": form, "path": f"{name}/log.jsonl"}
    lines = [
        planting.everywhere(CANONICAL) | {"source_id": f"a-{i}", "user_id": planting.into("u")}
        for i in range(400)
    ]
    odd = [  # become rejects
        CANONICAL
        | {
            "source_id": f"b-{i}",
            "latency_ms": planting.into("slow"),
            "truncated": planting.into("so"),
        }
        for i in range(50)
    ]
    address = next(d.written for d in planting.data if d.kind == "email")
    write_lines(folder / "canonical" / f"{address}.jsonl", [*lines, *odd, b"{broken", b"[1]"])
    sources["canonical"] = {"format": "jsonl", "path": "canonical/*.jsonl"}
    sources |= _tables(folder, planting)
    write_lines(folder / "labels.jsonl", [
        {"source_id": "a-0", "metric": "groundedness", "value": 1, "by": address, "at": "2026-11-22T09:00:00Z"},
    ])  # fmt: skip
    settings = Settings.model_validate(
        {"sources": sources, "redaction": ALL, "labels": {"path": "labels.jsonl"}, "base": folder}
    )
    lake = Lake(str(folder / "lake"))
    ingest(settings, lake, [DAY])
    return settings, lake, planting


def _tables(folder: Path, planting: Planting) -> dict[str, Any]:
    sources = {}
    rows = list(csv.reader(io.StringIO((DATA / "table.csv").read_text("utf-8"))))
    plant = {rows[0].index(name) for name in ("question", "answer", "system")}
    out = io.StringIO()
    csv.writer(out).writerows(
        [
            [planting.into(cell) if i and at in plant else cell for at, cell in enumerate(row)]
            for i, row in enumerate(rows)
        ]
    )
    (folder / "table.csv").write_text(out.getvalue(), "utf-8")
    table = pq.read_table(DATA / "table.parquet")
    for name in ("question", "answer", "system"):
        cells = [planting.into(cell) for cell in table.column(name).to_pylist()]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(cells))
    pq.write_table(table, folder / "table.parquet")
    for kind in ("csv", "parquet"):
        sources[kind] = {"format": "table", "path": f"table.{kind}", "columns": COLUMNS}
    return sources


def stored(lake: Lake) -> Iterator[str]:
    """Every stored text, each once, and what a reader would make of it."""
    for table in TABLES:
        for row in lake.read(table, DAY, DAY).to_pylist():
            yield from _strings(row)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _strings(name)
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def assert_holds_none(texts: Iterator[str], data: set[Planted]) -> None:
    seen = set(texts)
    raw = "\n".join(seen)
    stripped = "\n".join({bare(plain(text).text) for text in seen})
    for datum in data:
        for trace in traces(datum):
            assert trace not in raw, datum
        assert bare(datum.bare) not in stripped, datum


def test_every_format_is_planted() -> None:
    known = set(find("evalkit.ingest.sources", "evalkit.sources", Source))
    assert known == {*SAMPLES, "jsonl", "table"}


def test_no_planted_datum_is_stored(night: tuple[Settings, Lake, Planting]) -> None:
    _, lake, planting = night
    assert len(planting.used) == 500
    assert lake.read(INTERACTIONS, DAY, DAY).num_rows >= 420
    assert lake.read(REJECTS, DAY, DAY).num_rows >= 30
    assert_holds_none(stored(lake), planting.used)


def test_what_was_taken_out_is_in_the_ledger(night: tuple[Settings, Lake, Planting]) -> None:
    _, lake, _ = night
    hours = [row for row in lake.read(LEDGER, DAY, DAY).to_pylist() if row["kind"] == "hour"]
    taken = {row["source"]: dict(row["redacted"]) for row in hours if row["redacted"]}
    assert set(taken["canonical"]) == set(CLASSES)
    assert all(sum(counts.values()) >= 3 for counts in taken.values())
    assert set(taken) == set(night[0].sources)


def test_nothing_is_lost_with_it(night: tuple[Settings, Lake, Planting]) -> None:
    _, lake, _ = night
    rows = {
        r["source_id"]: r
        for r in lake.read(INTERACTIONS, DAY, DAY).to_pylist()
        if r["source"] == "canonical"
    }
    assert len(rows) == 400, "ids and users stay apart"
    assert len({row["user_id"] for row in rows.values()}) > 300
    assert rows["a-0"]["query"].startswith("What is the refund window for annual plans? [")
    (label,) = lake.read(LABELS, DAY, DAY).to_pylist()
    assert label["interaction_id"] == rows["a-0"]["interaction_id"]
    assert re.fullmatch(r"email-[0-9a-f]{16}", label["by"])


def test_a_second_run_gives_the_same(night: tuple[Settings, Lake, Planting]) -> None:
    settings, lake, _ = night
    (again,) = ingest(settings, lake, [DAY])
    assert not again.changed


def test_every_sample_without_personal_data_is_as_it_was() -> None:
    redaction = Redaction(Settings.model_validate({"redaction": ALL}))
    for names in SAMPLES.values():
        for name in names:
            for record in records_of(name):
                assert redaction.record(record) == record, name


# ── one thing at a time
# ───────────────────────────────────────────────────────────────────────────────────────


def redacted(row: dict[str, Any], settings: dict[str, Any] = ALL, **environ: str) -> dict[str, Any]:
    redaction = Redaction(Settings.model_validate({"redaction": settings}), environ)
    (done,) = redaction.rows([row], "gateway")
    return done


def test_the_same_address_is_the_same_in_chunk_and_answer() -> None:
    row = redacted(
        {
            "query": "Who answers, bob@example.org?",
            "response": "Write to JANE@example.org.",
            "contexts": [
                {"id": "a", "text": "Jane is at jane@example.org, Bob at bob@example.org."}
            ],
        }
    )
    assert row["query"] == "Who answers, [EMAIL 1]?"
    assert row["contexts"][0]["text"] == "Jane is at [EMAIL 2], Bob at [EMAIL 1]."
    assert row["response"] == "Write to [EMAIL 2]."


def test_values_of_the_wrong_type_are_looked_at_too() -> None:
    """They end in the row's attributes."""
    done = redacted(
        {"latency_ms": "ask jane@example.org", "tokens_input": 4111111111111111, "truncated": ["a@example.org"],
         "attributes": {"card": 4111111111111111, "a@example.org": {"b": ["10.20.30.40", b"c@example.org", 1.5, None]}}}
    )  # fmt: skip
    assert done == {
        "latency_ms": "ask [EMAIL]",
        "tokens_input": "[CARD 1]",
        "truncated": ["[EMAIL 1]"],
        "attributes": {"card": "[CARD 1]", "[EMAIL 1]": {"b": ["[IP 1]", "[EMAIL 2]", 1.5, None]}},
    }


def test_users_are_hashed_with_the_key_wherever_they_stand() -> None:
    row = {
        "user_id": "u-1842",
        "feedback": [{"by": "u-1842"}, {"by": "reviewer"}],
        "attributes": {"end_user": "u-7", "owner": "u-1842", "n": "1842"},
    }
    done = redacted(row, {"classes": [], "hash_users_env": "KEY"}, KEY="long and random")
    hashed = done["user_id"]
    assert re.fullmatch(r"user-[0-9a-f]{32}", hashed)
    assert [one["by"] for one in done["feedback"]] == [hashed, "reviewer"]
    assert done["attributes"]["owner"] == hashed
    assert done["attributes"]["n"] == "1842"
    assert re.fullmatch(r"user-[0-9a-f]{32}", done["attributes"]["end_user"])
    again = redacted(done, {"classes": [], "hash_users_env": "KEY"}, KEY="long and random")
    assert again["user_id"] == hashed, "what was landed hashed is not hashed again"
    other = redacted(row, {"classes": [], "hash_users_env": "KEY"}, KEY="another key")
    assert other["user_id"] != hashed


def test_a_missing_key_says_what_to_do() -> None:
    settings = Settings.model_validate({"redaction": {"hash_users_env": "USERS_KEY"}})
    with pytest.raises(
        ConfigError, match=r"\[redaction\] hash_users_env: USERS_KEY is not set .* Set it"
    ):
        Redaction(settings, {})


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ('staff = "("', "staff: no regular expression"),
        ('staff = "x*"', "staff: it matches nothing at all"),
        ('email = "x"', "'email' is a built-in class"),
        ('"a b" = "x"', "'a b': a name is letters"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named(pattern: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "evalkit.toml").write_text(f"[redaction.patterns]\n{pattern}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"evalkit.toml: \[redaction\] patterns: .*") as error:
        load(tmp_path)
    assert says in str(error.value)


def test_own_patterns_are_counted_under_their_names() -> None:
    redaction = Redaction(
        Settings.model_validate({"redaction": {"patterns": {"staff": r"P-\d{4}"}}}), {}
    )
    (row,) = redaction.rows(
        [{"query": "Is P-1234 in?", "started_at": CANONICAL["started_at"]}], "s"
    )
    assert row["query"] == "Is [STAFF 1] in?"


def test_a_cut_raw_line_loses_its_end(tmp_path: Path, configure: Callable[..., Settings]) -> None:
    """Half of an address is no address that anything could find."""
    line = b'{"a": "' + b"x " * 990 + b"jane.roe@example.org and more " * 9
    write_lines(tmp_path / "logs" / "a.jsonl", [STORY, line])
    lake = Lake(str(tmp_path / "lake"))
    ingest(configure(redaction=ALL), lake, [DAY])
    (reject,) = lake.read(REJECTS, DAY, DAY).to_pylist()
    assert "jane" not in reject["raw"]


def test_errors_do_not_quote_personal_data(
    tmp_path: Path, configure: Callable[..., Settings]
) -> None:
    settings = configure(
        sources={"gateway": {"format": "openai_log", "path": "jane@example.org/*.jsonl"}},
        redaction=ALL,
    )
    with pytest.raises(SourceError) as error:
        reading.read_all(settings, [DAY], tmp_path)
    assert "jane" not in str(error.value)
    assert "[EMAIL]" in str(error.value)


def test_records_keep_their_ids_times_and_numbers() -> None:
    redaction = Redaction(Settings.model_validate({"redaction": ALL}))
    record = {
        "id": "5b8efff798038103d269b633813fc60c",
        "user_id": "jane@example.org",
        "startTimeUnixNano": "1795313645120000000",
        "created": 1795313645,
        "at": "2026-11-22T02:14:05.120Z",
        "usage": {"prompt_tokens": 412, "card": 4111111111111111},
        "metadata": '{"mail": "bob@example.org"}',
        "input": [{"content": "I am jane@example.org"}],
    }
    done = redaction.record(record)
    assert re.fullmatch(r"email-[0-9a-f]{16}", done["user_id"])
    assert done["usage"] == {"prompt_tokens": 412, "card": "[CARD 1]"}
    assert json.loads(done["metadata"]) == {"mail": "[EMAIL 1]"}
    assert done["input"] == [{"content": "I am [EMAIL 2]"}]
    for name in ("id", "startTimeUnixNano", "created", "at"):
        assert done[name] == record[name]


def test_landed_lines_are_redacted_and_clean_ones_are_not_touched() -> None:
    redaction = Redaction(Settings.model_validate({"redaction": ALL}))
    clean = b'{"a": 1.50,  "b": "x"}\n'
    dirty = b'{"a": "jane@example.org"}\n'
    assert list(redaction.lines([clean + dirty, clean])) == [clean + b'{"a":"[EMAIL 1]"}\n', clean]


def test_what_was_landed_without_data_still_counts() -> None:
    redaction = Redaction(Settings.model_validate({"redaction": ALL}))
    record = redaction.record(
        copy_of(STORY, user_id="jane@example.org", request__model="gpt jane@example.org")
    )
    from tests.ingest.story import read_openai

    redaction.rows(read_openai(record), "api", landed=True)
    ((_, counts),) = redaction.taken.items()
    assert counts["email"] == 2


def test_a_prompt_is_the_same_prompt_whoever_it_names() -> None:
    from tests.ingest.story import read_openai

    def named(name: str) -> Any:
        messages = [
            {"role": "system", "content": f"The user is {name}. Be brief."},
            {"role": "user", "content": "Hello?"},
        ]
        return read_openai(copy_of(STORY, request__messages=messages))[0]["prompt_fingerprint"]

    assert named("jane@example.org") == named("bob@example.org")
    assert named("Jane") != named("Bob")
