"""The sandbox as a whole: a company, a NinjaOne, three services, and the configuration that reaches them.

Knows how the parts go together. Must not know how they work, nor import the product under test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self, TypeAlias

from ninjasync.sandbox.company.events import Events, UnknownEvent
from ninjasync.sandbox.company.people import Company, strip_sync_suffix
from ninjasync.sandbox.company.staffing import BREAKGLASS, existing_accounts, make_company
from ninjasync.sandbox.duo.api import READ_RESOURCE, duo_api
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Request, Service
from ninjasync.sandbox.faults.catalogue import SERVICES
from ninjasync.sandbox.faults.faults import add_faults
from ninjasync.sandbox.faults.quirks import add_duo_quirks, add_scim_quirks, read_api_ways
from ninjasync.sandbox.ninjaone.api import BASE_PATH, scim_api
from ninjasync.sandbox.ninjaone.public_api import public_api
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.sandbox.server import HOST, Listener

# Not Duo's: a POST of a line such as "hire" goes there, beside the Duo Admin API.
EVENTS_PATH = "/sandbox/events"

Interceptor: TypeAlias = Callable[[HttpRequest, Service], HttpResponse]


@dataclass(frozen=True, slots=True)
class Access:
    """How clients get in, and what they may do. The defaults are for training: they guard nothing.

    ``permissions`` are those of the Admin API application. With an ``account_id`` the company is that child
    account, which the keys of its parent read.
    """

    integration_key: str = "DISANDBOX00000000000"
    secret_key: str = "sandbox-secret-key-for-training-only-000"  # noqa: S105 - guards nothing
    token: str = "sandbox-token-for-training-only"  # noqa: S105 - guards nothing
    client_id: str = "sandbox-client-for-training-only"
    client_secret: str = "sandbox-client-secret-for-training-only"  # noqa: S105 - guards nothing
    permissions: Collection[str] = frozenset({READ_RESOURCE})
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class Behavior:
    """What goes wrong, and which habits the servers have: faults with their values, quirks, and a seed for the faults.

    ``faults`` are such as ``{"429": "0.1"}``, ``quirks`` such as ``page-cap=50``: as on the command line.
    """

    faults: Mapping[str, str] = field(default_factory=dict)
    quirks: tuple[str, ...] = ()
    seed: int = 1


TRAINING = Access()
WELL_BEHAVED = Behavior()


class Sandbox:
    """A Duo Admin API, a NinjaOne SCIM endpoint and its public API on loopback, from ``start`` to ``stop``.

    Without a company or a NinjaOne it makes the usual ones. ``ports`` are by service ("duo", "scim", "api");
    without one it takes any that is free. After a stop, a new start uses the same ports again, with the same
    users and accounts. ``events`` lets things happen in the company, as does a POST of such a line to
    ``events_url``. ``permissions`` may be changed while it serves. Raises ValueError, in a sentence,
    for a fault or quirk that there is not.
    """

    def __init__(
        self,
        company: Company | None = None,
        ninjaone: NinjaOne | None = None,
        *,
        access: Access = TRAINING,
        ports: Mapping[str, int] | None = None,
        behavior: Behavior = WELL_BEHAVED,
    ) -> None:
        self.company = make_company() if company is None else company
        self.ninjaone = existing_accounts(self.company) if ninjaone is None else ninjaone
        self.events = Events(self.company, behavior.seed)
        self.access = access
        self.permissions = set(access.permissions)
        self._ports = dict.fromkeys(SERVICES, 0) | dict(ports or {})
        self._behind: tuple[str, str] | None = None
        self._listeners: list[Listener] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._connections = count(1)
        self._services: dict[str, Service] = {}
        self._entries: dict[str, Service] = {name: self._entry(name) for name in SERVICES}
        self.set_behavior(faults=behavior.faults, quirks=behavior.quirks, seed=behavior.seed)

    # What it serves

    def set_behavior(
        self, *, faults: Mapping[str, str] | None = None, quirks: Iterable[str] = (), seed: int = 1
    ) -> None:
        """Serve with these faults and quirks from now on, also while it serves; without any, as it should be.

        ``Behavior`` says how they are written. ValueError, in a sentence, for a wrong one.
        """
        access, quirks = self.access, tuple(quirks)
        duo = duo_api(
            self.company,
            access.integration_key,
            access.secret_key,
            permissions=self.permissions,
            account_id=access.account_id,
        )
        scim = scim_api(self.ninjaone, access.token)
        services = {
            "duo": add_duo_quirks(duo, self.company, quirks),
            "scim": add_scim_quirks(scim, lambda store: scim_api(store, access.token), self.ninjaone, quirks),
            "api": public_api(self.ninjaone, access.client_id, access.client_secret, read_api_ways(quirks)),
        }
        self._services = {name: add_faults(service, name, faults or {}, seed) for name, service in services.items()}

    def intercept(self, service: str, interceptor: Interceptor) -> None:
        """Let every request to that service pass through ``interceptor`` from now on, the last one given first.

        It gets the request and what would have answered it, and returns the response.
        """
        inner = self._entries[service]
        self._entries[service] = lambda request: interceptor(request, inner)

    def answer(self, service: str, request: HttpRequest) -> HttpResponse:
        """Answer a request to that service."""
        return self._entries[service](request)

    def _entry(self, name: str) -> Service:
        """Return the service as it is at the moment of each request."""

        def answer(request: HttpRequest) -> HttpResponse:
            if name == "duo" and request.path == EVENTS_PATH:
                return self._run_event(request)
            return self._services[name](request)

        return answer

    def _run_event(self, request: HttpRequest) -> HttpResponse:
        line = request.body.decode("utf-8", "replace") if request.method == "POST" else "help"
        try:
            status, text = 200, self.events.run(line)
        except UnknownEvent as error:
            status, text = 400, str(error)
        return HttpResponse(status, f"{text}\n".encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    @property
    def integration_key(self) -> str:
        """The integration key that the Duo Admin API takes."""
        return self.access.integration_key

    @property
    def secret_key(self) -> str:
        """The secret key that belongs to it."""
        return self.access.secret_key

    @property
    def token(self) -> str:
        """The token that the SCIM endpoint takes."""
        return self.access.token

    # Where it serves

    def start(self) -> Self:
        """Serve; returns once all ports accept connections. OSError if a port is taken."""
        try:
            for name in SERVICES:
                listener = Listener(
                    name,
                    lambda request, name=name: self.answer(name, request),  # type: ignore[misc]  # binds the name
                    port=self._ports[name],
                    record=self._record,
                    number=lambda: next(self._connections),
                )
                self._listeners.append(listener)
                self._ports[name] = listener.port
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all servers and their connections; harmless when stopped."""
        while self._listeners:
            self._listeners.pop().close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve_behind(self, url: str, mount: str) -> None:
        """Be served by another server at ``url``: all but the Duo Admin API below the path ``mount``."""
        self._behind = (url, mount)

    def _url(self, service: str) -> str:
        if self._behind is None:
            return f"http://{HOST}:{self._ports[service]}"
        url, mount = self._behind
        return url if service == "duo" else url + mount

    @property
    def duo_url(self) -> str:
        """Where the Duo Admin API is, as ``http://127.0.0.1:PORT``; known from the first start on."""
        return self._url("duo")

    @property
    def scim_url(self) -> str:
        """The SCIM endpoint, as ``http://127.0.0.1:PORT/scim/v2``; known from the first start on."""
        return self._url("scim") + BASE_PATH

    @property
    def api_url(self) -> str:
        """Where the public API is, as ``http://127.0.0.1:PORT``; known from the first start on."""
        return self._url("api")

    @property
    def events_url(self) -> str:
        """Where to POST a line such as ``hire``; a GET lists all events."""
        return self._url("duo" if self._behind is None else "events") + EVENTS_PATH

    @property
    def requests(self) -> list[Request]:
        """What was served since the last ``forget``, in order of arrival."""
        with self._lock:
            return sorted(self._requests, key=lambda request: request.at)

    def forget(self) -> None:
        """Start a new list of requests."""
        with self._lock:
            self._requests.clear()

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def scoped_names(self) -> list[str]:
        """Return what the company's groups for NinjaOne are called now, without sync suffix."""
        groups = self.company.groups
        return [strip_sync_suffix(groups[group]["name"]) for group in self.company.scoped if group in groups]

    def config_toml(self) -> str:
        """Return a config.toml for ninjasync that reaches this sandbox.

        Its scope are the company's groups for NinjaOne by their ids, so that they stay in it when events rename them.
        """
        access, notes = self.access, {"groups": f"  # by id: {', '.join(self.scoped_names())}"}
        sections: dict[str, dict[str, str | int | list[str]]] = {
            "duo": {
                "api_hostname": self.duo_url,
                "integration_key": access.integration_key,
                "secret_key": access.secret_key,
                "rate_limit": 0,
            },
            "ninjaone": {"endpoint_url": self.scim_url, "secret_token": access.token},
            "ninjaone.api": {
                "url": self.api_url,
                "client_id": access.client_id,
                "client_secret": access.client_secret,
            },
            "scope": {"groups": [group for group in self.company.scoped if group in self.company.groups]},
            "safety": {"protected_users": [f"{BREAKGLASS}@{self.company.domain}"]},
        }
        blocks = (
            "\n".join(
                [f"[{section}]", *(f"{key} = {_render_toml(value)}{notes.get(key, '')}" for key, value in keys.items())]
            )
            for section, keys in sections.items()
        )
        return "# Reaches a ninjasync sandbox. These keys are for training, they guard nothing.\n\n" + (
            "\n\n".join(blocks) + "\n"
        )


def _render_toml(value: str | int | list[str]) -> str:
    """JSON's strings, numbers and lists are TOML's too, as long as nothing is escaped as surrogates."""
    return json.dumps(value, ensure_ascii=False)
