"""Cells that no spreadsheet evaluates, and the way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.csv import defused, undefused


@given(st.text(alphabet="=+-@'\t\r\nab1"))
def test_a_defused_cell_comes_back_as_it_was(text: str) -> None:
    if not text.startswith(
        "'"
    ):  # a text that begins with an apostrophe may have been defused already
        assert undefused(defused(text)) == text
