"""The sandbox's SCIM endpoint: resources, lists, names, versions and NinjaOne's rules."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from ninjasync.sandbox.exchange import HttpRequest
from ninjasync.sandbox.ninjaone import schema
from ninjasync.sandbox.ninjaone.api import scim_api
from ninjasync.sandbox.ninjaone.store import NinjaOne

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
NINJAONE = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
BASE = "http://127.0.0.1:1/scim/v2"


class Endpoint:
    """A NinjaOne asked without a network; the last response's headers are kept."""

    def __init__(self, **kwargs: Any) -> None:
        self.store = NinjaOne(**kwargs)
        self.headers: dict[str, str] = {}

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Any = None,
        **params: Any,
    ) -> tuple[int, Any]:
        sent = {"host": "127.0.0.1:1", "authorization": "Bearer T", **(headers or {})}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = HttpRequest(method, f"/scim/v2{path}", urlencode(params), sent, raw)
        response = scim_api(self.store, "T")(request)
        self.headers = dict(response.headers)
        return response.status, json.loads(response.body) if response.body else None

    def user(self, user_name: str, **more: Any) -> str:
        status, document = self("POST", "/Users", {"schemas": [USER], "userName": user_name, **more})
        assert status == 201, document
        return str(document["id"])

    def group(self, name: str, *members: str) -> str:
        values = [{"value": member} for member in members]
        body = {"schemas": [GROUP], "displayName": name, "members": values}
        status, document = self("POST", "/Groups", body)
        assert status == 201, document
        return str(document["id"])

    def names(self, **params: Any) -> list[str]:
        status, document = self("GET", "/Users", **params)
        assert status == 200, document
        return [user["userName"] for user in document["Resources"]]


@pytest.fixture
def scim() -> Endpoint:
    return Endpoint(now=lambda: "2026-01-01T00:00:00.000Z")


def refusal(answer: tuple[int, Any]) -> tuple[int, str | None]:
    """Status and scimType of an error, which must have the form of one."""
    status, document = answer
    assert document["schemas"] == [ERROR]
    assert document["status"] == str(status)
    assert document["detail"]
    return status, document.get("scimType")


# Creating and reading


def test_a_created_user_comes_back_whole_with_address_and_version(scim: Endpoint) -> None:
    sent = {
        "schemas": [USER, NINJAONE],
        "userName": "ana@example.com",
        "externalId": "DUANA",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        NINJAONE: {"userType": "technician", "organizationId": "12"},
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
        "Schemas": [USER.upper()],
        "USERNAME": "ana@example.com",
        "Name": {"GIVENNAME": "Ana"},
        NINJAONE.upper(): {"USERTYPE": "technician"},
    }
    status, document = scim("POST", "/Users", body)
    assert status == 201
    assert document["userName"] == "ana@example.com"
    assert document["name"] == {"givenName": "Ana"}
    assert document[NINJAONE] == {"userType": "technician"}


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
    assert set(stored) == {"schemas", "id", "userName", "displayName", "active", "meta", NINJAONE}


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


# NinjaOne's rules


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
    user_id = scim.user("ana@example.com", **{NINJAONE: given})
    assert scim.store.users[user_id][NINJAONE] == stored
    assert scim.store.users[user_id]["schemas"] == [USER, NINJAONE]


def test_a_technician_who_becomes_an_end_user_without_an_organization_sees_all_of_them(
    scim: Endpoint,
) -> None:
    user_id = scim.user("ana@example.com", **{NINJAONE: {"userType": "technician"}})
    _, document = scim("PUT", f"/Users/{user_id}", {"schemas": [USER], "userName": "ana@example.com", NINJAONE: {}})
    assert document[NINJAONE] == {"userType": "endUser", "organizationId": "All"}


@pytest.mark.parametrize(
    "name", ["ana", "ana@localhost", "@example.com", "a b@example.com", "a@b@c.com", "", " ", None]
)
def test_a_user_name_that_is_no_address_is_refused(scim: Endpoint, name: str | None) -> None:
    answer = scim("POST", "/Users", {"schemas": [USER], "userName": name})
    assert refusal(answer) == (400, "invalidValue")
    assert scim.store.users == {}


def test_a_user_name_is_unique_whatever_its_case(scim: Endpoint) -> None:
    ana, ben = scim.user("ana@example.com"), scim.user("ben@example.com")
    taken = {"schemas": [USER], "userName": "ANA@Example.com"}
    assert refusal(scim("POST", "/Users", taken)) == (409, "uniqueness")
    assert refusal(scim("PUT", f"/Users/{ben}", taken)) == (409, "uniqueness")
    assert scim("PUT", f"/Users/{ana}", taken)[0] == 200
    assert scim("PUT", f"/Users/{ana}", {"schemas": [USER], "userName": "new@example.com"})[0] == 200
    assert scim("POST", "/Users", taken)[0] == 201


def test_a_group_name_is_unique_and_required(scim: Endpoint) -> None:
    techs = scim.group("Techs")
    users = scim.group("Users")
    assert refusal(scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "TECHS"})) == (
        409,
        "uniqueness",
    )
    renamed = {"schemas": [GROUP], "displayName": "techs"}
    assert refusal(scim("PUT", f"/Groups/{users}", renamed)) == (409, "uniqueness")
    assert scim("PUT", f"/Groups/{techs}", renamed)[0] == 200
    assert refusal(scim("POST", "/Groups", {"schemas": [GROUP]})) == (400, "invalidValue")


def test_a_member_must_exist(scim: Endpoint) -> None:
    body = {"schemas": [GROUP], "displayName": "Techs", "members": [{"value": "nobody"}]}
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


# Replacing


def test_put_drops_what_is_left_out(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com", title="Boss", active=False, externalId="DU1")
    status, document = scim("PUT", f"/Users/{user_id}", {"schemas": [USER], "userName": "ana@example.com"})
    assert status == 200
    assert "title" not in document
    assert "externalId" not in document
    assert document["active"] is True
    assert document["meta"]["version"] == 'W/"2"'


def test_a_write_without_a_difference_changes_no_version(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com", title="Boss")
    body = {"schemas": [USER], "userName": "ana@example.com", "title": "Boss"}
    assert scim("PUT", f"/Users/{user_id}", body)[1]["meta"]["version"] == 'W/"1"'


def test_a_write_is_dated(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com")
    scim.store.now = lambda: "2026-06-01T00:00:00.000Z"
    meta = scim("PUT", f"/Users/{user_id}", {"schemas": [USER], "userName": "b@example.com"})[1]["meta"]
    assert (meta["created"], meta["lastModified"]) == ("2026-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z")


# Versions


def test_if_match_guards_every_write(scim: Endpoint) -> None:
    user_id = scim.user("ana@example.com")
    path, body = f"/Users/{user_id}", {"schemas": [USER], "userName": "ben@example.com"}
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


# Lists


def test_a_list_is_paged_in_order_of_creation(scim: Endpoint) -> None:
    names = [f"u{number:03}@example.com" for number in range(7)]
    for name in names:
        scim.user(name)
    status, page = scim("GET", "/Users", startIndex=3, count=2)
    assert status == 200
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (7, 3, 2)
    assert [user["userName"] for user in page["Resources"]] == names[2:4]
    assert scim.names(startIndex=6, count=5) == names[5:]
    assert scim.names(startIndex=0) == names
    assert scim.names(startIndex=-5, count=1) == names[:1]
    assert scim.names(startIndex=8) == []
    assert scim.names(count=0) == []
    assert scim.names(count=-1) == []
    assert scim("GET", "/Users", count=0)[1]["totalResults"] == 7


def test_a_page_has_a_hundred_items_unless_asked_otherwise_and_never_more_than_the_cap() -> None:
    scim = Endpoint(page_cap=150)
    for number in range(200):
        scim.user(f"u{number}@example.com")
    assert len(scim.names()) == 100
    assert len(scim.names(count=1000)) == 150
    scim.store.page_cap = 20
    assert len(scim.names()) == 20
    assert scim("GET", "/ServiceProviderConfig")[1]["filter"] == {"supported": True, "maxResults": 20}


@pytest.mark.parametrize("params", [{"count": "ten"}, {"startIndex": "1.5"}])
def test_a_page_that_is_no_number_is_refused(scim: Endpoint, params: dict[str, str]) -> None:
    assert refusal(scim("GET", "/Users", **params)) == (400, "invalidValue")


def test_an_id_is_found_by_filter(scim: Endpoint) -> None:
    ana = scim.user("ana@example.com")
    scim.user("ben@example.com")
    assert scim.names(filter=f'id eq "{ana}"') == ["ana@example.com"]
    assert scim.names(filter='id eq "nobody"') == []
    assert scim.names(filter=f'active eq true and id eq "{ana}"') == ["ana@example.com"]
    assert scim.names(filter=f'id eq "{ana}" or userName sw "b"') == ["ana@example.com", "ben@example.com"]


def test_a_filter_narrows_the_total_too(scim: Endpoint) -> None:
    for number in range(5):
        scim.user(f"u{number}@example.com", active=number % 2 == 0)
    _, page = scim("GET", "/Users", filter="active eq true", count=1, startIndex=2)
    assert (page["totalResults"], page["itemsPerPage"]) == (3, 1)
    assert page["Resources"][0]["userName"] == "u2@example.com"


def test_a_list_is_sorted_when_asked_and_what_has_no_value_comes_last(scim: Endpoint) -> None:
    scim.user("b@example.com", title="x", externalId="a")
    scim.user("C@example.com", externalId="B")
    scim.user("a@example.com", title="Y")
    assert scim.names(sortBy="userName") == ["a@example.com", "b@example.com", "C@example.com"]
    assert scim.names(sortBy="userName", sortOrder="descending")[0] == "C@example.com"
    assert scim.names(sortBy="title") == ["b@example.com", "a@example.com", "C@example.com"]
    assert scim.names(sortBy="title", sortOrder="descending")[0] == "C@example.com"
    assert scim.names(sortBy="externalId")[:2] == ["C@example.com", "b@example.com"]
    assert scim.names(sortBy="userName", filter="title pr", startIndex=2) == ["b@example.com"]
    assert refusal(scim("GET", "/Users", sortBy="nonsense")) == (400, "invalidPath")


# Choosing attributes


def test_only_the_wanted_attributes_are_returned(scim: Endpoint) -> None:
    user_id = scim.user(
        "ana@example.com",
        name={"givenName": "Ana", "familyName": "Ruiz"},
        emails=[{"value": "a@example.com", "type": "work"}, {"value": "b@example.com"}],
        **{NINJAONE: {"userType": "technician", "organizationId": "1"}},
    )
    always = {"schemas": [USER, NINJAONE], "id": user_id}

    def only(attributes: str) -> Any:
        return scim("GET", f"/Users/{user_id}", attributes=attributes)[1]

    assert only("username") == {**always, "userName": "ana@example.com"}
    assert only("name.givenName, nonsense,title") == {**always, "name": {"givenName": "Ana"}}
    assert only("name.givenName,name.familyName")["name"] == {"givenName": "Ana", "familyName": "Ruiz"}
    assert only("emails.type,emails.value")["emails"] == [
        {"type": "work", "value": "a@example.com"},
        {"value": "b@example.com"},
    ]
    assert only(f"{NINJAONE}:userType") == {**always, NINJAONE: {"userType": "technician"}}
    assert only(f"{NINJAONE},{USER}:userName")[NINJAONE]["organizationId"] == "1"
    assert only("title") == always
    assert only("title,userName") == {**always, "userName": "ana@example.com"}
    scim.store.edit(schema.USER, user_id, **{NINJAONE: None})
    assert only(NINJAONE) == {**always, "schemas": [USER, NINJAONE]}
    assert only("meta.version") == {**always, "meta": {"version": 'W/"1"'}}


def test_unwanted_attributes_are_left_out(scim: Endpoint) -> None:
    user_id = scim.user(
        "ana@example.com",
        name={"givenName": "Ana", "familyName": "Ruiz"},
        emails=[{"value": "a@example.com", "type": "work"}],
        **{NINJAONE: {"userType": "technician", "organizationId": "1"}},
    )

    def without(names: str) -> Any:
        return scim("GET", f"/Users/{user_id}", excludedAttributes=names)[1]

    assert without("id,schemas")["id"] == user_id
    assert "userName" not in without("USERNAME")
    assert without("name.givenName,title")["name"] == {"familyName": "Ruiz"}
    assert without("emails.type")["emails"] == [{"value": "a@example.com"}]
    assert NINJAONE not in without(NINJAONE)
    assert without(f"{NINJAONE}:userType")[NINJAONE] == {"organizationId": "1"}
    assert scim.store.users[user_id]["name"] == {"givenName": "Ana", "familyName": "Ruiz"}


def test_choosing_both_ways_is_refused_before_anything_is_written(scim: Endpoint) -> None:
    body = {"schemas": [USER], "userName": "ana@example.com"}
    answer = scim("POST", "/Users", body, attributes="id", excludedAttributes="meta")
    assert refusal(answer) == (400, "invalidValue")
    assert scim.store.users == {}


def test_members_can_be_left_out_of_a_list(scim: Endpoint) -> None:
    scim.group("Techs", scim.user("ana@example.com"))
    _, page = scim("GET", "/Groups", excludedAttributes="members")
    assert "members" not in page["Resources"][0]
    assert page["Resources"][0]["displayName"] == "Techs"


def test_a_written_resource_is_returned_as_far_as_asked(scim: Endpoint) -> None:
    body = {"schemas": [USER], "userName": "ana@example.com"}
    status, document = scim("POST", "/Users", body, attributes="userName")
    assert status == 201
    assert set(document) == {"schemas", "id", "userName"}


# Malformed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"userName": "a@example.com"}',
        b'{"schemas": "x"}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_resource_is_refused(scim: Endpoint, body: bytes) -> None:
    assert refusal(scim("POST", "/Users", body)) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": 5},
        {"title": True},
        {"active": "maybe"},
        {"active": 1},
        {"name": "Ana"},
        {"emails": ["a@example.com"]},
        {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},
        {NINJAONE: "technician"},
        {NINJAONE: {"organizationId": True}},
        {NINJAONE: {"userType": 1}},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(scim: Endpoint, wrong: dict[str, Any]) -> None:
    body = {"schemas": [USER], "userName": "ana@example.com", **wrong}
    assert refusal(scim("POST", "/Users", body)) == (400, "invalidValue")


def test_a_member_without_an_id_is_refused(scim: Endpoint) -> None:
    body = {"schemas": [GROUP], "displayName": "Techs", "members": [{"display": "Ana"}]}
    assert refusal(scim("POST", "/Groups", body)) == (400, "invalidValue")


@pytest.mark.parametrize(("sent", "stored"), [("True", True), ("False", False), ("false", False), (True, True)])
def test_a_boolean_may_be_spelled_as_entra_does(scim: Endpoint, sent: object, stored: bool) -> None:
    assert scim.store.users[scim.user("ana@example.com", active=sent)]["active"] is stored


def test_only_json_is_read(scim: Endpoint) -> None:
    body = {"schemas": [USER], "userName": "ana@example.com"}
    assert refusal(scim("POST", "/Users", body, headers={"content-type": "text/plain"}))[0] == 415
    assert scim("POST", "/Users", body, headers={"content-type": "application/json; charset=utf-8"})[0] == 201


# Access and endpoints


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic T", "Bearer T2", "Bearer é"])
def test_without_the_token_nothing_is_answered(scim: Endpoint, authorization: str) -> None:
    answer = scim("GET", "/Users", headers={"authorization": authorization})
    assert refusal(answer)[0] == 401
    assert scim.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/Nothing", "/Users/x/y", "/", "", "/users", "/Users/unknown", "/Schemas/x"])
def test_what_does_not_exist_is_a_404(scim: Endpoint, path: str) -> None:
    assert refusal(scim("GET", path))[0] == 404


def test_outside_of_the_base_path_there_is_nothing(scim: Endpoint) -> None:
    request = HttpRequest("GET", "/Users", "", {"authorization": "Bearer T"})
    assert scim_api(scim.store, "T")(request).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/Users"),
        ("POST", "/Users/x"),
        ("POST", "/Schemas"),
        ("PUT", "/Groups"),
        ("HEAD", "/Users"),
    ],
)
def test_what_cannot_be_done_there_is_a_405(scim: Endpoint, method: str, path: str) -> None:
    assert refusal(scim(method, path))[0] == 405


@pytest.mark.parametrize("path", ["/Bulk", "/Me", "/.search"])
def test_what_is_optional_and_missing_is_a_501(scim: Endpoint, path: str) -> None:
    assert refusal(scim("POST", path, {}))[0] == 501


def test_discovery_says_what_there_is(scim: Endpoint) -> None:
    _, schemas = scim("GET", "/Schemas")
    assert [schema["id"] for schema in schemas["Resources"]] == [USER, NINJAONE, GROUP]
    assert schemas["totalResults"] == 3
    _, extension = scim("GET", f"/Schemas/{NINJAONE}")
    assert [attribute["name"] for attribute in extension["attributes"]] == ["userType", "organizationId"]
    assert extension["meta"] == {"resourceType": "Schema", "location": f"{BASE}/Schemas/{NINJAONE}"}
    _, types = scim("GET", "/ResourceTypes")
    assert [kind["endpoint"] for kind in types["Resources"]] == ["/Users", "/Groups"]
    _, user = scim("GET", "/ResourceTypes/User")
    assert user["schemaExtensions"] == [{"schema": NINJAONE, "required": False}]
    _, config = scim("GET", "/ServiceProviderConfig")
    assert {key: config[key]["supported"] for key in ("patch", "bulk", "filter", "sort", "etag")} == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "sort": True,
        "etag": True,
    }


def test_the_schema_tells_how_values_are_held_and_compared(scim: Endpoint) -> None:
    def attributes(urn: str) -> dict[str, Any]:
        return {each["name"]: each for each in scim("GET", f"/Schemas/{urn}")[1]["attributes"]}

    user, group = attributes(USER), attributes(GROUP)
    assert [name for name, each in user.items() if each["multiValued"]] == ["emails", "phoneNumbers", "groups"]
    assert [name for name, each in user.items() if each["required"]] == ["userName"]
    assert (user["userName"]["caseExact"], user["userName"]["uniqueness"]) == (False, "server")
    assert user["groups"]["mutability"] == "readOnly"
    member = {each["name"]: each for each in group["members"]["subAttributes"]}
    assert (member["value"]["required"], member["value"]["caseExact"]) == (True, True)
    assert (member["$ref"]["referenceTypes"], member["$ref"]["caseExact"]) == (["User"], True)
    extension = attributes(NINJAONE)
    assert extension["userType"]["caseExact"] is True
    assert extension["userType"]["canonicalValues"] == ["technician", "endUser"]
    assert extension["organizationId"]["caseExact"] is False


def test_discovery_cannot_be_filtered(scim: Endpoint) -> None:
    assert refusal(scim("GET", "/Schemas", filter='id eq "x"'))[0] == 403


# What a person does by hand, past all rules


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
    status, document = scim("PUT", "/Users/own", {"schemas": [USER], "userName": "put@example.com"})
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
