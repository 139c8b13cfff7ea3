"""Which Duo users are in scope, and what the entries of the scope mean."""

from __future__ import annotations

import pytest

from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, tech, user
from tests.support.lifelike import lone_wolf
from tests.support.office import Office


def everybody() -> set[str]:
    return {tech(number) for number in range(3)} | {user(number) for number in range(12)}


SCOPES: dict[str, tuple[Json, set[str]]] = {
    "a glob": ({"groups": ["NinjaOne T*"]}, {tech(0), tech(1), tech(2)}),
    "an exact name": ({"groups": [TECHNICIANS]}, {tech(0), tech(1), tech(2)}),
    "one user by e-mail": ({"groups": [], "users": [user(0)]}, {user(0)}),
    "one user by username": ({"groups": [], "users": ["tech1.one"]}, {tech(1)}),
    "a group and a user": ({"groups": [TECHNICIANS], "users": [user(3)]}, {tech(0), tech(1), tech(2), user(3)}),
    "but for an excluded glob": ({"exclude_users": ["USER*@example.com"]}, {tech(0), tech(1), tech(2)}),
    "but for one both named and excluded": ({"users": [user(0)], "exclude_users": [user(0)]}, everybody() - {user(0)}),
    "but for an excluded group": ({"exclude_groups": [TECHNICIANS]}, {user(number) for number in range(12)}),
    "those for whom where is true": ({"where": "starts_with(username, 'user1')"}, {user(1), user(10), user(11)}),
    "everybody": ({"groups": [], "all_users": True}, everybody() | {"lone.wolf@example.com"}),
    "everybody but some": ({"groups": [], "all_users": True, "exclude_users": ["*.two@*"]}, {
        tech(0), tech(1), tech(2), "lone.wolf@example.com"
    }),
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_the_scope_is(office: Office, scope: tuple[Json, set[str]]) -> None:
    keys, wanted = scope
    lone_wolf(office)
    office.configure("scope", **keys)
    planned = office.plan()
    assert planned.code == 0
    assert set(planned.actions()) == wanted
    assert planned.json["source"]["in_scope"] == len(wanted)


def test_groups_and_users_may_be_named_by_id(office: Office) -> None:
    office.configure("scope", groups=[office.people.scoped[0]], users=[office.duo(user(0))])
    assert set(office.plan().actions()) == {tech(0), tech(1), tech(2), user(0)}


def test_statuses_decide_which_users_are_in_scope(office: Office) -> None:
    office.people.disable(office.duo(user(0)))
    office.people.lock_out(office.duo(user(1)))
    office.configure("scope", statuses=["active", "disabled"])
    planned = office.plan()
    assert user(0) in planned.actions()
    assert user(1) not in planned.actions()


def test_a_where_that_fails_on_a_record_holds_that_user(settled: Office) -> None:
    for record in settled.people.users.values():
        record["notes"] = "a person"
    settled.people.users[settled.duo(user(0))]["notes"] = None
    settled.configure("scope", where="!contains(notes, 'robot')")
    before = settled.snapshot()
    planned = settled.plan()
    assert planned.problems() == {user(0): "expression-failed"}
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


def test_a_scoped_group_that_duo_does_not_have_is_a_refusal_that_names_it(settled: Office) -> None:
    settled.configure("scope", groups=[TECHNICIANS, END_USERS, "No Such Group"])
    settled.people.users[settled.duo(user(1))]["firstname"] = "Other"
    before = settled.snapshot()
    result = settled.apply()
    assert result.code == 3
    assert result.tripped().keys() == {"scoped-groups"}
    assert any("No Such Group" in guard["message"] for guard in result.json["guards"] if guard["tripped"])
    assert settled.writes() == []
    assert settled.snapshot() == before
    assert settled.plan("--detailed-exitcode").code == 3, "3 goes before 2"


def test_a_glob_that_matches_nothing_is_a_warning(office: Office) -> None:
    office.configure("scope", groups=["NinjaOne*", "No Such*"])
    result = office.plan()
    assert result.code == 0
    assert any("No Such*" in warning for warning in result.json["warnings"])
