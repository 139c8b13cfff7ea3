"""The sandbox's SCIM filters: what they match and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from ninjasync.sandbox.ninjaone.error import ScimError
from ninjasync.sandbox.ninjaone.filter import parse_filter, parse_path
from ninjasync.sandbox.ninjaone.match import matches
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from tests.support.urns import CORE_USER, EXTENSION

ANA: dict[str, Any] = {
    "schemas": [CORE_USER, EXTENSION],
    "id": "Id1",
    "externalId": "DUana",
    "userName": "Ana@Example.com",
    "name": {"givenName": "Ana", "familyName": 'O"Brien\\'},
    "nickName": "",
    "active": True,
    "emails": [
        {"value": "ana@work.example", "type": "work", "primary": True},
        {"value": "ana@home.example", "type": "home"},
    ],
    "meta": {"created": "2026-01-01T12:00:00.000Z", "resourceType": "User"},
    EXTENSION: {"userType": "technician", "organizationId": "All"},
}


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ana@example.com"',
        'USERNAME EQ "ANA@EXAMPLE.COM"',
        '  userName  eq  "ana@example.com"  ',
        'userName ne "ben@example.com"',
        'userName co "@example"',
        'userName sw "ANA"',
        'userName ew ".com"',
        'userName gt "a" and userName lt "b"',
        'userName ge "ana@example.com" and userName le "ana@example.com"',
        'externalId eq "DUana"',
        'id eq "Id1"',
        "userName pr",
        "name pr",
        "active eq true",
        "active eq True",
        "active ne false",
        'title ne "Boss"',
        "title eq null",
        "nickName eq null",
        "userName ne null",
        "not (title pr)",
        "not(nickName pr)",
        'name.givenName eq "ana"',
        r'name.familyName eq "O\"Brien\\"',
        r'name.familyName co "\u0042rien"',
        'name[givenName eq "Ana" and familyName pr]',
        'emails eq "ana@home.example"',
        'emails.value ew "work.example"',
        'emails.type eq "HOME"',
        'emails[type eq "work" and value co "work"]',
        'emails[type eq "work" and primary eq true]',
        "emails pr",
        "emails.primary eq true",
        f'schemas eq "{EXTENSION}"',
        f'{CORE_USER}:userName eq "ana@example.com"',
        f'{CORE_USER.upper()}:name.givenName eq "ana"',
        f'{EXTENSION}:userType eq "technician"',
        f'{EXTENSION}:organizationId eq "ALL"',
        f"{EXTENSION}:userType pr",
        'meta.created gt "2025-12-31T23:59:59Z"',
        'meta.created eq "2026-01-01T13:00:00+01:00"',
        'meta.created le "2026-01-01T12:00:00"',
        "title pr or userName pr and active eq true",
        "active eq true or title pr and title pr",
        "(title pr or active eq true) and userName pr",
        "not (title pr or active eq false)",
    ],
)
def test_a_filter_matches(text: str) -> None:
    assert matches(parse_filter(USER, text), ANA)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ana"',
        'userName ne "ANA@example.com"',
        'externalId eq "DUANA"',
        'externalId sw "du"',
        'id eq "id1"',
        "title pr",
        "nickName pr",
        "userName eq null",
        "userName eq 5",
        'active eq "true"',
        "active eq 1",
        "active eq false",
        'title co "B"',
        'title gt "A"',
        "not (userName pr)",
        'emails[type eq "home" and value co "work"]',
        'emails ne "ana@home.example"',
        f'{EXTENSION}:userType eq "Technician"',
        'meta.created lt "2026-01-01T12:00:00Z"',
        "(active eq true or title pr) and title pr",
    ],
)
def test_a_filter_does_not_match(text: str) -> None:
    assert not matches(parse_filter(USER, text), ANA)


def test_a_resource_without_the_extension_matches_nothing_in_it() -> None:
    assert not matches(parse_filter(USER, f"{EXTENSION}:userType pr"), {"userName": "x"})
    assert not matches(parse_filter(USER, 'emails[type eq "work"]'), {"userName": "x"})


def test_members_are_found_by_id() -> None:
    group = {"displayName": "Techs", "members": [{"value": "a"}, {"value": "B"}]}
    assert matches(parse_filter(GROUP, 'members eq "B"'), group)
    assert matches(parse_filter(GROUP, 'members[value eq "a"]'), group)
    assert not matches(parse_filter(GROUP, 'members.value eq "b"'), group)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "userName",
        "userName eq",
        'userName is "x"',
        "userName eq x",
        "userName eq 'x'",
        'userName eq "x',
        'userName eq "x" and',
        'userName eq "x" userName pr',
        'userName eq "x" or or title pr',
        "(userName pr",
        "userName pr)",
        "not userName pr",
        "()",
        '"x" eq userName',
        "nonsense pr",
        "name.nonsense pr",
        "urn:nothing:userName pr",
        f"{EXTENSION}:nonsense pr",
        'name eq "Ana"',
        "active gt true",
        'active co "t"',
        "userName gt 5",
        "userName co null",
        'meta.created co "2026"',
        'meta.created gt "yesterday"',
        'emails[type eq "work"',
        "emails[]",
        'emails[nonsense eq "x"]',
        'emails[type eq "work"].value eq "x"',
        "(" * 100 + "userName pr" + ")" * 100,
        "not (" * 100 + "userName pr" + ")" * 100,
        " or ".join(["userName pr"] * 1000),
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ScimError) as caught:
        parse_filter(USER, text)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidFilter")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "nonsense",
        "emails[",
        'emails[type eq "work"]x',
        'emails[type eq "work"].x',
        "emails]",
        "a b",
        'emails[type eq "work"].value x',
        '"x"',
        'emails[type is "x"]',
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ScimError) as caught:
        parse_path(USER, text)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidPath")


def test_a_path_says_attribute_filter_and_part() -> None:
    path, inner = parse_path(USER, 'emails[type eq "work"].value')
    assert (path.attribute.name, path.sub and path.sub.name) == ("emails", "value")
    assert inner is not None
    assert matches(inner, {"type": "work"})
    path, inner = parse_path(USER, f"{EXTENSION.upper()}:usertype")
    assert (path.urn, path.attribute.name, path.sub, inner) == (EXTENSION, "userType", None, None)
