"""The plan and its outcomes as text: nothing left out, nothing that a terminal would obey."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.model.attributes import USER_TYPE
from ninjasync.model.change import Change, Delta, Member, count
from ninjasync.model.directory import Observation, Problem
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Counts, GuardResult, Leaver, Plan
from ninjasync.report.escape import in_quotes, visible
from ninjasync.report.text import heading, render_outcome, render_plan, render_result, summary_line, wrapped_summary
from tests.support.plans import made

JANE = Change(
    "user",
    "create",
    "jane@example.com",
    None,
    "DU1",
    (Delta("userName", None, "jane@example.com"), Delta(USER_TYPE, None, "technician")),
    reasons=(Message('member of "Staff"'),),
)


def plan_of(*changes: Change, **fields: Any) -> Plan:
    guard = GuardResult("removals", False, Message("0 of 5 would be removed."), "--approve-removals 0")
    base: dict[str, Any] = {
        "paths": (USER_TYPE, "title"),
        "source": {"users": 12, "groups": 3, "in_scope": 9},
        "target": {"users": 7, "groups": 2, "managed": 5},
        "users": Counts(count(changes, "user"), 0, 0, held=1),
        "groups": Counts(count(changes, "group"), 0, 0, held=1),
        "guards": (guard,),
        "writes": changes,
    }
    return made(*changes, **(base | fields))


def lines(*changes: Change, **fields: Any) -> list[str]:
    return render_plan(plan_of(*changes, **fields), color=False).splitlines()


def test_the_last_line_counts_as_the_contract_says() -> None:
    changes = (
        *(replace(JANE, external_id=f"C{n}") for n in range(3)),
        Change("user", "adopt", "a", "a", "A"),
        *(Change("user", "update", "u", f"u{n}", "U") for n in range(3)),
        Change("group", "update", "g", "g", "G"),
        Change("user", "reactivate", "r", "r", "R"),
        Change("user", "deactivate", "d", "d", "D"),
    )
    expected = (
        "Plan: users: 3 to create, 1 to adopt, 4 to update, 1 to deactivate, 1 held; groups: 1 to update, 1 held."
    )
    assert summary_line(plan_of(*changes)) == expected
    assert lines(*changes)[-2:] == [
        "Plan: users: 3 to create, 1 to adopt, 4 to update, 1 to deactivate, 1 held;",
        "      groups: 1 to update, 1 held.",
    ]


def test_a_plan_without_changes_says_so_and_counts_both_sides() -> None:
    assert lines() == [
        "Duo      12 users, 3 groups; 9 users in scope",
        "NinjaOne 7 users, 2 groups; 5 users managed",
        "",
        "No changes. NinjaOne is what Duo implies.",
        "",
        "Plan: nothing to do; 2 held.",
    ]


def test_a_plan_that_only_holds_records_does_not_say_that_all_is_well() -> None:
    shown = lines(problems=(Problem("user", "bob", "DU2", "invalid-user-type", Message("wrong")),))
    assert "No changes. NinjaOne is what Duo implies but for those held." in shown


def test_where_nothing_was_tried_one_line_says_so_for_all() -> None:
    plan = plan_of(JANE, replace(JANE, external_id="DU2"))
    shown = render_result(Result.skipped(plan, Message("the operator said no")), plan, (), color=False).splitlines()
    assert shown[:3] == ["", "Not applied:", "  all 2 changes skipped: not tried: the operator said no"]


def test_what_ninjaone_did_not_keep_is_named_and_what_it_hides_is_told_once() -> None:
    hidden = Outcome(JANE, "applied", observed=(Observation(USER_TYPE, "technician", None),))
    other = Outcome(JANE, "applied", observed=(Observation("title", "Boss", "Chief"), Observation("title", "x", "X")))
    shown = render_result(Result((hidden, hidden, other)), plan_of(), (), color=False)
    assert "NinjaOne does not show userType after writing it (accounts: 2)" in shown
    assert 'jane@example.com: NinjaOne made "Chief" of title "Boss"; it is not sent again unchanged.' in shown
    assert '"x"' not in shown


def test_a_creation_shows_its_attributes_by_short_name_and_why() -> None:
    assert lines(JANE)[2:8] == [
        "",
        "Users",
        "  + create     jane@example.com",
        '      userType = "technician"',
        '      because: member of "Staff"',
        "",
    ]


@pytest.mark.parametrize("path", ["title", "displayName", "nickName"])
def test_an_attribute_that_happens_to_equal_the_name_is_shown_all_the_same(path: str) -> None:
    change = replace(JANE, diff=(*JANE.diff, Delta(path, None, "jane@example.com")))
    assert f'      {path} = "jane@example.com"' in lines(change)


def test_an_update_shows_before_after_and_the_temporary_name() -> None:
    change = Change(
        "user",
        "update",
        "b@x.yz",
        "n",
        "DU",
        (
            Delta("userName", "a@x.yz", "b@x.yz", via="tmp@x.yz"),
            Delta("title", "Boss ", None),
            Delta("active", False, True),
            Delta(USER_TYPE, "endUser", "technician"),
        ),
        privilege=True,
    )
    assert lines(change)[3:9] == [
        "Users",
        "  ~ update     b@x.yz  ! change of rights",
        '      userName: "a@x.yz" -> "b@x.yz", by way of "tmp@x.yz"',
        '      title: "Boss " -> (none)',
        "      active: false -> true",
        '      userType: "endUser" -> "technician"',
    ]


def test_a_group_shows_how_many_members_come_and_go_and_names_every_one() -> None:
    many = tuple(Member(f"person-number-{n:02}@example.com", f"M{n}", None) for n in range(12))
    change = Change("group", "update", "Staff", "g", "G", added=many, removed=many[:1])
    shown = lines(change)
    assert "Groups" in shown
    assert "      + 12 members" in shown
    assert "      - 1 member" in shown
    assert all(member.key in "\n".join(shown) for member in many)
    assert max(map(len, shown)) <= 90


@pytest.mark.parametrize(
    ("action", "sign"),
    [("create", "+"), ("adopt", "~"), ("update", "~"), ("reactivate", "~"), ("deactivate", "-"), ("delete", "-")],
)
def test_each_action_has_its_sign(action: Any, sign: str) -> None:
    assert f"  {sign} {action:<10} x" in lines(Change("user", action, "x", "x", "X"))


def test_the_held_are_shown_with_code_and_message() -> None:
    shown = lines(problems=(Problem("user", "bob", "DU2", "invalid-user-type", Message("the type is wrong")),))
    assert shown[3:6] == ["Held, left exactly as they are", "  ! bob: invalid-user-type", "      the type is wrong"]


def test_warnings_are_shown_and_wrapped() -> None:
    shown = lines(warnings=("word " * 40,))
    at = shown.index("Warnings")
    assert shown[at + 1].startswith("  - word word")
    assert shown[at + 2].startswith("    word")


@pytest.mark.parametrize(
    ("fields", "head"),
    [
        ({"refused": True}, "Guards: refused, nothing is written"),
        ({"withheld": frozenset("abcd")}, "Guards: 4 changes withheld"),
    ],
)
def test_a_tripped_guard_is_shown_with_its_flag_and_a_quiet_one_is_not(fields: Any, head: str) -> None:
    guards = (
        GuardResult("removals", True, Message("5 of 9 would go."), "--approve-removals 5"),
        GuardResult("scoped-groups", True, Message("Duo has no group.")),
        GuardResult("source", False, Message("fine.")),
    )
    shown = lines(JANE, guards=guards, **fields)
    at = shown.index(head)
    assert shown[at + 1 : at + 6] == [
        "  x removals",
        "      5 of 9 would go.",
        "      If that is meant: --approve-removals 5",
        "  x scoped-groups",
        "      Duo has no group.",
    ]
    assert "fine." not in "\n".join(shown)
    assert "  + create     jane@example.com" in shown, "the plan is shown though it is refused"


def test_a_result_names_every_failure_and_what_is_left_to_a_person() -> None:
    gone = Change("user", "delete", "bob", "b", "B")
    result = Result(
        (
            Outcome(JANE, "applied"),
            Outcome(gone, "failed", Message("HTTP 500")),
            Outcome(gone, "skipped", Message("later")),
        )
    )
    assert render_result(
        result, plan_of(withheld=frozenset("ab")), (Message("Map the role."),), color=False
    ).splitlines() == [
        "",
        "Not applied:",
        "  failed  delete bob: HTTP 500",
        "  skipped delete bob: later",
        "",
        "Applied: 1 applied, 1 failed, 1 skipped.",
        "2 changes were withheld; see the guards.",
        "",
        "Left for a person:",
        "  - Map the role.",
    ]


def test_a_result_without_failures_is_one_line() -> None:
    text = render_result(Result((Outcome(JANE, "applied"),)), plan_of(), (), color=False)
    assert text == "\nApplied: 1 applied, 0 failed, 0 skipped.\n"


def test_an_outcome_is_one_line_of_the_log() -> None:
    assert render_outcome(Outcome(JANE, "applied")) == "applied: create user jane@example.com"
    hostile = Outcome(replace(JANE, key="a\nb"), "failed", Message("no\x1b[2J"))
    assert render_outcome(hostile) == "failed: create user a\\nb: no\\x1b[2J"


def test_a_heading_stands_out_with_and_without_colour() -> None:
    assert heading("Day one", color=False) == "Day one\n======="
    assert heading("Day one", color=True) == "\x1b[1mDay one\x1b[0m"


def test_colour_changes_nothing_but_the_colour() -> None:
    plan = plan_of(
        JANE,
        Change("user", "update", "b", "b", "B", (Delta("title", "x", "y"),), privilege=True),
        problems=(Problem("user", "bob", "DU2", "invalid-user-type", Message("wrong")),),
        guards=(GuardResult("removals", True, Message("5 of 9."), "--x"),),
        refused=True,
    )
    colored = render_plan(plan, color=True)
    assert "\x1b[32m+ create    \x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render_plan(plan, color=False)
    assert "\x1b" not in render_plan(plan, color=False)


def test_the_same_plan_gives_the_same_text() -> None:
    assert render_plan(plan_of(JANE), color=False) == render_plan(plan_of(JANE), color=False)


def test_a_change_that_is_withheld_says_so() -> None:
    shown = lines(JANE, withheld=frozenset({JANE.name}))
    assert "      withheld, see the guards" in shown


def test_leavers_are_shown_with_the_day_on_which_they_are_deleted() -> None:
    leavers = (
        Leaver("a@x.yz", "A", date(2027, 1, 31), deferred=False),
        Leaver("b\nx", "B", date(2026, 1, 31), deferred=True),
    )
    shown = lines(leavers=leavers)
    at = shown.index("Leavers, inactive until they are deleted")
    assert shown[at + 1] == "  . a@x.yz: deleted on 2027-01-31"
    assert shown[at + 2].startswith("  . b\\nx: due, and deferred")


# --- hostile text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("Žofie 佐藤 🎉 ليلى", "Žofie 佐藤 🎉 ليلى"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("\ufeffx", "\\ufeffx"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "(none)"), (True, "true"), (False, "false"), ("a ", '"a "'), ("\n", '"\\n"')]
)
def test_a_value_stands_in_quotes_so_that_blanks_are_seen(value: Any, shown: str) -> None:
    assert in_quotes(value) == shown


def hostile_plan(text: str) -> Plan:
    member = Member(text, "M", None)
    return plan_of(
        Change("user", "create", text, None, "A", (Delta("title", None, text),), reasons=(Message(text),)),
        Change("group", "update", text, "g", "G", (Delta("displayName", text, text, via=text),), (member,), (member,)),
        problems=(Problem("user", text, "DU", "name-taken", Message(text)),),
        guards=(GuardResult("removals", True, Message(text), "--approve-removals 1"),),
        warnings=(text,),
        refused=True,
    )


@given(st.text(alphabet=st.characters(codec=None, categories=["Cc", "Cf", "Zl", "Zp", "Lu", "So"]), min_size=1))
def test_no_name_anywhere_in_a_plan_can_command_the_terminal_or_fake_a_line(text: str) -> None:
    plan = hostile_plan(text)
    rendered = render_plan(plan, color=False)
    assert not set(rendered) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2028)}
    result = render_result(
        Result((Outcome(plan.changes[0], "failed", Message(text)),)), plan, (Message(text),), color=False
    )
    assert not set(result) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2028)}
    assert rendered.endswith("\n".join(wrapped_summary(plan)) + "\n")


def test_a_line_break_in_a_name_fakes_no_line() -> None:
    rendered = render_plan(hostile_plan("x\nPlan: 0 to create"), color=False)
    assert [line for line in rendered.split("\n") if line.startswith("Plan:")] == wrapped_summary(hostile_plan("x"))[:1]
