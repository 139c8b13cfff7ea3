"""From a Duo record to a desired user, or to the reasons why the user is held."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.config.mapping import DEFAULT_ATTRIBUTES
from ninjasync.config.safety import Safety
from ninjasync.duo.records import label
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.directory import Problem, User
from ninjasync.planning.mapping import compile_mapping, map_user


def record(**fields: Any) -> dict[str, Any]:
    """A sound Duo record, with ``fields`` laid over it; userType and organizationID are custom attributes."""
    custom = {"userType": "endUser", "organizationID": "7"}
    custom |= {name: fields.pop(name) for name in ("userType", "organizationID") if name in fields}
    row = {"user_id": "DU1", "username": "jane", "email": "jane@example.com", "firstname": "Jane", "lastname": "Doe"}
    return row | {"custom_attributes": custom} | fields


def mapped(row: dict[str, Any], attributes: dict[str, str] | None = None, **safety: Any) -> User:
    """The desired user; fails where the user is held."""
    user, problems = map_user(compile_mapping(attributes or DEFAULT_ATTRIBUTES, Safety(**safety)), row)
    assert problems == ()
    assert user is not None
    return user


def held(row: dict[str, Any], attributes: dict[str, str] | None = None, **safety: Any) -> list[Problem]:
    """Why the user is held; fails where there is no reason."""
    user, problems = map_user(compile_mapping(attributes or DEFAULT_ATTRIBUTES, Safety(**safety)), row)
    assert user is None
    return list(problems)


def codes(row: dict[str, Any], attributes: dict[str, str] | None = None, **safety: Any) -> list[str]:
    return [problem.code for problem in held(row, attributes, **safety)]


def test_a_sound_record_becomes_an_active_user_whose_values_follow_the_sorted_paths() -> None:
    mapping = compile_mapping(DEFAULT_ATTRIBUTES, Safety())
    assert mapping.paths == ("name.familyName", "name.givenName", ORGANIZATION_ID, USER_TYPE)
    assert map_user(mapping, record()) == (
        User("jane@example.com", "DU1", active=True, values=("Doe", "Jane", "7", "endUser")),
        (),
    )


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("technican", "technician"), ("Technician", "technician"), ("enduser", "endUser"), ("End User", "endUser")],
)
def test_a_user_whose_type_is_misspelt_is_held_and_the_nearest_value_is_named(wrong: str, near: str) -> None:
    (problem,) = held(record(userType=wrong))
    assert (problem.code, problem.key, problem.external_id) == ("invalid-user-type", "jane@example.com", "DU1")
    assert f'did you mean "{near}"?' in problem.message
    assert repr(wrong) in problem.message
    assert "userType = custom_attributes.userType" in problem.message


@pytest.mark.parametrize("nothing", ["", "   ", "\t\n", None])
def test_empty_blank_and_null_are_the_same_and_a_user_without_a_type_is_held(nothing: Any) -> None:
    (problem,) = held(record(userType=nothing))
    assert problem.code == "missing-user-type"
    assert "silently make an end user" in problem.message


def test_a_technician_needs_no_organization() -> None:
    assert mapped(record(userType="technician", organizationID=None)).values[2] is None


def test_an_end_user_without_an_organization_is_held_with_the_danger_said() -> None:
    (problem,) = held(record(organizationID=None))
    assert problem.code == "missing-organization"
    assert "who may see all organizations" in problem.message


def test_what_a_technician_has_as_an_organization_must_still_be_valid() -> None:
    assert codes(record(userType="technician", organizationID="Acme")) == ["unknown-organization"]


def test_without_a_type_an_organization_is_needed_all_the_same() -> None:
    assert codes(record(userType=None, organizationID=None), allow_missing_user_type=True) == ["missing-organization"]


def test_missing_type_and_organization_pass_where_the_configuration_allows_them() -> None:
    row = record(userType=None, organizationID=None)
    user = mapped(row, allow_missing_user_type=True, allow_missing_organization=True)
    assert user.values == ("Doe", "Jane", None, None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("7", "7"),
        (7, "7"),
        (7.0, "7"),
        (" 7 ", "7"),
        ("007", "7"),
        ("000", "0"),
        ("all", "All"),
        ("ALL", "All"),
        ("All", "All"),
    ],
)
def test_an_organization_is_a_whole_number_or_all_in_any_case(given: Any, kept: str) -> None:
    assert mapped(record(organizationID=given)).values[2] == kept


@pytest.mark.parametrize("wrong", ["-1", "+1", "1.5", 1.5, "1 2", "٣", "²"])
def test_any_other_number_for_an_organization_is_held(wrong: Any) -> None:
    assert codes(record(organizationID=wrong)) == ["invalid-organization"]


@pytest.mark.parametrize("wrong", ["Acme", "1e3", "0x1", True, "all orgs"])
def test_a_user_with_an_unknown_organization_name_is_held(wrong: Any) -> None:
    assert codes(record(organizationID=wrong)) == ["unknown-organization"]


@pytest.mark.parametrize(
    "address",
    ["jane@example.com", "J.O'Neil+x@sub.example.co.uk", "žofie@müller.example", "a@b.c", "x" * 242 + "@example.com"],
)
def test_an_email_address_is_a_user_name(address: str) -> None:
    assert mapped(record(email=address)).user_name == address


@pytest.mark.parametrize(
    "address",
    [
        "jane",
        "jane@",
        "@example.com",
        "jane@localhost",
        "jane@@example.com",
        "jane doe@example.com",
        "jane@example..com",
        "jane@example.com.",
        "jane@exa\x1b[31mmple.com",
        "jane\u202e@example.com",
        "jane@example.com\nbcc",
        "x" * 243 + "@example.com",
        42,
    ],
)
def test_what_is_no_email_address_is_held_as_an_invalid_user_name(address: Any) -> None:
    assert codes(record(email=address)) == ["invalid-user-name"]


def test_a_user_without_an_address_is_held_and_called_by_the_username() -> None:
    (problem,) = held(record(email=None))
    assert (problem.code, problem.key) == ("missing-user-name", "jane")


def test_every_mistake_of_a_record_is_told_at_once() -> None:
    row = record(email="jane", firstname=" ", lastname=None, userType="tech", organizationID="Acme")
    found = held(row)
    assert sorted(problem.code for problem in found) == [
        "invalid-user-name",
        "invalid-user-type",
        "missing-name",
        "missing-name",
        "unknown-organization",
    ]
    assert any(
        "has no first name (name.givenName = firstname || given_name(realname))" in problem.message for problem in found
    )
    assert any(
        "has no last name (name.familyName = lastname || family_name(realname))" in problem.message for problem in found
    )


def test_an_invalid_type_is_told_once_and_not_as_a_missing_organization_too() -> None:
    assert codes(record(userType="tech", organizationID=None)) == ["invalid-user-type"]


@pytest.mark.parametrize(("length", "fits"), [(1, True), (150, True), (151, False)])
def test_a_name_may_have_1_to_150_characters(length: int, fits: bool) -> None:
    row = record(firstname="x" * length)
    if fits:
        assert mapped(row).values[1] == "x" * length
    else:
        (problem,) = held(row)
        assert problem.code == "missing-name"
        assert "151 characters" in problem.message


@pytest.mark.parametrize("name", ["O'Brien", '"Bobby"', "[/x]", "<script>", "佐藤", "\x1b[31mred", "a|b"])
def test_a_hostile_name_is_data_and_passes_unchanged(name: str) -> None:
    assert mapped(record(lastname=name)).values[0] == name


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("custom_attributes", "an object"), ("groups", "an object"), ("groups[?name == 'x'].name", "an empty list")],
)
def test_an_expression_that_gives_no_single_value_holds_the_user(expression: str, kind: str) -> None:
    row = record(groups=[{"name": "Ops"}])
    (problem,) = held(row, DEFAULT_ATTRIBUTES | {"title": expression})
    assert problem.code == "expression-failed"
    assert f"gives {kind}; one value is needed (title = {expression})" in problem.message


def test_an_expression_that_fails_on_one_record_holds_that_one_and_is_shown() -> None:
    attributes = DEFAULT_ATTRIBUTES | {"userName": "join('@', [username, domain])"}
    assert mapped(record(domain="example.com"), attributes).user_name == "jane@example.com"
    (problem,) = held(record(domain=None), attributes)
    assert problem.code == "expression-failed"
    assert "userName = join('@', [username, domain])" in problem.message


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (3, "3"), (2.5, "2.5"), (2.0, "2")])
def test_a_number_or_a_boolean_becomes_text(value: Any, text: str) -> None:
    user = mapped(record(x=value), DEFAULT_ATTRIBUTES | {"title": "x"})
    assert user.values[-1] == text or text in user.values


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_holds_the_user(value: float) -> None:
    (problem,) = held(record(x=value), DEFAULT_ATTRIBUTES | {"title": "x"})
    assert problem.code == "expression-failed"
    assert "which is no value" in problem.message


def test_a_required_attribute_that_is_not_mapped_holds_every_user_that_needs_it() -> None:
    attributes = {path: text for path, text in DEFAULT_ATTRIBUTES.items() if path != USER_TYPE}
    (problem,) = held(record(), attributes)
    assert problem.code == "missing-user-type"
    assert "userType is not mapped" in problem.message


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"email": "e@x.y", "username": "u", "user_id": "DU1"}, "e@x.y"),
        ({"email": "", "username": "u", "user_id": "DU1"}, "u"),
        ({"email": None, "username": None, "user_id": "DU1"}, "DU1"),
    ],
)
def test_users_are_named_by_email_else_username_else_id(row: dict[str, Any], name: str) -> None:
    assert label(row) == name


_anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.none())


@given(email=_anything, first=_anything, last=_anything, kind=_anything, organization=_anything)
def test_whatever_a_record_holds_the_user_is_either_wholly_valid_or_held_with_a_reason(
    email: Any, first: Any, last: Any, kind: Any, organization: Any
) -> None:
    row = record(email=email, firstname=first, lastname=last, userType=kind, organizationID=organization)
    user, problems = map_user(compile_mapping(DEFAULT_ATTRIBUTES, Safety()), row)
    assert (user is None) == bool(problems)
    if user:
        assert user.values[3] in ("technician", "endUser")
        assert all(user.values[:2])
