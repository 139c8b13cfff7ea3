"""What NinjaOne shows after a change was written, and changes of members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import responses

from ninjasync.errors import NotKeptError, RefusedRequestError
from ninjasync.model.attributes import NINJAONE, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.model.directory import Membership, Observation
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone.writer import Writer
from tests.support.scim_changes import JANE, MADE, STOP, bodies, group, methods
from tests.support.scim_pages import GROUPS, USERS

# --- what is shown afterwards ------------------------------------------------------------------


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
    writer: Writer, target: responses.RequestsMock, shown: dict[str, Any], observed: tuple[Observation, ...]
) -> None:
    target.post(USERS, status=201, json=MADE | shown)
    assert writer.create_user(TITLED) == ("n1", observed)


def test_an_answer_without_a_body_is_read_back_until_it_shows_what_was_sent(
    writer: Writer, target: responses.RequestsMock, pauses: list[float]
) -> None:
    diff = (Delta("title", None, "Boss"),)
    target.patch(f"{USERS}/a", status=204)
    target.get(f"{USERS}/a", json={"id": "a", "title": "old"})
    target.get(f"{USERS}/a", json={"id": "a", "title": "Boss"})
    assert writer.patch("user", "a", diff, ()) == ()
    assert len(pauses) == 2


def test_what_is_not_shown_after_some_looks_is_observed(writer: Writer, target: responses.RequestsMock) -> None:
    target.patch(f"{USERS}/a", status=204)
    for _ in range(3):
        target.get(f"{USERS}/a", json={"id": "a"})
    assert writer.patch("user", "a", (Delta("title", None, "Boss"),), ()) == (Observation("title", "Boss", None),)


def test_a_resource_that_is_gone_before_it_is_read_back_shows_nothing(
    writer: Writer, target: responses.RequestsMock
) -> None:
    target.patch(f"{USERS}/a", status=204)
    target.get(f"{USERS}/a", status=404, json={})
    assert writer.patch("user", "a", (Delta("title", None, "Boss"),), ()) == ()


def test_a_deactivation_needs_no_second_look(writer: Writer, target: responses.RequestsMock) -> None:
    target.patch(f"{USERS}/a", status=204)
    assert writer.patch("user", "a", STOP, ()) == ()


@pytest.mark.parametrize(("after", "shown"), [(None, None), ("7", "007"), ("All", "ALL"), (None, "All")])
def test_another_form_of_an_organization_is_kept(
    writer: Writer, target: responses.RequestsMock, after: str | None, shown: str | None
) -> None:
    body = {"id": "a", NINJAONE: {"organizationId": shown}} if shown else {"id": "a"}
    target.patch(f"{USERS}/a", json=body)
    writer.patch("user", "a", (Delta(ORGANIZATION_ID, "1", after),), ())
    assert methods(target) == ["PATCH"]


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
    writer: Writer, target: responses.RequestsMock, path: str, sent: str, shown: str
) -> None:
    name = path.rpartition(":")[2]
    body = MADE | {NINJAONE: {name: shown}}
    change = replace(JANE, diff=(*JANE.diff, Delta(path, None, sent)))
    target.post(USERS, status=201, json=body)
    target.patch(f"{USERS}/n1", json=body)

    def create() -> None:
        writer.create_user(change)

    def patch() -> None:
        writer.patch("user", "n1", change.diff[1:], ())

    for write in (create, patch):
        with pytest.raises(NotKeptError, match=f'was sent {name} "{sent}" and made it "{shown}"') as caught:
            write()
        assert caught.value.id == "n1"


# --- members -----------------------------------------------------------------------------------


def test_members_are_changed_in_chunks_and_looked_for(writer: Writer, target: responses.RequestsMock) -> None:
    for _ in range(3):
        target.patch(f"{GROUPS}/g", status=200, json={})
    target.get(f"{GROUPS}/g", json=group("1", "2", "3"))
    writer.change_members("g", ["1", "2", "3"], ["4"])
    assert [body["Operations"][0]["op"] for body in bodies(target, "PATCH")] == ["add", "add", "remove"]


def test_a_group_that_shows_its_members_late_is_looked_at_again(
    writer: Writer, target: responses.RequestsMock, pauses: list[float]
) -> None:
    target.patch(f"{GROUPS}/g", status=204)
    target.get(f"{GROUPS}/g", json=group())
    target.get(f"{GROUPS}/g", json=group("1"))
    writer.change_members("g", ["1"], [])
    assert len(pauses) == 2


@pytest.mark.parametrize(("added", "removed", "shown"), [(["1"], [], []), ([], ["1"], ["1"])])
def test_members_that_are_not_as_they_should_be_are_told(
    writer: Writer, target: responses.RequestsMock, added: list[str], removed: list[str], shown: list[str]
) -> None:
    target.patch(f"{GROUPS}/g", status=204)
    for _ in range(3):
        target.get(f"{GROUPS}/g", json=group(*shown))
    writer.know(Ownership(members_shown=True))
    assert writer.change_members("g", added, removed) == Membership(lacking=frozenset(added), left=frozenset(removed))


def test_a_group_that_is_gone_by_then_is_not_looked_into(writer: Writer, target: responses.RequestsMock) -> None:
    target.patch(f"{GROUPS}/g", status=204)
    target.get(f"{GROUPS}/g", status=404, json={})
    assert writer.change_members("g", ["1"], []) == Membership()


def test_a_server_that_replaces_keeps_the_members_that_are_there(
    make_writer: Callable[..., Writer], target: responses.RequestsMock
) -> None:
    target.get(f"{GROUPS}/g", json=group("1", "2"))
    target.put(f"{GROUPS}/g", json={})
    target.get(f"{GROUPS}/g", json=group("2", "3"))
    target.put(f"{GROUPS}/g", json={})
    target.get(f"{GROUPS}/g", json=group("2", "3"))
    make_writer(patch="put").change_members("g", ["3"], ["1"])
    assert [[member["value"] for member in body["members"]] for body in bodies(target, "PUT")] == [
        ["1", "2", "3"],
        ["2", "3"],
    ]


def test_a_group_whose_members_are_not_shown_is_not_replaced_as_that_would_empty_it(
    make_writer: Callable[..., Writer], target: responses.RequestsMock
) -> None:
    target.get(f"{GROUPS}/g", json={"id": "g", "displayName": "Staff"})
    with pytest.raises(RefusedRequestError, match="members"):
        make_writer(patch="put").change_members("g", ["3"], [])
    assert "PUT" not in methods(target)
