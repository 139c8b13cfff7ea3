"""The figures of a plan that the guards judge by. Pure: counts, and decides nothing."""

from ninjasync.config.schema import Config
from ninjasync.model.change import REMOVALS
from ninjasync.model.directory import Directory
from ninjasync.model.ownership import Ownership
from ninjasync.model.plan import Evidence, Vanished
from ninjasync.model.source import Source, Standing
from ninjasync.planning import rights
from ninjasync.planning.baseline import lost_groups
from ninjasync.planning.causes import commonest
from ninjasync.planning.diff import Difference
from ninjasync.planning.moment import Moment
from ninjasync.planning.source import UNREADABLE


def collect_evidence(
    config: Config,
    source: Source,
    actual: Directory,
    difference: Difference,
    moment: Moment,
    administrators: frozenset[str] | None,
) -> Evidence:
    """Count what the guards look at; ``administrators`` names the changes that are withheld for administrators."""
    changes, baseline = difference.changes, moment.baseline
    users, groups = moment.owned.users, moment.owned.groups
    # Users that Duo counts and does not list are as unread as a record that cannot be read.
    unreadable = sum(problem.code == UNREADABLE for problem in difference.problems) + source.unlisted
    # Removals that are all withheld whatever the limits say cannot refuse the rest as well (CONTRACT §6.4). Those that
    # wait for the list of administrators are but some, and count: an API that fails must loosen no limit (§7.9).
    removed = () if unreadable else changes
    return Evidence(
        missing=(*source.missing, *lost_groups(config, source, baseline)),
        # Users found by their ids alone do not count: a list that lacks many is to be noticed.
        in_scope=sum(
            user.standing is not Standing.OUT and user.id not in source.passed_over for user in source.users.values()
        ),
        last_good=baseline.in_scope if baseline else None,
        active=difference.active,
        memberships=difference.memberships,
        removals=sum(change.resource == "user" and change.action in REMOVALS for change in removed),
        member_removals=sum(
            member.external_id not in difference.leavers for change in removed for member in change.removed
        ),
        privilege_changes=sum(change.privilege for change in changes),
        held=difference.users.held + difference.groups.held,
        unreadable=unreadable,
        vanished=_vanished(actual, difference, moment.owned),
        known=sum(not entry.deleted and entry.deactivated_at is None for entry in users.values()),
        known_groups=sum(not entry.deleted for entry in groups.values()),
        rights=rights.tally(changes),
        commonest=commonest(difference.problems, source, config.attributes),
        administrators=administrators,
    )


def _vanished(actual: Directory, difference: Difference, owned: Ownership) -> tuple[Vanished, ...]:
    """List what the ledger says is ours and this read no longer shows, whatever way it read.

    Not those whose deletion NinjaOne accepted, those that could not be read, and those that
    are there under another id, by their externalId.
    """
    if not actual.vanished:
        return ()
    found: list[Vanished] = []
    for duo_id, entry in sorted(owned.users.items()):
        if entry.id in actual.vanished and not entry.deleted and duo_id not in difference.ours:
            found.append(Vanished("user", duo_id, entry.id, entry.name))
    for duo_id, entry in sorted(owned.groups.items()):
        if entry.id in actual.vanished and not entry.deleted and duo_id not in difference.our_groups:
            found.append(Vanished("group", duo_id, entry.id, entry.name))
    return tuple(found)
