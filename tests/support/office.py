"""A small company with its own ninjasync: a sandbox, a configuration, a ledger and a clock that can be moved.

Knows the sandbox's public face and the command line. Must not know how ninjasync decides.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from ninjasync.cli import clock
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json, Ran, end_of, run, run_process, spawn
from tests.support.company import END_USERS, TECHNICIANS, add_native, staff, user
from tests.support.forked import Forked, fork
from tests.support.proxy import Meddling, Proxy, untouched
from tests.support.toml import toml_document

LEDGER = "ledger.sqlite3"


@dataclass
class Saved:
    """An office at rest."""

    config: dict[str, Json]
    people: dict[str, Any]
    ninjaone: tuple[dict[str, Json], ...]
    ledger: dict[str, bytes]


class Office:
    """The company, its NinjaOne and ninjasync's configuration for both, in ``folder``, from ``start`` to ``stop``."""

    def __init__(self, folder: Path, people: Company | None = None, ninjaone: NinjaOne | None = None) -> None:
        self.folder = folder
        self.people = staff() if people is None else people
        self.ninjaone = NinjaOne(seed=3) if ninjaone is None else ninjaone
        self.box = Sandbox(self.people, self.ninjaone)
        self.later = timedelta()
        self.config: dict[str, Json] = {}
        self._proxies: dict[str, Proxy] = {}
        self._patches = pytest.MonkeyPatch()

    def start(self) -> Self:
        self.box.start()
        self.config |= {
            "duo": {
                "api_hostname": self.box.duo_url,
                "integration_key": self.box.integration_key,
                "secret_key": self.box.secret_key,
                "rate_limit": 0,
            },
            "ninjaone": {"endpoint_url": self.box.scim_url, "secret_token": self.box.token},
            "scope": {"groups": [TECHNICIANS, END_USERS]},
            "run": {"retries": 0},
            "state": {"path": LEDGER},
        }
        self._patches.setattr(clock, "now", lambda: datetime.now(UTC) + self.later)
        return self

    def stop(self) -> None:
        self._patches.undo()
        for proxy in self._proxies.values():
            proxy.stop()
        self.box.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def save(self) -> Saved:
        """Return all that a test may change, so that the next one starts from the same."""
        return copy.deepcopy(
            Saved(
                self.config,
                {name: value for name, value in vars(self.people).items() if name != "lock"},
                tuple(dict(self.ninjaone.table(kind)) for kind in (USER, GROUP)),
                {file.name: file.read_bytes() for file in self.folder.glob("ledger*") if file.is_file()},
            )
        )

    def restore(self, saved: Saved, folder: Path) -> Self:
        """Go back to that, in another folder and without faults; the addresses stay, and so does the tenant."""
        saved = copy.deepcopy(saved)
        self.folder, self.config, self.later = folder, saved.config, timedelta()
        vars(self.people).update(saved.people)
        self.ninjaone.clear()
        for kind, resources in zip((USER, GROUP), saved.ninjaone, strict=True):
            for resource in resources.values():
                self.ninjaone.overwrite(kind, resource)
        for name, content in saved.ledger.items():
            (folder / name).write_bytes(content)
        for proxy in self._proxies.values():
            proxy.meddle = untouched
            proxy.hits.clear()
        self.box.set_behavior()
        self.box.forget()
        return self

    def set_up_public_api(self, organizations: int = 19) -> None:
        """Configure [ninjaone.api]; NinjaOne has the organizations 1, 2 … with the names Customer 1, Customer 2 …"""
        self.ninjaone.organizations.clear()
        self.ninjaone.organizations.update({number: f"Customer {number}" for number in range(1, organizations + 1)})
        access = self.box.access
        self.configure(
            "ninjaone.api", url=self.box.api_url, client_id=access.client_id, client_secret=access.client_secret
        )

    # --- configuration and commands --------------------------------------------------------

    def configure(self, section: str, **keys: Any) -> None:
        """Change keys of one section; None takes one away."""
        table = self.config.setdefault(section, {})
        table |= keys
        for name in [name for name, value in table.items() if value is None]:
            del table[name]

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    def write_config(self, name: str = "config.toml") -> str:
        path = self.folder / name
        path.write_text(toml_document(self.config), "utf-8")
        return str(path)

    def load_config(self) -> Config:
        return load(Path(self.write_config()))

    def run(self, command: str, *arguments: str | Path) -> Ran:
        """Run one command in this process."""
        return run(command, "--config", self.write_config(), *map(str, arguments))

    def run_process(self, command: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Ran:
        """Run one command as a process of its own, to its end."""
        return run_process(command, "--config", self.write_config(), *map(str, arguments), env=env)

    def spawn(self, command: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start one command as a process of its own."""
        return spawn(command, "--config", self.write_config(), *map(str, arguments))

    def fork(self, command: str, *arguments: str | Path) -> Forked:
        """Begin one command in a forked process."""
        return fork(command, "--config", self.write_config(), *map(str, arguments))

    def run_forked(self, command: str, *arguments: str | Path) -> Ran:
        """Run one command in a forked process, to its end."""
        return end_of(self.fork(command, *arguments))

    def plan(self, *arguments: str | Path) -> Ran:
        return self.run("plan", "--format", "json", *arguments)

    def apply(self, *arguments: str | Path) -> Ran:
        return self.run("apply", "--yes", "--format", "json", *arguments)

    def settle(self) -> None:
        """Apply what there is, see that nothing is left, and forget the requests."""
        done = self.apply()
        assert done.code == 0, done.printed
        left = self.plan("--detailed-exitcode")
        assert (left.code, left.json["changes"]) == (0, []), left.printed
        self.box.forget()

    def apply_and_list_writes(self, *arguments: str | Path) -> list[tuple[str, str]]:
        """Apply, see that it was fine, and return what it sent; see ``writes``."""
        self.box.forget()
        done = self.apply(*arguments)
        assert done.code == 0, done.printed
        return self.writes()

    def days_pass(self, days: float) -> None:
        self.later += timedelta(days=days)

    # --- both servers ----------------------------------------------------------------------

    def proxy_duo(self, meddle: Meddling = untouched) -> Proxy:
        """From now on, ninjasync reaches Duo through this; a second time by the same address."""
        return self._proxy("duo", "api_hostname", self.box.duo_url, meddle)

    def proxy_scim(self, meddle: Meddling = untouched) -> Proxy:
        """From now on, ninjasync reaches NinjaOne through this; a second time by the same address."""
        return self._proxy("ninjaone", "endpoint_url", self.box.scim_url, meddle)

    def _proxy(self, section: str, key: str, target: str, meddle: Meddling) -> Proxy:
        if section not in self._proxies:
            self._proxies[section] = Proxy(target).start()
            self.configure(section, **{key: self._proxies[section].url})
        self._proxies[section].meddle = meddle
        self._proxies[section].hits.clear()
        return self._proxies[section]

    def writes(self) -> list[tuple[str, str]]:
        """What NinjaOne was sent other than GETs: method, and path behind the base."""
        return [
            (request.method, request.path.removeprefix("/scim/v2"))
            for request in self.box.requests
            if request.service == "scim" and request.method != "GET"
        ]

    def asked_anything(self) -> bool:
        return bool(self.box.requests)

    def only_read(self) -> bool:
        """Whether both services were asked, and neither was sent anything but GETs."""
        methods = {(request.service, request.method) for request in self.box.requests}
        return methods <= {("duo", "GET"), ("scim", "GET")} and ("duo", "GET") in methods

    def duo(self, email: str) -> str:
        """The Duo id of the user with that address."""
        return self.people.find_user_id(email)

    def disable(self, *numbers: int) -> None:
        """Disable these end users of ``staff`` in Duo: they leave."""
        for number in numbers:
            self.people.disable(self.duo(user(number)))

    def settle_but_for_a_newcomer(self) -> tuple[str, str]:
        """Bring all in step, then hire one user; return their address and Duo id."""
        self.settle()
        id_ = self.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
        return "new.comer@example.com", id_

    # --- NinjaOne as it is -----------------------------------------------------------------

    def accounts(self) -> dict[str, Json]:
        """Copies of the accounts by userName."""
        return {account["userName"]: dict(account) for account in self.ninjaone.users.values()}

    def account(self, user_name: str) -> Json:
        """A copy of the account of that name."""
        return self.accounts()[user_name]

    def id_of(self, user_name: str) -> str:
        return str(self.account(user_name)["id"])

    def group(self, name: str) -> Json:
        """A copy of the group of that name."""
        (group,) = (group for group in self.ninjaone.groups.values() if group["displayName"] == name)
        return dict(group)

    def members(self, name: str) -> set[str]:
        """The userNames of a group's members."""
        return self.groups()[name]

    def groups(self) -> dict[str, set[str]]:
        """The userNames of the members by displayName."""
        return {
            group["displayName"]: {self.ninjaone.users[member["value"]]["userName"] for member in group["members"]}
            for group in self.ninjaone.groups.values()
        }

    def snapshot(self) -> str:
        """All that NinjaOne stores, byte for byte."""
        return json.dumps([dict(self.ninjaone.users.items()), dict(self.ninjaone.groups.items())], sort_keys=True)

    def native(self, user_name: str, **more: Any) -> str:
        """Make an account in NinjaOne by hand and return its id."""
        return add_native(self.ninjaone, user_name, **more)

    def edit(self, user_name: str, **fields: Any) -> None:
        """Change the account with that userName in NinjaOne by hand."""
        self.ninjaone.edit(USER, self.id_of(user_name), **fields)

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
        """Run one statement on the ledger's tables, wherever they are."""
        if url := self.config["state"].get("url"):
            with contextlib.closing(psycopg.connect(url, autocommit=True)) as server:
                cursor = server.execute(sql.replace("?", "%s") if values else sql, values or None)
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(self.ledger)) as connection, connection:
            return list(connection.execute(sql, values))
