"""A company as Duo knows it: its users and groups, and what can happen to them.

Knows the records of the Duo Admin API. Must not know who these people are (staffing, year), HTTP,
signatures or NinjaOne.
"""

from __future__ import annotations

import hashlib
import unicodedata
from base64 import b64encode
from collections.abc import Iterable
from threading import RLock

from ninjasync.sandbox.exchange import Json

# How Duo names a synchronised group: the quoted text is the sync's display name.
FROM_AD = ' (from AD sync "Head Office")'
FROM_ENTRA = ' (from Microsoft Entra ID sync "Cloud")'
FORMERLY = ' (formerly from "Old Forest")'  # a sync that manages it no longer
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHER_DEVICES = ("u2ftokens", "webauthncredentials", "desktoptokens", "desktop_authenticators")
_HIRED = 1_735_689_600  # 2025-01-01: a company of its own time, so that it is the same on every day


class Company:
    """The users and groups of one Duo account.

    ``users`` and ``groups`` map ids to records as the Duo Admin API returns them, but that a user's
    ``groups`` holds group ids. Both may be read and changed at will between requests; hold ``lock``
    to do so during them. ``scoped`` are the ids of the groups meant for NinjaOne. Ids follow from
    ``seed`` and the order of creation.
    """

    def __init__(self, *, seed: int = 1, domain: str = "example.com") -> None:
        self.lock = RLock()
        self.domain = domain
        self.users: dict[str, Json] = {}
        self.groups: dict[str, Json] = {}
        self.scoped: list[str] = []
        self._seed = seed
        self._created = 0
        self._taken: set[str] = set()

    def add_group(self, name: str, *, description: str = "") -> str:
        """Make a group and return its id."""
        with self.lock:
            group_id = self._new_id("DG")
            self.groups[group_id] = {
                "group_id": group_id,
                "name": name,
                "desc": description,
                "status": "Active",
                "mobile_otp_enabled": False,
                "push_enabled": False,
                "sms_enabled": False,
                "voice_enabled": False,
            }
        return group_id

    def hire(
        self,
        first: str,
        last: str,
        *,
        groups: Iterable[str] = (),
        user_type: str | None = None,
        organization: str | None = None,
    ) -> str:
        """Add an active, enrolled user and return the id.

        ``groups`` are ids or names. An attribute of None is not set.
        """
        with self.lock:
            user_id = self._new_id("DU")
            username = self._new_username(first, last)
            attributes = {"userType": user_type, "organizationID": organization}
            self.users[user_id] = {
                "user_id": user_id,
                "username": username,
                "realname": f"{first} {last}",
                "firstname": first,
                "lastname": last,
                "email": f"{username}@{self.domain}",
                "status": "active",
                "is_enrolled": True,
                "created": _HIRED + self._created * 60,
                "last_login": _HIRED + self._created * 3600,
                "last_directory_sync": None,
                "lockout_reason": None,
                "notes": "",
                **{f"alias{number}": None for number in range(1, 5)},
                "aliases": {},
                "custom_attributes": {k: v for k, v in attributes.items() if v is not None},
                "date_of_birth": None,
                "entra_federated_user_id": None,
                "enable_auto_prompt": True,
                "has_password": False,
                "password_last_updated": None,
                "groups": [self._group_id(group) for group in groups],
                "phones": [],
                "tokens": [],
                **{device: [] for device in _OTHER_DEVICES},
            }
        return user_id

    def synchronise(self, user_id: str, moment: int) -> None:
        """Let a directory sync of AD manage the user: only such a record has its key and an ``external_id``."""
        with self.lock:
            digest = hashlib.sha256(user_id.encode()).digest()
            self.users[user_id] |= {
                "last_directory_sync": moment,
                "directory_key": "DS" + "".join(_LETTERS[byte % 36] for byte in hashlib.sha256(b"sync").digest()[:18]),
                "external_id": b64encode(digest[:16]).decode(),  # as AD's objectGUID
            }

    def give_phone(self, user_id: str) -> None:
        """Give the user a telephone to confirm log-ins with."""
        with self.lock:
            user = self.users[user_id]
            user["phones"].append(_phone(self._new_id("DP"), self._created))

    def disable(self, user_id: str) -> None:
        """Let an administrator disable the user."""
        self._set(user_id, status="disabled")

    def enable(self, user_id: str) -> None:
        """Make the user active again, whatever was before."""
        self._set(user_id, status="active", lockout_reason=None)

    def trash(self, user_id: str) -> None:
        """Put the user in the trash: still listed, to be deleted some days later."""
        self._set(user_id, status="pending deletion")

    def lock_out(self, user_id: str) -> None:
        """Too many failed log-ins; Duo alone sets this."""
        self._set(user_id, status="locked out", lockout_reason="Failed Attempts")

    def erase(self, user_id: str) -> None:
        """Remove the user from Duo altogether."""
        with self.lock:
            del self.users[user_id]

    def set_email(self, user_id: str, email: str) -> None:
        """Give the user another e-mail address; the username stays."""
        self._set(user_id, email=email)

    def set_attribute(self, user_id: str, name: str, value: str | None) -> None:
        """Set a custom attribute; None takes it away."""
        with self.lock:
            attributes = self.users[user_id]["custom_attributes"]
            if value is None:
                attributes.pop(name, None)
            else:
                attributes[name] = value

    def join(self, user_id: str, group_id: str) -> None:
        """Put the user into the group."""
        with self.lock:
            groups = self.users[user_id]["groups"]
            if group_id not in groups:
                groups.append(self.groups[group_id]["group_id"])

    def leave(self, user_id: str, group_id: str) -> None:
        """Take the user out of the group."""
        with self.lock:
            user = self.users[user_id]
            user["groups"] = [group for group in user["groups"] if group != group_id]

    def rename_group(self, group_id: str, name: str) -> None:
        """Give the group another name."""
        with self.lock:
            self.groups[group_id]["name"] = name

    def erase_group(self, group_id: str) -> None:
        """Remove the group; its members stay."""
        with self.lock:
            del self.groups[group_id]
            for user_id in self.users:
                self.leave(user_id, group_id)

    def find_group_id(self, name: str) -> str:
        """Return the id of the group named so, in full or without its sync suffix; else KeyError."""
        for group_id, group in self.groups.items():
            if name in (group["name"], strip_sync_suffix(group["name"])):
                return group_id
        raise KeyError(name)

    def find_user_id(self, email: str) -> str:
        """Return the id of the user with that address in any case; else KeyError."""
        for user_id, user in self.users.items():
            if (user["email"] or "").casefold() == email.casefold():
                return user_id
        raise KeyError(email)

    def members(self, group_id: str) -> list[str]:
        """Return the ids of the group's users, whatever their status."""
        return [user_id for user_id, user in self.users.items() if group_id in user["groups"]]

    def _set(self, user_id: str, **fields: str | None) -> None:
        with self.lock:
            self.users[user_id].update(fields)

    def _group_id(self, group: str) -> str:
        return group if group in self.groups else self.find_group_id(group)

    def _new_id(self, prefix: str) -> str:
        self._created += 1
        digest = hashlib.sha256(f"{self._seed}/{prefix}/{self._created}".encode()).digest()
        return prefix + "".join(_LETTERS[byte % 36] for byte in digest[:18])

    def _new_username(self, first: str, last: str) -> str:
        wanted = ".".join(filter(None, (_plain_letters(first), _plain_letters(last)))) or "user"
        username, number = wanted, 1
        while username in self._taken:
            number += 1
            username = f"{wanted}{number}"
        self._taken.add(username)
        return username


def strip_sync_suffix(name: str) -> str:
    """Return a group's name without the suffix that Duo gives to one that is or was synchronised."""
    return name.partition(" (from ")[0].partition(" (formerly from ")[0]


def _phone(phone_id: str, number: int) -> Json:
    return {
        "phone_id": phone_id,
        "number": f"+1555{number:07d}",
        "name": "",
        "extension": "",
        "type": "Mobile",
        "platform": "Apple iOS" if number % 2 else "Google Android",
        "model": "Apple iPhone 15" if number % 2 else "Google Pixel 8",
        "os_version": "18.5" if number % 2 else "15",
        "app_version": "4.82.0",
        "activated": True,
        "capabilities": ["auto", "push", "sms", "phone", "mobile_otp"],
        "encrypted": "Encrypted",
        "fingerprint": "Configured",
        "screenlock": "Locked",
        "tampered": "Not tampered",
        "last_seen": "2026-03-04T15:04:04",
        "postdelay": "",
        "predelay": "",
        "sms_passcodes_sent": False,
    }


def _plain_letters(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name).lower() if c.isascii() and c.isalnum())
