"""Both sides read as ``plan`` reads them, and all that ``explain`` needs beside the plan itself.

Puts the parts together; writes nothing anywhere, not even the ledger. What is told of a
user is up to ``explain``.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.duo.reader import DuoReader
from ninjasync.duo.records import clean, group_ids, names_of
from ninjasync.errors import LedgerNotWritableError
from ninjasync.model.change import Change
from ninjasync.model.explanation import Request
from ninjasync.model.ownership import Ownership
from ninjasync.names_alike import folded
from ninjasync.ninjaone import change_requests, scim_requests
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from ninjasync.planning.moment import Moment
from ninjasync.planning.planner import Planning, make_plan
from ninjasync.report.redact import make_tokens
from ninjasync.runs.api_evidence import begin_evidence
from ninjasync.runs.plan import begin_reading
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of
from ninjasync.threads import result_of

log = logging.getLogger(__name__)

T = TypeVar("T")


class DuoRecords:
    """Reads Duo as the given reader does (a SourceReader), and keeps each user's record.

    Records are kept as JSON text: 1.6 kB each for those of the sandbox (160 MB for 100,000), and 4.3 kB as objects.
    """

    def __init__(self, duo: DuoReader) -> None:
        self._duo = duo
        self._texts: dict[str, str] = {}

    @property
    def unlisted(self) -> int:
        """How many users Duo counts and did not list."""
        return self._duo.unlisted

    @property
    def nameless(self) -> tuple[str, ...]:
        """The ids of the groups without a name."""
        return self._duo.nameless

    def read_groups(self) -> dict[str, str]:
        """Return every group's name by its id."""
        return self._duo.read_groups()

    def read_users(self, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of all users' records, page by page."""
        return self._duo.read_users(self._keeping(convert))

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of the records of those of these users that Duo has."""
        return self._duo.read_users_by_id(ids, self._keeping(convert))

    def record(self, duo_id: str) -> Mapping[str, Any] | None:
        """Return the user's record with empty values as None; None where none was read."""
        text = self._texts.get(duo_id)
        return clean(json.loads(text)) if text is not None else None

    def groups_of(self, duo_id: str) -> tuple[str, ...] | None:
        """Return the Duo ids of the user's groups; None where the record does not say."""
        record = self.record(duo_id)
        return group_ids(record) if record is not None else None

    def called(self, parameter: str, name: str) -> list[str]:
        """Return the Duo ids of the users with this name; ``parameter`` is "email", or "username" (aliases too)."""
        form = folded(name)
        return sorted(id_ for id_, text in self._texts.items() if form in names_of(json.loads(text), parameter))

    def names(self) -> Iterator[str]:
        """Yield each e-mail address, username and alias, in folded form."""
        for text in self._texts.values():
            row = json.loads(text)
            yield from names_of(row, "email") | names_of(row, "username")

    def _keeping(self, convert: Callable[[list[Any]], list[T]]) -> Callable[[list[Any]], list[T]]:
        def keep(rows: list[Any]) -> list[T]:
            for row in rows:
                if isinstance(row, dict) and isinstance(row.get("user_id"), str):
                    self._texts[row["user_id"]] = json.dumps(row)
            return convert(rows)

        return keep


@dataclass(frozen=True, slots=True)
class Inspection:
    """A plan, what it was made from, and what only ``explain`` asks for.

    ``requests`` returns what an apply would send for some changes. ``token`` is what
    ``--redact`` writes in place of a name; None where there is no key that lasts.
    """

    planning: Planning
    moment: Moment
    records: DuoRecords
    requests: Callable[[tuple[Change, ...]], tuple[Request, ...]]
    token: Callable[[str], str] | None


@contextmanager
def inspect(context: RunContext, redaction_key: bytes | None = None) -> Iterator[Inspection]:
    """Read both sides and plan, as ``plan`` does; the readers are open until the end.

    ``redaction_key`` goes before the one in the ledger.
    """
    config = context.config
    token, secret = secrets.read_both(config)
    evidence = begin_evidence(context)
    with ExitStack() as stack:
        reader = Reader(stack.enter_context(connect(context, token)), context)
        ledger, owned = _open_ledger(config)
        if ledger is not None:
            stack.callback(ledger.close)
        moment = begin_reading(context, reader, ledger, Moment(context.started_at, owned))
        if evidence is not None:
            moment = replace(moment, api=result_of(evidence))
        records = DuoRecords(stack.enter_context(closing(DuoReader(context, secret))))
        planning = make_plan(config, records, reader, moment)
        key = redaction_key or (ledger.memory.known_redaction_key() if ledger is not None else None)

        def requests(changes: tuple[Change, ...]) -> tuple[Request, ...]:
            return change_requests.requests(changes, config, _replaced(config, changes, reader), moment.owned)

        yield Inspection(planning, moment, records, requests, make_tokens(key) if key else None)


def _open_ledger(config: Config) -> tuple[Ledger | None, Ownership]:
    """Open the ledger to read; where it cannot be (no home folder, a server that is not there), say so and go on.

    What is known without a ledger comes with it.
    """
    try:
        return Ledger.open_to_read(store_of(config), tenant_of(config)), Ownership()
    except LedgerNotWritableError as error:
        log.warning("%s What follows was found without it.", error.message)
        return None, Ownership(readable=False)


def _replaced(config: Config, changes: tuple[Change, ...], reader: Reader) -> dict[str, object]:
    """Read again, by id, what would be replaced as a whole: the request's body is made from it."""
    return {
        change.id: reader.endpoint.get(change.resource, change.id)
        for change in changes
        if change.id is not None and scim_requests.replaces(change.resource, config.ninjaone.dialect)
    }
