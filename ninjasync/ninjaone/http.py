"""HTTP with a SCIM endpoint: the token, kept-alive connections, tries, and telling an answer from none.

Knows requests and statuses. Must not know what is asked for, nor what an answer means (``endpoint``).
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict

from ninjasync import __version__
from ninjasync.config.ninjaone import MediaType
from ninjasync.config.operation import MOST_WORKERS
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, NinjasyncError, UnreachableError
from ninjasync.log import requested
from ninjasync.model.exchange import Exchange
from ninjasync.model.message import Message, number, text, word
from ninjasync.net.connection import (
    as_utf8,
    authorities,
    certificate_hint,
    environment_authorities,
    in_no_charset,
    network_failure,
    parse_json,
    proxy_for,
    stated_time,
)
from ninjasync.net.pacing import Pacer, TransientError, may_pass, retry_after
from ninjasync.ninjaone import scim_responses
from ninjasync.ninjaone.adapter import EndpointAdapter

log = logging.getLogger(__name__)

CONTENT_TYPES: dict[MediaType, str] = {"scim": "application/scim+json", "json": "application/json"}
# What is asked for; some servers know no list of types, and no type but their own.
_ACCEPT: dict[MediaType, str] = {"scim": "application/scim+json, application/json", "json": "application/json"}
_OTHER: dict[MediaType, MediaType] = {"scim": "json", "json": "scim"}
_WRONG_TYPE = frozenset({406, 415})  # not acceptable, unsupported media type

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


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. ``parse`` makes of a 200's body what ``Answer.body`` is to be; else it is JSON's own."""

    method: str
    path: str
    params: dict[str, str] | None = None
    body: Any = None
    parse: Callable[[bytes], Any] = parse_json


class ScimTransport:
    """Sends requests to one endpoint. Safe to share between threads: no two use one connection at once."""

    def __init__(
        self, config: Config, token: SecretStr, pacer: Pacer, hear: Callable[[Exchange], None] | None = None
    ) -> None:
        ninjaone = config.ninjaone
        self._hear = hear
        self.url = ninjaone.endpoint_url
        self.pacer = pacer
        self.media_type = ninjaone.dialect.media_type  # the one in use
        self._types_tried = False
        self._lock = threading.Lock()
        self._timeout = ninjaone.timeout
        self._token = token
        proxy = proxy_for(self.url, ninjaone.proxy)
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._verify = _verify(config) if self.url.startswith("https:") else True
        # How far the server's clock is ahead of ours, as far as its Date headers tell.
        self.skew = timedelta(0)
        self.dated = False
        # One pool for all threads, below requests' Session.
        self._adapter = EndpointAdapter(pool_connections=1, pool_maxsize=MOST_WORKERS)
        self._base, self._headers = self._in_common()

    def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        self._adapter.close()

    def call(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        body: Any = None,
        parse: Callable[[bytes], Any] = parse_json,
    ) -> Answer:
        """Return the answer, whatever its status, but for those that are raised.

        ``parse`` makes what it likes of the body of a 200; it raises ValueError as ``parse_json`` does.
        Raises TransientError when it stays one after all tries, CredentialsError for a
        401, and UnreachableError for what is no answer of a SCIM endpoint.
        """
        call = Call(method, path, params, body, parse)
        return self.pacer.call(lambda: self.once(call))

    def once(self, call: Call) -> Answer:
        """Make one try; see ``call``. The first that is refused for its media type is sent again as the other."""
        sent_as = self.media_type
        answer = self._sent(call, sent_as)
        if answer.status not in _WRONG_TYPE or (self._types_tried and sent_as == self.media_type):
            return answer
        self.pacer.expect_running()
        second = self._sent(call, _OTHER[sent_as])
        if second.status in _WRONG_TYPE:
            self._types_tried = True
            return answer
        self._keep(_OTHER[sent_as])
        return second

    def _keep(self, media_type: MediaType) -> None:
        """Send all that follows as the type that proved right. Several threads may find that out at once."""
        with self._lock:
            self._types_tried = True
            before, self.media_type = self.media_type, media_type
        if before != media_type:
            kept = CONTENT_TYPES[media_type]
            log.warning(
                "NinjaOne takes %s alone; it is used for the rest of this run. "
                'Set [ninjaone.dialect] media_type = "%s".',
                kept,
                media_type,
            )

    def _sent(self, call: Call, media_type: MediaType) -> Answer:
        begun, status = time.monotonic(), None
        try:
            answer = self._adapter.send(
                self._prepared(call, media_type),
                stream=True,
                timeout=self._timeout,
                verify=self._verify,  # type: ignore[arg-type]  # None is EndpointAdapter's own
                proxies=self._proxies,
            )
            # Read here, for the answer is a cycle that would keep its page until Python looks for cycles.
            content = answer.raw.read(decode_content=True)
            answer.raw.release_conn()
            status = answer.status_code
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TransientError(
                Message("NinjaOne at {} cannot be reached: {}.", word(self.url), word(network_failure(error))),
                certificate_hint(error, "ninjaone")
                or f"{CHECK_URL} Check the network and a proxy in the way ([ninjaone] proxy, HTTPS_PROXY).",
            ) from error
        finally:
            requested(log, f"{call.method} {call.path}", begun, status)
        if self._hear is not None:
            spent = time.monotonic() - begun
            sent = (call.method, call.path, call.params or {}, call.body)
            self._hear(Exchange("NinjaOne", *sent, answer.status_code, dict(answer.headers), content, spent))
        return self._checked(answer, content, call.parse)

    def unexpected(self, what: str, answer: Answer) -> NinjasyncError:
        """Return the error for an answer to ``what`` that cannot be used."""
        detail, _ = scim_responses.read_error(answer.body)
        said = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
        if answer.status == 403:
            return CredentialsError(
                Message("NinjaOne refused the {} at {} ({}).", word(what), word(self.url), text(said)), _RENEW
            )
        return UnreachableError(
            Message("NinjaOne did not answer the {} at {} ({}).", word(what), word(self.url), text(said)), CHECK_URL
        )

    def _checked(self, answer: requests.Response, content: bytes, parse: Callable[[bytes], Any]) -> Answer:
        status = answer.status_code
        stated, now = stated_time(answer.headers.get("Date")), datetime.now(UTC)
        self.dated = self.dated or stated is not None
        # A Retry-After that is a date is meant by the server's clock, not by ours.
        theirs = stated or now
        self.skew = theirs - now
        again = answer.headers.get("Retry-After")
        if may_pass(status, again):
            raise TransientError(
                Message("NinjaOne answered with HTTP {}, again and again.", number(status)),
                "Wait and run again; what was not applied is planned anew.",
                status=status,
                pause=retry_after(again, theirs),
            )
        if 300 <= status < 400:
            raise UnreachableError(
                Message(
                    "{} redirects elsewhere (HTTP {}); the token is not sent after a redirect.",
                    word(self.url),
                    number(status),
                ),
                CHECK_URL,
            )
        content = self._as_utf8(answer, content)
        try:
            # A server may repeat in an error what it was sent; the token must not come through to a message.
            if status >= 400:  # what an error says is shown, and some servers repeat the token in it
                content = content.replace(self._token.get_secret_value().encode(), b"***")
            parse = parse if status == 200 else parse_json
            body = parse(content) if content.strip() else None
        except (ValueError, RecursionError) as error:
            body = None
            if status < 300 and isinstance(error, UnicodeDecodeError):
                raise in_no_charset(self.url) from None
            if status < 300:
                raise UnreachableError(
                    Message(
                        "{} answered with something that is not JSON, as a login page or a proxy would.", word(self.url)
                    ),
                    CHECK_URL,
                ) from None
        if status == 401:
            raise CredentialsError(Message("NinjaOne refused the SCIM token at {} (HTTP 401).", word(self.url)), _RENEW)
        return Answer(status, body)

    def _as_utf8(self, answer: requests.Response, content: bytes) -> bytes:
        try:
            return as_utf8(content, answer.headers.get("Content-Type"), self.url)
        except UnreachableError:
            if answer.status_code < 300:
                raise
            return b""  # what an error says can be done without

    def _prepared(self, call: Call, media_type: MediaType) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        prepared.method = call.method
        prepared.url = f"{self._base}{call.path}" + (f"?{urlencode(call.params)}" if call.params else "")
        prepared.body = None if call.body is None else json.dumps(call.body).encode()
        prepared.headers = self._headers.copy()
        prepared.headers["Content-Type"], prepared.headers["Accept"] = CONTENT_TYPES[media_type], _ACCEPT[media_type]
        prepared.prepare_content_length(prepared.body)
        return prepared

    def _in_common(self) -> tuple[str, CaseInsensitiveDict[str]]:
        """Return what all requests have in common: the endpoint's URL, quoted where need be, and headers."""
        headers = {"User-Agent": f"ninjasync/{__version__}"}
        blank = requests.Request("GET", f"{self.url}/Users", {**requests.utils.default_headers(), **headers}).prepare()
        assert blank.url is not None
        blank.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return blank.url.removesuffix("/Users"), blank.headers


def _verify(config: Config) -> str | bool | None:
    """Return by what NinjaOne's certificate is verified: a bundle, requests' own (True), or the system's (None)."""
    given = config.ninjaone.ca_file
    bundle = authorities(config, "[ninjaone] ca_file", given) if given else environment_authorities()
    if bundle is not None:
        return str(bundle)
    return None if given else True
