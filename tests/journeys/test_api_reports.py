"""An organization's name stands beside its number, and ``explain`` shows what SCIM and the public API each say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from tests.support.api_answers import with_rows
from tests.support.company import tech, user
from tests.support.office import Office

HOSTILE = "Con|to`so <b>[x](http://y)\x1b[31m"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Users 0 and 1 are to move to other organizations; nothing in these tests writes."""
    with Office(tmp_path_factory.mktemp("office")) as made:
        made.set_up_public_api()
        made.ninjaone.organizations[7] = HOSTILE
        made.settle()
        made.people.set_attribute(made.duo(user(0)), "organizationID", "7")
        made.people.set_attribute(made.duo(user(1)), "organizationID", "customer 9")
        made.ninjaone.administrators.add(made.id_of(tech(0)))
        made.people.trash(made.duo(tech(0)))
        yield made


@pytest.fixture
def office(one: Office) -> Iterator[Office]:
    yield one
    one.box.set_behavior()


def facts(office: Office, who: str) -> dict[str, Any]:
    steps = office.run("explain", who, "--format", "json").json["steps"]
    (match,) = (step for step in steps if step["step"] == "match")
    return dict(match["facts"])


def test_a_plan_as_text_has_the_name_beside_the_number(office: Office) -> None:
    assert 'organizationId: "2" (Customer 2) -> "9" (Customer 9)' in office.run("plan").out
    assert "\x1b[31m" not in office.run("plan").out


def test_json_has_the_names_of_the_organizations_that_occur(office: Office) -> None:
    names = office.plan().json["organizations"]
    assert names == {
        "1": "Customer 1",
        "2": "Customer 2",
        "7": HOSTILE,
        "9": "Customer 9",
    }


def test_markdown_and_html_have_it_where_it_can_do_no_harm(office: Office) -> None:
    markdown = office.run("plan", "--format", "markdown").out
    assert '`"2"` (`Customer 2`) → `"9"` (`Customer 9`)' in markdown
    assert "(``Con|to`so <b>[x](http://y)" in markdown
    html = office.run("plan", "--format", "html").out
    assert "<ins>&#34;9&#34;</ins> (Customer 9)" in html
    assert "&lt;b&gt;[x]" in html


def test_a_saved_plan_has_it_when_it_is_shown_again(office: Office) -> None:
    saved = office.folder / "saved.plan"
    office.run("plan", "--out", saved)
    assert '"9" (Customer 9)' in office.run("show", saved).out


def test_redacted_plans_name_no_customers(office: Office) -> None:
    for format in ("text", "json", "markdown", "html"):
        assert "Customer" not in office.run("plan", "--redact", "--format", format).out
    assert "organizations" not in office.run("plan", "--redact", "--format", "json").json


def test_without_the_api_a_plan_has_no_names_and_no_such_field(office: Office) -> None:
    api = office.config.pop("ninjaone.api")
    try:
        assert "organizations" not in office.plan().json
    finally:
        office.config["ninjaone.api"] = api


def test_explain_shows_both_sources_and_where_a_name_was_found(office: Office) -> None:
    explained = office.run("explain", user(1))
    assert 'organizationId: "customer 9" is 9 in NinjaOne\'s public API' in explained.out
    assert facts(office, user(1)) | {
        "SCIM": ["endUser", "organization 2 (Customer 2)", "active"],
        "public_API": ["endUser", "organization 2 (Customer 2)", "enabled"],
    } == facts(office, user(1))


def test_explain_shows_what_scim_hides_as_hidden(office: Office) -> None:
    office.box.set_behavior(quirks=["no-extension"])
    assert facts(office, user(2))["SCIM"] == ["no userType told", "no organization told", "active"]
    assert facts(office, user(2))["public_API"] == ["endUser", "organization 3 (Customer 3)", "enabled"]


def test_explain_says_that_an_account_is_a_system_administrators(office: Office) -> None:
    explained = office.run("explain", tech(0))
    assert "is protected" in explained.out
    assert "[safety] protect_administrators = true" in explained.out
    assert facts(office, tech(0))["public_API"][-1] == "a system administrator"


def test_explain_says_of_an_address_what_kind_of_account_has_it(office: Office) -> None:
    office.people.hire("Kim", "Kiosk", groups=[], user_type="endUser", organization="1")
    address = "kim.kiosk@example.com"
    office.ninjaone.unlisted[address] = {
        "userName": address,
        NINJAONE_USER: {"userType": "endUser", "organizationId": "3"},
    }
    assert facts(office, address)["public_API"] == ["endUser", "organization 3 (Customer 3)", "enabled"]


def test_explain_names_the_guard_that_waits_for_the_list_of_administrators(office: Office) -> None:
    office.people.trash(office.duo(tech(1)))
    office.box.intercept("api", with_rows(lambda rows: [row for row in rows if row["email"] != tech(1)]))
    assert facts(office, tech(1))["public_API"] == ["no account of this address"]
    guards = office.run("explain", tech(1), "--format", "json").json["guards"]
    assert [guard["name"] for guard in guards if guard["stops_this"]] == ["administrators"]
