"""A NinjaOne whose lists and records are not what they should be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.command import Json
from tests.support.company import END_USERS
from tests.support.lies import LEAVER, OTHER, Edit, gone, in_answers, is_clear, is_harmless, shortened
from tests.support.office import Office
from tests.support.proxy import Forward, Meddling, Proxy
from tests.support.server import HANG_UP, Hit, Reply, html_reply, json_reply
from tests.support.urns import EXTENSION


def in_list(edit: Edit, kind: str = "Users") -> Meddling:
    """Edit each page of the list."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if hit.on != f"GET {kind}":
            return reply
        document = reply.document
        edit(document)
        return reply.with_document(document)

    return meddle


def ignore_start(hit: Hit, forward: Forward) -> Reply:
    if hit.on == "GET Users":
        hit.target = f"{hit.path}?count=4"
    return forward()


def ignore_start_without_total(hit: Hit, forward: Forward) -> Reply:
    return in_list(lambda page: page.pop("totalResults"))(hit, lambda: ignore_start(hit, forward))


LISTS_THAT_FAIL: dict[str, Meddling] = {
    "HTML": lambda hit, forward: html_reply(),
    "HTML with 503": lambda hit, forward: html_reply(503),
    "500": lambda hit, forward: json_reply({}, 500),
    "429 for a day": lambda hit, forward: json_reply({}, 429, **{"Retry-After": "86400"}),
    "404": lambda hit, forward: json_reply({}, 404),
    "a hang-up": lambda hit, forward: HANG_UP,
    "half an answer": lambda hit, forward: shortened(forward()),
    "a bare list": lambda hit, forward: json_reply([]),
    "null": lambda hit, forward: json_reply(None),
    "no resources though there are some": in_list(lambda page: page.update(Resources=[])),
    "null for the resources": in_list(lambda page: page.update(Resources=None)),
    "one less than there are": in_list(lambda page: page["Resources"].pop()),
    "text for the resources": in_list(lambda page: page.update(Resources="x")),
    "the first page for ever": ignore_start,
    "the first page for ever without a total": ignore_start_without_total,
    "no groups though there are some": in_list(lambda page: page.update(Resources=[]), "Groups"),
}


# Lists that are known to lack something, where each account and group can still be looked up.
LISTS_THAT_LOOK_UPS_FILL = {
    "no resources though there are some",
    "null for the resources",
    "the first page for ever",
    "no groups though there are some",
}


@pytest.mark.parametrize("name", sorted(LISTS_THAT_LOOK_UPS_FILL))
def test_a_list_that_is_not_whole_is_filled_by_look_ups_and_that_is_said(settled: Office, name: str) -> None:
    settled.proxy_scim(LISTS_THAT_FAIL[name])
    done = settled.apply()
    is_harmless(settled, done, {0})
    assert gone(settled) == {LEAVER}
    assert any("looked up instead" in warning for warning in done.json["warnings"])
    assert settled.plan().json["changes"] == []


@pytest.mark.parametrize("name", sorted(LISTS_THAT_LOOK_UPS_FILL))
def test_a_list_that_is_asked_for_and_not_whole_changes_nothing_and_names_the_cure(settled: Office, name: str) -> None:
    settled.configure("ninjaone.dialect", discovery="list")
    settled.proxy_scim(LISTS_THAT_FAIL[name])
    before = settled.snapshot()
    done = settled.apply()
    is_harmless(settled, done, {1})
    assert 'discovery = "lookup"' in done.text
    assert settled.snapshot() == before


@pytest.mark.parametrize("name", sorted(LISTS_THAT_FAIL.keys() - LISTS_THAT_LOOK_UPS_FILL))
def test_a_list_of_ninjaone_that_is_not_whole_changes_nothing(settled: Office, name: str) -> None:
    settled.proxy_scim(LISTS_THAT_FAIL[name])
    before = settled.snapshot()
    is_harmless(settled, settled.apply(), {1})
    assert settled.snapshot() == before
    assert settled.writes() == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_list_that_is_refused_exits_six(settled: Office, status: int) -> None:
    settled.proxy_scim(lambda hit, forward: json_reply({"detail": "no"}, status))
    result = settled.apply()
    is_harmless(settled, result, {6})
    assert "secret_token" in result.err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_does_not_follow_a_redirect(office: Office, status: int, method: str) -> None:
    elsewhere = Proxy(office.box.scim_url).start()
    try:
        redirect = Reply(status, b"", {"Location": f"{elsewhere.url}/Users"})
        office.proxy_scim(lambda hit, forward: redirect if hit.method == method else forward())
        result = office.apply()
        assert result.code in (1, 4)
        is_clear(result)
        assert elsewhere.hits == []
        assert office.accounts() == {}
    finally:
        elsewhere.stop()


def capped(hit: Hit, forward: Forward) -> Reply:
    hit.target = hit.target.replace("count=100", "count=4")
    return forward()


LISTS_THAT_WORK: dict[str, Meddling] = {
    "pages smaller than asked for": capped,
    "no total": in_list(lambda page: page.pop("totalResults")),
    "small pages and no total": lambda hit, forward: in_list(lambda page: page.pop("totalResults"))(
        hit, lambda: capped(hit, forward)
    ),
    "the total as text": in_list(lambda page: page.update(totalResults=str(page["totalResults"]))),
    "no schemas": in_list(lambda page: page.pop("schemas")),
}


@pytest.mark.parametrize("meddle", LISTS_THAT_WORK.values(), ids=LISTS_THAT_WORK)
def test_a_list_in_another_manner_is_read_in_full(settled: Office, meddle: Meddling) -> None:
    settled.proxy_scim(meddle)
    planned = settled.plan()
    assert planned.actions() == {LEAVER: "deactivate"}
    assert planned.actions("group") == {END_USERS: "update"}
    is_harmless(settled, settled.apply(), {0})
    assert settled.plan("--detailed-exitcode").code == 0


def in_upper_case(resource: Json) -> None:
    for name in list(resource):
        resource[name.upper()] = resource.pop(name)


def flat(resource: Json) -> None:
    for name, value in resource.pop(EXTENSION, {}).items():
        resource[f"{EXTENSION}:{name}"] = value


def numeric_organization(resource: Json) -> None:
    value = resource[EXTENSION].get("organizationId", "")
    if value.isdecimal():
        resource[EXTENSION]["organizationId"] = int(value)


MANNERS: dict[str, Meddling] = {
    "truths as text": in_answers(lambda each: each.update(active=str(each["active"]))),
    "truths as lower-case text": in_answers(lambda each: each.update(active=str(each["active"]).lower())),
    "names of attributes in upper case": in_answers(in_upper_case),
    "names of group attributes in upper case": in_answers(in_upper_case, "Groups"),
    "the extension's name in other case": in_answers(
        lambda each: each.update({EXTENSION.upper(): each.pop(EXTENSION)})
    ),
    "the extension's attributes flat": in_answers(flat),
    "user types in title case": in_answers(
        lambda each: each[EXTENSION].update(userType=each[EXTENSION]["userType"].title())
    ),
    "organizations as numbers": in_answers(numeric_organization),
    "userNames in upper case": in_answers(lambda each: each.update(userName=each["userName"].upper())),
    "members as plain ids": in_answers(
        lambda each: each.update(members=[member["value"] for member in each.get("members", [])]), "Groups"
    ),
    "no meta": in_answers(lambda each: each.pop("meta")),
    "nulls besides": in_answers(lambda each: each.update(title=None, emails=None, groups=None)),
}


@pytest.mark.parametrize("meddle", MANNERS.values(), ids=MANNERS)
def test_resources_in_another_manner_mean_the_same(office: Office, meddle: Meddling) -> None:
    office.proxy_scim(meddle)
    office.settle()
    office.people.disable(office.duo(LEAVER))
    office.people.set_attribute(office.duo(OTHER), "organizationID", "99")
    planned = office.plan()
    assert {key.lower(): action for key, action in planned.actions().items()} == {LEAVER: "deactivate", OTHER: "update"}
    assert office.apply().code == 0
    assert office.account(OTHER)[EXTENSION]["organizationId"] == "99"
    assert gone(office) == {LEAVER}


def test_ids_that_are_numbers_are_taken_as_they_are(office: Office) -> None:
    ids: dict[str, str] = {}

    def number(hit: Hit, forward: Forward) -> Reply:
        """Shows a number for each id, and takes it back."""
        for shown, real in ids.items():
            hit.target = hit.target.replace(shown, real)
            hit.body = hit.body.replace(shown.encode(), real.encode())
        reply = forward()
        if not reply.body or reply.status >= 300:
            return reply
        document = reply.document
        for resource in document.get("Resources", [document]):
            resource["id"] = as_number(resource["id"])
            for member in resource.get("members", []):
                member["value"] = as_number(member["value"])
        return reply.with_document(document)

    def as_number(real: str) -> int:
        shown = int(real[:10], 16)
        ids[str(shown)] = real
        return shown

    office.proxy_scim(number)
    office.settle()
    office.people.disable(office.duo(LEAVER))
    office.settle()
    assert gone(office) == {LEAVER}


UNREADABLE: dict[str, Edit] = {
    "no id": lambda each: each.pop("id"),
    "null for the id": lambda each: each.update(id=None),
    "no userName": lambda each: each.pop("userName"),
    "null for the userName": lambda each: each.update(userName=None),
    "a list for the userName": lambda each: each.update(userName=[each["userName"]]),
}


@pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
def test_an_account_that_cannot_be_read_is_held_and_withholds_removals(settled: Office, spoil: Edit) -> None:
    def edit(resource: Json) -> None:
        if resource["userName"] == OTHER:
            spoil(resource)

    settled.proxy_scim(in_answers(edit))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert settled.snapshot() == before
    assert {each["code"] for each in result.json["problems"]} == {"unreadable-record"}


@pytest.mark.parametrize("name", ["id", "displayName"])
def test_a_group_that_cannot_be_read_is_neither_changed_nor_made_again(settled: Office, name: str) -> None:
    settled.proxy_scim(in_answers(lambda each: each.pop(name), "Groups"))
    before = settled.groups()
    result = settled.apply()
    is_clear(result)
    assert result.actions("group") == {}
    assert settled.groups() == before
    assert result.json["summary"]["users"]["held"] == 0


def test_a_resource_that_is_no_record_removes_no_account(settled: Office) -> None:
    settled.proxy_scim(in_list(lambda page: page["Resources"].__setitem__(0, None)))
    result = settled.apply()
    is_clear(result)
    assert gone(settled) == set()


@pytest.mark.parametrize("shown", [None, "x", [None, {}, {"value": None}]])
def test_members_that_cannot_be_read_remove_no_member_from_a_group(settled: Office, shown: Any) -> None:
    settled.people.enable(settled.duo(LEAVER))
    settled.proxy_scim(in_answers(lambda each: each.update(members=shown), "Groups"))
    before = settled.groups()
    result = settled.apply()
    is_clear(result)
    assert settled.groups() == before


def test_unknown_members_are_left(settled: Office) -> None:
    settled.proxy_scim(in_answers(lambda each: each["members"].append({"value": "ghost"}), "Groups", ("GET",)))
    planned = settled.plan()
    assert planned.actions("group") == {END_USERS: "update"}
    assert planned.change(END_USERS)["diff"] == [{"path": "members", "added": [], "removed": [LEAVER]}]


def test_an_account_that_carries_another_users_external_id_affects_no_other_account(settled: Office) -> None:
    double = settled.id_of(OTHER)
    owner = settled.duo("user1.two@example.com")
    settled.proxy_scim(
        in_answers(lambda each: each.update(externalId=owner) if each["id"] == double else None, "Users", ("GET",))
    )
    result = settled.plan()
    is_clear(result)
    assert "user1.two@example.com" not in result.actions(), "the user has an account of their own, by id and by name"
    assert result.actions().get(OTHER, "adopt") == "adopt"
