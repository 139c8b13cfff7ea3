"""HTML reports: one file, nothing from outside, every value escaped. How it behaves is test_report_browser's."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from ninjasync.errors import ConfigurationError
from ninjasync.model.message import Message
from ninjasync.model.plan import Plan
from ninjasync.report.html import render, render_error
from tests.support.plans import AT, NAMES, failing, hostile, made, of_every_kind, person

_VOID = {"meta", "input", "rect", "br"}


class Page(HTMLParser):
    """A parsed page: its tags in order, attributes, and the text below each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    def text(self, tag: str) -> list[str]:
        return [text for parent, text in self.texts if parent == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def without_small(page: Page) -> list[str]:
    return [text.strip() for text in page.text("h2") if text.strip()]


def test_guards_come_first_then_privilege_changes_then_removals_then_the_other_actions() -> None:
    page = Page(render(of_every_kind(), AT))

    assert page.text("h1") == [
        "Plan: users: 1 to create, 1 to adopt, 3 to update, 1 to deactivate, 1 to delete, 1 held; groups: 1 to update."
    ]
    assert without_small(page) == [
        "Refused: nothing is written.",
        "Summary",
        "Changes of rights",
        "Deletions",
        "Deactivations",
        "Creations",
        "Adoptions",
        "Updates",
        "Reactivations",
        "Held, left exactly as they are",
        "Warnings",
        "Leavers, inactive until they are deleted",
        "Guards",
    ]


def test_every_change_held_user_and_leaver_is_a_row_that_can_be_filtered() -> None:
    rows = [item for item in Page(render(of_every_kind(), AT)).attributes("div") if item.get("class") == "row"]

    assert [(row["data-action"], row["data-kind"]) for row in rows] == [
        ("update privilege", "user"),
        ("delete", "user"),
        ("deactivate", "user"),
        ("create", "user"),
        ("adopt", "user"),
        ("update", "user"),
        ("update", "group"),
        ("reactivate", "user"),
        ("held", "user"),
        ("leaver", "user"),
    ]


def test_each_filter_says_how_many_rows_it_shows() -> None:
    page = render(of_every_kind(), AT, failing(of_every_kind()), 4)
    chips = dict(re.findall(r'value="(\w+)"><span>[^<]* <small>(\d+)</small>', page))

    rows = [item for item in Page(page).attributes("div") if item.get("class") == "row"]
    for value, number in chips.items():
        hits = [row for row in rows if value in " ".join(filter(None, row.values())).split()]
        assert len(hits) == int(number), value
    assert {"privilege", "update", "held", "leaver", "user", "group", "failed", "skipped", "applied"} <= set(chips)


def test_before_and_after_members_reasons_and_the_cure_are_told() -> None:
    page = Page(render(of_every_kind(), AT))

    assert '"endUser"' in page.text("del")
    assert '"technician"' in page.text("ins")
    assert "promoted@example.com" in page.text("ins")
    assert "gone@example.com" in page.text("del")
    assert "because: disabled in Duo" in page.text("p")
    assert any(text.startswith('Write "technician" or "endUser" in Duo') for text in page.text("p"))
    assert '"ninjasync-DU000004@example.com"' in page.text("code")


def test_a_run_tells_every_outcome_what_was_not_kept_and_what_is_left_for_a_person() -> None:
    plan = of_every_kind()

    page = Page(render(plan, AT, failing(plan), 4, (Message("Give a role to Techs."),)))

    assert "Applied: 6 applied, 1 failed, 1 skipped." in page.text("h2")
    assert "Exit code 4." in page.text("p")
    assert "NinjaOne said no to adopted@example.com." in page.text("p")
    assert "Give a role to Techs." in page.text("li")
    assert any("of userType" in text and "<b>guest</b>" in text for text in page.text("li"))


def test_what_a_guard_withholds_is_marked() -> None:
    plan = made(person(1), person(2))

    page = Page(render(replace(plan, withheld=frozenset({plan.changes[0].name})), AT))

    assert page.text("span").count("withheld, see the guards") == 1


def test_no_name_adds_a_tag_or_an_attribute() -> None:
    def shape(plan: Plan) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in Page(render(plan, AT)).tags]

    def tame(text: str) -> str:
        return f"n{NAMES.index(text)}"

    plan = hostile()
    changes = [
        replace(
            one,
            key=tame(one.key),
            diff=tuple(
                replace(row, after=tame(one.key) if row.after == one.key else "x", via=row.via and "x")
                for row in one.diff
            ),
            reasons=(Message("x"),),
        )
        for one in plan.changes
    ]
    problems = tuple(replace(one, key="x", message=Message("x")) for one in plan.problems)
    harmless = replace(plan, changes=tuple(changes), problems=problems, warnings=(Message("x"),) * len(NAMES))

    assert shape(plan) == shape(harmless)


def test_every_name_is_there_with_what_it_hides_made_visible() -> None:
    page = render(hostile(), AT)

    assert "&lt;script&gt;document.title=&#39;ran&#39;&lt;/script&gt;" in page
    assert "right\\u202eto\\u2066left\\x1b[31m" in page
    assert "{{ 7 * 7 }} {% raw %}" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", page)


def test_the_policy_lets_only_this_style_and_this_script_run() -> None:
    text = render(hostile(), AT)
    page = Page(text)

    def digest(tag: str) -> str:
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    (policy,) = (meta["content"] for meta in page.attributes("meta") if "http-equiv" in meta)
    assert policy == (
        f"default-src 'none'; style-src {digest('style')}; script-src {digest('script')}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert [tag for tag, _ in page.tags].index("meta") < [tag for tag, _ in page.tags].index("style")


def test_nothing_in_the_page_points_outside_and_nothing_is_styled_or_scripted_inline() -> None:
    page = Page(render(hostile(), AT))

    names = {name for _, attributes in page.tags for name in attributes}
    assert not names & {"src", "href", "action", "style", "srcset", "data", "poster"}
    assert not [name for name in names if name.startswith("on")]
    assert not {"a", "img", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for name in ("plan.css", "plan.js"):
        assert not re.search("url\\(|@import|fetch|http", files("ninjasync.report").joinpath(name).read_text("utf-8"))


def test_every_field_has_a_label_and_every_section_a_name() -> None:
    page = Page(render(of_every_kind(), AT, failing(of_every_kind()), 4))

    assert page.attributes("label")[0] == {"for": "query"}
    assert page.attributes("html") == [{"lang": "en"}]
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(section["aria-labelledby"] in ids for section in page.attributes("section"))
    assert len(page.attributes("legend")) == len(page.attributes("fieldset")) == 3


def test_the_chart_shows_each_action_in_proportion_and_even_one_among_thousands() -> None:
    plan = replace(
        made(),
        users=replace(made().users, actions=dict.fromkeys(made().users.actions, 0) | {"create": 5000, "delete": 1}),
    )

    widths = [float(str(rect["width"])) for rect in Page(render(plan, AT)).attributes("rect")][::2]

    assert widths[0] == 100
    assert widths[5] == 1.5
    assert widths[1] == 0


def test_the_same_plan_gives_the_same_bytes_and_no_time_but_the_plans_own() -> None:
    page = render(hostile(), AT)

    assert page == render(hostile(), AT)
    assert re.findall(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", page) == ["2026-03-01 09:30:00 UTC"]


def test_twenty_thousand_changes_are_all_there_as_plain_rows() -> None:
    page = render(made(*(person(number) for number in range(20_000))), AT)

    assert page.count('<div class="row"') == 20_000
    assert '<main class="many">' in page
    assert len(page) < 20_000 * 600


def test_an_empty_plan_says_so() -> None:
    page = Page(render(made(), AT))

    assert "No changes. NinjaOne is what Duo implies." in page.text("p")
    assert page.attributes("form") == []


def test_a_failure_is_a_small_document_with_every_mistake() -> None:
    error = ConfigurationError("It is wrong.", "Mend <it>.", mistakes=("duo: <b>a</b>", "scope: none"))

    page = Page(render_error(error, AT))

    assert page.text("h1") == ["ninjasync failed"]
    assert "It is wrong." in page.text("p")
    assert page.text("li") == ["duo: <b>a</b>", "scope: none"]
    assert "Exit code 78." in page.text("p")
    assert page.attributes("form") == []


@pytest.mark.parametrize("name", ["plan.html.jinja", "plan.css", "plan.js"])
def test_the_parts_of_the_page_are_shipped_in_the_package(name: str) -> None:
    assert files("ninjasync.report").joinpath(name).is_file()
