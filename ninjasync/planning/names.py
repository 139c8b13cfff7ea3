"""Who gets which name, and in which order names move so that none is taken before it is free.

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
class Settled:
    """The outcome of ``settle_names``; keys are Duo ids, values NinjaOne ids but for ``duplicates``."""

    adopted: Mapping[str, str]
    taken: Mapping[str, tuple[str, ...]]
    duplicates: Mapping[str, tuple[str, ...]]


def settle_names(
    wishes: Mapping[str, str],
    *,
    own: Mapping[str, str],
    names: Mapping[str, str],
    adoptable: Callable[[str], bool],
    unreadable: Set[str],
) -> Settled:
    """Decide for each wish (Duo id to folded name) whether it can be had.

    ``own`` gives each Duo id its resource, ``names`` each resource its folded name. A name
    is free if nobody holds it or its holder wishes for another and gets it. A resource
    that nobody owns is adopted by one who has none. All who wish for one name are
    duplicates; a request for a name whose holder keeps it fails; the requester keeps the old name, which may block
    another request.
    """
    if len(set(wishes.values())) == len(wishes) and all(names.get(own.get(one, "")) == wishes[one] for one in wishes):
        return Settled({}, {}, {})  # as on most days, and half the work of a diff is spared
    wishers: defaultdict[str, list[str]] = defaultdict(list)
    for duo_id, name in wishes.items():
        wishers[name].append(duo_id)
    duplicates = {duo_id: tuple(same) for same in wishers.values() if len(same) > 1 for duo_id in same}

    owner = {resource: duo_id for duo_id, resource in own.items()}
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for resource, name in names.items():
        holders[name].append(resource)

    adopted: dict[str, str] = {}
    taken: dict[str, tuple[str, ...]] = {}

    def moves_away(resource: str, name: str) -> bool:
        wisher = owner.get(resource)
        return wisher is not None and wisher not in duplicates and wishes.get(wisher, name) != name

    for duo_id, name in wishes.items():
        if duo_id in duplicates:
            continue
        mine = own.get(duo_id)
        if mine is not None and names.get(mine) == name:
            continue
        staying = [resource for resource in holders.get(name, ()) if not moves_away(resource, name)]
        foreign = [resource for resource in staying if resource not in owner]
        if name in unreadable:
            taken[duo_id] = ()
        elif mine is None and len(staying) == 1 and len(holders[name]) == 1 and foreign and adoptable(foreign[0]):
            adopted[duo_id] = foreign[0]
        elif staying:
            taken[duo_id] = tuple(sorted(staying))

    # Who does not move keeps the name that another counted on.
    waiting = list(taken)
    while waiting:
        mine = own.get(waiting.pop())
        if mine is None:
            continue
        name = names.get(mine, "")
        for blocked in wishers.get(name, ()):
            has_it = names.get(own.get(blocked, "")) == name
            if blocked not in taken and blocked not in duplicates and not has_it:
                taken[blocked] = (mine,)
                adopted.pop(blocked, None)
                waiting.append(blocked)
    return Settled(adopted, taken, duplicates)


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
