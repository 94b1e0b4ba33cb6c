"""Sections: what every one of them keeps, and how a team adds its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import report_story as story

from evalkit.config import ReportSettings, Settings
from evalkit.errors import ConfigError, ExtensionError
from evalkit.reporting import names, report, sections
from evalkit.reporting.pack import Pack, shipped
from evalkit.reporting.page import gather, parameters, templates

KINDS = ("empty", "nulls", "story", "hostile")


def rendered(settings, lake, night, name):
    pack = Pack.of(settings)
    section = next(part for part in sections.load(pack.folder) if part.name == name)
    edition = gather(settings, lake, pack, night, story.METRICS)
    params = parameters(settings, night.day, story.METRICS)
    return sections.render(section, pack, lake.sql, params, templates(settings, edition))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", names())
def test_every_section_keeps_the_contract(name, kind, told, settings):
    lake, night = told(kind)
    part = rendered(settings, lake, night, name)
    assert part.problem is None
    assert part == rendered(settings, lake, night, name)
    for tag in ("<script", "<img", "<a href=javascript", "onerror=alert(2)>", "<iframe", "<!--"):
        assert tag not in part.html
    assert "\u202e" not in part.html
    assert "\x00" not in part.html
    assert len(part.html) < 900_000


@pytest.mark.parametrize("name", names())
def test_every_section_says_what_it_shows(name):
    section = next(part for part in sections.load(shipped()) if part.name == name)
    assert section.broken is None
    assert section.about
    assert all("?" in query.splitlines()[0] for query in section.sql.values())


def test_templates_in_values_are_never_evaluated(told, settings):
    lake, night = told("hostile")
    html = "".join(rendered(settings, lake, night, name).html for name in names())
    assert "{{7*7}}" in html
    assert "49{%" not in html


def a_pack(tmp_path: Path) -> tuple[Settings, Path]:
    folder = tmp_path / "pack"
    shutil.copytree(shipped(), folder)
    return Settings(base=tmp_path, report=ReportSettings(pack="pack")), folder


OWN = """+++
title = "Busiest routes"
about = "Where the traffic goes."
[sql]
routes = '''
-- Which routes had most interactions?
SELECT value_of_segment AS route, max(n) AS n FROM daily
WHERE day = $day AND segment = 'route' GROUP BY 1 ORDER BY 2 DESC
'''
+++
<ol>{% for row in routes %}<li>{{ row.route|bdi }}: {{ row.n|count }}</li>{% endfor %}</ol>
"""


def test_a_team_adds_a_section_by_adding_one_file(told, tmp_path):
    lake, night = told("story")
    settings, folder = a_pack(tmp_path)
    (folder / "sections" / "45_routes.html").write_text(OWN)
    html = report(settings, lake, night, story.METRICS).read_text()
    assert html.index('id="trends"') < html.index('id="routes"') < html.index('id="coverage"')
    assert "<li><bdi>/ask</bdi>: 2,070</li>" in html
    assert "Which routes had most interactions?" in html


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("FROM daily", "FROM dayly"), "dayly"),
        (("{{ row.n|count }}", "{{ row.size|count }}"), "size"),
        (("{{ row.n|count }}", "{{ row.n / 0 }}"), "ZeroDivisionError"),
        (("{{ row.n|count }}", "{{ row.n|"), "template"),
        (("{{ row.n|count }}", "{{ row.__class__.__mro__ }}"), "unsafe"),
        (("-- Which", "Which"), "begin with a comment"),
        (("title =", "titel ="), "unknown key"),
        (("+++", "---"), "two lines of +++"),
        (("$day", "$night"), "night"),
    ],
)
def test_a_section_that_fails_says_why_and_the_page_goes_on(change, reason, told, tmp_path):
    lake, night = told("story")
    settings, folder = a_pack(tmp_path)
    (folder / "sections" / "45_routes.html").write_text(OWN.replace(*change))
    html = report(settings, lake, night, story.METRICS).read_text()
    assert html.count("This part could not be made.") == 1
    assert reason in html.split("This part could not be made.")[1][:500]
    assert 'id="about"' in html


def test_a_section_file_needs_an_ordered_name():
    with pytest.raises(ExtensionError, match="NN_name"):
        sections.parse("routes.html", OWN)


def test_a_pack_that_is_not_there_names_the_key(told, tmp_path):
    lake, night = told("empty")
    settings = Settings(base=tmp_path, report=ReportSettings(pack="nowhere"))
    with pytest.raises(ConfigError, match=r"\[report\] pack"):
        report(settings, lake, night, story.METRICS)
