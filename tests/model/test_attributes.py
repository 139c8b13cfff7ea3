"""Which SCIM attributes a mapping may name, and under which name people read them."""

import pytest

from ninjasync.model.attributes import (
    ENTERPRISE,
    NINJAONE,
    ORGANIZATION_ID,
    USER_TYPE,
    canonical,
    short_names,
    split,
)
from ninjasync.model.message import did_you_mean


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        (" name.givenname ", "name.givenName"),
        ("displayName", "displayName"),
        (USER_TYPE.upper(), USER_TYPE),
        (ORGANIZATION_ID.lower(), ORGANIZATION_ID),
        (f"{ENTERPRISE}:Department", f"{ENTERPRISE}:department"),
        ("urn:ietf:params:scim:schemas:core:2.0:user:USERNAME", "userName"),
        ("urn:example:schemas:Acme:1.0:User:badge", "urn:example:schemas:Acme:1.0:User:badge"),
    ],
)
def test_an_attribute_may_be_written_in_any_letter_case_and_gets_its_canonical_spelling(
    written: str, meant: str
) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("active", "active cannot be mapped: ninjasync sets it itself"),
        ("EXTERNALID", "externalId cannot be mapped: ninjasync sets it itself, to the Duo user id"),
        ("id", "id cannot be mapped: only NinjaOne sets it"),
        ("meta", "meta cannot be mapped: only NinjaOne sets it"),
        ("schemas", "schemas cannot be mapped: ninjasync sets it itself"),
        ("groups", "groups cannot be mapped: NinjaOne computes it from the groups; see [groups]"),
        ("password", "password cannot be mapped: NinjaOne takes no passwords over SCIM"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:active", "active cannot be mapped: ninjasync sets it itself"),
        ("emails", "an attribute with several values cannot be mapped"),
        ('phoneNumbers[type eq "work"].value', "an attribute with several values cannot be mapped"),
        ("addresses.country", "an attribute with several values cannot be mapped"),
        ("urn:x", "an extension attribute is written <schema URN>:<attribute>"),
        ("urn:a:b:c:d e", "an extension attribute is written <schema URN>:<attribute>"),
        ("urn:a:b:c:", "an extension attribute is written <schema URN>:<attribute>"),
        ("usrName", 'did you mean "userName"'),
        ("usertype", f'did you mean "{USER_TYPE}"'),
        ("organisationId", f'did you mean "{ORGANIZATION_ID}"'),
        (f"{NINJAONE}:usrType", f'that schema has no such attribute; did you mean "{USER_TYPE}"'),
        (f"{NINJAONE}:departmnet", "that schema has no such attribute"),
        ("", "no SCIM User attribute of that name"),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_the_reason_and_the_nearest_name(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        canonical(written)
    assert why in str(caught.value)


def test_nothing_is_suggested_where_nothing_is_similar() -> None:
    assert did_you_mean("zzzzzz", ["userName", "title"]) == ""
    with pytest.raises(ValueError, match=r"of that name$"):
        canonical("zzzzzzzzzz")


def test_a_suggestion_ignores_letter_case() -> None:
    assert did_you_mean("TECHNICAN", ("technician", "endUser")) == '; did you mean "technician"?'


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("userName", ("", ("userName",))),
        ("name.givenName", ("", ("name", "givenName"))),
        (USER_TYPE, (NINJAONE, ("userType",))),
        ("urn:a:b:c:2.0:User:x.y", ("urn:a:b:c:2.0:User", ("x", "y"))),
    ],
)
def test_a_path_is_split_at_its_schema_and_its_dots_but_not_at_a_version(
    path: str, parts: tuple[str, tuple[str, ...]]
) -> None:
    assert split(path) == parts


def test_an_extension_attribute_is_shown_by_its_own_name_unless_two_share_it() -> None:
    other = "urn:example:schemas:Acme:1.0:User:userType"
    assert short_names([USER_TYPE, "title"]) == {USER_TYPE: "userType", "title": "title"}
    assert short_names([USER_TYPE, other]) == {USER_TYPE: USER_TYPE, other: other}
    assert short_names([f"{ENTERPRISE}:userName", "userName"]) == {
        f"{ENTERPRISE}:userName": f"{ENTERPRISE}:userName",
        "userName": "userName",
    }
