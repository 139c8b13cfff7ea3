"""What the contract says of baselines: the last good run, and groups that were in scope then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command import Terminal
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


def empty_out(office: Office, *numbers: int) -> None:
    """Take people out of Duo's groups, so that the source shrinks without anything else."""
    for number in numbers:
        office.people.leave(office.duo(user(number)), office.people.find_group_id(END_USERS))


def test_06_the_last_good_run_is_the_last_complete_read_of_the_whole_scope_that_was_not_refused(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(10, 0)) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        empty_out(office, 0, 1, 2)
        # Neither a refused run nor one narrowed by --only makes seven the new normal.
        for _ in range(2):
            assert list(office.plan().tripped()) == ["source"]
            assert office.apply().code == 3
            assert office.plan("--only", user(5)).code == 3
        office.people.join(office.duo(user(0)), office.people.find_group_id(END_USERS))
        assert office.apply("--only", user(5)).code == 0
        empty_out(office, 0)
        assert list(office.plan().tripped()) == ["source"]
        # One that was not refused does.
        office.people.join(office.duo(user(0)), office.people.find_group_id(END_USERS))
        assert office.apply().code == 0
        empty_out(office, 0)
        assert office.plan().tripped() == {}


def test_06_an_apply_that_the_operator_declined_sets_no_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Office(tmp_path, staff(10, 0)) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        empty_out(office, 0, 1, 2)
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))

        assert office.run("apply", "--approve-source", "7").code == 3

        assert office.writes() == []
        assert list(office.plan().tripped()) == ["source"]


def test_06_without_a_last_good_run_the_number_of_active_managed_accounts_stands_in(tmp_path: Path) -> None:
    people = staff(10, 0)
    with Office(tmp_path, people) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        office.edit(user(9), active=False)
        office.lose_ledger()
        empty_out(office, 0, 1)
        office.people.disable(office.duo(user(9)))

        source = next(one for one in office.plan().json["guards"] if one["name"] == "source")

        assert "7 are in scope" in source["message"]  # of nine active ones: below 80 %
        assert "9 " in source["message"]
        assert source["tripped"] is True


@pytest.mark.parametrize("gone", [False, True], ids=["renamed", "erased"])
def test_06_a_group_that_was_in_scope_and_that_no_entry_matches_now_is_a_refusal_that_names_it(
    with_technicians: Office, gone: bool
) -> None:
    office = with_technicians
    office.configure("scope", groups=["NinjaOne *"])
    office.configure("safety", min_source_percent=0)
    office.settle()
    group = office.people.find_group_id(TECHNICIANS)
    if gone:
        office.people.erase_group(group)
    else:
        office.people.rename_group(group, "Engineers [x]")

    done = office.apply()

    assert (done.code, office.writes()) == (3, [])
    message = done.tripped()["scoped-groups"]["message"]
    assert f'"{TECHNICIANS}"' in message
    assert ("Engineers [x]" in message) is not gone
    if not gone:
        assert re.search(r'groups = \[.*"Engineers \[x\]".*\]', message)
        written = office.config["scope"]["groups"]
        office.configure("scope", groups=[*written, "Engineers [x]"])
        assert office.apply().code == 0  # the line to write is the cure


def test_06_a_group_that_a_changed_scope_no_longer_names_is_no_refusal(with_technicians: Office) -> None:
    office = with_technicians
    office.configure("safety", min_source_percent=0)
    office.settle()
    office.configure("scope", groups=[END_USERS])

    assert office.plan().code == 0
