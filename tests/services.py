"""Servers that tests start for real, each on a free port or socket of this machine, and stop again: a
PostgreSQL database, and an S3 API. Where they are not installed, tests skip with the reason."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Bucket", "Postgres", "needs_postgres", "needs_s3", "postgres", "s3"]

_ROOT = Path(__file__).parent.parent
_PATIENCE = 60.0
#: Debian keeps each release in its own folder, and none of them on the path.
_BINARIES = sorted(
    glob.glob("/usr/lib/postgresql/*/bin/postgres"),  # noqa: PTH207 - an absolute pattern, which Path.glob refuses
    key=lambda path: float(path.split("/")[4]),
)
_REQUEST = re.compile(r"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1")
_MOTO = _ROOT / ".services" / "bin" / "moto_server"


def _needs(found: bool, reason: str) -> pytest.MarkDecorator:
    # Where the services are promised (the gate sets it), a missing one is a failure and no reason
    # to skip.
    promised = "EVALKIT_REQUIRE_SERVICES" in os.environ
    return pytest.mark.skipif(not found and not promised, reason=reason)


needs_postgres = _needs(bool(_BINARIES), "needs PostgreSQL: apt-get install postgresql")
needs_s3 = _needs(_MOTO.exists(), "needs an S3 API: make services")


@dataclass(frozen=True)
class Postgres:
    """A running server. `url` is for evalkit; `log` holds every statement that it was sent."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def execute(self, *statements: str) -> None:
        """Run and commit statements."""
        import adbc_driver_postgresql.dbapi as driver

        with driver.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)

    def pause(self) -> None:
        """Every process of the server stands still: it accepts, and then says nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid:
                    os.kill(int(process.name), number)
        os.kill(self.process.pid, number)


@contextlib.contextmanager
def postgres(*options: str) -> Iterator[Postgres]:
    """A PostgreSQL server of the newest installed release, on a socket in a folder of its own.

    Args:
        options: settings, such as `log_statement=all`.
    """
    binaries = Path(_BINARIES[-1]).parent
    # A socket's path may be no longer than 107 bytes: the test's own folder is too deep.
    folder = Path(tempfile.mkdtemp(prefix="evalkit-pg-"))
    # It refuses to run as root.
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    prefix = [] if user is None else _become(user)
    data = str(folder / "data")
    try:
        subprocess.run(
            [*prefix, str(binaries / "initdb"), "-D", data, "-U", "evalkit", "-A", "trust",
             "--no-sync", "--encoding=UTF8", "--locale=C"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        settings = ["listen_addresses=", "fsync=off", "full_page_writes=off", *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, str(binaries / "postgres"), "-D", data, "-k", str(folder),
                 *(part for setting in settings for part in ("-c", setting))],
                stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        server = Postgres(f"postgresql://evalkit@/postgres?host={folder}", folder, process)
        try:
            _wait(process, lambda: server.execute("SELECT 1"), folder / "log")
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.go_on()
            process.send_signal(signal.SIGINT)  # ends sessions, and does not wait for them
            process.wait(_PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Bucket:
    """A bucket on a running S3 API. `environment` is what AWS tools need to know to reach it."""

    name: str
    endpoint: str
    environment: dict[str, str]
    files: Any
    log: Path
    process: subprocess.Popen[bytes]

    def write(self, key: str, data: bytes) -> None:
        """Put an object."""
        with self.files.open_output_stream(f"{self.name}/{key}", compression=None) as stream:
            stream.write(data)

    def remove(self, key: str) -> None:
        """Delete an object."""
        self.files.delete_file(f"{self.name}/{key}")

    @property
    def requests(self) -> list[str]:
        """What was asked for so far: `GET /bucket/key`."""
        return [" ".join(found) for found in _REQUEST.findall(self.log.read_text("utf-8"))]


@contextlib.contextmanager
def s3(folder: Path, name: str = "logs") -> Iterator[Bucket]:
    """An S3 API with one empty bucket, on a free port of this machine."""
    from pyarrow import fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "s3.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(_MOTO), "-H", "127.0.0.1", "-p", str(port)], stdout=stream, stderr=stream
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(process, lambda: urllib.request.urlopen(f"{endpoint}/moto-api/").close(), log)
        files = fs.S3FileSystem(
            access_key="test", secret_key="test", region="eu-west-1", scheme="http",
            endpoint_override=f"127.0.0.1:{port}", allow_bucket_creation=True,
        )  # fmt: skip
        files.create_dir(name)
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield Bucket(name, endpoint, environment, files, log, process)
    finally:
        process.kill()
        process.wait(_PATIENCE)


def _become(user: str) -> list[str]:
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _other_user() -> str:
    """A user that is not root: the package's own where there is one."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _wait(process: subprocess.Popen[bytes], ready: Any, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            ready()
        except Exception as error:
            if process.poll() is not None or time.monotonic() > end:
                sys.stderr.write(log.read_text("utf-8", "replace"))
                raise RuntimeError("the server did not start") from error
            time.sleep(0.1)
        else:
            return
