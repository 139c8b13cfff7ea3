"""The sandbox as a whole: a company, a NinjaOne, two servers, and the configuration that reaches them.

Knows how the parts go together. Must not know how they work, nor import the product under test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self

from ninjasync.sandbox.company.events import Events, UnknownWord
from ninjasync.sandbox.company.people import Company, plain_name
from ninjasync.sandbox.company.staffing import BREAKGLASS, existing_accounts, make_company
from ninjasync.sandbox.duo.api import READ_RESOURCE, duo_api
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Request, Service
from ninjasync.sandbox.faults.faults import add_faults
from ninjasync.sandbox.faults.quirks import add_duo_quirks, add_scim_quirks
from ninjasync.sandbox.ninjaone.api import BASE_PATH, scim_api
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.sandbox.server import HOST, Listener

# For training only: whoever reads this knows them.
INTEGRATION_KEY = "DISANDBOX00000000000"
SECRET_KEY = "sandbox-secret-key-for-training-only-000"  # noqa: S105 - guards nothing
TOKEN = "sandbox-token-for-training-only"  # noqa: S105 - guards nothing

# Not Duo's: whoever trains here sends a word for an event to it, beside the Duo Admin API.
EVENTS_PATH = "/sandbox/events"


class Sandbox:
    """A Duo Admin API and a NinjaOne SCIM endpoint on loopback, from ``start`` to ``stop``.

    Without a company or a NinjaOne it makes the usual ones. Ports of 0 mean any free one; after a
    stop, a new start uses the same ports again, with the same people and accounts. ``faults``,
    ``quirks`` and ``fault_seed`` are the weather that it begins with, see ``set_weather``. ``events``
    lets things happen in the company, as does a POST of such a line to ``events_url``.
    """

    def __init__(
        self,
        people: Company | None = None,
        ninjaone: NinjaOne | None = None,
        *,
        integration_key: str = INTEGRATION_KEY,
        secret_key: str = SECRET_KEY,
        token: str = TOKEN,
        duo_port: int = 0,
        scim_port: int = 0,
        permissions: Iterable[str] = (READ_RESOURCE,),
        account_id: str = "",
        faults: Mapping[str, str] | None = None,
        quirks: Iterable[str] = (),
        fault_seed: int = 1,
    ) -> None:
        self.company = make_company() if people is None else people
        self.ninjaone = existing_accounts(self.company) if ninjaone is None else ninjaone
        self.events = Events(self.company, fault_seed)
        self.integration_key = integration_key
        self.secret_key = secret_key
        self.token = token
        self.permissions = set(permissions)
        self.account_id = account_id
        self._ports = {"duo": duo_port, "scim": scim_port}
        self._listeners: list[Listener] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._connections = count(1)
        self._services: dict[str, Service] = {}
        self._fronts = {name: self._service(name) for name in ("duo", "scim")}
        self.set_weather(faults=faults, quirks=quirks, seed=fault_seed)

    def set_weather(
        self, *, faults: Mapping[str, str] | None = None, quirks: Iterable[str] = (), seed: int = 1
    ) -> None:
        """Begin another weather, also while it serves: fair, but for what is given.

        ``faults`` are values by name, such as ``{"429": "0.1"}``, ``quirks`` as on the command line,
        such as ``page-cap=50``; ``weather`` has them all. ValueError, in a sentence, for a wrong one.
        """
        quirks = tuple(quirks)
        duo = duo_api(
            self.company,
            self.integration_key,
            self.secret_key,
            permissions=self.permissions,
            account_id=self.account_id,
        )
        scim = scim_api(self.ninjaone, self.token)
        duo = add_duo_quirks(duo, self.company, quirks)
        scim = add_scim_quirks(scim, lambda store: scim_api(store, self.token), self.ninjaone, quirks)
        self._services = {
            name: add_faults(service, name, faults or {}, seed) for name, service in (("duo", duo), ("scim", scim))
        }

    def _service(self, name: str) -> Service:
        """Return what serves in whatever weather there is."""

        def answer(request: HttpRequest) -> HttpResponse:
            if name == "duo" and request.path == EVENTS_PATH:
                return self._told(request)
            return self._services[name](request)

        return answer

    def intercept(self, service: str, function: Callable[[HttpRequest, Service], HttpResponse]) -> None:
        """Let each request to ``service``, "duo" or "scim", pass through ``function`` from now on.

        It gets the request and the service that would answer it, and returns the response. The one that
        was added last gets the request first. All stay in any weather, and after a stop.
        """
        behind = self._fronts[service]
        self._fronts[service] = lambda request: function(request, behind)

    def _answer(self, service: str, request: HttpRequest) -> HttpResponse:
        return self._fronts[service](request)

    def _told(self, request: HttpRequest) -> HttpResponse:
        line = request.body.decode("utf-8", "replace") if request.method == "POST" else "help"
        try:
            status, text = 200, self.events.tell(line)
        except UnknownWord as error:
            status, text = 400, str(error)
        return HttpResponse(status, f"{text}\n".encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def start(self) -> Self:
        """Serve; returns once both ports accept connections. OSError if a port is taken."""
        try:
            for name in ("duo", "scim"):
                listener = Listener(
                    name,
                    partial(self._answer, name),
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
        """End both servers and all their connections; harmless when stopped."""
        while self._listeners:
            self._listeners.pop().close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def duo_url(self) -> str:
        """Where the Duo Admin API is, as ``http://127.0.0.1:PORT``; known from the first start on."""
        return f"http://{HOST}:{self._ports['duo']}"

    @property
    def scim_url(self) -> str:
        """The SCIM endpoint, as ``http://127.0.0.1:PORT/scim/v2``; known from the first start on."""
        return f"http://{HOST}:{self._ports['scim']}{BASE_PATH}"

    @property
    def events_url(self) -> str:
        """Where to POST a line such as ``hire``; a GET tells all the words."""
        return self.duo_url + EVENTS_PATH

    @property
    def requests(self) -> list[Request]:
        """What was served since the last ``forget``, in order of arrival."""
        with self._lock:
            return sorted(self._requests, key=lambda request: request.at)

    def forget(self) -> None:
        """Start a new list of requests."""
        with self._lock:
            self._requests.clear()

    def config_toml(self) -> str:
        """Return a config.toml for ninjasync that reaches this sandbox.

        Its scope are the company's groups for NinjaOne by their present names, without sync suffix.
        """
        groups = self.company.groups
        names = [plain_name(groups[group]["name"]) for group in self.company.scoped if group in groups]
        sections: dict[str, dict[str, str | int | list[str]]] = {
            "duo": {
                "api_hostname": self.duo_url,
                "integration_key": self.integration_key,
                "secret_key": self.secret_key,
                "rate_limit": 0,
            },
            "ninjaone": {"endpoint_url": self.scim_url, "secret_token": self.token},
            "scope": {"groups": names},
            "safety": {"protected_users": [f"{BREAKGLASS}@{self.company.domain}"]},
        }
        blocks = (
            "\n".join([f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())])
            for section, keys in sections.items()
        )
        return "# Reaches a ninjasync sandbox. These keys are for training, they guard nothing.\n\n" + (
            "\n\n".join(blocks) + "\n"
        )

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)


def _toml(value: str | int | list[str]) -> str:
    """JSON's strings, numbers and lists are TOML's too, as long as nothing is escaped as surrogates."""
    return json.dumps(value, ensure_ascii=False)
