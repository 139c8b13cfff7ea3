"""SCIM on the wire: what is written to the letter, what is read with tolerance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.config.ninjaone import Dialect
from ninjasync.model.attributes import CORE_GROUP, CORE_USER, ENTERPRISE, NINJAONE, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.model.directory import Group, User
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.scim_responses import Page, UnreadableResourceError

DIALECT = Dialect()
JANE = (
    Delta("userName", None, "jane@example.com"),
    Delta("name.givenName", None, "Jane"),
    Delta("name.familyName", None, "Doe"),
    Delta(USER_TYPE, None, "technician"),
    Delta(ORGANIZATION_ID, None, "All"),
)


# --- writing ---------------------------------------------------------------------------------


def test_a_new_user_names_every_schema_that_it_uses_and_nests_names() -> None:
    assert scim_requests.new_user("DU1", JANE, DIALECT) == {
        "schemas": [CORE_USER, NINJAONE],
        "active": True,
        "externalId": "DU1",
        "userName": "jane@example.com",
        "name": {"givenName": "Jane", "familyName": "Doe"},
        NINJAONE: {"userType": "technician", "organizationId": "All"},
    }


def test_a_new_user_without_extension_attributes_names_the_core_schema_alone() -> None:
    body = scim_requests.new_user("DU1", JANE[:1], DIALECT)
    assert body == {"schemas": [CORE_USER], "active": True, "externalId": "DU1", "userName": "jane@example.com"}


def test_two_extensions_stand_apart() -> None:
    body = scim_requests.new_user("DU1", (*JANE, Delta(f"{ENTERPRISE}:department", None, "IT")), DIALECT)
    assert body["schemas"] == [CORE_USER, NINJAONE, ENTERPRISE]
    assert body[ENTERPRISE] == {"department": "IT"}


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        ({"technician_value": "Technician"}, {"userType": "Technician", "organizationId": "All"}),
        ({"all_value": "ALL"}, {"userType": "technician", "organizationId": "ALL"}),
        ({"organization_id_type": "number"}, {"userType": "technician", "organizationId": "All"}),
    ],
)
def test_a_dialect_spells_values_as_the_endpoint_wants_them(dialect: Any, sent: dict[str, Any]) -> None:
    assert scim_requests.new_user("DU1", JANE, Dialect(**dialect))[NINJAONE] == sent


@pytest.mark.parametrize(("kind", "sent"), [("number", 7), ("string", "7")])
def test_an_organizations_number_is_sent_in_the_json_type_of_the_dialect(kind: Any, sent: Any) -> None:
    (operation,) = scim_requests.patch([Delta(ORGANIZATION_ID, None, "7")], Dialect(organization_id_type=kind))[
        "Operations"
    ]
    assert operation["value"] == sent
    assert type(operation["value"]) is type(sent)


def test_an_end_user_is_not_spelt_as_a_technician() -> None:
    (operation,) = scim_requests.patch([Delta(USER_TYPE, None, "endUser")], Dialect(technician_value="Technician"))[
        "Operations"
    ]
    assert operation["value"] == "endUser"


@pytest.mark.parametrize(("booleans", "sent"), [("json", False), ("string", "False")])
def test_a_boolean_is_sent_in_the_json_type_of_the_dialect(booleans: Any, sent: Any) -> None:
    (operation,) = scim_requests.patch([Delta("active", True, False)], Dialect(booleans=booleans))["Operations"]
    assert operation["value"] == sent
    assert scim_requests.new_user("DU1", JANE, Dialect(booleans=booleans))["active"] == (
        True if booleans == "json" else "True"
    )


def test_the_externalid_is_not_sent_where_the_dialect_does_not_want_it() -> None:
    quiet = Dialect(external_id=False)
    assert "externalId" not in scim_requests.new_user("DU1", JANE, quiet)
    assert "externalId" not in scim_requests.new_group("DG1", "Staff", [], quiet)


def test_a_new_group_has_its_members_by_id_and_none_where_there_are_none() -> None:
    assert scim_requests.new_group("DG1", "Staff", ["1", "2"], DIALECT) == {
        "schemas": [CORE_GROUP],
        "displayName": "Staff",
        "externalId": "DG1",
        "members": [{"value": "1"}, {"value": "2"}],
    }
    assert "members" not in scim_requests.new_group("DG1", "Staff", [], DIALECT)


@pytest.mark.parametrize(("case", "ops"), [("lower", ["replace", "remove"]), ("title", ["Replace", "Remove"])])
def test_a_patch_has_one_operation_for_each_attribute_by_its_full_path(case: Any, ops: list[str]) -> None:
    body = scim_requests.patch(
        [Delta(USER_TYPE, "x", "endUser"), Delta("title", "Boss", None)], Dialect(patch_op_case=case)
    )
    assert body == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": ops[0], "path": USER_TYPE, "value": "endUser"},
            {"op": ops[1], "path": "title"},
        ],
    }


def test_members_are_changed_in_batches_additions_first() -> None:
    assert list(scim_requests.member_batches(["1", "2", "3"], ["4", "5", "6"], 2)) == [
        (["1", "2"], ()),
        (["3"], ()),
        ((), ["4", "5"]),
        ((), ["6"]),
    ]
    assert list(scim_requests.member_batches([], [], 2)) == []


def test_members_are_added_and_removed_by_name_and_the_list_is_never_replaced() -> None:
    assert scim_requests.member_patch(["1", "2"], [], DIALECT)["Operations"] == [
        {"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}
    ]
    assert scim_requests.member_patch([], ["4", "5"], DIALECT)["Operations"] == [
        {"op": "remove", "path": 'members[value eq "4"]'},
        {"op": "remove", "path": 'members[value eq "5"]'},
    ]


def test_members_can_be_removed_by_a_list_of_values() -> None:
    body = scim_requests.member_patch([], ["4", "5"], Dialect(member_removal="list", patch_op_case="title"))
    assert body["Operations"] == [{"op": "Remove", "path": "members", "value": [{"value": "4"}, {"value": "5"}]}]


def test_a_put_has_everything_that_was_read_changed_and_what_is_not_shown() -> None:
    row = {
        "schemas": [CORE_USER],
        "id": "1",
        "USERNAME": "old@example.com",
        "nickName": "JD",
        "title": "Boss",
        "name": {"GivenName": "J"},
        "meta": {"version": "1"},
        "groups": [{"value": "g"}],
    }
    diff = (Delta("userName", "old@example.com", "new@example.com"), Delta("title", "Boss", None))
    whole = (("userName", "new@example.com"), ("name.givenName", "Jane"), (USER_TYPE, "technician"))
    assert scim_requests.put_resource(row, diff, whole, Dialect(technician_value="Technician")) == {
        "schemas": [CORE_USER, NINJAONE],
        "id": "1",
        "USERNAME": "new@example.com",
        "nickName": "JD",
        "name": {"GivenName": "Jane"},
        NINJAONE: {"userType": "Technician"},
    }


def test_a_put_survives_what_is_no_object_where_one_should_be() -> None:
    body = scim_requests.put_resource({"name": None, NINJAONE: [], "schemas": "x"}, JANE, (), DIALECT)
    assert body["name"] == {"givenName": "Jane", "familyName": "Doe"}
    assert body[NINJAONE] == {"userType": "technician", "organizationId": "All"}
    assert body["schemas"] == "x"


def test_a_put_of_a_group_keeps_the_members_that_are_there() -> None:
    row = {"id": "g", "displayName": "Staff", "Members": [{"value": "1", "display": "x"}, {"value": "2"}], "meta": {}}
    assert scim_requests.put_members(row, ["3"], ["1"]) == {
        "id": "g",
        "displayName": "Staff",
        "members": [{"value": "2"}, {"value": "3"}],
    }


@pytest.mark.parametrize("members", [None, "1"])
def test_a_group_that_does_not_show_its_members_cannot_be_put_as_they_would_be_lost(members: Any) -> None:
    with pytest.raises(UnreadableResourceError, match="does not show its members"):
        scim_requests.put_members({"id": "g", "displayName": "Staff", "members": members}, ["3"], [])


@pytest.mark.parametrize("meta", [None, {}, {"created": None}, {"created": "yesterday"}, {"created": 7}, "x"])
def test_when_a_resource_was_created_is_unknown_where_it_is_not_said(meta: Any) -> None:
    assert scim_responses.read_created({"meta": meta}) is None


@pytest.mark.parametrize("text", ["2027-01-02T03:04:05Z", "2027-01-02T03:04:05", "2027-01-02T04:04:05+01:00"])
def test_when_a_resource_was_created_is_read_with_or_without_a_zone(text: str) -> None:
    assert scim_responses.read_created({"META": {"Created": text}}) == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("jane", '"jane"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ('\\"', r'"\\\""'),
        ('x" or id pr or "', r'"x\" or id pr or \""'),
    ],
)
def test_hostile_text_cannot_break_out_of_a_filter(text: str, quoted: str) -> None:
    assert scim_requests.quoted(text) == quoted


# --- reading ---------------------------------------------------------------------------------

PATHS = ("name.givenName", USER_TYPE, ORGANIZATION_ID)


def user(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "userName": "jane@example.com"} | fields


def test_a_user_is_read_with_the_values_of_the_paths_in_their_order() -> None:
    row = user(
        externalId="DU1",
        active=False,
        name={"givenName": "Jane"},
        **{NINJAONE: {"userType": "technician", "organizationId": 7}},
    )
    assert scim_responses.read_user(row, PATHS) == User(
        "jane@example.com", "DU1", False, ("Jane", "technician", "7"), "1"
    )


def test_attribute_names_and_schema_urns_are_read_in_any_letter_case() -> None:
    row = {"ID": "1", "USERNAME": "j@x.y", "ExternalID": "DU1", "NAME": {"GIVENNAME": "J"}}
    row |= {NINJAONE.lower(): {"USERTYPE": "endUser"}}
    assert scim_responses.read_user(row, PATHS) == User(
        "j@x.y", "DU1", True, ("J", "endUser", None), "1", shows_active=False
    )


def test_an_extension_attribute_may_come_flat_under_its_full_path() -> None:
    assert scim_responses.read_user(user(**{USER_TYPE: "endUser"}), PATHS).values == (None, "endUser", None)


@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}, [1]])
def test_empty_blank_null_and_what_is_no_simple_value_is_no_value(nothing: Any) -> None:
    row = user(externalId=nothing, name={"givenName": nothing}, **{NINJAONE: nothing})
    assert scim_responses.read_user(row, PATHS) == User(
        "jane@example.com", None, True, (None, None, None), "1", shows_active=False
    )


def test_a_name_in_other_letter_case_is_found_also_after_accounts_that_lacked_it() -> None:
    rows: list[dict[str, Any]] = [
        {NINJAONE: {"userType": "technician"}},
        {NINJAONE: {"userType": "technician", "organizationId": None}},
        {NINJAONE: {"userType": "technician", "ORGANIZATIONID": "7"}},
        {NINJAONE: {"userType": "technician"}},
        {NINJAONE: {"userType": "technician", "organizationId": "8"}},
        {NINJAONE.upper(): {"organizationid": "9"}},
    ]
    assert [scim_responses.read_user(user(**row), PATHS).values[2] for row in rows] == [None, None, "7", None, "8", "9"]


@pytest.mark.parametrize(
    ("members", "ids"),
    [
        ([{"value": "1"}, {"value": " 2 "}, {"value": ""}], {"1", "2"}),
        ([{"value": "1"}, {"value": 2}], {"1", "2"}),
        ([{"value": "1"}, {"Value": "2"}], {"1", "2"}),
        ([{"value": "1"}, "2", None, {}, {"value": None}, ["3"]], {"1", "2"}),
        ([], set()),
    ],
)
def test_members_are_read_in_every_form_that_names_them(members: list[Any], ids: set[str]) -> None:
    assert scim_responses.read_group({"id": "g", "displayName": "Staff", "members": members}).members == frozenset(ids)


@pytest.mark.parametrize(
    ("sent", "active"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("false", False),
        (" FALSE ", False),
        (None, True),
        ("?", True),
        (0, False),
        (1, True),
        ("0", False),
        ("Inactive", False),
        ("enabled", True),
    ],
)
def test_active_is_read_as_boolean_number_or_text_and_true_where_it_is_not_shown(sent: Any, active: bool) -> None:
    assert scim_responses.read_user(user(active=sent), ()).active is active


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (None, "is not a JSON object"),
        ("jane", "is not a JSON object"),
        ([], "is not a JSON object"),
        ({"id": "1"}, "has no userName"),
        ({"id": "1", "userName": " "}, "has no userName"),
        ({"userName": "j@x.y"}, "has no id"),
        ({"userName": "j@x.y", "id": ""}, "has no id"),
        ({"userName": "j@x.y", "id": {}}, "has no id"),
    ],
)
def test_a_user_that_cannot_be_told_from_others_is_unreadable(row: Any, why: str) -> None:
    with pytest.raises(UnreadableResourceError, match=why):
        scim_responses.read_user(row, ())


@pytest.mark.parametrize(("id_", "read"), [(7, "7"), (7.0, "7"), (1.5, "1.5"), (True, "true"), (" a ", "a")])
def test_an_id_may_come_as_a_number(id_: Any, read: str) -> None:
    assert scim_responses.read_user(user(id=id_), ()).id == read


@pytest.mark.parametrize(
    ("members", "read"),
    [
        ([{"value": "1"}, {"VALUE": 2}, "3"], {"1", "2", "3"}),
        ([], set()),
        ([{"value": ""}, {"display": "x"}, None], set()),
        (None, None),
        ("1", None),
    ],
)
def test_members_that_are_not_shown_are_unknown_and_not_none(members: Any, read: set[str] | None) -> None:
    group = scim_responses.read_group({"id": "1", "displayName": "Staff", "members": members})
    assert group == Group("Staff", None, None if read is None else frozenset(read), "1")


def test_a_group_without_a_members_attribute_has_unknown_members() -> None:
    assert scim_responses.read_group({"id": "1", "displayName": "Staff", "externalId": "DG1"}) == Group(
        "Staff", "DG1", None, "1"
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [(7, "is not a JSON object"), ({"id": "1"}, "has no displayName"), ({"displayName": "Staff"}, "has no id")],
)
def test_a_group_that_cannot_be_told_from_others_is_unreadable(row: Any, why: str) -> None:
    with pytest.raises(UnreadableResourceError, match=why):
        scim_responses.read_group(row)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        ({"Resources": [1, 2], "totalResults": 5}, Page((1, 2), 5)),
        ({"resources": [1], "TOTALRESULTS": "1"}, Page((1,), 1)),
        ({"Resources": [1]}, Page((1,), None)),
        ({"Resources": [1], "totalResults": "many"}, Page((1,), None)),
        ({"Resources": [1], "totalResults": True}, Page((1,), None)),
        ({"Resources": [1], "totalResults": "²"}, Page((1,), None)),
        ({"totalResults": 0}, Page((), 0)),
        ({"Resources": None, "totalResults": 0}, Page((), 0)),
        ({}, None),
        ({"Resources": {}, "totalResults": 1}, None),
        ([], None),
        (None, None),
        ("<html>", None),
    ],
)
def test_a_list_is_read_with_tolerance_and_anything_else_is_none(body: Any, page: Page | None) -> None:
    assert scim_responses.read_page(body) == page


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "taken", "scimType": "uniqueness"}, ("taken", "uniqueness")),
        ({"Detail": "taken"}, ("taken", "")),
        ({"detail": {"a": 1}}, ("", "")),
        ({"detail": "x" * 30_000_000}, ("x" * 500 + "…", "")),  # each tenant of a fleet may be told so
        (None, ("", "")),
        ([], ("", "")),
    ],
)
def test_an_error_is_read_as_far_as_it_says_anything(body: Any, said: tuple[str, str]) -> None:
    assert scim_responses.read_error(body) == said


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "userName", "displayName", "members", "value", "active", NINJAONE]), inner
        )
    ),
    max_leaves=10,
)


@given(_json)
def test_whatever_a_server_sends_is_read_or_unreadable_and_nothing_else_breaks(body: Any) -> None:
    scim_responses.read_page(body)
    scim_responses.read_error(body)
    for read in (scim_responses.read_group, lambda row: scim_responses.read_user(row, PATHS)):
        try:
            found = read(body)
        except UnreadableResourceError:
            continue
        assert found.id
