"""A year in the life of the company.

Knows what happens to people at work. Must not know HTTP, NinjaOne or ninjasync.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.people import Company, plain_name
from ninjasync.sandbox.staffing import (
    FIRST_NAMES,
    LAST_NAMES,
    ORGANIZATIONS,
    dice,
)

_Event: TypeAlias = Callable[[Company, "_Staff", Random], str]


class _Staff:
    """The people to whom something may still happen: each has at most one event in the year."""

    def __init__(self, people: Company, rng: Random) -> None:
        scoped = set(people.scoped)
        self._free = [
            user_id
            for user_id, user in people.users.items()
            if user["status"] == "active"
            and scoped & set(user["groups"])
            and user["custom_attributes"].get("userType") in ("technician", "endUser")
            and user["email"]
        ]
        rng.shuffle(self._free)
        self._people = people

    def __len__(self) -> int:
        return len(self._free)

    def draw(self, *, end_user: bool = False) -> tuple[str, Json]:
        """Somebody, or some end user if there is one left."""
        users = self._people.users
        fitting = (user_id for user_id in self._free if not end_user or _sound_end_user(users[user_id]))
        user_id = next(fitting, self._free[0])
        self._free.remove(user_id)
        return user_id, users[user_id]


def _sound_end_user(user: Json) -> bool:
    attributes = user["custom_attributes"]
    return attributes.get("userType") == "endUser" and bool(attributes.get("organizationID"))


def year_of_life(people: Company, seed: int = 1) -> list[str]:
    """Let a year go by: changes the company, returns a sentence for each event.

    People are hired; some are disabled, put in the trash or moved out of the groups (about one in
    twenty leaves); an end user becomes a technician; somebody marries and has a new address; the
    synchronised group in scope gets a new name. A company too small for all of it has less of it.
    """
    rng = dice(seed, "year")
    with people.lock:
        staff = _Staff(people, rng)
        times = max(1, len(people.users) // 60)
        events: list[_Event] = [_hired] * (times * 2)
        events += [_promoted, _married] * times + [_disabled, _trashed, _moved] * times
        told = [event(people, staff, rng) for event in events if event is _hired or len(staff) > 1]
        return [*told, _regrouped(people)]


def _end_users(people: Company) -> str:
    return people.scoped[1]  # by id: an earlier year may have renamed it


def _hired(people: Company, staff: _Staff, rng: Random) -> str:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    user_id = people.hire(
        first,
        last,
        groups=[_end_users(people), "All Staff"],
        user_type="endUser",
        organization=rng.choice(ORGANIZATIONS),
    )
    return f"{first} {last} was hired as an end user: {people.users[user_id]['email']}."


def _promoted(people: Company, staff: _Staff, rng: Random) -> str:
    user_id, user = staff.draw(end_user=True)
    people.set_attribute(user_id, "userType", "technician")
    people.leave(user_id, _end_users(people))
    people.join(user_id, people.scoped[0])
    return f"{user['email']} became a technician."


def _married(people: Company, staff: _Staff, rng: Random) -> str:
    user_id, user = staff.draw()
    old, domain = user["email"], user["email"].rpartition("@")[2]
    last = rng.choice([name for name in LAST_NAMES if name != user["lastname"]])
    email = f"{user['username'].partition('.')[0]}.{last.lower()}.{user_id[2:6].lower()}@{domain}"
    user["lastname"] = last
    people.set_email(user_id, email)
    return f"{old} married: the last name is now {last}, the address {email}."


def _disabled(people: Company, staff: _Staff, rng: Random) -> str:
    user_id, user = staff.draw()
    people.disable(user_id)
    return f"{user['email']} left and was disabled in Duo."


def _trashed(people: Company, staff: _Staff, rng: Random) -> str:
    user_id, user = staff.draw()
    people.trash(user_id)
    return f"{user['email']} left and is in Duo's trash."


def _moved(people: Company, staff: _Staff, rng: Random) -> str:
    user_id, user = staff.draw()
    for group_id in people.scoped:
        people.leave(user_id, group_id)
    people.join(user_id, people.group_named("Contractors"))
    return f"{user['email']} went freelance and is in no group for NinjaOne any more."


def _regrouped(people: Company) -> str:
    group_id = people.scoped[-1]
    old = people.groups[group_id]["name"]
    name = "Service Desk" if plain_name(old) != "Service Desk" else "Support"
    people.rename_group(group_id, name + old.removeprefix(plain_name(old)))
    return f"The group {plain_name(old)} is now called {name}."
