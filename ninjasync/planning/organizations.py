"""Organizations by name: which number a name stands for (CONTRACT 7.3).

Pure. Knows a table of names and numbers, wherever it is from; knows nothing of users.
"""

from collections.abc import Callable, Iterable, Mapping

from ninjasync.config.example import toml
from ninjasync.model.message import Message, counted, did_you_mean, join, number, text, word
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


def finder(named: Mapping[str, str], known: Iterable[tuple[str, str]] = ()) -> Callable[[str], str]:
    """Return a function from a name to its number (or "All"): the exact name first, then by the one rule for names.

    ``named`` is what the configuration says; ``known`` are numbers and names that NinjaOne's
    public API tells, of which several may have one name. The function raises
    UnknownOrganizationError.
    """
    numbers: dict[str, set[str]] = {}
    numbers_alike: dict[str, set[str]] = {}
    for number_, name in known:
        numbers.setdefault(name, set()).add(number_)
        numbers_alike.setdefault(folded(name), set()).add(number_)
    alike: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        alike.setdefault(folded(name), {})[name] = value

    def find(name: str) -> str:
        if name in named:
            return named[name]
        hits = alike.get(folded(name), {})
        if len(set(hits.values())) == 1:
            return next(iter(hits.values()))
        if not hits and (found := numbers.get(name) or numbers_alike.get(folded(name))):
            if len(found) == 1:
                return next(iter(found))
            several = join(" and ", map(number, sorted(found)))
            raise UnknownOrganizationError(
                Message("NinjaOne has several organizations called {}: {}", text(repr(name)), several)
            )
        if hits:
            rows = (Message('"{}" = {}', text(toml(hit)[1:-1]), number(value)) for hit, value in sorted(hits.items()))
            raise UnknownOrganizationError(
                Message("the organization {} fits several in {}: {}", text(repr(name)), _TABLE, join(" and ", rows))
            )
        why = Message("is not in {}", _TABLE) if named else _NEITHER
        if numbers:
            many = sum(map(len, numbers.values()))
            why = Message("{}, nor one of NinjaOne's {}", why, counted(many, "organization"))
        near = did_you_mean(name, filter(None, (*named, *numbers)), text)
        raise UnknownOrganizationError(Message("the organization {} {}{}", text(repr(name)), why, near))

    return find
