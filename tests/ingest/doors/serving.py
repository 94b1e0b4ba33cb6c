"""A real server on the loopback that answers as a vendor's API does, well or badly, and time that
passes without waiting.

A vendor is a function `(method, path, query, body) -> JSON` over a set of records, None for "not
found" (see `tests/ingest/vendors.py`). The server checks that requests carry the headers that the
source's `Api.headers` makes of `KEY` and `SECRET`; it misbehaves as its `Faults` say, by a seed.
"""

from __future__ import annotations

import gzip
import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from evalkit.ingest.doors.patience import Outside
from tests.ingest.vendors import Vendor

__all__ = ["KEY", "KINDS", "SECRET", "FakeTime", "Faults", "Server", "serve"]

KEY, SECRET = "pk-of-the-test", "sk-of-the-test"
#: Everything that a server does wrong. A stall costs the test its real time-out, so it is rare.
KINDS = (
    "500", "503", "429", "closed", "cut", "truncated", "html", "empty", "closed", "cut", "truncated",
    "html", "500", "429", "miscounted", "miscounted", "stall",
)  # fmt: skip
#: Longer than the time-out of sources in tests.
STALL_SECONDS = 0.6


@dataclass(frozen=True)
class Faults:
    """How a server misbehaves: at this rate, in these ways, as the seed decides."""

    rate: float = 0.0
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    #: From so many requests on every one fails.
    down_after: int | None = None


@dataclass
class FakeTime:
    """A clock that starts at a time and goes on only while someone sleeps."""

    start: datetime
    slept: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.slept)

    def clock(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.slept += seconds

    def outside(self, seed: int = 0) -> Outside:
        return Outside(self.now, self.clock, self.sleep, seed)


class Server:
    """One vendor's API. `faults` and `vendor` may be changed while it runs."""

    def __init__(self, vendor: Vendor, headers: Mapping[str, str]) -> None:
        self.vendor = vendor
        self.headers = headers
        self.url = ""
        self.seen: Counter[str] = Counter()
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.hook: Callable[[str, dict[str, str]], str | None] = lambda path, query: None
        self._faults = Faults()
        self._random = random.Random(0)
        self._lock = threading.Lock()

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)
        self.asked.clear()
        self.seen.clear()

    def fault(self, method: str, path: str, query: dict[str, str], body: Any) -> str | None:
        """What goes wrong with a request; None where nothing does."""
        with self._lock:
            self.asked.append((method, path, query, body))
            faults = self._faults
            hooked = self.hook(path, query)
            if hooked is not None:
                kind: str | None = hooked
            elif faults.down_after is not None and len(self.asked) > faults.down_after:
                kind = "503"
            else:
                bad = self._random.random() < faults.rate
                kind = self._random.choice(faults.kinds) if bad else None
            self.seen[kind or "good"] += 1
            return kind


@contextmanager
def serve(
    vendor: Vendor, headers: Mapping[str, str], context: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Start a server on a free port; https with a context."""
    server = Server(vendor, {name.lower(): value for name, value in headers.items()})

    class Handler(_Handler):
        vendor_server = server

    http = _Quiet(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    if context is not None:
        http.socket = context.wrap_socket(
            http.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if context is None else "https"
    server.url = f"{scheme}://localhost:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that do not trust us, or are gone, are no news."""


class _Handler(BaseHTTPRequestHandler):
    vendor_server: Server
    protocol_version = "HTTP/1.1"
    timeout = 10
    #: Answers go out whole: in pieces each would wait for the client's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._serve(json.loads(self.rfile.read(length)))

    def _serve(self, body: Any) -> None:
        server = self.vendor_server
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        kind = server.fault(self.command, parts.path, query, body)
        if kind == "closed":
            self.close_connection = True
            return
        if kind == "stall":
            time.sleep(STALL_SECONDS)
            self.close_connection = True
            return
        if kind is not None and kind.isdigit():
            more = {"Retry-After": "2"} if kind == "429" else {}
            self._send(int(kind), b"<html>not now</html>", "text/html", more)
            return
        if kind == "html":
            self._send(200, b"<!doctype html><p>We are back soon.</p>", "text/html")
            return
        if any(self.headers.get(name) != value for name, value in server.headers.items()):
            self._send(401, b'{"message": "Invalid credentials"}', "application/json")
            return
        answer = server.vendor(self.command, parts.path, query, body)
        if answer is None:
            self._send(404, b'{"message": "not found"}', "application/json")
            return
        if kind == "miscounted":
            answer = _miscounted(answer)
        data = json.dumps(answer).encode()
        if kind == "truncated":
            data = data[: len(data) // 2]
        elif kind == "empty":
            data = b""
        self._send(200, data, "application/json", cut=kind == "cut")

    def _send(
        self,
        status: int,
        data: bytes,
        type_: str,
        more: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(data) > 200
        if packed:
            data = gzip.compress(data, 1, mtime=0)
        self.send_response(status)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(data)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


def _miscounted(answer: Any) -> Any:
    """An answer that says there is one record more than it has, or the list gone where it counts
    nothing: what a broken server says, and a source must notice."""
    if isinstance(answer, dict):
        if isinstance(answer.get("total"), int):
            return {**answer, "total": answer["total"] + 1}
        for name, value in answer.items():
            if isinstance(value, list):
                return {**answer, name: None}
    return {"message": "something went wrong"}
