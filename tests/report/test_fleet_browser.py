"""A fleet's page of 2,000 tenants in a real browser: search, filter, sort, a tenant's plan behind its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ninjasync.model.fleet import FleetRow, total
from ninjasync.report.fleet_html import render_html
from tests.support.browser import Browser, chromium

pytestmark = pytest.mark.browser

AT = datetime(2027, 3, 1, tzinfo=UTC)
EVIL = (
    '<script>document.title = "taken over"</script>',
    "漢字 Ltd",
    "a\u202eb",
    "x" * 300,
    'q" onclick="x',
    "new\nline",
)
DOCUMENT: dict[str, Any] = {
    "changes": [
        {"resource": "user", "action": "create", "key": "<b>kim</b>@example.com", "diff": [
            {"path": "userName", "before": None, "after": "</script><script>document.title='taken over'</script>"},
        ]},
    ],
    "problems": [{"key": "lee@example.com", "code": "missing-name", "message": "no name"}],
    "warnings": [f"warning {number}" for number in range(40)],
    "guards": [],
}  # fmt: skip


def rows() -> list[FleetRow]:
    made = []
    for number in range(2000):
        name = EVIL[number] if number < len(EVIL) else f"customer-{number:04}"
        row = FleetRow(name, f"{number}.toml", "changes", 0, users=number % 60, groups=1, held=0, seconds=number / 10)
        if number % 100 == 50:
            guards = (("removals", "--approve-removals 7"),)
            row = replace(row, outcome="refused", exit_code=3, guards=guards, error="7 of 60 would be removed.")
        made.append(replace(row, document=DOCUMENT))
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.open_text(render_html(total("plan", rows()), AT), tmp_path_factory.mktemp("page"))
        yield browser


@pytest.fixture
def browser(page: Browser) -> Browser:
    page.resize(1200, 900)
    page.run("search.value = ''; boxes.forEach((box) => { box.checked = false; }); show()")
    return page


def shown(browser: Browser) -> list[str]:
    script = "return [...body.rows].filter((row) => row.id && row.checkVisibility())"
    return list(browser.run(f"{script}.map((row) => row.querySelector('.open').textContent)"))


def find(browser: Browser, words: str) -> None:
    browser.run("search.value = arguments[0]; search.dispatchEvent(new Event('input'))", words)


def test_it_opens_in_silence_and_no_name_is_obeyed(browser: Browser) -> None:
    assert browser.console() == []
    assert browser.run("return document.title").startswith("ninjasync: Fleet: 2000 tenants: ")
    assert browser.run("return document.querySelectorAll('main script, main b').length") == 0
    assert len(shown(browser)) == 2000
    assert "a\\u202eb" in shown(browser)


def test_search_and_filter_narrow_and_say_how_many_are_left(browser: Browser) -> None:
    find(browser, "customer-0042")
    assert shown(browser) == ["customer-0042"]
    find(browser, "would be removed")
    assert len(shown(browser)) == 20, "the reason is searched, too"
    find(browser, "")
    browser.run("document.querySelector('input[value=refused]').click()")
    assert len(shown(browser)) == 20
    assert browser.run("return count.textContent") == "20 of 2000 tenants"


def test_a_column_sorts_both_ways_by_number(browser: Browser) -> None:
    seconds = "return [...body.rows].filter((row) => row.id).map((row) => Number(row.cells[6].textContent))"
    for expected in (sorted, lambda found: sorted(found, reverse=True)):
        browser.run("table.tHead.rows[0].cells[6].querySelector('button').click()")
        found = browser.run(seconds)
        assert found == expected(found)
    browser.run("table.tHead.rows[0].cells[1].querySelector('button').click()")


def test_a_tenants_plan_is_behind_its_row_as_text(browser: Browser) -> None:
    find(browser, "customer-0077")
    browser.run("document.querySelector('tr:not([hidden]) > th .open').focus()")
    browser.type("\ue007")  # Enter: a keyboard is enough
    detail = browser.run("return document.querySelector('.detail').innerText")
    assert "create user <b>kim</b>@example.com" in detail
    assert "</script><script>" in detail
    assert "Held (1)" in detail
    assert browser.run("return document.title") != "taken over"
    find(browser, "customer-0078")
    assert not browser.run("return document.querySelector('.detail').checkVisibility()")


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_is_wider_than_the_window(browser: Browser, width: int) -> None:
    browser.resize(width, 800, phone=width < 600)
    assert browser.run("return document.documentElement.scrollWidth") <= width
