"""Names that look alike, from the plan to the next plan: who gets which account, and who is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from tests.support.command import Json
from tests.support.company import END_USERS
from tests.support.office import Office
from tests.support.proxy import Forward
from tests.support.server import Hit, Reply
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION

BOTH_WAYS = pytest.mark.parametrize("discovery", ["list", "lookup"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


def account(world: Office, name: str, external_id: str | None = None, **more: object) -> str:
    row: Json = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": name,
        "active": True,
        "name": {"givenName": "Some", "familyName": "Body"},
        EXTENSION: {"userType": "technician", "organizationId": "9"},
        **({"externalId": external_id} if external_id else {}),
        **more,
    }
    return str(world.ninjaone.create(USER, row)["id"])


def hire(world: Office, email: str) -> str:
    id_ = world.people.hire("Eva", "Someone", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.set_email(id_, email)
    return id_


def empty(world: Office) -> bool:
    left = world.plan("--detailed-exitcode")
    return left.code == 0 and left.json["changes"] == []


@BOTH_WAYS
@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("groß@example.com", "gross@example.com"),
        ("ﬁlip@example.com", "filip@example.com"),
        ("straße@exämple.com", "strasse@exämple.com"),
    ],
)
def test_an_address_that_is_equal_after_full_case_folding_alone_is_another_account(
    world: Office, discovery: str, wanted: str, there: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    technicians = account(world, there)
    before = dict(world.ninjaone.users[technicians])
    eva = hire(world, wanted)
    assert world.plan().actions()[wanted] == "create"
    world.settle()
    assert world.ninjaone.users[technicians] == before
    assert world.account(wanted)["externalId"] == eva
    world.people.trash(eva)
    world.settle()
    assert not world.account(wanted)["active"]
    world.people.enable(eva)
    world.settle()
    assert world.account(wanted)["active"]
    assert world.ninjaone.users[technicians] == before


def test_two_groups_that_full_case_folding_makes_equal_stay_two(world: Office) -> None:
    there = world.ninjaone.create(GROUP, {"schemas": [CORE_GROUP], "displayName": "Gross", "members": []})["id"]
    world.people.add_group("Groß")
    world.configure("scope", groups=["NinjaOne*", "Groß"])
    assert world.plan().actions("group")["Groß"] == "create"
    world.settle()
    assert world.ninjaone.groups[there]["displayName"] == "Gross"
    assert "externalId" not in world.ninjaone.groups[there]


@BOTH_WAYS
@pytest.mark.parametrize(
    ("in_duo", "in_ninjaone"),
    [("jose\u0301@exämple.com", "josé@exämple.com"), ("ANNÄ@example.com", "annä@example.com")],
)
def test_another_form_of_the_same_name_is_the_same_account_and_nothing_is_written_for_it_again(
    world: Office, discovery: str, in_duo: str, in_ninjaone: str
) -> None:
    id_ = account(world, in_ninjaone)
    hire(world, in_duo)
    world.settle()
    assert len([one for one in world.accounts() if "jos" in one.lower() or "ann" in one.lower()]) == 1
    assert world.ninjaone.users[id_]["externalId"]
    world.configure("ninjaone.dialect", discovery=discovery)
    assert empty(world)
    for file in world.folder.glob("ledger*"):
        file.unlink()
    assert empty(world), "also where no ledger says that it was settled"


@pytest.mark.parametrize("in_duo", ["Cafe\u0301", "Café ", "\u200bCafé"])
def test_a_groups_name_in_another_form_is_no_change_for_ever(world: Office, in_duo: str) -> None:
    world.people.add_group(in_duo)
    world.configure("scope", groups=["NinjaOne*", "CAFÉ\u00a0"])
    world.settle()
    assert "Café" in world.groups()
    (id_,) = (one["id"] for one in world.ninjaone.groups.values() if one["displayName"] == "Café")
    world.ninjaone.update(GROUP, id_, {**world.ninjaone.groups[id_], "displayName": "Cafe\u0301"})
    assert empty(world), "a server that keeps names decomposed"


@pytest.mark.parametrize(
    "entry", ["ninjaone end users", "NINJAONE END USERS\t", "ninjaone e*", "NinjaOne\u0020End Users "]
)
def test_an_entry_of_the_scope_names_a_group_whatever_its_case_and_blanks(world: Office, entry: str) -> None:
    world.configure("scope", groups=[entry])
    assert world.plan().json["source"]["in_scope"] == 12


# --- protected and excluded ------------------------------------------------------------------

ENDS = [" ", "\t", "\u00a0", "\u200b", "\u3000"]


# Entries are compared in one place, before either side is read: each way of reading meets one blank or two.
@pytest.mark.parametrize(
    ("end", "discovery", "ledger"),
    [
        *zip(ENDS, ["list", "lookup"] * len(ENDS), [True] * len(ENDS), strict=False),
        (" ", "list", False),
        ("\u200b", "lookup", False),
    ],
)
def test_a_protected_account_is_never_touched_for_a_blank_in_the_entry(
    world: Office, end: str, discovery: str, ledger: bool
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    breakglass = hire(world, "breakglass@example.com")
    world.settle()
    world.configure("safety", protected_users=[f"BreakGlass@example.com{end}"])
    world.people.leave(breakglass, world.people.find_group_id(END_USERS))
    if not ledger:
        for file in world.folder.glob("ledger*"):
            file.unlink()
    before = world.account("breakglass@example.com")
    planned = world.plan()
    assert "breakglass@example.com" not in planned.actions()
    assert "fits neither" not in planned.out
    assert world.apply().code == 0
    assert world.account("breakglass@example.com") == before
    world.people.join(breakglass, world.people.find_group_id(END_USERS))
    assert world.apply().code == 0
    assert world.account("breakglass@example.com") == before


@BOTH_WAYS
def test_entries_that_fit_none_are_warnings_and_name_what_may_be_meant(world: Office, discovery: str) -> None:
    account(world, "admin@console.example.com")
    world.settle()
    world.configure("ninjaone.dialect", discovery=discovery)
    world.configure("safety", protected_users=["user1.too@example.com", "ADMIN@console.example.com", "gone-*"])
    world.configure("scope", exclude_users=["user2.tow@example.com", "svc-*"], exclude_groups=["Elsewere", "Old*"])
    planned = world.plan()
    assert planned.code == 0
    warnings = "\n".join(planned.json["warnings"])
    assert 'protected_users: "user1.too@example.com" fits neither' in warnings
    assert 'did you mean "user1.two@example.com"' in warnings
    assert "ADMIN@console.example.com" not in warnings, "which was looked for in NinjaOne"
    assert ("gone-*" in warnings) == (discovery == "list"), "where accounts are looked up, no one knows of patterns"
    meant = '; did you mean "user2.two@example.com"?'
    assert f'exclude_users: "user2.tow@example.com" matches no user in Duo{meant}\n' in f"{warnings}\n"
    assert 'exclude_users: "svc-*"' in warnings
    assert 'exclude_groups: Duo has no group "Elsewere"; did you mean "Elsewhere"?' in warnings
    assert 'exclude_groups: "Old*" matches no group' in warnings


def test_entries_that_fit_warn_of_nothing(world: Office) -> None:
    world.configure("safety", protected_users=["USER1.two@example.com ", "tech*"])
    world.configure("scope", exclude_users=["User2.Two@example.com\u00a0"], exclude_groups=["elsewhere"])
    planned = world.plan()
    assert not [text for text in planned.json["warnings"] if "fits" in text or "matches" in text or "no group" in text]
    assert "user2.two@example.com" not in planned.actions()


# --- servers that compare exactly --------------------------------------------------------------


def compares_exactly(hit: Hit, forward: Forward) -> Reply:
    """Answer a filter on a name with what is spelt just so."""
    reply = forward()
    query = parse_qs(urlsplit(hit.target).query).get("filter", [""])[0]
    name, _, value = query.partition(" eq ")
    if name not in ("userName", "displayName") or reply.status != 200:
        return reply
    document = reply.document
    document["Resources"] = [one for one in document.get("Resources", []) if f'"{one[name]}"' == value]
    document["totalResults"] = len(document["Resources"])
    return reply.with_document(document)


def test_a_look_up_that_finds_none_looks_once_more_in_lower_case(world: Office) -> None:
    there = account(world, "eva.someone@example.com")
    hire(world, "Eva.Someone@Example.com")
    world.configure("ninjaone.dialect", discovery="lookup")
    meddler = world.proxy_scim(compares_exactly)
    assert world.plan().actions()["Eva.Someone@Example.com"] == "adopt"
    asked = [parse_qs(urlsplit(hit.target).query).get("filter", [""])[0] for hit in meddler.hits]
    assert asked.count('userName eq "eva.someone@example.com"') == 1
    assert sum("user1.two@example.com" in one for one in asked) == 1, "lower case already: it is asked for once"
    world.settle()
    assert world.ninjaone.users[there]["externalId"]


def test_explain_finds_an_account_that_only_lower_case_finds(world: Office) -> None:
    account(world, "eva.someone@example.com")
    hire(world, "Eva.Someone@Example.com")
    world.proxy_scim(compares_exactly)
    told = world.run("explain", "Eva.Someone@example.com ", "--format", "json")
    assert told.json["outcome"] == "adopt", told.text
