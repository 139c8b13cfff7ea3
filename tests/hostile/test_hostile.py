"""Services that lie, stumble and hang up; names that attack the reader; signals in the middle.

Whatever they do: nobody is removed who has not left, there is no traceback, and each failure ends
in one clear sentence.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json, Ran, spawn
from tests.support.company import END_USERS, TECHNICIANS, staff
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling, Proxy
from tests.support.server import HANG_UP, Hit, Reply, html_reply, json_reply
from tests.support.urns import CORE_USER, EXTENSION

Edit: TypeAlias = Callable[[Json], Any]
LEAVER = "user0.two@example.com"
OTHER = "user5.two@example.com"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Fifteen people behind services that can be meddled with: nothing applied, and all applied."""
    world = Office(tmp_path_factory.mktemp("stage")).start()
    world.configure("run", retries=0)
    world.configure("duo", timeout=1)
    world.configure("ninjaone", timeout=1)
    world.proxy_duo()  # from the start: another address would be another tenant
    world.proxy_scim()
    empty = world.save()
    world.settle()
    yield world, empty, world.save()
    world.stop()


@pytest.fixture
def world(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """Nothing is applied yet."""
    return stage[0].restore(stage[1], tmp_path)


@pytest.fixture
def settled(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """All is applied; since then one person has left."""
    stage[0].restore(stage[2], tmp_path)
    stage[0].people.disable(stage[0].duo(LEAVER))
    return stage[0]


def gone(world: Office) -> set[str]:
    """Who of the fifteen has no active account."""
    accounts = world.accounts()
    names = {f"tech{n}.one@example.com" for n in range(3)} | {f"user{n}.two@example.com" for n in range(12)}
    return {name for name in names if name not in accounts or accounts[name]["active"] is not True}


def members(world: Office) -> int:
    return sum(len(each) for each in world.groups().values())


def is_clear(result: Ran) -> None:
    """No traceback, and if it failed, one sentence that says why."""
    assert "Traceback" not in result.text
    assert "unexpected error" not in result.text
    if result.code in (1, 6, 78):
        assert sum(line.startswith("Error: ") for line in result.err.splitlines()) <= 1
        assert "Error: " in result.err or '"failed"' in result.out


def is_harmless(world: Office, result: Ran, codes: set[int]) -> None:
    is_clear(result)
    assert result.code in codes, result.text
    assert gone(world) <= {LEAVER}
    assert members(world) >= 14
    assert len(world.accounts()) == 15


# Duo


def in_users(edit: Edit) -> Meddling:
    """Edit each page of users."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if hit.path != "/admin/v1/users" or "user_id_list" in hit.query:
            return reply
        document = reply.document
        edit(document)
        return reply.with_document(document)

    return meddle


def keep(rows: int) -> Edit:
    def edit(page: Json) -> None:
        del page["response"][rows:]

    return edit


def total(value: Any, rows: int | None = None) -> Edit:
    def edit(page: Json) -> None:
        page["metadata"]["total_objects"] = value
        del page["response"][rows:]

    return edit


def every_row(**fields: Any) -> Edit:
    return lambda page: [row.update(fields) for row in page["response"]]


def nothing_but_nulls(page: Json) -> None:
    page["response"] = [dict.fromkeys(row) for row in page["response"]]


INCOMPLETE: dict[str, Edit] = {
    "nobody, though there are fifteen": keep(0),
    "one twice, so that the number is right": lambda page: page["response"].__setitem__(0, page["response"][1]),
    "more than there are": total(99),
    "a negative number": total(-1),
    "no number": lambda page: page["metadata"].pop("total_objects"),
    "null for the number": total(None),
    "a number as text, and short": total("15", 14),
    "no metadata": lambda page: page.pop("metadata"),
    "an offset that stands still": lambda page: page["metadata"].update(next_offset=0),
    "an offset that goes back": lambda page: page["metadata"].update(next_offset=-5),
    "an offset that is no number": lambda page: page["metadata"].update(next_offset="soon"),
    "an object for the rows": lambda page: page.update(response={"users": []}),
    "null for the rows": lambda page: page.update(response=None),
    "no rows at all": lambda page: page.pop("response"),
    "a failure with status 200": lambda page: page.update(stat="FAIL", code=40002, message="no"),
}


@pytest.mark.parametrize("edit", INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_read_of_duo_that_is_not_proven_complete_decides_nothing(settled: Office, edit: Edit) -> None:
    settled.proxy_duo(in_users(edit))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {1})
    assert settled.snapshot() == before
    assert settled.plan("--detailed-exitcode").code == 1


SHRUNKEN: dict[str, Edit] = {
    "nobody": total(0, 0),
    "nothing but nulls": nothing_but_nulls,
    "nobody in a group": every_row(groups=[]),
    "everybody disabled": every_row(status="disabled"),
}


@pytest.mark.parametrize("edit", SHRUNKEN.values(), ids=SHRUNKEN)
def test_a_duo_that_shrank_is_refused(settled: Office, edit: Edit) -> None:
    settled.proxy_duo(in_users(edit))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert "source" in result.tripped()
    assert settled.snapshot() == before


def test_a_total_that_shrinks_from_page_to_page_proves_nothing(tmp_path: Path) -> None:
    world = Office(tmp_path, staff(400, 2)).start()
    world.configure("ninjaone.dialect", page_size=500)
    world.proxy_duo()
    try:
        world.settle()

        # Fifty of the first page were deleted meanwhile: the rows moved up, and as many were skipped.
        def meddle(hit: Hit, forward: Forward) -> Reply:
            reply = forward()
            if hit.path != "/admin/v1/users" or hit.query["offset"] == "0":
                return reply
            document = reply.document
            document["metadata"]["total_objects"] = 350
            del document["response"][50:]
            return reply.with_document(document)

        world.proxy_duo(meddle)
        before = world.snapshot()
        result = world.apply()
        assert result.code == 1
        is_clear(result)
        assert world.snapshot() == before
    finally:
        world.stop()


def test_a_duo_that_says_it_has_three_of_fifteen_removes_nobody(settled: Office) -> None:
    settled.proxy_duo(in_users(total(3, 3)))
    before = settled.snapshot()
    is_harmless(settled, settled.apply(), {0, 3})
    assert settled.snapshot() == before


def without(name: str) -> Callable[[Json], Any]:
    return lambda row: row.pop(name)


MALFORMED: dict[str, Edit] = {
    "no id": without("user_id"),
    "null for the id": lambda row: row.update(user_id=None),
    "a number for the id": lambda row: row.update(user_id=5),
    "an empty id": lambda row: row.update(user_id=""),
    "no groups": without("groups"),
    "null for the groups": lambda row: row.update(groups=None),
    "text for the groups": lambda row: row.update(groups="Staff"),
    "names for the groups": lambda row: row.update(groups=["Staff"]),
    "nulls for the groups": lambda row: row.update(groups=[None]),
    "a group without an id": lambda row: row.update(groups=[{"name": TECHNICIANS}]),
    "a group whose id is a number": lambda row: row.update(groups=[{"group_id": 5, "name": TECHNICIANS}]),
    "no status": without("status"),
    "a number for the status": lambda row: row.update(status=1),
    "a list for the status": lambda row: row.update(status=["disabled"]),
    "no e-mail": without("email"),
    "a number for the e-mail": lambda row: row.update(email=5),
    "an object for the first name": lambda row: row.update(firstname={"a": 1}),
    "NaN for the first name": lambda row: row.update(firstname=float("nan")),
    "infinity for the organization": lambda row: row["custom_attributes"].update(organizationID=float("inf")),
    "no custom attributes": without("custom_attributes"),
    "text for the custom attributes": lambda row: row.update(custom_attributes="x"),
    "a number for the user type": lambda row: row["custom_attributes"].update(userType=5),
    "a truth for the organization": lambda row: row["custom_attributes"].update(organizationID=True),
}


@pytest.mark.parametrize("spoil", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_row_is_held_alone(settled: Office, spoil: Edit) -> None:
    def edit(page: Json) -> None:
        (row,) = [each for each in page["response"] if each["email"] == OTHER]
        spoil(row)

    settled.people.users[settled.duo("user6.two@example.com")]["firstname"] = "Changed"
    settled.proxy_duo(in_users(edit))
    before = settled.account(OTHER)
    result = settled.apply()
    is_harmless(settled, result, {0, 3})
    assert result.json["summary"]["users"]["held"] == 1
    assert len({each["key"] for each in result.json["problems"]}) == 1
    assert settled.account(OTHER) == before
    assert any(OTHER in each for each in settled.groups().values())
    assert settled.account("user6.two@example.com")["name"]["givenName"] == "Changed"


@pytest.mark.parametrize("row", [None, 5, "x", [], {}])
def test_a_row_that_is_no_record_withholds_removals_and_no_more(settled: Office, row: Any) -> None:
    settled.people.users[settled.duo("user6.two@example.com")]["firstname"] = "Changed"
    settled.proxy_duo(in_users(lambda page: page["response"].__setitem__(5, row)))
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert gone(settled) == set(), "even the leaver waits"
    assert settled.account("user6.two@example.com")["name"]["givenName"] == "Changed"


def test_an_unreadable_row_is_no_refusal_where_nothing_had_to_be_withheld(settled: Office) -> None:
    settled.people.enable(settled.duo(LEAVER))

    def one_more(page: Json) -> None:
        page["response"].append(None)
        page["metadata"]["total_objects"] += 1

    settled.proxy_duo(in_users(one_more))
    result = settled.plan()
    assert result.code == 0
    assert result.json["warnings"] or result.json["problems"]


def test_each_unreadable_row_counts(settled: Office) -> None:
    settled.proxy_duo(in_users(lambda page: page["response"].__setitem__(slice(4, 7), [None, 5, {}])))
    result = settled.plan()
    assert len(result.json["problems"]) == 3
    assert result.json["summary"]["users"]["held"] == 3


def test_an_unknown_group_in_a_row_is_no_reason_to_hold_anybody(settled: Office) -> None:
    stranger = {"group_id": "DGUNKNOWN00000000000", "name": "Unknown"}
    settled.proxy_duo(in_users(lambda page: [row["groups"].append(stranger) for row in page["response"]]))
    result = settled.plan()
    assert result.code == 0
    assert result.actions() == {LEAVER: "deactivate"}


def failing(status: int, code: int) -> Meddling:
    return lambda hit, forward: json_reply({"stat": "FAIL", "code": code, "message": "no"}, status)


def shortened(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body, reply.headers, hang_up=len(reply.body) // 2)


DUO_FAILS: dict[str, tuple[Meddling, int]] = {
    "HTML": (lambda hit, forward: html_reply(), 1),
    "HTML with 502": (lambda hit, forward: html_reply(502), 1),
    "nothing": (lambda hit, forward: Reply(200), 1),
    "204": (lambda hit, forward: Reply(204), 1),
    "a list": (lambda hit, forward: json_reply([1]), 1),
    "brackets without end": (lambda hit, forward: Reply(200, b"[" * 100_000), 1),
    "no UTF-8": (lambda hit, forward: Reply(200, b'{"stat": "OK", "response": ["\xff"]}'), 1),
    "500": (failing(500, 50001), 1),
    "429": (failing(429, 42901), 1),
    "400": (failing(400, 40002), 1),
    "404": (failing(404, 40401), 1),
    "401": (failing(401, 40103), 6),
    "403": (failing(403, 40301), 6),
    "a clock that is off": (failing(401, 40105), 6),
    "a redirect": (lambda hit, forward: Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), 1),
    "a hang-up": (lambda hit, forward: HANG_UP, 1),
    "half an answer": (lambda hit, forward: shortened(forward()), 1),
}


@pytest.mark.parametrize("failure", DUO_FAILS.values(), ids=DUO_FAILS)
def test_a_duo_that_answers_badly_fails_the_run_and_changes_nothing(
    settled: Office, failure: tuple[Meddling, int]
) -> None:
    meddle, code = failure
    settled.proxy_duo(meddle)
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {code})
    assert settled.snapshot() == before
    assert settled.writes() == []


@pytest.mark.parametrize("failure", DUO_FAILS.values(), ids=DUO_FAILS)
def test_a_duo_that_breaks_down_after_the_first_page_changes_nothing(
    settled: Office, failure: tuple[Meddling, int]
) -> None:
    meddle, code = failure
    settled.proxy_duo(lambda hit, forward: meddle(hit, forward) if hit.path.endswith("/users") else forward())
    before = settled.snapshot()
    is_harmless(settled, settled.apply(), {code})
    assert settled.snapshot() == before


@pytest.mark.parametrize("service", ["duo", "scim"])
def test_a_service_that_does_not_answer_in_time_fails_the_run(settled: Office, service: str) -> None:
    answer = threading.Event()

    def hold(hit: Hit, forward: Forward) -> Reply:
        answer.wait(20)
        return HANG_UP

    if service == "duo":
        settled.proxy_duo(hold)
    else:
        settled.proxy_scim(hold)
    result = settled.apply()
    answer.set()
    is_harmless(settled, result, {1})
    assert gone(settled) == set()


def stumbling(failures: int, failure: Reply) -> Meddling:
    """Fails so many times in a row, then is sound."""
    number = count()
    return lambda hit, forward: failure if next(number) < failures else forward()


STUMBLES = {
    "502": html_reply(502),
    "503": Reply(503, b"", {"Retry-After": "0"}),
    "a hang-up": HANG_UP,
}


@pytest.mark.parametrize("failure", STUMBLES.values(), ids=STUMBLES)
@pytest.mark.parametrize("service", ["duo", "scim"])
def test_a_service_that_stumbles_once_is_asked_again(settled: Office, service: str, failure: Reply) -> None:
    settled.configure("run", retries=2)
    meddle = stumbling(1, failure)
    between = settled.proxy_duo(meddle) if service == "duo" else settled.proxy_scim(meddle)
    result = settled.apply()
    is_harmless(settled, result, {0})
    assert gone(settled) == {LEAVER}
    assert len(between.hits) >= 3
    if service == "duo":
        assert len({hit.headers.get("date") or hit.headers.get("x-duo-date") for hit in between.hits}) >= 1


# NinjaOne, reading


def in_answers(edit: Edit, kind: str = "Users", methods: tuple[str, ...] = ("GET", "POST", "PATCH", "PUT")) -> Meddling:
    """Edit each resource of that kind wherever it is shown."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if kind not in hit.path or hit.method not in methods or not reply.body or reply.status >= 300:
            return reply
        document = reply.document
        for resource in document.get("Resources", [] if "totalResults" in document else [document]):
            edit(resource)
        return reply.with_document(document)

    return meddle


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
def test_the_token_does_not_follow_a_redirect(world: Office, status: int, method: str) -> None:
    elsewhere = Proxy(world.box.scim_url).start()
    try:
        redirect = Reply(status, b"", {"Location": f"{elsewhere.url}/Users"})
        world.proxy_scim(lambda hit, forward: redirect if hit.method == method else forward())
        result = world.apply()
        assert result.code in (1, 4)
        is_clear(result)
        assert elsewhere.hits == []
        assert world.accounts() == {}
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
def test_resources_in_another_manner_mean_the_same(world: Office, meddle: Meddling) -> None:
    world.proxy_scim(meddle)
    world.settle()
    world.people.disable(world.duo(LEAVER))
    world.people.set_attribute(world.duo(OTHER), "organizationID", "99")
    planned = world.plan()
    assert {key.lower(): action for key, action in planned.actions().items()} == {LEAVER: "deactivate", OTHER: "update"}
    assert world.apply().code == 0
    assert world.account(OTHER)[EXTENSION]["organizationId"] == "99"
    assert gone(world) == {LEAVER}


def test_ids_that_are_numbers_are_taken_as_they_are(world: Office) -> None:
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

    world.proxy_scim(number)
    world.settle()
    world.people.disable(world.duo(LEAVER))
    world.settle()
    assert gone(world) == {LEAVER}


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


def test_a_resource_that_is_no_record_removes_nobody(settled: Office) -> None:
    settled.proxy_scim(in_list(lambda page: page["Resources"].__setitem__(0, None)))
    result = settled.apply()
    is_clear(result)
    assert gone(settled) == set()


@pytest.mark.parametrize("shown", [None, "x", [None, {}, {"value": None}]])
def test_members_that_cannot_be_read_remove_nobody_from_a_group(settled: Office, shown: Any) -> None:
    settled.people.enable(settled.duo(LEAVER))
    settled.proxy_scim(in_answers(lambda each: each.update(members=shown), "Groups"))
    before = settled.groups()
    result = settled.apply()
    is_clear(result)
    assert settled.groups() == before


def test_members_whom_nobody_knows_are_left(settled: Office) -> None:
    settled.proxy_scim(in_answers(lambda each: each["members"].append({"value": "ghost"}), "Groups", ("GET",)))
    planned = settled.plan()
    assert planned.actions("group") == {END_USERS: "update"}
    assert planned.change(END_USERS)["diff"] == [{"path": "members", "added": [], "removed": [LEAVER]}]


def test_an_account_that_carries_another_ones_external_id_takes_nothing_from_anybody(settled: Office) -> None:
    double = settled.id_of(OTHER)
    owner = settled.duo("user1.two@example.com")
    settled.proxy_scim(
        in_answers(lambda each: each.update(externalId=owner) if each["id"] == double else None, "Users", ("GET",))
    )
    result = settled.plan()
    is_clear(result)
    assert "user1.two@example.com" not in result.actions(), "he has his own account, by id and by name"
    assert result.actions().get(OTHER, "adopt") == "adopt"


# NinjaOne, writing


def on_write(change: Callable[[Hit, Forward], Reply], *methods: str) -> Meddling:
    return lambda hit, forward: change(hit, forward) if hit.method in (methods or ("POST", "PATCH")) else forward()


def then(reply: Reply) -> Callable[[Hit, Forward], Reply]:
    """Done as asked, answered otherwise."""

    def change(hit: Hit, forward: Forward) -> Reply:
        done = forward()
        return reply if done.status < 300 else done

    return change


ANSWERS_TO_WRITES: dict[str, Reply] = {
    "204": Reply(204, b"", {}),
    "200 without a body": Reply(200, b"", {}),
    "201 without a body": Reply(201, b"", {}),
    "200 with an empty object": json_reply({}),
    "201 with an empty object": json_reply({}, 201),
    "201 with null": json_reply(None, 201),
}


@pytest.mark.parametrize("reply", ANSWERS_TO_WRITES.values(), ids=ANSWERS_TO_WRITES)
def test_a_write_that_is_answered_with_next_to_nothing_counts_as_done(world: Office, reply: Reply) -> None:
    world.proxy_scim(on_write(then(reply)))
    world.settle()
    assert len(world.accounts()) == 15
    assert members(world) == 15
    world.people.disable(world.duo(LEAVER))
    world.people.set_email(world.duo(OTHER), "new@example.com")
    world.settle()
    assert world.account("new@example.com")["active"] is True
    assert world.account(LEAVER)["active"] is False


def ends_well(world: Office) -> None:
    """Sound again, the next run ends where an undisturbed one would have."""
    world.proxy_scim()
    world.settle()
    assert len(world.accounts()) == 15
    assert len(world.groups()) == 2
    assert gone(world) <= {LEAVER}
    assert members(world) == 15 - len(gone(world))


def lost(calls: int) -> Callable[[Hit, Forward], Reply]:
    """Done, but the answer to the first tries of each request never arrives."""
    seen: dict[tuple[str, str, bytes], int] = {}

    def change(hit: Hit, forward: Forward) -> Reply:
        key = (hit.method, hit.target, hit.body)
        seen[key] = seen.get(key, 0) + 1
        reply = forward()
        return HANG_UP if seen[key] <= calls else reply

    return change


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_whose_answer_is_lost_is_done_once(world: Office, method: str) -> None:
    world.configure("deprovision", users="delete")
    if method != "POST":
        world.settle()
        world.people.disable(world.duo(LEAVER))
        world.people.set_email(world.duo(OTHER), "new@example.com")
    world.configure("run", retries=2)
    world.proxy_scim(on_write(lost(1), method))
    result = world.apply()
    is_clear(result)
    assert result.code == 0
    assert len(world.accounts()) == (15 if method == "POST" else 14)
    assert world.plan("--detailed-exitcode").code == 0


def test_no_account_is_made_twice_where_names_are_not_unique(world: Office) -> None:
    """The server takes any name any number of times, and loses the answer to each first POST."""
    made: list[Json] = []

    def twice(hit: Hit, forward: Forward) -> Reply:
        if hit.on == "POST Users":
            made.append(hit.document)
            if sum(each["userName"] == hit.document["userName"] for each in made) == 1:
                forward()
            return HANG_UP
        return forward()

    world.configure("run", retries=2)
    world.proxy_scim(twice)
    result = world.apply()
    is_clear(result)
    names = [each["userName"] for each in made]
    assert len(names) == len(set(names)) == 15
    ends_well(world)


def test_a_post_that_was_done_and_answered_with_500_makes_no_double(world: Office) -> None:
    world.proxy_scim(on_write(then(json_reply({}, 500)), "POST"))
    is_clear(world.apply())
    ends_well(world)


def only(text: bytes, reply: Reply) -> Callable[[Hit, Forward], Reply]:
    return lambda hit, forward: reply if text in hit.body or text in hit.target.encode() else forward()


@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_account_that_is_refused_fails_alone(world: Office, status: int) -> None:
    world.proxy_scim(on_write(only(OTHER.encode(), json_reply({"detail": "not this one"}, status)), "POST"))
    result = world.apply()
    is_clear(result)
    assert result.code == 4
    outcomes = {each["key"]: each["outcome"] for each in result.json["changes"] if each["resource"] == "user"}
    assert outcomes.pop(OTHER) == "failed"
    assert set(outcomes.values()) == {"applied"}
    assert str(status) in result.change(OTHER)["error"]
    assert result.json["result"]["exit_code"] == 4
    assert OTHER in result.err
    ends_well(world)


def between_plan_and_post(world: Office) -> Meddling:
    """Somebody makes the account by hand just before ninjasync does."""

    def change(hit: Hit, forward: Forward) -> Reply:
        if hit.on == "POST Users" and OTHER.encode() in hit.body and OTHER not in world.accounts():
            name = {"givenName": "By", "familyName": "Hand"}
            world.ninjaone.create(USER, {"schemas": [CORE_USER], "userName": OTHER, "name": name})
        return forward()

    return change


def test_an_account_that_somebody_made_meanwhile_fails_and_is_adopted_in_the_next_run(world: Office) -> None:
    world.proxy_scim(between_plan_and_post(world))
    result = world.apply()
    is_clear(result)
    assert result.code == 4
    assert result.change(OTHER)["outcome"] == "failed"
    assert "externalId" not in world.account(OTHER), "what is not proven to be ours is not touched unplanned"
    assert world.plan().actions() == {OTHER: "adopt"}
    ends_well(world)


def test_an_account_that_was_in_the_way_and_is_gone_again_holds_nobody_up(world: Office) -> None:
    world.proxy_scim(between_plan_and_post(world))
    assert world.apply().code == 4
    assert len(world.plan().actions()) == 1
    world.ninjaone.delete(USER, world.id_of(OTHER))
    world.proxy_scim()
    assert world.plan().actions() == {OTHER: "create"}
    ends_well(world)


def test_a_name_that_ninjaone_refuses_without_showing_who_has_it_is_told_in_the_next_plan(world: Office) -> None:
    taken = json_reply({"status": "409", "scimType": "uniqueness", "detail": "taken"}, 409)
    world.proxy_scim(on_write(only(OTHER.encode(), taken), "POST"))
    result = world.apply()
    is_clear(result)
    assert result.code == 4
    assert result.change(OTHER)["outcome"] == "failed"
    planned = world.plan()
    assert planned.actions() == {}
    assert planned.problems() == {OTHER: "name-taken"}


def test_a_removal_that_is_refused_fails_alone(settled: Office) -> None:
    same = settled.id_of(LEAVER)
    settled.people.set_email(settled.duo(OTHER), "new@example.com")
    settled.proxy_scim(on_write(only(same.encode(), json_reply({"detail": "an owner"}, 403)), "PATCH"))
    result = settled.apply()
    is_clear(result)
    assert result.code == 4
    assert result.change("new@example.com")["outcome"] == "applied"
    assert gone(settled) - {OTHER} == set()


def test_an_account_that_vanished_before_it_is_deleted_counts_as_deleted(settled: Office) -> None:
    settled.configure("deprovision", users="delete")

    def vanish(hit: Hit, forward: Forward) -> Reply:
        forward()
        return json_reply({"detail": "not found"}, 404)

    settled.proxy_scim(on_write(vanish, "DELETE"))
    result = settled.apply()
    is_clear(result)
    assert result.code == 0
    assert LEAVER not in settled.accounts()


def test_a_token_that_is_refused_in_the_middle_stops_the_run_and_says_what_was_done(world: Office) -> None:
    number = count()
    world.proxy_scim(on_write(lambda hit, forward: json_reply({}, 401) if next(number) >= 5 else forward(), "POST"))
    result = world.apply()
    assert "Traceback" not in result.text
    assert result.code == 6
    assert "secret_token" in result.err
    counted = result.json["result"]
    assert counted["applied"] == len(world.accounts()) == 5
    assert counted["applied"] + counted["failed"] + counted["skipped"] == 17
    assert counted["exit_code"] == 6
    ends_well(world)


def test_a_server_that_dies_in_the_middle_loses_nothing(world: Office) -> None:
    number = count()
    world.proxy_scim(on_write(lambda hit, forward: HANG_UP if next(number) >= 5 else forward(), "POST"))
    result = world.apply()
    is_clear(result)
    assert result.code in (1, 4)
    assert result.json["result"]["applied"] == len(world.accounts()) == 5
    ends_well(world)


def test_a_login_page_in_answer_to_a_write_is_no_success(world: Office) -> None:
    world.proxy_scim(on_write(lambda hit, forward: html_reply(200), "POST"))
    result = world.apply()
    is_clear(result)
    assert result.code in (1, 4)
    assert result.json["result"]["applied"] == 0
    ends_well(world)


def test_a_create_that_is_confirmed_but_not_done_is_a_failure(world: Office) -> None:
    world.proxy_scim(
        on_write(lambda hit, forward: json_reply({}, 201) if hit.on == "POST Users" else forward(), "POST")
    )
    result = world.apply()
    is_clear(result)
    assert result.code == 4
    assert {each["outcome"] for each in result.json["changes"] if each["resource"] == "user"} == {"failed"}
    ends_well(world)


DEMOTIONS: dict[str, tuple[str, str]] = {
    "a technician who comes back as an end user": ("userType", "endUser"),
    "an end user who comes back with all organizations": ("organizationId", "All"),
}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("demotion", DEMOTIONS.values(), ids=DEMOTIONS)
def test_a_user_type_or_organization_that_comes_back_different_is_a_failure(
    world: Office, demotion: tuple[str, str], method: str
) -> None:
    name, value = demotion
    if method == "PATCH":
        world.settle()
        world.people.set_attribute(world.duo(OTHER), "userType", "technician")
        world.people.set_attribute(world.duo(OTHER), "organizationID", "99")
    else:
        world.people.set_attribute(world.duo(OTHER), "userType", "technician")
    world.proxy_scim(in_answers(lambda each: each[EXTENSION].update({name: value}), "Users", ("GET", method)))
    if method == "PATCH":
        world.configure("safety", max_removals=10, max_privilege_changes=10)
    result = world.apply()
    is_clear(result)
    assert result.code == 4
    change = result.change(OTHER)
    assert change["outcome"] == "failed"
    assert name in change["error"]


# Names


NAMES = {
    "terminal escapes": "A\x1b[31mred\x1b]0;title\x07",
    "a new line that looks like a change": "Ann\n  + create     evil@example.com",
    "a carriage return": "Ann\rEve",
    "bidi overrides": "x\u202eevil\u2066x\u200bx",
    "markup": "[red]bold[/red] [/x] [link=http://x]y[/link]",
    "a lone surrogate": "lone\ud800x",
    "a null byte": "a\x00b",
    "C1 controls": "a\x9b31mb\x85c",
    "a line separator": "a\u2028b\u2029c",
    "invisible tags": "x\U000e0041\U000e007f",
    "delete": "a\x7fb",
    "format strings": "{0} %s ${HOME} `id`",
    "HTML": "<script>alert(1)</script>",
    "a table": "a|b|c",
    "emoji": "👩‍👩‍👧",
}
HARMLESS_FORMAT_CHARACTERS = "\u200d"  # the joiner inside of an emoji


def dangerous(text: str) -> set[str]:
    """What could move a cursor, hide or turn round text."""
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in "\n" + HARMLESS_FORMAT_CHARACTERS
    }


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_hostile_names_reach_ninjaone_and_no_terminal(tmp_path: Path, name: str) -> None:
    world = Office(tmp_path, staff(3, 1)).start()
    try:
        world.configure("scope", groups=["*"])
        world.configure("safety", protected_users=["user2*"])
        person = world.duo("user0.two@example.com")
        group = world.people.group_named("Elsewhere")
        world.people.users[person].update(firstname=name, lastname=name, realname=name, notes=name, username=name)
        world.people.rename_group(group, name)
        world.people.join(person, group)
        world.people.users[world.duo("user1.two@example.com")]["email"] = name
        world.people.set_attribute(world.duo("user2.two@example.com"), "userType", name)
        for form, *command in (
            ("text", "plan"),
            ("json", "apply", "--yes"),
            ("text", "plan", "--strict"),
            ("json", "plan", "--strict"),
        ):
            shown = world.run(*command, "--format", form, "--log-level", "info")
            assert dangerous(shown.text) == set()
            assert "Traceback" not in shown.text
            assert "unexpected error" not in shown.text
            assert shown.text.encode(), "can be encoded"
            assert not any(line.startswith("  + create     evil") for line in shown.out.splitlines())
            if form == "json":
                assert isinstance(shown.json, dict)
        account = world.account("user0.two@example.com")
        assert account["name"] == {"givenName": name, "familyName": name}
        assert set(world.groups()) == {TECHNICIANS, END_USERS, name}
    finally:
        world.stop()


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_names_come_through_a_pipe_in_an_old_locale(world: Office, form: str) -> None:
    for number, name in enumerate(("Žofie 🎉", "lone\ud800x")):
        world.people.users[world.duo(f"user{number}.two@example.com")]["firstname"] = name
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    shown = world.run_process("plan", "--format", form, env=old)
    assert shown.code == 0
    assert shown.err == ""


def test_what_a_server_says_in_an_error_cannot_attack_the_terminal(settled: Office) -> None:
    evil = "\x1b[2J\u202e[red]no[/red]\nError: all is fine"
    settled.proxy_scim(on_write(lambda hit, forward: json_reply({"detail": evil, "scimType": evil}, 400)))
    for form in ("text", "json"):
        result = settled.run("apply", "--yes", "--format", form)
        assert result.code == 4
        assert dangerous(result.text) == set()
        assert "\nError: all is fine" not in result.text
    settled.proxy_duo(lambda hit, forward: json_reply({"stat": "FAIL", "code": 40002, "message": evil}, 400))
    result = settled.run("apply", "--yes")
    assert result.code == 1
    assert dangerous(result.text) == set()
    assert "\nError: all is fine" not in result.text


# Signals


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_apply_stops_it_and_the_next_run_continues(world: Office, wanted: signal.Signals) -> None:
    busy, release, number = threading.Event(), threading.Event(), count()

    def slow(hit: Hit, forward: Forward) -> Reply:
        if hit.method != "GET" and next(number) >= 3:
            busy.set()
            release.wait(20)
        return forward()

    world.configure("ninjaone", timeout=20)
    world.proxy_scim(slow)
    with spawn("apply", "--yes", "--parallelism", "2", "--format", "json", "--config", world.write_config()) as process:
        assert busy.wait(20)
        process.send_signal(wanted)
        # The signal is taken while a request is under way; that request may still end.
        threading.Timer(0.2, release.set).start()
        out, err = process.communicate(timeout=60)
    result = Ran(process.returncode, out.decode(), err.decode())
    assert result.code == 130
    assert "Traceback" not in result.text
    assert "interrupted" in result.text
    counted = result.json["result"]
    assert counted["exit_code"] == 130
    assert counted["skipped"] > 0
    assert 3 <= counted["applied"] <= len(world.accounts()) < 15
    ends_well(world)


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_plan_ends_it_in_one_sentence(world: Office, wanted: signal.Signals) -> None:
    busy, release = threading.Event(), threading.Event()

    def slow(hit: Hit, forward: Forward) -> Reply:
        busy.set()
        release.wait(20)
        return forward()

    world.configure("duo", timeout=20)
    world.proxy_duo(slow)
    with spawn("plan", "--config", world.write_config()) as process:
        assert busy.wait(20)
        process.send_signal(wanted)
        threading.Timer(0.2, release.set).start()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"nterrupted" in err


def test_a_reader_who_closes_the_pipe_gets_no_traceback(world: Office) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ninjasync", "plan", "--config", world.write_config()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(60)
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


def test_a_native_account_is_adopted_though_the_server_leaves_out_what_it_can(world: Office) -> None:
    """Nothing but id, userName and active is shown of an account that nobody manages."""
    body = {"schemas": [CORE_USER], "userName": OTHER, "name": {"givenName": "N", "familyName": "N"}}
    same = world.ninjaone.create(USER, body)["id"]

    def bare(resource: Json) -> None:
        if not resource.get("externalId"):
            for name in set(resource) - {"id", "userName", "active", "schemas"}:
                del resource[name]

    world.proxy_scim(in_answers(bare))
    assert world.plan().actions()[OTHER] == "adopt"
    world.settle()
    assert world.account(OTHER)["id"] == same
    assert json.dumps(world.account(OTHER)[EXTENSION], sort_keys=True) == json.dumps(
        {"organizationId": "6", "userType": "endUser"}
    )
