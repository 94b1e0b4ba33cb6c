"""How well a metric agrees with people, from a labelled file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from evalkit.agreement import Agreement, evaluate, evaluate_many, render, to_json, to_text
from evalkit.agreement.reading import read
from evalkit.cli import app
from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.errors import EvalkitError
from evalkit.scoring.calibration import thresholds

CONTEXT = (
    "Annual plans may be refunded in full within 30 days.\n\nOrders leave Rotterdam on Mondays."
)
TRUE = ("Annual plans may be refunded in full.", "Orders leave Rotterdam on Mondays.")
FALSE = (
    "Premium users in Brazil receive 500 dollars from Acme.",
    "Goblins dance on Jupiter nightly.",
)


@pytest.fixture(scope="module")
def model() -> Embedder:
    return open_embedder(Settings(), cache=False)


def rows() -> list[dict[str, Any]]:
    found = []
    for k in range(12):
        false = k % 3 == 0
        response = (FALSE if false else TRUE)[k % 2]
        found.append(
            {
                "query": "What about it?",
                "context": CONTEXT,
                "response": response,
                "hallucinated": false,
                "task": ("QA", "Summary")[k % 2],
                "source_id": f"s{k // 2}",
            }
        )
    return found


def parquet(path: Path, items: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(items), path)
    return path


def jsonl(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(model: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Agreement:
    path = parquet(tmp_path_factory.mktemp("agreement") / "rows.parquet", rows())
    return evaluate(path, "hallucination", "hallucinated", "task", embedder=model)


def test_json_has_what_it_promises(found: Agreement) -> None:
    plain = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert set(plain) >= {"metric", "label", "groups", "unscored", "unlabelled"}
    promised = {
        *("group", "n", "positives", "auroc", "auprc", "threshold", "precision", "recall", "f1"),
        *("balanced_accuracy", "kappa", "ece", "baselines"),
    }
    trivial = ["always", "length", "overlap", "cosine", "tfidf", "guess from task"]
    for group in plain["groups"]:
        assert set(group) >= promised
        assert list(group["baselines"]) == trivial
        for baseline in group["baselines"].values():
            assert set(baseline) >= {"auroc", "f1", "balanced_accuracy"}
    assert [group["group"] for group in plain["groups"]] == ["all", "QA", "Summary"]


def test_invented_answers_are_told_from_copied_ones(found: Agreement) -> None:
    everything = found.groups[0]
    assert (everything.n, everything.positives, everything.clusters) == (12, 4, 6)
    assert everything.auroc is not None
    assert everything.auroc > 0.9
    assert everything.threshold == thresholds(verified=False)["hallucination"]
    assert everything.baselines["overlap"].auroc == 1.0
    assert everything.baselines["tfidf"].auroc == 1.0


def test_a_constant_score_is_worth_nothing(found: Agreement) -> None:
    always = found.groups[0].baselines["always"]
    assert (always.auroc, always.balanced_accuracy) == (0.5, 0.5)
    assert always.f1 == pytest.approx(2 * (4 / 12) / (1 + 4 / 12))


def test_groups_add_up(found: Agreement) -> None:
    whole, *parts = found.groups
    assert sum(part.n for part in parts) == whole.n
    assert sum(part.positives for part in parts) == whole.positives


def test_the_table_shows_every_group_and_baseline(found: Agreement) -> None:
    text = to_text(found)
    for word in ("all", "QA", "Summary", "always", "length", "overlap", "cosine", "AUROC"):
        assert word in text


def test_the_same_rows_give_the_same_figures_in_any_form(
    found: Agreement, model: Embedder, tmp_path: Path
) -> None:
    listed = [{**r, "contexts": r["context"].split("\n\n")} for r in rows()]
    with_ids = [
        {**r, "contexts": [{"id": str(k), "text": t} for k, t in enumerate(r["contexts"])]}
        for r in listed
    ]
    as_numbers = [{**r, "hallucinated": int(r["hallucinated"])} for r in rows()]
    for k, items in enumerate((rows(), listed, with_ids, as_numbers)):
        path = jsonl(tmp_path / f"{k}.jsonl", items)
        assert evaluate(path, "hallucination", "hallucinated", "task", embedder=model) == found


def test_rows_without_a_score_are_counted_and_not_dropped(model: Embedder, tmp_path: Path) -> None:
    items = rows()
    items[1]["response"] = "Unable to answer based on given passages."
    items[2]["response"] = None
    items[3]["hallucinated"] = None
    path = jsonl(tmp_path / "rows.jsonl", items)
    found = evaluate(path, "hallucination", "hallucinated", embedder=model)
    assert found.unscored == {"abstained": 1, "not_applicable": 1}
    assert found.unlabelled == 1
    assert found.groups[0].n + found.groups[0].n_unscored + found.unlabelled == len(items)
    assert "1 abstained" in to_text(found)


def test_a_label_can_be_turned_around(model: Embedder, tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", rows())
    straight = evaluate(path, "groundedness", "hallucinated", embedder=model).groups[0]
    turned = evaluate(path, "groundedness", "!hallucinated", embedder=model).groups[0]
    again = evaluate(path, "!groundedness", "hallucinated", embedder=model)
    assert again.label == "!hallucinated"
    assert again.groups[0] == turned
    assert straight.auroc is not None
    assert turned.auroc == pytest.approx(1 - straight.auroc)
    assert turned.positives == straight.n - straight.positives
    assert turned.threshold == thresholds(verified=False)["groundedness"]
    assert turned.ece is None


def test_with_one_class_only_nothing_is_made_up(model: Embedder) -> None:
    table = pa.Table.from_pylist([r for r in rows() if not r["hallucinated"]])
    group = evaluate(table, embedder=model).groups[0]
    assert (group.n, group.positives) == (8, 0)
    assert group.auroc is None
    assert group.balanced_accuracy is None
    assert json.dumps(to_json(evaluate(table, embedder=model)), allow_nan=False)


@pytest.mark.parametrize("value", ["yes", 2, 0.5, -1])
def test_a_label_that_is_none_is_refused(value: object, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{**rows()[0], "hallucinated": value}])
    with pytest.raises(EvalkitError, match=r"row 1: hallucinated is .* true, false, 1, 0 or null"):
        read(path, "hallucinated")


def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(EvalkitError, match="no such file"):
        read(tmp_path / "none.parquet", "hallucinated")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"response": "a"}\n{"resp', encoding="utf-8")
    with pytest.raises(EvalkitError, match="line 2"):
        read(broken, "hallucinated")
    fake = tmp_path / "fake.parquet"
    fake.write_bytes(b"nothing")
    with pytest.raises(EvalkitError, match="is no Parquet file"):
        read(fake, "hallucinated")
    good = jsonl(tmp_path / "good.jsonl", rows())
    with pytest.raises(EvalkitError, match=r"no column 'verdict'.*It has: query"):
        read(good, "verdict")
    with pytest.raises(EvalkitError, match="no column 'team'"):
        read(good, "hallucinated", ["team"])
    with pytest.raises(EvalkitError, match="no column 'marks'"):
        read(good, "hallucinated", spans="marks")
    with pytest.raises(EvalkitError, match=r"'task' is string, no list of \{start, end\}"):
        read(good, "hallucinated", spans="task")
    bare = jsonl(tmp_path / "bare.jsonl", [{"response": "a", "hallucinated": True}])
    with pytest.raises(EvalkitError, match="neither `context`"):
        read(bare, "hallucinated")
    unlabelled = jsonl(tmp_path / "unlabelled.jsonl", [{**rows()[0], "hallucinated": None}])
    with pytest.raises(EvalkitError, match="no row has a value"):
        read(unlabelled, "hallucinated")


def test_an_unknown_metric_lists_the_known_ones(model: Embedder) -> None:
    table = pa.Table.from_pylist(rows())
    with pytest.raises(EvalkitError, match=r"'truth' is no metric\. Known: .*groundedness"):
        evaluate(table, "truth", embedder=model)


def test_rows_of_one_source_are_resampled_together() -> None:
    labelled = read(pa.Table.from_pylist(rows()), "hallucinated")
    assert labelled.clusters == tuple(f"s{k // 2}" for k in range(12))
    assert labelled.labels.dtype == np.bool_


def test_several_metrics_and_groups_are_those_of_each(found: Agreement, model: Embedder) -> None:
    table = pa.Table.from_pylist(rows())
    first, second = evaluate_many(
        table, ["hallucination", "!groundedness"], group=["task", "source_id"], embedder=model
    )
    assert first.groups[0].auroc == found.groups[0].auroc
    assert (second.metric, second.label) == ("groundedness", "!hallucinated")
    assert [group.group for group in first.groups][:4] == [
        *("all", "task=QA", "task=Summary", "source_id=s0")
    ]
    assert {"guess from task", "guess from source_id"} <= set(first.groups[0].baselines)


def test_all_metrics_are_held_against_the_worse_verdict(model: Embedder) -> None:
    every = evaluate_many(pa.Table.from_pylist(rows()), ["all"], embedder=model)
    labels = {each.metric: each.label for each in every}
    assert labels["hallucination"] == "hallucinated"
    assert labels["groundedness"] == "!hallucinated"
    assert "No row has a score of" in render(every, "text")
    assert [item["metric"] for item in json.loads(render(every, "json"))] == sorted(labels)


def test_labelled_spans_are_found_by_themselves_and_held_against_the_evidence(
    model: Embedder, tmp_path: Path
) -> None:
    items = [
        {**r, "labels": [{"start": 0, "end": len(r["response"])}] if r["hallucinated"] else []}
        for r in rows()
    ]
    items[0]["labels"] = [{"start": 0, "end": 10_000}]
    items[1]["labels"] = None
    path = parquet(tmp_path / "rows.parquet", items)
    found = evaluate(path, "hallucination", embedder=model)
    spans = found.groups[0].spans
    assert found.spans_left_out == 1
    assert found.groups[0].n_spans == 10
    assert list(spans) == ["character", "word", "response"]
    for figure in spans.values():
        assert figure.f1 is not None
        assert figure.everything_f1 is not None
        assert figure.f1 > figure.everything_f1
    renamed = parquet(
        tmp_path / "renamed.parquet",
        [{("marks" if key == "labels" else key): v for key, v in r.items()} for r in items],
    )
    assert evaluate(renamed, "hallucination", embedder=model).groups[0].spans == {}
    named = evaluate(renamed, "hallucination", spans="marks", embedder=model)
    assert named.groups[0].spans == spans
    assert evaluate(path, "answer_relevance", embedder=model).groups[0].spans == {}


def test_a_column_called_labels_may_hold_something_else(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [{**r, "labels": ["a"]} for r in rows()])
    assert read(path, "hallucinated").spans is None


def test_the_verb_writes_the_format_of_the_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", rows())
    out = tmp_path / "agreement.html"
    args = ["agreement", str(path), "--metric", "hallucination", "--metric", "!groundedness"]
    done = CliRunner().invoke(app, [*args, "--group", "task", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    plain = CliRunner().invoke(app, ["agreement", str(path), "--json"])
    assert json.loads(plain.stdout)["metric"] == "hallucination"
    with pytest.raises(EvalkitError, match="cannot be written"):
        CliRunner().invoke(
            app, [*args[:2], "--out", str(tmp_path / "no" / "a.md")], catch_exceptions=False
        )
