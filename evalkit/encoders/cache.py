"""The embedding cache: vectors by content hash in one SQLite file, kept across nights. It can be
lost at any moment without harm; a night never fails because of it."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_MAX_BYTES", "VectorCache"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

#: About 1.2 million vectors of 384 numbers.
DEFAULT_MAX_BYTES = 2 * 1024**3
#: When full, this share of it is freed at once, so that not every write has to delete.
_FREED = 0.1
_LAYOUT = 1
_WAIT_SECONDS = 30.0
_KEYS_PER_QUERY = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, used INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used);
"""


class VectorCache:
    """Vectors of texts under one encoder, in a file that several runs may use at once.

    Args:
        path: the file; made when it is missing.
        space: whose vectors: everything that may change a bit of one. Other spaces' vectors stay in
            the file.
        dim: length of a vector.
        max_bytes: the file's contents are kept below this; what was used longest ago goes first.

    A file that is damaged is made anew, with a warning; where there can be none, everything is a
    miss. Each vector has a checksum: a damaged one is a miss. A row is written in one transaction
    of a write-ahead log, so a killed run leaves whole rows.
    """

    def __init__(
        self, path: Path, space: str, dim: int, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self.path = path
        self._space = space.encode()
        self._dim = dim
        self._max_bytes = max_bytes
        self._turn = 0
        self._db: sqlite3.Connection | None = self._open_or_rebuild()

    def get(self, texts: Sequence[bytes]) -> dict[int, NDArray[np.float32]]:
        """The vectors that are there, by position in `texts` (UTF-8, each distinct)."""
        keys = {self._key(text): i for i, text in enumerate(texts)}
        found: dict[int, NDArray[np.float32]] = {}
        stale: list[bytes] = []
        for part in _parts(list(keys), _KEYS_PER_QUERY):
            rows: list[tuple[bytes, bytes, int]] = self._try(partial(_select, part), [])
            for key, blob, used in rows:
                vector = _unpack(blob, self._dim)
                if vector is not None:
                    found[keys[key]] = vector
                    if used < self._turn:
                        stale.append(key)
        if stale:
            self._write(
                "UPDATE vectors SET used = ? WHERE key = ?", ((self._turn, key) for key in stale)
            )
        return found

    def holds(self, texts: Sequence[bytes]) -> set[int]:
        """Which texts (UTF-8, each distinct) have a vector there, by position; none counts as used."""
        keys = {self._key(text): i for i, text in enumerate(texts)}
        found: set[int] = set()
        for part in _parts(list(keys), _KEYS_PER_QUERY):
            known: list[tuple[bytes]] = self._try(partial(_present, part), [])
            found.update(keys[key] for (key,) in known)
        return found

    def put(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep the vectors of some texts (UTF-8)."""
        rows = [(self._key(text), _pack(vector), self._turn) for text, vector in vectors.items()]
        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        self._evict()

    def __len__(self) -> int:
        """How many vectors the file holds, of all encoders."""
        return int(
            self._try(lambda db: db.execute("SELECT count(*) FROM vectors").fetchone()[0], 0)
        )

    @property
    def bytes_used(self) -> int:
        """Size of what is in the file (the file itself may have free room)."""

        def ask(db: sqlite3.Connection) -> int:
            size, count, free = (
                int(db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_size", "page_count", "freelist_count")
            )
            return size * (count - free)

        return self._try(ask, 0)

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    # ── inside
    # ───────────────────────────────────────────────────────────────────────────────────────

    def _key(self, text: bytes) -> bytes:
        return hashlib.sha256(self._space + b"\0" + hashlib.sha256(text).digest()).digest()

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        def write(db: sqlite3.Connection) -> None:
            with db:
                db.executemany(statement, rows)

        self._try(write, None)

    def _evict(self) -> None:
        over = self.bytes_used - self._max_bytes
        if over <= 0:
            return
        share = min(1.0, over / max(self.bytes_used, 1) + _FREED)
        count = max(1, int(len(self) * share))

        def free(db: sqlite3.Connection) -> None:
            with db:
                db.execute(
                    "DELETE FROM vectors WHERE rowid IN "
                    "(SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)",
                    (count,),
                )

        self._try(free, None)

    def _try(self, act: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What `act` gives; where the file has failed, `otherwise`, and the file is made anew if it
        is damaged."""
        if self._db is None:
            return otherwise
        try:
            return act(self._db)
        except (
            sqlite3.OperationalError
        ) as error:  # locked for too long, disk full, moved away: not damaged
            if not _is_damage(error):
                _LOG.warning("%s: embedding cache skipped once: %s", self.path, error)
                return otherwise
            self._rebuild(error)
        except sqlite3.DatabaseError as error:
            self._rebuild(error)
        return otherwise

    def _rebuild(self, error: Exception) -> None:
        self.close()
        _LOG.warning("%s: the embedding cache is damaged (%s); it is made anew.", self.path, error)
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        try:
            self._db = self._open()
        except (sqlite3.Error, OSError) as again:
            self._without(again)

    def _open_or_rebuild(self) -> sqlite3.Connection | None:
        self._db = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._open()
        except (sqlite3.OperationalError, OSError) as error:
            if isinstance(error, sqlite3.OperationalError) and _is_damage(error):
                self._rebuild(error)
                return self._db
            self._without(error)
        except sqlite3.DatabaseError as error:
            self._rebuild(error)
            return self._db
        return None

    def _without(self, error: Exception) -> None:
        self._db = None
        _LOG.warning("%s: no embedding cache (%s); every text is encoded.", self.path, error)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            layout = int(db.execute("PRAGMA user_version").fetchone()[0])
            if layout not in (0, _LAYOUT):
                raise sqlite3.DatabaseError(f"it has layout {layout}, this version knows {_LAYOUT}")
            db.executescript(_TABLES)
            db.execute(f"PRAGMA user_version = {_LAYOUT}")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
            # A turn of use, not a time of day: order is all that eviction needs.
            self._turn = int(
                db.execute("SELECT coalesce(max(used), 0) + 1 FROM vectors").fetchone()[0]
            )
        except BaseException:
            db.close()
            raise
        return db


def _select(keys: list[bytes], db: sqlite3.Connection) -> list[tuple[bytes, bytes, int]]:
    marks = ",".join("?" * len(keys))
    query = f"SELECT key, vector, used FROM vectors WHERE key IN ({marks})"  # noqa: S608 (marks only)
    return db.execute(query, keys).fetchall()


def _present(keys: list[bytes], db: sqlite3.Connection) -> list[tuple[bytes]]:
    marks = ",".join("?" * len(keys))
    query = f"SELECT key FROM vectors WHERE key IN ({marks})"  # noqa: S608 (marks only)
    return db.execute(query, keys).fetchall()


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None) or 0
    return (code & 0xFF) in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    } or "no such table" in str(error)


def _pack(vector: NDArray[np.float32]) -> bytes:
    body = vector.astype("<f4").tobytes()
    return body + zlib.crc32(body).to_bytes(4, "little")


def _unpack(blob: object, dim: int) -> NDArray[np.float32] | None:
    if not isinstance(blob, bytes) or len(blob) != 4 * dim + 4:
        return None
    body, check = blob[:-4], int.from_bytes(blob[-4:], "little")
    return (
        np.frombuffer(body, dtype="<f4").astype(np.float32) if zlib.crc32(body) == check else None
    )


def _parts(items: list[bytes], size: int) -> Iterable[list[bytes]]:
    return (items[i : i + size] for i in range(0, len(items), size))
