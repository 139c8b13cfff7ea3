"""The sandbox's Duo Admin API, asked by the stock client and by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import duo_client
import pytest
import requests

from ninjasync.sandbox.box import Access, Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.ninjaone.store import NinjaOne

Connect: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(make_company(users=320, seed=3), NinjaOne()) as box:
        yield box


@pytest.fixture
def connect(box: Sandbox) -> Connect:
    """The stock client; keyword arguments replace what it is told."""

    def connect(**kwargs: Any) -> Any:
        arguments = {"ikey": box.integration_key, "skey": box.secret_key, "sig_version": 5, **kwargs}
        port = int(box.duo_url.rpartition(":")[2])
        return duo_client.Admin(host="127.0.0.1", port=port, ca_certs="HTTP", **arguments)

    return connect


def failure(call: Callable[[], object]) -> tuple[int, int, str | None]:
    with pytest.raises(RuntimeError) as caught:
        call()
    error: Any = caught.value
    return error.status, error.data["code"], error.data["message_detail"]


@pytest.mark.parametrize("version", [2, 5])
def test_the_stock_client_reads_every_user_with_either_signature(box: Sandbox, connect: Connect, version: int) -> None:
    users = connect(sig_version=version).get_users()
    assert [user["user_id"] for user in users] == list(box.company.users)


@pytest.mark.parametrize("size", [1, 100, 300])
def test_pages_add_up_to_the_whole(box: Sandbox, connect: Connect, size: int) -> None:
    box.forget()
    users = connect(paging_limit=size).get_users()
    assert len(users) == 320
    assert len(box.requests) == -(-320 // size)


def test_a_page_has_a_hundred_users_unless_asked_otherwise_and_never_more_than_three_hundred(
    connect: Connect,
) -> None:
    def page(**params: str) -> tuple[int, dict[str, int]]:
        admin = connect()
        response = admin.api_call("GET", "/admin/v1/users", params)
        rows, metadata = admin.parse_json_response_and_metadata(*response)
        return len(rows), metadata

    assert page() == (100, {"total_objects": 320, "next_offset": 100})
    assert page(limit="500") == (300, {"total_objects": 320, "next_offset": 300})
    assert page(limit="500", offset="300") == (20, {"total_objects": 320, "prev_offset": 0})
    assert page(limit="10", offset="310") == (10, {"total_objects": 320, "prev_offset": 300})
    assert page(limit="10", offset="5") == (10, {"total_objects": 320, "next_offset": 15, "prev_offset": 0})
    assert page(offset="1000") == (0, {"total_objects": 320, "prev_offset": 900})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", ""),
        ("limit", "1" * 30),
        ("offset", "-1"),
        ("offset", "1.5"),
        ("user_id_list", "DU1"),
        ("user_id_list", "[1]"),
        ("user_id_list", "{}"),
        ("username_list", "["),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(connect: Connect, name: str, value: str) -> None:
    call = connect().json_api_call
    assert failure(lambda: call("GET", "/admin/v1/users", {name: value})) == (400, 40002, name)


def test_a_user_comes_with_groups_in_full(box: Sandbox, connect: Connect) -> None:
    user_id = next(iter(box.company.users))
    user = connect().get_user_by_id(user_id)
    assert user == {
        **box.company.users[user_id],
        "groups": [box.company.groups[group_id] for group_id in box.company.users[user_id]["groups"]],
    }
    assert user["groups"]


def test_a_group_that_is_gone_is_not_shown_on_its_users() -> None:
    people = make_company(users=3)
    user_id = next(iter(people.users))
    people.users[user_id]["groups"].append("DGGONE")
    with Sandbox(people, NinjaOne()) as box:
        admin = admin_of(box)
        assert "DGGONE" not in [group["group_id"] for group in admin.get_user_by_id(user_id)["groups"]]


def admin_of(box: Sandbox) -> Any:
    port = int(box.duo_url.rpartition(":")[2])
    return duo_client.Admin(
        box.integration_key, box.secret_key, "127.0.0.1", ca_certs="HTTP", port=port, paging_limit=300
    )


def test_users_are_found_by_name_alias_address_and_id(box: Sandbox, connect: Connect) -> None:
    admin = connect()
    users = box.company.users
    somebody = next(user for user in users.values() if user["alias1"])

    def ids(rows: Any) -> list[str]:
        return [row["user_id"] for row in rows]

    wanted = [somebody["user_id"]]
    assert ids(admin.get_users_by_name(somebody["username"])) == wanted
    assert ids(admin.get_users_by_name(somebody["username"].upper())) == wanted
    assert ids(admin.get_users_by_name(somebody["alias1"])) == wanted
    assert ids(admin.json_api_call("GET", "/admin/v1/users", {"email": somebody["email"]})) == wanted
    assert ids(admin.json_api_call("GET", "/admin/v1/users", {"email": somebody["email"].upper()})) == wanted
    assert ids(admin.get_users_by_names([somebody["username"]])) == wanted
    assert sorted(ids(admin.get_users_by_ids([*list(users)[:5], "DUUNKNOWN"]))) == sorted(list(users)[:5])
    assert ids(admin.get_users_by_name("nobody")) == []


@pytest.mark.parametrize("value", ["a b+c&d=é~*'()/", "", "%", "☃", '"'])
@pytest.mark.parametrize("version", [2, 5])
def test_odd_characters_in_parameters_do_not_break_the_signature(connect: Connect, value: str, version: int) -> None:
    assert connect(sig_version=version).get_users_by_name(value) == []


def test_groups_are_listed_found_and_have_members(box: Sandbox, connect: Connect) -> None:
    admin = connect()
    groups = box.company.groups
    group_id = box.company.find_group_id("Helpdesk")
    assert admin.get_groups() == list(groups.values())
    assert admin.get_group(group_id, api_version=2) == groups[group_id]
    assert groups[group_id]["name"] == 'Helpdesk (from AD sync "Head Office")'
    listed = admin.json_api_call("GET", "/admin/v1/groups", {"group_id_list": f'["{group_id}", "DGNONE"]'})
    assert listed == [groups[group_id]]
    members = list(admin.get_group_users(group_id))
    assert [member["user_id"] for member in members] == box.company.members(group_id)
    assert set(members[0]) == {"user_id", "username"}
    user_id = members[0]["user_id"]
    assert [group["group_id"] for group in admin.get_user_groups(user_id)] == box.company.users[user_id]["groups"]


def test_a_page_of_groups_has_at_most_five_hundred() -> None:
    people = Company()
    for number in range(620):
        people.add_group(f"Group {number}")
    with Sandbox(people, NinjaOne()) as box:
        admin = admin_of(box)
        page = admin.json_api_call("GET", "/admin/v1/groups", {"limit": "1000"})
        assert len(page) == 500
        assert len(admin.get_groups()) == 620


@pytest.mark.parametrize(
    "path",
    [
        "/admin/v1/users/DUNONE",
        "/admin/v1/users/DUNONE/groups",
        "/admin/v1/nothing/DGNONE",
        "/admin/v2/groups/DGNONE",
        "/admin/v2/groups/DGNONE/users",
        "/admin/v1/nothing",
        "/",
    ],
)
def test_what_does_not_exist_is_a_404(connect: Connect, path: str) -> None:
    assert failure(lambda: connect().json_api_call("GET", path, {})) == (404, 40401, None)


def test_a_wrong_secret_and_a_wrong_key_are_told_apart(connect: Connect) -> None:
    assert failure(connect(skey="wrong").get_users)[:2] == (401, 40103)
    assert failure(connect(ikey="DIWRONG").get_users)[:2] == (401, 40102)


@pytest.mark.parametrize("version", [2, 5])
def test_an_integration_that_may_only_read_cannot_write(connect: Connect, version: int) -> None:
    admin = connect(sig_version=version)
    assert failure(lambda: admin.add_user("a b+ü"))[:2] == (403, 40301)
    assert failure(lambda: admin.delete_user("DU1"))[:2] == (403, 40301)


def test_an_integration_without_the_read_permission_sees_nothing() -> None:
    with Sandbox(make_company(users=2), NinjaOne(), access=Access(permissions=())) as box:
        assert failure(admin_of(box).get_groups)[:2] == (403, 40301)
        box.permissions.add("Grant resource - Read")
        assert len(admin_of(box).get_groups()) == 5


def test_an_error_has_duos_shape(box: Sandbox) -> None:
    answer = requests.get(f"{box.duo_url}/admin/v1/users", timeout=5)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "stat": "FAIL",
        "code": 40101,
        "message": "Missing request credentials",
        "message_detail": None,
    }


def test_what_a_test_changes_in_the_company_is_what_duo_says(connect: Connect, box: Sandbox) -> None:
    user_id = list(box.company.users)[-1]
    box.company.users[user_id]["notes"] = "changed"
    assert connect().get_user_by_id(user_id)["notes"] == "changed"
