"""What a SCIM filter matches (RFC 7644 §3.4.2.2): tree and JSON-shaped resource to yes or no.

Knows how values are found and compared. Must not know the grammar, the store or requests.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.ninjaone.filter import Both, Compare, Either, Filter, Negated, Path, Present, Within, comparable

_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "co": lambda have, want: want in have,
    "sw": lambda have, want: have.startswith(want),
    "ew": lambda have, want: have.endswith(want),
}
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def find_values(resource: Json, path: Path) -> list[Any]:
    """All values that the path leads to; of a multi-valued attribute, one for each of its items."""
    holder = resource if path.urn is None else resource.get(path.urn) or {}
    value = holder.get(path.attribute.name)
    items = value if isinstance(value, list) else [value]
    if path.sub is not None or "value" in path.attribute.children:
        name = path.leaf.name
        items = [item.get(name) if isinstance(item, dict) else item for item in items]
    return [item for item in items if item is not None and item != "" and item != {}]


def matches(tree: Filter, resource: Json) -> bool:
    """Whether the resource (or, inside brackets, the one value) satisfies the filter."""
    match tree:
        case Compare():
            return _compare(tree, resource)
        case Present(path):
            return bool(find_values(resource, path))
        case Within(path, inner):
            holder = resource if path.urn is None else resource.get(path.urn) or {}
            value = holder.get(path.attribute.name) or []
            items = value if isinstance(value, list) else [value]
            return any(matches(inner, item) for item in items)
        case Both(left, right):
            return matches(left, resource) and matches(right, resource)
        case Either(left, right):
            return matches(left, resource) or matches(right, resource)
        case Negated(inner):
            return not matches(inner, resource)
        case _:
            assert_never(tree)


def _compare(tree: Compare, resource: Json) -> bool:
    leaf, want = tree.path.leaf, tree.value
    have = [comparable(leaf, value) for value in find_values(resource, tree.path)]
    if tree.op in ("eq", "ne"):
        equal = not have if want is None else any(type(h) is type(want) and h == want for h in have)
        return equal == (tree.op == "eq")
    holds = _TEXT.get(tree.op) or _ORDER[tree.op]
    return any(isinstance(value, type(want)) and holds(value, want) for value in have)
