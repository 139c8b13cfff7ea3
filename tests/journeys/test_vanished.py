"""Not seen is not gone: what NinjaOne no longer shows is neither forgotten nor made twice on a bad day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ninjasync.config.safety import Safety
from ninjasync.model.attributes import USER_NAME
from ninjasync.model.change import Change, Delta
from ninjasync.model.plan import Approvals, Evidence, GuardResult, Vanished
from ninjasync.planning.guards import judge, permitted

QUIET = Evidence((), 40, 40, 40, 40, 0, 0, 0, 0, 0, known=40, known_groups=5)


def gone(users: int, groups: int = 0) -> tuple[Vanished, ...]:
    people = [Vanished("user", f"DU{n}", f"u{n}", f"user{n}@example.com") for n in range(users)]
    return (*people, *(Vanished("group", f"DG{n}", f"g{n}", f"Group {n}") for n in range(groups)))


def verdict(evidence: Evidence, safety: Safety | None = None, approvals: Approvals | None = None) -> GuardResult:
    results = judge(evidence, safety or Safety(), approvals or Approvals())
    (found,) = (result for result in results if result.name == "vanished")
    return found


@pytest.mark.parametrize(
    ("users", "groups", "known", "trips"),
    [
        (0, 0, 40, False),
        (4, 0, 40, False),
        (5, 0, 40, True),
        (3, 0, 5, False),
        (4, 0, 5, True),
        (1, 0, 1, True),  # all of them, however few
        (0, 0, 0, False),
        (500, 0, 5000, False),
        (501, 0, 5000, True),
        (0, 3, 40, False),
        (0, 4, 40, True),
        (0, 5, 40, True),
    ],
)
def test_the_larger_of_three_and_a_tenth_may_vanish_and_never_everything(
    users: int, groups: int, known: int, trips: bool
) -> None:
    result = verdict(replace(QUIET, vanished=gone(users, groups), known=known))
    assert result.tripped is trips
    assert f"{users} of {known} active managed accounts" in result.message
    assert "[safety] max_vanished)" in result.message
    assert "10 % ([safety] max_vanished_percent)" in result.message
    assert result.approve == f"--approve-vanished {max(users, groups)}"


def test_two_of_two_groups_are_all_of_them_and_a_hundred_percent_allows_even_that() -> None:
    seen = replace(QUIET, vanished=gone(0, 2), known_groups=2)
    assert verdict(seen).tripped
    assert not verdict(seen, Safety(max_vanished_percent=100)).tripped


@pytest.mark.parametrize(("approved", "trips"), [(None, True), (19, True), (20, False), (99, False)])
def test_what_vanished_is_approved_up_to_the_number_given(approved: int | None, trips: bool) -> None:
    seen = replace(QUIET, vanished=gone(20, 2), known=20, known_groups=2)
    assert verdict(seen, None, Approvals(vanished=approved)).tripped is trips


def test_changes_that_would_duplicate_vanished_accounts_or_take_their_names_are_withheld() -> None:
    def create(duo_id: str, name: str) -> Change:
        return Change("user", "create", name, None, duo_id, (Delta(USER_NAME, None, name),))

    again, newcomer, heir = create("DU1", "other@example.com"), create("DU77", "new@example.com"), create("DU78", "")
    heir = replace(heir, diff=(Delta(USER_NAME, None, "USER2@example.com"),))
    changes = (again, newcomer, heir)
    seen = replace(QUIET, vanished=gone(5))
    safety = Safety(on_refusal="withhold")
    writes, withheld = permitted(changes, seen, judge(seen, safety, Approvals()), safety)
    assert writes == (newcomer,)
    assert withheld == {again.name, heir.name}
    approved = judge(seen, safety, Approvals(vanished=5))
    assert permitted(changes, seen, approved, safety) == (changes, frozenset())
