"""Writing NinjaOne, one reply after the other: lost answers, refusals, and what is not kept as it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, NotKeptError, RefusedRequestError, UnreachableError
from ninjasync.model.attributes import NINJAONE, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Membership, Observation
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.writer import Writer
from tests.support.contexts import context_of

if TYPE_CHECKING:
    from tests.support.clock import Clock

MakeConfig = Callable[..., Config]
URL = "https://ninjaone.test/scim/v2"
USERS, GROUPS = f"{URL}/Users", f"{URL}/Groups"
JANE = Change("user", "create", "jane@example.com", None, "DU1", (Delta("userName", None, "jane@example.com"),))
STAFF = Change("group", "create", "Staff", None, "DG1", (Delta("displayName", None, "Staff"),))
MADE = {"id": "n1", "userName": "jane@example.com", "externalId": "DU1"}
STOP = (Delta("active", True, False),)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between two looks, which take no time here."""
    taken: list[float] = []
    for module in ("memberships", "observation"):
        monkeypatch.setattr(f"ninjasync.ninjaone.{module}.time", SimpleNamespace(sleep=taken.append))
    return taken


@pytest.fixture
def server(pauses: list[float]) -> Iterator[responses.RequestsMock]:
    """Replies in the order of registration; each must be asked for."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@pytest.fixture
def make_writer(make_config: MakeConfig, clock: Clock) -> Iterator[Callable[..., Writer]]:
    made: list[Writer] = []

    def make(**dialect: Any) -> Writer:
        config = make_config(ninjaone={"dialect": {"members_per_call": 2} | dialect}, run={"retries": 3})
        context = context_of(config, stop=clock)
        made.append(Writer(connect(context, SecretStr("scim-token")), context))
        return made[-1]

    yield make
    for writer in made:
        writer.endpoint.close()


@pytest.fixture
def writer(make_writer: Callable[..., Writer]) -> Writer:
    return make_writer()


def listed(*rows: Any) -> dict[str, Any]:
    return {"Resources": list(rows), "totalResults": len(rows)}


def group(*members: str, **fields: Any) -> dict[str, Any]:
    return {"id": "g", "displayName": "Staff", "members": [{"value": one} for one in members]} | fields


def methods(server: responses.RequestsMock) -> list[str]:
    return [str(call.request.method) for call in server.calls]


def bodies(server: responses.RequestsMock, method: str) -> list[Any]:
    return [json.loads(call.request.body or "null") for call in server.calls if call.request.method == method]


# --- creating --------------------------------------------------------------------------------


def test_a_created_user_has_the_id_that_ninjaone_gives(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE) == ("n1", ())
    (body,) = bodies(server, "POST")
    assert (body["externalId"], body["userName"], body["active"]) == ("DU1", "jane@example.com", True)


@pytest.mark.parametrize("lost", [503, 500, 504, requests.ConnectionError("reset"), requests.ReadTimeout()])
def test_a_post_whose_answer_was_lost_is_settled_by_looking_and_not_sent_again(
    writer: Writer, server: responses.RequestsMock, lost: Any
) -> None:
    server.post(USERS, **({"status": lost} if isinstance(lost, int) else {"body": lost}))
    server.get(USERS, json=listed(MADE))
    server.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE) == ("n1", ())
    assert methods(server) == ["POST", "GET", "GET"]


def test_a_post_that_did_not_arrive_is_sent_again_after_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, body=requests.ConnectionError("reset"))
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    server.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE)[0] == "n1"


def test_after_a_429_nothing_was_done_so_that_nobody_looks(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=429, headers={"Retry-After": "1"})
    server.post(USERS, status=201, json=MADE)
    assert writer.create_user(JANE)[0] == "n1"
    assert methods(server) == ["POST", "POST"]


@pytest.mark.parametrize("before", [[], [429]])
def test_a_409_before_any_answer_was_lost_is_somebody_elses_account(
    writer: Writer, server: responses.RequestsMock, before: list[int]
) -> None:
    for status in before:
        server.post(USERS, status=status)
    server.post(USERS, status=409, json={"detail": "taken", "scimType": "uniqueness"})
    with pytest.raises(RefusedRequestError, match=r"POST \(HTTP 409 uniqueness\): taken") as caught:
        writer.create_user(JANE)
    assert caught.value.status == 409
    assert "the next plan says which" in caught.value.hint


def test_a_409_after_a_lost_answer_is_our_own_account_if_it_carries_our_externalid(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=503)
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    server.post(USERS, status=409, json={})
    server.get(USERS, json=listed(MADE))
    server.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE)[0] == "n1"


@pytest.mark.parametrize("created", ["2020-01-01T00:00:00Z", None])
def test_after_a_lost_answer_a_strangers_account_of_that_name_is_not_taken_for_ours(
    writer: Writer, server: responses.RequestsMock, created: str | None
) -> None:
    stranger = {"id": "s", "userName": "jane@example.com", "meta": {"created": created}}
    server.post(USERS, body=requests.ConnectionError("never arrived"))
    server.get(USERS, json=listed())
    server.get(USERS, json=listed(stranger))
    server.get(f"{USERS}/s", json=stranger)
    with pytest.raises(RefusedRequestError, match="not proven to be the one just sent"):
        writer.create_user(JANE)
    assert methods(server).count("POST") == 1


def test_after_a_lost_answer_an_account_of_that_name_made_since_is_ours_though_it_shows_no_externalid(
    writer: Writer, server: responses.RequestsMock
) -> None:
    ours = {"id": "n1", "userName": "jane@example.com", "meta": {"created": "9999-01-01T00:00:00Z"}}
    server.post(USERS, status=504)
    server.get(USERS, json=listed())
    server.get(USERS, json=listed(ours))
    server.get(f"{USERS}/n1", json=ours)
    server.get(f"{USERS}/n1", json=ours)
    assert writer.create_user(JANE)[0] == "n1"


def test_where_even_looking_fails_the_creation_failed_and_is_not_sent_again(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=503)
    for _ in range(4):
        server.get(USERS, status=503)
    with pytest.raises(UnreachableError, match="HTTP 503"):
        writer.create_user(JANE)
    assert methods(server) == ["POST", *["GET"] * 4]


def test_an_answer_without_a_body_is_completed_by_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=201)
    server.get(USERS, json=listed(MADE))
    server.get(f"{USERS}/n1", json=MADE)
    assert writer.create_user(JANE) == ("n1", ())


def test_a_success_that_created_nothing_is_a_failure(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=200, json={"ok": True})
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    with pytest.raises(RefusedRequestError, match="HTTP 200, but the user is not there"):
        writer.create_user(JANE)


@pytest.mark.parametrize(("status", "hint"), [(400, ""), (403, "system administrator"), (422, "")])
def test_a_refusal_is_told_with_ninjaones_words_whatever_is_left_out(
    writer: Writer, server: responses.RequestsMock, status: int, hint: str
) -> None:
    for _ in range(1 if status == 403 else 2):
        server.post(USERS, status=status, json={"detail": "no such thing.", "scimType": "invalidValue"})
    with pytest.raises(RefusedRequestError, match=rf"HTTP {status} invalidValue\): no such thing\.$") as caught:
        writer.create_user(JANE)
    assert hint in caught.value.hint


def test_a_token_that_expires_in_between_is_a_matter_of_credentials(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=401)
    with pytest.raises(CredentialsError) as caught:
        writer.create_user(JANE)
    assert "Make a new token" in caught.value.hint


def test_a_group_is_created_without_members_who_are_added_then_and_all_are_looked_for(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(GROUPS, status=201, json=group())
    for _ in range(3):
        server.patch(f"{GROUPS}/g", status=204)
    server.get(f"{GROUPS}/g", json=group("1", "2", "3", "4", "5"))
    everybody = ["1", "2", "3", "4", "5"]
    assert writer.create_group(STAFF, everybody) == ("g", ())
    assert writer.change_members("g", everybody, []) == Membership()
    (post,) = bodies(server, "POST")
    assert "members" not in post
    assert [body["Operations"][0]["value"] for body in bodies(server, "PATCH")] == [
        [{"value": "1"}, {"value": "2"}],
        [{"value": "3"}, {"value": "4"}],
        [{"value": "5"}],
    ]


def test_where_groups_are_replaced_the_first_members_are_in_the_body(
    make_writer: Callable[..., Writer], server: responses.RequestsMock
) -> None:
    server.post(GROUPS, status=201, json=group("1", "2"))
    server.get(f"{GROUPS}/g", json=group("1", "2"))
    server.put(f"{GROUPS}/g", json={})
    server.get(f"{GROUPS}/g", json=group("1", "2", "3"))
    writer = make_writer(group_patch="put")
    assert writer.create_group(STAFF, ["1", "2", "3"]) == ("g", ())
    assert writer.change_members("g", ["1", "2", "3"], []) == Membership()
    assert [body["members"] for body in (*bodies(server, "POST"), *bodies(server, "PUT"))] == [
        [{"value": "1"}, {"value": "2"}],
        [{"value": "1"}, {"value": "2"}, {"value": "3"}],
    ]


def test_a_group_whose_answer_was_lost_is_settled_by_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(GROUPS, status=504)
    server.get(GROUPS, json=listed(group(externalId="DG1")))
    server.get(f"{GROUPS}/g", json=group())
    assert writer.create_group(STAFF, []) == ("g", ())


# --- changing --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202])
def test_a_patch_goes_to_the_resource_by_its_escaped_id(
    writer: Writer, server: responses.RequestsMock, status: int
) -> None:
    server.patch(f"{USERS}/a%2Fb%3F", status=status, json={})
    assert writer.patch("user", "a/b?", STOP, ()) == ()
    assert bodies(server, "PATCH")[0]["Operations"] == [{"op": "replace", "path": "active", "value": False}]


def test_an_empty_patch_is_not_sent(writer: Writer, server: responses.RequestsMock) -> None:
    assert writer.patch("user", "a", (), (("userName", "x"),)) == ()
    writer.change_members("g", [], [])
    assert len(server.calls) == 0


def test_a_patch_of_what_is_gone_fails_and_says_so(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{GROUPS}/g", status=404, body="<html>")
    with pytest.raises(RefusedRequestError, match=r"refused the PATCH \(HTTP 404\)\.$") as caught:
        writer.patch("group", "g", (Delta("displayName", "a", "b"),), ())
    assert "gone from NinjaOne" in caught.value.hint


def test_a_patch_whose_answer_was_lost_is_sent_again(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{USERS}/a", status=503)
    server.patch(f"{USERS}/a", status=200, json={})
    writer.patch("user", "a", STOP, ())
    assert len(server.calls) == 2


WHOLE = (("userName", "a@example.com"), (USER_TYPE, "technician"))


def test_where_the_dialect_says_put_the_whole_resource_is_put(
    make_writer: Callable[..., Writer], server: responses.RequestsMock
) -> None:
    row = {"id": "a", "userName": "a@example.com", "title": "Boss", "active": True}
    server.get(f"{USERS}/a", json=row)
    server.put(f"{USERS}/a", json=row | {"active": False})
    make_writer(patch="put").patch("user", "a", STOP, WHOLE)
    (body,) = bodies(server, "PUT")
    assert body == row | {"active": False, "schemas": [NINJAONE], NINJAONE: {"userType": "technician"}}


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_refuses_to_patch_twice_and_never_did_is_sent_a_put_from_then_on(
    writer: Writer, server: responses.RequestsMock, status: int
) -> None:
    row = {"id": "a", "userName": "a@example.com", "active": False}
    for number in range(3):
        if number < 2:
            server.patch(f"{USERS}/a", status=status)
        server.get(f"{USERS}/a", json=row | {"active": True})
        server.put(f"{USERS}/a", json=row)
    for _ in range(3):
        writer.patch("user", "a", STOP, ())
    assert methods(server) == ["PATCH", "GET", "PUT"] * 2 + ["GET", "PUT"]


def test_a_refusal_to_rename_groups_by_patch_is_no_refusal_to_patch_their_members(
    writer: Writer, server: responses.RequestsMock
) -> None:
    rename = (Delta("displayName", "Staff", "New"),)
    for number in range(3):
        if number < 2:
            server.patch(f"{GROUPS}/g", status=501)
        server.get(f"{GROUPS}/g", json=group("1"))
        server.put(f"{GROUPS}/g", json=group("1") | {"displayName": "New"})
        writer.patch("group", "g", rename, ())
    server.patch(f"{GROUPS}/g", status=204)
    server.get(f"{GROUPS}/g", json=group("1"))
    writer.change_members("g", ["1"], [])
    assert methods(server) == ["PATCH", "GET", "PUT"] * 2 + ["GET", "PUT", "PATCH", "GET"]


def test_a_put_of_what_is_gone_fails_and_says_so(
    make_writer: Callable[..., Writer], server: responses.RequestsMock
) -> None:
    server.get(f"{USERS}/a", status=404, json={})
    with pytest.raises(RefusedRequestError, match="HTTP 404"):
        make_writer(patch="put").patch("user", "a", STOP, ())


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_deleted_resource_is_gone_even_if_it_was_gone_before(
    writer: Writer, server: responses.RequestsMock, status: int
) -> None:
    server.delete(f"{USERS}/a", status=status)
    writer.delete("user", "a")
    assert methods(server) == ["DELETE"]


def test_a_deletion_that_is_refused_is_told(writer: Writer, server: responses.RequestsMock) -> None:
    server.delete(f"{USERS}/a", status=403, json={"detail": "this is an administrator"})
    with pytest.raises(RefusedRequestError, match=r"refused the DELETE .*this is an administrator"):
        writer.delete("user", "a")


# --- what is shown afterwards ----------------------------------------------------------------

TITLED = replace(JANE, diff=(*JANE.diff, Delta("title", None, "Boss")))


@pytest.mark.parametrize(
    ("shown", "observed"),
    [
        ({"title": "Boss"}, ()),
        ({"title": "boss"}, (Observation("title", "Boss", "boss"),)),
        ({}, (Observation("title", "Boss", None),)),
        (
            {"title": "Boss", "userName": "JANE@example.com"},
            (Observation("userName", "jane@example.com", "JANE@example.com"),),
        ),
    ],
)
def test_what_comes_back_otherwise_than_sent_is_observed(
    writer: Writer, server: responses.RequestsMock, shown: dict[str, Any], observed: tuple[Observation, ...]
) -> None:
    server.post(USERS, status=201, json=MADE | shown)
    assert writer.create_user(TITLED) == ("n1", observed)


def test_an_answer_without_a_body_is_read_back_until_it_shows_what_was_sent(
    writer: Writer, server: responses.RequestsMock, pauses: list[float]
) -> None:
    diff = (Delta("title", None, "Boss"),)
    server.patch(f"{USERS}/a", status=204)
    server.get(f"{USERS}/a", json={"id": "a", "title": "old"})
    server.get(f"{USERS}/a", json={"id": "a", "title": "Boss"})
    assert writer.patch("user", "a", diff, ()) == ()
    assert len(pauses) == 2


def test_what_is_not_shown_after_some_looks_is_observed(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{USERS}/a", status=204)
    for _ in range(3):
        server.get(f"{USERS}/a", json={"id": "a"})
    assert writer.patch("user", "a", (Delta("title", None, "Boss"),), ()) == (Observation("title", "Boss", None),)


def test_a_resource_that_is_gone_before_it_is_read_back_shows_nothing(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.patch(f"{USERS}/a", status=204)
    server.get(f"{USERS}/a", status=404, json={})
    assert writer.patch("user", "a", (Delta("title", None, "Boss"),), ()) == ()


def test_a_deactivation_needs_no_second_look(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{USERS}/a", status=204)
    assert writer.patch("user", "a", STOP, ()) == ()


@pytest.mark.parametrize(("after", "shown"), [(None, None), ("7", "007"), ("All", "ALL"), (None, "All")])
def test_another_form_of_an_organization_is_kept(
    writer: Writer, server: responses.RequestsMock, after: str | None, shown: str | None
) -> None:
    body = {"id": "a", NINJAONE: {"organizationId": shown}} if shown else {"id": "a"}
    server.patch(f"{USERS}/a", json=body)
    writer.patch("user", "a", (Delta(ORGANIZATION_ID, "1", after),), ())
    assert methods(server) == ["PATCH"]


@pytest.mark.parametrize(
    ("path", "sent", "shown"),
    [
        (USER_TYPE, "technician", "endUser"),
        (USER_TYPE, "endUser", "technician"),
        (ORGANIZATION_ID, "7", "All"),
        (ORGANIZATION_ID, "7", "8"),
    ],
)
def test_a_privilege_that_ninjaone_made_into_another_is_a_failed_operation(
    writer: Writer, server: responses.RequestsMock, path: str, sent: str, shown: str
) -> None:
    name = path.rpartition(":")[2]
    body = MADE | {NINJAONE: {name: shown}}
    change = replace(JANE, diff=(*JANE.diff, Delta(path, None, sent)))
    server.post(USERS, status=201, json=body)
    server.patch(f"{USERS}/n1", json=body)

    def create() -> None:
        writer.create_user(change)

    def patch() -> None:
        writer.patch("user", "n1", change.diff[1:], ())

    for write in (create, patch):
        with pytest.raises(NotKeptError, match=f'was sent {name} "{sent}" and made it "{shown}"') as caught:
            write()
        assert caught.value.id == "n1"


# --- members ---------------------------------------------------------------------------------


def test_members_are_changed_in_chunks_and_looked_for(writer: Writer, server: responses.RequestsMock) -> None:
    for _ in range(3):
        server.patch(f"{GROUPS}/g", status=200, json={})
    server.get(f"{GROUPS}/g", json=group("1", "2", "3"))
    writer.change_members("g", ["1", "2", "3"], ["4"])
    assert [body["Operations"][0]["op"] for body in bodies(server, "PATCH")] == ["add", "add", "remove"]


def test_a_group_that_shows_its_members_late_is_looked_at_again(
    writer: Writer, server: responses.RequestsMock, pauses: list[float]
) -> None:
    server.patch(f"{GROUPS}/g", status=204)
    server.get(f"{GROUPS}/g", json=group())
    server.get(f"{GROUPS}/g", json=group("1"))
    writer.change_members("g", ["1"], [])
    assert len(pauses) == 2


@pytest.mark.parametrize(("added", "removed", "shown"), [(["1"], [], []), ([], ["1"], ["1"])])
def test_members_that_are_not_as_they_should_be_are_told(
    writer: Writer, server: responses.RequestsMock, added: list[str], removed: list[str], shown: list[str]
) -> None:
    server.patch(f"{GROUPS}/g", status=204)
    for _ in range(3):
        server.get(f"{GROUPS}/g", json=group(*shown))
    writer.know(Ownership(members_shown=True))
    assert writer.change_members("g", added, removed) == Membership(lacking=frozenset(added), left=frozenset(removed))


def test_a_group_that_is_gone_by_then_is_not_looked_into(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{GROUPS}/g", status=204)
    server.get(f"{GROUPS}/g", status=404, json={})
    assert writer.change_members("g", ["1"], []) == Membership()


def test_a_server_that_replaces_keeps_the_members_that_are_there(
    make_writer: Callable[..., Writer], server: responses.RequestsMock
) -> None:
    server.get(f"{GROUPS}/g", json=group("1", "2"))
    server.put(f"{GROUPS}/g", json={})
    server.get(f"{GROUPS}/g", json=group("2", "3"))
    server.put(f"{GROUPS}/g", json={})
    server.get(f"{GROUPS}/g", json=group("2", "3"))
    make_writer(patch="put").change_members("g", ["3"], ["1"])
    assert [[member["value"] for member in body["members"]] for body in bodies(server, "PUT")] == [
        ["1", "2", "3"],
        ["2", "3"],
    ]


def test_a_group_whose_members_are_not_shown_is_not_replaced_as_that_would_empty_it(
    make_writer: Callable[..., Writer], server: responses.RequestsMock
) -> None:
    server.get(f"{GROUPS}/g", json={"id": "g", "displayName": "Staff"})
    with pytest.raises(RefusedRequestError, match="members"):
        make_writer(patch="put").change_members("g", ["3"], [])
    assert "PUT" not in methods(server)
