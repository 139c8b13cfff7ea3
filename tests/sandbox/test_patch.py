"""The sandbox's PATCH: RFC 7644 §3.5.2, and the dialects that real clients speak."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, Json
from ninjasync.sandbox.ninjaone.api import scim_api
from ninjasync.sandbox.ninjaone.body import clean_resource
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.urns import EXTENSION, PATCH_OP

WORK = {"value": "ana@work.example", "type": "work", "primary": True}
HOME = {"value": "ana@home.example", "type": "home"}


@pytest.fixture
def store() -> NinjaOne:
    return NinjaOne()


@pytest.fixture
def ana(store: NinjaOne) -> str:
    body = {
        "schemas": [USER.schema],
        "userName": "ana@example.com",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        "title": "Boss",
        "emails": [WORK, HOME],
        EXTENSION: {"userType": "technician", "organizationId": "4"},
    }
    return str(store.create(USER, clean_resource(USER, body))["id"])


@pytest.fixture
def techs(store: NinjaOne, ana: str) -> str:
    body = {"schemas": [GROUP.schema], "displayName": "Techs", "members": [{"value": ana}]}
    return str(store.create(GROUP, clean_resource(GROUP, body))["id"])


def send(store: NinjaOne, path: str, body: Any) -> tuple[int, Any]:
    headers = {"host": "h", "authorization": "Bearer T"}
    request = HttpRequest("PATCH", f"/scim/v2{path}", "", headers, json.dumps(body).encode())
    response = scim_api(store, "T")(request)
    return response.status, json.loads(response.body)


def patch(store: NinjaOne, path: str, *operations: Any) -> Json:
    """The resource as stored after the operations, which must go through."""
    status, document = send(store, path, {"schemas": [PATCH_OP], "Operations": list(operations)})
    assert status == 200, document
    table = store.users if path.startswith("/Users") else store.groups
    return dict(table[document["id"]])


def refused(store: NinjaOne, path: str, *operations: Any) -> str:
    """The scimType of the refusal; nothing may have changed."""
    before = copy.deepcopy((dict(store.users), dict(store.groups)))
    status, document = send(store, path, {"schemas": [PATCH_OP], "Operations": list(operations)})
    assert status == 400, document
    assert (store.users, store.groups) == before
    return str(document["scimType"])


def add(path: str | None, value: Any) -> Json:
    return {"op": "add", "path": path, "value": value}


def replace(path: str | None, value: Any) -> Json:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str | None, **more: Any) -> Json:
    return {"op": "remove", "path": path, **more}


# Single values


@pytest.mark.parametrize("op", ["add", "replace", "Add", "Replace", "REPLACE"])
def test_a_value_is_set_whatever_the_case_of_the_operation(store: NinjaOne, ana: str, op: str) -> None:
    user = patch(store, f"/Users/{ana}", {"op": op, "path": "nickname", "value": "A"})
    assert user["nickName"] == "A"
    assert user["meta"]["version"] == 'W/"2"'


def test_operations_are_applied_in_order_or_not_at_all(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    assert patch(store, path, replace("title", "A"), replace("title", "B"))["title"] == "B"
    assert refused(store, path, replace("title", "C"), replace("userName", "no address")) == "invalidValue"


def test_no_difference_is_no_new_version(store: NinjaOne, ana: str) -> None:
    user = patch(store, f"/Users/{ana}", replace("title", "Boss"), add("emails", [HOME]), remove("nickName"))
    assert user["meta"]["version"] == 'W/"1"'


def test_a_value_is_taken_away(store: NinjaOne, ana: str) -> None:
    assert "title" not in patch(store, f"/Users/{ana}", remove("title"))
    assert "name" not in patch(store, f"/Users/{ana}", replace("name", None))


def test_active_is_switched_off_and_on(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    assert patch(store, path, replace("active", False))["active"] is False
    assert patch(store, path, replace("active", "True"))["active"] is True
    assert patch(store, path, replace("active", False), remove("active"))["active"] is True


def test_parts_of_a_name_change_and_the_others_stay(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    assert patch(store, path, replace("name.givenName", "Anna"))["name"] == {"givenName": "Anna", "familyName": "Ruiz"}
    assert patch(store, path, replace("name", {"familyName": "Diaz"}))["name"] == {
        "givenName": "Anna",
        "familyName": "Diaz",
    }
    assert patch(store, path, remove("name.givenName"))["name"] == {"familyName": "Diaz"}
    assert patch(store, path, replace("name", {"FamilyName": None, "givenName": "A"}))["name"] == {"givenName": "A"}
    assert "name" not in patch(store, path, remove("name.givenName"))
    assert "name" not in patch(store, path, remove("name.givenName"))
    assert patch(store, path, add("name.givenName", "B"))["name"] == {"givenName": "B"}


# The extension


def test_the_extension_is_reached_by_urn(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    assert patch(store, path, replace(f"{EXTENSION}:organizationId", "12"))[EXTENSION] == {
        "userType": "technician",
        "organizationId": "12",
    }
    assert patch(store, path, add(EXTENSION, {"organizationId": "All"}))[EXTENSION]["userType"] == "technician"
    assert patch(store, path, replace(EXTENSION, {"OrganizationId": None}))[EXTENSION] == {"userType": "technician"}
    assert patch(store, path, remove(f"{EXTENSION}:userType"))[EXTENSION] == {
        "userType": "endUser",
        "organizationId": "All",
    }
    patch(store, path, replace(f"{EXTENSION}:userType", "technician"), replace(f"{EXTENSION}:organizationId", 4))
    assert store.users[ana][EXTENSION] == {"userType": "technician", "organizationId": "4"}
    assert patch(store, path, remove(EXTENSION))[EXTENSION] == {"userType": "endUser", "organizationId": "All"}


def test_a_wrong_type_makes_an_end_user_without_a_word(store: NinjaOne, ana: str) -> None:
    user = patch(store, f"/Users/{ana}", replace(f"{EXTENSION}:userType", "Technican"))
    assert user[EXTENSION] == {"userType": "endUser", "organizationId": "4"}


# Without a path


def test_without_a_path_the_value_holds_the_attributes(store: NinjaOne, ana: str) -> None:
    user = patch(
        store,
        f"/Users/{ana}",
        {
            "op": "Replace",
            "value": {
                "id": "other",
                "schemas": ["x"],
                "nonsense": 1,
                "TITLE": "Chief",
                "active": False,
                "name.givenName": "Anna",
                EXTENSION: {"organizationId": "12"},
                f"{EXTENSION}:userType": "endUser",
            },
        },
    )
    assert user["id"] == ana
    assert (user["title"], user["active"]) == ("Chief", False)
    assert user["name"] == {"givenName": "Anna", "familyName": "Ruiz"}
    assert user[EXTENSION] == {"userType": "endUser", "organizationId": "12"}


def test_without_a_path_add_joins_lists_and_replace_replaces_them(store: NinjaOne, ana: str) -> None:
    more = {"value": "x@example.com"}
    assert patch(store, f"/Users/{ana}", add(None, {"emails": [more]}))["emails"] == [WORK, HOME, more]
    assert patch(store, f"/Users/{ana}", replace(None, {"emails": [more]}))["emails"] == [more]


# Many values


def test_values_are_added_once(store: NinjaOne, ana: str) -> None:
    more = {"value": "x@example.com"}
    user = patch(store, f"/Users/{ana}", add("emails", [HOME, more, more]), add("emails", more))
    assert user["emails"] == [WORK, HOME, more]


def test_a_list_is_replaced_and_emptied(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    assert patch(store, path, replace("emails", [HOME]))["emails"] == [HOME]
    assert "emails" not in patch(store, path, replace("emails", []))
    assert patch(store, path, add("emails", HOME))["emails"] == [HOME]
    assert "emails" not in patch(store, path, remove("emails"))


def test_a_filter_chooses_the_value_to_change(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"
    home = patch(store, path, replace('emails[type eq "home"].value', "new@example.com"))["emails"]
    assert home == [WORK, {**HOME, "value": "new@example.com"}]
    assert patch(store, path, add('emails[type eq "home"]', {"display": "D"}))["emails"][1]["display"] == "D"
    assert patch(store, path, replace('emails[type eq "home"]', HOME))["emails"] == [WORK, HOME]
    assert patch(store, path, remove('emails[type eq "work"].primary'))["emails"][0] == {
        "value": "ana@work.example",
        "type": "work",
    }
    assert patch(store, path, remove('emails[type eq "work"]'))["emails"] == [HOME]
    assert "emails" not in patch(store, path, remove("emails.value"), remove("emails.type"))


def test_every_value_gets_the_part_that_is_set_without_a_filter(store: NinjaOne, ana: str) -> None:
    emails = patch(store, f"/Users/{ana}", replace("emails.display", "D"))["emails"]
    assert [email["display"] for email in emails] == ["D", "D"]


def test_there_is_one_primary_value_and_the_newest_wins(store: NinjaOne, ana: str) -> None:
    path = f"/Users/{ana}"

    def primary(operation: Json) -> list[str]:
        return [item["value"] for item in patch(store, path, operation)["emails"] if item.get("primary")]

    assert primary(replace('emails[type eq "home"].primary', True)) == ["ana@home.example"]
    assert primary(add("emails", [{"value": "x@example.com", "primary": True}])) == ["x@example.com"]


@pytest.mark.parametrize("op", ["add", "replace"])
def test_a_filter_that_chooses_nothing_has_no_target(store: NinjaOne, ana: str, op: str) -> None:
    operation = {"op": op, "path": 'emails[type eq "other"].value', "value": "x@example.com"}
    assert refused(store, f"/Users/{ana}", operation) == "noTarget"
    patch(store, f"/Users/{ana}", remove("emails"))
    assert refused(store, f"/Users/{ana}", operation) == "noTarget"
    assert refused(store, f"/Users/{ana}", {**operation, "path": "emails.value"}) == "noTarget"


# Members


def new_users(store: NinjaOne, count: int) -> list[str]:
    bodies = ({"schemas": [USER.schema], "userName": f"u{number}@example.com"} for number in range(count))
    return [store.create(USER, body)["id"] for body in bodies]


def members(group: Json) -> list[str]:
    return [item["value"] for item in group["members"]]


def test_members_are_added_once_and_removed_by_filter(store: NinjaOne, ana: str, techs: str) -> None:
    ben, eva = new_users(store, 2)
    path = f"/Groups/{techs}"
    values = [{"value": ben}, {"value": ana}, {"value": ben, "type": "User", "$ref": "x", "display": "Ben"}]
    assert members(patch(store, path, add("members", values))) == [ana, ben]
    assert members(patch(store, path, {"op": "Add", "path": "members", "value": {"value": eva}})) == [ana, ben, eva]
    assert members(patch(store, path, remove(f'members[value eq "{ben}"]'))) == [ana, eva]
    gone = patch(store, path, remove(f'members[value eq "{ben}"]'))
    assert members(gone) == [ana, eva]
    assert members(patch(store, path, remove(f'members[value eq "{ana}" or value eq "{eva}"]'))) == []
    assert store.groups[techs]["members"] == []


def test_members_are_removed_by_a_list_of_values_as_entra_does(store: NinjaOne, ana: str, techs: str) -> None:
    ben, eva = new_users(store, 2)
    path = f"/Groups/{techs}"
    patch(store, path, add("members", [{"value": ben}, {"value": eva}]))
    removal = {"op": "Remove", "path": "members", "value": [{"value": ana}, {"value": ben}]}
    assert members(patch(store, path, removal)) == [eva]
    assert members(patch(store, path, removal)) == [eva]
    assert members(patch(store, path, remove("members", value=[{"value": eva}]))) == []


def test_members_are_replaced_and_emptied(store: NinjaOne, ana: str, techs: str) -> None:
    (ben,) = new_users(store, 1)
    path = f"/Groups/{techs}"
    assert members(patch(store, path, replace("members", [{"value": ben}]))) == [ben]
    assert members(patch(store, path, replace(None, {"members": [{"value": ana}]}))) == [ana]
    assert members(patch(store, path, remove("members"))) == []


def test_a_member_must_exist_and_cannot_become_another(store: NinjaOne, ana: str, techs: str) -> None:
    (ben,) = new_users(store, 1)
    path = f"/Groups/{techs}"
    assert refused(store, path, add("members", [{"value": "nobody"}])) == "invalidValue"
    assert refused(store, path, add("members", [{"display": "Ben"}])) == "invalidValue"
    one = f'members[value eq "{ana}"]'
    assert refused(store, path, replace(f"{one}.value", ben)) == "mutability"
    assert refused(store, path, replace(one, {"value": ben})) == "mutability"
    assert members(patch(store, path, replace(one, {"value": ana}))) == [ana]


def test_a_group_is_renamed_in_place(store: NinjaOne, techs: str, ana: str) -> None:
    group = patch(store, f"/Groups/{techs}", replace("displayName", "Technicians"))
    assert (group["id"], group["displayName"], members(group)) == (techs, "Technicians", [ana])
    assert refused(store, f"/Groups/{techs}", remove("displayName")) == "invalidValue"


# Refusals


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (replace("id", "x"), "mutability"),
        (replace("meta.version", "x"), "mutability"),
        (add("groups", [{"value": "x"}]), "mutability"),
        (replace("schemas", ["x"]), "mutability"),
        (remove("id"), "mutability"),
        (replace("nonsense", "x"), "invalidPath"),
        (replace("name.nonsense", "x"), "invalidPath"),
        (replace(f"{EXTENSION}:nonsense", "x"), "invalidPath"),
        (remove("nonsense"), "invalidPath"),
        (replace('name[givenName eq "Ana"]', {}), "invalidPath"),
        (replace('emails[type is "x"]', {}), "invalidPath"),
        ({"op": "replace", "path": 5, "value": "x"}, "invalidPath"),
        (remove(None), "noTarget"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "title"}, "invalidValue"),
        (replace(None, "x"), "invalidValue"),
        (replace("title", 5), "invalidValue"),
        (replace("name", "Ana"), "invalidValue"),
        (replace(EXTENSION, "technician"), "invalidValue"),
        (replace('emails[type eq "work"]', "x"), "invalidValue"),
        (replace("userName", None), "invalidValue"),
        (remove("userName"), "invalidValue"),
        ({"op": "move", "path": "title", "value": "x"}, "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
        ("replace", "invalidSyntax"),
    ],
)
def test_what_cannot_be_done_is_refused(store: NinjaOne, ana: str, operation: Any, scim_type: str) -> None:
    assert refused(store, f"/Users/{ana}", operation) == scim_type


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"Operations": [replace("title", "x")]},
        {"schemas": [USER.schema], "Operations": [replace("title", "x")]},
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": []},
        {"schemas": [PATCH_OP], "Operations": {}},
    ],
)
def test_what_is_no_patch_is_refused(store: NinjaOne, ana: str, body: Any) -> None:
    status, document = send(store, f"/Users/{ana}", body)
    assert (status, document["scimType"]) == (400, "invalidSyntax")


def test_a_taken_name_is_a_conflict(store: NinjaOne, ana: str) -> None:
    new_users(store, 1)
    body = {"schemas": [PATCH_OP], "Operations": [replace("userName", "U0@example.com")]}
    status, document = send(store, f"/Users/{ana}", body)
    assert (status, document["scimType"]) == (409, "uniqueness")
    assert store.users[ana]["userName"] == "ana@example.com"


def test_patching_an_unknown_user_is_a_404(store: NinjaOne) -> None:
    assert send(store, "/Users/none", {"schemas": [PATCH_OP], "Operations": [remove("title")]})[0] == 404
