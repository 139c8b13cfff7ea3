"""Organizations by name: which number a name stands for (CONTRACT 7.3).

Pure. Knows a table of names and numbers, wherever it is from; knows nothing of users.
"""

from collections.abc import Callable, Mapping

from ninjasync.model.attributes import nearest
from ninjasync.names_alike import folded


class UnknownOrganizationError(ValueError):
    """The name stands for none, or for several; the text says so."""


def is_name(value: object) -> bool:
    """Whether a value is to be looked up: it is neither a number nor All."""
    text = value.strip() if isinstance(value, str) else ""
    return bool(text) and not (text.isascii() and text.isdigit()) and text.casefold() != "all"


def finder(named: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function from a name to its number (or "All"): the exact name first, then by the one rule for names.

    The function raises UnknownOrganizationError.
    """
    alike: dict[str, dict[str, str]] = {}
    for name, number in named.items():
        alike.setdefault(folded(name), {})[name] = number

    def find(name: str) -> str:
        if name in named:
            return named[name]
        hits = alike.get(folded(name), {})
        if len(set(hits.values())) == 1:
            return next(iter(hits.values()))
        if hits:
            all_of_them = " and ".join(f'"{hit}" = {number}' for hit, number in sorted(hits.items()))
            raise UnknownOrganizationError(f"the organization {name!r} fits several in [organizations]: {all_of_them}")
        why = "is not in [organizations]" if named else 'is neither a whole number, nor "All", nor in [organizations]'
        raise UnknownOrganizationError(f"the organization {name!r} {why}{nearest(name, named.keys())}")

    return find
