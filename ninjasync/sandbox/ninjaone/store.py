"""What a NinjaOne instance stores, and the rules by which it changes what it is sent.

Knows accounts, groups, unique names, versions and NinjaOne's silent defaults. Must not know HTTP,
addresses or who may ask. NinjaOne publishes no description of its SCIM endpoint; the rules here are
those of its guides "Configuring NinjaOne SCIM with Duo Security" and "SCIM: Using Microsoft Entra ID
Expressions", the rest is RFC 7643 and RFC 7644.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import RLock
from types import MappingProxyType
from typing import Any

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.ninjaone.error import ScimError, invalid_value, not_found
from ninjasync.sandbox.ninjaone.schema import GROUP, NINJAONE_USER, USER, Kind

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_INDEXED = {"User": ("userName", "externalId"), "Group": ("displayName", "externalId")}
_NAME = {"User": "userName", "Group": "displayName"}


def utc_now() -> str:
    """Return the present moment as a SCIM dateTime."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class NinjaOne:
    """The accounts and groups of one tenant.

    ``users`` and ``groups`` map ids to resources as stored: without ``meta.location`` and a user's
    ``groups``, which are made up for each answer; a group always has ``members``, if only an empty
    list. They are there to be read; whatever changes them goes through a method, which keeps the
    index over names. ``create``, ``update`` and ``delete`` follow NinjaOne's rules; ``edit``,
    ``overwrite`` and ``clear`` follow none, for what no client could do. Hold ``lock`` to do several
    things between two requests. Ids follow from ``seed`` and the order of creation.
    """

    def __init__(self, *, seed: int = 1, page_cap: int = 500, now: Callable[[], str] = utc_now) -> None:
        self.lock = RLock()
        self.page_cap = page_cap
        self.now = now
        self._tables: dict[str, dict[str, Json]] = {USER.name: {}, GROUP.name: {}}
        self.users: Mapping[str, Mapping[str, Any]] = MappingProxyType(self._tables[USER.name])
        self.groups: Mapping[str, Mapping[str, Any]] = MappingProxyType(self._tables[GROUP.name])
        # What SCIM does not show, and the public API does: organizations by number, the ids of the users who are
        # system administrators, and accounts that were made in the console, by address.
        self.organizations: dict[int, str] = {}
        self.administrators: set[str] = set()
        self.unlisted: dict[str, Json] = {}
        self._seed = seed
        self._created = 0
        # By kind and attribute: the ids of those with a value, in lower case. A create or a rename asks who has it.
        self._indexes: dict[str, dict[str, dict[str, list[str]]]] = {
            kind: {attribute: {} for attribute in attributes} for kind, attributes in _INDEXED.items()
        }
        # By group: the list of members that a set was made of, and the set. Every user that is shown is looked for
        # among the members of each group, maybe ten thousand, so a set is kept as long as the list is the same.
        self._member_sets: dict[str, tuple[list[Json], frozenset[str]]] = {}

    def table(self, kind: Kind) -> Mapping[str, Json]:
        """All resources of that kind by id."""
        return self._tables[kind.name]

    def get(self, kind: Kind, resource_id: str) -> Json:
        """Return the resource as stored; ScimError 404."""
        try:
            return self._tables[kind.name][resource_id]
        except KeyError:
            raise not_found(f"{kind.name} {resource_id}") from None

    def find(self, kind: Kind, attribute: str, value: str) -> list[str] | None:
        """Return the ids of those with that value in any case; None where no index helps."""
        if attribute == "id":
            return [value] if value in self.table(kind) else []
        index = self._indexes[kind.name].get(attribute)
        return None if index is None else list(index.get(value.lower(), ()))

    def create(self, kind: Kind, resource: Json) -> Json:
        """Store a new resource; ScimError 409 for a taken name, 400 for a value NinjaOne refuses."""
        settled = self._settle(kind, resource, None)
        self._created += 1
        digest = hashlib.sha256(f"{self._seed}/{kind.name}/{self._created}".encode()).hexdigest()
        moment = self.now()
        meta = {"resourceType": kind.name, "created": moment, "lastModified": moment, "version": 'W/"1"'}
        stored = {"schemas": settled.pop("schemas"), "id": digest[:24], **settled, "meta": meta}
        self._put(kind, stored)
        return stored

    def update(self, kind: Kind, resource_id: str, resource: Json) -> Json:
        """Put ``resource`` in place of the stored one; without a difference, nothing happens."""
        old = self.get(kind, resource_id)
        settled = self._settle(kind, resource, resource_id)
        if {**settled, "id": None, "meta": None} == {**old, "id": None, "meta": None}:
            return old
        meta = dict(old.get("meta", {}))
        meta |= {"lastModified": self.now(), "version": _next_version(meta.get("version", ""))}
        stored = {"schemas": settled["schemas"], **settled, "id": resource_id, "meta": meta}
        self._put(kind, stored)
        return stored

    def delete(self, kind: Kind, resource_id: str) -> None:
        """Remove it; a user also leaves every group."""
        old = self.get(kind, resource_id)
        self._unindex(kind, old)
        del self._tables[kind.name][resource_id]
        if kind.name == GROUP.name:
            self._member_sets.pop(resource_id, None)
            return
        for group_id in self.groups_of(resource_id):
            members = [item for item in self.groups[group_id]["members"] if item["value"] != resource_id]
            self.edit(GROUP, group_id, members=members)

    def edit(self, kind: Kind, resource_id: str, **attributes: Any) -> None:
        """Set attributes past all rules, and leave the version as it is; None takes one away. ScimError 404."""
        merged = {**self.get(kind, resource_id), **attributes}
        self.overwrite(kind, {name: value for name, value in merged.items() if value is not None})

    def overwrite(self, kind: Kind, resource: Json) -> None:
        """Store a resource under its id as it is, past all rules, in place of what may be there."""
        self._put(kind, resource)

    def clear(self) -> None:
        """Remove every user and group."""
        for kind, table in self._tables.items():
            table.clear()
            for index in self._indexes[kind].values():
                index.clear()
        self._member_sets.clear()

    def groups_of(self, user_id: str) -> list[str]:
        """Return the ids of the groups that the user is a member of."""
        return [group_id for group_id in self.groups if user_id in self._members(group_id)]

    def _members(self, group_id: str) -> frozenset[str]:
        members = self.groups[group_id].get("members") or []
        known = self._member_sets.get(group_id)
        if known is None or known[0] is not members:
            known = self._member_sets[group_id] = (members, frozenset(item["value"] for item in members))
        return known[1]

    def _settle(self, kind: Kind, resource: Json, resource_id: str | None) -> Json:
        settled = {"schemas": [kind.schema], **resource}
        name = settled.get(_NAME[kind.name])
        if not name or not name.strip():
            raise invalid_value(f"{_NAME[kind.name]} is required")
        if kind.name == "User":
            _settle_user(settled)
        else:
            settled["members"] = self._members_only(settled.get("members") or [])
        taken = self.find(kind, _NAME[kind.name], name) or []
        if any(holder != resource_id for holder in taken) or (kind.name == "User" and name.lower() in self.unlisted):
            raise ScimError(409, f"{_NAME[kind.name]} {name!r} is taken", "uniqueness")
        return settled

    def _members_only(self, members: list[Json]) -> list[Json]:
        """Keep of each member the id alone; the rest of it is made up for each answer."""
        for member in members:
            if member["value"] not in self.users:
                raise invalid_value(f"there is no user {member['value']}")
        return [member if len(member) == 1 else {"value": member["value"]} for member in members]

    def _put(self, kind: Kind, stored: Json) -> None:
        if old := self._tables[kind.name].get(stored["id"]):
            self._unindex(kind, old)
        self._tables[kind.name][stored["id"]] = stored
        for attribute, ids in self._indexes[kind.name].items():
            if isinstance(value := stored.get(attribute), str):
                ids.setdefault(value.lower(), []).append(stored["id"])

    def _unindex(self, kind: Kind, resource: Mapping[str, Any]) -> None:
        for attribute, ids in self._indexes[kind.name].items():
            if isinstance(value := resource.get(attribute), str):
                ids[value.lower()] = [holder for holder in ids[value.lower()] if holder != resource["id"]]


def _next_version(version: str) -> str:
    digits = version.removeprefix('W/"').removesuffix('"')
    return f'W/"{int(digits) + 1 if digits.isdecimal() else 1}"'


def _settle_user(user: Json) -> None:
    """NinjaOne's rules; no value of ``userType`` or ``organizationId`` is ever refused.

    ``userName`` must look like an e-mail address. Anything but ``technician`` (in any case) or
    ``endUser`` (exactly) becomes an end user; an end user without a usable organization gets All,
    that is, becomes a global end user.
    """
    if not _EMAIL.fullmatch(user["userName"]):
        raise invalid_value("userName must be an e-mail address")
    user.setdefault("active", True)
    given: dict[str, Any] = user.get(NINJAONE_USER, {})
    technician = given.get("userType", "").lower() == "technician"
    extension = {"userType": "technician" if technician else "endUser"}
    organization = given.get("organizationId", "").strip()
    if organization.isdecimal() and organization.isascii():
        extension["organizationId"] = organization
    elif organization.lower() == "all" or not technician:
        extension["organizationId"] = "All"
    user[NINJAONE_USER] = extension
    user["schemas"] = [urn for urn in user["schemas"] if urn != NINJAONE_USER] + [NINJAONE_USER]
