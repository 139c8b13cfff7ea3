"""The sandbox's SCIM endpoint: lists, chosen attributes, malformed requests, access."""

from __future__ import annotations

from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest
from ninjasync.sandbox.ninjaone import schema
from ninjasync.sandbox.ninjaone.api import scim_api
from tests.support.scim_endpoint import BASE, Endpoint, refusal
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION

# --- Lists -------------------------------------------------------------------------------------


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


# --- Choosing attributes -----------------------------------------------------------------------


def test_only_the_wanted_attributes_are_returned(scim: Endpoint) -> None:
    user_id = scim.user(
        "ana@example.com",
        name={"givenName": "Ana", "familyName": "Ruiz"},
        emails=[{"value": "a@example.com", "type": "work"}, {"value": "b@example.com"}],
        **{EXTENSION: {"userType": "technician", "organizationId": "1"}},
    )
    always = {"schemas": [CORE_USER, EXTENSION], "id": user_id}

    def only(attributes: str) -> Any:
        return scim("GET", f"/Users/{user_id}", attributes=attributes)[1]

    assert only("username") == {**always, "userName": "ana@example.com"}
    assert only("name.givenName, nonsense,title") == {**always, "name": {"givenName": "Ana"}}
    assert only("name.givenName,name.familyName")["name"] == {"givenName": "Ana", "familyName": "Ruiz"}
    assert only("emails.type,emails.value")["emails"] == [
        {"type": "work", "value": "a@example.com"},
        {"value": "b@example.com"},
    ]
    assert only(f"{EXTENSION}:userType") == {**always, EXTENSION: {"userType": "technician"}}
    assert only(f"{EXTENSION},{CORE_USER}:userName")[EXTENSION]["organizationId"] == "1"
    assert only("title") == always
    assert only("title,userName") == {**always, "userName": "ana@example.com"}
    scim.store.edit(schema.USER, user_id, **{EXTENSION: None})
    assert only(EXTENSION) == {**always, "schemas": [CORE_USER, EXTENSION]}
    assert only("meta.version") == {**always, "meta": {"version": 'W/"1"'}}


def test_unwanted_attributes_are_left_out(scim: Endpoint) -> None:
    user_id = scim.user(
        "ana@example.com",
        name={"givenName": "Ana", "familyName": "Ruiz"},
        emails=[{"value": "a@example.com", "type": "work"}],
        **{EXTENSION: {"userType": "technician", "organizationId": "1"}},
    )

    def without(names: str) -> Any:
        return scim("GET", f"/Users/{user_id}", excludedAttributes=names)[1]

    assert without("id,schemas")["id"] == user_id
    assert "userName" not in without("USERNAME")
    assert without("name.givenName,title")["name"] == {"familyName": "Ruiz"}
    assert without("emails.type")["emails"] == [{"value": "a@example.com"}]
    assert EXTENSION not in without(EXTENSION)
    assert without(f"{EXTENSION}:userType")[EXTENSION] == {"organizationId": "1"}
    assert scim.store.users[user_id]["name"] == {"givenName": "Ana", "familyName": "Ruiz"}


def test_choosing_both_ways_is_refused_before_anything_is_written(scim: Endpoint) -> None:
    body = {"schemas": [CORE_USER], "userName": "ana@example.com"}
    answer = scim("POST", "/Users", body, attributes="id", excludedAttributes="meta")
    assert refusal(answer) == (400, "invalidValue")
    assert scim.store.users == {}


def test_members_can_be_left_out_of_a_list(scim: Endpoint) -> None:
    scim.group("Techs", scim.user("ana@example.com"))
    _, page = scim("GET", "/Groups", excludedAttributes="members")
    assert "members" not in page["Resources"][0]
    assert page["Resources"][0]["displayName"] == "Techs"


def test_a_written_resource_is_returned_as_far_as_asked(scim: Endpoint) -> None:
    body = {"schemas": [CORE_USER], "userName": "ana@example.com"}
    status, document = scim("POST", "/Users", body, attributes="userName")
    assert status == 201
    assert set(document) == {"schemas", "id", "userName"}


# --- Malformed ---------------------------------------------------------------------------------


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
        {EXTENSION: "technician"},
        {EXTENSION: {"organizationId": True}},
        {EXTENSION: {"userType": 1}},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(scim: Endpoint, wrong: dict[str, Any]) -> None:
    body = {"schemas": [CORE_USER], "userName": "ana@example.com", **wrong}
    assert refusal(scim("POST", "/Users", body)) == (400, "invalidValue")


def test_a_member_without_an_id_is_refused(scim: Endpoint) -> None:
    body = {"schemas": [CORE_GROUP], "displayName": "Techs", "members": [{"display": "Ana"}]}
    assert refusal(scim("POST", "/Groups", body)) == (400, "invalidValue")


@pytest.mark.parametrize(("sent", "stored"), [("True", True), ("False", False), ("false", False), (True, True)])
def test_a_boolean_may_be_spelled_as_entra_does(scim: Endpoint, sent: object, stored: bool) -> None:
    assert scim.store.users[scim.user("ana@example.com", active=sent)]["active"] is stored


def test_only_json_is_read(scim: Endpoint) -> None:
    body = {"schemas": [CORE_USER], "userName": "ana@example.com"}
    assert refusal(scim("POST", "/Users", body, headers={"content-type": "text/plain"}))[0] == 415
    assert scim("POST", "/Users", body, headers={"content-type": "application/json; charset=utf-8"})[0] == 201


# --- Access and endpoints ----------------------------------------------------------------------


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
    assert [schema["id"] for schema in schemas["Resources"]] == [CORE_USER, EXTENSION, CORE_GROUP]
    assert schemas["totalResults"] == 3
    _, extension = scim("GET", f"/Schemas/{EXTENSION}")
    assert [attribute["name"] for attribute in extension["attributes"]] == ["userType", "organizationId"]
    assert extension["meta"] == {"resourceType": "Schema", "location": f"{BASE}/Schemas/{EXTENSION}"}
    _, types = scim("GET", "/ResourceTypes")
    assert [kind["endpoint"] for kind in types["Resources"]] == ["/Users", "/Groups"]
    _, user = scim("GET", "/ResourceTypes/User")
    assert user["schemaExtensions"] == [{"schema": EXTENSION, "required": False}]
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

    user, group = attributes(CORE_USER), attributes(CORE_GROUP)
    assert [name for name, each in user.items() if each["multiValued"]] == ["emails", "phoneNumbers", "groups"]
    assert [name for name, each in user.items() if each["required"]] == ["userName"]
    assert (user["userName"]["caseExact"], user["userName"]["uniqueness"]) == (False, "server")
    assert user["groups"]["mutability"] == "readOnly"
    member = {each["name"]: each for each in group["members"]["subAttributes"]}
    assert (member["value"]["required"], member["value"]["caseExact"]) == (True, True)
    assert (member["$ref"]["referenceTypes"], member["$ref"]["caseExact"]) == (["User"], True)
    extension = attributes(EXTENSION)
    assert extension["userType"]["caseExact"] is True
    assert extension["userType"]["canonicalValues"] == ["technician", "endUser"]
    assert extension["organizationId"]["caseExact"] is False


def test_discovery_cannot_be_filtered(scim: Endpoint) -> None:
    assert refusal(scim("GET", "/Schemas", filter='id eq "x"'))[0] == 403
