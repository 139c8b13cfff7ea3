"""``explain WHO``: each kind of case over real HTTP, in scope and out, ours and not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ninjasync.cli import clock
from ninjasync.config.load import load
from ninjasync.explain.run import explain
from ninjasync.report.explain import render_text
from ninjasync.runs.inspection import inspect
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.contexts import context_of
from tests.support.explanations import step, text, told
from tests.support.office import Office

# --- people in scope -------------------------------------------------------------------------


def test_a_user_in_step_has_an_account_and_nothing_would_be_sent(settled: Office) -> None:
    story = told(settled, user(0))

    assert story["outcome"] == "unchanged"
    assert story["answer"] == f"{user(0)} has a NinjaOne account, and it is as it should be."
    assert [one["step"] for one in story["steps"]] == ["read", "scope", "map", "match", "diff", "decide"]
    assert step(story, "scope")["settings"] == [f'[scope] groups = [..., "{END_USERS}"]']
    assert step(story, "match")["facts"]["groups"] == [END_USERS]
    assert step(story, "match")["text"].endswith("proven by the ledger and its externalId, which is the Duo user id")
    assert (story["id"], story["external_id"]) == (settled.id_of(user(0)), settled.duo(user(0)))
    assert (story["changes"], story["requests"]) == ([], [])
    assert "Requests nothing would be sent" in text(settled, user(0))


def test_a_new_user_is_shown_with_each_attribute_s_expression_and_the_very_requests(world: Office) -> None:
    story = told(world, user(1))
    shown = text(world, user(1))
    done = world.apply("--only", user(1))

    assert story["outcome"] == "create"
    assert {"path": "userType", "expression": "custom_attributes.userType", "given": "endUser", "value": "endUser"} in (
        story["attributes"]
    )
    assert 'organizationId "2" <- custom_attributes.organizationID' in shown
    assert "There is no ledger for this tenant yet." in step(story, "match")["notes"]
    post, group, members = story["requests"]
    assert (post["method"], post["url"]) == ("POST", f"{world.box.scim_url}/Users")
    assert post["headers"]["Authorization"] == "Bearer ***"
    assert world.box.token not in json.dumps(story)
    assert "members" not in group["body"]
    assert members["url"] == f"{world.box.scim_url}/Groups/<id of the new group>"
    assert members["body"]["Operations"][0]["value"] == [{"value": "<id of the new account>"}]
    assert done.code == 0
    account = world.account(user(1))
    assert {name: value for name, value in account.items() if name in post["body"]} == post["body"]


def test_a_promoted_user_is_marked_and_both_groups_change(settled: Office) -> None:
    settled.configure("safety", max_privilege_changes=0, max_privilege_changes_percent=0)
    duo_id = settled.duo(user(2))
    settled.people.set_attribute(duo_id, "userType", "technician")
    settled.people.leave(duo_id, settled.people.find_group_id(END_USERS))
    settled.people.join(duo_id, settled.people.find_group_id(TECHNICIANS))

    story = told(settled, user(2))
    shown = text(settled, user(2))

    assert story["outcome"] == "update"
    assert story["answer"] == (
        f"{user(2)} has a NinjaOne account; the next apply changes userType and 2 group memberships. "
        "But the plan is refused as it stands; see the guards."
    )
    assert '~ userType: "endUser" -> "technician" ! a change of rights' in shown
    assert f'- remove from the group "{END_USERS}" + add to the group "{TECHNICIANS}"' in shown
    settings = step(story, "decide")["settings"]
    assert {"[safety] max_privilege_changes = 0", "[safety] max_privilege_changes_percent = 0.0"} <= set(settings)
    assert [one["name"] for one in story["guards"] if one["stops_this"]] == ["privilege-changes"]
    assert "Guards the plan is refused, nothing is written: x privilege-changes:" in shown
    assert "Requests without the guards, an apply would send these 3:" in shown
    assert "If that is meant: --approve-privilege-changes 1" in shown
    assert [one["method"] for one in story["requests"]] == ["PATCH"] * 3


def test_an_account_made_by_hand_is_shown_as_adopted(world: Office) -> None:
    id_ = world.native(user(0).upper())

    story = told(world, user(0))

    assert (story["outcome"], story["id"]) == ("adopt", id_)
    assert "[deprovision] adopt = true" in step(story, "decide")["settings"]
    assert "the name alone is no proof" in step(story, "match")["text"]


def test_a_user_with_a_bad_value_is_held_and_the_problem_comes_with_its_cure(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "Technican")
    newcomer = settled.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser")
    settled.people.set_email(newcomer, "new.comer@example.com")

    story, other = told(settled, user(0)), told(settled, newcomer)

    assert story["outcome"] == other["outcome"] == "held"
    assert story["answer"].startswith(f"The NinjaOne account of {user(0)} stays as it is: the user type 'Technican'")
    assert "(userType" not in story["answer"]
    assert [one["code"] for one in story["problems"]] == ["invalid-user-type"]
    assert story["problems"][0]["cure"].startswith('Write "technician" or "endUser" in Duo')
    assert other["answer"] == "new.comer@example.com gets no NinjaOne account: the user has no organization."
    assert step(other, "decide")["settings"] == ["[safety] allow_missing_organization = false"]
    assert {one["path"]: one["given"] for one in story["attributes"]}["userType"] == "Technican"


def test_a_user_whose_name_is_taken_is_shown_the_holder(settled: Office) -> None:
    settled.people.set_email(settled.duo(user(0)), "stranger@example.com")
    id_ = settled.native("stranger@example.com", externalId="DUQQQQQQQQQQQQQQQQQQ")

    story = told(settled, "stranger@example.com")

    assert (story["outcome"], story["problems"][0]["code"]) == ("held", "name-taken")
    assert id_ in story["answer"]
    assert any(note.startswith("name-taken: ") for note in step(story, "decide")["notes"])
    assert any(id_ in note and "not this user's" in note for note in step(story, "match")["notes"])


def test_a_chain_of_users_that_wait_for_each_others_names_is_followed_to_its_end(settled: Office) -> None:
    first, second, third = (settled.duo(user(number)) for number in range(3))
    for duo_id, wanted in ((first, user(1)), (second, user(2)), (third, user(0))):
        settled.people.set_email(duo_id, wanted)
    planned = settled.plan()

    stories = [told(settled, duo_id) for duo_id in (first, second, third)]

    assert [story["outcome"] for story in stories] == ["update"] * 3
    assert [story["changes"] for story in stories] == [[planned.change(user(number))] for number in (1, 2, 0)]
    broken = next(story for story in stories if "via" in story["changes"][0]["diff"][0])
    values = [one["body"]["Operations"][0]["value"] for one in broken["requests"]]
    assert values == [f"ninjasync-{broken['external_id']}@example.com", broken["name"]]


# --- people out of scope, and leavers --------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "change", "answer", "line"),
    [
        (
            {},
            {"groups": ["Elsewhere"]},
            "in none of the scoped groups",
            f'[scope] groups = ["{TECHNICIANS}", "{END_USERS}"]',
        ),
        (
            {"exclude_users": ["x*", "ann.*@example.com"]},
            {},
            'excluded by exclude_users "ann.*@example.com"',
            '[scope] exclude_users = [..., "ann.*@example.com"]',
        ),
        (
            {"exclude_groups": ["Else*", "x*"]},
            {"groups": [END_USERS, "Elsewhere"]},
            'excluded as a member of "Elsewhere"',
            '[scope] exclude_groups = [..., "Else*"]',
        ),
        ({}, {"status": "disabled"}, "disabled in Duo", '[scope] statuses = ["active", "bypass", "locked out"]'),
        (
            {"where": "lastname == 'X'"},
            {},
            "[scope] where is not true: lastname == 'X'",
            "[scope] where = \"lastname == 'X'\"",
        ),
    ],
)
def test_a_user_out_of_scope_sees_the_line_that_decided_it(
    world: Office, settings: Json, change: Json, answer: str, line: str
) -> None:
    world.configure("scope", **settings)
    groups = change.get("groups", [END_USERS])
    ann = world.people.hire("Ann", "Smith", groups=groups, user_type="endUser", organization="1")
    world.people.users[ann] |= {"status": change.get("status", "active"), "username": "asmith"}
    world.people.set_email(ann, "ann.smith@example.com")

    story = told(world, "asmith")

    assert story["outcome"] == "out-of-scope"
    assert story["answer"] == f"ann.smith@example.com gets no NinjaOne account: {answer}."
    assert step(story, "scope")["settings"] == [line]
    assert step(story, "decide")["notes"][-1].startswith("To give an account, ")


def test_a_locked_out_user_stays_as_is_where_that_status_is_not_wanted(settled: Office) -> None:
    settled.configure("scope", statuses=["active"])
    settled.people.lock_out(settled.duo(user(0)))

    story = told(settled, user(0))

    assert story["outcome"] == "left-alone"
    assert story["answer"] == f"The NinjaOne account of {user(0)} stays as it is: locked out in Duo for now."


def test_a_leaver_is_followed_from_deactivation_to_deletion(settled: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    duo_id = settled.duo(user(0))
    settled.people.disable(duo_id)
    first = told(settled, user(0))
    assert settled.apply().code == 0
    settled.people.erase(duo_id)
    waiting = told(settled, user(0))
    due = datetime.now(UTC) + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: due + timedelta(days=1))
    last, by_id = told(settled, user(0)), told(settled, settled.id_of(user(0)))

    assert first["outcome"] == "deactivate"
    assert step(first, "decide")["settings"] == [
        '[deprovision] users = "deactivate"',
        "[deprovision] delete_after_days = 30",
    ]
    assert [one["method"] for one in first["requests"]] == ["PATCH", "PATCH"]
    assert waiting["outcome"] == "inactive"
    assert waiting["answer"].endswith(
        f"is inactive and will be deleted on {due:%Y-%m-%d} unless the user returns: no longer in Duo."
    )
    assert step(waiting, "read")["facts"]["deactivated"].startswith(f"{due - timedelta(days=30):%Y-%m-%d}")
    assert last["outcome"] == by_id["outcome"] == "delete"
    assert [one["method"] for one in last["requests"]] == ["DELETE"]


def test_a_deletion_beyond_the_removal_limit_is_shown_as_deferred(
    settled: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.configure("safety", max_removals=1, max_removals_percent=0, min_source_percent=1)
    for number in (0, 1):
        settled.people.disable(settled.duo(user(number)))
        assert settled.apply().code == 0
    later = datetime.now(UTC) + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: later)

    first, second = told(settled, user(0)), told(settled, user(1))

    assert (first["outcome"], second["outcome"]) == ("delete", "inactive")
    assert "deferred by the removal limit" in second["answer"]
    assert second["changes"] == second["requests"] == []
    assert step(second, "decide")["text"].startswith("wait: the deletion is due")


def test_a_leaver_that_the_configuration_keeps_is_shown_with_the_line(settled: Office) -> None:
    settled.configure("deprovision", users="keep")
    settled.people.disable(settled.duo(user(0)))

    story = told(settled, user(0))

    assert (story["outcome"], story["changes"]) == ("kept", [])
    assert step(story, "decide")["settings"] == ['[deprovision] users = "keep"']


def test_an_account_that_only_the_ledger_remembers_is_gone(settled: Office) -> None:
    duo_id = settled.duo(user(0))
    settled.ninjaone.delete(USER, settled.id_of(user(0)))
    settled.people.erase(duo_id)

    story = told(settled, user(0))

    assert (story["outcome"], story["external_id"], story["id"]) == ("gone", duo_id, None)


# --- accounts that are not ninjasync's -------------------------------------------------------


def test_a_protected_account_is_never_touched_and_the_line_that_says_so_is_shown(settled: Office) -> None:
    settled.configure("safety", protected_users=["root@example.com", "breakglass@*", user(0)])
    settled.native("breakglass@example.com")

    stranger, owned = told(settled, "BreakGlass@example.com"), told(settled, user(0))

    assert stranger["outcome"] == owned["outcome"] == "protected"
    assert step(stranger, "decide")["settings"] == ['[safety] protected_users = [..., "breakglass@*"]']
    assert step(owned, "decide")["settings"] == [f'[safety] protected_users = [..., "{user(0)}"]']


def test_an_unmanaged_account_is_left_alone(settled: Office) -> None:
    id_ = settled.native("stranger@example.com")

    by_name, by_id = told(settled, "stranger@example.com"), told(settled, id_)

    assert by_name["outcome"] == by_id["outcome"] == "unmanaged"
    assert by_name["id"] == by_id["id"] == id_
    assert by_name["external_id"] is None
    assert step(by_name, "read")["text"].endswith("Duo has no such user")


def test_an_account_with_the_old_address_leads_to_its_owner(settled: Office) -> None:
    duo_id, old = settled.duo(user(0)), settled.id_of(user(0))
    settled.people.set_email(duo_id, "renamed@example.com")

    story = told(settled, user(0))

    assert (story["external_id"], story["id"], story["outcome"]) == (duo_id, old, "update")
    assert story["changes"][0]["diff"] == [{"path": "userName", "before": user(0), "after": "renamed@example.com"}]


def test_a_user_deleted_and_made_anew_in_duo_gets_the_old_account(settled: Office) -> None:
    settled.people.erase(settled.duo(user(0)))
    anew = settled.people.hire("User0", "Two", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(anew, user(0))

    story, by_account = told(settled, user(0)), told(settled, settled.id_of(user(0)))

    assert (story["outcome"], story["external_id"]) == ("adopt", anew)
    assert (by_account["outcome"], by_account["external_id"]) == ("adopt", anew)


def test_the_text_is_coloured_only_when_asked(settled: Office) -> None:
    config = load(Path(settled.write_config()))
    with inspect(context_of(config)) as inspection:
        story = explain(config, user(0), inspection)

    assert "\x1b[" not in render_text(story, color=False)
    assert render_text(story, color=True).startswith("\x1b[1;32m")
    assert render_text(replace(story, conclusion="delete"), color=True).startswith("\x1b[1;31m")
    assert render_text(replace(story, stopped_by=story.guards), color=True).startswith("\x1b[1;33m")
