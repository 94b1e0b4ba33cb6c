"""Takes personal data out of what was read, before anything of it is kept on a disk: rows, rejects,
verdicts, records as they are landed, messages. How data are found: `text/personal.py`."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import Settings
from evalkit.errors import ConfigError, EvalkitError
from evalkit.ingest.contract import Reject, Row
from evalkit.ingest.masking import UNTOUCHED, USER_KEY, masked_record, masked_row
from evalkit.ingest.records import RAW_CHARACTERS
from evalkit.ingest.strings import look_at, rows_that_hold
from evalkit.text.redaction import PLACEHOLDER, Masks, Redactor

__all__ = ["Redaction", "Taken"]

#: How many data of each class were taken out, by source and quarter of an hour.
Taken = dict[tuple[str, datetime], Counter[str]]

#: The end of a text that was cut may be the half of a datum, which nothing tells from a word.
_CUT_CHARACTERS = 64
_USER_HASH = re.compile(r"user-[0-9a-f]{32}")
_QUARTER_SECONDS = 900
_LEAST_USER = 4
#: Above the numbers that a row's own texts have.
_JOINED = 100
_UNREADABLE = object()
_TOGETHER_BYTES = 1 << 20


class Redaction:
    """What the configuration says is to be taken out, ready for use.

    Args:
        settings: `[redaction]`.
        environ: where the key of user ids is looked up.

    Raises:
        ConfigError: the variable that holds the key is not set, or a pattern cannot be used.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str] | None = None) -> None:
        wanted = settings.redaction
        where = f"{settings.file}: [redaction]"
        patterns = {}
        for name, pattern in wanted.patterns.items():
            try:
                patterns[name] = re.compile(pattern)
            except re.error as error:
                raise ConfigError(
                    f"{where} patterns.{name}: no regular expression ({error}). Mend it, or leave it out."
                ) from None
        self._key = b""
        if wanted.hash_users_env is not None:
            found = (os.environ if environ is None else environ).get(wanted.hash_users_env, "")
            if not found:
                raise ConfigError(
                    f"{where} hash_users_env: {wanted.hash_users_env} is not set in the environment. "
                    "Set it to a long random text, always the same one, or leave the key out."
                )
            self._key = found.encode()
        self._redactor = Redactor(wanted.classes, patterns, self._key)
        self._idle = self._redactor.idle and not self._key
        self.taken: Taken = {}

    # ── rows
    # ───────────────────────────────────────────────────────────────────────────────────

    def rows(self, rows: list[Row], source: str, *, landed: bool = False) -> list[Row]:
        """Rows of a source without personal data; what was taken out is counted in `taken`.

        Args:
            rows: as the source gives them.
            source: its name.
            landed: they were made of records that were redacted when they were landed: placeholders
                that stand in them count too.
        """
        if self._idle:
            return rows
        always = bool(self._key)
        values = map(_looked_at, rows)
        looked = look_at(self._redactor, values, all_=always, placeholders=landed)
        redacted = []
        for row, holds, placed in zip(rows, looked.holds, looked.placed, strict=True):
            masks = self._redactor.masks(clean=looked.clean)
            redacted.append(self._row(row, masks) if holds or always else row)
            if placed:
                masks.counts.update(self._placed(row))
            if masks.counts:
                self._count(source, row.get("started_at"), masks.counts)
        return redacted

    def verdicts(self, rows: list[Row]) -> list[Row]:
        """Verdicts that come with the traffic; ids are changed as those of rows are."""
        if self._redactor.idle:
            return rows
        masks = self._redactor.masks()
        return [
            {
                name: masks.id(value) if isinstance(value, str) and name != "metric" else value
                for name, value in row.items()
            }
            for row in rows
        ]

    def table(self, table: pa.Table, source: str, *, joined: bool = False) -> pa.Table:
        """As `rows`, for columns of `interactions`; only rows that hold something are looked at closely.

        Args:
            table: some of the columns.
            source: the source's name.
            joined: the other texts were redacted before these came: numbers begin above theirs.
        """
        if self._idle:
            return table
        hits = np.zeros(table.num_rows, np.bool_)
        if not self._redactor.idle:
            names = [name for name in table.column_names if name not in UNTOUCHED]
            hits = rows_that_hold(self._redactor, table.select(names))
        if self._key and not joined and "user_id" in table.column_names:
            hits |= pc.is_valid(table.column("user_id")).to_numpy()
        if not hits.any():
            return table
        rows = [_as_row(row) for row in table.filter(pa.array(hits)).to_pylist()]
        looked = look_at(self._redactor, map(_looked_at, rows), all_=True)
        done = []
        for row in rows:
            masks = self._redactor.masks(_JOINED if joined else 0, looked.clean)
            done.append(_as_pairs(self._row(row, masks, users=not joined)))
            if masks.counts:
                self._count(source, row.get("started_at"), masks.counts)
        changed = pa.Table.from_pylist(done, schema=table.schema)
        place = np.arange(table.num_rows)
        place[hits] = table.num_rows + np.arange(len(done))
        return pa.concat_tables([table, changed]).take(pa.array(place))

    def _row(self, row: Row, masks: Masks, *, users: bool = True) -> Row:
        done = masked_row(row, masks)
        if self._key and users:
            self._hash_users(row, done)
        return done

    def _hash_users(self, row: Row, done: Row) -> None:
        user = row.get("user_id")
        if isinstance(user, int) and not isinstance(user, bool):
            user = str(user)
        if isinstance(user, str) and user.strip():
            done["user_id"] = self.user(user)
        feedback = done.get("feedback")
        if isinstance(feedback, list) and isinstance(row.get("feedback"), list):
            for one, before in zip(feedback, row["feedback"], strict=True):
                if (
                    isinstance(one, dict)
                    and isinstance(before, Mapping)
                    and before.get("by") == user
                ):
                    one["by"] = done["user_id"] if user else one.get("by")
        attributes, before = done.get("attributes"), row.get("attributes")
        if isinstance(attributes, dict) and isinstance(before, Mapping):
            for (name, value), told in zip(list(attributes.items()), before.values(), strict=False):
                if not isinstance(value, str | int) or isinstance(value, bool):
                    continue
                if USER_KEY.search(name) or (str(told) == user and len(str(told)) >= _LEAST_USER):
                    attributes[name] = self.user(str(told))

    def user(self, user: str) -> str:
        """The keyed hash that stands for a user: HMAC-SHA256, its first 32 hex digits."""
        if _USER_HASH.fullmatch(user):
            return user  # it came from the landing folder, where it was hashed
        digest = hmac.new(self._key, user.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return f"user-{digest[:32]}"

    def _placed(self, row: Row) -> Iterator[str]:
        """The classes of the placeholders that stand in a row."""
        for match in PLACEHOLDER.finditer(orjson.dumps(row, default=str).decode()):
            kind = self._redactor.kind_of(match[0])
            if kind is not None:
                yield kind

    def _count(self, source: str, time: object, counts: Mapping[str, int]) -> None:
        if isinstance(time, datetime):
            quarter = time.replace(
                minute=time.minute - time.minute % (_QUARTER_SECONDS // 60), second=0, microsecond=0
            )
            self.taken.setdefault((source, quarter), Counter()).update(counts)

    # ── rejects, records, messages
    # ───────────────────────────────────────────────────────────────────────────────────

    def rejects(self, rejects: Sequence[Reject]) -> list[tuple[Reject, dict[str, int]]]:
        """Rejects without personal data, and what was taken out of each."""
        found: list[tuple[Reject, dict[str, int]]] = []
        for reject in rejects:
            if self._redactor.idle:
                found.append((reject, {}))
                continue
            masks = self._redactor.masks()
            raw = masks.text(reject.raw)
            if len(reject.raw) >= RAW_CHARACTERS:
                raw = raw[:-_CUT_CHARACTERS] + "…"
            reason = masks.text(reject.reason)
            file = self._redactor.masks().id(reject.file)
            found.append((replace(reject, raw=raw, reason=reason, file=file), dict(masks.counts)))
        return found

    def count_rejects(self, source: str, near: Sequence[Any], counts: Sequence[Any]) -> None:
        """Count what was taken out of rejects, now that each has its time."""
        for time, of_one in zip(near, counts, strict=True):
            if of_one:
                self._count(source, time, dict(of_one))

    def file(self, name: str) -> str:
        """A file's name as it is stored."""
        return name if self._redactor.idle else self._redactor.masks().id(name)

    def record(self, record: Any) -> Any:
        """Any JSON value without personal data in its strings and keys, for what is kept as it was
        fetched. Fields whose names say that they hold ids keep them apart; numbers stay as they are,
        but for cards."""
        if self._idle:
            return record
        return self._landed(record, ())

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Chunks of JSON lines as they are landed, each record on its own (see `record`)."""
        if self._idle:
            yield from lines
            return
        for chunks in _together(lines):
            split = [chunk.splitlines(keepends=True) for chunk in chunks]
            done = self._lines([line for chunk in split for line in chunk])
            for chunk in split:
                yield b"".join(islice(done, len(chunk)))

    def _lines(self, lines: list[bytes]) -> Iterator[bytes]:
        records = [_record(line) for line in lines]
        always = bool(self._key)
        looked = look_at(self._redactor, records, all_=always, inner=always)
        for line, record, holds in zip(lines, records, looked.holds, strict=True):
            if record is _UNREADABLE:
                yield self._redactor.masks().text(line.decode("utf-8", "replace")).encode()
            elif not holds and not always:
                yield line
            else:
                redacted = self._landed(record, looked.clean)
                yield line if redacted == record else orjson.dumps(redacted) + b"\n"

    def _landed(self, record: Any, clean: Collection[str]) -> Any:
        masks = self._redactor.masks(clean=clean)
        return masked_record(record, "", masks, self.user if self._key else None)

    def message(self, text: str) -> str:
        """A message that may quote what was read."""
        return text if self._redactor.idle else self._redactor.masks().name(text)

    @contextmanager
    def messages(self) -> Iterator[None]:
        """Errors that come from here say nothing that is to be taken out."""
        try:
            yield
        except EvalkitError as error:
            said = self.message(str(error))
            if said == str(error):
                raise
            raise type(error)(said) from None


def _together(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Chunks that are looked at at once: a look at a few lines costs as much as one at many."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _TOGETHER_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _record(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _UNREADABLE


def _looked_at(row: Row) -> list[Any]:
    return [value for name, value in row.items() if name not in UNTOUCHED]


def _as_row(row: dict[str, Any]) -> Row:
    """A row as sources give it: maps are dicts."""
    for chunk in row.get("contexts") or ():
        if chunk and chunk.get("attributes") is not None:
            chunk["attributes"] = dict(chunk["attributes"])
    if row.get("attributes") is not None:
        row["attributes"] = dict(row["attributes"])
    return row


def _as_pairs(row: Row) -> Row:
    """A row as Arrow takes it: maps are their entries, in order."""
    for chunk in row.get("contexts") or ():
        if chunk and chunk.get("attributes") is not None:
            chunk["attributes"] = sorted(chunk["attributes"].items())
    if row.get("attributes") is not None:
        row["attributes"] = sorted(row["attributes"].items())
    return row
