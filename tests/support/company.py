"""A small company of plain people, and the same people as NinjaOne stores them.

Knows the sandbox's public face. Must not know ninjasync.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION

TECHNICIANS, END_USERS = "NinjaOne Technicians", "NinjaOne End Users"
ELSEWHERE = "Elsewhere"  # a group that is not in scope


def staff(end_users: int = 12, technicians: int = 3, *, seed: int = 7) -> Company:
    """Make a company of users who are all in scope and valid: user0.two@, user1.two@, …, tech0.one@, …

    User N has organization N + 1; the technicians have none.
    """
    company = Company(seed=seed)
    company.scoped += [company.add_group(TECHNICIANS), company.add_group(END_USERS)]
    company.add_group(ELSEWHERE)
    for number in range(technicians):
        company.hire(f"Tech{number}", "One", groups=[TECHNICIANS], user_type="technician")
    for number in range(end_users):
        company.hire(f"User{number}", "Two", groups=[END_USERS], user_type="endUser", organization=str(number + 1))
    return company


def user(number: int) -> str:
    """The address of an end user of ``staff``."""
    return f"user{number}.two@example.com"


def tech(number: int) -> str:
    """The address of a technician of ``staff``."""
    return f"tech{number}.one@example.com"


def account_of(row: Json, *, external_id: str | None = None, **more: Any) -> Json:
    """Return what NinjaOne stores of a Duo user who is in step."""
    custom = row["custom_attributes"]
    extension = {"userType": custom["userType"]}
    if custom.get("organizationID"):
        extension["organizationId"] = custom["organizationID"]
    account = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": row["email"],
        "externalId": external_id or row["user_id"],
        "active": True,
        "name": {"givenName": row["firstname"], "familyName": row["lastname"]},
        EXTENSION: extension,
    }
    return account | more


def add_native(ninjaone: NinjaOne, user_name: str, **more: Any) -> str:
    """Make an account in NinjaOne by hand, without an externalId, and return its id."""
    body = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": user_name,
        "name": {"givenName": "Made", "familyName": "By Hand"},
        EXTENSION: {"userType": "endUser", "organizationId": "1"},
    }
    return str(ninjaone.create(USER, body | more)["id"])


def populate(ninjaone: NinjaOne, people: Company, users: Iterable[str] | None = None) -> None:
    """Put the users and the scoped groups into NinjaOne as an apply would have, but without its requests."""
    ids: dict[str, str] = {}
    for user_id in people.users if users is None else users:
        ids[user_id] = ninjaone.create(USER, account_of(people.users[user_id]))["id"]
    for group_id in people.scoped:
        members = [{"value": ids[one]} for one in people.members(group_id) if one in ids]
        body = {
            "schemas": [CORE_GROUP],
            "displayName": people.groups[group_id]["name"],
            "externalId": group_id,
            "members": members,
        }
        ninjaone.create(GROUP, body)
