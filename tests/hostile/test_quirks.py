"""Whatever server there is: under each quirk, `apply` ends in the right state, or refuses and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.faults.catalogue import QUIRKS, SERVERS
from ninjasync.sandbox.ninjaone.schema import GROUP
from tests.support.command import Json
from tests.support.oracle import shown_account
from tests.support.rounds import SERIAL, WITH_TITLES, Rounds
from tests.support.urns import EXTENSION

DIALECT = "ninjaone.dialect"
SMALL_PAGES: Mapping[str, Any] = {DIALECT: {"page_size": 10}}
# Lists alone: where anything else may be asked for, look-ups fill what a list lacks.
LISTS_ALONE: Mapping[str, Any] = {DIALECT: {"page_size": 10, "discovery": "list"}}


@dataclass(frozen=True)
class Way:
    """What a quirk needs in the configuration, what its server does not keep, and how often to apply at most."""

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    but: tuple[str, ...] = ()
    number: str = ""
    most: int = 1


# What a quirk that is not named here needs is nothing: one apply, and all is right.
WAYS: Mapping[str, Way] = {
    "stale-reads": Way(most=3),
    "no-external-id": Way(but=("externalId",)),
    "drops-title": Way(settings=WITH_TITLES),
    "trims-names": Way(but=("givenName", "familyName")),
    "upper-case-family-name": Way(but=("familyName",), most=2),  # an adoption changes what was not sent, too
    "delete-is-inactive": Way({"deprovision": {"users": "delete"}}),
    "patch-title-case-only": Way({DIALECT: {"patch_op_case": "title"}}),
    "member-removal-list-only": Way({DIALECT: {"member_removal": "list"}}),
    "member-cap": Way({DIALECT: {"members_per_call": 3}}, number="=3"),
    "members-shown": Way(number="=3"),
    "page-cap": Way(number="=10"),
    "total-cap": Way(number="=10"),
    "error-behind-last": Way(number="=404"),
    "gone": Way(number="=410"),
    "edge": Way(number="=522"),
    "external-id-lower-case": Way(but=("externalId",)),
    "external-id-unknown": Way(but=("externalId",)),
    "overlapping-pages": Way(SMALL_PAGES),
    "cursor-paging": Way(LISTS_ALONE),
    "total-of-page": Way(SMALL_PAGES),
    "no-total-results": Way(SMALL_PAGES),
    "ignores-start-index": Way(SMALL_PAGES),
}
# exit code, sentence
REFUSALS: Mapping[str, tuple[int, str]] = {
    "ignores-start-index": (1, "NinjaOne sends the same users again for each page"),
    "login-page": (1, "answered with something that is not JSON, as a login page or a proxy would"),
    "redirects": (1, "redirects elsewhere (HTTP 301); the token is not sent after a redirect"),
    "duo.no-total": (1, "Duo did not say how many groups there are"),
    "duo.shrinking-total": (1, "The number of Duo's users changed from 26 to 24 while they were read"),
    "duo.standing-offset": (1, "Duo's paging of groups stands still"),
    "duo.short-page": (1, "Duo says that it has 5 groups, but sent 4"),
}
# These keep a user from what they should have; each has a test of its own below.
HINDRANCES = (
    "type-becomes-end-user",
    "organization-becomes-all",
    "protected-403",
    "hidden-holder",
    "patch-urn-astray",
    "duo.malformed-row",
    "duo.unknown-status",
)
# These are not of a kind with the others: what they should lead to is no state that all must reach.
APART = (
    "created-in-vain",
    "protected-500",
    "refused-member",
    "extension-unknown",
    "unreadable",
    "no-lists",
    "list-204",
    "empty-list-204",
    "resources-object",
    "sees-nothing",
    "switched-off",
    "duo.no-custom-attributes",
    "duo.trash-unlisted",
)
# The public API's are for the tests of the second witness.
WITHOUT_API = [name for name in QUIRKS if not name.startswith("api.")]
CONVERGING = [name for name in WITHOUT_API if name not in {*REFUSALS, *HINDRANCES, *APART}]


def test_every_quirk_is_tried() -> None:
    assert {*WAYS, *REFUSALS, *HINDRANCES, *APART} <= set(WITHOUT_API)
    assert len(CONVERGING) + len(REFUSALS) + len(HINDRANCES) + len(APART) == len(WITHOUT_API)


@pytest.mark.parametrize("quirk", CONVERGING)
def test_under_each_quirk_a_hire_a_leaver_a_promotion_a_rename_and_a_return_end_right(
    quirk: str, tmp_path: Path
) -> None:
    way = WAYS.get(quirk, Way())
    quirks = (quirk + way.number,)
    with Rounds(tmp_path, quirks=quirks, settings={**way.settings, **SERIAL}) as office:
        office.converge(way.most)
        office.check(but=way.but)
        office.changes()
        office.converge(way.most)
        office.check(but=way.but)
        office.comes_back()
        office.converge(way.most)
        office.check(but=way.but)
        office.box.forget()
        assert office.apply().code == 0
        assert office.writes() == [], "nothing is left to do, so nothing is written"


@pytest.mark.parametrize("quirk", REFUSALS)
def test_what_cannot_be_read_for_certain_is_refused_and_nothing_is_written(quirk: str, tmp_path: Path) -> None:
    code, sentence = REFUSALS[quirk]
    with Rounds(tmp_path, settings=LISTS_ALONE) as office:
        office.converge()
        office.changes()
        office.box.set_behavior(quirks=[quirk])
        office.box.forget()
        for command in (("plan",), ("apply", "--yes")):
            refused = office.run(*command, "--format", "json")
            assert (refused.code, refused.json["error"]["exit_code"]) == (code, code)
            assert sentence in refused.json["error"]["message"]
            assert f"Error: {refused.json['error']['message']} [tenant " in refused.err
        assert office.writes() == []
        office.box.set_behavior()
        office.converge(1)
        office.check()


@pytest.mark.parametrize("quirk", ["ignores-start-index", "cursor-paging"])
def test_pages_that_never_come_are_looked_up_instead(quirk: str, tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=(quirk,), settings=SMALL_PAGES) as office:
        office.converge()
        office.check()
        office.changes()
        assert any("looked up instead" in warning for warning in office.converge()["warnings"])
        office.check()
        office.comes_back()
        office.converge()
        office.check()


def test_accounts_that_were_made_in_vain_are_made_anew_once_that_is_approved(tmp_path: Path) -> None:
    """What NinjaOne says it made and does not show looks as one does that shows nothing for a day."""
    with Rounds(tmp_path, quirks=("created-in-vain",)) as office:
        office.apply()
        office.box.forget()
        refused = office.apply()
        assert (refused.code, office.writes()) == (3, [])
        (guard,) = (one for one in refused.json["guards"] if one["tripped"])
        assert guard["name"] == "vanished"
        office.apply(*guard["approve"].split())
        office.converge()
        office.check()


def test_no_token_follows_a_redirect(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("redirects",)) as office:
        office.apply()
        asked = [request for request in office.box.requests if request.service == "scim"]
        assert asked
        assert all(request.status == 301 for request in asked)


@pytest.mark.parametrize(
    ("quirk", "attribute", "stored"),
    [("type-becomes-end-user", "userType", "endUser"), ("organization-becomes-all", "organizationId", "All")],
)
def test_an_account_with_other_rights_than_meant_is_a_failure_in_every_run(
    quirk: str, attribute: str, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINJASYNC_SAFETY__MAX_PRIVILEGE_CHANGES", "50")  # no guard is to stop what is tried here
    with Rounds(tmp_path, quirks=(quirk,)) as office:
        meant = {
            office.people.users[id_]["email"]
            for id_, account in office.expected().items()
            if (account[attribute] or stored) != stored
        }
        for _ in range(3):
            applied = office.apply()
            failed = {one["key"]: one["error"] for one in applied.json["changes"] if one["outcome"] == "failed"}
            assert (applied.code, set(failed)) == (4, meant)
            assert all(attribute in error and f'"{stored}"' in error for error in failed.values())
            assert {one["key"] for one in office.plan_at_last().json["changes"]} == meant
        office.box.set_behavior()
        office.converge(1)
        office.check()


def test_an_account_that_refuses_every_change_holds_up_no_other(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("protected-403",)) as office:
        oldest = dict(next(iter(office.ninjaone.users.values())))
        for _ in range(2):
            applied = office.apply()
            failed = [one for one in applied.json["changes"] if one["outcome"] == "failed"]
            assert applied.code == 4
            assert [one["key"].casefold() for one in failed] == [oldest["userName"].casefold()]
            assert "this account is protected" in failed[0]["error"]
        assert office.ninjaone.users[oldest["id"]] == oldest
        assert [one["key"] for one in office.plan_at_last().json["changes"]] == [failed[0]["key"]]
        office.box.set_behavior()
        office.converge(1)
        office.check()


def test_a_user_that_needs_the_name_of_a_hidden_account_is_held_from_then_on(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("hidden-holder",)) as office:
        oldest = dict(next(iter(office.ninjaone.users.values())))
        assert office.apply().code == 4
        for _ in range(2):
            plan = office.plan_at_last()
            assert (plan.code, plan.json["changes"]) == (0, [])
            held = [one["key"].casefold() for one in plan.json["problems"] if one["code"] == "name-taken"]
            assert held == [oldest["userName"].casefold()]
            assert office.apply().code == 0
        assert office.ninjaone.users[oldest["id"]] == oldest
        office.box.set_behavior()
        office.converge()
        office.check()


def test_a_record_that_cannot_be_read_holds_one_and_withholds_removals(tmp_path: Path) -> None:
    with Rounds(tmp_path) as office:
        office.converge(1)
        office.changes()
        office.box.set_behavior(quirks=["duo.malformed-row"])
        for _ in range(2):
            applied = office.apply()
            assert applied.code == 3, "a removal is withheld"
            assert "unreadable-record" in {one["code"] for one in applied.json["problems"]}
            assert {one["outcome"] for one in applied.json["changes"] if one["action"] == "deactivate"} == {"skipped"}
        (leaver,) = office.left
        assert by_duo_id(office)[leaver]["active"] is True
        office.box.set_behavior()
        office.converge(1)
        office.check()


def test_a_status_that_duo_does_not_document_holds_one_user_and_no_other(tmp_path: Path) -> None:
    with Rounds(tmp_path) as office:
        office.converge(1)
        before = by_duo_id(office)
        last = [id_ for id_, user in office.people.users.items() if user["status"] == "active" and id_ in before][-1]
        for id_, user in list(office.people.users.items()):
            if user["status"] == "active" and id_ not in before:
                office.people.erase(id_)  # so that the quirk strikes somebody with an account
        leaver = next(id_ for id_ in office.undisturbed() if id_ != last)
        office.people.disable(leaver)
        office.box.set_behavior(quirks=["duo.unknown-status"])
        applied = office.apply()
        assert applied.code == 0
        assert [one["key"] for one in applied.json["problems"] if one["code"] == "unknown-status"] == [
            office.people.users[last]["email"]
        ]
        after = by_duo_id(office)
        assert after[last] == before[last]
        assert (before[leaver]["active"], after[leaver]["active"]) == (True, False)


def by_duo_id(office: Rounds) -> dict[str, Json]:
    """Return the accounts by the Duo id that they carry."""
    return {row["externalId"]: dict(row) for row in office.ninjaone.users.values() if row.get("externalId")}


def test_what_the_server_hides_is_named_and_its_changes_arrive_all_the_same(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("no-extension",)) as office:
        first = office.converge(1)
        assert any("userType" in warning and "does not show" in warning for warning in first["warnings"])
        office.box.forget()
        office.apply()
        assert office.writes() == []
        promoted = office.undisturbed()[0]
        office.people.set_attribute(promoted, "userType", "technician")
        office.apply()
        assert [method for method, _ in office.writes()] == ["PATCH"]
        assert by_duo_id(office)[promoted][EXTENSION]["userType"] == "technician"
        office.check()


def test_a_value_that_the_server_changes_is_named_once_and_not_sent_again(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("trims-names",)) as office:
        office.changes()
        applied = office.apply()
        hired = next(id_ for id_, user in office.people.users.items() if user["lastname"] == "New")
        assert shown_account(by_duo_id(office)[hired])["givenName"] == "Anna Maria"
        assert "givenName" in applied.err + " ".join(applied.json["warnings"]) + str(applied.json["changes"])
        office.box.forget()
        assert office.apply().code == 0
        assert office.writes() == []


@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_a_total_that_is_too_low_makes_no_twins_where_names_need_not_be_unique(ledger: str, tmp_path: Path) -> None:
    with Rounds(tmp_path, settings=SMALL_PAGES) as office:
        office.converge(1)
        office.box.set_behavior(quirks=["no-uniqueness", "total-of-page"])
        if ledger == "lost":
            office.lose_ledger()
        office.converge()
        office.check()


def test_a_list_that_lags_makes_no_twins_where_names_need_not_be_unique(tmp_path: Path) -> None:
    with Rounds(tmp_path, quirks=("no-uniqueness", "stale-reads"), settings=SERIAL) as office:
        office.converge()
        office.check()
        office.changes()
        office.converge()
        office.check()


@pytest.mark.parametrize("quirk", ["patch-urn-astray", "polis"])
def test_where_no_change_of_rights_arrives_each_is_a_failure_and_putting_instead_helps(
    quirk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINJASYNC_SAFETY__MAX_PRIVILEGE_CHANGES", "50")  # no guard is to stop what is tried here
    with Rounds(tmp_path, quirks=(quirk,), settings=SERIAL) as office:
        for happens in (None, office.changes):
            if happens is not None:
                happens()
            for _ in range(2):
                applied = office.apply()
                failed = [one for one in applied.json["changes"] if one["outcome"] == "failed"]
                assert (applied.code, bool(failed)) == (4, True)
                assert all("and made it" in one["error"] and "check --probe" in one["error"] for one in failed)
        monkeypatch.setenv("NINJASYNC_NINJAONE__DIALECT__PATCH", "put")
        monkeypatch.setenv("NINJASYNC_NINJAONE__DIALECT__GROUP_PATCH", "patch")
        office.converge(1)
        office.check()
        office.comes_back()
        office.converge(1)
        office.check()


def test_a_list_without_content_does_not_say_that_there_is_nothing(tmp_path: Path) -> None:
    """As long as there are no groups; one that is made by hand lets all go on."""
    with Rounds(tmp_path, quirks=("empty-list-204",)) as office:
        for command in (("plan",), ("apply", "--yes")):
            refused = office.run(*command, "--format", "json")
            assert refused.code == 1
            assert "the list of groups with HTTP 204 and no content" in refused.json["error"]["message"]
        assert office.writes() == []
        first = office.people.groups[office.people.scoped[0]]["name"].partition(" (from ")[0]
        office.ninjaone.create(GROUP, {"displayName": first})
        office.converge(1)
        office.check()
        office.changes()
        office.converge(1)
        office.check()


# Real servers by name


# What the probe has to find out, or the operator to set.
_DIALECTS: Mapping[str, Mapping[str, Any]] = {
    "django-scim2": {"member_removal": "list"},
    "polis": {"patch": "put", "group_patch": "patch"},
}


@pytest.mark.parametrize("server", SERVERS)
def test_under_the_quirks_of_a_real_server_two_applies_end_right_and_the_plan_is_empty(
    server: str, tmp_path: Path
) -> None:
    but = ("externalId",) if server == "canaille" else ()
    with Rounds(tmp_path, quirks=(server,), settings={DIALECT: _DIALECTS.get(server, {}), **SERIAL}) as office:
        for happens in (None, office.changes, office.comes_back):
            if happens is not None:
                happens()
            office.converge(2)
            office.check(but=but)
        office.box.forget()
        assert office.apply().code == 0
        assert office.writes() == []
