"""Fields of a source that appear, vanish or change their type, against profiles of some nights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_contract import history

from evalkit.detection.detectors.fields import fields
from evalkit.schema import FIELDS

FIRST = date(2026, 11, 14)
NIGHTS = 9
LAST = FIRST + timedelta(days=NIGHTS - 1)

#: The share of records that have a field on a night, or its shares by type.
Share = float | Mapping[str, float]


def profile(
    of: Mapping[str, Share | list[Share]], rows: int = 1204, source: str = "gateway"
) -> pa.Table:
    """Nine nights of a source; a list says each night's share, a number that of all nights."""
    made: list[dict[str, Any]] = []
    for number in range(NIGHTS):
        for name, given in of.items():
            share = given[number] if isinstance(given, list) else given
            for type_, part in (share if isinstance(share, Mapping) else {"text": share}).items():
                n = round(rows * part)
                if n:
                    made.append(
                        {
                            "day": FIRST + timedelta(days=number),
                            "source": source,
                            "field": name,
                            "type": type_,
                            "n": n,
                            "rows": rows,
                            "share": n / rows,
                        }
                    )
    return pa.Table.from_pylist(made, schema=FIELDS.schema)


def found(of: Mapping[str, Any], rows: int = 1204) -> list[Any]:
    return fields.detect(history(fields=profile({"query": 1.0} | dict(of), rows), day=LAST))


def until_last(share: Share, last: Share) -> list[Share]:
    return [share] * (NIGHTS - 1) + [last]


def test_a_field_that_vanished_is_named_with_its_numbers() -> None:
    (finding,) = found({"attributes.tenant": until_last(0.98, 0.0)})
    assert finding.title == (
        "Field attributes.tenant of source gateway vanished: in 98 % of records until 2026-11-21, "
        "in none of 1,204 last night"
    )
    assert (finding.kind, finding.severity, finding.event) == ("schema_drift", "warning", True)
    assert (finding.segment, finding.value_of_segment, finding.n) == ("source", "gateway", 1204)


def test_a_new_field_is_worth_knowing() -> None:
    (finding,) = found({"attributes.region": until_last(0.0, 0.5)})
    assert finding.title.endswith("appeared: in none until 2026-11-21, in 50 % of 1,204 last night")
    assert finding.severity == "info"


def test_a_field_under_another_name_is_told_as_such() -> None:
    gone, new = found(
        {"attributes.tenant": until_last(0.9, 0.0), "attributes.org": until_last(0.0, 0.9)}
    )
    assert gone.cause == "attributes.org appeared on the same night"
    assert new.cause == "attributes.tenant vanished on the same night"


def test_a_type_that_changed_is_named() -> None:
    (finding,) = found({"attributes.tier": until_last({"number": 0.6}, {"text": 0.6})})
    assert "changed its type: number until 2026-11-21, text in 722 records" in finding.title
    assert finding.severity == "warning"


def test_mixed_types_are_no_change() -> None:
    mixed = {"number": 0.5, "text": 0.1}
    assert found({"attributes.tier": until_last(mixed, {"text": 0.6})}) == []


@pytest.mark.parametrize(
    ("share", "rows", "is_told"),
    [
        (0.98, 40, False),
        (0.98, 100, True),
        (0.5, 200, False),
        (0.5, 500, True),
        (0.09, 10**6, False),
    ],
)
def test_few_records_prove_nothing(share: float, rows: int, is_told: bool) -> None:
    assert bool(found({"attributes.x": until_last(share, 0.0)}, rows)) is is_told


def test_a_field_that_comes_and_goes_says_nothing() -> None:
    shares: list[Share] = [0.9, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.0]
    assert found({"attributes.job": shares}) == []


def test_a_drift_is_told_once() -> None:
    of = {"query": 1.0, "attributes.tenant": [0.98] * (NIGHTS - 2) + [0.0, 0.0]}
    assert fields.detect(history(fields=profile(of), day=LAST)) == []


def test_many_fields_that_go_together_are_one_finding() -> None:
    (finding,) = found({f"attributes.a{n}": until_last(0.9, 0.0) for n in range(12)})
    assert finding.title.startswith(
        "12 fields of source gateway vanished, attributes.a0 among them"
    )
    assert len(finding.detail) == 12


def test_a_source_without_records_has_no_drift() -> None:
    short = profile(
        {"attributes.tenant": until_last(0.98, 0.0)}
    )  # nothing at all on the last night
    other = profile({"query": 1.0}, source="other")
    assert fields.detect(history(fields=pa.concat_tables([short, other]), day=LAST)) == []


@pytest.mark.slow
def test_ordinary_traffic_has_no_drift() -> None:
    """Fields of every frequency whose records come in bunches of twenty: nothing in 400 nights."""
    draw = np.random.default_rng(5)
    shares = np.array([0.02, 0.1, 0.12, 0.2, 0.3, 0.5, 0.8, 0.95])
    told = 0
    for _ in range(400):
        bunches = int(draw.integers(3, 60))
        seen = draw.binomial(bunches, shares[:, None], (len(shares), NIGHTS)) / bunches
        of: dict[str, list[Share]] = {
            f"attributes.f{i}": [float(x) for x in row] for i, row in enumerate(seen)
        }
        told += bool(found(of, bunches * 20))
    assert told == 0
