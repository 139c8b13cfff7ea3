"""Reads users and groups from the Duo Admin API and proves the read complete.

Signing and the parsing of errors are ``duo_client``'s; the connections are ours.
Knows Duo's paging and errors; what a record means is decided by whoever converts it.
Cannot write: nothing here sends anything but GET.
"""

import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import GenericAlias
from typing import Any, TypedDict, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import duo_client
import duo_client.client
import msgspec
import urllib3
from pydantic import SecretStr

from ninjasync import __version__
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.log import requested, timed
from ninjasync.model.directory import Resource
from ninjasync.model.events import Read
from ninjasync.model.exchange import Exchange
from ninjasync.net.connection import (
    as_utf8,
    authorities,
    certificate_hint,
    in_no_charset,
    network_failure,
    parse_json,
    proxy_for,
    stated_time,
)
from ninjasync.net.pacing import Pacer, TransientError, may_pass, retry_after
from ninjasync.net.prefetch import Prefetch

log = logging.getLogger(__name__)

T = TypeVar("T")
_Raw = tuple[urllib3.BaseHTTPResponse, bytes]

_USERS, _USERS_A_PAGE = "/admin/v1/users", 300
_GROUPS, _GROUPS_A_PAGE = "/admin/v1/groups", 500
_IDS_A_CALL = 100  # the most that user_id_list takes is not documented
_TRASHED = "pending deletion"
_RESOURCES: dict[str, Resource] = {"users": "user", "groups": "group"}

# Duo's error codes and their cures (Duo Admin API, "Response format"). Its text for 40103 is vague on purpose.
_CREDENTIALS = {
    40101: "Check [duo] integration_key and secret_key.",
    40102: "Check [duo] integration_key: it must be that of an Admin API application of this Duo account.",
    40103: "Check [duo] secret_key, and that this machine's clock is right: Duo signs with the time.",
    40104: "Set this machine's clock and locale right: Duo could not read the date that was sent.",
    40105: "Set this machine's clock: Duo refuses requests whose time is off.",
    40301: 'Give the Admin API application the permission "Grant resource - Read" in the Duo Admin Panel.',
}


class _Transport(duo_client.Admin):  # type: ignore[misc]  # duo_client ships no types
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
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise TransientError(
                f"Duo at {self.host} cannot be reached: {network_failure(error)}.",
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
            raise TransientError(
                f"Duo answered with HTTP {answer.status} {answer.reason or ''}".rstrip() + ", again and again.",
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
        pool = self._pool
        pool.clear() if isinstance(pool, urllib3.PoolManager) else pool.close()

    def api_call(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        # duo_client writes into the params that it is given, hence a copy for each try.
        return self._pacer.call(lambda: super(_Transport, self).api_call(method, path, {**params, **self._account}))


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


class _ShortReadError(IncompleteReadError):
    """Duo counts more than it lists, by ``lack``; ``found`` is what it lists, None where paging is to blame."""

    def __init__(self, found: list[Any] | None, ids: frozenset[str], lack: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.found, self.ids, self.lack = found, ids, lack


class DuoReader:
    """Reads one Duo account. Every method raises CredentialsError, UnreachableError or IncompleteReadError.

    ``fields`` are those of a user's record that are asked for, None for all: what else Duo
    sends may be left out, without it being parsed. ``unlisted`` is how many users the last
    ``users`` lacked of those that Duo counts, the same twice; ``nameless`` are the ids of the
    groups that the last ``groups`` had to pass over, as they have no name.
    """

    def __init__(
        self,
        context: RunContext,
        secret: SecretStr,
        fields: frozenset[str] | None = None,
        hear: Callable[[Exchange], None] | None = None,
    ) -> None:
        config, rate = context.config, context.config.duo.rate_limit
        self._tell = context.listener
        pacer = Pacer(config.run.retries, rate=rate / 60, burst=rate, stop=context.stop, service="Duo", tell=self._tell)
        self._transport = _Transport(config, secret, pacer, hear)
        self._threads = config.run.parallelism
        self.unlisted = 0
        self.nameless: tuple[str, ...] = ()
        self._parse = {_GROUPS: parse_json, _USERS: _parser_of(fields) if fields else parse_json}

    @property
    def skew(self) -> timedelta | None:
        """How far Duo's clock is ahead of ours; None as long as no answer said."""
        return self._transport.skew

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @timed(log, "read Duo groups")
    def groups(self) -> dict[str, str]:
        """Return every group's name by its Duo id, but for those that are ``nameless``."""

        def convert(row: Any) -> tuple[str, str]:
            match row:
                case {"group_id": str(id_), "name": str(name)} if id_:
                    return id_, name
                case {"group_id": str(id_)} if id_:
                    return id_, ""
            raise IncompleteReadError(
                "Duo sent a group without an id, so it is not known who is in which group.",
                "Run again; if it stays so, look at the groups in the Duo Admin Panel.",
            )

        found = dict(self._read_all(_GROUPS, _GROUPS_A_PAGE, "groups", "group_id", convert))
        self.nameless = tuple(sorted(id_ for id_, name in found.items() if not name.strip()))
        return {id_: name for id_, name in found.items() if name.strip()}

    @timed(log, "read Duo users")
    def users(self, convert: Callable[[Any], T]) -> list[T]:
        """Return ``convert`` of every user's record, in Duo's order; the raw records are dropped page by page."""
        return self._read_all(_USERS, _USERS_A_PAGE, "users", "user_id", convert)

    def users_by_id(self, ids: list[str], convert: Callable[[Any], T]) -> list[T]:
        """Return ``convert`` of those of these users whom Duo has: who was merely passed over is found here."""
        found: list[T] = []
        for start in range(0, len(ids), _IDS_A_CALL):
            some = set(ids[start : start + _IDS_A_CALL])
            params = {"user_id_list": json.dumps(sorted(some)), "limit": str(_USERS_A_PAGE), "offset": "0"}
            rows, _ = self._call(_USERS, params)
            # A server that does not know the filter would send anybody.
            found += [convert(row) for row in rows if isinstance(row, dict) and row.get("user_id") in some]
        return found

    def _read_all(self, path: str, size: int, what: str, key: str, convert: Callable[[Any], T]) -> list[T]:
        """Read all pages; once more if the first time proves incomplete, as people change while we read.

        Users who lack the same twice are taken as they are, and ``unlisted`` says how many
        lack: Duo may count its trash without listing it (CONTRACT 7.5).
        """
        try:
            return self._read_once(path, size, what, key, convert)
        except _ShortReadError as error:
            first = error.ids
        except IncompleteReadError:
            first = frozenset()
        try:
            return self._read_once(path, size, what, key, convert)
        except _ShortReadError as again:
            if path != _USERS or again.found is None or again.ids != first:
                raise
            self.unlisted = again.lack
            return again.found

    def _read_once(self, path: str, size: int, what: str, key: str, convert: Callable[[Any], T]) -> list[T]:
        """Page through ``path``. Complete is: as many unique ids as Duo says that there are."""
        found: list[T] = []
        ids: set[str] = set()
        trashed = nameless = repeated = 0
        total: object = None
        for rows, stated in self._pages(path, size, what):
            if total not in (None, stated):
                raise IncompleteReadError(
                    f"The number of Duo's {what} changed from {total} to {stated} while they were read, "
                    "so that some may have been passed over.",
                    "Run again; if it stays so, somebody is changing many at this moment.",
                )
            total = stated
            for row in rows:
                id_ = row.get(key) if type(row) is dict else None
                if not isinstance(id_, str) or not id_:
                    nameless += 1
                elif id_ in ids:
                    repeated += 1
                    continue
                else:
                    ids.add(id_)
                    trashed += row.get("status") == _TRASHED
                found.append(convert(row))
            self._tell(Read("Duo", _RESOURCES[what], len(found), stated if isinstance(stated, int) else None))
        count = len(ids) + nameless
        # Whether Duo counts the users in its trash is not documented; it lists them.
        if total not in (count, count - trashed):
            # One who came twice, or nobody at all, shows that paging fails; the trash would not.
            short = bool(found) and not repeated and isinstance(total, int) and total > count
            raise _ShortReadError(
                found if short else None,
                frozenset(ids),
                total - count if isinstance(total, int) else 0,
                f"Duo says that it has {total} {what}, but sent {count}; nothing is decided on a partial read.",
                "Run again; if it stays so, ask Duo's support why paging skips records.",
            )
        return found

    def _pages(self, path: str, size: int, what: str) -> Iterator[tuple[list[Any], object]]:
        """Yield each page and the stated total. ``next_offset`` decides which page follows.

        After the first page the others are fetched side by side, by arithmetic; where
        ``next_offset`` says otherwise, it is followed, one page after the other.
        """
        prefetch: Prefetch[int, _Raw] = Prefetch(lambda offset: self._fetch(path, size, offset), self._threads)
        with prefetch:
            rows, metadata = self._parsed(path, prefetch.get(0))
            prefetch.announce(_offsets(rows, metadata))
            yield from self._following(path, what, rows, metadata, prefetch)

    def _following(
        self, path: str, what: str, rows: list[Any], metadata: Mapping[str, Any], prefetch: Prefetch[int, _Raw]
    ) -> Iterator[tuple[list[Any], object]]:
        offset = 0
        while True:
            total = metadata.get("total_objects")
            if isinstance(total, bool) or not isinstance(total, int):
                raise IncompleteReadError(
                    f"Duo did not say how many {what} there are (metadata.total_objects), "
                    "so the read cannot be proven complete.",
                    "Run again; if it stays so, ask Duo's support.",
                )
            yield rows, total
            following = metadata.get("next_offset")
            if following is None:
                return
            if not rows:
                raise IncompleteReadError(
                    f"Duo sent an empty page of {what}, and says that more follow; "
                    "nothing is decided on a partial read.",
                    "Run again; if it stays so, ask Duo's support.",
                )
            if not isinstance(following, int) or following <= offset:
                raise IncompleteReadError(
                    f"Duo's paging of {what} stands still: after offset {offset} comes {following!r}.",
                    "Run again; if it stays so, ask Duo's support.",
                )
            offset = following
            rows, metadata = self._parsed(path, prefetch.get(offset))

    def _fetch(self, path: str, size: int, offset: int) -> _Raw:
        answer: _Raw = self._transport.api_call("GET", path, {"limit": str(size), "offset": str(offset)})
        return answer

    def _call(self, path: str, params: Mapping[str, str]) -> tuple[list[Any], Mapping[str, Any]]:
        return self._parsed(path, self._transport.api_call("GET", path, params))

    def _parsed(self, path: str, raw: _Raw) -> tuple[list[Any], Mapping[str, Any]]:
        host = self._transport.host
        answer, data = raw
        try:
            if answer.status == 200 and (body := self._parse[path](data))["stat"] == "OK":
                rows, metadata = body["response"], body["metadata"]
            else:
                rows, metadata = self._transport.parse_json_response_and_metadata(answer, data)
        except RuntimeError as error:
            raise _refused(host, error, child=self._transport.is_child) from error
        except UnicodeDecodeError as error:
            raise in_no_charset(f"Duo at {host}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _no_answer(host) from error
        if not isinstance(rows, list) or not isinstance(metadata, dict):
            raise _no_answer(host)
        return rows, metadata


def _parser_of(fields: frozenset[str]) -> Callable[[bytes], Any]:
    """Return ``parse_json`` for pages of users that skips what is not among ``fields``, and of groups all but ids."""
    typed: Any = TypedDict  # mypy wants the fields written out
    group = typed("group", {"group_id": Any}, total=False)
    row = typed("row", {**dict.fromkeys(fields, Any), "groups": GenericAlias(list, group)}, total=False)
    page = typed("page", {"stat": Any, "response": GenericAlias(list, row), "metadata": Any}, total=False)
    decode = msgspec.json.Decoder(page).decode
    return lambda data: parse_json(data, decode)


def _offsets(rows: list[Any], metadata: Mapping[str, Any]) -> range:
    """Return where the pages after the first begin, if its size and Duo's own word agree on it."""
    following, total = metadata.get("next_offset"), metadata.get("total_objects")
    if not rows or following != len(rows) or not isinstance(total, int):
        return range(0)
    return range(len(rows), total, len(rows))


def _no_answer(host: str) -> UnreachableError:
    return UnreachableError(
        f"{host} answered with something that is no answer of the Duo Admin API.",
        "Check [duo] api_hostname, and that no proxy answers in Duo's place.",
    )


_CHILD = (
    "With [duo] account_id the keys must be those of the parent's Accounts API application, account_id that of "
    "one of its child accounts, and api_hostname the child's own."
)


def _refused(host: str, error: RuntimeError, *, child: bool) -> Exception:
    """Turn duo_client's error (``.status`` and ``.data``, a dict or text) into ours."""
    status, data = getattr(error, "status", None), getattr(error, "data", None)
    if not isinstance(data, dict) or not isinstance(data.get("code"), int):
        return _no_answer(host)
    code, text = data.get("code"), data.get("message")
    detail = f" ({data['message_detail']})" if data.get("message_detail") else ""
    said = f"{code} {text}{detail}"
    if code in _CREDENTIALS or status in (401, 403):
        hint = _CREDENTIALS.get(code) if isinstance(code, int) else None
        hint = _CHILD if child and code in (40102, 40301) else hint
        return CredentialsError(f"Duo refused the credentials for {host}: {said}.", hint or _CREDENTIALS[40101])
    return UnreachableError(f"Duo at {host} refused to answer: HTTP {status}, {said}.", _REACH_HINT)
