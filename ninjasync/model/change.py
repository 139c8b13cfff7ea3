"""A change as data: it can be printed, compared, digested and saved."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from ninjasync.model.attributes import MEMBERS
from ninjasync.model.directory import Resource
from ninjasync.model.message import Argument, Message, group, person

Action = Literal["create", "adopt", "update", "reactivate", "deactivate", "delete"]


USER_ACTIONS: tuple[Action, ...] = ("create", "adopt", "update", "reactivate", "deactivate", "delete")


GROUP_ACTIONS: tuple[Action, ...] = ("create", "adopt", "update", "delete")


REMOVALS: tuple[Action, ...] = ("deactivate", "delete")


Value = str | bool | None


@dataclass(frozen=True, slots=True)
class Delta:
    """One attribute's ``before`` and ``after``; None is no value.

    ``via`` is the temporary userName or displayName that breaks a cycle of names.
    """

    path: str
    before: Value
    after: Value
    via: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A user as a group's member: ``key`` is their userName, ``external_id`` their Duo id.

    ``id`` is NinjaOne's, None where the account is yet to be created by this plan.
    """

    key: str
    external_id: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource. A plan has at most one for each.

    ``diff`` holds all attributes for a create, those that change for a patch, none for a
    delete. ``needs`` names changes (``Change.name``) that must free a name first.
    ``whole`` are all desired attributes of a user who is patched, for a server that
    replaces instead.
    """

    resource: Resource
    action: Action
    key: str
    id: str | None
    external_id: str | None
    diff: tuple[Delta, ...] = ()
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    reasons: tuple[Message, ...] = ()
    needs: tuple[str, ...] = ()
    privilege: bool = False
    whole: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Tell this change from every other of the plan."""
        return f"{self.resource}:{self.id or self.external_id}"

    @property
    def subject(self) -> Argument:
        """What the change is about, to be named in a message."""
        return person(self.key) if self.resource == "user" else group(self.key)

    @property
    def via(self) -> str | None:
        """The temporary name that this change goes by way of, if any."""
        return next((delta.via for delta in self.diff if delta.via), None)

    @property
    def freeing(self) -> tuple[Delta, ...]:
        """What is patched first where the change goes by way of a temporary name: that name."""
        return tuple(replace(delta, after=delta.via) for delta in self.diff if delta.via)


def count(changes: Iterable[Change], resource: Resource) -> dict[str, int]:
    """Count the changes of one kind by action, with a zero for each that does not occur."""
    actions = USER_ACTIONS if resource == "user" else GROUP_ACTIONS
    found = dict.fromkeys(map(str, actions), 0)
    for change in changes:
        if change.resource == resource:
            found[change.action] += 1
    return found


def journal_diff(change: Change) -> str:
    """Return before and after of every attribute, members included, as JSON that equals for equal changes."""
    rows: dict[str, Any] = {delta.path: [delta.before, delta.after] for delta in change.diff}
    if change.added or change.removed:
        rows[MEMBERS] = [[member.key for member in change.removed], [member.key for member in change.added]]
    return json.dumps(rows)
