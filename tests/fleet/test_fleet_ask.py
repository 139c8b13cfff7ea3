"""``fleet apply`` on a terminal: one table, one question, and then exactly those plans."""

from __future__ import annotations

import re
import sys

import pytest

from tests.support.command import Terminal, run
from tests.support.fleet import NAMES, ServedFleet, outcomes


def answer(monkeypatch: pytest.MonkeyPatch, fleet: ServedFleet, text: str) -> None:
    """Answer the question; meanwhile someone is hired everywhere, whom no plan has."""

    def hire() -> None:
        for box in fleet.boxes.values():
            box.company.hire("New", "Comer", groups=list(box.company.scoped)[:1], user_type="technician")

    monkeypatch.setattr(sys, "stdin", Terminal(f"{text}\n", hire))


def test_after_a_yes_exactly_the_plans_that_were_shown_are_applied(
    fleet: ServedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.write("delta", token="another-token-altogether")
    answer(monkeypatch, fleet, "y")
    code, rows, said = fleet.run("apply")
    assert code == 6
    assert outcomes(rows) == {"delta": "credentials", **dict.fromkeys(("alpha", "bravo", "charlie"), "done")}
    assert re.search(r"Apply the plans of 3 tenants: \d+ users and \d+ groups change, (no|\d+) removals?\? ", said)
    assert "Exit code" not in said[: said.index("Apply the plans")]
    assert said.index("delta") < said.index("alpha") < said.index("Apply the plans"), "the table comes first"
    assert {fleet.accounts(name) for name in ("alpha", "bravo", "charlie")} == {5}, "not those hired meanwhile"


def test_after_anything_else_nothing_is_written(fleet: ServedFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, fleet, "n")
    code, rows, _ = fleet.run("apply")
    assert (code, set(outcomes(rows).values())) == (3, {"not begun"})
    assert all("said no" in row["error"] for row in rows.values())
    assert {row["users"] for row in rows.values()} == {0}, "what was planned was not applied"
    assert all(fleet.writes(name) == [] for name in NAMES)


def test_where_there_is_nothing_to_do_nothing_is_asked(fleet: ServedFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fleet.run("apply", "--yes")[0] == 0
    answer(monkeypatch, fleet, "y")
    code, rows, said = fleet.run("apply")
    assert (code, set(outcomes(rows).values())) == (0, {"no changes"})
    assert "?" not in said
    assert {fleet.accounts(name) for name in NAMES} == {5}


@pytest.mark.parametrize(("paused", "asked"), [(NAMES[:1], "Apply the plans of 3 tenants:"), (NAMES, "")])
def test_a_paused_tenant_is_left_out_of_the_question_and_refused(
    fleet: ServedFleet, monkeypatch: pytest.MonkeyPatch, paused: tuple[str, ...], asked: str
) -> None:
    for name in paused:
        config = str(fleet.folder / "tenants" / f"{name}.toml")
        assert run("pause", "--reason", "a migration", "--config", config).code == 0
    answer(monkeypatch, fleet, "y")
    code, rows, said = fleet.run("apply")
    assert code == 3
    assert outcomes(rows) == {name: "refused" if name in paused else "done" for name in NAMES}
    assert asked in said
    assert ("?" in said) == bool(asked)
    assert all("a migration" in rows[name]["error"] for name in paused)
    assert {name for name in NAMES if rows[name]["users"]} == set(NAMES) - set(paused if asked else ()), "changed"
    assert all(fleet.writes(name) == [] for name in paused)


def test_a_tenant_that_withholds_a_part_is_applied_but_for_that_part(
    fleet: ServedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.settings('defaults = "defaults.toml"')
    (fleet.folder / "defaults.toml").write_text(
        '[safety]\non_refusal = "withhold"\nmin_source_percent = 0\nmax_removals = 0\nmax_removals_percent = 0\n',
        "utf-8",
    )
    assert fleet.run("apply", "--yes", "--tenant", "alpha")[0] == 0
    people = fleet.boxes["alpha"].company
    next(user for user in people.users.values() if user["status"] == "active")["status"] = "disabled"
    people.hire("Added", "Before", groups=list(people.scoped)[:1], user_type="technician")
    answer(monkeypatch, fleet, "yes")
    code, rows, _ = fleet.run("apply", "--tenant", "alpha")
    assert (code, rows["alpha"]["outcome"]) == (3, "refused")
    assert fleet.accounts("alpha") == 6
    assert all(account["active"] for account in fleet.boxes["alpha"].ninjaone.users.values())
