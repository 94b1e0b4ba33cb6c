"""Takes personal data out of what was read, before anything of it is kept on a disk: rows, rejects,
verdicts, records as they are landed, messages. How data are found: `text/personal.py`."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.errors import ConfigError, EvalkitError
from evalkit.ingest.contract import Reject, Row
from evalkit.ingest.records import RAW_CHARACTERS
from evalkit.text.redaction import PLACEHOLDER, Masks, Redactor

__all__ = ["Redaction", "Taken"]

#: How many data of each class were taken out, by source and quarter of an hour.
Taken = dict[tuple[str, datetime], Counter[str]]

#: In this order a row is read, so that a datum has its number by where a reader meets it first: the
#: same in every turn of a conversation, as far as that is possible.
_FIRST = ("system_prompt", "history", "query", "contexts", "response")
#: Columns that tell things apart; and parts of `contexts` and `feedback` that do.
_IDS = frozenset({"source_id", "trace_id", "session_id", "user_id", "relevant_ids"})
#: Columns that hold prose; the other text columns hold names, which rows are grouped by.
_TEXTS = frozenset(
    {"system_prompt", "history", "query", "response", "contexts", "reference", "feedback"}
    | {"corrected_response", "stages", "attributes"}
)
_PROSE = frozenset({"text", "content", "comment", "error", "attributes"})
_PART_IDS = frozenset({"id", "by"})
_UNTOUCHED = frozenset({"started_at", "updated_at", "day", "interaction_id", "source"})
#: A number as long as a card's may be one, written without quotes.
_LEAST_NUMBER = 10**12
#: The end of a text that was cut may be the half of a datum, which nothing tells from a word.
_CUT_CHARACTERS = 64
_USER_KEY = re.compile(
    r"(?:^|[._/-])(?:end[_-]?)?user(?:[._-]?(?:id|name|email))?$|(?:^|_|\.)(?:end)?userid$"
    r"|(?:^|[a-z_.])user[_-]?id$",
    re.IGNORECASE,
)
_ID_KEY = re.compile(r"(?:^|[._-])ids?$|(?<=[a-z])Ids?$|^(?:session|thread|trace|uuid)$")
_USER_HASH = re.compile(r"user-[0-9a-f]{32}")
_QUARTER_SECONDS = 900
_LEAST_USER = 4
#: Above the numbers that a row's own texts have.
_JOINED = 100


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
        redacted = []
        for row in rows:
            masks = self._redactor.masks()
            redacted.append(self._row(row, masks))
            if landed:
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
            for name in table.column_names:
                if name not in _UNTOUCHED:
                    self._mark(table.column(name).combine_chunks(), np.arange(table.num_rows), hits)
        if self._key and not joined and "user_id" in table.column_names:
            hits |= pc.is_valid(table.column("user_id")).to_numpy()
        if not hits.any():
            return table
        rows = [_as_row(row) for row in table.filter(pa.array(hits)).to_pylist()]
        done = []
        for row in rows:
            masks = self._redactor.masks(_JOINED if joined else 0)
            done.append(_as_pairs(self._row(row, masks, users=not joined)))
            if masks.counts:
                self._count(source, row.get("started_at"), masks.counts)
        changed = pa.Table.from_pylist(done, schema=table.schema)
        place = np.arange(table.num_rows)
        place[hits] = table.num_rows + np.arange(len(done))
        return pa.concat_tables([table, changed]).take(pa.array(place))

    def _mark(self, array: pa.Array, owner: NDArray[np.int64], hits: NDArray[np.bool_]) -> None:
        """Set the rows (`owner`, one per value) in which there is something to be taken out."""
        if pa.types.is_string(array.type):
            found = [
                text for text in pc.unique(array).to_pylist() if text and self._redactor.find(text)
            ]
            if found:
                hits[
                    owner[
                        pc.is_in(array, pa.array(found, array.type)).to_numpy(zero_copy_only=False)
                    ]
                ] = True
        elif pa.types.is_map(array.type):
            entries = np.repeat(owner, np.diff(array.offsets.to_numpy()))
            self._mark(array.keys, entries, hits)
            self._mark(array.items, entries, hits)
        elif pa.types.is_list(array.type):
            parents = pc.list_parent_indices(array).to_numpy(zero_copy_only=False)
            self._mark(pc.list_flatten(array), owner[parents], hits)
        elif pa.types.is_struct(array.type):
            for child in array.flatten():
                self._mark(child, owner, hits)

    def _row(self, row: Row, masks: Masks, *, users: bool = True) -> Row:
        done = {}
        for name in (*_FIRST, *row):
            if name in row and name not in done:
                value = row[name]
                done[name] = value if name in _UNTOUCHED else self._column(name, value, masks)
        if self._key and users:
            self._hash_users(row, done)
        return {name: done[name] for name in row}

    def _column(self, name: str, value: Any, masks: Masks) -> Any:
        if type(value) is str:
            if name in _IDS:
                return masks.id(value)
            return masks.text(value) if name in _TEXTS else masks.name(value)
        if value is None or type(value) is float:
            return value
        if name == "relevant_ids" and isinstance(value, list):
            return [masks.id(one) if isinstance(one, str) else one for one in value]
        if name in ("contexts", "feedback", "stages") and isinstance(value, list):
            return [_part(one, masks) for one in value]
        return _walked(value, masks)

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
                if _USER_KEY.search(name) or (str(told) == user and len(str(told)) >= _LEAST_USER):
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
        return self._landed(record, "", self._redactor.masks())

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Chunks of JSON lines as they are landed, each record on its own (see `record`)."""
        for chunk in lines:
            yield (
                chunk
                if self._idle
                else b"".join(self._line(line) for line in chunk.splitlines(keepends=True))
            )

    def _line(self, line: bytes) -> bytes:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            return self._redactor.masks().text(line.decode("utf-8", "replace")).encode()
        redacted = self.record(record)
        return line if redacted == record else orjson.dumps(redacted) + b"\n"

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

    def _landed(self, value: Any, key: str, masks: Masks) -> Any:
        if isinstance(value, dict):
            return {
                masks.text(name) if isinstance(name, str) else name: self._landed(
                    one, str(name), masks
                )
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self._landed(one, key, masks) for one in value]
        if isinstance(value, int):
            return _number(value, masks)
        if not isinstance(value, str):
            return value
        if self._key and _USER_KEY.search(key) and value.strip() and value[:1] not in "{[":
            return self.user(value)
        if self._key and value[:1] in ("{", "["):
            inner = _parsed(value)
            if inner is not None:  # JSON in a string may name users too
                return orjson.dumps(self._landed(inner, key, masks)).decode()
        return (
            masks.id(value) if _ID_KEY.search(key) or _USER_KEY.search(key) else masks.text(value)
        )


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


def _part(part: Any, masks: Masks) -> Any:
    """A chunk, a stage or a piece of feedback."""
    if not isinstance(part, Mapping):
        return _walked(part, masks)
    done = {}
    for name, value in part.items():
        if name in _PART_IDS and isinstance(value, str):
            done[name] = masks.id(value)
        elif isinstance(value, str) and name not in _PROSE:
            done[name] = masks.name(value)
        else:
            done[name] = _walked(value, masks)
    return done


def _walked(value: Any, masks: Masks) -> Any:
    if isinstance(value, str):
        return masks.text(value)
    if isinstance(value, Mapping):
        return {
            masks.text(name) if isinstance(name, str) else name: _walked(one, masks)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walked(one, masks) for one in value]
    if isinstance(value, int):
        return _number(value, masks)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        done = masks.text(text)
        return value if done == text else done
    return value


def _number(value: int, masks: Masks) -> Any:
    if value < _LEAST_NUMBER:
        return value
    done = masks.text(str(value))
    return value if done == str(value) else done


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
