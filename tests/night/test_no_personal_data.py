"""A whole night over planted secrets and personal data: none is in the lake, the page, the mail, the log or the cache."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiosmtpd.controller import Controller

from evalkit.text.disguises import plain
from tests.ingest.planted import Planted, planted, traces
from tests.night.test_bad_input import line

#: A whole night, with the models that it comes with.
pytestmark = pytest.mark.slow

DAY = dt.date(2026, 11, 22)


class Box:
    """A mail server's mailbox."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, str, Box, set[Planted]]:
    folder = tmp_path_factory.mktemp("night")
    data = planted(seed=42)
    left = list(data)
    records = []
    while left:
        said, answer, chunk, note, name = (left.pop().written if left else "none" for _ in range(5))
        i = len(records)
        documents = [
            {"id": "kb#1", "text": f"Refunds within 30 days. Contact: {chunk}", "score": 0.8}
        ]
        records.append(
            line(
                i,
                f"Within 30 days of the purchase. You said {said} and {answer}.",
                f"What is the refund window? I am {said}",
                metadata={"route": f"/ask/{name}", "documents": documents, "note": note},
                user_id=said,
                error=f"could not reach {answer}" if i % 9 == 0 else None,
            )
        )
        records.append(json.dumps({"broken": f"{said} {note}"}).encode()[:-1])
    address = next(datum.written for datum in data if datum.kind == "email")
    logs = folder / "logs" / f"of {address}"
    logs.mkdir(parents=True)
    (logs / "a.jsonl").write_bytes(b"\n".join(records) + b"\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "evalkit.toml").write_text(
        f"""
[sources.gateway]
format = "openai_log"
path = "logs/*/*.jsonl"
[redaction]
classes = ["email", "phone", "card", "iban", "key", "ip"]
[report]
dir = "pages"
examples = 20
[mail]
host = "127.0.0.1"
port = {port}
security = "none"
to = ["team@evalkit.example"]
examples = true
attach = true
""",
        "utf-8",
    )
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", "run", "--day", str(DAY), "--config", str(folder)],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
            env=os.environ | {"NO_COLOR": "1"},
        )
    finally:
        controller.stop()
    assert done.returncode in (0, 1, 2), done.stderr
    return folder, done.stdout + done.stderr, box, set(data)


def bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def assert_holds_none(texts: Iterator[str], data: set[Planted]) -> int:
    seen = set(texts)
    raw, stripped = "\n".join(seen), "\n".join(bare(plain(text).text) for text in seen)
    for datum in data:
        for trace in traces(datum):
            assert trace not in raw, datum
        assert bare(datum.bare) not in stripped, datum
    return len(raw)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings(list(value.items()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)


def test_nothing_of_it_is_in_the_lake(night: tuple[Path, str, Box, set[Planted]]) -> None:
    folder, _, _, data = night

    def of_lake() -> Iterator[str]:
        for path in sorted((folder / "lake").rglob("*")):
            yield str(path.relative_to(folder))
            if path.suffix == ".parquet":
                table: pa.Table = pq.read_table(path, partitioning=None)
                yield from strings(table.to_pylist())
            elif path.is_file():
                yield path.read_bytes().decode("utf-8", "replace")

    assert assert_holds_none(of_lake(), data) > 50_000


def test_nothing_of_it_is_on_the_page(night: tuple[Path, str, Box, set[Planted]]) -> None:
    folder, _, _, data = night
    pages = [path for path in (folder / "pages").rglob("*") if path.is_file()]
    assert pages
    assert_holds_none(
        (html.unescape(path.read_bytes().decode("utf-8", "replace")) for path in pages), data
    )


def test_nothing_of_it_is_in_the_mail(night: tuple[Path, str, Box, set[Planted]]) -> None:
    _, _, box, data = night
    (mail,) = box.mails
    parts = [str(mail["Subject"])]
    for part in mail.walk():
        if not part.is_multipart():
            content = part.get_content()
            parts.append(
                html.unescape(
                    content if isinstance(content, str) else content.decode("utf-8", "replace")
                )
            )
    assert len(parts) > 2
    assert_holds_none(iter(parts), data)


def test_nothing_of_it_is_in_the_log(night: tuple[Path, str, Box, set[Planted]]) -> None:
    _, said, _, data = night
    assert "ingest" in said
    assert_holds_none(iter([said]), data)


def test_nothing_of_it_is_in_the_cache(night: tuple[Path, str, Box, set[Planted]]) -> None:
    folder, _, _, data = night
    (cache,) = folder.glob("*cache.sqlite")
    with sqlite3.connect(cache) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        rows = [row for name in tables for row in connection.execute(f'SELECT * FROM "{name}"')]
    assert rows
    assert_holds_none(strings(rows), data)
    raw = cache.read_bytes()
    for datum in data:
        for trace in traces(datum):
            assert trace.encode() not in raw, datum
