"""A company that goes through four rounds of work, and what must be true of NinjaOne after each.

Knows the sandbox and the command line. What must be true comes from ``oracle``: no code of the product takes part.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ninjasync.sandbox.company.people import strip_sync_suffix
from ninjasync.sandbox.company.staffing import BREAKGLASS, existing_accounts, make_company
from tests.support.command import Json, Ran
from tests.support.office import Office
from tests.support.oracle import implied, implied_account, shown_account
from tests.support.urns import ORGANIZATION_ID, USER_TYPE

MOST_APPLIES = 3
MOST_PLANS = 5

# Settings: each write by itself, so that a seed decides which of them goes wrong.
SERIAL = {"run": {"parallelism": 1}}
WITH_TITLES = {
    "attributes": {
        "userName": "email",
        "title": "realname",
        "name.givenName": "firstname || given_name(realname)",
        "name.familyName": "lastname || family_name(realname)",
        USER_TYPE: "custom_attributes.userType",
        ORGANIZATION_ID: "custom_attributes.organizationID",
    }
}


class Rounds(Office):
    """An office of that many users, a NinjaOne with hand-made accounts, and faults.

    ``settings`` are keys by section of the configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: int = 25,
        seed: int = 3,
        faults: Mapping[str, str] | None = None,
        quirks: tuple[str, ...] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        people = make_company(users=users, seed=seed)
        super().__init__(folder, people, existing_accounts(people, seed=seed))
        self.natives = {key: copy.deepcopy(dict(row)) for key, row in self.ninjaone.users.items()}
        self.left: set[str] = set()
        self.box.set_behavior(faults=faults, quirks=quirks, seed=seed)
        self._settings = settings or {}

    def start(self) -> Self:
        super().start()
        self.configure(
            "scope", groups=[strip_sync_suffix(self.people.groups[id_]["name"]) for id_ in self.people.scoped]
        )
        self.configure("safety", protected_users=[f"{BREAKGLASS}@{self.people.domain}"])
        self.configure("run", retries=50, parallelism=8)
        for section, keys in self._settings.items():
            self.configure(section, **keys)
        return self

    def plan_at_last(self) -> Ran:
        """Plan; again where a fault keeps it from reading, which writes nothing and changes nothing."""
        for _ in range(MOST_PLANS):
            ran = self.plan()
            if ran.code != 1:
                return ran
        raise AssertionError(f"no plan in {MOST_PLANS} tries: {summary(ran)}")

    def converge(self, most: int = MOST_APPLIES) -> Json:
        """Apply until the plan is empty, that many times at most, and return that plan's document."""
        for _ in range(most):
            applied = self.apply()
            plan = self.plan_at_last()
            if plan.code == 0 and not plan.json["changes"]:
                return plan.json
        raise AssertionError(f"not in step after {most} applies: {summary(applied)}; then {summary(plan)}")

    # --- what happens to people ------------------------------------------------------------

    def undisturbed(self) -> list[str]:
        """Return the end users in good standing to whom nothing has happened, in a fixed order."""
        return [
            id_
            for id_, user in self.people.users.items()
            if user["status"] == "active"
            and implied_account(user, set(self.people.scoped))
            and user["custom_attributes"]["userType"] == "endUser"
            and id_ not in self.left
            and user["email"].endswith("@example.com")
        ]

    def changes(self) -> None:
        """A hire, a leaver, a promotion and another e-mail address."""
        leaver, promoted, renamed = self.undisturbed()[-3:]
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

    # --- what must be true -----------------------------------------------------------------

    def expected(self) -> dict[str, Json]:
        """Return the accounts that must be there, by Duo id."""
        return implied(self.people)[0]

    def check(self, *, but: tuple[str, ...] = ()) -> None:
        """Assert that NinjaOne is what Duo implies. ``but`` are attributes that this server does not keep."""
        users = self.ninjaone.users
        names = [row["userName"].casefold() for row in users.values()]
        assert len(names) == len(set(names)), f"two accounts of one name: {sorted(names)}"
        marks = [row["externalId"] for row in users.values() if row.get("externalId")]
        assert len(marks) == len(set(marks)), "two accounts of one externalId"
        by_name = {row["userName"].casefold(): (key, dict(row)) for key, row in users.items()}
        ids = {}
        for id_, account in self.expected().items():
            name = account["userName"]
            assert name in by_name, f"{name} has no account"
            ids[id_], row = by_name.pop(name)
            meant = {path: value for path, value in account.items() if value is not None and path not in but}
            held = {path: value for path, value in shown_account(row).items() if path in meant}
            assert held == meant, f"{name}: {held} instead of {meant}"
        self._check_others(dict(by_name.values()))
        self._check_groups(ids)

    def _check_others(self, others: dict[str, Json]) -> None:
        """Every other account is that of a leaver, or was there before us and is as it was."""
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


def summary(ran: Ran) -> str:
    """Return a run in a few words."""
    changes = [
        (change["action"], change["key"], change.get("error") or change.get("outcome"))
        for change in ran.json.get("changes", [])
    ]
    return f"exit {ran.code}, {changes}, {ran.json.get('error')}, {ran.err.strip()}"
