"""Which fields Duo's records have and how many have a value there, counted while they are read once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ninjasync.config.full_name import split_name
from ninjasync.duo.reader import DuoReader
from ninjasync.duo.records import clean
from ninjasync.model.source import SourceUser, Standing
from ninjasync.names_alike import spelled
from ninjasync.planning.email_address import find_fault
from ninjasync.planning.mapping import AttributeMapping, has_value

T = TypeVar("T")


@dataclass(slots=True)
class FieldCounts:
    """Which fields and custom attributes Duo's records have, and how many of them have a value there.

    Of those in scope: ``inside`` is their number; ``empty`` how many have no value for an attribute, by
    path; ``unnamed`` how many have a realname, but no first or no last name, and ``single`` how many of these
    have one word there; ``by_username`` how many have no e-mail, but an address as username.
    """

    fields: Counter[str] = field(default_factory=Counter)
    custom: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    unnamed: int = 0
    single: int = 0
    by_username: int = 0

    def note_inside(self, record: Mapping[str, Any], mapping: AttributeMapping) -> None:
        """Take the cleaned record of a user in scope into account."""
        self.inside += 1
        self.empty.update(path for path in mapping.expressions if not has_value(mapping, path, record))
        full = record.get("realname")
        if isinstance(full, str) and not (record.get("firstname") and record.get("lastname")):
            self.unnamed += 1
            self.single += split_name(full) is None
        username = record.get("username")
        if not record.get("email") and isinstance(username, str) and not find_fault(spelled(username)):
            self.by_username += 1

    def note(self, row: Any) -> None:
        """Take one record into account."""
        if not isinstance(row, dict):
            return
        record = clean(row)
        _count(self.fields, record)
        custom = record.get("custom_attributes")
        if isinstance(custom, dict):
            _count(self.custom, custom)


def _count(into: Counter[str], values: dict[str, Any]) -> None:
    for name, value in values.items():
        into[name] += value is not None


class CountingReader:
    """Duo's reader, which also counts the fields of the records that pass."""

    def __init__(self, duo: DuoReader, groups: dict[str, str], mapping: AttributeMapping, counts: FieldCounts) -> None:
        self._duo, self._groups, self._mapping, self._counts = duo, groups, mapping, counts

    @property
    def unlisted(self) -> int:
        """As the reader's."""
        return self._duo.unlisted

    @property
    def nameless(self) -> tuple[str, ...]:
        """As the reader's."""
        return self._duo.nameless

    def read_groups(self) -> dict[str, str]:
        """Return the groups, which were read before."""
        return self._groups

    def read_users(self, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """As the reader's."""
        return self._duo.read_users(self._noted(convert))

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """As the reader's."""
        return self._duo.read_users_by_id(ids, self._noted(convert))

    def _noted(self, convert: Callable[[list[Any]], list[T]]) -> Callable[[list[Any]], list[T]]:
        def noted(rows: list[Any]) -> list[T]:
            found, counts = convert(rows), self._counts
            for row, user in zip(rows, found, strict=True):
                counts.note(row)
                if isinstance(user, SourceUser) and user.standing in (Standing.IN, Standing.HELD):
                    counts.note_inside(clean(row), self._mapping)
            return found

        return noted
