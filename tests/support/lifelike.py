"""The sandbox's own company as the journeys meet it."""

from __future__ import annotations

from collections.abc import Callable

from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from tests.support.company import END_USERS, TECHNICIANS
from tests.support.office import Office


def lifelike(make: Callable[..., Office], users: int = 60, seed: int = 1) -> Office:
    """The sandbox's own company and the NinjaOne that was there before."""
    people = make_company(users, seed)
    office = make(people, existing_accounts(people, seed))
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "Helpdesk"])
    office.configure("safety", protected_users=["breakglass@example.com"])
    return office


def lone_wolf(office: Office) -> None:
    """Somebody valid who is in no group."""
    wolf = office.people.hire("Lone", "Wolf", user_type="endUser", organization="1")
    office.people.set_email(wolf, "lone.wolf@example.com")
