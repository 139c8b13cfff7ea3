"""NinjaOne's public API, as far as a read-only client sees it: OAuth2, organizations, users of both kinds.

Knows paths, shapes and errors as NinjaOne's specification (2.0.9-draft) and people who used it
describe them, and the ways in which hosts differ. Must not know sockets, SCIM requests, or who reads.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service, json_response
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from ninjasync.sandbox.ninjaone.store import NinjaOne

TOKEN_PATH = "/ws/oauth/token"  # noqa: S105 - a path
_MEDIA_TYPE = "application/json"
_TOKEN_SECONDS = 3600
_THROTTLED = b"<html><head><title>Too many requests</title></head><body>Rate limit exceeded.</body></html>\n"


@dataclass(frozen=True, slots=True)
class ApiWays:
    """What is odd about one host. All off is the host that the specification describes.

    ``lag`` is how many requests for users still show NinjaOne as it was before SCIM's writes.
    """

    html_every: int = 0
    no_user_lists: bool = False
    most_rows: int = 0
    scope: str = "monitoring"
    refuses_scope: bool = False
    token_path: str = TOKEN_PATH
    lag: int = 0
    ids_stand: bool = False
    no_organizations: bool = False
    forbidden: bool = False
    forbids_technicians: bool = False


def public_api(
    store: NinjaOne,
    client_id: str,
    client_secret: str,
    ways: ApiWays = ApiWays(),
    clock: Callable[[], float] = time.monotonic,
) -> Service:
    """Return the public API over that store for one client app."""
    return _Api(store, client_id, client_secret, ways, clock).answer


class _Api:
    def __init__(
        self, store: NinjaOne, client_id: str, client_secret: str, ways: ApiWays, clock: Callable[[], float]
    ) -> None:
        self._store, self._client, self._secret, self._ways = store, client_id, client_secret, ways
        self._clock = clock
        self._tokens: dict[str, float] = {}
        self._asked = 0
        self._numbers: dict[str, int] = {}
        # The rows that are still shown, for a host that shows what was written only after a while.
        self._shown: list[Json] | None = None
        self._lag = 0

    def answer(self, request: HttpRequest) -> HttpResponse:
        self._asked += 1
        if self._ways.html_every and self._asked % self._ways.html_every == 0:
            return HttpResponse(200, _THROTTLED, (("Content-Type", "text/html"),))
        if request.path == self._ways.token_path:
            return self._token(request)
        if request.path in (TOKEN_PATH, "/oauth/token"):
            return _failure(405, "HTTP 405 Method Not Allowed")
        if refusal := self._unauthorized(request):
            return refusal
        if request.method != "GET":
            return _failure(405, "HTTP 405 Method Not Allowed")
        if self._ways.forbidden or (self._ways.forbids_technicians and request.path.endswith("/user/technicians")):
            return _json(403, {"resultCode": "FAILURE", "errorMessage": "permission_denied"})
        return self._resource(request)

    def _token(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return _failure(405, "HTTP 405 Method Not Allowed")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("client_id") != self._client:
            return _json(404, {"resultCode": "Client app not exist", "incidentId": "00000000"})
        if form.get("grant_type") != "client_credentials" or form.get("client_secret") != self._secret:
            return _json(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if self._ways.refuses_scope:
            return _json(400, {"error": "invalid_scope", "error_description": "The scope is not granted"})
        token = hashlib.sha256(f"{self._secret}/{len(self._tokens)}".encode()).hexdigest()
        self._tokens[token] = self._clock() + _TOKEN_SECONDS
        return _json(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": _TOKEN_SECONDS,
                "scope": self._ways.scope,
            },
        )

    def _unauthorized(self, request: HttpRequest) -> HttpResponse | None:
        given = request.headers.get("authorization")
        if given is None:
            return _json(400, {"error": "missing_header", "error_code": 2})
        kind, _, token = given.partition(" ")
        if kind != "Bearer" or not token:
            return _json(400, {"error": "invalid_header", "error_code": 1})
        if self._tokens.get(token, 0.0) <= self._clock():
            error = {"error": "not_authenticated", "error_description": "Not authenticated", "error_code": 10}
            return _json(401, error)
        return None

    def _resource(self, request: HttpRequest) -> HttpResponse:
        path = request.path.removeprefix("/api").removeprefix("/ws/api")
        if path == "/v2/organizations" and not self._ways.no_organizations:
            return self._organizations(request)
        readers: Mapping[str, Callable[[HttpRequest], list[Json]]] = {"/v2/users": self._users}
        if not self._ways.no_user_lists:
            readers = {
                **readers,
                "/v2/user/end-users": lambda _: self._of_kind("END_USER", _END_USER_FIELDS),
                "/v2/user/technicians": lambda _: self._of_kind("TECHNICIAN", _TECHNICIAN_FIELDS),
            }
        if path not in readers:
            return _failure(404, "HTTP 404 Not Found")
        rows = readers[path](request)
        most = self._ways.most_rows
        return _json(200, rows[:most] if most else rows)

    def _organizations(self, request: HttpRequest) -> HttpResponse:
        size = request.params.get("pageSize", "")
        most = int(size) if size.isdecimal() else 1000
        after = int(request.params.get("after") or 0)
        with self._store.lock:
            rows = sorted(self._store.organizations.items())
        if self._ways.ids_stand:
            after = 0
        rows = [(number, name) for number, name in rows if number > after][:most]
        cap = self._ways.most_rows
        return _json(200, [_organization(number, name) for number, name in (rows[:cap] if cap else rows)])

    def _number(self, key: str) -> int:
        """Return an account's number here, which has nothing to do with its SCIM id."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def _users(self, request: HttpRequest) -> list[Json]:
        kind = request.params.get("userType")
        return [
            {name: row[name] for name in _USER_FIELDS}
            for row in self._rows()
            if kind is None or row["userType"] == kind
        ]

    def _of_kind(self, kind: str, fields: Collection[str]) -> list[Json]:
        return [{name: row[name] for name in fields} for row in self._rows() if row["userType"] == kind]

    def _rows(self) -> list[Json]:
        with self._store.lock:
            now = [
                _row(self._number(id_), user, administrator=id_ in self._store.administrators)
                for id_, user in self._store.users.items()
            ]
            now += [
                _row(self._number(address), user, administrator=user.get("administrator", False))
                for address, user in self._store.unlisted.items()
            ]
        if self._shown is not None and now != self._shown and self._lag > 0:
            self._lag -= 1
            return self._shown
        self._shown, self._lag = now, self._ways.lag
        return now


_USER_FIELDS = (
    *("id", "uid", "firstName", "lastName", "email", "phone", "enabled", "administrator", "permitAllClients"),
    *("notifyAllClients", "mustChangePw", "mfaConfigured", "userType", "invitationStatus", "organizationId"),
    *("deviceIds", "assignedDeviceIds"),
)
_END_USER_FIELDS = (
    *("id", "uid", "enabled", "firstName", "lastName", "email", "phone", "organizationId", "fullPortalAccess"),
    *("mustChangePw", "mfaConfigured", "scimUser", "authType", "invitationStatus", "assignedDeviceIds"),
    *("accessibleDeviceIds", "roles"),
)
_TECHNICIAN_FIELDS = (
    *("id", "uid", "enabled", "firstName", "lastName", "email", "phone", "mustChangePw", "mfaConfigured", "scimUser"),
    *("authType", "userType", "invitationStatus", "notifyAllClients", "administrator", "assignedDeviceIds", "roles"),
)


def _row(number: int, user: Mapping[str, Any], *, administrator: bool) -> Json:
    extension: Mapping[str, Any] = user.get(NINJAONE_USER) or {}
    technician = extension.get("userType") == "technician"
    organization = str(extension.get("organizationId") or "")
    name: Mapping[str, Any] = user.get("name") or {}
    return {
        "id": number,
        "uid": f"00000000-0000-4000-8000-{number:012}",
        "firstName": name.get("givenName"),
        "lastName": name.get("familyName"),
        "email": user["userName"],
        "phone": None,
        "enabled": bool(user.get("active", True)),
        "administrator": administrator,
        "permitAllClients": technician,
        "notifyAllClients": False,
        "mustChangePw": False,
        "mfaConfigured": False,
        "userType": "TECHNICIAN" if technician else "END_USER",
        "invitationStatus": "REGISTERED",
        "organizationId": int(organization) if organization.isdecimal() and not technician else None,
        "deviceIds": [],
        "assignedDeviceIds": [],
        "accessibleDeviceIds": [],
        "fullPortalAccess": False,
        "scimUser": bool(user.get("externalId")),
        "authType": "SSO",
        "roles": [],
    }


def _organization(number: int, name: str) -> Json:
    return {"id": number, "name": name, "description": None, "userData": {}, "nodeApprovalMode": "AUTOMATIC"}


def _json(status: int, document: Any) -> HttpResponse:
    return json_response(status, document, media_type=_MEDIA_TYPE)


def _failure(status: int, text: str) -> HttpResponse:
    return _json(status, {"resultCode": "FAILURE", "errorMessage": text})
