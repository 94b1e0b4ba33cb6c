"""The HTTP door: what is asked again and what is not, and that keys go nowhere else."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from evalkit.errors import ConfigError
from evalkit.ingest.doors import http
from evalkit.ingest.doors.http import HttpClient, certificate_ends, host_of
from evalkit.ingest.doors.patience import (
    GivenUpError,
    NetworkError,
    Patience,
    RefusedError,
    SlowError,
)
from tests.ingest.doors.serving import FakeTime, Faults, serve

WHERE = "evalkit.toml: [sources.vendor]"
HEADERS = {"authorization": "Bearer key-of-the-test"}
START = datetime(2026, 11, 23, 2, tzinfo=UTC)


def client(url: str, fake: FakeTime | None = None, **more: Any) -> HttpClient:
    fake = fake or FakeTime(START)
    outside = fake.outside(seed=1)
    patience = Patience(more.pop("give_up", 600.0), outside)
    options = {"requests_per_second": 1e6, "timeout_seconds": 0.4, **more}
    return HttpClient(
        url, HEADERS, WHERE, patience, outside, secrets=["key-of-the-test"], **options
    )


def fails(asked: HttpClient, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        asked.get("/x", {})


def ok(body: bytes = b'{"a": 1}', head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), head, body)


def status(code: int, head: bytes = b"", body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n%s\r\n%s" % (code, len(body), head, body)


@contextmanager
def answering(
    *answers: bytes | Callable[[socket.socket], None],
) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers in order, the last one for ever, a connection each."""
    requests: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        for answer in itertools.chain(answers, itertools.repeat(answers[-1])):
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line:
                requests.append(line.recv(65536))
                try:
                    if callable(answer):
                        answer(line)
                    else:
                        line.sendall(
                            answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
                        )
                except OSError:
                    pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def test_requests_and_answers() -> None:
    def vendor(method: str, path: str, query: Any, body: Any) -> Any:
        return [method, path, dict(query), body]

    with serve(vendor, HEADERS) as server, client(f"{server.url}/base/") as asked:
        assert asked.get("/a/b", {"x": "ä & b"}) == ["GET", "/base/a/b", {"x": "ä & b"}, None]
        assert asked.get("a?n=1", {}) == ["GET", "/base/a", {"n": "1"}, None]
        assert asked.post("/a", {"k": [1]}) == ["POST", "/base/a", {}, {"k": [1]}]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (status(500), "fails (500)"),
        (status(429), "asks to wait (429)"),
        (status(504), "fails (504)"),
        (ok(b"<html>"), "a page instead of JSON"),
        (ok(b'{"a": '), "JSON that ends too early"),
        (ok(b""), "JSON"),
        (ok(b"\xff\xfe"), "not UTF-8"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "cannot be reached"),
        (b"nonsense\r\n\r\n", "cannot be reached"),
        (lambda line: None, "cannot be reached"),
    ],
)  # fmt: skip
def test_what_may_work_is_asked_again(bad: Any, words: str) -> None:
    fake = FakeTime(START)
    with answering(bad, ok()) as (url, requests), client(url, fake) as asked:
        assert asked.get("/x", {}) == {"a": 1}
        assert len(requests) == 2
        assert len(fake.sleeps) == 1
    with answering(bad) as (url, _), client(url, give_up=30.0) as asked:
        with pytest.raises(NetworkError) as raised:
            asked.get("/x", {})
        assert words in str(raised.value)
        assert str(raised.value).startswith("127.0.0.1:")


def test_waits_grow_and_are_bounded_and_end() -> None:
    fake = FakeTime(START)
    with answering(status(500)) as (url, requests), client(url, fake) as asked:
        fails(asked, NetworkError, r"fails \(500\), 10 times in a row")
        assert len(requests) == 10
    longest = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    for wait, most in zip(fake.sleeps, longest, strict=True):
        assert most / 2 <= wait <= most


@pytest.mark.parametrize(
    ("asked_for", "least", "most"),
    [
        (b"7", 7.5, 8),
        (b"Mon, 23 Nov 2026 02:00:30 GMT", 30.5, 31),
        (b"999999", 300.5, 301),
        (b"-5", 0.5, 1),
        (b"Mon, 23 Nov 2020 02:00:30 GMT", 0.5, 1),
        (b"soon", 0.5, 1),
    ],
)
def test_retry_after_is_waited_for_within_bounds(
    asked_for: bytes, least: float, most: float
) -> None:
    fake = FakeTime(START)
    again = status(429, b"Retry-After: " + asked_for + b"\r\n")
    with answering(again, ok()) as (url, _), client(url, fake) as asked:
        asked.get("/x", {})
    assert least <= fake.sleeps[0] <= most


def test_a_source_that_fails_for_too_long_is_given_up() -> None:
    fake = FakeTime(START)
    with answering(status(503)) as (url, _), client(url, fake, give_up=20.0) as asked:
        fails(asked, GivenUpError, r"fails \(503\); given up after 0.33")
    assert fake.slept < 20


def test_a_success_in_between_starts_the_patience_anew() -> None:
    fake = FakeTime(START)
    bad = [status(503)] * 4
    with answering(*bad, ok(), *bad, ok()) as (url, _), client(url, fake, give_up=20.0) as asked:
        assert asked.get("/x", {}) == asked.get("/x", {}) == {"a": 1}
    assert fake.slept > 12


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(401), "does not accept the key (401)"),
        (status(403), "does not accept the key (403)"),
        (status(404), "has no /x (404)"),
        (status(302, b"Location: https://elsewhere.example/login?t=1\r\n"),
         "sends on to elsewhere.example (302)"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_asked_once(answer: bytes, words: str) -> None:
    fake = FakeTime(START)
    with answering(answer) as (url, requests), client(url, fake) as asked:
        with pytest.raises(RefusedError) as raised:
            asked.get("/x", {"secret": "1"})
        assert words in str(raised.value)
        assert WHERE in str(raised.value)
        assert len(requests) == 1
        assert fake.sleeps == []


def test_the_key_never_leaves_for_another_host() -> None:
    with answering(ok()) as (other, theirs):
        moved = status(307, f"Location: {other}/x\r\n".encode())
        with answering(moved) as (url, _), client(url) as asked, pytest.raises(RefusedError):
            asked.get("/x", {})
        assert theirs == []


def test_a_request_that_is_wrong_says_so_without_the_key() -> None:
    said = b"bad cursor\n for Bearer key-of-the-test \x1b[31m"
    with answering(status(400, body=said)) as (url, requests), client(url) as asked:
        with pytest.raises(NetworkError) as raised:
            asked.get("/x", {})
        assert "does not accept the request (400): bad cursor for ***" in str(raised.value)
        assert "key-of-the-test" not in str(raised.value)
        assert "\x1b" not in str(raised.value)
        assert len(requests) == 1


def test_a_stall_is_slow_after_two_tries() -> None:
    begun = time.monotonic()
    with answering(lambda line: time.sleep(0.7)) as (url, _), client(url) as asked:
        fails(asked, SlowError, r"did not answer within 0\.4 s")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_bytes_that_drip_are_slow_too(head: bytes) -> None:
    """No single read takes long, and yet the answer never ends."""

    def drip(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(30):
            line.sendall(b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    with answering(drip) as (url, _), client(url) as asked:
        with pytest.raises(SlowError):
            asked.get("/x", {})
        assert time.monotonic() - begun < 2.5


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1_000_000)
    with answering(ok(b"[" + b"1," * 900_000 + b"1]")) as (url, _):
        asked = client(url, timeout_seconds=5.0)
        fails(asked, SlowError, "more than")


def test_json_that_writers_get_wrong_is_read_all_the_same() -> None:
    with answering(ok(b'{"score": NaN, "text": "\\ud800"}')) as (url, _), client(url) as asked:
        assert asked.get("/x", {}) == {"score": None, "text": "\ufffd"}


def test_requests_are_spread_over_time() -> None:
    fake = FakeTime(START)
    with (
        serve(lambda *_: {}, HEADERS) as server,
        client(server.url, fake, requests_per_second=4.0) as asked,
    ):
        for _ in range(9):
            asked.get("/x", {})
    assert fake.slept == pytest.approx(2.0)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with client(f"http://127.0.0.1:{port}", give_up=5.0) as asked:
        fails(asked, GivenUpError, "cannot be reached")


def test_an_unknown_certificate_is_final_and_a_known_one_good(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serve(lambda *_: {"a": 1}, HEADERS, context) as server:
        with client(server.url) as asked:
            fails(asked, RefusedError, r"cannot be trusted.*ca_file")
        assert server.asked == []
        with client(server.url, ca_file=tmp_path / "ca.pem") as asked:
            assert asked.get("/x", {}) == {"a": 1}
        other = server.url.replace("localhost", "127.0.0.1")
        with client(other, ca_file=tmp_path / "ca.pem") as asked:
            fails(asked, RefusedError, "cannot be trusted")
        ends = certificate_ends(server.url, WHERE, 5.0, tmp_path / "ca.pem")
        assert ends is not None
        assert ends > datetime.now(UTC)
    assert certificate_ends("http://localhost", WHERE, 1.0, None) is None


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "https://", "x", "https://h:99999", "https://h/?key=1", "https://user:word@h", ""],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\[sources\.vendor\] url: ") as raised:
        host_of(url, WHERE)
    assert "word" not in str(raised.value)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(ConfigError, match=f"ca_file: .*{name} holds no certificates"):
            client("https://localhost", ca_file=tmp_path / name)


def test_half_of_all_calls_fail_and_all_answers_are_right() -> None:
    with serve(lambda method, path, query, body: query, HEADERS) as server:
        kinds = ("500", "429", "closed", "cut", "truncated", "html", "empty")
        server.faults = Faults(0.55, kinds, seed=5)
        with client(server.url) as asked:
            for number in range(60):
                assert asked.get("/x", {"n": str(number)}) == {"n": str(number)}
        assert server.seen["good"] == 60
        assert server.seen.total() > 110
