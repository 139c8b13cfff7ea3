"""What the values of one field look like, summed up over all records, without any of the values (CONTRACT 7.8).

Pure. Knows values; must not know requests.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ninjasync.check.shape_words import FEATURES, FEW, KNOWN_FIELDS, OPEN_OBJECTS, WORDS, is_field


@dataclass(slots=True)
class Shape:
    """What the values of one field look like, over all records."""

    seen: int = 0
    types: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    words: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int | float] = field(default_factory=Counter)
    fields: dict[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None
    lengths: Counter[str] = field(default_factory=Counter)

    def take(self, value: Any, name: str, named: frozenset[str]) -> None:
        """Take one ``value`` of the field ``name`` into account; ``named`` are keys that the configuration names."""
        self.seen += 1
        self.types[type_of(value)] += 1
        match value:
            case dict():
                self._take_fields(value, name, named)
            case list():
                self.lengths[_how_many(len(value))] += 1
                self.items = self.items or Shape()
                for one in value:
                    self.items.take(one, name, named)
            case str():
                self.empty += not value.strip()
                if (known := WORDS.get(name)) is not None and value.strip():
                    self.words[value if value in known else "(another)"] += 1
            case bool() | int() | float() if name in FEATURES:
                self.numbers[value] += 1

    def _take_fields(self, value: Mapping[str, Any], name: str, named: frozenset[str]) -> None:
        for key, inner in value.items():
            shown = key in named if name in OPEN_OBJECTS else is_field(key)
            known = key if shown else "(another)"
            place = self.fields.get(known)
            if place is None:
                place = self.fields[known] = Shape()
            place.take(inner, known.rpartition(":")[2], named)

    def document(self, among: int) -> dict[str, Any]:
        """Return this as JSON; ``among`` is how many objects might have had the field."""
        found: dict[str, Any] = {"seen": self.seen}
        absent, null = among - self.seen, self.types["null"]
        parts = {"absent": max(absent, 0), "null": null, "empty": self.empty}
        found |= {key: number for key, number in parts.items() if number}
        found["types"] = ", ".join(self.types) if len(self.types) == 1 else dict(sorted(self.types.items()))
        if self.lengths:
            found["lengths"] = dict(sorted(self.lengths.items()))
        if self.words:
            found["words"] = dict(sorted(self.words.items()))
        if self.numbers:
            found["values"] = {str(number): count for number, count in sorted(self.numbers.items())[:20]}
        if self.fields:
            found["fields"], others = {}, 0
            objects = self.types["object"]
            for name, shape in sorted(self.fields.items()):
                if name in KNOWN_FIELDS or name.startswith("urn:") or 2 * shape.seen >= max(objects, FEW):
                    found["fields"][name] = shape.document(objects)
                else:
                    others += 1
            if others:
                found["other_fields"] = others
        if self.items is not None and self.items.seen:
            found["items"] = self.items.document(self.items.seen)
        return found


def type_of(value: Any) -> str:
    """Return the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"


def _how_many(number: int) -> str:
    """Return a number of items as its order of magnitude: a list's exact length may tell who it is of."""
    for most in (0, 1, 9, 99, 999):
        if number <= most:
            return str(most) if most < 2 else f"up to {most}"
    return "more"
