"""Which user or group gets which name, and in which order names move so that none is taken before it is free.

Pure. The same rules serve userNames of users and displayNames of groups, so both are
plain strings here; names are compared by the one rule, in the form that ``folded`` gives.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace

from ninjasync.model.change import Change
from ninjasync.model.message import Message
from ninjasync.names_alike import folded

_BY_WAY = Message("goes by way of a temporary name")


@dataclass(frozen=True, slots=True)
class Assigned:
    """The outcome of ``assign_names``; keys are Duo ids, values NinjaOne ids but for ``duplicates``."""

    adopted: Mapping[str, str]
    taken: Mapping[str, tuple[str, ...]]
    duplicates: Mapping[str, tuple[str, ...]]


def assign_names(
    wanted: Mapping[str, str],
    *,
    own: Mapping[str, str],
    names: Mapping[str, str],
    adoptable: Callable[[str], bool],
    unreadable: Set[str],
) -> Assigned:
    """Decide for each Duo id in ``wanted`` whether it gets its name.

    ``wanted`` gives each Duo id a folded name, ``own`` its resource, ``names`` each resource the
    folded name that it has. A name is free if no resource holds it, or if its holder wants another
    and gets it. A resource without an owner is adopted for a Duo id without a resource. All that
    want one name are duplicates. A name whose holder keeps it is taken; the Duo id that wants it
    keeps its old name, which may be the one that another wants.
    """
    wanting, holders = _by_name(wanted), _by_name(names)
    duplicates = {duo_id: tuple(same) for same in wanting.values() if len(same) > 1 for duo_id in same}
    owner = {resource: duo_id for duo_id, resource in own.items()}

    def stays(resource: str, name: str) -> bool:
        duo_id = owner.get(resource)
        return duo_id is None or duo_id in duplicates or wanted.get(duo_id, name) == name

    undecided = {
        duo_id: name
        for duo_id, name in wanted.items()
        if duo_id not in duplicates and names.get(own.get(duo_id, "")) != name
    }
    adopted: dict[str, str] = {}
    taken: dict[str, tuple[str, ...]] = {}
    for duo_id, name in undecided.items():
        there = holders.get(name, ())
        staying = [resource for resource in there if stays(resource, name)]
        free = len(staying) == len(there) == 1 and staying[0] not in owner and duo_id not in own
        if name in unreadable:
            taken[duo_id] = ()
        elif free and adoptable(staying[0]):
            adopted[duo_id] = staying[0]
        elif staying:
            taken[duo_id] = tuple(sorted(staying))
    blocked = _find_blocked(taken, _by_name(undecided), own, names)
    left = {duo_id: resource for duo_id, resource in adopted.items() if duo_id not in blocked}
    return Assigned(left, taken | blocked, duplicates)


def _find_blocked(
    taken: Mapping[str, tuple[str, ...]],
    wanting: Mapping[str, list[str]],
    own: Mapping[str, str],
    names: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return the Duo ids whose name stays with a holder that cannot be renamed, and that holder's resource.

    ``taken`` are those whose name is held by an account that keeps it, ``wanting`` the others by name.
    """
    blocked: dict[str, tuple[str, ...]] = {}
    waiting = list(taken)
    while waiting:
        kept = own.get(waiting.pop())
        if kept is None:
            continue
        for duo_id in wanting.get(names.get(kept, ""), ()):
            if duo_id not in taken and duo_id not in blocked:
                blocked[duo_id] = (kept,)
                waiting.append(duo_id)
    return blocked


def _by_name(names: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Return the keys of each name."""
    every: defaultdict[str, list[str]] = defaultdict(list)
    for one, name in names.items():
        every[name].append(one)
    return every


def order_renames(
    changes: list[Change],
    path: str,
    names: Mapping[str, str],
    temporary: Callable[[Change, str], str],
) -> list[Change]:
    """Let each change that takes a name need the one that frees it; break cycles by a temporary name.

    ``path`` is the naming attribute, ``names`` the folded name of each resource that is
    there. In a cycle the first by key goes by way of ``temporary(change, wanted name)``.
    """
    frees = {}
    for change in changes:
        if change.id is not None and any(delta.path == path and delta.before for delta in change.diff):
            frees[names[change.id]] = change
    needs: dict[str, Change] = {}
    for change in changes:
        wanted = next((delta.after for delta in change.diff if delta.path == path), None)
        if isinstance(wanted, str) and (freeing := frees.get(folded(wanted))) and freeing is not change:
            needs[change.name] = freeing
    broken = _cycle_breakers(changes, needs)
    ordered = []
    for change in changes:
        if freeing := needs.get(change.name):
            change = replace(change, needs=(freeing.name,))
        if change.name in broken:
            rows = [
                replace(delta, via=temporary(change, str(delta.after))) if delta.path == path else delta
                for delta in change.diff
            ]
            change = replace(change, diff=tuple(rows), reasons=(*change.reasons, _BY_WAY))
        ordered.append(change)
    return ordered


def _cycle_breakers(changes: list[Change], needs: Mapping[str, Change]) -> set[str]:
    """Return the name of one change of every cycle. Each change needs at most one, so cycles are apart."""
    broken: set[str] = set()
    done: set[str] = set()
    for start in changes:
        path: list[Change] = []
        here: Change | None = start
        while here is not None and here.name not in done:
            done.add(here.name)
            path.append(here)
            here = needs.get(here.name)
        if here is not None and here in path:
            cycle = path[path.index(here) :]
            broken.add(min(cycle, key=lambda change: (change.key.casefold(), change.name)).name)
    return broken
