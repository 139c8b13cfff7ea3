"""HTTP with a SCIM endpoint: the token, kept-alive connections, tries, and telling an answer from none.

Knows requests and statuses; what is asked and what an answer means is ``ninjaone``'s affair.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from pydantic import SecretStr

from ninjasync import __version__, scim
from ninjasync.config import Config
from ninjasync.errors import CredentialsError, NinjasyncError, UnreachableError
from ninjasync.pacing import TRANSIENT, Pacer, TransientError, retry_after
from ninjasync.trace import requested
from ninjasync.transport import authorities, certificate_hint, network_failure, proxy_for, stated_time

log = logging.getLogger(__name__)

_MEDIA_TYPE = "application/scim+json"

_RENEW = (
    "Make a new token in the NinjaOne console (Administration, Accounts, Identity Providers, your provider, SCIM) "
    "and put it where [ninjaone] secret_token is kept; a token lasts six months and fits its own provider's endpoint "
    "alone."
)
CHECK_URL = "Check [ninjaone] endpoint_url: it is the SCIM URL that the NinjaOne console shows, unchanged."


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status and the JSON body, None where there is none."""

    status: int
    body: Any


class ScimTransport:
    """Sends requests to one endpoint. Safe to share between threads: no two use one connection at once."""

    def __init__(self, config: Config, token: SecretStr, pacer: Pacer) -> None:
        ninjaone = config.ninjaone
        self.url = ninjaone.endpoint_url
        self.pacer = pacer
        self._timeout = ninjaone.timeout
        self._token = token
        self._proxy = proxy_for(self.url, ninjaone.proxy)
        bundle = authorities(config, "[ninjaone] ca_file", ninjaone.ca_file) if ninjaone.ca_file else None
        self._verify: str | bool = str(bundle) if bundle else _environment_bundle(self.url)
        # How far the server's clock is ahead of ours, as far as its Date headers tell.
        self.skew = timedelta(0)
        self.dated = False
        # As many sessions, each with its connection, as there were ever requests at once.
        self._idle: list[requests.Session] = []
        self._closed = False

    def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def call(self, method: str, path: str, params: dict[str, str] | None = None, body: Any = None) -> Answer:
        """Return the answer, whatever its status, but for those that are raised.

        Raises TransientError when it stays one after all tries, CredentialsError for a
        401, and UnreachableError for what is no answer of a SCIM endpoint.
        """
        return self.pacer.call(lambda: self.once(method, path, params, body))

    def once(self, method: str, path: str, params: dict[str, str] | None = None, body: Any = None) -> Answer:
        """Make one try; see ``call``."""
        begun, status = time.monotonic(), None
        try:
            with self._borrowed() as session:
                answer = session.request(
                    method,
                    self.url + path,
                    params=params,
                    data=None if body is None else json.dumps(body).encode(),
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                )
                # Read here, for the answer is a cycle that would keep its page until Python looks for cycles.
                content = b"".join(answer.iter_content(1 << 20))
                status = answer.status_code
        except requests.RequestException as error:
            raise TransientError(
                f"NinjaOne at {self.url} cannot be reached: {network_failure(error)}.",
                certificate_hint(error, "ninjaone")
                or f"{CHECK_URL} Check the network and a proxy in the way ([ninjaone] proxy, HTTPS_PROXY).",
            ) from error
        finally:
            requested(log, f"{method} {path}", begun, status)
        return self._checked(answer, content)

    def unexpected(self, what: str, answer: Answer) -> NinjasyncError:
        """Return the error for an answer to ``what`` that cannot be used."""
        detail, _ = scim.read_error(answer.body)
        said = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
        if answer.status == 403:
            return CredentialsError(f"NinjaOne refused the {what} at {self.url} ({said}).", _RENEW)
        return UnreachableError(f"NinjaOne did not answer the {what} at {self.url} ({said}).", CHECK_URL)

    def _checked(self, answer: requests.Response, content: bytes) -> Answer:
        status = answer.status_code
        self.dated = self.dated or stated_time(answer.headers.get("Date")) is not None
        self.skew = _server_time(answer) - datetime.now(UTC)
        if status in TRANSIENT:
            raise TransientError(
                f"NinjaOne answered with HTTP {status}, again and again.",
                "Wait and run again; what was not applied is planned anew.",
                status=status,
                pause=retry_after(answer.headers.get("Retry-After"), _server_time(answer)),
            )
        if 300 <= status < 400:
            raise UnreachableError(
                f"{self.url} redirects elsewhere (HTTP {status}); the token is not sent after a redirect.", CHECK_URL
            )
        try:
            # A server may repeat in an error what it was sent; the token must not come through to a message.
            if status >= 400:  # what an error says is shown, and some servers repeat the token in it
                content = content.replace(self._token.get_secret_value().encode(), b"***")
            body = json.loads(content) if content.strip() else None
        except (ValueError, RecursionError):
            body = None
            if status < 300:
                raise UnreachableError(
                    f"{self.url} answered with something that is not JSON, as a login page or a proxy would.",
                    CHECK_URL,
                ) from None
        if status == 401:
            raise CredentialsError(f"NinjaOne refused the SCIM token at {self.url} (HTTP 401).", _RENEW)
        return Answer(status, body)

    @contextmanager
    def _borrowed(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._session()
        try:
            yield session
        finally:
            if self._closed:
                session.close()
            else:
                self._idle.append(session)

    def _session(self) -> requests.Session:
        session = requests.Session()
        # The environment is read once, above: requests would do so for every request, and a
        # .netrc entry would take the place of the token.
        session.trust_env = False
        session.auth = self._authorize
        session.verify = self._verify
        if self._proxy:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        session.headers.update(
            {
                "Accept": f"{_MEDIA_TYPE}, application/json",
                "Content-Type": _MEDIA_TYPE,
                "User-Agent": f"ninjasync/{__version__}",
            }
        )
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request


def _environment_bundle(url: str) -> str | bool:
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)["verify"]
    return found if isinstance(found, str) else True


def _server_time(answer: requests.Response) -> datetime:
    """Return the server's own time: a Retry-After that is a date is meant by its clock, not by ours."""
    return stated_time(answer.headers.get("Date")) or datetime.now(UTC)
