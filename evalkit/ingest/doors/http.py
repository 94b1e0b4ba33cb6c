"""One HTTP API: asks for JSON, again and again where that may help. Pages, windows and what the JSON
means are not known here."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, SSLError
from urllib3.exceptions import TimeoutError as SocketTimeoutError
from urllib3.response import BaseHTTPResponse

from evalkit.errors import ConfigError
from evalkit.ingest.contract import RecordError
from evalkit.ingest.doors.patience import NetworkError, Outside, Patience, RefusedError, SlowError
from evalkit.ingest.doors.watching import watched
from evalkit.ingest.records import record_of
from evalkit.version import __version__

__all__ = ["MAX_ANSWER_BYTES", "HttpClient", "certificate_ends", "host_of"]

#: A larger answer is none: a smaller window has to do.
MAX_ANSWER_BYTES = 256 * 1024 * 1024
_TRIES = 10
#: So often a request that takes too long is sent again before the window is split.
_SLOW_TRIES = 2
_CHUNK = 1 << 18
_CONNECT_SECONDS = 10.0
_SLOW = frozenset({408, 504, 524})
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


class _Again(Exception):  # noqa: N818 - not an error that leaves this file
    """This try failed; the next one may not."""

    def __init__(self, reason: str, *, slow: bool = False, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.slow = slow
        self.after = after


class HttpClient:
    """A `Client` (see `ingest/contract.py`).

    It follows no redirect and takes no proxy from the environment: the headers, which hold the key,
    go to the host of the configuration and to no other. Certificates are always checked.

    Args:
        url: the root of the API, `https://host/path`.
        headers: sent with every request.
        where: which source is meant, for messages.
        patience: how long the source is tried.
        outside: time and waiting.
        secrets: texts that never stand in a message.
        requests_per_second, timeout_seconds: as in the configuration.
        ca_file: certificates to trust instead of the system's.

    Raises:
        ConfigError: the URL or the file of certificates is none.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        where: str,
        patience: Patience,
        outside: Outside,
        *,
        secrets: Iterable[str] = (),
        requests_per_second: float = 5.0,
        timeout_seconds: float = 30.0,
        ca_file: Path | None = None,
    ) -> None:
        scheme, host, port, self._root = _parts(url, where)
        self.host = host if port is None else f"{host}:{port}"
        self._secrets = sorted({*secrets, *headers.values()} - {""}, key=len, reverse=True)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"evalkit/{__version__}",
            **headers,
        }
        self._where = where
        self._patience = patience
        self._outside = outside
        self._seconds = timeout_seconds
        self._interval = 1.0 / requests_per_second
        self._next: float | None = None
        self._scheme, self._port, self._name = scheme, port, host
        self._context = _context(ca_file, where) if scheme == "https" else None
        self._pool = self._new_pool()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        """The JSON at `path` below the root.

        Raises:
            SlowError, RefusedError, GivenUpError, NetworkError: nothing came, however often asked.
        """
        target = f"{self._root}/{path.lstrip('/')}"
        return self._ask("GET", f"{target}?{urlencode(params)}" if params else target, None)

    def post(self, path: str, body: Any) -> Any:
        """The JSON that answers a JSON body; raises as `get`. Only for requests that change nothing."""
        return self._ask("POST", f"{self._root}/{path.lstrip('/')}", orjson.dumps(body))

    def _ask(self, method: str, target: str, body: bytes | None) -> Any:
        slow = 0
        attempt = 0
        while True:
            attempt += 1
            self._take_turn()
            try:
                answer = self._try(method, target, body)
            except _Again as failure:
                reason = f"{self.host} {self._clean(failure.reason)}"
                slow += failure.slow
                if slow >= _SLOW_TRIES:
                    raise SlowError(reason) from None
                if attempt >= _TRIES:
                    raise NetworkError(f"{reason}, {attempt} times in a row") from None
                self._patience.wait(attempt, reason, failure.after)
            else:
                self._patience.succeeded()
                return answer

    def _take_turn(self) -> None:
        """No more requests than are allowed, evenly."""
        now = self._outside.clock()
        if self._next is not None and now < self._next:
            self._outside.sleep(self._next - now)
            now = self._next
        self._next = now + self._interval

    def _try(self, method: str, target: str, body: bytes | None) -> Any:
        try:
            (status, headers, data), *_ = watched(
                lambda: iter([self._exchange(method, target, body)]), self._seconds, "evalkit-http"
            )
        except ConnectTimeoutError as error:  # refused, unknown, or not there: no window is smaller
            raise _Again(f"cannot be reached ({_words(error)})") from None
        except (TimeoutError, SocketTimeoutError):
            self._pool = self._new_pool()  # whoever waits on the old one is left to it
            raise _Again(f"did not answer within {self._seconds:g} s", slow=True) from None
        except SSLError as error:
            raise self._untrusted(error) from None
        except (HTTPError, OSError) as error:
            raise _Again(f"cannot be reached ({_words(error)})") from None
        if status in (401, 403):
            raise RefusedError(
                f"{self.host} does not accept the key ({status}). Check the environment variables "
                f"that {self._where} names in key_env and secret_env, and what the key may read."
            )
        if 300 <= status < 400:
            place = urlsplit(headers.get("location", ""))
            raise RefusedError(
                f"{self.host} sends on to {self._clean(place.netloc or place.path)[:200]} ({status}). "
                f"Write the address that answers itself to {self._where} url."
            )
        if status == 404:
            path = urlsplit(target).path
            raise RefusedError(
                f"{self.host} has no {path} (404). Check {self._where} url, and that the version "
                "of the server has this API."
            )
        if status == 429 or status >= 500 or status in _SLOW:
            said = "asks to wait" if status == 429 else "fails"
            after = _seconds(headers.get("retry-after"), self._outside.now())
            raise _Again(f"{said} ({status})", slow=status in _SLOW, after=after)
        if status != 200:
            said = self._clean(data[:2000].decode("utf-8", "replace"))[:200]
            raise NetworkError(f"{self.host} does not accept the request ({status}): {said}")
        return _json(data)

    def _exchange(
        self, method: str, target: str, body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        # Sockets wait in real time, whatever `outside` says.
        limit = urllib3.Timeout(connect=min(_CONNECT_SECONDS, self._seconds), read=self._seconds)
        begun = time.monotonic()
        response = self._pool.urlopen(
            method,
            target,
            body=body,
            headers=sent,
            retries=False,
            redirect=False,
            timeout=limit,
            preload_content=False,
        )
        try:
            data = self._body(response, begun)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        names = {name.lower(): value for name, value in response.headers.items()}
        return response.status, names, data

    def _body(self, response: BaseHTTPResponse, begun: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.stream(_CHUNK, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise SlowError(f"{self.host} answers with more than {MAX_ANSWER_BYTES:,} bytes")
            if time.monotonic() - begun > self._seconds:
                raise TimeoutError
        return b"".join(chunks)

    def _new_pool(self) -> HTTPConnectionPool:
        if self._context is not None:
            return HTTPSConnectionPool(
                self._name, self._port, maxsize=1, ssl_context=self._context, retries=False
            )
        return HTTPConnectionPool(self._name, self._port, maxsize=1, retries=False)

    def _untrusted(self, error: SSLError) -> Exception:
        cause = next((one for one in error.args if isinstance(one, ssl.SSLError)), None)
        if not isinstance(cause, ssl.SSLCertVerificationError):
            return _Again(f"breaks off the encryption ({_words(error)})")
        if cause.verify_code == _EXPIRED:
            return RefusedError(
                f"{self.host} shows a certificate that has expired. Nothing is read from it until "
                "whoever runs it renews the certificate."
            )
        return RefusedError(
            f"{self.host} shows a certificate that cannot be trusted ({cause.verify_message}). If it "
            f"is signed by an authority of your own, name its certificate in {self._where} ca_file."
        )

    def _clean(self, text: str) -> str:
        """On one line, without anything secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+", " ", text).strip()


def host_of(url: str, where: str) -> str:
    """The host (and port) that a source's URL means.

    Raises:
        ConfigError: the URL is none.
    """
    _, host, port, _ = _parts(url, where)
    return host if port is None else f"{host}:{port}"


def certificate_ends(
    url: str, where: str, timeout_seconds: float, ca_file: Path | None
) -> datetime | None:
    """When the certificate of a host ends; None where nothing is encrypted.

    Raises:
        OSError: the host cannot be reached, or its certificate is not good.
        ConfigError: the URL or the file of certificates is none.
    """
    scheme, host, port, _ = _parts(url, where)
    if scheme != "https":
        return None
    context = _context(ca_file, where)
    with (
        socket.create_connection((host, port or 443), timeout_seconds) as line,
        context.wrap_socket(line, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _parts(url: str, where: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
        parts = urlsplit("")
    if scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise ConfigError(
            f"{where} url: no address of an API. Write https://host or https://host/path."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"{where} url: a key never stands in the configuration. Name the environment variables "
            "that hold it: key_env, secret_env."
        )
    return scheme, host, port, parts.path.rstrip("/")


def _context(ca_file: Path | None, where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{where} ca_file: {ca_file} holds no certificates ({_words(error)})."
        ) from None


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    if data[:200].lstrip()[:1] == b"<":
        raise _Again("answers with a page instead of JSON")
    try:
        return record_of(data)  # forgives NaN and the like
    except RecordError as error:
        raise _Again(f"answers with {error.reason}") from None


def _seconds(asked: str | None, now: datetime) -> float | None:
    """What Retry-After means, in seconds from now."""
    if asked is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", asked):
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()


def _words(error: BaseException) -> str:
    text = str(error).rpartition(": ")[2] or type(error).__name__
    return text.strip("'\")( ")[:200]
