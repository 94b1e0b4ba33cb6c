"""Files that people send back: checked line by line into verdicts. Storing them is done in `storing`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from evalkit.errors import LabelError
from evalkit.labelling.design import VERDICTS, Asked, Design, Verdict, seal
from evalkit.text.csv import undefused

__all__ = ["FORMAT", "Filled", "read_file", "told"]

#: The mark of a file that a sheet saved.
FORMAT = "evalkit-labels/1"
_SHORT = {"y": "yes", "n": "no", "u": "unsure", "?": "unsure"}
_LONGEST_COMMENT = 2000
_MOST_PROBLEMS = 20
_MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Filled:
    """One file: the verdicts in it, and how many of its rows were left blank."""

    file: Path
    verdicts: tuple[Verdict, ...]
    blank: int


@dataclass(frozen=True)
class _Line:
    """One row of a file before it is checked. `key` and `design` are as they stand there."""

    where: str
    design: object
    key: object
    verdict: object
    comment: object
    by: object
    at: object


class _ProblemError(Exception):
    """What is wrong with one line; collected, so that a person gets all of them at once."""


def read_file(path: Path, by: str | None = None) -> Filled:
    """The verdicts of one file, JSON as the page saves it or CSV.

    Args:
        path: the file.
        by: who judged, where the file does not say.

    Raises:
        LabelError: the file cannot be read or a line is wrong; every wrong line is named with its key.
    """
    data = _bytes_of(path)
    lines = _json_lines(path, data) if data.lstrip()[:1] == b"{" else _csv_lines(path, data)
    modified = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    found: dict[tuple[str, str, str], Verdict] = {}
    problems: list[str] = []
    blank = 0
    for line in lines:
        try:
            verdict = _checked(line, by, modified)
            if verdict is None:
                blank += 1
                continue
            key = (verdict.design.metric, verdict.asked.interaction_id, verdict.by)
            if key in found:
                raise _ProblemError(
                    f"interaction_id: judged already at {found[key].where}. Keep one of the two."
                )
            found[key] = verdict
        except _ProblemError as problem:
            problems.append(f"{path.name}, {line.where}: {problem}")
    if problems:
        raise LabelError(told(problems))
    if not found and not blank:
        raise LabelError(f"{path.name}: holds no row. Give the file that the sheet has saved.")
    return Filled(path, tuple(found.values()), blank)


def told(problems: list[str]) -> str:
    """Problems as one message, each on its line."""
    more = len(problems) - _MOST_PROBLEMS
    rest = [f"… and {more} more."] if more > 0 else []
    return "\n".join([*problems[:_MOST_PROBLEMS], *rest, "Nothing was stored."])


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise LabelError(f"{path}: larger than 256 MB. That is no sheet.")
        return path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _json_lines(path: Path, data: bytes) -> Iterator[_Line]:
    try:
        raw = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LabelError(
            f"{path.name}{line}: no valid JSON ({error}). Save the sheet's verdicts again."
        ) from error
    rows = raw.get("verdicts")
    if raw.get("format") != FORMAT or not isinstance(rows, list):
        raise LabelError(
            f"{path.name}: format: {raw.get('format')!r} is not {FORMAT!r}. "
            "Give the file that the sheet has saved."
        )
    for number, row in enumerate(rows, 1):
        fields = row if isinstance(row, dict) else {}
        yield _Line(
            f"row {number}",
            raw.get("sheet"),
            {name: fields.get(name) for name in ("day", "interaction_id", "probability", "seal")},
            fields.get("verdict"),
            fields.get("comment"),
            raw.get("by"),
            fields.get("at"),
        )


def _csv_lines(path: Path, data: bytes) -> Iterator[_Line]:
    text = _decoded(data)
    head = text[: text.find("\n")] if "\n" in text else text
    # Spreadsheets save with the separator of their country.
    comma = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
    missing = {"verdict", "by", "key"} - set(reader.fieldnames or ())
    if missing:
        raise LabelError(
            f"{path.name}, line 1: {', '.join(sorted(missing))}: no such column. Give a sheet made by "
            "`evalkit labels export --format csv`, with its columns as they were."
        )
    try:
        for row in reader:
            if not any(value for value in row.values() if isinstance(value, str)):
                continue
            try:
                key = json.loads(undefused(row["key"] or ""))
            except (ValueError, RecursionError):
                key = None
            fields = key if isinstance(key, dict) else {}
            yield _Line(
                f"line {reader.line_num}",
                fields.get("sheet"),
                fields.get("row"),
                row["verdict"],
                row.get("comment"),
                row["by"],
                None,
            )
    except csv.Error as error:
        raise LabelError(
            f"{path.name}, line {reader.line_num}: no valid CSV ({error}). Save it as CSV again."
        ) from error


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older spreadsheets save in their country's code page; only comments can hold such letters.
        return data.decode("cp1252", "replace")


def _checked(line: _Line, by: str | None, modified: datetime) -> Verdict | None:
    """The verdict of a line; None where the person left it blank."""
    design, asked = _row_of(line)
    word = _text(line.verdict, "verdict").lower()
    comment = _text(line.comment, "comment")
    if not word:
        if comment:
            raise _ProblemError("verdict: missing beside a comment. Write yes, no or unsure.")
        return None
    word = _SHORT.get(word, word)
    if word not in VERDICTS:
        raise _ProblemError(f"verdict: {word[:40]!r} is none. Write yes, no or unsure.")
    if len(comment) > _LONGEST_COMMENT:
        raise _ProblemError(f"comment: {len(comment):,} characters; at most {_LONGEST_COMMENT:,}.")
    who = _text(line.by, "by") or (by or "").strip()
    if not who:
        raise _ProblemError("by: nobody. Write who judged, or give --by NAME.")
    if len(who) > 200:
        raise _ProblemError("by: longer than 200 characters.")
    return Verdict(
        design, asked, VERDICTS[word], who, _time(line.at) or modified, comment or None, line.where
    )


def _row_of(line: _Line) -> tuple[Design, Asked]:
    try:
        if not isinstance(line.design, Mapping) or not isinstance(line.key, Mapping):
            raise TypeError("no object")
        design = Design.from_json(line.design)
        chance = line.key["probability"]
        asked = Asked(
            date.fromisoformat(line.key["day"]),
            str(line.key["interaction_id"]),
            None if chance is None else float(chance),
        )
        fits = line.key["seal"] == seal(design, asked)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _ProblemError("key: cannot be read. Leave that column as the sheet had it.") from None
    if not fits:
        raise _ProblemError(
            "key: does not fit its seal; the row or its sheet was changed. "
            "Take the row from the sheet as it was exported."
        )
    return design, asked


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _ProblemError(f"{name}: {value!r:.40} is no text.")
    return undefused(value.strip()).strip().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise _ProblemError(f"at: {value!r:.40} is no time.") from None
    if found.tzinfo is None:
        raise _ProblemError(f"at: {value!r:.40} has no time zone.")
    return found.astimezone(UTC)
