"""The sheet in a real browser: filled in by keyboard, remembered, saved, imported; hostile traffic does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labelled_lake import HOSTILE, sheet_of, told

from evalkit.labelling import store, write
from evalkit.lake import Lake
from evalkit.schema import LABELS

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists() and "EVALKIT_REQUIRE_SERVICES" not in os.environ,
        reason="needs chromium",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Any, path: Path, width: int = 1280, **more: Any) -> tuple[Any, list[str]]:
    """The page, and all that it does besides being shown."""
    context = browser.new_context(viewport={"width": width, "height": 844}, offline=True, **more)
    page = context.new_page()
    seen: list[str] = []
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: seen.append(f"console {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error {error}"))
    page.on("request", lambda request: seen.append(f"request {request.url[:200]}"))
    page.goto(path.as_uri())
    return page, seen


def saved(page: Any, path: Path) -> Path:
    with page.expect_download() as download:
        page.keyboard.press("s")
    download.value.save_as(path)
    return path


def test_filled_in_by_keyboard_remembered_saved_and_imported(
    browser: Any, lake: Lake, tmp_path: Path
) -> None:
    sheet = sheet_of(lake, 5)
    page, seen = opened(browser, write(sheet, tmp_path / "sheet.html"))
    for key in "ynu":
        page.keyboard.press(key)
    page.keyboard.press("k")
    page.keyboard.press("c")
    page.keyboard.type("no, you judge <b>it</b>")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    assert page.inner_text("#count") == "Write your name first"
    page.fill("#by", "Ann Lee")
    page.keyboard.press("Enter")
    page.reload()
    assert page.inner_text("#count") == "3 of 5 judged"
    assert page.inner_text("article.here h2 span") == "3 of 5"
    file = saved(page, tmp_path / "verdicts.json")
    assert page.inner_text("#saved-head") == "2 of 5 are still open"
    assert not [what for what in seen if not what.startswith(("request file:", "request blob:"))]
    done = store(lake, [file])
    assert done.verdicts == {"Ann Lee": {"yes": 1, "no": 1, "unsure": 1}}
    rows = {row["interaction_id"]: row for row in lake.read(LABELS).to_pylist()}
    told = [rows[item.asked.interaction_id] for item in sheet.items[:3]]
    assert [row["value"] for row in told] == [1.0, 0.0, None]
    assert [row["comment"] for row in told] == [None, None, "no, you judge <b>it</b>"]
    assert [row["probability"] for row in told] == [i.asked.probability for i in sheet.items[:3]]
    page.context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_hostile_traffic_is_only_shown(browser: Any, tmp_path: Path, width: int) -> None:
    lake = told(Lake(str(tmp_path / "lake")), 20, HOSTILE)
    sheet = sheet_of(lake, 20)
    page, seen = opened(browser, write(sheet, tmp_path / "sheet.html"), width)
    for _ in sheet.items:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("j")
    assert page.title() == sheet.question
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert not [what for what in seen if not what.startswith("request file:")]
    page.context.close()


def test_without_scripts_it_can_be_read(browser: Any, lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 3)
    page, _ = opened(browser, write(sheet, tmp_path / "s.html"), java_script_enabled=False)
    assert page.locator("article:visible").count() == 3
    assert page.locator("noscript p:visible").count() == 1
    assert page.locator("footer:visible").count() == 0
    page.context.close()
