"""A sheet as a file: one HTML page that works offline, or CSV. What stands on it is decided elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from evalkit.errors import LabelError
from evalkit.labelling.design import Item, Sheet
from evalkit.labelling.reading import FORMAT
from evalkit.text.csv import write_csv
from evalkit.text.sentences import split

__all__ = ["Format", "render", "write"]

Format = Literal["html", "csv"]

#: No text on a sheet is longer than these: a person's minute is short, and a cell holds 32,767 characters.
_MOST = {"query": 4_000, "response": 20_000, "chunk": 6_000, "chunks": 30_000}
#: Controls, direction overrides and embeddings, tags and noncharacters: shown as what they are, never obeyed.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u2028\u2029\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_COLUMNS = ("row", "app", "route", "question", "passages", "answer")
_BLANKS = ("verdict", "comment", "by", "key")


def render(sheet: Sheet, format_: Format) -> str:
    """The text of the file; the same sheet gives the same text."""
    return _html(sheet) if format_ == "html" else _csv(sheet)


def write(sheet: Sheet, path: Path | str, format_: Format | None = None) -> Path:
    """Write a sheet to a file, all or nothing; the format follows from the name unless it is given.

    Raises:
        LabelError: something else is in a file of that name (it may hold someone's verdicts), or it cannot be
            written.
    """
    target = Path(path)
    kind: Format = format_ or ("csv" if target.suffix.lower() == ".csv" else "html")
    text = render(sheet, kind)
    # Spreadsheets take a file without the mark for one in their country's code page.
    data = text.encode("utf-8-sig" if kind == "csv" else "utf-8")
    try:
        if target.exists():
            if target.read_bytes() == data:
                return target
            raise LabelError(
                f"{target}: is there already and may hold verdicts. Move it away, or name another file with --out."
            )
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise LabelError(f"{target}: cannot be written ({error.strerror or error}).") from error
    return target


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────


def _html(sheet: Sheet) -> str:
    folder = files("evalkit.labelling") / "page"
    texts = {
        name: (folder / name).read_text("utf-8") for name in ("sheet.html", "sheet.css", "sheet.js")
    }
    engine = ImmutableSandboxedEnvironment(
        loader=DictLoader(texts),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    head = {"format": FORMAT, "sheet": sheet.design.to_json()}
    rows = [
        {
            "app": clean(item.app or "", 200),
            "route": clean(item.route or "", 200),
            "day": item.asked.day.isoformat(),
            "key": json.dumps(key),
            "value": None if item.value is None else f"{item.value:.2f}",
            "query": None if item.query is None else clean(item.query, _MOST["query"]),
            "answer": _numbered(clean(item.response, _MOST["response"])),
            "chunks": _chunks(item),
            "notes": _notes(item),
        }
        for item, key in zip(sheet.items, sheet.keys(), strict=True)
    ]
    return engine.get_template("sheet.html").render(
        question=sheet.question,
        by=sheet.by or "",
        design=sheet.design,
        head=json.dumps(head),
        rows=rows,
        # Both are files of ours: what traffic says stands in neither.
        css=Markup(texts["sheet.css"]),
        js=Markup(texts["sheet.js"]),
        css_hash=_hash(texts["sheet.css"]),
        js_hash=_hash(texts["sheet.js"]),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _numbered(text: str) -> list[tuple[int, str, str]]:
    """(number, what stands before the sentence, the sentence) of each; number 0 for what follows the last."""
    parts: list[tuple[int, str, str]] = []
    at = 0
    for number, (start, end) in enumerate(split(text, max_chars=len(text) + 1), 1):
        parts.append((number, text[at:start], text[start:end]))
        at = end
    return [*parts, (0, text[at:], "")]


def _chunks(item: Item) -> list[tuple[str, str]]:
    """(id, text) of each chunk that has room."""
    shown: list[tuple[str, str]] = []
    room = _MOST["chunks"]
    for chunk_id, text in item.contexts:
        if room <= 0:
            break
        piece = clean(text, min(_MOST["chunk"], room))
        room -= len(piece)
        shown.append((clean(chunk_id or "", 200), piece))
    return shown


def _notes(item: Item) -> list[str]:
    """What the sheet does not show of the row."""
    notes = []
    for name, text in (("question", item.query or ""), ("answer", item.response)):
        most = _MOST["query" if name == "question" else "response"]
        if len(text) > most:
            notes.append(f"The {name} has {len(text):,} characters; the first {most:,} are shown.")
    total = sum(len(text) for _, text in item.contexts)
    shown = sum(len(text) for _, text in _chunks(item))
    if total > shown:
        notes.append(f"The passages have {total:,} characters; {shown:,} are shown.")
    return notes


def clean(text: str, longest: int) -> str:
    r"""The text with harmful characters spelled out, cut to a length.

    >>> clean("a\u202eb\r\nc", 100)
    'a[U+202E]b\nc'
    """
    piece = text[: longest + 1].replace("\r\n", "\n").replace("\r", "\n")
    cut = piece if len(text) <= longest else piece[: max(longest - 1, 0)] + "…"
    return _HARMFUL.sub(lambda found: f"[U+{ord(found.group()):04X}]", cut)


# ── the spreadsheet ──────────────────────────────────────────────────────────────────────────────────


def _csv(sheet: Sheet) -> str:
    scored = any(item.value is not None for item in sheet.items)
    design = sheet.design.to_json()
    rows = []
    for number, (item, key) in enumerate(zip(sheet.items, sheet.keys(), strict=True), 1):
        answer = _joined(_numbered(clean(item.response, _MOST["response"])))
        passages = "\n\n".join(
            f"({k}{': ' + name if name else ''}) {text}"
            for k, (name, text) in enumerate(_chunks(item), 1)
        )
        rows.append(
            {
                "row": number,
                "app": clean(item.app or "", 200),
                "route": clean(item.route or "", 200),
                "question": clean(item.query or "", _MOST["query"]),
                "passages": passages[:32_000],
                "answer": "\n".join([answer, *(f"({note})" for note in _notes(item))])[:32_000],
                "score": item.value,
                "verdict": "",
                "comment": "",
                "by": sheet.by or "",
                "key": json.dumps({"sheet": design, "row": key}),
            }
        )
    columns = [*_COLUMNS, *(["score"] if scored else []), *_BLANKS]
    return write_csv(columns, rows)


def _joined(parts: Sequence[tuple[int, str, str]]) -> str:
    return "".join(
        f"{before}[{number}] {sentence}" if number else before for number, before, sentence in parts
    )
