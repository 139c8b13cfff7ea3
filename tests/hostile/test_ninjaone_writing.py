"""A NinjaOne that refuses, loses or distorts what is written."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json
from tests.support.lies import LEAVER, OTHER, ends_well, gone, in_answers, is_clear, members, on_write
from tests.support.office import Office
from tests.support.proxy import Forward, Meddling
from tests.support.server import HANG_UP, Hit, Reply, html_reply, json_reply
from tests.support.urns import CORE_USER, EXTENSION


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
def test_a_write_that_is_answered_with_next_to_nothing_counts_as_done(office: Office, reply: Reply) -> None:
    office.proxy_scim(on_write(then(reply)))
    office.settle()
    assert len(office.accounts()) == 15
    assert members(office) == 15
    office.people.disable(office.duo(LEAVER))
    office.people.set_email(office.duo(OTHER), "new@example.com")
    office.settle()
    assert office.account("new@example.com")["active"] is True
    assert office.account(LEAVER)["active"] is False


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
def test_a_write_whose_answer_is_lost_is_done_once(office: Office, method: str) -> None:
    office.configure("deprovision", users="delete")
    if method != "POST":
        office.settle()
        office.people.disable(office.duo(LEAVER))
        office.people.set_email(office.duo(OTHER), "new@example.com")
    office.configure("run", retries=2)
    office.proxy_scim(on_write(lost(1), method))
    result = office.apply()
    is_clear(result)
    assert result.code == 0
    assert len(office.accounts()) == (15 if method == "POST" else 14)
    assert office.plan("--detailed-exitcode").code == 0


def test_no_account_is_made_twice_where_names_are_not_unique(office: Office) -> None:
    """The server takes any name any number of times, and loses the answer to each first POST."""
    made: list[Json] = []

    def twice(hit: Hit, forward: Forward) -> Reply:
        if hit.on == "POST Users":
            made.append(hit.document)
            if sum(each["userName"] == hit.document["userName"] for each in made) == 1:
                forward()
            return HANG_UP
        return forward()

    office.configure("run", retries=2)
    office.proxy_scim(twice)
    result = office.apply()
    is_clear(result)
    names = [each["userName"] for each in made]
    assert len(names) == len(set(names)) == 15
    ends_well(office)


def test_a_post_that_was_done_and_answered_with_500_makes_no_double(office: Office) -> None:
    office.proxy_scim(on_write(then(json_reply({}, 500)), "POST"))
    is_clear(office.apply())
    ends_well(office)


def only(text: bytes, reply: Reply) -> Callable[[Hit, Forward], Reply]:
    return lambda hit, forward: reply if text in hit.body or text in hit.target.encode() else forward()


@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_account_that_is_refused_fails_alone(office: Office, status: int) -> None:
    office.proxy_scim(on_write(only(OTHER.encode(), json_reply({"detail": "not this one"}, status)), "POST"))
    result = office.apply()
    is_clear(result)
    assert result.code == 4
    outcomes = {each["key"]: each["outcome"] for each in result.json["changes"] if each["resource"] == "user"}
    assert outcomes.pop(OTHER) == "failed"
    assert set(outcomes.values()) == {"applied"}
    assert str(status) in result.change(OTHER)["error"]
    assert result.json["result"]["exit_code"] == 4
    assert OTHER in result.err
    ends_well(office)


def between_plan_and_post(office: Office) -> Meddling:
    """Somebody makes the account by hand just before ninjasync does."""

    def change(hit: Hit, forward: Forward) -> Reply:
        if hit.on == "POST Users" and OTHER.encode() in hit.body and OTHER not in office.accounts():
            name = {"givenName": "By", "familyName": "Hand"}
            office.ninjaone.create(USER, {"schemas": [CORE_USER], "userName": OTHER, "name": name})
        return forward()

    return change


def test_an_account_that_was_made_by_hand_meanwhile_fails_and_is_adopted_in_the_next_run(office: Office) -> None:
    office.proxy_scim(between_plan_and_post(office))
    result = office.apply()
    is_clear(result)
    assert result.code == 4
    assert result.change(OTHER)["outcome"] == "failed"
    assert "externalId" not in office.account(OTHER), "what is not proven to be ours is not touched unplanned"
    assert office.plan().actions() == {OTHER: "adopt"}
    ends_well(office)


def test_an_account_that_was_in_the_way_and_is_gone_again_holds_up_no_user(office: Office) -> None:
    office.proxy_scim(between_plan_and_post(office))
    assert office.apply().code == 4
    assert len(office.plan().actions()) == 1
    office.ninjaone.delete(USER, office.id_of(OTHER))
    office.proxy_scim()
    assert office.plan().actions() == {OTHER: "create"}
    ends_well(office)


def test_a_name_that_ninjaone_refuses_without_showing_its_holder_is_told_in_the_next_plan(office: Office) -> None:
    taken = json_reply({"status": "409", "scimType": "uniqueness", "detail": "taken"}, 409)
    office.proxy_scim(on_write(only(OTHER.encode(), taken), "POST"))
    result = office.apply()
    is_clear(result)
    assert result.code == 4
    assert result.change(OTHER)["outcome"] == "failed"
    planned = office.plan()
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


def test_a_token_that_is_refused_in_the_middle_stops_the_run_and_says_what_was_done(office: Office) -> None:
    number = count()
    office.proxy_scim(on_write(lambda hit, forward: json_reply({}, 401) if next(number) >= 5 else forward(), "POST"))
    result = office.apply()
    assert "Traceback" not in result.text
    assert result.code == 6
    assert "secret_token" in result.err
    counted = result.json["result"]
    assert counted["applied"] == len(office.accounts()) == 5
    assert counted["applied"] + counted["failed"] + counted["skipped"] == 17
    assert counted["exit_code"] == 6
    ends_well(office)


def test_a_server_that_dies_in_the_middle_loses_nothing(office: Office) -> None:
    number = count()
    office.proxy_scim(on_write(lambda hit, forward: HANG_UP if next(number) >= 5 else forward(), "POST"))
    result = office.apply()
    is_clear(result)
    assert result.code in (1, 4)
    assert result.json["result"]["applied"] == len(office.accounts()) == 5
    ends_well(office)


def test_a_login_page_in_answer_to_a_write_is_no_success(office: Office) -> None:
    office.proxy_scim(on_write(lambda hit, forward: html_reply(200), "POST"))
    result = office.apply()
    is_clear(result)
    assert result.code in (1, 4)
    assert result.json["result"]["applied"] == 0
    ends_well(office)


def test_a_create_that_is_confirmed_but_not_done_is_a_failure(office: Office) -> None:
    office.proxy_scim(
        on_write(lambda hit, forward: json_reply({}, 201) if hit.on == "POST Users" else forward(), "POST")
    )
    result = office.apply()
    is_clear(result)
    assert result.code == 4
    assert {each["outcome"] for each in result.json["changes"] if each["resource"] == "user"} == {"failed"}
    ends_well(office)


DEMOTIONS: dict[str, tuple[str, str]] = {
    "a technician who comes back as an end user": ("userType", "endUser"),
    "an end user who comes back with all organizations": ("organizationId", "All"),
}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("demotion", DEMOTIONS.values(), ids=DEMOTIONS)
def test_a_user_type_or_organization_that_comes_back_different_is_a_failure(
    office: Office, demotion: tuple[str, str], method: str
) -> None:
    name, value = demotion
    if method == "PATCH":
        office.settle()
        office.people.set_attribute(office.duo(OTHER), "userType", "technician")
        office.people.set_attribute(office.duo(OTHER), "organizationID", "99")
    else:
        office.people.set_attribute(office.duo(OTHER), "userType", "technician")
    office.proxy_scim(in_answers(lambda each: each[EXTENSION].update({name: value}), "Users", ("GET", method)))
    if method == "PATCH":
        office.configure("safety", max_removals=10, max_privilege_changes=10)
    result = office.apply()
    is_clear(result)
    assert result.code == 4
    change = result.change(OTHER)
    assert change["outcome"] == "failed"
    assert name in change["error"]
