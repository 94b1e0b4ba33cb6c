"""The send step against a real SMTP server on the loopback: encryption, login, a dead server."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
import report_story as story
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from evalkit.config import MailSettings, Settings
from evalkit.lake import Lake
from evalkit.reporting import Sent, send
from evalkit.schema import LEDGER
from evalkit.verdict import NightSummary

PASSWORD = "correct horse"


class Box:
    """Takes every mail, apart from those to nobody@; remembers what came."""

    def __init__(self):
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def days(self):
        return [mail["Subject"].split(":")[0].removeprefix("evalkit ") for mail in self.mails]


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


@pytest.fixture
def serve(authority):
    """Starts a server that wants STARTTLS and a login; gives its port and its box."""
    running = []

    def start(port=None, names=("localhost", "127.0.0.1")):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority[0].issue_cert(*names).configure_cert(context)
        box = Box()
        controller = Controller(
            box,
            hostname="127.0.0.1",
            port=port or free_port(),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=lambda server, session, envelope, mechanism, data: AuthResult(
                success=isinstance(data, LoginPassword)
                and (data.login, data.password) == (b"evalkit", PASSWORD.encode()),
                handled=False,
            ),
        )
        controller.start()
        running.append(controller)
        return controller.port, box

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def lake(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    story.tell(lake, days=12, n=4)
    return lake


@pytest.fixture
def configured(tmp_path, authority, monkeypatch):
    monkeypatch.setenv("EVALKIT_TEST_PASSWORD", PASSWORD)

    def make(port, **mail):
        given = {
            "host": "127.0.0.1",
            "port": port,
            "ca_file": str(authority[1]),
            "user": "evalkit",
            "to": ["owner@example.com"],
            "password_env": "EVALKIT_TEST_PASSWORD",
            "timeout_seconds": 3.0,
        } | mail
        return Settings(base=tmp_path, mail=MailSettings(**given))

    return make


def night(back=0, status="findings"):
    return NightSummary(story.DAY - timedelta(days=back), status)


def states(lake):
    rows = [row for row in lake.read(LEDGER).to_pylist() if row["kind"] == "mail"]
    return {(story.DAY - row["day"]).days: row["status"] for row in rows}


def deliver(settings, lake, back=0, status="findings"):
    return send(settings, lake, night(back, status), story.METRICS)


def test_a_mail_is_delivered_over_starttls_with_a_login(serve, configured, lake):
    port, box = serve()
    assert deliver(configured(port), lake) == Sent("sent", "to 1 address")
    assert box.days == ["2026-11-22"]
    assert box.mails[0]["To"] == "owner@example.com"
    assert states(lake) == {0: "sent"}


def test_a_night_that_runs_again_sends_no_second_mail(serve, configured, lake):
    port, box = serve()
    deliver(configured(port), lake)
    assert deliver(configured(port), lake) == Sent("sent", "was sent before")
    assert len(box.mails) == 1


def test_a_server_that_was_down_gets_what_is_owed_oldest_first(serve, configured, lake):
    port = free_port()
    for back in (3, 2, 1):
        sent = deliver(configured(port), lake, back)
        assert sent.status == "owed"
        assert f"127.0.0.1:{port}: no connection" in sent.message
    assert states(lake) == {3: "owed", 2: "owed", 1: "owed"}
    _, box = serve(port)
    assert deliver(configured(port), lake) == Sent("sent", "to 1 address; 3 owed mails delivered")
    assert box.days == ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"]
    assert set(states(lake).values()) == {"sent"}
    assert "prompt tokens are up" in box.mails[-1]["Subject"]


def test_what_is_owed_for_more_than_a_week_is_given_up(serve, configured, lake):
    port = free_port()
    for back in (9, 8, 7):
        deliver(configured(port), lake, back)
    _, box = serve(port)
    deliver(configured(port), lake)
    assert box.days == ["2026-11-15", "2026-11-22"]
    assert states(lake) == {9: "given_up", 8: "given_up", 7: "sent", 0: "sent"}


def test_healthy_nights_are_silent_where_that_is_wanted(serve, configured, lake):
    port, box = serve()
    settings = configured(port, when="findings")
    assert deliver(settings, lake, status="healthy") == Sent("none", "nothing to tell")
    assert deliver(settings, lake, status="degraded").status == "sent"
    assert len(box.mails) == 1


def test_without_a_host_nothing_is_sent(configured, lake):
    assert deliver(configured(25, host=None), lake).status == "none"
    assert states(lake) == {}


def test_one_refused_address_does_not_cost_the_others_their_mail(serve, configured, lake):
    port, box = serve()
    sent = deliver(configured(port, to=["owner@example.com", "nobody@example.com"]), lake)
    assert sent == Sent("sent", "to 2 addresses; refused: nobody@example.com")
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password_env": "EVALKIT_NO_SUCH"}, "EVALKIT_NO_SUCH .* is not set"),
        ({"password_env": None}, "password_env"),
        ({"user": "someone"}, "user someone is not let in"),
        ({"ca_file": None}, "certificate is not trusted .* ca_file"),
        ({"ca_file": "nothing.pem"}, "ca_file: .*nothing.pem"),
        ({"security": "tls"}, "no encrypted line .* check .mail. security"),
        ({"host": "no-such-host.invalid"}, r"no-such-host.invalid:\d+: no such host"),
        (
            {"to": ["nobody@example.com"]},
            "nobody may receive the mail; nobody@example.com: 550 no such mailbox",
        ),
        ({"to": []}, r"\[mail\] to: nobody"),
        ({"sender": "evalkit\nBcc: x@example.com"}, r"\[mail\] sender"),
    ],
)
def test_every_failure_names_the_place_and_the_fix_and_leaves_the_mail_owed(
    change, words, serve, configured, lake
):
    import re

    port, box = serve()
    sent = deliver(configured(port, **change), lake)
    assert sent.status == "owed"
    assert re.search(words, sent.message)
    assert PASSWORD not in sent.message
    assert not box.mails
    assert states(lake) == {0: "owed"}


def test_a_server_that_says_nothing_costs_the_timeout_and_no_more(configured, lake):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        sent = deliver(configured(server.getsockname()[1], timeout_seconds=0.3), lake)
    assert sent.status == "owed"
    assert "no answer within 0.3 s" in sent.message


def test_a_server_without_starttls_is_not_trusted_with_the_mail(configured, lake):
    controller = Controller(Box(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        sent = deliver(configured(controller.port), lake)
    finally:
        controller.stop()
    assert sent.status == "owed"
    assert "offers no STARTTLS" in sent.message


def test_a_trusted_network_can_do_without_encryption(configured, lake):
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        assert (
            deliver(configured(controller.port, security="none", user=None), lake).status == "sent"
        )
    finally:
        controller.stop()
    assert box.days == ["2026-11-22"]
