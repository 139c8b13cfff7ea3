"""SCIM filters and attribute paths as text (RFC 7644 §3.4.2.2, §3.10 and §3.5.2): text to tree.

Knows the grammar and the schema's types. Must not know resources: ``match`` says what a tree matches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ninjasync.sandbox.ninjaone.error import ScimError, invalid_filter, invalid_path
from ninjasync.sandbox.ninjaone.schema import Attribute, Kind

_MAX_DEPTH = 40  # deeper nesting is an attack on the stack, not a question
_MAX_TOKENS = 1000  # so is a longer chain of and


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute, where it lives (``urn`` of an extension, or None) and maybe its sub-attribute."""

    urn: str | None
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        """The definition that says how values are compared."""
        if self.sub is not None:
            return self.sub
        return self.attribute.children.get("value", self.attribute)


@dataclass(frozen=True, slots=True)
class Compare:
    """``path op value``."""

    path: Path
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Present:
    """``path pr``."""

    path: Path


@dataclass(frozen=True, slots=True)
class Within:
    """``path[filter]``: one and the same value satisfies all of the filter."""

    path: Path
    inner: Filter


@dataclass(frozen=True, slots=True)
class Both:
    """``left and right``."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Either:
    """``left or right``."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Negated:
    """``not (inner)``."""

    inner: Filter


Filter: TypeAlias = Compare | Present | Within | Both | Either | Negated
Names: TypeAlias = Callable[[str], Path]


def resolve(kind: Kind, text: str) -> Path:
    """Return the attribute that ``text`` names.

    Its form is ``attr`` or ``attr.sub``, either with its schema's URN before it.
    Raises ScimError invalidPath for what the schema does not have.
    """
    attributes, urn, rest = kind.attributes, None, text
    if text[:4].lower() == "urn:":
        for known, candidates in ((kind.schema, kind.attributes), *kind.extensions.items()):
            if text.lower().startswith(known.lower() + ":"):
                attributes, rest = candidates, text[len(known) + 1 :]
                urn = None if known == kind.schema else known
                break
    name, _, sub_name = rest.partition(".")
    attribute = attributes.get(name.lower())
    sub = attribute.children.get(sub_name.lower()) if attribute and sub_name else None
    if attribute is None or (sub_name and sub is None):
        raise invalid_path(f"{text!r} is no attribute of {kind.name}")
    return Path(urn, attribute, sub)


def _resolve_within(parent: Path) -> Names:
    def names(text: str) -> Path:
        attribute = parent.attribute.children.get(text.lower())
        if attribute is None:
            raise invalid_path(f"{text!r} is no sub-attribute of {parent.attribute.name}")
        return Path(None, attribute)

    return names


def parse_filter(kind: Kind, text: str) -> Filter:
    """Return the filter as a tree; ScimError invalidFilter if it is not one."""
    try:
        parser = _Parser(_split(text))
        tree = parser.either(lambda name: resolve(kind, name), 0)
        parser.expect_end()
    except ScimError as error:
        raise invalid_filter(error.detail) from None
    return tree


def parse_path(kind: Kind, text: str) -> tuple[Path, Filter | None]:
    """Read a PATCH path (RFC 7644 §3.5.2).

    Its form is ``attr``, ``attr.sub``, ``attr[filter]`` or ``attr[filter].sub``.
    Raises ScimError invalidPath.
    """
    parser = _Parser(_split(text))
    path = resolve(kind, parser.word())
    if parser.at_end():
        return path, None
    try:
        inner = parser.bracketed(path, 0)
    except ScimError as error:
        raise ScimError(400, error.detail, "invalidPath") from None
    if not parser.at_end():
        tail = parser.word()
        if not tail.startswith("."):
            raise invalid_path(f"cannot read {tail!r} after ]")
        path = Path(path.urn, path.attribute, _resolve_within(path)(tail[1:]).attribute)
        parser.expect_end()
    return path, inner


_TOKEN = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*")|([()\[\]])|([^\s()\[\]"]+))""")


def _split(text: str) -> list[str]:
    """Return the tokens of a filter or a path. Raises ScimError where there are none to be read, or too many."""
    tokens: list[str] = []
    position, stripped = 0, text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise invalid_path(f"cannot read {stripped[position:]!r}")
        tokens.append(match[1] or match[2] or match[3])
        position = match.end()
    if len(tokens) > _MAX_TOKENS:
        raise invalid_path("it is too long")
    return tokens


class _Parser:
    """A reader of tokens: quoted strings, brackets and words."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def at_end(self) -> bool:
        return self._next >= len(self._tokens)

    def peek(self) -> str:
        return "" if self.at_end() else self._tokens[self._next]

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise invalid_path("it ends too soon")
        self._next += 1
        return token

    def word(self) -> str:
        token = self.take()
        if token[0] in '"()[]':
            raise invalid_path(f"expected a name, found {token!r}")
        return token

    def expect(self, wanted: str) -> None:
        if (token := self.take()) != wanted:
            raise invalid_path(f"expected {wanted!r}, found {token!r}")

    def expect_end(self) -> None:
        if not self.at_end():
            raise invalid_path(f"nothing expected, found {self.peek()!r}")

    def accept(self, keyword: str) -> bool:
        if self.peek().lower() != keyword:
            return False
        self._next += 1
        return True

    def either(self, names: Names, depth: int) -> Filter:
        if depth > _MAX_DEPTH:
            raise invalid_filter("nested too deeply")
        left = self.both(names, depth)
        while self.accept("or"):
            left = Either(left, self.both(names, depth))
        return left

    def both(self, names: Names, depth: int) -> Filter:
        left = self.term(names, depth)
        while self.accept("and"):
            left = Both(left, self.term(names, depth))
        return left

    def term(self, names: Names, depth: int) -> Filter:
        if self.accept("not"):
            self.expect("(")
            inner = self.either(names, depth + 1)
            self.expect(")")
            return Negated(inner)
        if self.accept("("):
            inner = self.either(names, depth + 1)
            self.expect(")")
            return inner
        path = names(self.word())
        if self.peek() == "[":
            return Within(path, self.bracketed(path, depth))
        op = self.word().lower()
        if op == "pr":
            return Present(path)
        return _comparison(path, op, self.take())

    def bracketed(self, path: Path, depth: int) -> Filter:
        self.expect("[")
        inner = self.either(_resolve_within(path), depth + 1)
        self.expect("]")
        return inner


_TEXT = ("co", "sw", "ew")
_ORDER = ("gt", "ge", "lt", "le")


def _comparison(path: Path, op: str, literal: str) -> Compare:
    leaf = path.leaf
    try:
        value = json.loads(literal if literal.startswith('"') else literal.lower())
    except ValueError:
        raise invalid_filter(f"cannot read the value {literal}") from None
    if op not in ("eq", "ne", *_TEXT, *_ORDER):
        raise invalid_filter(f"unknown operator {op!r}")
    if leaf.type == "complex":
        raise invalid_filter(f"{leaf.name} has parts: name one of them")
    if op in _TEXT or op in _ORDER:
        if leaf.type == "boolean" or not isinstance(value, str):
            raise invalid_filter(f"{leaf.name} {op} {literal} compares what cannot be compared")
        if op in _TEXT and leaf.type == "dateTime":
            raise invalid_filter(f"{op} does not apply to the time {leaf.name}")
    return Compare(path, op, comparable(leaf, value))


def comparable(leaf: Attribute, value: Any) -> Any:
    """Return the value in the form in which equal means equal: by time, or by letters (RFC 7643 §2.2)."""
    if not isinstance(value, str):
        return value
    if leaf.type == "dateTime":
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise invalid_filter(f"{value!r} is no time") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value if leaf.case_exact else value.lower()
