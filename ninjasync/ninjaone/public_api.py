"""What NinjaOne's public API (v2) lists: organizations, and users of both kinds, from its records.

Knows paths, pages, shapes, and lists that may be cut off. What is not told is None, never
false. What follows from it is decided in the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ninjasync.errors import IncompleteReadError, UnreachableError
from ninjasync.model.api_evidence import Kind
from ninjasync.model.directory import Row
from ninjasync.model.message import Message, text, word
from ninjasync.model.message import number as as_number
from ninjasync.ninjaone.oauth import CHECK_URL, OAuthClient

_ORGANIZATIONS = "/v2/organizations"
_EVERYONE = "/v2/users"
_LISTS: Mapping[Kind, str] = {"endUser": "/v2/user/end-users", "technician": "/v2/user/technicians"}
_KINDS: Mapping[str, Kind] = {"TECHNICIAN": "technician", "END_USER": "endUser"}
_PAGE = 1000
# A list that ends at such a number may have been cut off there (facts: exactly 1,000 of 1,115 came).
_ROUND = frozenset({10, 25, *range(50, 100_001, 50)})
# Ids are int32; what has more digits is none.
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class ApiOrganization:
    """An organization of NinjaOne's: its number and name."""

    id: str
    name: str


class ApiUser(Row, frozen=True):
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
    """One look at a tenant's lists; for another look there is another one.

    Methods raise what ``OAuthClient`` raises, and IncompleteReadError. ``unreadable`` counts
    the rows that were left out as they have no number, or an address that is no text.
    """

    def __init__(self, client: OAuthClient) -> None:
        self._client = client
        self._everyone: list[Mapping[str, Any]] | None = None
        # Whether this host gives the same users again, whatever it is asked for more by: then it is asked once.
        self._repeats = False
        self.unreadable = 0

    def read_organizations(self) -> list[ApiOrganization]:
        """Return all organizations, by pages: ``after`` is the last id of the page before."""
        found: dict[int, ApiOrganization] = {}
        after: int | None = None
        while True:
            params = {"pageSize": str(_PAGE)} | ({} if after is None else {"after": str(after)})
            rows = self._rows(_ORGANIZATIONS, self._client.get(_ORGANIZATIONS, params))
            ids = [id_ for row in rows if (id_ := _whole(row.get("id"))) is not None]
            fresh = set(ids) - found.keys()
            for row in rows:
                if (id_ := _whole(row.get("id"))) is None:
                    self.unreadable += 1
                else:
                    found.setdefault(id_, ApiOrganization(str(id_), _text(row.get("name"))))
            if len(rows) < _PAGE and (len(rows) not in _ROUND or not fresh):
                return list(found.values())
            last = max(ids, default=None)
            if last is None or (after is not None and last <= after):
                raise self._does_not_grow(after, last)
            after = last

    def _does_not_grow(self, after: int | None, last: int | None) -> IncompleteReadError:
        return IncompleteReadError(
            Message(
                "NinjaOne's public API at {} pages its organizations by ids that do not grow (after {} comes {}), so "
                "the rest cannot be read.",
                word(self._client.url),
                as_number("the first" if after is None else after),
                as_number("none" if last is None else last),
            ),
            "Run again; if it stays so, ask NinjaOne's support.",
        )

    def read_users(self, kind: Kind) -> list[ApiUser]:
        """Return all users of a kind. Hosts that lack ``/v2/user/…`` have ``/v2/users`` alone, for both."""
        rows = self._whole_list(_LISTS[kind]) if self._everyone is None else None
        if rows is not None:
            return self._users(rows, kind)
        if self._everyone is None:
            self._everyone = self._whole_list(_EVERYONE)
        if self._everyone is None:
            raise UnreachableError(
                Message("NinjaOne's public API at {} has no list of users.", word(self._client.url)), CHECK_URL
            )
        return [user for user in self._users(self._everyone, None) if user.kind == kind]

    def _users(self, rows: list[Mapping[str, Any]], kind: Kind | None) -> list[ApiUser]:
        self.unreadable += sum(not isinstance(row.get("email") or "", str) for row in rows)
        return [user for row in rows if (user := _user(row, kind))]

    def _whole_list(self, path: str) -> list[Mapping[str, Any]] | None:
        """Return a list that has no pages, asked for more where it may have been cut off; None where there is none."""
        answer = self._client.get(path, {})
        if answer is None:
            return None
        rows = page = self._rows(path, answer)
        ids: set[int | None] = set()
        while len(page) in _ROUND and not self._repeats:
            ids |= {_whole(row.get("id")) for row in page}
            last = max((id_ for id_ in ids if id_ is not None), default=0)
            page = self._rows(path, self._client.get(path, {"pageSize": str(_PAGE), "after": str(last)}))
            fresh = [row for row in page if (id_ := _whole(row.get("id"))) is not None and id_ not in ids]
            if not fresh:  # the same rows came again, or none: it is whole
                self._repeats = bool(page)
                break
            rows = [*rows, *fresh]
        return rows

    def _rows(self, path: str, answer: Any) -> list[Mapping[str, Any]]:
        if not isinstance(answer, list):
            raise UnreachableError(
                Message("NinjaOne's public API at {} answered {} with no list.", word(self._client.url), text(path)),
                CHECK_URL,
            )
        rows: list[Mapping[str, Any]] = [row for row in answer if isinstance(row, dict)]
        self.unreadable += len(answer) - len(rows)
        return rows


def _user(row: Mapping[str, Any], kind: Kind | None) -> ApiUser | None:
    """Read one row, which may say itself of which kind it is; None where it has no address, or is of no known kind."""
    stated = _text(row.get("userType")).upper()
    kind = _KINDS.get(stated) if stated else kind
    email = _text(row.get("email"))
    if kind is None or not email:
        return None
    organization: str | None = None
    if kind == "endUser" and "organizationId" in row:
        number = _whole(row["organizationId"])
        organization = "" if row["organizationId"] is None else None if number is None else str(number)
    return ApiUser(email, kind, organization, _flag(row.get("enabled")), _flag(row.get("administrator")))


def _whole(value: Any) -> int | None:
    """Return a whole number, also one that is written as text or with a point; None for anything else."""
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
