"""Dicts that notice being written to.

Knows only that. The store keeps an index over the names in its resources, and tests change those
resources as plain dicts, without telling it; this is how it finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ninjasync.sandbox.exchange import Json

_WRITERS = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update")


def _watched(name: str) -> Callable[..., Any]:
    plain = getattr(dict, name)

    def write(self: Row | Table, *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(self, *args, **kwargs)
        finally:
            self.written()

    write.__name__ = name
    return write


class Row(dict[str, Any]):
    """A resource in a table; copies of it are plain dicts."""

    __slots__ = ("_table",)

    def __init__(self, resource: Json, table: Table) -> None:
        super().__init__(resource)
        self._table = table

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def written(self) -> None:
        """Tell the table that this resource was written to."""
        self._table.touched = True


class Table(dict[str, Json]):
    """Resources by id. ``touched`` turns true with every write that does not go by put or drop."""

    __slots__ = ("touched",)

    def __init__(self) -> None:
        super().__init__()
        self.touched = False

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({key: dict(row) for key, row in self.items()},)

    def put(self, key: str, resource: Json) -> None:
        """Store without a notice."""
        super().__setitem__(key, Row(resource, self))

    def drop(self, key: str) -> None:
        """Remove without a notice."""
        super().__delitem__(key)

    def __setitem__(self, key: str, resource: Json) -> None:
        self.put(key, resource)
        self.touched = True

    def written(self) -> None:
        """Note a write, and watch what was put in."""
        self.touched = True
        for key, row in self.items():
            if not isinstance(row, Row):
                self.put(key, row)


for _name in _WRITERS:
    setattr(Row, _name, _watched(_name))
    if _name != "__setitem__":  # a table has its own, which does not look at every row
        setattr(Table, _name, _watched(_name))
