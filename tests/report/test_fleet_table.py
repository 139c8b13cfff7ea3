"""A fleet's table as text and as Markdown: 80 columns, and names that nothing obeys."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from ninjasync.model.fleet import FleetRow, total
from ninjasync.report.fleet import render_markdown, render_text

AT = datetime(2027, 3, 1, 4, 5, tzinfo=UTC)
LONG = "the source shrank from 120 to 3 users in scope " * 5
ROW = FleetRow(
    "north", "n.toml", "refused", 3, users=12345, groups=123, held=999, token_days=180, seconds=3600.2, error=LONG
)
NAMES = ("x" * 300, "漢字会社" * 20, "e\u0301" * 80, "a\u202eb", "line\nbreak\x1b[31m", "tab\tbed", "👩‍👩‍👧 Ltd", "")


@pytest.mark.parametrize("command", ["plan", "apply", "status", "check"])
def test_the_table_fits_80_columns_whatever_the_names(command: str) -> None:
    rows = [replace(ROW, tenant=name, applied=7, pending=1, red=1, yellow=2, green=30, last_run=AT) for name in NAMES]
    shown = render_text(total(command, rows), color=False)
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert not set(shown) & set("\x1b\t\u202e")
    ends = [line.rindex("180 d") + 5 for line in shown.splitlines() if "180 d" in line and line.isascii()]
    assert len(set(ends)) == 1, "columns stand below one another"
    assert len(shown.splitlines()) > 5 * len(NAMES)


def test_columns_stand_below_one_another_also_beside_wide_letters_and_marks() -> None:
    shown = render_text(total("plan", [replace(ROW, tenant=name, error="") for name in NAMES[:3]]), color=False)
    titles, *lines = shown.splitlines()[:4]
    for line in lines:
        before = line[: line.index("refused")]
        assert cell_len(before) == titles.index("outcome")


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


def test_no_name_is_markdown() -> None:
    evil = "a|b](https://evil.example.com) <img src=x> `code` @all **bold**\nnext"
    shown = render_markdown(total("plan", [replace(ROW, tenant=evil, error=evil)]), AT)
    row = shown.splitlines()[4]
    assert len(shown.splitlines()) == 5, "a name ends no line"
    cells = row.replace("\\|", "").split("|")
    assert len(cells) == 11
    assert not re.search(r"(?<!\\)[\]\[(<>`@*]", row), "each mark is behind a backslash"


def test_groups_without_a_role_are_one_line_that_nothing_obeys() -> None:
    rows = [
        replace(ROW, outcome="done", exit_code=0, error="", tenant="a|b", new_groups=("Help\x1b[31mdesk", "[x](y)"))
    ]
    result = total("apply", rows)
    assert "Groups without a role yet" in render_text(result, color=False)
    assert "\x1b" not in render_text(result, color=False)
    assert r"a\|b" in render_markdown(result, AT)
    assert "[x](y)" not in render_markdown(result, AT)
    assert "without a role" not in render_text(total("apply", [replace(ROW)]), color=False)


def test_a_status_has_no_exit_code_and_calls_a_tenant_by_what_its_ledger_tells() -> None:
    result = total("status", [FleetRow("a", "a.toml", "not begun")])
    for shown in (render_text(result, color=False), render_markdown(result, AT)):
        assert "no apply yet" in shown
        assert "not begun" not in shown
        assert "Exit code" not in shown


def test_before_a_question_no_exit_code_is_told() -> None:
    assert "Exit code" not in render_text(total("plan", [ROW]), color=False, ended=False)
