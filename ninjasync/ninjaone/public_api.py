"""A read-only client of NinjaOne's public API (v2): organizations, and both kinds of users.

Knows OAuth2 client credentials, pages, and telling an answer from a throttling page. Sends
no verb but GET, and the POST that asks for a token; what follows from what it reads is
decided in the plan. Own lines rather than ``requests-oauthlib``: a token request is one
POST here, and that library follows redirects with the secret and leaves renewal, errors
and throttling to its user all the same.
"""

import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import requests
from pydantic import SecretStr

from ninjasync import __version__
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.log import requested
from ninjasync.model.message import NOTHING, Message, text, word
from ninjasync.model.message import number as as_number
from ninjasync.net.connection import (
    authorities,
    certificate_hint,
    environment_authorities,
    network_failure,
    parse_json,
    proxy_for,
    stated_time,
)
from ninjasync.net.pacing import Pacer, TransientError, may_pass, retry_after

log = logging.getLogger(__name__)

Kind = Literal["technician", "endUser"]

SCOPE = "monitoring"
_LISTS: tuple[tuple[str, Kind], ...] = (("/v2/user/end-users", "endUser"), ("/v2/user/technicians", "technician"))
_PAGE = 1000
# A list that ends at such a number may have been cut off there (facts: exactly 1,000 of 1,115 came).
_ROUND = frozenset({50, 100, 200, 250, 300})
_ROUND_STEP = 500
_RENEW_EARLY = 60.0  # seconds before a token ends
_SHORTEST_TOKEN = 30.0
# NinjaOne throttles with 429 and with HTML pages; more tries only prolong it.
_MOST_RETRIES = 5
_CURE = (
    "Check [ninjaone.api] client_id and client_secret: a client app of the platform API Services, with the scope "
    "monitoring and the grant type Client Credentials, of the console that [ninjaone.api] url names."
)
_CHECK_URL = "Check [ninjaone.api] url: it is the console's address, as https://app.ninjarmm.com."


@dataclass(frozen=True, slots=True)
class ApiOrganization:
    """An organization of NinjaOne's: its number and name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A user as the public API lists one. None is not told.

    ``organization`` is a number, "" where the API says null: an end user of all
    organizations, most likely.
    """

    email: str
    kind: Kind
    organization: str | None
    enabled: bool | None
    administrator: bool | None


class PublicApi:
    """Reads one tenant's public API. Methods raise CredentialsError, UnreachableError or IncompleteReadError."""

    def __init__(self, context: RunContext, secret: SecretStr) -> None:
        config = context.config
        api = config.ninjaone.api
        self._secret, self._client_id, self.url = secret, api.client_id, api.url
        self._token_path = api.token_path
        self._timeout = config.ninjaone.timeout
        self._pacer = Pacer(min(config.run.retries, _MOST_RETRIES), stop=context.stop, tell=context.listener)
        self._session = _session(config)
        self._token, self._until = "", 0.0
        self.granted: frozenset[str] = frozenset()

    def close(self) -> None:
        """Close the connections; the token is forgotten."""
        self._token = ""
        self._session.close()

    def authorize(self) -> None:
        """Ask for a token unless there is one that lasts."""
        if not self._token or time.monotonic() >= self._until:
            self._pacer.call(self._ask_for_token)

    def organizations(self) -> list[ApiOrganization]:
        """Return all organizations, by pages: ``after`` is the last id of the page before."""
        found: dict[int, ApiOrganization] = {}
        after = 0
        while True:
            params = {"pageSize": str(_PAGE), "after": str(after)}
            rows = self._list("/v2/organizations", params if after else {"pageSize": str(_PAGE)})
            fresh = {id_: row for row in rows if (id_ := _whole(row.get("id"))) is not None and id_ not in found}
            for id_, row in fresh.items():
                found[id_] = ApiOrganization(str(id_), _text(row.get("name")))
            if not rows or not (len(rows) >= _PAGE or _is_round(len(rows))):
                return list(found.values())
            last = max((_whole(row.get("id")) or 0 for row in rows), default=0)
            if last <= after:
                if not fresh:
                    return list(found.values())  # it does not page: the same rows came again
                raise IncompleteReadError(
                    Message(
                        "NinjaOne's public API at {} pages its organizations by ids that do not grow (after {} "
                        "comes {}), so the rest cannot be read.",
                        word(self.url),
                        as_number(after),
                        text(last),
                    ),
                    "Run again; if it stays so, ask NinjaOne's support.",
                )
            after = last

    def users(self) -> list[ApiUser]:
        """Return all users of both kinds. Hosts that lack ``/v2/user/…`` have ``/v2/users`` alone."""
        found: list[ApiUser] = []
        for path, kind in _LISTS:
            rows = self._whole_list(path)
            if rows is None:
                everyone = self._whole_list("/v2/users")
                if everyone is None:
                    raise UnreachableError(
                        Message("NinjaOne's public API at {} has no list of users.", word(self.url)), _CHECK_URL
                    )
                return [user for row in everyone if (user := _user(row, None))]
            found += [user for row in rows if (user := _user(row, kind))]
        return found

    # --- lists -------------------------------------------------------------------------------

    def _whole_list(self, path: str) -> list[Mapping[str, Any]] | None:
        """Return a list that has no pages, asked for more where it may have been cut off; None where there is none."""
        answer = self._get(path, {})
        if answer is None:
            return None
        rows = self._rows(path, answer)
        ids = {row.get("id") for row in rows}
        while _is_round(len(rows)):
            last = max((_whole(row.get("id")) or 0 for row in rows), default=0)
            more = self._list(path, {"pageSize": str(_PAGE), "after": str(last)})
            fresh = [row for row in more if row.get("id") not in ids]
            if not fresh:
                break
            rows = [*rows, *fresh]
            ids |= {row.get("id") for row in fresh}
        return rows

    def _list(self, path: str, params: Mapping[str, str]) -> list[Mapping[str, Any]]:
        return self._rows(path, self._get(path, params))

    def _rows(self, path: str, answer: Any) -> list[Mapping[str, Any]]:
        if not isinstance(answer, list):
            raise UnreachableError(
                Message("NinjaOne's public API at {} answered {} with no list.", word(self.url), text(path)), _CHECK_URL
            )
        return [row for row in answer if isinstance(row, dict)]

    # --- requests ----------------------------------------------------------------------------

    def _get(self, path: str, params: Mapping[str, str]) -> Any:
        """Return an answer's JSON; None where this host has no such path."""
        for last_try in (False, True):
            self.authorize()
            status, body = self._pacer.call(lambda: self._send("GET", path, params=params))
            if status == 401 and not last_try:
                self._token = ""  # it may have been withdrawn; a new one is asked for once
                continue
            break
        if status == 404:
            return None
        if status in (401, 403):
            raise CredentialsError(
                Message(
                    "NinjaOne's public API at {} refused {} (HTTP {}{}).",
                    word(self.url),
                    text(path),
                    as_number(status),
                    text(_said(body)),
                ),
                _CURE,
            )
        if status != 200:
            raise UnreachableError(
                Message(
                    "NinjaOne's public API at {} refused {} (HTTP {}{}).",
                    word(self.url),
                    text(path),
                    as_number(status),
                    text(_said(body)),
                ),
                _CHECK_URL,
            )
        return body

    def _ask_for_token(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.get_secret_value(),
            "scope": SCOPE,
        }
        begun = time.monotonic()
        status, body = self._send("POST", self._token_path, data=form)
        token = body.get("access_token") if isinstance(body, dict) else None
        if status == 200 and isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token:
            lasts = body.get("expires_in")
            seconds = float(lasts) if isinstance(lasts, int | float) and not isinstance(lasts, bool) else 3600.0
            self._token = token
            self._until = begun + max(seconds - _RENEW_EARLY, min(seconds / 2, _SHORTEST_TOKEN))
            self.granted = frozenset(_text(body.get("scope")).split())
            return
        unknown = "client app not exist" in _said(body).lower()
        if status in (400, 401, 403) or (status == 404 and unknown):
            raise CredentialsError(
                Message(
                    "NinjaOne's public API at {} refused the client app (HTTP {}{}).",
                    word(self.url),
                    as_number(status),
                    text(_said(body)),
                ),
                _CURE,
            )
        raise UnreachableError(
            Message(
                "NinjaOne's public API at {} gave no token (HTTP {}{}).",
                word(self.url),
                as_number(status),
                text(_said(body)),
            ),
            Message(f"{_CHECK_URL} Some consoles take token requests at another path: [ninjaone.api] token_path."),
        )

    def _send(self, method: Literal["GET", "POST"], path: str, **content: Any) -> tuple[int, Any]:
        """Make one try; return status and JSON. An answer that is no JSON is a throttling page (facts, section 4)."""
        begun, status = time.monotonic(), None
        try:
            with self._session.request(
                method,
                f"{self.url}{path}",
                auth=self._authorization if method == "GET" else _without,
                timeout=self._timeout,
                allow_redirects=False,
                **content,
            ) as answer:
                data, status = answer.content, answer.status_code
        except requests.RequestException as error:
            raise TransientError(
                Message(
                    "NinjaOne's public API at {} cannot be reached: {}.", word(self.url), word(network_failure(error))
                ),
                certificate_hint(error, "ninjaone") or f"{_CHECK_URL} Check the network and a proxy in the way.",
            ) from None  # the request that the error carries has the secret in it
        finally:
            requested(log, f"{method} {path}", begun, status)
        if 300 <= status < 400:
            raise UnreachableError(
                Message(
                    "NinjaOne's public API at {} redirects elsewhere (HTTP {}); nothing is sent there.",
                    word(self.url),
                    as_number(status),
                ),
                _CHECK_URL,
            )
        body, is_json = self._read(data)
        header = answer.headers.get("Retry-After")
        if may_pass(status, header) or (not is_json and data.strip()):
            now = stated_time(answer.headers.get("Date")) or datetime.now(UTC)
            raise TransientError(
                Message(
                    "NinjaOne's public API at {} is throttled or out of order (HTTP {}{}), again and again.",
                    word(self.url),
                    as_number(status),
                    NOTHING if is_json else Message(", not JSON"),
                ),
                "Wait and run again.",
                status=status if is_json else 429,
                pause=retry_after(header, now),
            )
        return status, body

    def _read(self, data: bytes) -> tuple[Any, bool]:
        for secret in (self._secret.get_secret_value(), self._token):
            if secret:  # an error may repeat what it was sent
                data = data.replace(secret.encode(), b"***")
        if not data.strip():
            return None, True
        try:
            return parse_json(data), True
        except (ValueError, RecursionError):
            return None, False

    def _authorization(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _without(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no Authorization: requests would take a ``.netrc`` entry for the host."""
    return request


def _session(config: Config) -> requests.Session:
    ninjaone = config.ninjaone
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = f"ninjasync/{__version__}"
    session.headers["Accept"] = "application/json"
    if proxy := proxy_for(ninjaone.api.url, ninjaone.proxy):
        session.proxies = {"http": proxy, "https": proxy}
    given = ninjaone.ca_file
    bundle = authorities(config, "[ninjaone] ca_file", given) if given else environment_authorities()
    if bundle is not None:
        session.verify = str(bundle)
    elif given:  # the system's own
        paths = ssl.get_default_verify_paths()
        session.verify = paths.cafile or paths.capath or True
    return session


def _user(row: Mapping[str, Any], kind: Kind | None) -> ApiUser | None:
    """Read one row; None where it has no address, or is of no kind that is known."""
    if kind is None:
        named = {"TECHNICIAN": "technician", "END_USER": "endUser"}
        kind = named.get(_text(row.get("userType")).upper())  # type: ignore[assignment]  # the two values are Kinds
    email = _text(row.get("email"))
    if kind is None or not email:
        return None
    organization: str | None = None
    if kind == "endUser" and "organizationId" in row:
        number = _whole(row["organizationId"])
        organization = "" if row["organizationId"] is None else None if number is None else str(number)
    return ApiUser(email, kind, organization, _flag(row.get("enabled")), _flag(row.get("administrator")))


def _is_round(number: int) -> bool:
    return number in _ROUND or (number > 0 and number % _ROUND_STEP == 0)


def _whole(value: Any) -> int | None:
    """Return a whole number, also one that is written as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _said(body: Any) -> str:
    """Return what an error's body says, of any of the shapes that the API has (facts, section 3)."""
    if isinstance(body, str):
        return f": {body.strip()}" if body.strip() else ""
    if not isinstance(body, dict):
        return ""
    for name in ("error_description", "errorMessage", "message", "resultCode", "error"):
        value = body.get(name)
        if isinstance(value, dict):
            value = value.get("code")
        if isinstance(value, str) and value.strip():
            return f": {value.strip().rstrip('.')}"
    return ""
