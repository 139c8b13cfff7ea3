"""Requests to the Duo Admin API: signed anew for each try, over kept-alive connections, with errors in words.

Signing and the parsing of errors are ``duo_client``'s; the connections are ours. Must not know
pages or records. Cannot write: the reader sends nothing but GET.
"""

import http.client
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import duo_client
import duo_client.client
import urllib3
from pydantic import SecretStr

from ninjasync import __version__
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, UnreachableError
from ninjasync.log import requested
from ninjasync.model.exchange import Exchange
from ninjasync.model.message import NOTHING, Message, number, shortened, text, word
from ninjasync.net.connection import (
    as_utf8,
    authorities,
    certificate_hint,
    network_failure,
    proxy_for,
    stated_time,
)
from ninjasync.net.pacing import Pacer, TransientError, may_pass, retry_after

log = logging.getLogger(__name__)

# Duo's error codes and their cures (Duo Admin API, "Response format"). Its text for 40103 is vague on purpose.
_CREDENTIALS = {
    40101: "Check [duo] integration_key and secret_key.",
    40102: "Check [duo] integration_key: it must be that of an Admin API application of this Duo account.",
    40103: "Check [duo] secret_key, and that this machine's clock is right: Duo signs with the time.",
    40104: "Set this machine's clock and locale right: Duo could not read the date that was sent.",
    40105: "Set this machine's clock: Duo refuses requests whose time is off.",
    40301: 'Give the Admin API application the permission "Grant resource - Read" in the Duo Admin Panel.',
}


class DuoClient(duo_client.Admin):  # type: ignore[misc]  # duo_client ships no types
    """``duo_client`` over kept-alive connections with finite timeouts, each try signed anew.

    ``_make_request`` and ``api_call`` are its seams: the first must be one single
    attempt, else duo_client's own loop would send one signature again and again.
    """

    def __init__(
        self, config: Config, secret: SecretStr, pacer: Pacer, hear: Callable[[Exchange], None] | None = None
    ) -> None:
        self._hear = hear
        url = urlsplit(config.duo.api_hostname)
        super().__init__(
            config.duo.integration_key,
            secret.get_secret_value(),
            url.hostname,
            user_agent=f"ninjasync/{__version__}",
            timeout=config.duo.timeout,
        )
        self._pacer = pacer
        # Part of what is signed; api_hostname is then the child's own.
        self._account = {"account_id": config.duo.account_id} if config.duo.account_id else {}
        self.skew: timedelta | None = None
        self._pool, self._origin = _pool(config)

    def _make_request(
        self, method: str, uri: str, body: str | None, headers: Mapping[bytes, bytes]
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        plain = {name.decode(): value.decode() for name, value in headers.items()}
        begun, status = time.monotonic(), None
        try:
            answer = self._pool.urlopen(
                method,
                self._origin + uri,
                body=body,
                headers=plain,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            # Read here, for the answer is a cycle that would keep its page until Python looks for cycles.
            data = answer.read(decode_content=True)
            answer.release_conn()
            status = answer.status
            if status >= 400:  # an error's text is shown; what it repeats of ours must not be a secret
                data = data.replace(self.skey.encode(), b"***")
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise TransientError(
                Message("Duo at {} cannot be reached: {}.", word(self.host), word(network_failure(error))),
                certificate_hint(error, "duo") or _REACH_HINT,
            ) from error
        finally:
            requested(log, f"{method} {uri.partition('?')[0]}", begun, status)
        if self._hear is not None:
            path, _, query = uri.partition("?")
            spent = time.monotonic() - begun
            params = dict(parse_qsl(query))
            self._hear(Exchange("Duo", method, path, params, None, answer.status, dict(answer.headers), data, spent))
        if (theirs := stated_time(answer.headers.get("Date"))) is not None:
            self.skew = theirs - datetime.now(UTC)
        again = answer.headers.get("Retry-After")  # Duo is not known to send one, but what stands before it may
        if may_pass(answer.status, again):
            reason = Message(" {}", text(answer.reason)) if answer.reason else NOTHING
            raise TransientError(
                Message("Duo answered with HTTP {}{}, again and again.", number(answer.status), reason),
                "Wait and run again; if it stays so, look at Duo's status page.",
                status=answer.status,
                pause=retry_after(again, theirs or datetime.now(UTC)),
            )
        return answer, as_utf8(data, answer.headers.get("Content-Type"), f"Duo at {self.host}")

    @property
    def is_child(self) -> bool:
        """Whether a child account is read with its parent's keys."""
        return bool(self._account)

    def close(self) -> None:
        """Close the connections."""
        pool = self._pool
        pool.clear() if isinstance(pool, urllib3.PoolManager) else pool.close()

    def api_call(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        """Make a call, with tries again; return the answer and its body."""
        # duo_client writes into the params that it is given, hence a copy for each try.
        return self._pacer.call(lambda: super(DuoClient, self).api_call(method, path, {**params, **self._account}))


_REACH_HINT = "Check [duo] api_hostname, the network and a proxy in the way ([duo] proxy, HTTPS_PROXY)."


def _pool(config: Config) -> tuple[urllib3.HTTPConnectionPool | urllib3.PoolManager, str]:
    """Return what connects to Duo and what goes before a path there.

    Duo's certificates are pinned to the bundle that duo_client brings, unless
    ``ca_file`` names another.
    """
    duo, url = config.duo, urlsplit(config.duo.api_hostname)
    assert url.hostname is not None
    limits: dict[str, Any] = {"timeout": urllib3.Timeout(duo.timeout), "maxsize": config.run.parallelism}
    if url.scheme == "http":
        return urllib3.HTTPConnectionPool(url.hostname, url.port, **limits), ""
    bundle = authorities(config, "[duo] ca_file", duo.ca_file) if duo.ca_file else duo_client.client.DEFAULT_CA_CERTS
    context = urllib3.util.create_urllib3_context()
    context.load_default_certs() if bundle is None else context.load_verify_locations(cafile=str(bundle))
    limits["ssl_context"] = context
    if proxy := proxy_for(duo.api_hostname, duo.proxy):
        auth = urllib3.util.parse_url(proxy).auth
        headers = urllib3.make_headers(proxy_basic_auth=unquote(auth)) if auth else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **limits), duo.api_hostname
    return urllib3.HTTPSConnectionPool(url.hostname, url.port or 443, **limits), ""


def not_an_answer(host: str) -> UnreachableError:
    """Return the error for something that no Duo Admin API answers."""
    return UnreachableError(
        Message("{} answered with something that is no answer of the Duo Admin API.", word(host)),
        "Check [duo] api_hostname, and that no proxy answers in Duo's place.",
    )


_CHILD = (
    "With [duo] account_id the keys must be those of the parent's Accounts API application, account_id that of "
    "one of its child accounts, and api_hostname the child's own."
)


def refusal(host: str, error: RuntimeError, *, child: bool) -> Exception:
    """Turn duo_client's error (``.status`` and ``.data``, a dict or text) into ours."""
    status, data = getattr(error, "status", None), getattr(error, "data", None)
    if not isinstance(data, dict) or not isinstance(data.get("code"), int):
        return not_an_answer(host)
    code, theirs = data.get("code"), data.get("message")
    detail = f" ({data['message_detail']})" if data.get("message_detail") else ""
    said = shortened(f"{code} {theirs}{detail}")
    if code in _CREDENTIALS or status in (401, 403):
        hint = _CREDENTIALS.get(code) if isinstance(code, int) else None
        hint = _CHILD if child and code in (40102, 40301) else hint
        return CredentialsError(
            Message("Duo refused the credentials for {}: {}.", word(host), text(said)), hint or _CREDENTIALS[40101]
        )
    return UnreachableError(
        Message("Duo at {} refused to answer: HTTP {}, {}.", word(host), number(status), text(said)), _REACH_HINT
    )
