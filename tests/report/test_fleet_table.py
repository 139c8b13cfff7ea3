"""A fleet's table as text and as Markdown: 80 columns, and names that nothing obeys."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from ninjasync.model.fleet import OUTCOMES, FleetOutcome, FleetRow, outcome_of, total
from ninjasync.report.fleet import render_json, render_markdown, render_text

AT = datetime(2027, 3, 1, 4, 5, tzinfo=UTC)
LONG = "the source shrank from 120 to 3 users in scope " * 5
ROW = FleetRow(
    "north", "n.toml", "refused", 3, users=12345, groups=123, held=999, token_days=180, seconds=3600.2, error=LONG
)
NAMES = ("x" * 300, "漢字会社" * 20, "e\u0301" * 80, "a\u202eb", "line\nbreak\x1b[31m", "tab\tbed", "👩‍👩‍👧 Ltd", "")


@pytest.mark.parametrize("command", ["plan", "apply", "status", "check"])
def test_the_table_fits_80_columns_whatever_the_names_and_reasons(command: str) -> None:
    rows = [
        replace(ROW, tenant=name, error=name, applied=7, pending=1, red=1, yellow=2, green=30, last_run=AT)
        for name in NAMES
    ] + [ROW] * 200
    rows.append(replace(ROW, guards=(("removals", "--approve-removals 7"),), new_groups=NAMES))
    shown = render_text(total(command, rows), color=False)
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert not set(shown) & set("\x1b\t\u202e")
    ends = [line.rindex("180 d") + 5 for line in shown.splitlines() if "180 d" in line and line.isascii()]
    assert len(set(ends)) == 1, "columns stand below one another"
    assert len(shown.splitlines()) > 5 * len(NAMES)


def test_columns_stand_below_one_another_also_beside_wide_letters_and_marks() -> None:
    names = ("漢字会社", "e\u0301" * 12, "\u0e19\u0e49\u0e33", "한국")
    shown = render_text(total("plan", [replace(ROW, tenant=name, error="") for name in names]), color=False)
    titles, *lines = shown.splitlines()[:5]
    for line in lines:
        before = line[: line.index("refused")]
        assert cell_len(before) == titles.index("outcome")


def test_a_long_name_is_shown_whole_on_a_line_of_its_own() -> None:
    names = ("contoso-manufacturing-emea-north", "contoso-manufacturing-emea-south")
    lines = render_text(
        total("plan", [replace(ROW, tenant=name, error="") for name in names]), color=False
    ).splitlines()
    assert (lines[1], lines[3]) == names
    assert lines[2].split() == lines[4].split() == ["refused", "12345", "123", "999", "180", "d", "3600.2"]


def test_the_option_that_approves_is_not_cut_at_a_hyphen() -> None:
    error = f"{'x' * 58} if that is meant, give --approve-member-removals 7 for once"
    assert "--approve-member-removals 7" in render_text(total("plan", [replace(ROW, error=error)]), color=False)


def test_the_last_line_of_the_table_adds_up_and_is_as_wide_as_the_sums_need() -> None:
    rows = [replace(ROW, tenant=str(number), users=99_999, removals=3, held=None, error="") for number in range(200)]
    result = total("plan", rows)
    lines = render_text(result, color=False).splitlines()
    assert lines[202].split() == ["total", "19999800", "24600", "600", "0"]
    assert json.loads(render_json(result, AT))["totals"] == {
        "users": 19999800, "groups": 24600, "removals": 600, "held": 0
    }  # fmt: skip
    assert "| **total** |  | 19999800 | 24600 | 600 | 0 |" in render_markdown(result, AT)
    assert "total" not in render_text(total("plan", rows[:1]), color=False)


@pytest.mark.parametrize("outcome", ["changes", "no changes", "done"])
def test_a_paused_tenant_is_called_that_and_stands_before_what_went_well(outcome: FleetOutcome) -> None:
    paused = replace(ROW, tenant="zulu", outcome=outcome, exit_code=0, paused=True, error="This tenant is paused.")
    result = total("plan", [replace(ROW, tenant="able", outcome="under way", exit_code=0), paused, ROW])
    lines = render_text(result, color=False).splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("north", "zulu", "able"))] == [
        ["north", "refused"], ["zulu", "paused"], ["able", "under"]
    ]  # fmt: skip
    assert "Fleet: 3 tenants: 1 refused, 1 paused, 1 under way." in lines
    assert "`zulu` | paused |" in render_markdown(result, AT)
    document = json.loads(render_json(result, AT))
    assert (document["tenants"][1]["outcome"], document["summary"][outcome]) == (outcome, 1), "programs read both"


def test_one_reason_of_many_is_told_once_with_how_many_have_it() -> None:
    waiting = [FleetRow(f"t{number:03}", "t.toml", "not begun", error="the canary failed") for number in range(300)]
    other = FleetRow("zulu", "z.toml", "not begun", error="interrupted")
    shown = render_text(total("plan", [*waiting, other]), color=False)
    assert shown.count("the canary failed (and so for the next 299 tenants)\n") == 1
    assert shown.count("canary") == 1
    assert "    interrupted\n" in shown
    alone = render_text(total("plan", waiting[:2]), color=False)
    assert "    the canary failed (and so for the next tenant)\n" in alone


def test_what_is_left_to_do_stands_below_the_sums_the_soonest_first() -> None:
    rows = [
        replace(ROW, tenant=f"t{days}", token_days=days, guards=(("removals", "--approve-removals 7"),) if days else ())
        for days in (31, 30, 0, -1, 180)
    ]
    for shown in (render_text(total("plan", rows), color=False), render_markdown(total("plan", rows), AT)):
        plain = shown.replace("`", "")
        assert "SCIM tokens to be renewed: t-1 (expired), t0 (today), t30 (30 d)." in plain
    calm = render_text(total("plan", [replace(ROW, guards=())]), color=False)
    assert "renewed" not in calm


def test_no_number_is_parted_from_what_it_counts() -> None:
    outcomes = [outcome for outcome in OUTCOMES if outcome not in ("under way", "in order", "warnings")]
    lines = render_text(total("plan", [replace(ROW, outcome=one) for one in outcomes]), color=False).splitlines()
    assert not [line for line in lines if re.search(r" \d+$", line) and line.startswith(("Fleet", "1", "2"))]


def test_a_pause_hides_no_failure() -> None:
    row = replace(ROW, outcome="failed", exit_code=1, paused=True)
    assert "failed" in render_text(total("status", [row]), color=False).splitlines()[1]


def test_a_table_of_no_tenants_says_so() -> None:
    assert render_text(total("plan", []), color=False).splitlines()[-2:] == ["Fleet: 0 tenants.", "Exit code 0."]


def test_color_changes_nothing_but_colors() -> None:
    result = total("plan", [ROW, replace(ROW, outcome="changes", exit_code=0)])
    colored = render_text(result, color=True)
    assert "\x1b[33mrefused" in colored
    for code in ("33", "36", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == render_text(result, color=False)


def test_what_is_not_known_is_left_out_and_what_a_guard_says_is_below() -> None:
    row = FleetRow("a", "a.toml", "refused", 3, guards=(("removals", "--approve-removals 7"), ("source", "")))
    lines = render_text(total("plan", [row]), color=False).splitlines()
    assert lines[1].split() == ["a", "refused"]
    assert lines[2].strip() == "removals: if that is meant, --approve-removals 7"
    assert "source" not in "".join(lines)


def test_one_command_approves_all_that_guards_refused_of_a_tenant() -> None:
    names = ("source", "removals", "member-removals", "privilege-changes")
    guards = (*((name, f"--approve-{name} 42") for name in names), ("held", ""))
    row = FleetRow("a", "/etc/ninjasync/cust omers/a.toml", "refused", 3, guards=guards)
    shown = render_text(total("plan", [row]), color=False)
    command = shown[shown.index("ninjasync apply") : shown.index("\n\n")]
    assert shlex.split(command.replace("\\\n", "")) == [
        *("ninjasync", "apply", *(word for name in names for word in (f"--approve-{name}", "42"))),
        *("--config", "/etc/ninjasync/cust omers/a.toml"),
    ]
    for file in ("/x" * 100, "/漢字" * 50, "/a\nb\u202e.toml"):
        shown = render_text(total("plan", [replace(row, file=file)]), color=False)
        assert max(map(cell_len, shown.splitlines())) <= 80
        assert "\u202e" not in shown


def test_the_same_warning_of_tenants_below_one_another_is_said_once() -> None:
    row = FleetRow("a", "a.toml", "warnings", 0, yellow=1, error=LONG)
    other = replace(row, tenant="d", error="the token expires")
    shown = render_text(total("check", [row, replace(row, tenant="b"), other]), color=False)
    assert shown.split().count("shrank") == LONG.count("shrank")
    assert shown.index("(and so for the next tenant)") < shown.index("b  ") < shown.index("the token expires")
    assert "All lines of one tenant: ninjasync check --config FILE" in shown


EVIL = "a|b](https://evil.example.com) <img src=x> `code` @all **bold** back\\\\|bar GH-7 #8 www.evil.example.com\nnext"


def read_markdown(text: str) -> tuple[list[str], str]:
    """Return the kinds of what Markdown found in a text, and what a reader sees outside of code."""
    flat = [part for token in MarkdownIt().enable("table").parse(text) for part in (token, *(token.children or ()))]
    return [part.type for part in flat], "\n".join(part.content for part in flat if part.type == "text")


def test_no_name_is_markdown() -> None:
    result = total("apply", [replace(ROW, tenant=EVIL, error=EVIL, new_groups=(EVIL,))] * 2)
    kinds, outside = read_markdown(render_markdown(result, AT))
    assert (kinds.count("tr_open"), kinds.count("td_open")) == (4, 3 * 9), "no name ends a cell or a line"
    assert not set(kinds) & {"link_open", "image", "html_inline", "html_block", "em_open"}
    assert kinds.count("strong_open") == 2, "ours: the counts, and the word total"
    assert not re.search(r"[@#]|GH-|://|www\.", outside), "where GitHub would make links and mentions"
    assert outside.count("next") == 2


def test_markdown_of_thousands_fits_a_comment_and_counts_what_is_left_out() -> None:
    rows = [replace(ROW, tenant=f"a{number}") for number in range(100)]
    rows += [replace(ROW, tenant=f"b{number}", outcome="no changes", exit_code=0, error="") for number in range(1900)]
    shown = render_markdown(total("plan", rows), AT)
    assert len(shown) < 65_536
    kinds, _ = read_markdown(shown)
    left = 2000 + 2 - kinds.count("tr_open")
    assert f"{left} more tenants are not shown: {left} no changes; `--format html` has all." in shown
    assert "| **total** |  | 24690000 |" in shown


def test_groups_without_a_role_are_told_once_for_all_tenants_that_have_the_same() -> None:
    done = FleetRow("a", "a.toml", "done", 0, new_groups=("Helpdesk", "Staff"))
    rows = [done, replace(done, tenant="b", new_groups=("Staff", "Helpdesk")), replace(done, tenant="c", new_groups=())]
    shown = render_text(total("apply", [*rows, replace(done, tenant="d", new_groups=("Staff",))]), color=False)
    assert "console:\n- Helpdesk, Staff: a, b\n- Staff: d\n" in shown


def test_thousands_of_tenants_with_groups_of_their_own_leave_room_for_the_table() -> None:
    made = [
        FleetRow(f"t{n:04}", "t.toml", "done", 0, new_groups=(f"Group {n} " + "x" * 500,) * 30) for n in range(2000)
    ]
    result = total("apply", made)
    assert "\n- others: 1980 more tenants\n" in render_text(result, color=False)
    shown = render_markdown(result, AT)
    assert len(shown) < 65_536
    assert shown.count("| done |") > 200


def test_groups_without_a_role_are_lines_that_nothing_obeys() -> None:
    rows = [
        replace(ROW, outcome="done", exit_code=0, error="", tenant="a|b", new_groups=("Help\x1b[31mdesk", "[x](y)"))
    ]
    result = total("apply", rows)
    assert "Groups without a role yet" in render_text(result, color=False)
    assert "\x1b" not in render_text(result, color=False)
    assert "- `Help\\x1b[31mdesk`, `[x](y)`: `a|b`\n" in render_markdown(result, AT)
    assert "without a role" not in render_text(total("apply", [replace(ROW)]), color=False)


def test_a_status_has_no_exit_code_and_calls_a_tenant_by_what_its_ledger_tells() -> None:
    result = total("status", [FleetRow("a", "a.toml", "not begun")])
    for shown in (render_text(result, color=False), render_markdown(result, AT)):
        assert "no apply yet" in shown
        assert "not begun" not in shown
        assert "Exit code" not in shown


def test_before_a_question_no_exit_code_is_told() -> None:
    assert "Exit code" not in render_text(total("plan", [ROW]), color=False, ended=False)


def test_the_first_row_is_the_one_that_the_exit_code_speaks_of() -> None:
    codes = (0, 2, 3, 4, 5, 78, 1, 6, 130)
    rows = [replace(ROW, tenant=str(code), outcome=outcome_of(code, "changes"), exit_code=code) for code in codes]
    while len(rows) > 2:  # of a plan 0 and 2 are both "changes"
        result = total("plan", rows)
        assert result.rows[0].exit_code == result.exit_code
        rows.remove(result.rows[0])
