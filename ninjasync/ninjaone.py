"""Reads and writes NinjaOne over SCIM: a Reader, which has no verb to write, and a Writer.

Knows HTTP, the endpoint and its answers; the JSON is ``scim``'s, and what to write is
``apply``'s affair.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import requests
from pydantic import SecretStr

from ninjasync import __version__, scim
from ninjasync.attribute import DISPLAY_NAME, EXTERNAL_ID, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.config import Config
from ninjasync.directory import Directory, Group, Problem, Resource, User
from ninjasync.errors import (
    CredentialsError,
    IncompleteReadError,
    NinjasyncError,
    RefusedRequestError,
    UnreachableError,
)
from ninjasync.mapping import same_value
from ninjasync.pacing import TRANSIENT, Pacer, TransientError, retry_after
from ninjasync.plan import Change, Delta
from ninjasync.transport import authorities, network_failure, proxy_for

R = TypeVar("R", User, Group)

_MEDIA_TYPE = "application/scim+json"
_PATHS: dict[Resource, str] = {"user": "/Users", "group": "/Groups"}

_RENEW = (
    "Make a new token in the NinjaOne console (Administration, Accounts, Identity Providers, your provider, SCIM) "
    "and put it where [ninjaone] secret_token is kept; a token lasts six months."
)
_CHECK_URL = "Check [ninjaone] endpoint_url: it is the SCIM URL that the NinjaOne console shows, unchanged."


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: the HTTP status and the JSON body, None where there is none."""

    status: int
    body: Any


class _Transport:
    """Sends one request, with the token, over a kept-alive connection of the calling thread."""

    def __init__(self, config: Config, token: SecretStr, pacer: Pacer) -> None:
        ninjaone = config.ninjaone
        self.url = ninjaone.endpoint_url
        self._timeout = ninjaone.timeout
        self._token = token
        self.pacer = pacer
        self._proxy = proxy_for(self.url, ninjaone.proxy)
        bundle = authorities(config, "[ninjaone] ca_file", ninjaone.ca_file) if ninjaone.ca_file else None
        self._verify: str | bool = str(bundle) if bundle else _environment_bundle(self.url)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Close every thread's connections."""
        for session in self._sessions:
            session.close()

    def call(self, method: str, path: str, params: dict[str, str] | None = None, body: Any = None) -> _Answer:
        """Return the answer, whatever its status, but for those that are raised.

        Raises TransientError when it stays one after all tries, CredentialsError for a
        401, and UnreachableError for what is no answer of a SCIM endpoint.
        """
        return self.pacer.call(lambda: self.once(method, path, params, body))

    def once(self, method: str, path: str, params: dict[str, str] | None, body: Any) -> _Answer:
        """Make one try; see ``call``."""
        try:
            answer = self._session().request(
                method,
                self.url + path,
                params=params,
                data=None if body is None else json.dumps(body).encode(),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise TransientError(
                f"NinjaOne at {self.url} cannot be reached: {network_failure(error)}.",
                f"{_CHECK_URL} Check the network and a proxy in the way ([ninjaone] proxy, HTTPS_PROXY).",
            ) from error
        return self._checked(answer)

    def _checked(self, answer: requests.Response) -> _Answer:
        status = answer.status_code
        if status in TRANSIENT:
            raise TransientError(
                f"NinjaOne answered with HTTP {status}, again and again.",
                "Wait and run again; what was not applied is planned anew.",
                status=status,
                pause=retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)),
            )
        if 300 <= status < 400:
            raise UnreachableError(
                f"{self.url} redirects elsewhere (HTTP {status}); the token is not sent after a redirect.",
                _CHECK_URL,
            )
        try:
            body = json.loads(answer.content) if answer.content.strip() else None
        except ValueError:
            body = None
            if status < 300:
                raise UnreachableError(
                    f"{self.url} answered with something that is not JSON, as a login page or a proxy would.",
                    _CHECK_URL,
                ) from None
        if status == 401:
            raise CredentialsError(f"NinjaOne refused the SCIM token at {self.url} (HTTP 401).", _RENEW)
        return _Answer(status, body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
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
            self._local.session = session
            self._sessions.append(session)
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request


def _environment_bundle(url: str) -> str | bool:
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)["verify"]
    return found if isinstance(found, str) else True


class Reader:
    """Reads NinjaOne. It has no method that writes, and is all that a plan gets."""

    def __init__(self, config: Config, token: SecretStr, stop: threading.Event) -> None:
        pacer = Pacer(config.run.retries, rate=config.ninjaone.rate_limit, stop=stop)
        self._transport = _Transport(config, token, pacer)
        self._page_size = config.ninjaone.dialect.page_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def directory(self, paths: tuple[str, ...]) -> Directory:
        """Read all users and groups. Raises IncompleteReadError where that cannot be proven."""
        problems: list[Problem] = []
        users = self._list("user", lambda row: scim.read_user(row, paths), problems)
        groups = self._list("group", scim.read_group, problems)
        if not any(group.members is not None for group in groups):
            groups = [self._with_members(group) for group in groups]
        return Directory(paths, tuple(users), tuple(groups), tuple(problems))

    def user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        """Return one user by NinjaOne's id; None where there is none. Raises UnreachableError."""
        return self._one("user", id_, lambda row: scim.read_user(row, paths))

    def group(self, id_: str) -> Group | None:
        """Return one group by NinjaOne's id; None where there is none. Raises UnreachableError."""
        return self._one("group", id_, scim.read_group)

    def created_at(self, resource: Resource, id_: str) -> datetime | None:
        """Return when NinjaOne says that a resource was created; None where it does not say."""
        answer = self._transport.call("GET", f"{_PATHS[resource]}/{quote(id_, safe='')}")
        return scim.read_created(answer.body) if answer.status == 200 else None

    def _one(self, resource: Resource, id_: str, convert: Callable[[Any], R]) -> R | None:
        answer = self._transport.call("GET", f"{_PATHS[resource]}/{quote(id_, safe='')}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _unexpected("look-up", answer, self._transport.url)
        try:
            return convert(answer.body)
        except scim.UnreadableResourceError as error:
            raise UnreachableError(f"NinjaOne's {resource} {id_} {error}.", _CHECK_URL) from error

    def holder(self, resource: Resource, external_id: str, name: str) -> User | Group | None:
        """Return whoever has this externalId or, letter case aside, this userName or displayName."""
        naming = USER_NAME if resource == "user" else DISPLAY_NAME
        for attribute, value in ((EXTERNAL_ID, external_id), (naming, name)):
            found: list[User] | list[Group]
            if resource == "user":
                found = self._find("user", attribute, value, lambda row: scim.read_user(row, ()))
            else:
                found = self._find("group", attribute, value, scim.read_group)
            for one in found:
                own = one.user_name if isinstance(one, User) else one.display_name
                if one.external_id == external_id or own.casefold() == name.casefold():
                    return one
        return None

    def find_user(self, external_id: str, user_name: str) -> User | None:
        """Look up the user with this externalId, or with this userName and no externalId; None if there is none."""
        for name, value in ((EXTERNAL_ID, external_id), (USER_NAME, user_name)):
            for found in self._find("user", name, value, lambda row: scim.read_user(row, ())):
                # A server may ignore the filter and return everything.
                if name == EXTERNAL_ID and found.external_id == external_id:
                    return found
                same = found.user_name.casefold() == user_name.casefold()
                if name == USER_NAME and same and found.external_id is None:
                    return found
        return None

    def find_group(self, external_id: str, display_name: str) -> Group | None:
        """Look up the group with this externalId, or with this displayName and no externalId; None if there is none."""
        for name, value in ((EXTERNAL_ID, external_id), (DISPLAY_NAME, display_name)):
            for found in self._find("group", name, value, scim.read_group):
                if name == EXTERNAL_ID and found.external_id == external_id:
                    return found
                if name == DISPLAY_NAME and found.display_name == display_name and found.external_id is None:
                    return found
        return None

    def _find(self, resource: Resource, name: str, value: str, convert: Callable[[Any], R]) -> list[R]:
        params = {"filter": f"{name} eq {scim.quoted(value)}"}
        answer = self._transport.call("GET", _PATHS[resource], params)
        if answer.status in (
            400,
            404,
        ):  # a filter on externalId need not be supported; some give 404 for no hit
            return []
        page = scim.read_page(answer.body) if answer.status == 200 else None
        if page is None:
            raise _unexpected("look-up", answer, self._transport.url)
        found = []
        for row in page.resources:
            try:
                found.append(convert(row))
            except scim.UnreadableResourceError:
                continue
        return found

    def _list(self, resource: Resource, convert: Callable[[Any], R], problems: list[Problem]) -> list[R]:
        """Page by what came, not by what was asked for (RFC 7644 §3.4.2.4)."""
        found: dict[str, R] = {}
        seen = 0
        while True:
            params = {"startIndex": str(seen + 1), "count": str(self._page_size)}
            answer = self._transport.call("GET", _PATHS[resource], params)
            if answer.status != 200:
                raise _unexpected("list", answer, self._transport.url)
            page = scim.read_page(answer.body)
            if page is None:
                raise UnreachableError(f"{self._transport.url} answered with no SCIM list.", _CHECK_URL)
            before = len(found) + len(problems)
            for row in page.resources:
                try:
                    item = convert(row)
                    found.setdefault(item.id or "", item)
                except scim.UnreadableResourceError as error:
                    problems.append(_unreadable(resource, row, error))
            seen += len(page.resources)
            if page.total is not None and seen >= page.total:
                break
            if not page.resources:
                if page.total is None:
                    break
                raise IncompleteReadError(
                    f"NinjaOne says that it has {page.total} {resource}s, but sent {seen}.",
                    "Run again; if it stays so, set [ninjaone.dialect] page_size to what one page held.",
                )
            if len(found) + len(problems) == before:
                raise IncompleteReadError(
                    f"NinjaOne sends the same {resource}s again for each page, so the rest cannot be read.",
                    "Set [ninjaone.dialect] page_size to at least the number of accounts.",
                )
        return list(found.values())

    def _with_members(self, group: Group) -> Group:
        """Read a group by id where lists do not carry members; they stay None if it does not show them either."""
        assert group.id is not None
        answer = self._transport.call("GET", f"/Groups/{quote(group.id, safe='')}")
        if answer.status != 200:
            return group
        try:
            return scim.read_group(answer.body)
        except scim.UnreadableResourceError:
            return group


class Writer(Reader):
    """Writes one resource at a time. Every method raises a NinjasyncError that says what failed."""

    def __init__(self, config: Config, token: SecretStr, stop: threading.Event) -> None:
        super().__init__(config, token, stop)
        self._dialect = config.ninjaone.dialect

    def create_user(self, change: Change) -> str:
        """Create the user of a create and return NinjaOne's id."""
        assert change.external_id is not None
        external_id = change.external_id
        body = scim.new_user(external_id, change.diff, self._dialect)
        answer, id_ = self._create("user", body, lambda: self.find_user(external_id, change.key))
        _expect_kept(change.diff, answer)
        return id_

    def create_group(self, change: Change, members: list[str]) -> str:
        """Create the group of a create with its first ``members`` (NinjaOne ids) and return NinjaOne's id."""
        assert change.external_id is not None
        external_id = change.external_id
        first, rest = members[: self._dialect.members_per_call], members[self._dialect.members_per_call :]
        body = scim.new_group(external_id, change.key, first, self._dialect)
        _, id_ = self._create("group", body, lambda: self.find_group(external_id, change.key))
        self.change_members(id_, rest, [])
        return id_

    def patch(self, resource: Resource, id_: str, diff: tuple[Delta, ...]) -> None:
        """Change attributes of one resource."""
        if diff:
            answer = self._write("PATCH", resource, id_, scim.patch(diff, self._dialect))
            _expect_kept(diff, answer.body)

    def change_members(self, id_: str, added: list[str], removed: list[str]) -> None:
        """Add and remove members (NinjaOne ids) of one group."""
        for body in scim.member_patches(added, removed, self._dialect):
            self._write("PATCH", "group", id_, body)

    def delete(self, resource: Resource, id_: str) -> None:
        """Delete one resource; one that is gone already counts as deleted."""
        self._write("DELETE", resource, id_, None)

    def _create(self, resource: Resource, body: Any, find: Callable[[], User | Group | None]) -> tuple[Any, str]:
        """POST, but look before trying again: a POST whose answer was lost may have been carried out.

        Returns the answer's body, None where it was lost, and NinjaOne's id.
        """
        unsure = False

        def attempt() -> _Answer | str:
            nonlocal unsure
            if unsure and (done := self._settled(find)):
                return done
            try:
                return self._transport.once("POST", _PATHS[resource], None, body)
            except TransientError as error:
                unsure = unsure or error.maybe_done
                raise

        answer = self._transport.pacer.call(attempt)
        if unsure and isinstance(answer, _Answer) and answer.status == 409:
            answer = self._settled(find) or answer
        if isinstance(answer, str):
            return None, answer
        self._expect_success("POST", answer)
        try:
            return answer.body, scim.read_id(answer.body)
        except scim.UnreadableResourceError:
            found = find()  # some servers answer 201 without a body, or without having created anything
        if found is None or found.id is None:
            raise RefusedRequestError(
                f"NinjaOne answered HTTP {answer.status}, but the {resource} is not there.",
                "Run plan again; if it stays so, ask NinjaOne's support.",
                status=answer.status,
            )
        return None, found.id

    @staticmethod
    def _settled(find: Callable[[], User | Group | None]) -> str | None:
        """Return the id of what an earlier POST created after all; None if it did not."""
        try:
            found = find()
        except TransientError as error:  # it had its tries already
            raise UnreachableError(error.message, error.hint) from error
        return found.id if found else None

    def _write(self, method: str, resource: Resource, id_: str, body: Any) -> _Answer:
        answer = self._transport.call(method, f"{_PATHS[resource]}/{quote(id_, safe='')}", None, body)
        if not (method == "DELETE" and answer.status == 404):
            self._expect_success(method, answer)
        return answer

    @staticmethod
    def _expect_success(method: str, answer: _Answer) -> None:
        if 200 <= answer.status < 300:
            return
        detail, scim_type = scim.read_error(answer.body)
        words = " ".join(part for part in (f"HTTP {answer.status}", scim_type) if part)
        said = f": {detail.rstrip('.')}" if detail else ""
        raise RefusedRequestError(
            f"NinjaOne refused the {method} ({words}){said}.",
            _HINTS.get(answer.status, ""),
            status=answer.status,
            scim_type=scim_type,
        )


def _expect_kept(diff: tuple[Delta, ...], body: Any) -> None:
    """Compare what NinjaOne answers with what was sent, for the two attributes that decide on privileges.

    It silently makes an end user of a type, and a global end user of an organization, that
    it does not accept. Raises RefusedRequestError then. Answers need not have a body.
    """
    for delta in diff:
        if delta.path not in (USER_TYPE, ORGANIZATION_ID) or delta.after is None or not isinstance(body, dict):
            continue
        stored = scim.value_at(body, delta.path)
        if stored is not None and not same_value(delta.path, stored, str(delta.after)):
            name = delta.path.rpartition(":")[2]
            raise RefusedRequestError(
                f'NinjaOne was sent {name} "{delta.after}" and stored "{stored}".',
                "Look at this account in the NinjaOne console; it may have more, or less, rights than it should.",
                status=200,
            )


_HINTS = {
    403: "NinjaOne lets nobody change this resource over SCIM; a system administrator is such a one.",
    404: "It is gone from NinjaOne; run plan again.",
    409: "Somebody else has that name in NinjaOne; the next plan says who, if NinjaOne shows him.",
}


def _unreadable(resource: Resource, row: Any, error: scim.UnreadableResourceError) -> Problem:
    record = row if isinstance(row, dict) else {}
    name = scim.get(record, USER_NAME if resource == "user" else DISPLAY_NAME)
    key, external_id = name or scim.get(record, "id") or "?", scim.get(record, EXTERNAL_ID)
    return Problem(
        resource,
        str(key),
        external_id if isinstance(external_id, str) else None,
        "unreadable-record",
        f"NinjaOne's record {error}; it is left as it is and no removal is made in this run",
    )


def _unexpected(what: str, answer: _Answer, url: str) -> NinjasyncError:
    detail, _ = scim.read_error(answer.body)
    said = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
    if answer.status == 403:
        return CredentialsError(f"NinjaOne refused the {what} at {url} ({said}).", _RENEW)
    return UnreachableError(f"NinjaOne did not answer the {what} at {url} ({said}).", _CHECK_URL)
