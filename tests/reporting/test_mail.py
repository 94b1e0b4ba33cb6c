"""The mail as a message: its parts, its size, what it never holds."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
import report_story as story

from evalkit.config import MailSettings, ReportSettings, Settings
from evalkit.errors import DeliveryError
from evalkit.reporting.mail import MAX_BODY_BYTES, compose
from evalkit.reporting.pack import Pack
from evalkit.reporting.page import gather, report
from evalkit.verdict import NightSummary


def composed(told, settings, kind="story", night=None):
    lake, told_night = told(kind)
    pack = Pack.of(settings)
    return compose(
        settings, lake, pack, gather(settings, lake, pack, night or told_night, story.METRICS)
    )


@pytest.fixture
def settings(tmp_path):
    return mail_settings(tmp_path)


def mail_settings(tmp_path, **mail):
    given = {
        "host": "mail.example.com",
        "to": ["owner@example.com"],
        "sender": "evalkit@example.com",
    } | mail
    return Settings(
        base=tmp_path,
        mail=MailSettings(**given),
        report=ReportSettings(link="https://reports.example.com/llm/"),
    )


def html_of(message):
    return message.get_body(("html",)).get_content()


def test_the_mail_is_text_and_html_with_its_charts(told, settings):
    message = message_from_bytes(bytes(composed(told, settings)), policy=policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/png",
    ]
    html = html_of(message)
    for part in message.walk():
        if part.get_content_type() == "image/png":
            assert f'src="cid:{part["Content-ID"][1:-1]}"' in html
            assert part.get_content()[:4] == b"\x89PNG"
    assert html.count('alt="Chart: ') == 2
    assert "https://reports.example.com/llm/2026-11-22.html" in html


def test_the_subject_says_what_happened(told, settings):
    message = composed(told, settings)
    assert message["Subject"] == "evalkit 2026-11-22: 2 new findings - prompt tokens are up"
    good = composed(told, settings, "empty")
    assert good["Subject"] == "evalkit 2026-11-22: too early to tell"
    failed = composed(
        told, settings, "empty", NightSummary(story.DAY, "failed", ["gateway: no file matches."])
    )
    assert failed["Subject"] == "evalkit 2026-11-22: the night failed - gateway: no file matches"


def test_both_parts_tell_the_same(told, settings):
    message = composed(told, settings)
    text = message.get_body(("plain",)).get_content()
    for words in (
        "Hallucination on /ask is up from 0.21 to 0.34",
        "+0.13 (95 % interval",
        "Prompt tokens are up",
    ):
        assert words.replace("95 %", "95\xa0%") in text.replace("95 %", "95\xa0%")
        assert words.split(" (")[0] in html_of(message)


def test_texts_of_users_stay_out_unless_they_are_asked_for(told, tmp_path):
    without = bytes(composed(told, mail_settings(tmp_path)).get_body(("html",)))
    assert b"pair of shoes" not in without
    message = composed(told, mail_settings(tmp_path, examples=True))
    assert "pair of shoes" in html_of(message)
    assert "<mark" in html_of(message)
    assert "pair of shoes" in message.get_body(("plain",)).get_content()
    assert "Why it went wrong: a better chunk" in message.get_body(("plain",)).get_content()


def test_the_same_night_gives_the_same_message(told, settings):
    assert bytes(composed(told, settings)) == bytes(composed(told, settings))


def test_every_night_has_its_own_message_id_and_date(told, settings):
    first = composed(told, settings)
    other = composed(told, settings, night=NightSummary(story.DAY.replace(day=21), "healthy"))
    assert first["Message-ID"] != other["Message-ID"]
    assert first["Date"] == "Mon, 23 Nov 2026 00:00:00 +0000"


@pytest.mark.parametrize("kind", ["hostile", "huge"])
@pytest.mark.parametrize("examples", [False, True])
def test_hostile_and_huge_texts_stay_texts(kind, examples, told, tmp_path):
    message = composed(told, mail_settings(tmp_path, examples=examples), kind)
    html = html_of(message)
    assert len(html.encode()) <= MAX_BODY_BYTES
    assert "<script" not in html
    assert "onerror=alert(2)>" not in html
    assert "\u202e" not in html + message.get_body(("plain",)).get_content()
    read = message_from_bytes(bytes(message), policy=policy.default)
    assert read["Bcc"] is None
    assert read["To"] == "owner@example.com"
    assert "\n" not in read["Subject"]
    assert len(read["Subject"]) <= 160


def test_an_address_with_a_newline_is_refused(told, tmp_path):
    with pytest.raises(DeliveryError, match=r"\[mail\] to"):
        composed(told, mail_settings(tmp_path, to=["a@example.com\nBcc: b@example.com"]))


def test_the_page_is_attached_where_that_is_wanted(told, tmp_path):
    settings = mail_settings(tmp_path, attach=True)
    page = report(settings, *told("story"), story.METRICS)
    message = composed(told, settings)
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == page.read_text()
    assert attachment.get_filename() == "evalkit-2026-11-22.html"


def test_nothing_in_the_mail_is_loaded_from_elsewhere(told, settings):
    html = html_of(composed(told, settings, "hostile"))
    assert 'src="http' not in html
    assert "url(" not in html
    assert "<link" not in html
