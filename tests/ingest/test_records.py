"""One line to one object: what is mended, what is refused, and in which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest.contract import RecordError
from evalkit.ingest.records import excerpt, record_of

DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at 7"),
        (b'{"a": "caf\xe9"}', "not UTF-8: byte 0xe9 at 10"),
        (b'{"a": 1', "JSON that ends too early"),
        (b'{"a": "text', "JSON that ends too early"),
        (b'{"a": 1]', "not valid JSON"),
        (b"plain words", "not valid JSON"),
        (b"[1]", "not a JSON object but a list"),
        (b'"text"', "not a JSON object but a string"),
        (b"12", "not a JSON object but a number"),
        (b"null", "not a JSON object but null"),
        (b"true", "not a JSON object but true or false"),
        (b'{"a": "\x00"}', "holds a NUL byte"),
        ('{"a": 1}'.encode("utf-16-le"), "holds a NUL byte"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (DEEP, "nested deeper than 200 levels"),
        (b"[" * 100_000, "nested deeper than 200 levels"),
    ],
)
def test_a_line_that_is_no_record_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        record_of(line)
    assert error.value.reason.startswith(reason)


def test_not_a_number_is_missing() -> None:
    assert record_of(b'{"a": NaN, "b": [Infinity, -Infinity, 1]}') == {
        "a": None,
        "b": [None, None, 1],
    }


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_kept() -> None:
    assert record_of(rb'{"a": "x\ud800y", "\udc00": "\ud83d\ude00"}') == {
        "a": "x\ufffdy",
        "\ufffd": "\U0001f600",
    }


def test_endless_integers_become_floats() -> None:
    assert record_of(b'{"a": 1' + b"0" * 30 + b"}") == {"a": 1e30}
    assert record_of(b'{"a": NaN, "b": 1' + b"0" * 5000 + b"}") == {"a": None, "b": float("inf")}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(st.dictionaries(st.text(), VALUES))
def test_every_json_object_is_read_as_python_reads_it(value: dict[str, object]) -> None:
    assert record_of(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_reason(line: bytes) -> None:
    try:
        record = record_of(line)
    except RecordError as error:
        record = {"reason": error.reason}
    assert isinstance(record, dict)


def test_an_excerpt_is_short_text_without_nul() -> None:
    assert excerpt(b"a\x00\xff") == "a\ufffd\ufffd"
    assert len(excerpt("ü".encode() * 10_000)) == 2000
