"""CSV that a spreadsheet opens as text: no cell is ever a formula; and the way back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["defused", "undefused", "write_csv"]

#: What spreadsheets take for the beginning of a formula or skip before they look for one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def defused(value: Any) -> Any:
    """A cell that no spreadsheet evaluates: what begins like a formula gets a leading apostrophe.

    Numbers stay numbers, also negative ones. See OWASP, "CSV Injection".

    >>> defused("=cmd|' /C calc'!A0"), defused(-0.5), defused(None)
    ("'=cmd|' /C calc'!A0", -0.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return value
    text = str(value).replace("\x00", "\ufffd")
    return f"'{text}" if text.startswith(_FORMULA) else text


def undefused(text: str) -> str:
    """A cell as it was before `defused`; any other text as it stands.

    >>> undefused("'=1+1"), undefused("'tis so")
    ('=1+1', "'tis so")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as CSV text (RFC 4180: CRLF, doubled quotes), the columns in the given order."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([defused(name) for name in columns])
    for row in rows:
        writer.writerow([defused(row.get(name)) for name in columns])
    return out.getvalue()
