"""The part of the Duo Admin API that reads users and groups: one request in, one response out.

Knows endpoints, paging, permissions and error codes as the Duo Admin API documents them. Must not
know sockets, how a signature is made, or what the company does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import unquote

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.duo.signature import Unauthorized, require_signature
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service, json_response

READ_RESOURCE = "Grant resource - Read"
_MEDIA_TYPE = "application/json"
_DEFAULT_LIMIT = 100
_MAX_USERS = 300
_MAX_GROUPS = 500


class DuoError(Exception):
    """A refusal: HTTP status, Duo's five-digit code, its sentence and maybe a detail."""

    def __init__(self, status: int, code: int, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.document: Json = {"stat": "FAIL", "code": code, "message": message, "message_detail": detail}


@dataclass(frozen=True, slots=True)
class _Page:
    """Some of the rows, and where they lie among all."""

    rows: list[Json]
    total: int
    offset: int
    limit: int

    def metadata(self) -> Json:
        """``total_objects`` always; the offsets where there is such a page (Duo Admin API, "Paging")."""
        metadata = {"total_objects": self.total}
        if self.offset + self.limit < self.total:
            metadata["next_offset"] = self.offset + self.limit
        if self.offset > 0:
            metadata["prev_offset"] = max(0, self.offset - self.limit)
        return metadata


_Result: TypeAlias = Json | _Page
_Params: TypeAlias = Mapping[str, str]


def read_clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


def duo_api(
    people: Company,
    integration_key: str,
    secret_key: str,
    *,
    permissions: Set[str] = frozenset({READ_RESOURCE}),
    clock: Callable[[], datetime] = read_clock,
    account_id: str = "",
) -> Service:
    """Return a Duo Admin API over that company for one integration with those permissions.

    With an ``account_id`` it is that child account, which its parent's keys read by naming it (Accounts API).
    """

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            require_signature(request, integration_key, secret_key, now=clock())
            if request.method != "GET" or READ_RESOURCE not in permissions:
                raise DuoError(403, 40301, "Access forbidden")
            if request.params.get("account_id", "") != account_id:
                raise DuoError(403, 40301, "Access forbidden", "Unknown account_id")
            with people.lock:
                result = _dispatch(people, request)
                return _ok(result)
        except Unauthorized as error:
            return refuse(DuoError(401, error.code, error.message))
        except DuoError as error:
            return refuse(error)

    return answer


def _ok(result: _Result) -> HttpResponse:
    document: Json = {"stat": "OK"}
    if isinstance(result, _Page):
        document |= {"response": result.rows, "metadata": result.metadata()}
    else:
        document["response"] = result
    return json_response(200, document, media_type=_MEDIA_TYPE)


def refuse(error: DuoError) -> HttpResponse:
    """Return the answer that an error is."""
    return json_response(error.status, error.document, media_type=_MEDIA_TYPE)


def _dispatch(people: Company, request: HttpRequest) -> _Result:
    for pattern, endpoint in _ENDPOINTS:
        if match := pattern.fullmatch(request.path):
            return endpoint(people, request.params, *map(unquote, match.groups()))
    raise DuoError(404, 40401, "Resource not found")


def _list_users(people: Company, params: _Params) -> _Result:
    chosen: list[Json] | None = None
    for name, select in _USER_FILTERS.items():
        if name in params:
            chosen = select(people, params[name])
            break
    page = _page(params, _MAX_USERS, people.users if chosen is None else {u["user_id"]: u for u in chosen})
    return _with_groups(people, page)


def _get_user(people: Company, params: _Params, user_id: str) -> _Result:
    return _user(people, _find_record(people.users, user_id))


def _groups_of_user(people: Company, params: _Params, user_id: str) -> _Result:
    user = _user(people, _find_record(people.users, user_id))
    return _page(params, _MAX_GROUPS, {group["group_id"]: group for group in user["groups"]})


def _list_groups(people: Company, params: _Params) -> _Result:
    groups = people.groups
    if "group_id_list" in params:
        wanted = _ids("group_id_list", params["group_id_list"])
        groups = {group_id: groups[group_id] for group_id in wanted if group_id in groups}
    return _page(params, _MAX_GROUPS, groups)


def _get_group(people: Company, params: _Params, group_id: str) -> _Result:
    return _find_record(people.groups, group_id)


def _users_of_group(people: Company, params: _Params, group_id: str) -> _Result:
    _find_record(people.groups, group_id)
    rows = {
        user_id: {"user_id": user_id, "username": people.users[user_id]["username"]}
        for user_id in people.members(group_id)
    }
    return _page(params, _MAX_GROUPS, rows)


_ENDPOINTS: tuple[tuple[re.Pattern[str], Callable[..., _Result]], ...] = (
    (re.compile("/admin/v1/users"), _list_users),
    (re.compile("/admin/v1/users/([^/]+)"), _get_user),
    (re.compile("/admin/v1/users/([^/]+)/groups"), _groups_of_user),
    (re.compile("/admin/v1/groups"), _list_groups),
    (re.compile("/admin/v2/groups/([^/]+)"), _get_group),
    (re.compile("/admin/v2/groups/([^/]+)/users"), _users_of_group),
)


def _find_record(records: Mapping[str, Json], record_id: str) -> Json:
    if record_id not in records:
        raise DuoError(404, 40401, "Resource not found")
    return records[record_id]


def _user(people: Company, user: Json) -> Json:
    """Return the record with its groups embedded; a group that is gone is left out."""
    return {**user, "groups": [people.groups[group] for group in user["groups"] if group in people.groups]}


def _with_groups(people: Company, page: _Page) -> _Page:
    return _Page([_user(people, user) for user in page.rows], page.total, page.offset, page.limit)


def _page(params: _Params, maximum: int, records: Mapping[str, Json]) -> _Page:
    """More than the maximum is not an error: the server returns as many as it wants to."""
    limit = min(_whole_number(params, "limit", _DEFAULT_LIMIT, least=1), maximum)
    offset = _whole_number(params, "offset", 0, least=0)
    return _Page(list(islice(records.values(), offset, offset + limit)), len(records), offset, limit)


def _whole_number(params: _Params, name: str, default: int, *, least: int) -> int:
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < least:
        raise DuoError(400, 40002, "Invalid request parameters", name)
    return int(text)


def _by_username(people: Company, wanted: str) -> list[Json]:
    return _by_usernames(people, [wanted])


def _by_usernames(people: Company, wanted: list[str]) -> list[Json]:
    folded = {name.casefold() for name in wanted}
    return [user for user in people.users.values() if folded & _names_of(user)]


def _names_of(user: Json) -> set[str]:
    aliases = [user[f"alias{number}"] for number in range(1, 5)] + list(user["aliases"].values())
    return {name.casefold() for name in (user["username"], *aliases) if name}


def _by_email(people: Company, wanted: str) -> list[Json]:
    return [user for user in people.users.values() if (user["email"] or "").casefold() == wanted.casefold()]


def _by_ids(people: Company, text: str) -> list[Json]:
    wanted = _ids("user_id_list", text)
    return [people.users[user_id] for user_id in wanted if user_id in people.users]


_USER_FILTERS: Mapping[str, Callable[[Company, str], list[Json]]] = {
    "username": _by_username,
    "email": _by_email,
    "user_id_list": _by_ids,
    "username_list": lambda people, text: _by_usernames(people, _ids("username_list", text)),
}


def _ids(name: str, text: str) -> list[str]:
    """Return a list sent as a JSON array in one parameter."""
    try:
        ids: Any = json.loads(text)
    except ValueError:
        ids = None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise DuoError(400, 40002, "Invalid request parameters", name)
    return ids
