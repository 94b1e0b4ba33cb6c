"""Makes values from traffic fit to be shown: harmless, of bounded length, in their own direction.

Escaping is not done here but by the template engine, for every value without exception; these
functions never give markup, apart from `isolate` and `marked`, which escape what they wrap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from markupsafe import Markup, escape

__all__ = ["clean", "clip", "isolate", "marked", "rows"]

#: No single text of a page or mail is longer than this, whatever was logged.
LONGEST = 4000
#: Controls, direction overrides and embeddings, and noncharacters: each becomes one U+FFFD, so that
#: character offsets (evidence) stay valid.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str, longest: int = LONGEST) -> str:
    r"""The text without characters that act on what is around them, at most `longest` long.

    >>> clean("a\x00b\u202ec")
    'a\ufffdb\ufffdc'
    """
    return clip(_HARMFUL.sub("\ufffd", text[: longest + 1].replace("\r\n", " \n")), longest)


def clip(text: str, longest: int) -> str:
    """The text, or its first characters and an ellipsis.

    >>> clip("hallucination", 6)
    'hallu…'
    """
    return text if len(text) <= longest else text[: max(longest - 1, 0)] + "…"


def isolate(text: object) -> Markup:
    """The escaped text in its own direction run, so that it cannot reorder its neighbours."""
    return Markup("<bdi>{}</bdi>").format("–" if text is None else text)


def marked(
    text: str | None, spans: Iterable[Mapping[str, Any]] | None, note: str = "unsupported"
) -> Markup:
    """The escaped text with the spans of one note as `<mark>`; spans are characters, end exclusive.

    Overlapping spans are merged; spans outside the (cut) text are dropped.

    >>> marked("4 < 5 apples", [{"start": 4, "end": 5, "note": "unsupported"}])
    Markup('4 &lt; <mark>5</mark> apples')
    """
    if text is None:
        return Markup("")
    wanted = sorted(
        (max(int(span["start"]), 0), min(int(span["end"]), len(text)))
        for span in spans or ()
        if span.get("note") == note
        and span.get("start") is not None
        and span.get("end") is not None
    )
    merged: list[tuple[int, int]] = []
    for start, end in wanted:
        if start >= end:
            continue
        # Words with only a blank between them read better as one mark.
        if merged and not text[merged[-1][1] : start].strip():
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    parts: list[Markup] = []
    at = 0
    for start, end in merged:
        parts.append(escape(text[at:start]))
        parts.append(Markup("<mark>{}</mark>").format(text[start:end]))
        at = end
    parts.append(escape(text[at:]))
    return Markup("").join(parts)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """An Arrow table as rows for a template: every text cleaned, at any depth."""
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key), 200): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return clean(value.decode("utf-8", "replace"))
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Decimal):  # DuckDB's sums of whole numbers
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, (bool, int, float, date, datetime)):
        return value
    return clean(str(value))
