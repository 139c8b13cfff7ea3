"""What NinjaOne must hold, computed from Duo alone and by rules of its own.

Knows the sandbox's tables and the contract. It shares no code with the product, so that no mistake of the
product can hide in it.
"""

from __future__ import annotations

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json
from tests.support.urns import EXTENSION


def implied_account(record: Json, scoped: set[str]) -> Json | None:
    """Return the account that the contract derives from this Duo record; None if it is out of scope or invalid."""
    if record["status"] not in ("active", "bypass", "locked out") or not scoped & set(record["groups"]):
        return None
    attributes = record["custom_attributes"]
    kind, organization = attributes.get("userType"), (attributes.get("organizationID") or "").strip()
    first, _, last = (record["realname"] or "").rpartition(" ")  # where it stands alone, it is of two words
    given, family = record["firstname"] or first, record["lastname"] or last
    if kind not in ("technician", "endUser") or not (record["email"] and given and family):
        return None
    if organization.lower() == "all":
        organization = "All"
    elif organization and not organization.isdecimal():
        return None
    if kind == "endUser" and not organization:
        return None
    return {
        "userName": record["email"].casefold(),
        "givenName": given.strip(),
        "familyName": family.strip(),
        "userType": kind,
        "organizationId": organization or None,
        "active": True,
        "externalId": record["user_id"],
    }


def implied(people: Company) -> tuple[dict[str, Json], dict[str, set[str]]]:
    """Return the accounts by Duo id, and the members' Duo ids by the name of the group."""
    scoped = set(people.scoped)
    accounts = {
        id_: account for id_, record in people.users.items() if (account := implied_account(record, scoped)) is not None
    }
    groups = {
        people.groups[group]["name"].partition(" (from ")[0]: {
            id_ for id_ in accounts if group in people.users[id_]["groups"]
        }
        for group in people.scoped
    }
    return accounts, groups


def shown_account(row: Json) -> Json:
    """Return the same attributes of an account as NinjaOne stores it, without any that it does not have."""
    # Blanks at the ends are no difference: an adopted account keeps those that it had.
    name, extension = row.get("name", {}), row.get(EXTENSION, {})
    return {
        "userName": row["userName"].casefold(),
        "givenName": name.get("givenName", "").strip(),
        "familyName": name.get("familyName", "").strip(),
        "userType": extension.get("userType"),
        "organizationId": extension.get("organizationId"),
        "active": row["active"],
        "externalId": row.get("externalId"),
    }


def stored(ninjaone: NinjaOne) -> tuple[dict[str, Json], dict[str, set[str]]]:
    """Return the same as ``implied`` of what NinjaOne has: the accounts with a Duo id, and every group."""
    accounts = {
        row["externalId"]: shown_account(dict(row))
        for row in ninjaone.users.values()
        if str(row.get("externalId", "")).startswith("DU")
    }
    by_id = {row["id"]: row.get("externalId", "?") for row in ninjaone.users.values()}
    groups = {
        row["displayName"]: {by_id[member["value"]] for member in row["members"]} for row in ninjaone.groups.values()
    }
    return accounts, groups
