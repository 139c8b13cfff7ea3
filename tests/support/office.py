"""A small company with its own ninjasync: a sandbox, a configuration, a ledger and a clock that can be moved.

Knows the sandbox's public face and the command line. Must not know how ninjasync decides.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from ninjasync import cli
from ninjasync.cli import clock
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne

TECHNICIANS, END_USERS = "NinjaOne Technicians", "NinjaOne End Users"
CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
EXTENSION = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"

Json = dict[str, Any]
Serve = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """Standard output as the one JSON document that it is to be."""
        document: Json = json.loads(self.out)
        return document

    @property
    def said(self) -> str:
        """Everything that was said, on one line, so that wrapping does not matter."""
        return " ".join((self.out + " " + self.err).split())

    def actions(self, resource: str = "user") -> dict[str, str]:
        """Each change's action by key."""
        return {one["key"]: one["action"] for one in self.json["changes"] if one["resource"] == resource}

    def applied(self) -> dict[str, str]:
        """Each change of a user that was carried out: its action by key."""
        done = [one for one in self.json["changes"] if one["outcome"] == "applied" and one["resource"] == "user"]
        return {one["key"]: one["action"] for one in done}

    def change(self, key: str) -> Json:
        """The one change of that key."""
        (found,) = (one for one in self.json["changes"] if one["key"] == key)
        return dict(found)

    def problems(self) -> dict[str, str]:
        """Each problem's code by key."""
        return {one["key"]: one["code"] for one in self.json["problems"]}

    def problem(self, key: str) -> str:
        """The message of the one problem of that key."""
        (found,) = (one["message"] for one in self.json["problems"] if one["key"] == key)
        return str(found)

    def tripped(self) -> dict[str, Json]:
        """The guards that stand in the way, by name."""
        return {one["name"]: one for one in self.json["guards"] if one["tripped"]}


def staff(end_users: int = 5, technicians: int = 0, *, seed: int = 11) -> Company:
    """Make a company of plain people, all in scope and valid: user0.two@, user1.two@, …, tech0.one@, …"""
    made = Company(seed=seed)
    made.scoped += [made.found_group(TECHNICIANS), made.found_group(END_USERS)]
    for number in range(technicians):
        made.hire(f"Tech{number}", "One", groups=[TECHNICIANS], user_type="technician")
    for number in range(end_users):
        made.hire(f"User{number}", "Two", groups=[END_USERS], user_type="endUser", organization="4")
    return made


def user(number: int) -> str:
    """The address of an end user of ``staff``."""
    return f"user{number}.two@example.com"


def account_of(row: Json, *, external_id: str | None = None, **more: Any) -> Json:
    """What NinjaOne stores of a Duo user who is in step."""
    custom = row["custom_attributes"]
    extension = {"userType": custom["userType"]}
    if custom.get("organizationID"):
        extension["organizationId"] = custom["organizationID"]
    made = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": row["email"],
        "externalId": external_id or row["user_id"],
        "active": True,
        "name": {"givenName": row["firstname"], "familyName": row["lastname"]},
        EXTENSION: extension,
    }
    return made | more


class Office:
    """The company, its NinjaOne and ninjasync's configuration for both, in ``folder``."""

    def __init__(self, folder: Path, people: Company | None = None, ninjaone: NinjaOne | None = None) -> None:
        self.folder = folder
        self.people = staff() if people is None else people
        self.ninjaone = NinjaOne(seed=3) if ninjaone is None else ninjaone
        self.box = Sandbox(self.people, self.ninjaone)
        self.later = timedelta()
        self.config: dict[str, dict[str, Any]] = {}
        self._patches = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        self.box.start()
        self.config |= {
            "duo": {
                "api_hostname": self.box.duo_url,
                "integration_key": self.box.integration_key,
                "secret_key": self.box.secret_key,
                "rate_limit": 0,
            },
            "ninjaone": {"endpoint_url": self.box.scim_url, "secret_token": self.box.token},
            "ninjaone.dialect": {"page_size": 500},
            "scope": {"groups": [TECHNICIANS, END_USERS]},
            "run": {"retries": 0},
            "state": {"path": "ledger.sqlite3"},
        }
        self._patches.setattr(clock, "now", lambda: datetime.now(UTC) + self.later)
        self._patches.delenv("NINJASYNC_REDACT_KEY", raising=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.undo()
        self.box.stop()

    # --- configuration and commands --------------------------------------------------------

    def adjust(self, section: str, **keys: Any) -> None:
        """Change keys of one section; None takes one away."""
        table = self.config.setdefault(section, {})
        table |= keys
        for name in [name for name, value in table.items() if value is None]:
            del table[name]

    def write_config(self, name: str = "config.toml") -> str:
        path = self.folder / name
        path.write_text(
            "\n".join(
                f"[{section}]\n" + "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in keys.items())
                for section, keys in self.config.items()
            ),
            "utf-8",
        )
        return str(path)

    def run(self, command: str, *arguments: str | Path) -> Ran:
        """Run one command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run([command, "--config", self.write_config(), *map(str, arguments)])
        return Ran(code, out.getvalue(), err.getvalue())

    def plan(self, *arguments: str | Path) -> Ran:
        return self.run("plan", "--format", "json", *arguments)

    def apply(self, *arguments: str | Path) -> Ran:
        return self.run("apply", "--yes", "--format", "json", *arguments)

    def settle(self) -> None:
        """Apply what there is, see that nothing is left, and forget the requests."""
        done = self.apply()
        assert done.code == 0, done.said
        left = self.plan("--detailed-exitcode")
        assert (left.code, left.json["changes"]) == (0, []), left.said
        self.box.forget()

    def process(self, command: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start one command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "ninjasync", command, "--config", self.write_config(), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(clock.__file__).parents[2])},
        )

    def days_pass(self, days: float) -> None:
        self.later += timedelta(days=days)

    # --- both servers ----------------------------------------------------------------------

    def meddle(self, service: str, meddler: Callable[[HttpRequest, Serve], HttpResponse]) -> None:
        """Let every request to "duo" or "scim" pass through ``meddler`` from now on."""
        listener = next(one for one in self.box._listeners if one._name == service)
        serve = listener._service
        listener._service = lambda request: meddler(request, serve)

    def writes(self) -> list[tuple[str, str]]:
        """What NinjaOne was sent other than GETs: method and path."""
        return [
            (one.method, one.path.removeprefix("/scim/v2"))
            for one in self.box.requests
            if one.service == "scim" and one.method != "GET"
        ]

    def asked_anything(self) -> bool:
        return bool(self.box.requests)

    def duo(self, email: str) -> str:
        """The Duo id of the user with that address."""
        return self.people.user_with_email(email)

    def account(self, user_name: str) -> Json:
        """NinjaOne's account of that name."""
        (found,) = (one for one in self.ninjaone.users.values() if one["userName"] == user_name)
        return dict(found)

    def group(self, name: str) -> Json:
        """NinjaOne's group of that name."""
        (found,) = (one for one in self.ninjaone.groups.values() if one["displayName"] == name)
        return dict(found)

    def members(self, name: str) -> set[str]:
        """The userNames of a group's members in NinjaOne."""
        return {self.ninjaone.users[one["value"]]["userName"] for one in self.group(name)["members"]}

    def user_names(self) -> set[str]:
        return {one["userName"] for one in self.ninjaone.users.values()}

    def snapshot(self) -> str:
        """All that NinjaOne stores, byte for byte."""
        return json.dumps([dict(self.ninjaone.users.items()), dict(self.ninjaone.groups.items())], sort_keys=True)

    def native(self, user_name: str, **more: Any) -> str:
        """Make an account in NinjaOne by hand and return its id."""
        body = {
            "schemas": [CORE_USER, EXTENSION],
            "userName": user_name,
            "name": {"givenName": "Made", "familyName": "By Hand"},
            EXTENSION: {"userType": "endUser", "organizationId": "1"},
        }
        return str(self.ninjaone.create(USER, body | more)["id"])

    def edit(self, who: str, **fields: Any) -> None:
        """Change the account with that userName in NinjaOne by hand."""
        self.ninjaone.edit(USER, self.account(who)["id"], **fields)

    def edit_group(self, name: str, **fields: Any) -> None:
        """Change the group of that name in NinjaOne by hand."""
        self.ninjaone.edit(GROUP, self.group(name)["id"], **fields)

    # --- the ledger ------------------------------------------------------------------------

    @property
    def ledger(self) -> Path:
        return self.folder / str(self.config["state"]["path"])

    def lose_ledger(self) -> None:
        for path in (self.ledger, *(self.ledger.with_name(self.ledger.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)

    def ask_ledger(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the ledger's tables."""
        with contextlib.closing(sqlite3.connect(self.ledger)) as connection, connection:
            return list(connection.execute(sql, values))


def only_gets(office: Office) -> bool:
    """Whether both services were asked, and neither was sent anything but GETs."""
    methods = {(one.service, one.method) for one in office.box.requests}
    return methods <= {("duo", "GET"), ("scim", "GET")} and ("duo", "GET") in methods


def populate(ninjaone: NinjaOne, people: Company, users: Iterable[str] | None = None) -> None:
    """Put the people and scoped groups into NinjaOne as an apply would have, but without its requests."""
    ids: dict[str, str] = {}
    for user_id in people.users if users is None else users:
        ids[user_id] = ninjaone.create(USER, account_of(people.users[user_id]))["id"]
    for group_id in people.scoped:
        members = [{"value": ids[one]} for one in people.members(group_id) if one in ids]
        ninjaone.create(
            GROUP,
            {
                "schemas": [CORE_GROUP],
                "displayName": people.groups[group_id]["name"],
                "externalId": group_id,
                "members": members,
            },
        )


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
