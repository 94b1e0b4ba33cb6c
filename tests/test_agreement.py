"""How well a metric agrees with people, from a labelled file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.agreement import Agreement, evaluate, to_json, to_text
from evalkit.agreement.reading import read
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


def test_json_has_exactly_the_promised_keys(found: Agreement) -> None:
    plain = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert list(plain) == ["metric", "label", "groups", "unscored", "unlabelled"]
    promised = {
        *("group", "n", "positives", "auroc", "auprc", "threshold", "precision", "recall", "f1"),
        *("balanced_accuracy", "kappa", "ece", "baselines"),
    }
    extra = {"n_unscored", "auroc_lower", "auroc_upper"}
    for group in plain["groups"]:
        assert set(group) == promised | extra
        assert list(group["baselines"]) == ["always", "length", "overlap", "cosine"]
        for baseline in group["baselines"].values():
            assert set(baseline) == {"auroc", "f1", "balanced_accuracy"}
    assert [group["group"] for group in plain["groups"]] == ["all", "QA", "Summary"]


def test_invented_answers_are_told_from_copied_ones(found: Agreement) -> None:
    everything = found.groups[0]
    assert (everything.n, everything.positives) == (12, 4)
    assert everything.auroc == 1.0
    assert everything.balanced_accuracy == 1.0
    assert everything.threshold == thresholds()["hallucination"]
    assert everything.auroc_lower == everything.auroc_upper == 1.0


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
    assert (straight.auroc, turned.auroc) == (0.0, 1.0)
    assert turned.positives == straight.n - straight.positives
    assert turned.threshold == thresholds()["groundedness"]
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
        read(good, "hallucinated", "team")
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
