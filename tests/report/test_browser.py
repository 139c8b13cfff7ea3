"""The HTML report in a real browser: it loads in silence, filters, searches, prints, and obeys no name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.errors import NinjasyncError
from ninjasync.report.html import render, render_error
from tests.support.browser import Browser, chromium
from tests.support.plans import AT, failing, hostile, made, of_every_kind, person

pytestmark = pytest.mark.browser

_SHOWN = "return [...document.querySelectorAll('.row')].filter(row => row.checkVisibility()).map(row => row.%s)"
_KEYS = _SHOWN % "querySelector('strong').textContent"
_TITLES = (
    "return [...document.querySelectorAll('section.rows h2')].filter(one => one.checkVisibility()).map(one => one.id)"
)
_CHOOSE = "for (const value of arguments) document.querySelector(`input[value=${value}]`).click()"
_SEARCH = "query.value = arguments[0]; query.dispatchEvent(new Event('input', {bubbles: true}))"

# WCAG 2.2, 1.4.3: the least contrast of each text that shows, with the text that has it.
_CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const color = rgb(getComputedStyle(element).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
let least = [21, ""];
for (const element of document.body.querySelectorAll("*")) {
  if (!element.checkVisibility() || element.closest("svg, script, .chip input")) continue;
  const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
  if (!text) continue;
  const pair = [light(rgb(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < least[0]) least = [contrast, element.className + ": " + text];
}
return least;
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.open_text("<title>nothing yet</title>", tmp_path_factory.mktemp("blank"))
        yield browser


@pytest.fixture
def browser(window: Browser) -> Browser:
    window.resize(1200, 900)
    window.prefer("light")
    window.console()
    window.requested()
    return window


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    """Return a browser that shows a plan of every kind of thing."""
    browser.open_text(render(of_every_kind(), AT), tmp_path)
    return browser


def test_the_page_loads_without_a_word_on_the_console(page: Browser) -> None:
    assert page.run("return document.title").startswith("ninjasync: Plan: users: 1 to create")
    assert page.run("return count.textContent") == "10 of 10 shown"
    assert page.console() == []


def test_the_page_asks_for_nothing_but_itself(browser: Browser, tmp_path: Path) -> None:
    browser.open_text(render(hostile(), AT, failing(hostile()), 4), tmp_path)

    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.requested() == [(tmp_path / "page.html").as_uri()]


def test_no_name_runs_and_none_adds_an_element(browser: Browser, tmp_path: Path) -> None:
    browser.open_text(render(hostile(), AT, failing(hostile()), 4), tmp_path)

    assert browser.run("return document.title").startswith("ninjasync: Plan")
    assert browser.run("return document.querySelectorAll('img, a, iframe, h1 ~ h1').length") == 0
    assert browser.run("return document.querySelectorAll('script').length") == 1
    assert "<script>document.title='ran'</script>" in browser.run(_KEYS)
    assert browser.console() == []


def test_the_policy_stops_a_script_a_style_and_an_image_that_got_in_all_the_same(page: Browser) -> None:
    page.requested()
    page.run(
        """
        const script = document.createElement("script");
        script.textContent = "document.title = 'ran'";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='alert(1)'>x</p>");
        document.body.insertAdjacentHTML("beforeend", "<img src='https://127.0.0.1:9/pixel.png'>");
        """
    )

    assert page.run("return document.title").startswith("ninjasync: Plan")
    assert page.run("return getComputedStyle(document.body.querySelector('p[style]')).color") != "rgb(255, 0, 0)"
    assert page.requested() == []
    assert len([line for line in page.console() if "Content Security Policy" in line]) >= 3


def test_filters_show_what_was_chosen_and_sections_without_any_of_it_go(page: Browser) -> None:
    page.run(_CHOOSE, "deactivate")
    assert page.run(_KEYS) == ["gone@example.com"]
    assert page.run(_TITLES) == ["s-deactivate"]
    assert page.run("return count.textContent") == "1 of 10 shown"

    page.run(_CHOOSE, "held")
    assert page.run(_KEYS) == ["gone@example.com", "chef@example.com"]

    page.run(_CHOOSE, "deactivate", "held", "update", "group")
    assert page.run(_KEYS) == ["Technicians"]


def test_the_privilege_filter_shows_the_users_whose_rights_change(page: Browser) -> None:
    page.run(_CHOOSE, "privilege")

    assert page.run(_KEYS) == ["promoted@example.com"]


def test_after_a_run_failures_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    browser.open_text(render(of_every_kind(), AT, failing(of_every_kind()), 4), tmp_path)

    browser.run(_CHOOSE, "failed")

    assert browser.run(_KEYS) == ["adopted@example.com"]


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("RENAMED@", ["renamed@example.com"]),
        ("disabled in duo", ["gone@example.com"]),
        ("technician promoted", ["promoted@example.com", "Technicians"]),
        ("chef", ["chef@example.com"]),
        ("nobody at all", []),
    ],
)
def test_the_search_finds_names_values_and_reasons_in_any_case(page: Browser, sought: str, found: list[str]) -> None:
    page.run(_SEARCH, sought)

    assert page.run(_KEYS) == found


def test_show_all_takes_back_the_search_and_the_filters(page: Browser) -> None:
    page.run(_CHOOSE, "delete")
    page.run(_SEARCH, "nobody")
    assert page.run(_KEYS) == []

    page.run("document.querySelector('button[type=reset]').click()")

    assert len(page.run(_KEYS)) == 10
    assert page.run("return document.querySelectorAll('input:checked').length") == 0


def test_everything_can_be_reached_and_used_with_the_keyboard(page: Browser) -> None:
    page.type("\ue004gone\ue007")  # tab, a word, enter
    assert page.run(_KEYS) == ["gone@example.com", "Technicians"]

    page.type("\ue004\ue004 ")  # past the button to the first filter, space
    assert page.run("return document.activeElement.value + document.activeElement.checked") == "privilegetrue"
    assert page.run("return getComputedStyle(document.activeElement.nextElementSibling).outlineStyle") == "solid"
    assert page.console() == []


def test_on_paper_everything_shows_but_the_filters(page: Browser) -> None:
    page.run(_CHOOSE, "delete")

    page.prefer("dark", medium="print")

    assert len(page.run(_KEYS)) == 10
    assert page.run("return document.getElementById('find').checkVisibility()") is False
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("what", ["every kind", "hostile", "failure"])
def test_on_a_phone_nothing_runs_over_the_edge(browser: Browser, tmp_path: Path, width: int, what: str) -> None:
    texts = {
        "every kind": render(of_every_kind(), AT, failing(of_every_kind()), 4),
        "hostile": render(hostile(), AT, failing(hostile()), 4),
        "failure": render_error(NinjasyncError("x" * 500, "y" * 500), AT),
    }
    browser.resize(width, 844, phone=True)
    browser.open_text(texts[what], tmp_path)

    wide = (
        "return [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    )
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert browser.run(f"{wide}.map(one => one.outerHTML.slice(0, 80))") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, tmp_path: Path, scheme: str) -> None:
    browser.prefer(scheme)
    browser.open_text(render(of_every_kind(), AT, failing(of_every_kind()), 4), tmp_path)
    browser.run("document.querySelector('.chip input').click()")
    browser.run("document.querySelector('.chip input').click()")

    contrast, text = browser.run(_CONTRAST)

    assert contrast >= 4.5, text


def test_the_page_is_dark_where_dark_is_preferred(page: Browser) -> None:
    def brightness() -> int:
        return int(page.run("return Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"))

    assert brightness() > 200
    page.prefer("dark")
    assert brightness() < 50


def test_twenty_thousand_changes_can_be_searched(browser: Browser, tmp_path: Path) -> None:
    browser.open_text(render(made(*(person(number) for number in range(20_000))), AT), tmp_path)

    browser.run(_SEARCH, "given19999")

    assert browser.run("return count.textContent") == "1 of 20000 shown"
    assert browser.run("return document.querySelectorAll('.row:not(.off)').length") == 1


@pytest.mark.parametrize("missing", ["chromedriver", "chromium"])
def test_where_no_browser_is_installed_the_test_says_how_to_install_it(missing: str, tmp_path: Path) -> None:
    def which(name: str) -> str | None:
        return name if name == "chromedriver" != missing else None

    with pytest.raises(AssertionError) as failure, chromium(tmp_path, which):
        pass

    assert f"{missing} is not installed. install debian's packages with: apt-get" in str(failure.value).lower()
