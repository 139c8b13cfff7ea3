"""Each habit of the real servers that were run does, in the sandbox, what its name says."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.faults.catalogue import SERVERS
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.scim_client import There
from tests.support.urns import CORE_USER, EXTENSION


def replace(path: str, value: Any) -> Json:
    return {"op": "replace", "path": path, "value": value}


def shown_members(there: There) -> list[Any]:
    """What lists, a GET by id and an answer to PATCH show of the one group's members."""
    path = f"/Groups/{there.group}"
    documents = [
        there.get("/Groups")["Resources"][0],
        there.get(path),
        there.patch(path, replace("displayName", "Techs")).json(),
    ]
    return [each.get("members", "none") for each in documents]


def kept_members(there: There) -> set[str]:
    (group,) = (each for each in there.store.groups.values() if each["displayName"] == "Techs")
    return {there.store.users[each["value"]]["userName"].partition("@")[0] for each in group["members"]}


# Who is in a group


def test_groups_may_show_an_empty_list_always(there: There) -> None:
    there.quirks("members-always-empty")
    assert shown_members(there) == [[], [], []]
    assert kept_members(there) == {"ana", "ben"}
    made = there.call("POST", "/Groups", there.group_body("More", [{"value": there.ids["ana"]}]))
    assert made.json()["members"] == []


def witness(there: There, name: str) -> int | None:
    """How many groups the filter of AWS finds; None where it is refused."""
    wanted = f'id eq "{there.group}" and members eq "{there.ids[name]}"'
    answer = there.call("GET", "/Groups", None, filter=wanted)
    return answer.json()["totalResults"] if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("quirks", "in_it", "not_in_it"),
    [
        (("members-always-empty",), 1, 0),
        (("members-hidden",), 1, 0),
        (("members-hidden", "no-member-filter"), None, None),
        (("members-hidden", "member-filter-ignored"), 1, 1),
    ],
)
def test_a_filter_may_find_the_members_of_a_group(
    there: There, quirks: tuple[str, ...], in_it: int | None, not_in_it: int | None
) -> None:
    there.quirks(*quirks)
    assert (witness(there, "ana"), witness(there, "cleo")) == (in_it, not_in_it)


def test_users_may_show_their_groups_or_not(there: There) -> None:
    path = f"/Users/{there.ids['ana']}"
    there.quirks("members-hidden")
    assert [each["value"] for each in there.get(path)["groups"]] == [there.group]
    there.quirks("members-hidden", "no-user-groups")
    assert "groups" not in there.get(path)
    assert there.call("GET", "/Users", None, filter=f'groups.value eq "{there.group}"').status_code == 400


def test_members_in_a_post_may_be_dropped_and_added_by_patch(there: There) -> None:
    there.quirks("members-in-post-dropped")
    member = {"value": there.ids["cleo"]}
    made = there.call("POST", "/Groups", there.group_body("More", [member])).json()
    assert there.get(f"/Groups/{made['id']}").get("members") is None
    added = there.patch(f"/Groups/{made['id']}", {"op": "add", "path": "members", "value": [member]})
    assert [each["value"] for each in added.json()["members"]] == [there.ids["cleo"]]


def test_a_group_may_show_its_first_members_alone(there: There) -> None:
    there.quirks("members-shown=1")
    assert [[each["value"] for each in members] for members in shown_members(there)] == [[there.ids["ana"]]] * 3
    assert kept_members(there) == {"ana", "ben"}


def test_members_may_be_references_alone(there: There) -> None:
    there.quirks("members-by-ref")
    for members in shown_members(there):
        assert [each["$ref"].rpartition("/")[2] for each in members] == [there.ids["ana"], there.ids["ben"]]
        assert not any("value" in each for each in members)


def test_ids_of_members_may_be_in_capitals_and_are_known_so(there: There) -> None:
    there.quirks("members-upper-case")
    ana, ben = there.ids["ana"].upper(), there.ids["ben"].upper()
    assert ana != there.ids["ana"]
    assert [[each["value"] for each in members] for members in shown_members(there)] == [[ana, ben]] * 3
    assert there.get(f"/Users/{ana}")["id"] == there.ids["ana"]
    assert there.patch(f"/Groups/{there.group}", {"op": "remove", "path": f'members[value eq "{ben}"]'}).ok
    assert kept_members(there) == {"ana"}


def test_an_emptied_group_may_show_a_list_or_none(there: There) -> None:
    assert there.patch(f"/Groups/{there.group}", {"op": "remove", "path": "members"}).ok
    assert shown_members(there) == ["none"] * 3
    there.quirks("empty-members")
    assert shown_members(there) == [[], [], []]


def test_one_refused_member_refuses_the_whole_request(there: There) -> None:
    there.patch(f"/Groups/{there.group}", {"op": "remove", "path": "members"})
    there.quirks("refused-member")
    members = [{"value": there.ids[name]} for name in ("ben", "ana", "cleo")]
    refused = there.call("POST", "/Groups", there.group_body("More", members))
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    add: Json = {"op": "add", "path": "members", "value": members}
    assert there.patch(f"/Groups/{there.group}", add).status_code == 400
    assert there.patch(f"/Groups/{there.group}", add | {"value": members[::2]}).status_code == 200
    assert kept_members(there) == {"ben", "cleo"}


# What an account shows and keeps


def test_active_may_be_left_out_where_it_is_false(there: There) -> None:
    there.quirks("active-left-out")
    assert "active" not in there.set("ana", "active", False).json()
    assert there.user("ana")["active"] is False
    assert there.set("ana", "active", True).json()["active"] is True


def test_active_may_be_a_number(there: There) -> None:
    there.quirks("active-number")
    shown = there.set("ana", "active", False).json()["active"]
    assert (shown, type(shown)) == (0, int)
    assert there.get(f"/Users/{there.ids['ben']}")["active"] == 1


def test_an_external_id_may_stay_as_it_was(there: There) -> None:
    there.quirks("external-id-stays")
    answer = there.patch(f"/Users/{there.ids['ana']}", replace("externalId", "new"), replace("title", "Boss"))
    assert (answer.status_code, answer.json()["externalId"], answer.json()["title"]) == (200, "DUANA", "Boss")
    assert there.user("ana")["externalId"] == "DUANA"
    there.store.edit(USER, there.ids["ben"], externalId=None)
    assert there.set("ben", "externalId", "first").json()["externalId"] == "first"
    assert there.patch(f"/Groups/{there.group}", replace("externalId", "new")).json()["externalId"] == "DGTechs"


def test_an_external_id_may_be_stored_in_lower_case(there: There) -> None:
    there.quirks("external-id-lower-case")
    assert there.hire("dan").json()["externalId"] == "dudan"
    assert there.call("POST", "/Groups", there.group_body("More", [])).json()["externalId"] == "dgmore"
    assert there.get(filter='externalId eq "DUDAN"')["totalResults"] == 0


def test_an_external_id_may_be_immutable_and_takes_the_rest_with_it(there: There) -> None:
    there.quirks("external-id-immutable")
    path = f"/Users/{there.ids['ana']}"
    refused = there.patch(path, replace("title", "Boss"), replace("externalId", "new"))
    assert (refused.status_code, refused.json()["scimType"]) == (400, "mutability")
    assert there.patch(path, {"op": "replace", "value": {"externalId": "new"}}).status_code == 400
    assert there.call("PUT", path, there.user("ana") | {"externalId": "new"}).status_code == 400
    assert there.set("ana", "externalId", "DUANA").status_code == 200
    assert there.call("PUT", path, dict(there.user("ana"))).status_code == 200
    there.store.edit(USER, there.ids["ben"], externalId=None)
    assert there.set("ben", "externalId", "first").status_code == 200


@pytest.mark.parametrize(
    ("quirk", "path"),
    [("external-id-unknown", "externalId"), ("title-unknown", "title"), ("extension-unknown", f"{EXTENSION}:userType")],
)
def test_an_unknown_attribute_may_refuse_all_that_comes_with_it(there: There, quirk: str, path: str) -> None:
    there.quirks(quirk)
    place = f"/Users/{there.ids['ana']}"
    assert there.patch(place, replace("nickName", "Annie"), replace(path, "x")).status_code == 400
    assert there.patch(place, {"op": "add", "value": {"nickName": "Annie", path: "x"}}).status_code == 400
    assert "nickName" not in there.user("ana")
    assert there.set("ana", "nickName", "Annie").status_code == 200
    whole: Json = {"schemas": [CORE_USER], "userName": "dan@example.com", "name": {"givenName": "Dan"}}
    assert there.call("POST", "/Users", whole | {path: "x"}).status_code == 400
    made = there.call("POST", "/Users", whole)
    assert made.status_code == 201
    assert not any(name.startswith(path.partition(":user")[0]) for name in made.json() if name != "schemas")


def test_a_path_with_a_urn_may_land_beside_the_extension(there: There) -> None:
    there.quirks("patch-urn-astray")
    key, path = f"{EXTENSION}:userType", f"/Users/{there.ids['ana']}"
    answer = there.patch(path, replace(key, "endUser"), replace("title", "Boss"))
    assert (answer.status_code, answer.json()["title"], answer.json()[key]) == (200, "Boss", "endUser")
    assert there.set("ana", key, "endUser").json()[EXTENSION]["userType"] == "technician"
    assert there.get()["Resources"][0][key] == "endUser"
    body = dict(there.user("ana")) | {EXTENSION: {"userType": "endUser", "organizationId": "4"}}
    put = there.call("PUT", path, body).json()
    assert (put[EXTENSION]["userType"], key in put) == ("endUser", False)


# How it must be asked


def test_users_may_have_put_alone_and_groups_patch_alone(there: There) -> None:
    there.quirks("user-patch-501", "group-put-405")
    ana, group = f"/Users/{there.ids['ana']}", f"/Groups/{there.group}"
    assert there.set("ana", "title", "Boss").status_code == 501
    assert there.call("PUT", ana, there.user("ana") | {"title": "Boss"}).status_code == 200
    assert there.call("PUT", group, there.group_body("Techs", [])).status_code == 405
    assert there.patch(group, replace("displayName", "More")).status_code == 200


def test_one_account_may_refuse_patch_or_every_change(there: There) -> None:
    put = dict(there.user("ana"))
    for quirk, patch_status, put_status in (("oldest-patch-405", 405, 200), ("protected-500", 500, 500)):
        there.quirks(quirk)
        assert there.set("ana", "title", "Boss").status_code == patch_status
        assert there.call("PUT", f"/Users/{there.ids['ana']}", put).status_code == put_status
        assert there.set("ben", "title", "Boss").status_code == 200


def test_the_first_patch_alone_may_be_refused(there: There) -> None:
    there.quirks("first-patch-405")
    assert [there.set("ana", "title", "Boss").status_code for _ in range(3)] == [405, 200, 200]


def test_renaming_a_group_may_be_not_implemented(there: There) -> None:
    there.quirks("group-rename-501")
    path = f"/Groups/{there.group}"
    assert there.patch(path, replace("displayName", "More")).status_code == 501
    assert there.patch(path, {"op": "replace", "value": {"displayName": "More"}}).status_code == 501
    assert there.patch(path, replace("externalId", "x")).status_code == 200
    assert there.set("ana", "displayName", "Ana R").status_code == 200
    assert there.call("PUT", path, there.group_body("More", [])).json()["displayName"] == "More"


def test_a_put_may_refuse_what_a_get_showed(there: There) -> None:
    there.quirks("put-refuses-echo")
    path = f"/Users/{there.ids['ana']}"
    shown = there.get(path)
    assert shown["emails"] == [{"value": "", "primary": True}]
    assert there.call("PUT", path, shown).status_code == 400
    assert there.call("PUT", path, {name: each for name, each in shown.items() if name != "emails"}).status_code == 200
    assert there.set("ana", "title", "Boss").status_code == 200


def test_only_plain_json_may_be_taken(there: There) -> None:
    there.quirks("json-only")
    url, headers = f"{there.box.scim_url}/Users/{there.ids['ana']}", {"Authorization": f"Bearer {there.box.token}"}
    body = b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@example.com"}'
    for media_type, status in (("application/scim+json", 415), ("application/json; charset=utf-8", 200)):
        answer = requests.put(url, data=body, headers=headers | {"Content-Type": media_type}, timeout=5)
        assert answer.status_code == status
    assert there.call("DELETE", f"/Users/{there.ids['ben']}").status_code == 204


# What lists hold


@pytest.mark.parametrize(("count", "start", "expected"), [("2", "4", ["cleo"]), ("3", "4", ["ana", "ben", "cleo"])])
def test_behind_the_last_page_may_be_the_last_page(there: There, count: str, start: str, expected: list[str]) -> None:
    there.quirks("last-page-again")
    assert there.names(count=count, startIndex=start) == expected
    assert there.names(count="2", startIndex="3") == ["cleo"]
    there.store.clear()
    assert there.names(count=count, startIndex=start) == []


def test_behind_the_last_page_may_be_an_error(there: There) -> None:
    there.quirks("error-behind-last=404")
    assert there.call("GET", "/Users", None, startIndex="4").status_code == 404
    assert there.names(count="1", startIndex="3") == ["cleo"]
    assert there.get(filter='userName eq "x"', startIndex="1")["totalResults"] == 0


def test_a_total_may_be_capped_and_the_rest_still_be_there(there: There) -> None:
    there.quirks("total-cap=2")
    first = there.get(count="100")
    assert (first["totalResults"], len(first["Resources"])) == (2, 2)
    assert there.get(count="1")["totalResults"] == 2
    assert there.names(startIndex="3") == ["cleo"]


def test_a_total_may_count_accounts_that_are_not_listed(there: There) -> None:
    there.quirks("total-counts-hidden")
    page = there.get()
    assert (page["totalResults"], len(page["Resources"])) == (5, 3)
    assert there.get(filter='userName eq "ana@example.com"')["totalResults"] == 1
    assert there.get("/Groups")["totalResults"] == 1


def test_any_count_may_be_a_500_and_lists_may_be_missing(there: There) -> None:
    there.quirks("count-500")
    assert there.call("GET", "/Users", None, count="1").status_code == 500
    assert there.names(startIndex="2") == ["ben", "cleo"]
    there.quirks("no-lists")
    for params in ({}, {"filter": 'userName eq "ana@example.com"'}):
        assert there.call("GET", "/Users", None, **params).status_code == 405
    assert there.get(f"/Users/{there.ids['ana']}")["userName"] == "ana@example.com"


def test_filters_may_tell_capital_letters_from_small_ones(there: There) -> None:
    assert there.names(filter='userName eq "ANA@example.com"') == ["ana"]
    there.quirks("filter-case-exact")
    assert there.get(filter='userName eq "ANA@example.com"')["totalResults"] == 0
    assert there.names(filter='username EQ "ana@example.com"') == ["ana"]
    assert there.get("/Groups", filter='displayName eq "techs"')["totalResults"] == 0


def test_a_list_may_be_an_object_or_nothing_at_all(there: There) -> None:
    one, none = 'userName eq "ana@example.com"', 'userName eq "x"'
    there.quirks("resources-object")
    assert list(there.get()["Resources"]) == ["0", "1", "2"]
    there.quirks("single-as-object")
    assert there.get(filter=one)["Resources"]["userName"] == "ana@example.com"
    assert len(there.get()["Resources"]) == 3
    there.quirks("empty-list-204")
    assert [there.call("GET", "/Users", None, filter=text).status_code for text in (one, none)] == [200, 204]
    there.quirks("list-204")
    assert there.call("GET", "/Users").status_code == 204


# How it answers


def test_what_is_gone_may_be_another_status_than_404(there: There) -> None:
    there.quirks("gone=410")
    assert there.call("DELETE", f"/Users/{there.ids['ben']}").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert there.call(method, f"/Users/{there.ids['ben']}", {}).status_code == 410
    assert there.call("GET", "/Groups/x").status_code == 410
    assert there.call("GET", "/Elsewhere").status_code == 404


def test_one_account_may_be_listed_and_not_be_shown(there: There) -> None:
    there.quirks("unreadable=403")
    assert there.call("GET", f"/Users/{there.ids['ana']}").status_code == 403
    assert there.names() == ["ana", "ben", "cleo"]


def test_answers_may_be_in_latin_1(there: There) -> None:
    there.quirks("latin-1")
    answer = there.hire("dan", name={"givenName": "Zoë \\u00fc", "familyName": "Čapek 🎉"})
    assert answer.headers["Content-Type"] == "application/scim+json;charset=ISO-8859-1"
    assert "Zoë".encode("latin-1") in answer.content
    assert answer.json()["name"] == {"givenName": "Zoë \\u00fc", "familyName": "Čapek 🎉"}
    assert there.user("ana")["name"]["givenName"] == "ana"


def test_an_edge_may_fail_once(there: There) -> None:
    there.quirks("edge=522")
    first = there.call("GET", "/Users")
    assert (first.status_code, first.headers["Content-Type"]) == (522, "text/html")
    assert there.names() == ["ana", "ben", "cleo"]


def test_everything_may_seem_to_be_gone(there: There) -> None:
    there.quirks("sees-nothing")
    assert there.get()["totalResults"] == 0
    assert there.call("GET", f"/Users/{there.ids['ana']}").status_code == 404
    assert there.hire("ana").status_code == 409
    there.quirks("switched-off")
    assert [there.call("GET", path).status_code for path in ("/Users", "/Schemas")] == [404, 404]


# Servers by name


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_has_all_of_its_quirks_and_can_still_be_written_to(there: There, server: str) -> None:
    there.quirks(server)
    body: Json = {"schemas": [CORE_USER, EXTENSION], "userName": "dan@example.com"}
    made = there.call("POST", "/Users", body | {EXTENSION: {"userType": "technician"}})
    assert made.status_code == 201
    assert there.call("GET", f"/Users/{made.json()['id']}").status_code == 200


def test_aws_takes_a_hundred_members_and_tells_them_by_its_filter_alone(there: There) -> None:
    there.quirks("aws")
    assert shown_members(there) == [[], [], []]
    assert "groups" not in there.get(f"/Users/{there.ids['ana']}")
    assert (witness(there, "ana"), witness(there, "cleo")) == (1, 0)
    many: list[Json] = [{"value": there.ids["cleo"]}] * 101
    assert there.call("POST", "/Groups", there.group_body("Many", many)).status_code == 400


def test_polis_tells_nothing_of_members_and_little_of_its_total(there: There) -> None:
    there.quirks("polis")
    assert shown_members(there) == ["none"] * 3
    assert witness(there, "ana") is None
    for number in range(60):
        there.hire(f"u{number}")
    assert there.get(count="10")["totalResults"] == 50
    assert len(there.get(startIndex="51")["Resources"]) == 13
