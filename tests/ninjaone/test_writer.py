"""Writing NinjaOne, one reply after the other: lost answers, refusals, and what is not kept as it was sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from ninjasync.errors import CredentialsError, RefusedRequestError, UnreachableError
from ninjasync.model.attributes import NINJAONE, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Membership
from ninjasync.ninjaone.writer import Writer
from tests.support.scim_changes import JANE, MADE, STOP, bodies, group, methods
from tests.support.scim_pages import GROUPS, USERS

STAFF = Change("group", "create", "Staff", None, "DG1", (Delta("displayName", None, "Staff"),))


def listed(*rows: Any) -> dict[str, Any]:
    return {"Resources": list(rows), "totalResults": len(rows)}


# --- creating ----------------------------------------------------------------------------------


def test_a_created_user_has_the_id_that_ninjaone_gives(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE) == ("n1", ())
    (body,) = bodies(target, "POST")
    assert (body["externalId"], body["userName"], body["active"]) == ("DU1", "jane@example.com", True)


@pytest.mark.parametrize("lost", [503, 500, 504, requests.ConnectionError("reset"), requests.ReadTimeout()])
def test_a_post_whose_answer_was_lost_is_looked_for_and_not_sent_again(
    writer: Writer, target: responses.RequestsMock, lost: Any
) -> None:
    target.post(USERS, **({"status": lost} if isinstance(lost, int) else {"body": lost}))
    target.get(USERS, json=listed(MADE))
    target.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE) == ("n1", ())
    assert methods(target) == ["POST", "GET", "GET"]


def test_a_post_that_did_not_arrive_is_sent_again_after_looking(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(USERS, body=requests.ConnectionError("reset"))
    target.get(USERS, json=listed())
    target.get(USERS, json=listed())
    target.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE)[0] == "n1"


def test_a_post_that_got_a_429_is_sent_again_without_looking(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(USERS, status=429, headers={"Retry-After": "1"})
    target.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE)[0] == "n1"
    assert methods(target) == ["POST", "POST"]


@pytest.mark.parametrize("before", [[], [429]])
def test_a_409_before_any_answer_was_lost_is_another_account(
    writer: Writer, target: responses.RequestsMock, before: list[int]
) -> None:
    for status in before:
        target.post(USERS, status=status)
    target.post(USERS, status=409, json={"detail": "taken", "scimType": "uniqueness"})
    with pytest.raises(RefusedRequestError, match=r"POST \(HTTP 409 uniqueness\): taken") as caught:
        writer.create_user(JANE)
    assert caught.value.status == 409
    assert "the next plan says which" in caught.value.hint


def test_a_409_after_a_lost_answer_is_our_own_account_if_it_carries_our_externalid(
    writer: Writer, target: responses.RequestsMock
) -> None:
    target.post(USERS, status=503)
    target.get(USERS, json=listed())
    target.get(USERS, json=listed())
    target.post(USERS, status=409, json={})
    target.get(USERS, json=listed(MADE))
    target.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE)[0] == "n1"


@pytest.mark.parametrize("created", ["2020-01-01T00:00:00Z", None])
def test_after_a_lost_answer_an_older_account_of_that_name_is_not_taken_for_ours(
    writer: Writer, target: responses.RequestsMock, created: str | None
) -> None:
    stranger = {"id": "s", "userName": "jane@example.com", "meta": {"created": created}}
    target.post(USERS, body=requests.ConnectionError("never arrived"))
    target.get(USERS, json=listed())
    target.get(USERS, json=listed(stranger))
    target.get(f"{USERS}/s", json=stranger)
    with pytest.raises(RefusedRequestError, match="not proven to be the one just sent"):
        writer.create_user(JANE)
    assert methods(target).count("POST") == 1


def test_after_a_lost_answer_an_account_of_that_name_made_since_is_ours_though_it_shows_no_externalid(
    writer: Writer, target: responses.RequestsMock
) -> None:
    ours = {"id": "n1", "userName": "jane@example.com", "meta": {"created": "9999-01-01T00:00:00Z"}}
    target.post(USERS, status=504)
    target.get(USERS, json=listed())
    target.get(USERS, json=listed(ours))
    target.get(f"{USERS}/n1", json=ours)
    target.get(f"{USERS}/n1", json=ours)
    assert writer.create_user(JANE)[0] == "n1"


def test_where_even_looking_fails_the_creation_failed_and_is_not_sent_again(
    writer: Writer, target: responses.RequestsMock
) -> None:
    target.post(USERS, status=503)
    for _ in range(4):
        target.get(USERS, status=503)
    with pytest.raises(UnreachableError, match="HTTP 503"):
        writer.create_user(JANE)
    assert methods(target) == ["POST", *["GET"] * 4]


def test_an_answer_without_a_body_is_completed_by_looking(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(USERS, status=201)
    target.get(USERS, json=listed(MADE))
    target.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE) == ("n1", ())


def test_a_success_that_created_nothing_is_a_failure(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(USERS, status=200, json={"ok": True})
    target.get(USERS, json=listed())
    target.get(USERS, json=listed())
    with pytest.raises(RefusedRequestError, match="HTTP 200, but the user is not there"):
        writer.create_user(JANE)


@pytest.mark.parametrize(("status", "hint"), [(400, ""), (403, "system administrator"), (422, "")])
def test_a_refusal_is_told_with_ninjaones_words_whatever_is_left_out(
    writer: Writer, target: responses.RequestsMock, status: int, hint: str
) -> None:
    for _ in range(1 if status == 403 else 2):
        target.post(USERS, status=status, json={"detail": "no such thing.", "scimType": "invalidValue"})
    with pytest.raises(RefusedRequestError, match=rf"HTTP {status} invalidValue\): no such thing\.$") as caught:
        writer.create_user(JANE)
    assert hint in caught.value.hint


def test_a_token_that_expires_in_between_is_a_matter_of_credentials(
    writer: Writer, target: responses.RequestsMock
) -> None:
    target.post(USERS, status=401)
    with pytest.raises(CredentialsError) as caught:
        writer.create_user(JANE)
    assert "Make a new token" in caught.value.hint


def test_a_group_is_created_without_members_which_are_then_added_and_checked(
    writer: Writer, target: responses.RequestsMock
) -> None:
    target.post(GROUPS, status=201, json=group())
    for _ in range(3):
        target.patch(f"{GROUPS}/g", status=204)
    target.get(f"{GROUPS}/g", json=group("1", "2", "3", "4", "5"))
    everybody = ["1", "2", "3", "4", "5"]
    assert writer.create_group(STAFF, everybody) == ("g", ())
    assert writer.change_members("g", everybody, []) == Membership()
    (post,) = bodies(target, "POST")
    assert "members" not in post
    assert [body["Operations"][0]["value"] for body in bodies(target, "PATCH")] == [
        [{"value": "1"}, {"value": "2"}],
        [{"value": "3"}, {"value": "4"}],
        [{"value": "5"}],
    ]


def test_where_groups_are_replaced_the_first_members_are_in_the_body(
    make_writer: Callable[..., Writer], target: responses.RequestsMock
) -> None:
    target.post(GROUPS, status=201, json=group("1", "2"))
    target.get(f"{GROUPS}/g", json=group("1", "2"))
    target.put(f"{GROUPS}/g", json={})
    target.get(f"{GROUPS}/g", json=group("1", "2", "3"))
    writer = make_writer(group_patch="put")
    assert writer.create_group(STAFF, ["1", "2", "3"]) == ("g", ())
    assert writer.change_members("g", ["1", "2", "3"], []) == Membership()
    assert [body["members"] for body in (*bodies(target, "POST"), *bodies(target, "PUT"))] == [
        [{"value": "1"}, {"value": "2"}],
        [{"value": "1"}, {"value": "2"}, {"value": "3"}],
    ]


def test_a_group_whose_answer_was_lost_is_looked_for(writer: Writer, target: responses.RequestsMock) -> None:
    target.post(GROUPS, status=504)
    target.get(GROUPS, json=listed(group(externalId="DG1")))
    target.get(f"{GROUPS}/g", json=group())
    assert writer.create_group(STAFF, []) == ("g", ())


# --- changing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202])
def test_a_patch_goes_to_the_resource_by_its_escaped_id(
    writer: Writer, target: responses.RequestsMock, status: int
) -> None:
    target.patch(f"{USERS}/a%2Fb%3F", status=status, json={})
    assert writer.patch("user", "a/b?", STOP, ()) == ()
    assert bodies(target, "PATCH")[0]["Operations"] == [{"op": "replace", "path": "active", "value": False}]


def test_an_empty_patch_is_not_sent(writer: Writer, target: responses.RequestsMock) -> None:
    assert writer.patch("user", "a", (), (("userName", "x"),)) == ()
    writer.change_members("g", [], [])
    assert len(target.calls) == 0


def test_a_patch_of_what_is_gone_fails_and_says_so(writer: Writer, target: responses.RequestsMock) -> None:
    target.patch(f"{GROUPS}/g", status=404, body="<html>")
    with pytest.raises(RefusedRequestError, match=r"refused the PATCH \(HTTP 404\)\.$") as caught:
        writer.patch("group", "g", (Delta("displayName", "a", "b"),), ())
    assert "gone from NinjaOne" in caught.value.hint


def test_a_patch_whose_answer_was_lost_is_sent_again(writer: Writer, target: responses.RequestsMock) -> None:
    target.patch(f"{USERS}/a", status=503)
    target.patch(f"{USERS}/a", status=200, json={})
    writer.patch("user", "a", STOP, ())
    assert len(target.calls) == 2


WHOLE = (("userName", "a@example.com"), (USER_TYPE, "technician"))


def test_where_the_dialect_says_put_the_whole_resource_is_put(
    make_writer: Callable[..., Writer], target: responses.RequestsMock
) -> None:
    row = {"id": "a", "userName": "a@example.com", "title": "Boss", "active": True}
    target.get(f"{USERS}/a", json=row)
    target.put(f"{USERS}/a", json=row | {"active": False})
    make_writer(patch="put").patch("user", "a", STOP, WHOLE)
    (body,) = bodies(target, "PUT")
    assert body == row | {"active": False, "schemas": [NINJAONE], NINJAONE: {"userType": "technician"}}


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_refuses_to_patch_twice_and_never_did_is_sent_a_put_from_then_on(
    writer: Writer, target: responses.RequestsMock, status: int
) -> None:
    row = {"id": "a", "userName": "a@example.com", "active": False}
    for number in range(3):
        if number < 2:
            target.patch(f"{USERS}/a", status=status)
        target.get(f"{USERS}/a", json=row | {"active": True})
        target.put(f"{USERS}/a", json=row)
    for _ in range(3):
        writer.patch("user", "a", STOP, ())
    assert methods(target) == ["PATCH", "GET", "PUT"] * 2 + ["GET", "PUT"]


def test_a_refusal_to_rename_groups_by_patch_is_no_refusal_to_patch_their_members(
    writer: Writer, target: responses.RequestsMock
) -> None:
    rename = (Delta("displayName", "Staff", "New"),)
    for number in range(3):
        if number < 2:
            target.patch(f"{GROUPS}/g", status=501)
        target.get(f"{GROUPS}/g", json=group("1"))
        target.put(f"{GROUPS}/g", json=group("1") | {"displayName": "New"})
        writer.patch("group", "g", rename, ())
    target.patch(f"{GROUPS}/g", status=204)
    target.get(f"{GROUPS}/g", json=group("1"))
    writer.change_members("g", ["1"], [])
    assert methods(target) == ["PATCH", "GET", "PUT"] * 2 + ["GET", "PUT", "PATCH", "GET"]


def test_a_put_of_what_is_gone_fails_and_says_so(
    make_writer: Callable[..., Writer], target: responses.RequestsMock
) -> None:
    target.get(f"{USERS}/a", status=404, json={})
    with pytest.raises(RefusedRequestError, match="HTTP 404"):
        make_writer(patch="put").patch("user", "a", STOP, ())


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_deleted_resource_is_gone_even_if_it_was_gone_before(
    writer: Writer, target: responses.RequestsMock, status: int
) -> None:
    target.delete(f"{USERS}/a", status=status)
    writer.delete("user", "a")
    assert methods(target) == ["DELETE"]


def test_a_deletion_that_is_refused_is_told(writer: Writer, target: responses.RequestsMock) -> None:
    target.delete(f"{USERS}/a", status=403, json={"detail": "this is an administrator"})
    with pytest.raises(RefusedRequestError, match=r"refused the DELETE .*this is an administrator"):
        writer.delete("user", "a")
