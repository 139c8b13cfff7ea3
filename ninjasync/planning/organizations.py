"""Organizations by name: which number a name stands for (CONTRACT 7.3).

Pure. Knows a table of names and numbers, wherever it is from; knows nothing of users.
"""

from collections.abc import Callable, Mapping

from ninjasync.model.message import Message, did_you_mean, join, number, text, word
from ninjasync.names_alike import folded


class UnknownOrganizationError(ValueError):
    """The name stands for none, or for several; ``message`` says so."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


_TABLE = word("[organizations]")
_NEITHER = Message('is neither a whole number, nor "All", nor in {}', _TABLE)


def is_name(value: object) -> bool:
    """Whether a value is to be looked up: it is neither a number nor All."""
    text = value.strip() if isinstance(value, str) else ""
    return bool(text) and not (text.isascii() and text.isdigit()) and text.casefold() != "all"


def finder(named: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function from a name to its number (or "All"): the exact name first, then by the one rule for names.

    The function raises UnknownOrganizationError.
    """
    alike: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        alike.setdefault(folded(name), {})[name] = value

    def find(name: str) -> str:
        if name in named:
            return named[name]
        hits = alike.get(folded(name), {})
        if len(set(hits.values())) == 1:
            return next(iter(hits.values()))
        if hits:
            rows = (Message('"{}" = {}', text(hit), number(value)) for hit, value in sorted(hits.items()))
            raise UnknownOrganizationError(
                Message("the organization {} fits several in {}: {}", text(repr(name)), _TABLE, join(" and ", rows))
            )
        why = Message("is not in {}", _TABLE) if named else _NEITHER
        near = did_you_mean(name, named.keys(), text)
        raise UnknownOrganizationError(Message("the organization {} {}{}", text(repr(name)), why, near))

    return find
