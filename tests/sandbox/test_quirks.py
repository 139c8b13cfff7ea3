"""Each quirk in what a SCIM server keeps, which accounts may be written and what lists hold does what its name says."""

from __future__ import annotations

import pytest

from ninjasync.sandbox.exchange import Json
from tests.support.scim_client import There
from tests.support.urns import EXTENSION

# What is kept


def test_stale_reads_show_lists_as_before_the_last_write(there: There) -> None:
    there.quirks("stale-reads")
    there.hire("dan")
    assert there.names() == ["ana", "ben", "cleo"]
    assert there.get(filter='userName eq "dan@example.com"')["totalResults"] == 0
    there.hire("eve")
    assert there.names() == ["ana", "ben", "cleo", "dan"]
    dan = next(id_ for id_, user in there.store.users.items() if user["userName"].startswith("dan"))
    assert there.get(f"/Users/{dan}")["id"] == dan


def test_without_uniqueness_a_second_create_makes_a_twin(there: There) -> None:
    there.quirks("no-uniqueness")
    twin = there.hire("ana")
    assert (twin.status_code, twin.json()["userName"]) == (201, "ana@example.com")
    assert there.names() == ["ana", "ben", "cleo", "ana"]
    assert there.call("POST", "/Groups", there.group_body("Techs", [])).status_code == 201
    assert [group["displayName"] for group in there.store.groups.values()] == ["Techs", "Techs"]


def test_the_first_create_may_be_in_vain_and_the_second_not(there: There) -> None:
    there.quirks("created-in-vain")
    first = there.hire("dan")
    assert (first.status_code, len(there.store.users)) == (201, 3)
    assert there.call("GET", f"/Users/{first.json()['id']}").status_code == 404
    assert there.hire("dan").status_code == 201
    assert there.names() == ["ana", "ben", "cleo", "dan"]


def test_what_is_not_kept_is_in_no_answer_and_not_in_the_store(there: There) -> None:
    there.quirks("no-external-id", "drops-title")
    answer = there.hire("dan", title="Boss")
    assert answer.status_code == 201
    assert {"externalId", "title"}.isdisjoint(answer.json())
    assert {"externalId", "title"}.isdisjoint(there.store.users[answer.json()["id"]])
    assert "title" not in there.set("ana", "title", "Boss").json()
    assert "externalId" not in there.user("ana")
    assert "externalId" not in there.call("POST", "/Groups", there.group_body("New", [])).json()


@pytest.mark.parametrize(
    ("quirk", "fields", "path", "stored"),
    [
        ("trims-names", {"name": {"givenName": " Ana  Maria ", "familyName": "x"}}, "name", "Ana Maria"),
        ("lower-case-user-name", {"userName": "Dan@Example.COM"}, "userName", "dan@example.com"),
        ("upper-case-family-name", {"name": {"familyName": "Müller"}}, "name", "MÜLLER"),
        ("type-becomes-end-user", {}, EXTENSION, "endUser"),
        ("organization-becomes-all", {}, EXTENSION, "All"),
    ],
)
def test_a_value_may_be_stored_otherwise_than_sent(
    there: There, quirk: str, fields: Json, path: str, stored: str
) -> None:
    there.quirks(quirk)
    answer = there.hire("dan", **fields).json()
    shown = answer[path]
    assert stored in (shown.values() if isinstance(shown, dict) else [shown])
    assert there.store.users[answer["id"]][path] == shown
    assert there.get(f"/Users/{answer['id']}")[path] == shown
    assert there.user("ana")[EXTENSION] == {"userType": "technician", "organizationId": "4"}, "no request wrote to it"


def test_a_promotion_may_be_undone_in_silence(there: There) -> None:
    there.quirks("type-becomes-end-user")
    answer = there.set("ana", f"{EXTENSION}:userType", "technician")
    assert answer.status_code == 200
    assert answer.json()[EXTENSION]["userType"] == there.user("ana")[EXTENSION]["userType"] == "endUser"


# Who may be written


def test_delete_may_mean_inactive_and_the_name_stays_taken(there: There) -> None:
    there.quirks("delete-is-inactive")
    assert there.call("DELETE", f"/Users/{there.ids['ana']}").status_code == 204
    assert there.user("ana")["active"] is False
    assert there.hire("ana").status_code == 409
    assert there.call("DELETE", "/Users/nobody").status_code == 404
    assert there.call("DELETE", f"/Groups/{there.group}").status_code == 204
    assert there.store.groups == {}


def test_an_inactive_user_may_refuse_all_but_active(there: There) -> None:
    there.quirks("inactive-refuses-patch")
    assert there.set("ana", "active", False).status_code == 200
    assert there.set("ana", "title", "Boss").status_code == 400
    both: list[Json] = [{"op": "replace", "path": "active", "value": True}, {"op": "add", "value": {"title": "Boss"}}]
    assert there.patch(f"/Users/{there.ids['ana']}", *both).status_code == 400
    renamed = there.user("ana") | {"userName": "anna@example.com", "active": True}
    assert there.call("PUT", f"/Users/{there.ids['ana']}", renamed).status_code == 400
    assert there.set("ana", "active", True).status_code == 200
    assert there.set("ana", "title", "Boss").status_code == 200
    assert there.set("ben", "title", "Boss").status_code == 200


def test_one_account_may_be_protected(there: There) -> None:
    there.quirks("protected-403")
    assert there.set("ana", "title", "Boss").status_code == 403
    assert there.call("DELETE", f"/Users/{there.ids['ana']}").status_code == 403
    assert there.get(f"/Users/{there.ids['ana']}")["id"] == there.ids["ana"]
    assert there.set("ben", "title", "Boss").status_code == 200


# How it must be asked


@pytest.mark.parametrize(("quirk", "status"), [("patch-501", 501), ("patch-405", 405)])
def test_patch_may_be_missing_and_discovery_says_so(there: There, quirk: str, status: int) -> None:
    there.quirks(quirk)
    assert there.set("ana", "title", "Boss").status_code == status
    assert there.get("/ServiceProviderConfig")["patch"] == {"supported": False}
    assert there.call("PUT", f"/Users/{there.ids['ana']}", there.user("ana") | {"title": "Boss"}).status_code == 200
    assert there.user("ana")["title"] == "Boss"


def test_an_op_may_have_to_be_in_title_case(there: There) -> None:
    there.quirks("patch-title-case-only")
    path = f"/Users/{there.ids['ana']}"
    for op, status in (("replace", 400), ("REPLACE", 400), ("Replace", 200)):
        assert there.patch(path, {"op": op, "path": "title", "value": "Boss"}).status_code == status


@pytest.mark.parametrize(
    ("quirk", "by_filter", "by_list"),
    [("member-removal-list-only", 400, 200), ("member-removal-filter-only", 200, 400)],
)
def test_members_may_have_to_be_removed_in_one_of_two_ways(
    there: There, quirk: str, by_filter: int, by_list: int
) -> None:
    there.quirks(quirk)
    ana, ben, path = there.ids["ana"], there.ids["ben"], f"/Groups/{there.group}"
    filtered = there.patch(path, {"op": "remove", "path": f'members[value eq "{ana}"]'})
    listed = there.patch(path, {"op": "Remove", "path": "members", "value": [{"value": ben}]})
    assert (filtered.status_code, listed.status_code) == (by_filter, by_list)
    assert len(there.store.groups[there.group]["members"]) == 1


def test_a_request_may_hold_only_so_many_members(there: There) -> None:
    there.quirks("member-cap=1")
    two = [{"value": there.ids["ana"]}, {"value": there.ids["ben"]}]
    path = f"/Groups/{there.group}"
    assert there.call("POST", "/Groups", there.group_body("More", two)).status_code == 400
    assert there.patch(path, {"op": "add", "path": "members", "value": two}).status_code == 400
    assert there.patch(path, {"op": "add", "value": {"members": two}}).status_code == 400
    removals = [{"op": "remove", "path": f'members[value eq "{one["value"]}"]'} for one in two]
    assert there.patch(path, *removals).status_code == 400
    assert there.patch(path, *removals[:1]).status_code == 200
    assert there.call("POST", "/Groups", there.group_body("More", two[:1])).status_code == 201


# What lists hold


def test_inactive_users_may_be_left_out_of_lists(there: There) -> None:
    there.set("ben", "active", False)
    there.quirks("inactive-unlisted")
    page = there.get(count="1", startIndex="2", attributes="userName")
    assert (page["totalResults"], [row["id"] for row in page["Resources"]]) == (2, [there.ids["cleo"]])
    assert there.get(filter='userName eq "ben@example.com"')["totalResults"] == 0
    assert there.get(f"/Users/{there.ids['ben']}")["active"] is False
    assert there.hire("ben").status_code == 409


def test_a_hidden_account_may_hold_a_name(there: There) -> None:
    there.quirks("hidden-holder")
    assert there.names() == ["ben", "cleo"]
    assert there.call("GET", f"/Users/{there.ids['ana']}").status_code == 404
    assert there.hire("ana").status_code == 409


def test_pages_may_overlap(there: There) -> None:
    there.quirks("overlapping-pages")
    assert there.names(count="2") == ["ana", "ben"]
    assert there.names(count="2", startIndex="3") == ["ben", "cleo"]


def test_pages_may_be_capped(there: There) -> None:
    there.quirks("page-cap=2")
    assert there.names() == there.names(count="100") == ["ana", "ben"]
    assert there.names(count="1", startIndex="3") == ["cleo"]
    assert there.get()["totalResults"] == 3


def test_the_start_index_may_be_ignored(there: There) -> None:
    there.quirks("ignores-start-index")
    assert there.names(count="2", startIndex="3") == ["ana", "ben"]


def test_pages_may_go_by_cursor_alone(there: There) -> None:
    there.quirks("cursor-paging")
    first = there.get(count="2", startIndex="3")
    assert ([row["id"] for row in first["Resources"]], "totalResults" in first) == (
        [there.ids["ana"], there.ids["ben"]],
        False,
    )
    last = there.get(count="2", cursor=first["nextCursor"])
    assert ([row["id"] for row in last["Resources"]], "nextCursor" in last) == ([there.ids["cleo"]], False)


def test_a_list_without_a_filter_may_be_too_many(there: There) -> None:
    there.quirks("too-many")
    for path in ("/Users", "/Groups"):
        refused = there.call("GET", path)
        assert (refused.status_code, refused.json()["scimType"]) == (400, "tooMany")
    assert there.names(filter='userName eq "ben@example.com"') == ["ben"]


@pytest.mark.parametrize(
    ("quirk", "wanted", "expected"),
    [
        ("no-filter", 'userName eq "ben@example.com"', ["ana", "ben", "cleo"]),
        ("eq-only", 'userName eq "ben@example.com"', ["ben"]),
        ("eq-only", 'userName sw "ben"', 400),
        ("eq-only", 'active eq true and userName eq "ben@example.com"', 400),
        ("no-external-id-filter", 'externalId eq "DUBEN"', 400),
        ("no-external-id-filter", 'userName eq "ben@example.com"', ["ben"]),
        ("filter-404", 'userName eq "nobody@example.com"', 404),
        ("filter-404", 'userName eq "ben@example.com"', ["ben"]),
    ],
)
def test_filters_may_be_ignored_refused_or_answered_oddly(
    there: There, quirk: str, wanted: str, expected: int | list[str]
) -> None:
    there.quirks(quirk)
    if isinstance(expected, int):
        assert there.call("GET", "/Users", filter=wanted).status_code == expected
    else:
        assert there.names(filter=wanted) == expected


def test_projection_may_be_ignored(there: There) -> None:
    there.quirks("no-projection")
    assert "name" in there.get(attributes="userName")["Resources"][0]
    assert "members" in there.get("/Groups", excludedAttributes="members")["Resources"][0]


def test_the_total_may_be_of_the_page_a_string_or_missing(there: There) -> None:
    for quirk, expected in (("total-of-page", 2), ("total-string", "3"), ("no-total-results", None)):
        there.quirks(quirk)
        assert there.get(count="2").get("totalResults") == expected


def test_an_empty_list_may_have_no_resources(there: There) -> None:
    there.quirks("resources-absent")
    empty = there.get(filter='userName eq "nobody@example.com"')
    assert ("Resources" in empty, empty["totalResults"]) == (False, 0)
    assert len(there.get()["Resources"]) == 3
