"""A fleet's page of 2,000 tenants in a real browser: search, filter, sort, a tenant's plan behind its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.model.fleet import FleetRow, total
from ninjasync.report.fleet_html import render_html
from ninjasync.report.tenant_document import pack
from tests.support.browser import Browser, chromium

pytestmark = pytest.mark.browser

AT = datetime(2027, 3, 1, tzinfo=UTC)
TAKING_OVER = "document.title = 'taken over'"
EVIL = (
    f"</script><script>{TAKING_OVER}</script>",
    f'<img src=x onerror="{TAKING_OVER}">',
    "漢字 Ltd",
    "a\u202eb",
    "x" * 300,
    'q" onclick="x',
    "new\nline",
    "line\u2028separator\u2029",
)
DOCUMENT: dict[str, Any] = {
    "organizations": {"7": "Contoso Ltd"},
    "summary": {"users": {"create": 300, "unchanged": 5}, "groups": {}},
    "changes": [
        {"resource": "user", "action": "create", "key": f"user{number}@example.com", "diff": [
            {"path": "userName", "before": None, "after": f"user{number}@example.com"},
            {"path": "organizationId", "before": None, "after": "7"},
        ], "reasons": ['member of "Staff"']}
        for number in range(300)
    ] + [
        {"resource": "user", "action": "deactivate", "key": EVIL[1], "diff": [
            {"path": "userType", "before": evil, "after": EVIL[0]} for evil in EVIL
        ], "reasons": list(EVIL), "outcome": "failed", "error": EVIL[0]},
    ],
    "problems": [{"resource": "user", "key": evil, "code": "missing-name", "message": evil} for evil in EVIL],
    "warnings": list(EVIL),
    "guards": [{"name": "removals", "tripped": True, "message": EVIL[1], "approve": "--approve-removals 7"}],
}  # fmt: skip


def rows() -> list[FleetRow]:
    made, document, hostile = [], pack(DOCUMENT | {"changes": []}), pack(DOCUMENT)
    for number in range(2000):
        name = EVIL[number] if number < len(EVIL) else f"customer-{number:04}"
        row = FleetRow(name, f"{name}.toml", "changes", 0, users=number % 60, groups=1, held=0, document=document)
        row = replace(row, seconds=number / 10 if number % 7 else None, token_days=number % 90 - 3)
        if number % 100 == 50:
            guards = (("removals", "--approve-removals 7"),)
            row = replace(row, outcome="refused", exit_code=3, guards=guards, error=f"7 would be removed. {EVIL[1]}")
        if number % 100 == 60:
            row = replace(row, outcome="failed", exit_code=1, document=None, error="Duo cannot be reached.", users=None)
        if number % 100 == 70:
            row = replace(row, paused=True, error="This tenant is paused.")
        made.append(replace(row, document=hostile) if number == 77 else row)
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.open_text(render_html(total("plan", rows()), AT), tmp_path_factory.mktemp("page"))
        yield browser


@pytest.fixture
def browser(page: Browser) -> Browser:
    page.resize(1200, 900)
    page.run("for (const row of details.keys()) if (isOpen(row)) toggle(row, row.querySelector('button'))")
    page.run("details.forEach((detail) => detail.remove()); details.clear()")
    page.run("search.value = ''; boxes.forEach((box) => { box.checked = false; }); show()")
    return page


def shown(browser: Browser) -> list[str]:
    script = "return [...body.querySelectorAll('tr[data-outcome]')].filter((row) => row.checkVisibility())"
    return list(browser.run(f"{script}.map((row) => row.querySelector('button').textContent)"))


def find(browser: Browser, words: str) -> None:
    browser.run("search.value = arguments[0]; search.dispatchEvent(new Event('input', { bubbles: true }))", words)


def open_first(browser: Browser) -> str:
    """Open the first row that is shown by its button and Enter, and return what is in it."""
    browser.run("body.querySelector('tr:not([hidden]) button').focus()")
    browser.type("\ue007")
    return str(
        browser.wait(
            "const detail = details.get(document.activeElement.closest('tr')); "
            "return detail && !detail.cells[0].hasAttribute('aria-busy') && detail.textContent"
        )
    )


def test_it_opens_in_silence_and_no_name_is_obeyed(browser: Browser) -> None:
    assert browser.console() == []
    assert browser.run("return document.title").startswith("ninjasync: Fleet: 2000 tenants: ")
    assert browser.run("return document.querySelectorAll('main script, main b, img').length") == 0
    assert len(shown(browser)) == 2000
    assert "a\\u202eb" in shown(browser)
    assert "line\\u2028separator\\u2029" in shown(browser)


def test_it_asks_for_nothing_and_could_not(browser: Browser) -> None:
    browser.requested()
    open_first(browser)
    assert browser.requested() == []
    policy = browser.run("return document.querySelector('meta[http-equiv]').content")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert browser.console() == [], "nothing breached it"


def test_it_can_be_used_before_the_plans_are_read(browser: Browser) -> None:
    ready = browser.run("return performance.getEntriesByName('ready')[0].startTime")
    assert ready < browser.run("return performance.getEntriesByType('navigation')[0].domInteractive")
    order = "const data = document.querySelector('script[id]'); return data.compareDocumentPosition(table)"
    assert browser.run(order) == 2, "the table stands before the plans"


def test_search_and_filter_narrow_and_say_how_many_are_left(browser: Browser) -> None:
    find(browser, "customer-0042")
    assert shown(browser) == ["customer-0042"]
    find(browser, "would be removed")
    assert len(shown(browser)) == 20, "the reason is searched, too"
    command = browser.run("return body.querySelector('tr:not([hidden]) code').textContent")
    assert command == "ninjasync apply --approve-removals 7 --config customer-0050.toml"
    find(browser, "")
    browser.run("document.querySelector('input[value=refused]').click()")
    assert len(shown(browser)) == 20
    assert browser.run("return count.textContent") == "20 of 2000 tenants"
    browser.run("document.querySelector('#find button').click()")
    assert browser.wait("return count.textContent === '2000 tenants'")


def test_the_sums_are_those_of_the_tenants_that_are_shown(browser: Browser) -> None:
    expected = [row.users or 0 for row in rows()]
    assert browser.run("return sums[2].textContent") == str(sum(expected))
    find(browser, "customer-0042")
    assert [browser.run(f"return sums[{column}].textContent") for column in (2, 3, 7)] == ["42", "1", ""]


def test_a_paused_tenant_is_found_by_that_word(browser: Browser) -> None:
    browser.run("document.querySelector('input[value=paused]').click()")
    assert len(shown(browser)) == 20
    browser.run("document.querySelector('input[value=paused]').click()")


def test_a_column_sorts_both_ways_by_number_and_what_is_not_known_stays_last(browser: Browser) -> None:
    script = "return [...body.querySelectorAll('tr[data-outcome]')].map((row) => row.cells[7].textContent)"
    for backwards in (False, True):
        browser.run("table.tHead.rows[0].cells[7].querySelector('button').click()")
        found = browser.run(script)
        known = [float(text) for text in found if text]
        assert known == sorted(known, reverse=backwards)
        assert not any(found[len(known) :])
    browser.run("table.tHead.rows[0].cells[6].querySelector('button').click()")
    days = browser.run(script.replace("cells[7]", "cells[6]"))
    assert (days[0], days[-1]) == ("expired", "86 d")
    browser.run("table.tHead.rows[0].cells[1].querySelector('button').click()")
    assert browser.run("return body.rows[0].dataset.outcome") == "failed"


def test_a_tenants_plan_is_behind_its_row_as_text(browser: Browser) -> None:
    find(browser, "customer-0077")
    detail = open_first(browser)
    assert browser.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    assert EVIL[0] in detail
    assert EVIL[1] in detail
    assert "a\\u202eb" in detail
    assert "line\\u2028separator" in detail
    assert "Plan: users: 300 to create, 5 unchanged." in detail
    assert detail.index("deactivate") < detail.index("user0@example.com"), "what removes is told first"
    assert 'organizationId "7" (Contoso Ltd)' in detail
    assert "customer-0077.toml" in detail
    assert browser.run("return document.title") != "taken over"
    assert browser.run("return document.querySelectorAll('main script, img').length") == 0
    find(browser, "customer-0078")
    assert not browser.run("return document.querySelector('.detail').checkVisibility()")
    find(browser, "customer-0077")
    assert browser.run("return document.querySelector('.detail').checkVisibility()")
    browser.run("document.querySelector('.detail .list button').click()")
    assert browser.run("return document.querySelectorAll('.detail .tag.create').length") == 300


def test_a_tenant_that_failed_before_its_plan_says_so(browser: Browser) -> None:
    find(browser, "customer-0160")
    detail = open_first(browser)
    assert "There is no plan" in detail
    assert "Exit code 1." in detail


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_is_wider_than_the_window(browser: Browser, width: int) -> None:
    browser.resize(width, 800, phone=width < 600)
    assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "medium"), [(390, ""), (1200, ""), (1200, "print")])
def test_every_row_shows_its_outcome_and_numbers(browser: Browser, width: int, medium: str) -> None:
    browser.resize(width, 800)
    browser.prefer("light", medium=medium)
    find(browser, "customer-0042")
    text = browser.wait("return body.querySelector('tr:not([hidden])').innerText")  # laid out when it is first seen
    browser.prefer("light")
    assert {"customer-0042", "changes", "42", "1"} <= set(text.split())


def test_the_page_of_a_small_fleet_holds_its_plans_as_text_and_shows_them_too(tmp_path: Path) -> None:
    text = render_html(total("plan", [replace(row, document=pack(DOCUMENT)) for row in rows()[:8]]), AT)
    assert "user299@example.com" in text
    assert "user299@example.com" not in render_html(total("plan", rows()), AT)
    with chromium(tmp_path) as browser:
        browser.open_text(text, tmp_path)
        shown = open_first(browser)
        assert browser.console() == []
        assert browser.run("return document.title").startswith("ninjasync: Fleet: 8 tenants: ")
    assert all(part in shown for part in ("user0@example.com", EVIL[0], "line\\u2028separator\\u2029"))
