"""What differs between desired and actual, as changes in an order that can be applied.

Pure. Puts the users' half and the groups' half together; knows nothing of guards, of
JSON or of the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.directory import Directory, Group, Problem, User
from ninjasync.model.message import Message
from ninjasync.model.ownership import Ownership
from ninjasync.model.plan import Counts
from ninjasync.model.source import Source
from ninjasync.planning.accounts import assign_accounts
from ninjasync.planning.groups import assign_groups, change_groups, count_groups
from ninjasync.planning.leavers import DeletionSchedule
from ninjasync.planning.policy import Policy
from ninjasync.planning.sides import Sides
from ninjasync.planning.users import change_users, count_users

__all__ = ["Difference", "Policy", "diff"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The changes and everything that was noticed on the way to them.

    ``ours`` are the accounts, and ``our_groups`` the groups, that were found to be ours
    before any change, by Duo id; ``active`` counts the active ones of the accounts,
    ``memberships`` the members of the groups. ``leavers`` are Duo ids, ``protected`` names
    by Duo id of those who are left alone for them.
    """

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Message, ...]
    users: Counts
    groups: Counts
    ours: Mapping[str, User]
    our_groups: Mapping[str, Group]
    active: int
    memberships: int
    leavers: frozenset[str]
    schedule: DeletionSchedule
    protected: Mapping[str, str]


def diff(source: Source, actual: Directory, policy: Policy, owned: Ownership) -> Difference:
    """Lay ``source`` over ``actual``.

    Ours is what this tenant's ledger holds, and an account whose ``externalId`` is the id
    of a user in this very Duo read. Everything else is unmanaged: adopted where a user
    in scope has its userName, else left alone.
    """
    sides = Sides(source, actual, policy, owned)
    accounts, our_groups = assign_accounts(sides), assign_groups(sides)
    users, groups = change_users(sides, accounts), change_groups(sides, accounts, our_groups)
    problems = (*sorted(accounts.problems, key=_problem_order), *sorted(our_groups.problems, key=_problem_order))
    return Difference(
        changes=_in_order([*users.changes, *groups.changes]),
        problems=problems,
        warnings=(*accounts.warnings, *users.warnings, *our_groups.warnings, *groups.warnings),
        users=count_users(sides, accounts, users.changes),
        groups=count_groups(sides, our_groups, groups.changes),
        ours=accounts.ours,
        our_groups=our_groups.ours,
        active=accounts.active,
        memberships=groups.memberships,
        leavers=frozenset(accounts.leavers),
        schedule=users.schedule,
        protected=accounts.protected,
    )


def _in_order(changes: list[Change]) -> tuple[Change, ...]:
    """Sort: people before groups, removals last, a name freed before it is taken, then by name."""
    by_name = {change.name: change for change in changes}

    def depth(change: Change) -> int:
        steps = 0
        while change.needs and not change.via:
            change = by_name[change.needs[0]]
            steps += 1
        return steps

    def place(change: Change) -> tuple[bool, bool, int, str, str, str]:
        removal, group = change.action in REMOVALS, change.resource == "group"
        return (removal, group, depth(change), change.key.casefold(), change.key, change.name)

    return tuple(sorted(changes, key=place))


def _problem_order(problem: Problem) -> tuple[str, str, str, str]:
    return (problem.key.casefold(), problem.key, problem.external_id or "", problem.code)
