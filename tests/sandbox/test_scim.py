"""The sandbox's SCIM endpoint: resources, lists, names, versions and NinjaOne's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ninjasync.sandbox.ninjaone import schema
from tests.support.scim_endpoint import BASE, Endpoint, refusal
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION

# --- Creating and reading ----------------------------------------------------------------------


def test_a_created_user_comes_back_whole_with_address_and_version(scim: Endpoint) -> None:
    sent = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": "ana@example.com",
        "externalId": "DUANA",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        EXTENSION: {"userType": "technician", "organizationId": "12"},
    }
    status, document = scim("POST", "/Users", sent)
    location = f"{BASE}/Users/{document['id']}"
    assert status == 201
    assert document == {
        **sent,
        "id": document["id"],
        "active": True,
        "meta": {
            "resourceType": "User",
            "created": "2026-01-01T00:00:00.000Z",
            "lastModified": "2026-01-01T00:00:00.000Z",
            "version": 'W/"1"',
            "location": location,
        },
    }
    assert scim.headers == {
        "Content-Type": "application/scim+json",
        "ETag": 'W/"1"',
        "Location": location,
    }
    assert scim("GET", f"/Users/{document['id']}") == (200, document)


def test_ids_are_opaque_and_follow_from_seed_and_order() -> None:
    def ids(seed: int) -> list[str]:
        endpoint = Endpoint(seed=seed)
        return [endpoint.user(f"u{number}@example.com") for number in range(3)]

    assert ids(1) == ids(1)
    assert set(ids(1)) & set(ids(2)) == set()
    assert len(set(ids(1))) == 3


def test_names_of_attributes_and_schemas_are_not_case_sensitive(scim: Endpoint) -> None:
    body = {
        "Schemas": [CORE_USER.upper()],
        "USERNAME": "ana@example.com",
        "Name": {"GIVENNAME": "Ana"},
        EXTENSION.upper(): {"USERTYPE": "technician"},
    }
    status, document = scim("POST", "/Users", body)
    assert status == 201
    assert document["userName"] == "ana@example.com"
    assert document["name"] == {"givenName": "Ana"}
    assert document[EXTENSION] == {"userType": "technician"}


def test_what_is_read_only_unknown_or_null_is_passed_over(scim: Endpoint) -> None:
    user_id = scim.user(
        "ana@example.com",
        id="mine",
        meta={"version": "mine"},
        groups=[{"value": "g"}],
        nonsense=1,
        title=None,
        emails=[],
        name={},
        displayName="Ana",
    )
    stored = scim.store.users[user_id]
    assert user_id != "mine"
    assert set(stored) == {"schemas", "id", "userName", "displayName", "active", "meta", EXTENSION}


def test_a_users_groups_are_worked_out_and_a_groups_members_have_addresses(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    group_id = scim.group("Techs", ana)
    assert scim("GET", f"/Users/{ana}")[1]["groups"] == [
        {"value": group_id, "$ref": f"{BASE}/Groups/{group_id}", "display": "Techs", "type": "direct"}
    ]
    assert "groups" not in scim("GET", f"/Users/{ben}")[1]
    assert scim("GET", f"/Groups/{group_id}")[1]["members"] == [
        {"value": ana, "$ref": f"{BASE}/Users/{ana}", "type": "User"}
    ]
    assert scim.store.groups[group_id]["members"] == [{"value": ana}]


def test_a_group_without_members_has_no_such_attribute(scim: Endpoint) -> None:
    assert "members" not in scim("GET", f"/Groups/{scim.group('Empty')}")[1]


# --- NinjaOne's rules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, {"userType": "endUser", "organizationId": "All"}),
        ({}, {"userType": "endUser", "organizationId": "All"}),
        ({"userType": "technician"}, {"userType": "technician"}),
        ({"userType": "TechNician"}, {"userType": "technician"}),
        ({"userType": "Technican"}, {"userType": "endUser", "organizationId": "All"}),
        ({"userType": "enduser", "organizationId": "4"}, {"userType": "endUser", "organizationId": "4"}),
        ({"userType": "endUser", "organizationId": "all"}, {"userType": "endUser", "organizationId": "All"}),
        ({"userType": "endUser", "organizationId": "ACME"}, {"userType": "endUser", "organizationId": "All"}),
        ({"userType": "endUser", "organizationId": "٣"}, {"userType": "endUser", "organizationId": "All"}),
        ({"userType": "endUser", "organizationId": 107}, {"userType": "endUser", "organizationId": "107"}),
        ({"userType": "endUser", "organizationId": " 4 "}, {"userType": "endUser", "organizationId": "4"}),
        ({"userType": "technician", "organizationId": "no"}, {"userType": "technician"}),
        (
            {"userType": "technician", "organizationId": "ALL"},
            {"userType": "technician", "organizationId": "All"},
        ),
    ],
)
def test_a_missing_or_wrong_type_or_organization_is_replaced_without_a_word(
    scim: Endpoint, given: Any, stored: dict[str, str]
) -> None:
    user_id = scim.user("ana@example.com", **{EXTENSION: given})
    assert scim.store.users[user_id][EXTENSION] == stored
    assert scim.store.users[user_id]["schemas"] == [CORE_USER, EXTENSION]


def test_a_technician_who_becomes_an_end_user_without_an_organization_sees_all_of_them(
    scim: Endpoint,
) -> None:
    user_id = scim.user("ana@example.com", **{EXTENSION: {"userType": "technician"}})
    body = {"schemas": [CORE_USER], "userName": "ana@example.com", EXTENSION: {}}
    _, document = scim("PUT", f"/Users/{user_id}", body)
    assert document[EXTENSION] == {"userType": "endUser", "organizationId": "All"}


@pytest.mark.parametrize(
    "name", ["ana", "ana@localhost", "@example.com", "a b@example.com", "a@b@c.com", "", " ", None]
)
def test_a_user_name_that_is_no_address_is_refused(scim: Endpoint, name: str | None) -> None:
    answer = scim("POST", "/Users", {"schemas": [CORE_USER], "userName": name})
    assert refusal(answer) == (400, "invalidValue")
    assert scim.store.users == {}


def test_a_user_name_is_unique_whatever_its_case(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    taken = {"schemas": [CORE_USER], "userName": "ANA@Example.com"}
    assert refusal(scim("POST", "/Users", taken)) == (409, "uniqueness")
    assert refusal(scim("PUT", f"/Users/{ben}", taken)) == (409, "uniqueness")
    assert scim("PUT", f"/Users/{ana}", taken)[0] == 200
    assert scim("PUT", f"/Users/{ana}", {"schemas": [CORE_USER], "userName": "new@example.com"})[0] == 200
    assert scim("POST", "/Users", taken)[0] == 201


def test_a_group_name_is_unique_and_required(scim: Endpoint) -> None:
    techs = scim.group("Techs")
    users = scim.group("Users")
    assert refusal(scim("POST", "/Groups", {"schemas": [CORE_GROUP], "displayName": "TECHS"})) == (
        409,
        "uniqueness",
    )
    renamed = {"schemas": [CORE_GROUP], "displayName": "techs"}
    assert refusal(scim("PUT", f"/Groups/{users}", renamed)) == (409, "uniqueness")
    assert scim("PUT", f"/Groups/{techs}", renamed)[0] == 200
    assert refusal(scim("POST", "/Groups", {"schemas": [CORE_GROUP]})) == (400, "invalidValue")


def test_a_member_must_exist(scim: Endpoint) -> None:
    body = {"schemas": [CORE_GROUP], "displayName": "Techs", "members": [{"value": "nobody"}]}
    assert refusal(scim("POST", "/Groups", body)) == (400, "invalidValue")
    assert scim.store.groups == {}


def test_a_deleted_user_leaves_every_group_and_the_name_is_free(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    first, second = scim.group("First", ana, ben), scim.group("Second", ana)
    assert scim("DELETE", f"/Users/{ana}") == (204, None)
    assert scim.store.groups[first]["members"] == [{"value": ben}]
    assert scim.store.groups[second]["members"] == []
    assert refusal(scim("GET", f"/Users/{ana}"))[0] == 404
    assert refusal(scim("DELETE", f"/Users/{ana}"))[0] == 404
    assert scim.user("ana@example.com") != ana


def test_a_deleted_group_leaves_its_members_alone(scim: Endpoint) -> None:
    ana = scim.user("ana@example.com")
    group_id = scim.group("Techs", ana)
    assert scim("DELETE", f"/Groups/{group_id}") == (204, None)
    assert "groups" not in scim("GET", f"/Users/{ana}")[1]
    assert scim.group("Techs") != group_id


# --- Replacing ---------------------------------------------------------------------------------


def test_put_drops_what_is_left_out(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com", title="Boss", active=False, externalId="DU1")
    status, document = scim("PUT", f"/Users/{user_id}", {"schemas": [CORE_USER], "userName": "ana@example.com"})
    assert status == 200
    assert "title" not in document
    assert "externalId" not in document
    assert document["active"] is True
    assert document["meta"]["version"] == 'W/"2"'


def test_a_write_without_a_difference_changes_no_version(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com", title="Boss")
    body = {"schemas": [CORE_USER], "userName": "ana@example.com", "title": "Boss"}
    assert scim("PUT", f"/Users/{user_id}", body)[1]["meta"]["version"] == 'W/"1"'


def test_a_write_is_dated(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com")
    scim.store.now = lambda: "2026-06-01T00:00:00.000Z"
    meta = scim("PUT", f"/Users/{user_id}", {"schemas": [CORE_USER], "userName": "b@example.com"})[1]["meta"]
    assert (meta["created"], meta["lastModified"]) == ("2026-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z")


# --- Versions ----------------------------------------------------------------------------------


def test_if_match_guards_every_write(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com")
    path, body = f"/Users/{user_id}", {"schemas": [CORE_USER], "userName": "ben@example.com"}
    stale = {"if-match": 'W/"7"'}
    for method in ("PUT", "PATCH", "DELETE"):
        assert refusal(scim(method, path, body, headers=stale))[0] == 412
    assert scim("PUT", path, body, headers={"if-match": 'W/"9", W/"1"'})[0] == 200
    assert scim("PUT", path, body, headers={"if-match": "*"})[0] == 200
    assert scim("DELETE", path, headers={"if-match": '"2"'})[0] == 204


def test_what_the_client_already_has_is_not_sent_again(scim: Endpoint) -> None:
    path = f"/Users/{scim.user('ana@example.com')}"
    assert scim("GET", path, headers={"if-none-match": 'W/"1"'}) == (304, None)
    assert scim("GET", path, headers={"if-none-match": 'W/"2"'})[0] == 200


# --- What a person does by hand, past all rules ------------------------------------------------


def test_changes_by_hand_count_at_once(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    scim.store.edit(schema.USER, ana, userName="zoe@example.com")
    assert scim.names(filter='userName eq "zoe@example.com"') == ["zoe@example.com"]
    assert scim.names(filter='userName eq "ana@example.com"') == []
    scim.store.delete(schema.USER, ben)
    assert scim.names() == ["zoe@example.com"]
    assert scim.user("ben@example.com") != ben
    scim.store.overwrite(schema.USER, {"id": "own", "userName": "own@example.com"})
    scim.store.edit(schema.USER, "own", userName="renamed@example.com")
    assert scim.names(filter='userName eq "renamed@example.com"') == ["renamed@example.com"]
    assert scim("GET", "/Users/own")[1]["meta"] == {"location": f"{BASE}/Users/own"}
    status, document = scim("PUT", "/Users/own", {"schemas": [CORE_USER], "userName": "put@example.com"})
    assert (status, document["meta"]["version"]) == (200, 'W/"1"')
    scim.store.overwrite(schema.USER, {"id": "two", "userName": "two@example.com"})
    scim.store.edit(schema.USER, "two", externalId="DU2")
    assert scim.names(filter='externalId eq "DU2"') == ["two@example.com"]
    scim.store.clear()
    assert scim.names() == scim.names(filter='externalId eq "DU2"') == []
    scim.user("two@example.com")  # the name is free again


def test_members_changed_by_hand_count_at_once(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    group_id = scim.group("Techs", ana)
    assert scim.store.groups_of(ana) == [group_id]
    scim.store.edit(schema.GROUP, group_id, members=[{"value": ana}, {"value": ben}])
    assert scim.store.groups_of(ben) == [group_id]
    scim.store.edit(schema.GROUP, group_id, members=[])
    assert scim.store.groups_of(ana) == []
    scim.store.edit(schema.GROUP, group_id, members=None)
    assert scim.store.groups_of(ben) == []
    scim.store.delete(schema.GROUP, group_id)
    assert scim.store.groups_of(ana) == []


def test_the_tables_are_there_to_be_read(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com")
    with pytest.raises(TypeError):
        scim.store.users[user_id] = {}  # type: ignore[index]  # that is the point
    with pytest.raises(TypeError):
        del scim.store.users[user_id]  # type: ignore[attr-defined]  # that is the point
    assert json.loads(json.dumps(dict(scim.store.users)))[user_id]["userName"] == "ana@example.com"
