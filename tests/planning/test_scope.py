"""Who is provisioned and why, and which groups go along."""

from typing import Any

import pytest

from ninjasync.config import provisioning
from ninjasync.model.message import Message
from ninjasync.model.source import Standing
from ninjasync.planning.scope import Verdict, display_name, judge, resolve

GROUPS = {
    "DG1": "NinjaOne End Users",
    "DG2": "NinjaOne Technicians",
    "DG3": 'Helpdesk (from AD sync "corp")',
    "DG4": "Contractors",
    "DG5": "[x]",
    "DG6": "x",
}


def verdict(
    row: dict[str, Any] | None = None, *groups: str, names: dict[str, str] | None = None, **settings: Any
) -> Verdict:
    """Judge one user: active and called jane, but for ``row``, a member of ``groups``."""
    user = {"user_id": "DU1", "username": "jane", "email": "Jane@Example.com", "status": "active"} | (row or {})
    return judge(resolve(provisioning.Scope(**settings), provisioning.Groups(), names or GROUPS), user, groups)


def test_a_member_of_any_scoped_group_is_in_and_the_reason_names_the_group() -> None:
    settings: dict[str, Any] = {"groups": ("NinjaOne End Users", "NinjaOne Technicians")}
    assert verdict(None, "DG4", "DG2", **settings) == Verdict(Standing.IN, Message('member of "NinjaOne Technicians"'))
    assert verdict(None, "DG4", **settings) == Verdict(Standing.OUT, Message("in none of the scoped groups"))
    assert verdict(None, **settings).standing is Standing.OUT


@pytest.mark.parametrize("pattern", ["Helpdesk", 'Helpdesk (from AD sync "corp")', "DG3", "Help*", "H?lpdesk"])
def test_a_group_is_named_in_full_or_without_its_sync_suffix_or_by_id_or_glob(pattern: str) -> None:
    assert verdict(None, "DG3", groups=(pattern,)).standing is Standing.IN
    assert verdict(None, "DG4", groups=(pattern,)).standing is Standing.OUT


def test_a_group_whose_name_holds_glob_characters_can_be_named_exactly() -> None:
    assert verdict(None, "DG5", groups=("[x]",)).standing is Standing.IN
    assert verdict(None, "DG6", groups=("[x]",)).standing is Standing.OUT


def test_a_group_called_like_a_glob_does_not_take_the_others_out_of_scope() -> None:
    # Else whoever may make a group in Duo could turn everybody into a leaver.
    names = {**GROUPS, "DG7": "NinjaOne*"}
    assert verdict(None, "DG1", names=names, groups=("NinjaOne*",)).standing is Standing.IN
    assert verdict(None, "DG7", names=names, groups=("NinjaOne*",)).standing is Standing.IN


def test_a_group_called_star_does_not_keep_the_others_from_being_pushed() -> None:
    scope = resolve(provisioning.Scope(groups=("DG1", "DG2")), provisioning.Groups(), {**GROUPS, "DG7": "*"})
    assert set(scope.pushed) == {"DG1", "DG2"}


def test_a_scoped_group_that_duo_does_not_have_is_missing_and_the_nearest_is_named() -> None:
    scope = resolve(provisioning.Scope(groups=("NinjaOne Technican",)), provisioning.Groups(), GROUPS)
    assert scope.missing == (
        '[scope] groups: Duo has no group "NinjaOne Technican"; did you mean "NinjaOne Technicians"?',
    )


def test_an_excluded_group_that_duo_does_not_have_is_a_warning() -> None:
    scope = resolve(provisioning.Scope(all_users=True, exclude_groups=("Gone",)), provisioning.Groups(), GROUPS)
    assert scope.missing == ()
    assert scope.warnings == ('[scope] exclude_groups: Duo has no group "Gone".',)


def test_a_glob_that_matches_no_group_is_a_warning_alone() -> None:
    scope = resolve(provisioning.Scope(groups=("Zz*", "DG1")), provisioning.Groups(), GROUPS)
    assert scope.missing == ()
    assert scope.warnings == ('[scope] groups: "Zz*" matches no group in Duo.',)


@pytest.mark.parametrize("pattern", ["jane@example.com", "JANE", "DU1", "*@example.com", "j?ne", "du1"])
def test_a_user_is_named_by_email_username_or_id_in_any_case_or_by_a_glob(pattern: str) -> None:
    assert verdict(None, users=(pattern,)) == Verdict(Standing.IN, Message(f'named by users "{pattern}"'))
    found = verdict(None, all_users=True, exclude_users=(pattern,))
    assert found == Verdict(Standing.OUT, Message(f'excluded by exclude_users "{pattern}"'))


def test_a_user_with_glob_characters_in_the_name_can_be_named_exactly() -> None:
    assert verdict({"username": "j[1]"}, users=("j[1]",)).standing is Standing.IN
    assert verdict({"username": "j1", "email": None}, users=("j[1]",)).standing is Standing.IN


def test_a_user_without_email_or_username_is_still_judged() -> None:
    assert verdict({"email": None, "username": None}, users=("*@example.com",)).standing is Standing.OUT
    assert verdict({"email": None, "username": None}, users=("DU1",)).standing is Standing.IN


def test_all_users_puts_every_user_in_scope() -> None:
    assert verdict(None, all_users=True) == Verdict(Standing.IN, Message("all_users is set"))


def test_an_exclusion_beats_every_inclusion() -> None:
    found = verdict(None, "DG1", "DG4", groups=("DG1",), users=("jane",), exclude_groups=("Contr*",))
    assert found == Verdict(Standing.OUT, Message('excluded as a member of "Contractors"'))
    assert verdict(None, "DG1", groups=("DG1",), exclude_users=("jane",)).standing is Standing.OUT


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("disabled", "disabled in Duo"),
        ("pending deletion", "in Duo's trash"),
    ],
)
def test_a_disabled_or_trashed_user_is_a_leaver(status: str, reason: str) -> None:
    assert verdict({"status": status}, all_users=True) == Verdict(Standing.OUT, Message(reason))


@pytest.mark.parametrize("status", ["active", "bypass", "locked out"])
def test_active_bypassed_and_locked_out_users_are_in_unless_configured_otherwise(status: str) -> None:
    assert verdict({"status": status}, all_users=True).standing is Standing.IN


def test_a_user_merely_locked_out_is_never_a_leaver_even_where_that_status_is_not_wanted() -> None:
    assert verdict({"status": "locked out"}, all_users=True, statuses=("active",)).standing is Standing.LEFT_ALONE


def test_a_status_that_is_not_wanted_is_named_in_the_reason() -> None:
    found = verdict({"status": "bypass"}, all_users=True, statuses=("active",))
    assert found == Verdict(Standing.OUT, Message('status "bypass" is not among [scope] statuses'))


@pytest.mark.parametrize("status", ["frozen", "Active", "", None, 3, ["active"]])
def test_a_status_that_duo_has_not_documented_holds_the_user(status: Any) -> None:
    found = verdict({"status": status}, all_users=True)
    assert (found.standing, found.code) == (Standing.HELD, "unknown-status")


def test_a_user_in_no_scoped_group_is_out_of_scope_in_any_status() -> None:
    assert verdict({"status": "frozen"}, "DG4", groups=("DG1",)).standing is Standing.OUT


def test_where_narrows_the_scope_and_is_shown_in_the_reason() -> None:
    where = "department == 'IT'"
    assert verdict({"department": "IT"}, all_users=True, where=where).standing is Standing.IN
    found = verdict({"department": "HR"}, all_users=True, where=where)
    assert found == Verdict(Standing.OUT, Message(f"[scope] where is not true: {where}"))


def test_a_where_that_fails_on_a_record_holds_that_user_and_removes_no_account() -> None:
    found = verdict({"email": None}, all_users=True, where="ends_with(email, 'example.com')")
    assert (found.standing, found.code) == (Standing.HELD, "expression-failed")
    assert "[scope] where failed on the user's record" in found.reason


def test_a_disabled_user_is_a_leaver_even_where_the_where_would_fail() -> None:
    row = {"email": None, "status": "disabled"}
    assert verdict(row, all_users=True, where="ends_with(email, 'x')").standing is Standing.OUT


@pytest.mark.parametrize(
    ("push", "settings", "pushed"),
    [
        (("*",), {"groups": ("DG1", "DG3")}, {"DG1": "NinjaOne End Users", "DG3": "Helpdesk"}),
        (("*",), {"groups": ("DG1",), "all_users": True}, set(GROUPS)),
        (("Ninja*",), {"groups": ("DG1", "DG3")}, {"DG1"}),
        (("Contractors",), {"groups": ("DG1",)}, {"DG4"}),
        (("DG4", "Help*"), {"groups": ("DG1", "DG3")}, {"DG3", "DG4"}),
        ((), {"groups": ("DG1",)}, set()),
        (("*",), {"users": ("jane",)}, set()),
    ],
)
def test_globs_push_scoped_groups_and_an_exact_name_or_id_any_group(
    push: tuple[str, ...], settings: dict[str, Any], pushed: Any
) -> None:
    found = resolve(provisioning.Scope(**settings), provisioning.Groups(push=push), GROUPS)
    assert set(found.pushed) == set(pushed)
    if isinstance(pushed, dict):
        assert found.pushed == pushed
    assert found.warnings == ()


def test_a_push_that_matches_nothing_is_a_warning() -> None:
    found = resolve(provisioning.Scope(groups=("DG1",)), provisioning.Groups(push=("Gone", "Zz*")), GROUPS)
    assert found.warnings == (
        '[groups] push: "Gone" matches no group.',
        '[groups] push: "Zz*" matches no group.',
    )


def test_a_pushed_group_that_is_gone_is_a_refusal_where_its_twin_would_be_deleted_for_it() -> None:
    pushing = provisioning.Groups(push=("Gone", "Zz*"), removed="delete")
    found = resolve(provisioning.Scope(groups=("DG1",)), pushing, GROUPS)
    assert found.missing == ('[groups] push: "Gone" matches no group.',)
    assert found.warnings == ('[groups] push: "Zz*" matches no group.',)


@pytest.mark.parametrize(
    ("name", "settings", "shown"),
    [
        ('Helpdesk (from AD sync "corp")', {}, "Helpdesk"),
        ('Helpdesk (from AD sync "corp")', {"strip_sync_suffix": False}, 'Helpdesk (from AD sync "corp")'),
        ('Helpdesk (from AD sync "corp")', {"rename": {"Helpdesk": "Service"}}, "Service"),
        ('Helpdesk (from AD sync "corp")', {"rename": {'Helpdesk (from AD sync "corp")': "Full"}}, "Full"),
        ("Helpdesk", {"rename": {"Helpdesk": " "}}, "Helpdesk"),
        ("Helpdesk (from Bob)", {}, "Helpdesk (from Bob)"),
        (" Helpdesk ", {}, "Helpdesk"),
        ('Ops (from Azure sync "a (b) c")', {}, "Ops"),
    ],
)
def test_a_group_gets_the_name_that_the_configuration_gives_it(name: str, settings: dict[str, Any], shown: str) -> None:
    assert display_name(provisioning.Groups(**settings), name) == shown
