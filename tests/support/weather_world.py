"""A company that goes through four rounds of work, and what must be true of NinjaOne after each.

Knows the sandbox and the command line. What must be true is computed here from the company alone:
it shares no code with the product.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ninjasync import cli
from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.staffing import existing_accounts, make_company

Json: TypeAlias = dict[str, Any]
NINJAONE = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
MOST_APPLIES = 3
MOST_PLANS = 5

_ATTRIBUTES = f"""
[attributes]
userName = "email"
title = "realname"
"name.givenName" = "firstname || given_name(realname)"
"name.familyName" = "lastname || family_name(realname)"
"{NINJAONE}:userType" = "custom_attributes.userType"
"{NINJAONE}:organizationId" = "custom_attributes.organizationID"
"""


@dataclass(frozen=True)
class Result:
    """What a run left behind: its exit code, its document, and what it said on standard error."""

    code: int
    document: Json
    said: str


class World:
    """A company of that many people, a NinjaOne with hand-made accounts, and a configuration."""

    def __init__(
        self,
        folder: Path,
        *,
        users: int = 25,
        seed: int = 3,
        faults: Mapping[str, str] | None = None,
        quirks: tuple[str, ...] = (),
        parallelism: int = 8,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        titles: bool = False,
    ) -> None:
        self.people = make_company(users=users, seed=seed)
        self.ninjaone = existing_accounts(self.people, seed=seed)
        self.natives = {key: copy.deepcopy(dict(row)) for key, row in self.ninjaone.users.items()}
        self.left: set[str] = set()
        self.box = Sandbox(self.people, self.ninjaone, behavior=Behavior(faults or {}, tuple(quirks), seed))
        self._folder, self._titles, self._parallelism = folder, titles, parallelism
        self._settings = {name: dict(section) for name, section in (settings or {}).items()}
        self.applies: list[Result] = []

    def __enter__(self) -> World:
        self.box.start()
        run: Json = {"retries": 50, "parallelism": self._parallelism}
        sections: dict[str, Json] = {"state": {"path": "ledger.db"}, "run": run, **self._settings}
        text = self.box.config_toml() + (_ATTRIBUTES if self._titles else "")
        for name, keys in sections.items():
            text += f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        self._config = self._folder / "config.toml"
        self._config.write_text(text, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.box.stop()

    def run(self, command: str, *options: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run([command, "--format", "json", "--config", str(self._config), *options])
        return Result(code, json.loads(out.getvalue()), err.getvalue())

    def apply(self) -> Result:
        self.applies.append(self.run("apply", "--yes"))
        return self.applies[-1]

    def plan(self) -> Result:
        """Plan; again where bad weather keeps it from reading, which writes nothing and changes nothing."""
        for _ in range(MOST_PLANS):
            result = self.run("plan")
            if result.code != 1:
                return result
        raise AssertionError(f"no plan in {MOST_PLANS} tries: {told(result)}")

    def settle(self, most: int = MOST_APPLIES) -> Json:
        """Apply until the plan is empty, that many times at most, and return that plan's document."""
        for _ in range(most):
            applied = self.apply()
            plan = self.plan()
            if plan.code == 0 and not plan.document["changes"]:
                return plan.document
        raise AssertionError(f"not in step after {most} applies: {told(applied)}; then {told(plan)}")

    def writes(self) -> list[str]:
        """Return the writes that NinjaOne was asked for, since the sandbox last forgot."""
        return [f"{each.method} {each.path}" for each in self.box.requests if each.method != "GET"]

    # What happens to people

    def staff(self) -> list[str]:
        """Return the end users in good standing whom nothing has happened to, in a fixed order."""
        return [
            id_
            for id_, user in self.people.users.items()
            if user["status"] == "active"
            and wanted(self.people.users[id_], set(self.people.scoped))
            and user["custom_attributes"]["userType"] == "endUser"
            and id_ not in self.left
            and user["email"].endswith("@example.com")
        ]

    def changes(self) -> None:
        """A hire, a leaver, a promotion and another e-mail address."""
        leaver, promoted, renamed = self.staff()[-3:]
        technicians, end_users, *_ = self.people.scoped
        hired = self.people.hire("Anna  Maria", "New", groups=[end_users], user_type="endUser", organization="12")
        self.people.disable(leaver)
        self.left = {leaver}
        self.people.set_attribute(promoted, "userType", "technician")
        self.people.leave(promoted, end_users)
        self.people.join(promoted, technicians)
        self.people.set_email(renamed, f"renamed.{hired[2:6].lower()}@example.com")

    def comes_back(self) -> None:
        """The leaver comes back, promoted and with another name."""
        (returner,) = self.left
        self.left = set()
        self.people.enable(returner)
        self.people.users[returner]["lastname"] = "Back"
        self.people.set_attribute(returner, "userType", "technician")

    # What must be true

    def expected(self) -> dict[str, Json]:
        """Return the Duo users who must have an account."""
        scoped = set(self.people.scoped)
        return {id_: user for id_, user in self.people.users.items() if wanted(user, scoped)}

    def check(self, *, but: tuple[str, ...] = ()) -> None:
        """Assert that NinjaOne is what Duo implies. ``but`` are attributes that this server does not keep."""
        users = self.ninjaone.users
        names = [row["userName"].casefold() for row in users.values()]
        assert len(names) == len(set(names)), f"two accounts of one name: {sorted(names)}"
        marks = [row["externalId"] for row in users.values() if row.get("externalId")]
        assert len(marks) == len(set(marks)), "two accounts of one externalId"
        by_name = {row["userName"].casefold(): (key, dict(row)) for key, row in users.items()}
        ids = {}
        for id_, user in self.expected().items():
            assert user["email"].casefold() in by_name, f"{user['email']} has no account"
            ids[id_], row = by_name.pop(user["email"].casefold())
            assert row["active"] is True, f"{user['email']} is inactive"
            meant = implied(id_, user, but)
            stored = {name: value for name, value in account(row, but).items() if name in meant}
            assert stored == meant, f"{user['email']}: {stored} instead of {meant}"
        self._check_others(dict(by_name.values()))
        self._check_groups(ids)

    def _check_others(self, others: dict[str, Json]) -> None:
        """Whoever else has an account has left, or had it before us and is as he was."""
        left = {self.people.users[id_]["email"].casefold() for id_ in self.left}
        for key, row in others.items():
            if row["userName"].casefold() in left:
                assert row["active"] is False, f"{row['userName']} left and is active"
            else:
                assert key in self.natives, f"{row['userName']} has an account and should have none"
                assert dict(row) == self.natives[key], "a stranger was touched"
        assert {key for key in self.natives if "break" in self.natives[key]["userName"]} <= set(others)

    def _check_groups(self, ids: dict[str, str]) -> None:
        groups = {row["displayName"]: row for row in self.ninjaone.groups.values()}
        assert len(groups) == len(self.ninjaone.groups) == len(self.people.scoped)
        for group_id in self.people.scoped:
            name = self.people.groups[group_id]["name"].partition(" (from ")[0]
            expected = {key for id_, key in ids.items() if group_id in self.people.users[id_]["groups"]}
            members = {one["value"] for one in groups[name]["members"]}
            active = {key for key in members if self.ninjaone.users[key]["active"]}
            assert active == expected, f"{name}: {len(active)} members instead of {len(expected)}"


def wanted(user: Json, scoped: set[str]) -> bool:
    """Whether a Duo user must have an account: in a scoped group, in good standing, nothing wrong with him."""
    custom = user["custom_attributes"]
    has_place = custom.get("userType") == "technician" or bool(custom.get("organizationID"))
    return (
        bool(set(user["groups"]) & scoped)
        and user["status"] in ("active", "bypass", "locked out")
        and custom.get("userType") in ("technician", "endUser")
        and has_place
    )


def account(row: Json, but: tuple[str, ...]) -> Json:
    """Return what counts of an account as it is stored."""
    shown = {**row.get("name", {}), **row.get(NINJAONE, {}), "externalId": row.get("externalId")}
    return {name: value for name, value in shown.items() if name not in but}


def implied(id_: str, user: Json, but: tuple[str, ...]) -> Json:
    """Return the same as Duo implies it."""
    custom = user["custom_attributes"]
    first, _, last = (user["realname"] or "").rpartition(" ")  # where it stands alone, it is of two words
    whole = {
        "givenName": (user["firstname"] or first).strip(),
        "familyName": (user["lastname"] or last).strip(),
        "userType": custom["userType"],
        "externalId": id_,
    }
    if custom.get("organizationID"):
        whole["organizationId"] = custom["organizationID"]
    return {name: value for name, value in whole.items() if name not in but}


def told(result: Result) -> str:
    """Return a run in a few words."""
    changes = [
        (one["action"], one["key"], one.get("error") or one.get("outcome"))
        for one in result.document.get("changes", [])
    ]
    return f"exit {result.code}, {changes}, {result.document.get('error')}, {result.said.strip()}"
