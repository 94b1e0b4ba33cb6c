"""Hostile traffic in a real browser: nothing runs, nothing is asked for, nothing overflows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import report_story as story

from evalkit.config import MailSettings, Settings
from evalkit.reporting import report
from evalkit.reporting.mail import compose
from evalkit.reporting.pack import Pack
from evalkit.reporting.page import gather

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]

pytestmark = [
    pytest.mark.slow,
    # Where the services are promised (the gate sets it), a missing browser is a failure and no reason to skip.
    pytest.mark.skipif(
        not CHROMIUM.exists() and "EVALKIT_REQUIRE_SERVICES" not in os.environ,
        reason="needs chromium",
    ),
]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def opened(browser, path, width, scheme="light"):
    """The page with everything unfolded, and all that it did besides being shown."""
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        offline=True,
        java_script_enabled=True,
    )
    page = context.new_page()
    seen = []
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: seen.append(f"console {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error {error}"))
    page.on("request", lambda request: seen.append(f"request {request.url}"))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(300)
    return page, [what for what in seen if what != f"request {path.as_uri()}"]


@pytest.mark.parametrize("kind", ["story", "hostile", "huge", "empty"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_only_shows(kind, width, browser, told, settings):
    path = report(settings, *told(kind), story.METRICS)
    for file in (path, path.with_name("index.html")):
        page, seen = opened(browser, file, width)
        assert seen == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            page.evaluate(
                "document.querySelectorAll('script, a[href^=javascript], main img').length"
            )
            == 0
        )
        page.context.close()


@pytest.mark.parametrize("width", [360, 800])
def test_the_mail_only_shows(width, browser, told, tmp_path):
    """Also with the texts of users in it, which a mail has only when it is asked for."""
    mail = MailSettings(host="mail.example.com", to=["owner@example.com"], examples=True)
    settings = Settings(base=tmp_path, mail=mail)
    lake, night = told("hostile")
    pack = Pack.of(settings)
    message = compose(settings, lake, pack, gather(settings, lake, pack, night, story.METRICS))
    file = tmp_path / "mail.html"
    file.write_text(message.get_body(("html",)).get_content(), "utf-8")
    page, seen = opened(browser, file, width)
    # A mail client finds the charts in the mail itself; a browser asks for them and is refused.
    cid = ("request cid:", "console Failed to load resource: net::ERR_UNKNOWN_URL_SCHEME")
    assert [what for what in seen if not what.startswith(cid)] == []
    assert page.evaluate("document.querySelectorAll('script, a[href^=javascript]').length") == 0
    page.screenshot(path=str(tmp_path / "mail.png"), full_page=True)
    page.context.close()


def test_the_test_would_see_a_script(browser, told, settings):
    path = report(settings, *told("story"), story.METRICS)
    text = path.read_text()
    evil = path.with_name("evil.html")
    evil.write_text(
        text.replace("http-equiv", "data-off", 1).replace(
            "</main>", "<script>alert(1)</script><img src='x.png'></main>"
        )
    )
    _, seen = opened(browser, evil, 1280)
    assert "dialog 1" in seen
    assert any(what.startswith("request") for what in seen)
    guarded = path.with_name("guarded.html")
    guarded.write_text(text.replace("</main>", "<script>alert(1)</script></main>"))
    _, seen = opened(browser, guarded, 1280)
    assert "dialog 1" not in seen
    assert any("Content Security Policy" in what for what in seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_follow_the_colour_scheme(scheme, browser, told, settings):
    path = report(settings, *told("story"), story.METRICS)
    page, _ = opened(browser, path, 1280, scheme)
    line = page.evaluate("getComputedStyle(document.querySelector('path.c-line')).stroke")
    assert line == {"light": "rgb(43, 92, 138)", "dark": "rgb(134, 180, 224)"}[scheme]
