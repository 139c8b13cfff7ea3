"""Reads users and groups from the Duo Admin API, and proves that it read all of them.

Knows Duo's paging. Must not know what a record means: the caller converts it. Cannot write:
nothing here sends anything but GET.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import urllib3
from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.duo.client import DuoClient, not_an_answer, refusal
from ninjasync.duo.user_pages import page_parser
from ninjasync.errors import IncompleteReadError
from ninjasync.log import timed
from ninjasync.model.directory import Resource
from ninjasync.model.events import Read
from ninjasync.model.exchange import Exchange
from ninjasync.model.message import Message, number, word
from ninjasync.model.message import text as as_text
from ninjasync.net.connection import (
    in_no_charset,
    parse_json,
)
from ninjasync.net.pacing import Pacer
from ninjasync.net.prefetch import Prefetch

log = logging.getLogger(__name__)

T = TypeVar("T")
_Raw = tuple[urllib3.BaseHTTPResponse, bytes]

_USERS, _USERS_A_PAGE = "/admin/v1/users", 300
_GROUPS, _GROUPS_A_PAGE = "/admin/v1/groups", 500
_IDS_A_CALL = 100  # the most that user_id_list takes is not documented
_TRASHED = "pending deletion"
_RESOURCES: dict[str, Resource] = {"users": "user", "groups": "group"}


class _ShortReadError(IncompleteReadError):
    """Duo counts more than it lists, by ``lack``; ``found`` is what it lists, None where paging is to blame."""

    def __init__(self, found: list[Any] | None, ids: frozenset[str], lack: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.found, self.ids, self.lack = found, ids, lack


@dataclass(slots=True)
class _Proof:
    """What pages had, to compare it with what Duo says that there is. ``nameless`` are records without an id."""

    ids: set[str] = field(default_factory=set)
    trashed: int = 0
    nameless: int = 0
    repeated: int = 0

    def add(self, rows: list[Any], key: str) -> list[Any]:
        """Count a page; return its records but for those that came before."""
        try:
            new = {row[key] for row in rows}
        except (KeyError, TypeError):
            return self._add_each(rows, key)
        if len(new) < len(rows) or "" in new or set(map(type, new)) - {str} or not new.isdisjoint(self.ids):
            return self._add_each(rows, key)
        self.ids |= new
        self.trashed += [row.get("status") for row in rows].count(_TRASHED)
        return rows

    def _add_each(self, rows: list[Any], key: str) -> list[Any]:
        """Do what ``add`` does where not every record is new and has an id."""
        added = []
        for row in rows:
            id_ = row.get(key) if type(row) is dict else None
            if not isinstance(id_, str) or not id_:
                self.nameless += 1
            elif id_ in self.ids:
                self.repeated += 1
                continue
            else:
                self.ids.add(id_)
                self.trashed += row.get("status") == _TRASHED
            added.append(row)
        return added


class DuoReader:
    """Reads one Duo account. Every method raises CredentialsError, UnreachableError or IncompleteReadError.

    ``unlisted`` is how many users the last ``users`` lacked of those that Duo counts, the same
    twice; ``nameless`` are the ids of the groups that the last ``groups`` had to leave out, as
    they have no name. ``fields`` are what is read of a user's record beside what each plan
    reads; None for all of it.
    """

    def __init__(
        self,
        context: RunContext,
        secret: SecretStr,
        hear: Callable[[Exchange], None] | None = None,
        fields: frozenset[str] | None = None,
    ) -> None:
        config, rate = context.config, context.config.duo.rate_limit
        self._tell = context.listener
        pacer = Pacer(config.run.retries, rate=rate / 60, burst=rate, stop=context.stop, service="Duo", tell=self._tell)
        self._client = DuoClient(config, secret, pacer, hear)
        self._threads = config.run.parallelism
        self._parse_users = parse_json if fields is None else partial(parse_json, parse=page_parser(fields))
        self.unlisted = 0
        self.nameless: tuple[str, ...] = ()

    @property
    def skew(self) -> timedelta | None:
        """How far Duo's clock is ahead of ours; None as long as no answer said."""
        return self._client.skew

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @timed(log, "read Duo groups")
    def read_groups(self) -> dict[str, str]:
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

        found = dict(
            self._read_all(_GROUPS, _GROUPS_A_PAGE, "groups", "group_id", lambda rows: list(map(convert, rows)))
        )
        self.nameless = tuple(sorted(id_ for id_, name in found.items() if not name.strip()))
        return {id_: name for id_, name in found.items() if name.strip()}

    @timed(log, "read Duo users")
    def read_users(self, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of all users' records, page by page in Duo's order; the records are dropped as it goes."""
        return self._read_all(_USERS, _USERS_A_PAGE, "users", "user_id", convert)

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of the records of those of these users that Duo has, also where paging skipped them."""
        found: list[T] = []
        for start in range(0, len(ids), _IDS_A_CALL):
            some = set(ids[start : start + _IDS_A_CALL])
            params = {"user_id_list": json.dumps(sorted(some)), "limit": str(_USERS_A_PAGE), "offset": "0"}
            rows, _ = self._call(_USERS, params)
            # A server that does not know the filter would send any user.
            found += convert([row for row in rows if isinstance(row, dict) and row.get("user_id") in some])
        return found

    def _read_all(self, path: str, size: int, what: str, key: str, convert: Callable[[list[Any]], list[T]]) -> list[T]:
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

    def _read_once(self, path: str, size: int, what: str, key: str, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Page through ``path``. Complete is: as many unique ids as Duo says that there are."""
        found: list[T] = []
        proof = _Proof()
        total: object = None
        for rows, stated in self._pages(path, size, what):
            if total not in (None, stated):
                raise IncompleteReadError(
                    Message(
                        "The number of Duo's {} changed from {} to {} while they were read, so that some may have "
                        "been passed over.",
                        word(what),
                        number(total),
                        number(stated),
                    ),
                    "Run again; if it stays so, many records are being changed at this moment.",
                )
            total = stated
            found += convert(proof.add(rows, key))
            self._tell(Read("Duo", _RESOURCES[what], len(found), stated if isinstance(stated, int) else None))
        count = len(proof.ids) + proof.nameless
        # Whether Duo counts the users in its trash is not documented; it lists them.
        if total not in (count, count - proof.trashed):
            # A user that came twice, or an empty list, shows that paging fails; the trash would not.
            short = bool(found) and not proof.repeated and isinstance(total, int) and total > count
            raise _ShortReadError(
                found if short else None,
                frozenset(proof.ids),
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
                    Message(
                        "Duo did not say how many {} there are (metadata.total_objects), so the read cannot be "
                        "proven complete.",
                        word(what),
                    ),
                    "Run again; if it stays so, ask Duo's support.",
                )
            yield rows, total
            following = metadata.get("next_offset")
            if following is None:
                return
            if not rows:
                raise IncompleteReadError(
                    Message(
                        "Duo sent an empty page of {}, and says that more follow; nothing is decided on a partial "
                        "read.",
                        word(what),
                    ),
                    "Run again; if it stays so, ask Duo's support.",
                )
            if not isinstance(following, int) or following <= offset:
                raise IncompleteReadError(
                    Message(
                        "Duo's paging of {} stands still: after offset {} comes {}.",
                        word(what),
                        as_text(offset),
                        as_text(repr(following)),
                    ),
                    "Run again; if it stays so, ask Duo's support.",
                )
            offset = following
            rows, metadata = self._parsed(path, prefetch.get(offset))

    def _fetch(self, path: str, size: int, offset: int) -> _Raw:
        answer: _Raw = self._client.api_call("GET", path, {"limit": str(size), "offset": str(offset)})
        return answer

    def _call(self, path: str, params: Mapping[str, str]) -> tuple[list[Any], Mapping[str, Any]]:
        return self._parsed(path, self._client.api_call("GET", path, params))

    def _parsed(self, path: str, raw: _Raw) -> tuple[list[Any], Mapping[str, Any]]:
        host = self._client.host
        answer, data = raw
        try:
            parse = self._parse_users if path == _USERS else parse_json
            if answer.status == 200 and (body := parse(data))["stat"] == "OK":
                rows, metadata = body["response"], body["metadata"]
            else:
                rows, metadata = self._client.parse_json_response_and_metadata(answer, data)
        except RuntimeError as error:
            raise refusal(host, error, child=self._client.is_child) from error
        except UnicodeDecodeError as error:
            raise in_no_charset(f"Duo at {host}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise not_an_answer(host) from error
        if not isinstance(rows, list) or not isinstance(metadata, dict):
            raise not_an_answer(host)
        return rows, metadata


def _offsets(rows: list[Any], metadata: Mapping[str, Any]) -> range:
    """Return where the pages after the first begin, if its size and Duo's own word agree on it."""
    following, total = metadata.get("next_offset"), metadata.get("total_objects")
    if not rows or following != len(rows) or not isinstance(total, int):
        return range(0)
    return range(len(rows), total, len(rows))
