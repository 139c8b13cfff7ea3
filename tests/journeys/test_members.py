"""Members of groups: shown, hidden with a witness, hidden without one, dropped; and the one that is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office

HIDDEN = ("members-hidden", "no-user-groups", "no-member-filter")
EMPTY = ("members-always-empty", "no-user-groups", "no-member-filter")
NO_WITNESS = ("no-user-groups", "no-member-filter")


def office_with(folder: Path, *quirks: str, users: int = 5) -> Office:
    office = Office(folder, staff(users, 1))
    office.box.set_behavior(quirks=quirks)
    office.configure("safety", max_removals=9, max_member_removals_percent=100)
    return office


def member_writes(office: Office) -> list[tuple[str, str]]:
    return [write for write in office.writes() if write[1].startswith("/Groups/")]


def empty_by_hand(office: Office, name: str) -> None:
    with office.ninjaone.lock:
        office.edit_group(name, members=[])


@pytest.mark.parametrize("quirks", [(), ("empty-members",), ("members-absent",), ("members-by-ref",)])
def test_a_group_that_was_emptied_by_hand_is_filled_again_where_members_are_shown(
    tmp_path: Path, quirks: tuple[str, ...]
) -> None:
    with office_with(tmp_path, *quirks) as office:
        office.settle()
        before = office.members(END_USERS)
        empty_by_hand(office, END_USERS)
        office.settle()
        assert office.members(END_USERS) == before


def test_all_groups_emptied_by_hand_are_filled_again_as_the_ledger_remembers_that_members_are_shown(
    tmp_path: Path,
) -> None:
    with office_with(tmp_path) as office:
        office.settle()
        before = office.members(END_USERS)
        empty_by_hand(office, END_USERS)
        empty_by_hand(office, TECHNICIANS)
        office.settle()
        assert office.members(END_USERS) == before


def test_where_groups_are_replaced_one_that_shows_no_members_gets_its_first_again(tmp_path: Path) -> None:
    with office_with(tmp_path, "patch-501") as office:
        office.configure("ninjaone.dialect", patch="put")
        office.settle()
        before = office.members(END_USERS)
        empty_by_hand(office, END_USERS)
        office.settle()
        assert office.members(END_USERS) == before


@pytest.mark.parametrize("quirks", [HIDDEN, EMPTY, ("aws",)])
def test_where_members_are_hidden_none_is_sent_while_nothing_changes_and_one_warning_stands(
    tmp_path: Path, quirks: tuple[str, ...]
) -> None:
    with office_with(tmp_path, *quirks) as office:
        office.settle()
        again = office.apply()
        assert again.code == 0
        assert not office.writes()
        (warning,) = (one for one in again.json["warnings"] if "members" in one)
        assert "does not show the members of its groups" in warning
        asked = [one for one in office.box.requests if one.method == "GET" and "members" in one.query]
        assert not asked, "the witness is asked only after a change"


@pytest.mark.parametrize("quirks", [HIDDEN, ("aws",)])
def test_where_members_are_hidden_a_user_can_move_from_one_group_to_another(
    tmp_path: Path, quirks: tuple[str, ...]
) -> None:
    with office_with(tmp_path, *quirks) as office:
        office.settle()
        mover = office.duo(user(1))
        office.people.leave(mover, office.people.find_group_id(END_USERS))
        office.people.join(mover, office.people.find_group_id(TECHNICIANS))
        office.settle()
        assert user(1) not in office.members(END_USERS)
        assert user(1) in office.members(TECHNICIANS)


def test_a_rename_by_put_keeps_members_that_are_hidden(tmp_path: Path) -> None:
    with office_with(tmp_path, *HIDDEN, "group-rename-501") as office:
        office.settle()
        before = office.members(END_USERS)
        office.people.rename_group(office.people.find_group_id(END_USERS), "Everyone")
        office.configure("scope", groups=[TECHNICIANS, "Everyone"])
        office.settle()
        assert office.members("Everyone") == before


def dropping(name: str, office: Office) -> None:
    """From now on, this account is taken out of every change of members, and nothing is said of it."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "PATCH" or "/Groups/" not in request.path:
            return serve(request)
        body = json.loads(request.body)
        for operation in body["Operations"]:
            if operation["op"] == "add":
                id_ = next((one["id"] for one in office.ninjaone.users.values() if one["userName"] == name), "")
                operation["value"] = [one for one in operation["value"] if one["value"] != id_]
        body["Operations"] = [one for one in body["Operations"] if one.get("value") != []]
        altered = HttpRequest(request.method, request.path, request.query, request.headers, json.dumps(body).encode())
        return serve(altered)

    office.box.intercept("scim", meddle)


@pytest.mark.parametrize("quirks", [(), NO_WITNESS, ("aws",), ("members-always-empty",)])
def test_a_member_that_is_dropped_in_silence_is_a_failed_operation_that_names_that_member_alone(
    tmp_path: Path, quirks: tuple[str, ...]
) -> None:
    with office_with(tmp_path, *quirks) as office:
        dropping(user(2), office)
        for _ in range(2):
            done = office.apply()
            assert done.code == 4, done.printed
            error = done.change(END_USERS)["error"]
            assert user(2) in error
            assert user(1) not in error
        assert office.members(END_USERS) == {user(number) for number in (0, 1, 3, 4)}
        assert done.change(END_USERS)["diff"] == [{"path": "members", "added": [user(2)], "removed": []}]


@pytest.mark.parametrize("users", [5, 30])
@pytest.mark.parametrize("quirks", [(), HIDDEN, ("patch-501",)])
def test_one_refused_member_is_named_and_all_others_arrive(tmp_path: Path, users: int, quirks: tuple[str, ...]) -> None:
    with office_with(tmp_path, "refused-member", *quirks, users=users) as office:
        office.configure("ninjaone.dialect", patch="put" if "patch-501" in quirks else "patch")
        done = office.apply()
        assert done.code == 4, done.printed
        oldest = next(iter(office.ninjaone.users.values()))["userName"]
        group = TECHNICIANS if oldest.startswith("tech") else END_USERS
        error = done.change(group)["error"]
        assert oldest in error
        assert error.count("@") == 1
        everybody = {one["userName"] for one in office.ninjaone.users.values()}
        assert office.members(END_USERS) | office.members(TECHNICIANS) == everybody - {oldest}
        again = office.apply()
        assert again.code == 4
        assert [one["key"] for one in again.json["changes"]] == [group]


@pytest.mark.parametrize("shown", [3, 10])
def test_a_group_that_shows_its_first_members_alone_is_told_and_fails_no_run(tmp_path: Path, shown: int) -> None:
    with office_with(tmp_path, f"members-shown={shown}", users=14) as office:
        done = office.apply()
        assert done.code == 0, done.printed
        assert f"shows only {shown} " in office.apply().printed
        office.settle()
        office.people.disable(office.duo(user(13)))
        office.people.leave(office.duo(user(12)), office.people.find_group_id(END_USERS))
        office.people.join(office.duo(user(12)), office.people.find_group_id(TECHNICIANS))
        office.settle()
        assert office.members(END_USERS) == {user(number) for number in range(12)}


def test_a_group_that_shows_its_first_ten_alone_settles_without_a_witness_too(tmp_path: Path) -> None:
    with office_with(tmp_path, "members-shown=10", *NO_WITNESS, users=14) as office:
        assert office.apply().code in (0, 4)
        assert office.apply().code == 0
        office.settle()


def test_a_batch_that_is_too_large_goes_in_halves(tmp_path: Path) -> None:
    with office_with(tmp_path, "member-cap=4", users=21) as office:
        office.settle()
        assert len(office.members(END_USERS)) == 21


@pytest.mark.parametrize("quirks", [(), HIDDEN, ("aws",), ("no-external-id",)])
def test_a_kill_between_a_new_group_and_its_members_is_completed_by_the_next_run(
    tmp_path: Path, quirks: tuple[str, ...]
) -> None:
    with office_with(tmp_path, *quirks) as office:
        killed = False

        def kill(request: HttpRequest, serve: Service) -> HttpResponse:
            nonlocal killed
            if request.method == "PATCH" and "/Groups/" in request.path and not killed:
                killed = True
                process.kill()
                process.wait()
            return serve(request)

        office.box.intercept("scim", kill)
        process = office.fork("apply", "--yes")
        process.wait()
        assert killed
        office.settle()
        assert len(office.ninjaone.groups) == 2
        assert office.members(END_USERS) == {user(number) for number in range(5)}


def test_a_returner_with_a_new_account_joins_a_group_that_hides_its_members(tmp_path: Path) -> None:
    with office_with(tmp_path, *HIDDEN) as office:
        office.settle()
        office.ninjaone.delete(USER, office.account(user(1))["id"])
        office.settle()
        assert user(1) in office.members(END_USERS)


@pytest.mark.parametrize("shown", [[], None])
def test_members_that_only_a_group_itself_shows_are_read_there(tmp_path: Path, shown: object) -> None:
    with office_with(tmp_path) as office:

        def without_members(request: HttpRequest, serve: Service) -> HttpResponse:
            answer = serve(request)
            if request.method != "GET" or not request.path.endswith("/Groups"):
                return answer
            page = json.loads(answer.body)
            page["Resources"] = [{**one, "members": shown} for one in page["Resources"]]
            return HttpResponse(answer.status, json.dumps(page).encode(), answer.headers)

        office.box.intercept("scim", without_members)
        office.settle()
        before = office.members(END_USERS)
        empty_by_hand(office, END_USERS)
        office.settle()
        assert office.members(END_USERS) == before


def gets_of_groups(office: Office) -> list[str]:
    return [one.path for one in office.box.requests if one.method == "GET" and "/Groups/" in one.path]


@pytest.mark.parametrize("quirks", [HIDDEN, EMPTY, ("aws",), ("polis",)])
@pytest.mark.parametrize(
    ("discovery", "learned"),
    [("auto", "by an apply"), ("list", "by an apply"), ("lookup", "by an apply"), ("auto", "by a plan")],
)
def test_where_members_are_hidden_no_plan_asks_each_group_for_them_from_the_second_run_on(
    tmp_path: Path, quirks: tuple[str, ...], discovery: str, learned: str
) -> None:
    with office_with(tmp_path, *quirks) as office:
        office.configure("ninjaone.dialect", discovery=discovery, patch="put", group_patch="patch")
        assert office.apply().code == 0
        if learned == "by a plan":  # as after an apply that was killed at its end
            office.ask_ledger("DELETE FROM meta WHERE key LIKE 'members_hidden%'")
            office.plan()
        for run in (office.plan, office.apply):
            office.box.forget()
            assert run().code == 0
            asked = gets_of_groups(office)
            assert len(asked) == (2 if discovery == "lookup" else 0), "a look-up reads the group itself, and once"
        hired = office.people.hire("Nora", "New", groups=[END_USERS], user_type="endUser", organization="4")
        office.people.disable(office.duo(user(2)))
        mover = office.duo(user(1))
        office.people.leave(mover, office.people.find_group_id(END_USERS))
        office.people.join(mover, office.people.find_group_id(TECHNICIANS))
        office.settle()
        people = office.people.users
        assert people[hired]["email"] in office.members(END_USERS)
        assert not {user(1), user(2)} & office.members(END_USERS)
        assert user(1) in office.members(TECHNICIANS)


def test_a_server_that_comes_to_show_members_is_believed_although_it_once_hid_them(tmp_path: Path) -> None:
    with office_with(tmp_path, *HIDDEN) as office:
        office.settle()
        office.box.set_behavior()
        before = office.members(END_USERS)
        office.settle()
        empty_by_hand(office, END_USERS)
        empty_by_hand(office, TECHNICIANS)
        office.settle()
        assert office.members(END_USERS) == before


def test_in_look_ups_an_empty_group_that_was_read_by_its_id_is_not_read_again(tmp_path: Path) -> None:
    with office_with(tmp_path) as office:
        office.configure("ninjaone.dialect", discovery="lookup")
        office.people.leave(office.duo("tech0.one@example.com"), office.people.find_group_id(TECHNICIANS))
        office.people.join(office.duo("tech0.one@example.com"), office.people.find_group_id(END_USERS))
        office.settle()
        office.plan()
        assert len(gets_of_groups(office)) == len(set(gets_of_groups(office))) == 2
