"""A read-only connection to NinjaOne's public API: OAuth2 client credentials, one GET at a time.

Knows tokens, their renewal, redirects, and telling an answer from a throttling page. Sends no
verb but GET, and the POST that asks for a token. Must not know what is read: that is
``public_api``'s. Own lines rather than ``requests-oauthlib``: a token request is one POST here,
and that library follows redirects with the secret and leaves renewal, errors and throttling to
its user all the same.
"""

import logging
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import requests
from pydantic import SecretStr

from ninjasync import __version__
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, UnreachableError
from ninjasync.log import requested
from ninjasync.model.message import NOTHING, Message, number, shortened, text, word
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

SCOPE = "monitoring"
CHECK_URL = "Check [ninjaone.api] url: it is the console's address, as https://app.ninjarmm.com."
_CURE = (
    "Check [ninjaone.api] client_id and client_secret: a client app of the platform API Services, with the scope "
    "monitoring and the grant type Client Credentials, of the console that [ninjaone.api] url names."
)
_RENEW_EARLY = 60.0  # seconds before a token ends
_SHORTEST_TOKEN = 30.0
_USUAL_TOKEN = 3600.0
_LONGEST_TOKEN = 86400.0 * 366
# NinjaOne throttles with 429 and with HTML pages; more tries only prolong it.
_MOST_RETRIES = 5
# With these a body that is no JSON is the page of a host that has no such path, or refuses, not of one that throttles.
_NEVER_THROTTLING = frozenset({400, 401, 404, 405})


class NotPermittedError(CredentialsError):
    """The token is good, and may not read this list (HTTP 403)."""


class OAuthClient:
    """Asks one tenant's public API.

    Methods raise CredentialsError where the client app or its token is refused, NotPermittedError
    where a list is, UnreachableError for all else. No message has the secret or a token in it.
    """

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

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        """Return an answer's JSON; None where this host has no such path."""
        for last_try in (False, True):
            self.authorize()
            status, body = self._pacer.call(lambda: self._send("GET", path, params=params))
            if status != 401 or last_try:
                break
            self._token = ""  # it may have been withdrawn; a new one is asked for once
        if status == 404:
            return None
        if status == 200:
            return body
        why = self._why(status, body)
        said = Message("NinjaOne's public API at {} refused {} ({}).", word(self.url), text(path), why)
        match status:
            case 401:
                raise CredentialsError(said, _CURE)
            case 403:
                raise NotPermittedError(said, _CURE)
            case _:
                raise UnreachableError(said, CHECK_URL)

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
            seconds = _lasts(body.get("expires_in"))
            self._token = token
            self._until = begun + max(seconds - _RENEW_EARLY, min(seconds / 2, _SHORTEST_TOKEN))
            granted = body.get("scope")
            self.granted = frozenset(granted.split()) if isinstance(granted, str) else frozenset()
            return
        why = self._why(status, body)
        if status in (400, 401, 403) or (status == 404 and "client app not exist" in _said(body).lower()):
            raise CredentialsError(
                Message("NinjaOne's public API at {} refused the client app ({}).", word(self.url), why), _CURE
            )
        raise UnreachableError(
            Message("NinjaOne's public API at {} gave no token ({}).", word(self.url), why),
            f"{CHECK_URL} Some consoles take token requests at another path: [ninjaone.api] token_path.",
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
                certificate_hint(error, "ninjaone") or f"{CHECK_URL} Check the network and a proxy in the way.",
            ) from None  # the request that the error carries has the secret in it
        finally:
            requested(log, f"{method} {path}", begun, status)
        if 300 <= status < 400:
            raise UnreachableError(
                Message(
                    "NinjaOne's public API at {} redirects elsewhere (HTTP {}); nothing is sent there.",
                    word(self.url),
                    number(status),
                ),
                CHECK_URL,
            )
        body, is_json = _read(data)
        header = answer.headers.get("Retry-After")
        if may_pass(status, header) or (not is_json and status not in _NEVER_THROTTLING):
            now = stated_time(answer.headers.get("Date")) or datetime.now(UTC)
            raise TransientError(
                Message(
                    "NinjaOne's public API at {} is throttled or out of order (HTTP {}{}), again and again.",
                    word(self.url),
                    number(status),
                    NOTHING if is_json else Message(", not JSON"),
                ),
                "Wait and run again.",
                status=status if is_json else 429,
                pause=retry_after(header, now),
            )
        return status, body

    def _why(self, status: int, body: Any) -> Message:
        """Return the status and what the body says, without the secret: an error may repeat what it was sent."""
        said = _said(body)
        for secret in filter(None, (self._secret.get_secret_value(), self._token)):
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                said = said.replace(form, "***")
        # Cut off only now: half a secret would not be found.
        return Message("HTTP {}{}", number(status), text(f": {shortened(said)}") if said else NOTHING)

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


def _read(data: bytes) -> tuple[Any, bool]:
    """Return what a body says, and whether it is JSON; an empty one says nothing."""
    if not data.strip():
        return None, True
    try:
        return parse_json(data), True
    except (ValueError, RecursionError):
        return None, False


def _lasts(seconds: Any) -> float:
    """Return how long a token lasts; as long as NinjaOne's do where that is not said."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < _LONGEST_TOKEN:
        return float(seconds)
    return _USUAL_TOKEN


def _said(body: Any) -> str:
    """Return what an error's body says, of any of the shapes that the API has (facts, section 3)."""
    if isinstance(body, str):
        return body.strip()
    if not isinstance(body, dict):
        return ""
    for name in ("error_description", "errorMessage", "message", "resultCode", "error", "errorCode"):
        value = body.get(name)
        if isinstance(value, dict):
            value = value.get("code")
        if isinstance(value, str) and value.strip():
            return value.strip().rstrip(".")
    return ""
