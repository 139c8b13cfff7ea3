"""Each quirk in how a SCIM server answers does what its name says."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from ninjasync.sandbox.faults.catalogue import QUIRKS
from tests.support.scim_client import There
from tests.support.urns import EXTENSION

# What a resource looks like


def test_members_may_be_left_out_of_lists_or_of_everything(there: There) -> None:
    for quirk, listed, alone in (("members-absent", False, True), ("members-hidden", False, False)):
        there.quirks(quirk)
        assert ("members" in there.get("/Groups")["Resources"][0]) is listed
        assert ("members" in there.get(f"/Groups/{there.group}")) is alone
    assert len(there.store.groups[there.group]["members"]) == 2


def test_the_extension_may_be_kept_and_never_shown(there: There) -> None:
    there.quirks("no-extension")
    answer = there.hire("dan").json()
    assert EXTENSION not in answer
    assert EXTENSION not in there.get()["Resources"][0]
    assert there.store.users[answer["id"]][EXTENSION]["userType"] == "technician"


def test_the_extension_may_be_flat(there: There) -> None:
    there.quirks("flat-extension")
    shown = there.get(f"/Users/{there.ids['ana']}")
    assert EXTENSION not in shown
    assert (shown[f"{EXTENSION}:userType"], shown[f"{EXTENSION}:organizationId"]) == ("technician", "4")


def test_what_is_not_there_may_be_null_or_empty(there: There) -> None:
    there.patch(f"/Groups/{there.group}", {"op": "remove", "path": "members"})
    there.quirks("nulls")
    user = there.get(f"/Users/{there.ids['cleo']}")
    assert (user["title"], user["displayName"], user["groups"]) == (None, "", [])
    assert user["externalId"] == "DUCLEO"
    assert there.get(f"/Groups/{there.group}")["members"] == []


@pytest.mark.parametrize("quirk", ["numeric-ids", "odd-ids"])
def test_ids_may_be_odd_and_are_taken_back_everywhere(there: There, quirk: str) -> None:
    there.quirks(quirk)
    ana, ben, _ = (row["id"] for row in there.get()["Resources"])
    assert isinstance(ana, int) if quirk == "numeric-ids" else set("/ %") <= set(ana)
    group = there.get("/Groups")["Resources"][0]
    assert [member["value"] for member in group["members"]] == [ana, ben]
    assert group["meta"]["location"] == f"{there.box.scim_url}/Groups/{quote(str(group['id']), safe='')}"
    shown = there.get(f"/Users/{quote(str(ana), safe='')}")
    assert (shown["id"], shown["groups"][0]["value"]) == (ana, group["id"])
    path = f"/Groups/{quote(str(group['id']), safe='')}"
    assert there.patch(path, {"op": "remove", "path": f'members[value eq "{ana}"]'}).status_code == 200
    cleo = there.get(filter='userName eq "cleo@example.com"')["Resources"][0]["id"]
    assert there.patch(path, {"op": "add", "path": "members", "value": [{"value": cleo}]}).status_code == 200
    members = [member["value"] for member in there.store.groups[there.group]["members"]]
    assert members == [there.ids["ben"], there.ids["cleo"]]
    assert there.call("GET", f"/Users/{there.ids['ana']}").status_code == 404
    made = there.hire("dan")
    assert made.headers["Location"].endswith(quote(str(made.json()["id"]), safe=""))


def test_booleans_may_be_strings(there: There) -> None:
    there.set("ana", "active", False)
    there.quirks("string-booleans")
    assert [row["active"] for row in there.get()["Resources"]] == ["False", "True", "True"]
    assert there.set("ana", "active", "True").json()["active"] == "True"


def test_locations_may_lead_elsewhere(there: There) -> None:
    there.quirks("location-elsewhere")
    made = there.hire("dan")
    for url in (made.headers["Location"], made.json()["meta"]["location"]):
        assert url == f"https://elsewhere.example.net/scim/v2/Users/{made.json()['id']}"
    assert there.get("/Groups")["Resources"][0]["members"][0]["$ref"].startswith("https://elsewhere.example.net/scim")


def test_schemas_and_meta_may_be_missing(there: There) -> None:
    there.quirks("no-schemas", "no-meta")
    page, alone = there.get(), there.call("GET", f"/Users/{there.ids['ana']}")
    for shown in (page, page["Resources"][0], alone.json()):
        assert {"schemas", "meta"}.isdisjoint(shown)
    assert "ETag" not in alone.headers


def test_names_may_be_in_another_case(there: There) -> None:
    there.quirks("wrong-case")
    page = there.get()
    assert set(page) == {"Schemas", "TotalResults", "StartIndex", "ItemsPerPage", "resources"}
    ana = page["resources"][0]
    assert (ana["Id"], ana["UserName"], ana["Name"]["GivenName"]) == (there.ids["ana"], "ana@example.com", "ana")
    assert ana[EXTENSION.lower()] == {"UserType": "technician", "OrganizationId": "4"}
    assert EXTENSION.lower() in ana["Schemas"]


# How it answers


def test_a_creation_may_be_answered_without_a_word(there: There) -> None:
    there.quirks("created-without-body")
    answer = there.hire("dan")
    assert (answer.status_code, answer.content, "Location" in answer.headers) == (201, b"", False)
    assert there.names() == ["ana", "ben", "cleo", "dan"]


def test_a_patch_may_be_answered_without_a_word(there: There) -> None:
    there.quirks("patch-204")
    answer = there.set("ana", "title", "Boss")
    assert (answer.status_code, answer.content, there.user("ana")["title"]) == (204, b"", "Boss")


def test_the_media_type_may_be_plain_json(there: There) -> None:
    there.quirks("json-media-type")
    assert there.call("GET", "/Users").headers["Content-Type"] == "application/json"
    assert there.call("GET", "/Users/nobody").headers["Content-Type"] == "application/json"


def test_errors_may_have_a_number_or_be_pages(there: There) -> None:
    there.quirks("error-status-number")
    assert there.call("GET", "/Users/nobody").json()["status"] == 404
    there.quirks("html-errors")
    page = there.call("GET", "/Users/nobody")
    assert (page.status_code, page.headers["Content-Type"], page.text[:6]) == (404, "text/html", "<html>")


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"])
def test_discovery_may_be_missing_or_forbidden(there: There, path: str) -> None:
    for quirk, status in (("no-discovery", 404), ("discovery-401", 401)):
        there.quirks(quirk)
        assert there.call("GET", path).status_code == status
        assert there.call("GET", "/Users").status_code == 200


def test_discovery_may_be_wrong(there: There) -> None:
    there.quirks("discovery-lies")
    told = there.get("/ServiceProviderConfig")
    assert told["patch"] == told["filter"] == {"supported": False}
    assert EXTENSION not in [schema["id"] for schema in there.get("/Schemas")["Resources"]]
    assert [kind["schemaExtensions"] for kind in there.get("/ResourceTypes")["Resources"]] == [[], []]
    assert there.set("ana", "title", "Boss").status_code == 200


def test_a_login_page_may_stand_in_the_way(there: There) -> None:
    there.quirks("login-page")
    answer = there.call("GET", "/Users")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_everything_may_have_moved_and_is_served_there(there: There) -> None:
    there.quirks("redirects")
    moved = there.call("GET", "/Users", count="1")
    assert moved.status_code == 301
    followed = there.follow(moved.headers["Location"])
    assert (followed.status_code, len(followed.json()["Resources"])) == (200, 1)


def test_quirks_can_be_had_all_together_but_those_that_end_it_all(there: There) -> None:
    ends = {"redirects", "login-page", "too-many", "hidden-holder", "count-500", "no-lists", "list-204"}
    ends |= {
        "switched-off",
        "sees-nothing",
        "external-id-unknown",
        "extension-unknown",
        "resources-object",
        "empty-list-204",
    }
    numbers = {"page-cap": "=2", "member-cap": "=1", "members-shown": "=1", "total-cap": "=2"}
    numbers |= {"error-behind-last": "=404", "gone": "=410", "unreadable": "=403", "edge": "=522"}
    chosen = [
        name + numbers.get(name, "") for name in QUIRKS if not name.startswith(("duo.", "api.")) and name not in ends
    ]
    there.quirks(*chosen)
    assert there.call("GET", "/Users").status_code == 522
    page = there.get()
    assert len(page["resources"]) == 2
    assert there.hire("dan").status_code == 201
