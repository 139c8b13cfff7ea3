"""Many companies behind one port, and the files of a fleet that reaches them.

Knows how one company is told from another. Must not know what any of their services answers, nor import the
product under test.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Self

from ninjasync.sandbox.box import EVENTS_PATH, WELL_BEHAVED, Access, Behavior, Sandbox
from ninjasync.sandbox.company.events import UnknownEvent
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.duo.accounts_api import Child, accounts_api
from ninjasync.sandbox.duo.api import duo_api
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.sandbox.ninjaone.api import BASE_PATH
from ninjasync.sandbox.server import HOST, Listener

FLEET_FILE = "fleet.toml"
_PARENT_KEY = "DISANDBOXPARENT00000"
_PARENT_SECRET = "sandbox-secret-key-of-the-parent-account"  # noqa: S105 - for training, it guards nothing
_PARENT_FILE = "parent.secret"
_TREES = ("alder", "birch", "cedar", "elm", "fir", "hazel", "juniper", "larch", "maple", "oak", "pine", "willow")


def make_fleet(tenants: int, users: int = 60, seed: int = 1, behavior: Behavior = WELL_BEHAVED) -> dict[str, Sandbox]:
    """Make so many companies by name, each with people, keys and a domain of its own; all behave the same."""
    made = {}
    for number in range(1, tenants + 1):
        name = _name_tenant(number)
        company = make_company(users, seed + number - 1, domain=f"{name}.example.com")
        access = Access(
            integration_key=f"DISANDBOX{number:011}",
            secret_key=f"sandbox-secret-key-of-tenant-{number:011}",
            token=f"sandbox-token-of-tenant-{number:011}",
            client_id=f"sandbox-client-of-tenant-{number:011}",
            client_secret=f"sandbox-client-secret-of-tenant-{number:011}",
        )
        accounts = existing_accounts(company, seed=seed + number - 1)
        made[name] = Sandbox(company, accounts, access=access, behavior=replace(behavior, seed=seed + number - 1))
    return made


def _name_tenant(number: int) -> str:
    """Return alder, birch … and, alder-2, birch-2 … after that."""
    lap, tree = divmod(number - 1, len(_TREES))
    return _TREES[tree] if lap == 0 else f"{_TREES[tree]}-{lap + 1}"


class SandboxFleet:
    """Sandboxes by name, all served on one port, from ``start`` to ``stop``.

    The Duo Admin API is that of the company whose integration key signed the request. All else is below the
    company's name, as ``/alder/scim/v2``. ``port`` 0 is any that is free; a new start uses the same one again.

    All companies are child accounts of one parent, whose keys read each by its account_id. With ``by_parent``
    the files use those keys, and the last company has none, for ``fleet discover`` to find.
    """

    def __init__(self, boxes: Mapping[str, Sandbox], *, port: int = 0, by_parent: bool = False) -> None:
        self.boxes, self._by_parent = boxes, by_parent
        self.account_ids = {name: f"DA{number:018}" for number, name in enumerate(boxes, 1)}
        children = {
            self.account_ids[name]: Child(
                f"{name.title()} Ltd",
                duo_api(box.company, _PARENT_KEY, _PARENT_SECRET, account_id=self.account_ids[name]),
            )
            for name, box in boxes.items()
        }
        self._parent = accounts_api(_PARENT_KEY, _PARENT_SECRET, children, lambda: self.url)
        self._by_key = {box.integration_key: box for box in boxes.values()}
        self._port = port
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        """Where all of them are, as ``http://127.0.0.1:PORT``; known from the first start on."""
        return f"http://{HOST}:{self._port}"

    def start(self) -> Self:
        """Serve; returns once the port accepts connections. OSError if it is taken."""
        numbers = count(1)
        self._listener = Listener(
            "fleet", self._answer, port=self._port, record=lambda request: None, number=lambda: next(numbers)
        )
        self._port = self._listener.port
        for name, box in self.boxes.items():
            box.serve_behind(self.url, f"/{name}")
        return self

    def stop(self) -> None:
        """End the server and its connections; harmless when stopped."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run_event(self, line: str) -> str:
        """Let an event happen in one company: "alder hire Mia Lang". UnknownEvent, and nothing happens."""
        name, _, rest = line.strip().partition(" ")
        if name == "help" or not name:
            return f"A company's name, then: {next(iter(self.boxes.values())).events.run('help')}"
        if name not in self.boxes:
            raise UnknownEvent(f'There is no company "{name}"; the companies are {", ".join(self.boxes)}.')
        return self.boxes[name].events.run(rest)

    def render_files(self) -> dict[str, str]:
        """Return the files of a fleet for ninjasync that reaches all of them: text by path below the fleet's folder."""
        files = {FLEET_FILE: '# Reaches a ninjasync sandbox.\n\n[fleet]\ntenants = ["tenants/*.toml"]\n'}
        names = list(self.boxes)
        if self._by_parent:
            files |= self._render_parent()
            names = names[: max(len(names) - 1, 1)]
        for name in names:
            state = f'\n[state]\ntenant = "{name}"\npath = "../{name}-ledger.sqlite3"\n'
            files[f"tenants/{name}.toml"] = self._render_tenant(name) + state
        return files

    def _render_parent(self) -> dict[str, str]:
        """Return what of the files is the parent account's, or shared by all its children."""
        keys = f'integration_key = "{_PARENT_KEY}"\nsecret_key = {{ file = "{_PARENT_FILE}" }}\n'
        # By name, for a tenant whose file says nothing of its groups: their ids are each company's own.
        groups = json.dumps(next(iter(self.boxes.values())).scoped_names(), ensure_ascii=False)
        return {
            FLEET_FILE: "# Reaches a ninjasync sandbox.\n\n"
            '[fleet]\ntenants = ["tenants/*.toml"]\ndefaults = "defaults.toml"\n\n'
            f'[fleet.accounts]\napi_hostname = "{self.url}"\n{keys}',
            "defaults.toml": f"[duo]\n{keys}rate_limit = 0\n\n[scope]\ngroups = {groups}\n",
            _PARENT_FILE: f"{_PARENT_SECRET}\n",
        }

    def _render_tenant(self, name: str) -> str:
        box = self.boxes[name]
        own = f'integration_key = "{box.integration_key}"\nsecret_key = "{box.secret_key}"\n'
        of_the_parent = f'account_id = "{self.account_ids[name]}"\n'
        return box.config_toml().replace(own, of_the_parent) if self._by_parent else box.config_toml()

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/accounts/") or _read_key(request) == _PARENT_KEY:
            return self._parent(request)
        if request.path.startswith("/admin/"):
            # A key that no company has is refused by the first one, in Duo's own words.
            box = self._by_key.get(_read_key(request), next(iter(self.boxes.values())))
            return box.answer("duo", request)
        name, slash, rest = request.path.removeprefix("/").partition("/")
        if name not in self.boxes:
            return HttpResponse(404, b"there is no such company\n", (("Content-Type", "text/plain"),))
        inner = replace(request, path=slash + rest, mount=f"/{name}")
        return self.boxes[name].answer(_find_service(inner.path), inner)


def _read_key(request: HttpRequest) -> str:
    """Return the integration key that a request to the Duo Admin API claims; the company that it names verifies it."""
    _, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _find_service(path: str) -> str:
    if path == EVENTS_PATH:
        return "duo"  # which takes events, too
    return "scim" if path.startswith(f"{BASE_PATH}/") else "api"
