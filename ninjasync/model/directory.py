"""The nouns: users and groups of one side, and what is wrong with a record.

Pure. Both sides become the same types before they are compared: the source as
*desired* resources, NinjaOne as *actual* ones. Knows nothing of JSON or HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ninjasync.model.message import NOTHING, Message
from ninjasync.model.problems import Code

Resource = Literal["user", "group"]


class Row(msgspec.Struct, frozen=True, gc=False):
    """What there are as many of as people.

    A frozen dataclass sets each field by way of ``object.__setattr__``: 1.4 µs for a
    SourceUser instead of 0.2 µs. None of them can be part of a cycle, so that the
    garbage collector need not know them.
    """


class User(Row, frozen=True):
    """A SCIM User as one side has it (actual) or wants it (desired).

    ``values`` holds the mapped attributes but userName, in the order of
    ``Directory.paths``; None where there is no value. ``id`` is NinjaOne's own and None
    for a desired user. Without ``shows_active`` NinjaOne did not say whether the account
    is active: then ``active`` is a guess.
    """

    user_name: str
    external_id: str | None
    active: bool
    values: tuple[str | None, ...]
    id: str | None = None
    shows_active: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A SCIM Group. ``members`` are Duo user ids where desired, NinjaOne ids where actual.

    None says that the server did not show the members. What that means, and an empty list,
    depends on whether it ever shows any (``Ownership.members_shown``).
    """

    display_name: str
    external_id: str | None
    members: frozenset[str] | None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """All users and groups that NinjaOne showed. ``paths`` names the columns of ``User.values``.

    It is not ``complete`` where accounts were looked up one by one: one that was not asked for is
    unknown. ``vanished`` are ids that were asked for and that NinjaOne proved to have no longer;
    ``hidden`` are folded names of accounts that NinjaOne does not show. ``hides_members`` is true
    where there are groups and none showed a member, neither in a list nor by its id. ``unshown``
    are paths for which SCIM showed no value, though the public API may have. ``kinds`` gives the
    user type of hidden accounts.
    """

    paths: tuple[str, ...]
    users: tuple[User, ...]
    groups: tuple[Group, ...]
    unreadable: tuple["Problem", ...] = ()
    complete: bool = True
    vanished: frozenset[str] = frozenset()
    hidden: frozenset[tuple[Resource, str]] = frozenset()
    hides_members: bool = False
    warnings: tuple[Message, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    unshown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record is held.

    ``message`` says what is wrong with it, by which line of the configuration, and what may help; ``what`` is the
    first of that alone, and empty where ``message`` says no more.
    """

    resource: Resource
    key: str
    external_id: str | None
    code: Code
    message: Message
    what: Message = NOTHING


@dataclass(frozen=True, slots=True)
class Observation:
    """NinjaOne was sent one value and shows another, or none."""

    path: str
    sent: str | None
    shown: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """What became of a change of a group's members, by NinjaOne ids.

    ``refused`` says of some why they were refused; ``lacking`` were taken and are not in
    the group, ``left`` were taken out and still are in it.
    """

    refused: Mapping[str, Message] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    observed: tuple[Observation, ...] = ()

    @property
    def undone(self) -> frozenset[str]:
        """Those whose change is not there."""
        return self.lacking.union(self.left, self.refused)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to look for where NinjaOne is not listed: ids from the ledger, names and Duo ids from the source.

    ``protected`` are userNames that the configuration protects and that Duo does not have.
    """

    user_ids: frozenset[str]
    group_ids: frozenset[str]
    user_names: Mapping[str, str]
    group_names: Mapping[str, str]
    contested: frozenset[tuple[Resource, str]] = frozenset()
    protected: tuple[str, ...] = ()
