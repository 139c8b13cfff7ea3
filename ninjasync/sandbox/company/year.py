"""What happens to people at work: one event at a time, or a year of them.

Knows how an event shows in Duo. Must not know HTTP, NinjaOne or ninjasync.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Self, TypeAlias

from ninjasync.sandbox.company.people import Company, strip_sync_suffix
from ninjasync.sandbox.company.staffing import FIRST_NAMES, LAST_NAMES, ORGANIZATIONS, make_rng
from ninjasync.sandbox.exchange import Json

Event: TypeAlias = Callable[[Company, str, Random], str]


class Staff:
    """The users to which something may still happen: each is drawn once at most."""

    def __init__(self, people: Company, free: list[str]) -> None:
        self._people, self._free = people, free

    @classmethod
    def shuffled(cls, people: Company, rng: Random) -> Self:
        """Find those users, in an order by chance."""
        scoped = set(people.scoped)
        free = [
            user_id
            for user_id, user in people.users.items()
            if user["status"] == "active"
            and scoped & set(user["groups"])
            and user["custom_attributes"].get("userType") in ("technician", "endUser")
            and user["email"]
        ]
        rng.shuffle(free)
        return cls(people, free)

    def __len__(self) -> int:
        return len(self._free)

    def draw(self, *, end_user: bool = False) -> str:
        """Return the id of any user, or of an end user if one is left. IndexError if no user is left."""
        users = self._people.users
        fitting = (user_id for user_id in self._free if not end_user or _sound_end_user(users[user_id]))
        user_id = next(fitting, None) or self._free[0]
        self._free.remove(user_id)
        return user_id


def _sound_end_user(user: Json) -> bool:
    attributes = user["custom_attributes"]
    return attributes.get("userType") == "endUser" and bool(attributes.get("organizationID"))


def live_a_year(people: Company, seed: int = 1) -> list[str]:
    """Let a year go by: changes the company, returns a sentence for each event.

    People are hired; some are disabled, put in the trash or moved out of the groups (about one in
    twenty leaves); an end user becomes a technician; a user marries and has a new address; the
    synchronised group in scope gets a new name. A company too small for all of it has less of it.
    """
    rng = make_rng(seed, "year")
    with people.lock:
        staff = Staff.shuffled(people, rng)
        times = max(1, len(people.users) // 60)
        sentences = [hire(people, rng) for _ in range(times * 2)]
        events: tuple[Event, ...] = (promote, marry) * times + (disable, trash, move) * times
        for event in events:
            if len(staff) > 1:
                sentences.append(event(people, staff.draw(end_user=event is promote), rng))
        return [*sentences, rename_group(people)]


def hire(people: Company, rng: Random, name: Sequence[str] = ()) -> str:
    """Take on an end user, of that name (the last word is the family's) or any."""
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    if name:
        first, last = " ".join(name[:-1]) or name[0], name[-1] if len(name) > 1 else last
    organization = rng.choice(ORGANIZATIONS)
    groups = [*people.scoped[1:2], *_find_groups(people, "All Staff")]  # by id: an earlier year may have renamed it
    user_id = people.hire(first, last, groups=groups, user_type="endUser", organization=organization)
    return f"{first} {last} was hired as an end user: {people.users[user_id]['email']}."


def promote(people: Company, user_id: str, rng: Random) -> str:
    """Make a technician of an end user."""
    if people.users[user_id]["custom_attributes"].get("userType") == "technician":
        return f"{_name_user(people, user_id)} is a technician already."
    people.set_attribute(user_id, "userType", "technician")
    for group_id in people.scoped[1:2]:
        people.leave(user_id, group_id)
    for group_id in people.scoped[:1]:
        people.join(user_id, group_id)
    return f"{_name_user(people, user_id)} became a technician."


def marry(people: Company, user_id: str, rng: Random) -> str:
    """Give the user another family name and address."""
    user = people.users[user_id]
    old, domain = _name_user(people, user_id), (user["email"] or "").rpartition("@")[2] or people.domain
    first, _, former = (user["realname"] or "").rpartition(" ")
    last = rng.choice([name for name in LAST_NAMES if name != (user["lastname"] or former)])
    email = f"{user['username'].partition('.')[0]}.{last.lower()}.{user_id[2:6].lower()}@{domain}"
    if user["lastname"]:
        user["lastname"] = last
    if user["realname"]:
        user["realname"] = f"{first} {last}".strip()
    people.set_email(user_id, email)
    return f"{old} married: the last name is now {last}, the address {email}."


def disable(people: Company, user_id: str, rng: Random) -> str:
    """Let the user be disabled."""
    people.disable(user_id)
    return f"{_name_user(people, user_id)} left and was disabled in Duo."


def trash(people: Company, user_id: str, rng: Random) -> str:
    """Let the user be deleted, which goes by way of the trash."""
    people.trash(user_id)
    return f"{_name_user(people, user_id)} left and is in Duo's trash."


def move(people: Company, user_id: str, rng: Random) -> str:
    """Take the user out of all groups for NinjaOne."""
    for group_id in people.scoped:
        people.leave(user_id, group_id)
    for group_id in _find_groups(people, "Contractors"):
        people.join(user_id, group_id)
    return f"{_name_user(people, user_id)} went freelance and is in no group for NinjaOne any more."


def return_to_work(people: Company, user_id: str, rng: Random) -> str:
    """Make the user active and one of a group for NinjaOne again."""
    user = people.users[user_id]
    people.enable(user_id)
    if not set(user["groups"]) & set(people.scoped):
        technician = user["custom_attributes"].get("userType") == "technician"
        for group_id in people.scoped[:1] if technician else people.scoped[1:2]:
            people.join(user_id, group_id)
    return f"{_name_user(people, user_id)} came back and is active."


def rename_group(people: Company) -> str:
    """Give the last of the groups in scope, a synchronised one, another name."""
    group_id = people.scoped[-1]
    old = people.groups[group_id]["name"]
    name = "Service Desk" if strip_sync_suffix(old) != "Service Desk" else "Support"
    people.rename_group(group_id, name + old.removeprefix(strip_sync_suffix(old)))
    return f"The group {strip_sync_suffix(old)} is now called {name}."


def _name_user(people: Company, user_id: str) -> str:
    user = people.users[user_id]
    return str(user["email"] or user["username"])


def _find_groups(people: Company, name: str) -> list[str]:
    """Return the id of the group of that name, if there is one."""
    return [group_id for group_id, group in people.groups.items() if strip_sync_suffix(group["name"]) == name]
