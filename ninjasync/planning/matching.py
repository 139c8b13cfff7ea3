"""Whose account is whose: joins what NinjaOne has to what Duo has.

Pure. The ledger and ``externalId`` are the evidence here; a name alone is never, it can
only lead to an adoption (``names``).
"""

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from ninjasync.model.directory import Group, User
from ninjasync.model.message import Argument, Message, group, person
from ninjasync.model.ownership import Owned
from ninjasync.model.source import is_duo_id
from ninjasync.names_alike import folded

R = TypeVar("R", User, Group)


@dataclass(frozen=True, slots=True)
class Matched(Generic[R]):
    """Our resources by Duo id. ``gone`` are the Duo ids that only the ledger knows, Duo no longer."""

    ours: Mapping[str, R]
    gone: frozenset[str]
    warnings: tuple[Message, ...]


def match(
    resources: Collection[R],
    source_ids: Set[str],
    owned: Mapping[str, Owned],
    foreign: Mapping[str, str],
    desired_name: Callable[[str], str | None],
) -> Matched[R]:
    """Find each resource's Duo id: its ``externalId`` if this very Duo read has it, else the ledger's word.

    What another tenant's ledger holds is never ours. Of two that claim one Duo id, the
    ledger's is ours, else the one with the desired name (``desired_name`` of the Duo id),
    else the active one; the other is left alone.
    """
    # On most days each carries the id of a user in Duo, and no two the same.
    marked = {resource.external_id: resource for resource in resources}
    if not foreign and len(marked) == len(resources) and marked.keys() <= source_ids:
        return Matched(cast("dict[str, R]", marked), frozenset(), ())
    by_id: dict[str, str] | None = None
    ours: dict[str, R] = {}
    warnings: list[Message] = []

    def preference(resource: R, duo_id: str) -> tuple[bool, bool, bool, str]:
        recorded = duo_id in owned and owned[duo_id].id == resource.id
        named = folded(_name(resource)) == folded(desired_name(duo_id) or "")
        inactive = isinstance(resource, User) and not resource.active
        return (not recorded, not named, inactive, resource.id or "")

    for resource in resources:
        duo_id = resource.external_id
        if duo_id is not None and duo_id not in source_ids and is_duo_id(duo_id.upper()):
            duo_id = duo_id.upper()
        if duo_id is None or duo_id not in source_ids:
            if by_id is None:
                by_id = {entry.id: duo_id for duo_id, entry in owned.items()}
            duo_id = by_id.get(resource.id or "")
        if duo_id is None or (foreign and resource.id in foreign):
            continue
        other = ours.setdefault(duo_id, resource)
        if other is not resource:
            first, second = sorted((other, resource), key=lambda one: preference(one, duo_id))
            ours[duo_id] = first
            warnings.append(_rivalry(first, second, duo_id))
    return Matched(ours, frozenset(ours.keys() - source_ids), tuple(warnings))


def _rivalry(first: User | Group, second: User | Group, duo_id: str) -> Message:
    mark: Callable[[str], Argument] = person if isinstance(first, User) else group
    return Message(
        "{} ({}) and {} ({}) both claim the Duo id {}; the second is left alone.",
        *(mark(value) for one in (first, second) for value in (_name(one), one.id or "")),
        mark(duo_id),
    )


def _name(resource: User | Group) -> str:
    return resource.user_name if isinstance(resource, User) else resource.display_name
