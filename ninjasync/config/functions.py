"""The functions that expressions have beside JMESPath's own.

Pure. Each is plain Python over values that are not null: a null argument gives null before it
is called, and a blank result is null too. How expressions call them is in ``expression``.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ninjasync.config.full_name import split_name
from ninjasync.model.message import Message
from ninjasync.model.message import number as as_number


@dataclass(frozen=True, slots=True)
class Function:
    """A function, what it is given (JMESPath's types) and what it gives; ``example`` is shown to people."""

    call: Callable[..., Any]
    takes: tuple[tuple[str, ...], ...]
    gives: str
    example: str

    @property
    def is_of_one_text(self) -> bool:
        """Whether it makes a text of one text: such a call needs no JMESPath."""
        return self.takes == (_TEXT,) and self.gives == "string"


_TEXT = ("string",)
# Letters that Unicode does not take apart into a plain one and an accent.
_PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
    | {"Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H"}
)


def _given_name(text: str) -> str | None:
    return parts[0] if (parts := split_name(text)) else None


def _family_name(text: str) -> str | None:
    return parts[1] if (parts := split_name(text)) else None


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("replace() needs a text to be replaced, but found an empty one")
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise ValueError("split() needs a separator, but found an empty text")
    return text.split(separator)


def _word(text: str, number: float) -> str | None:
    if number != int(number) or number < 1:
        raise ValueError(Message("word() counts from 1 on, in whole numbers, but found {}", as_number(number)))
    words = text.split()
    return words[int(number) - 1] if number <= len(words) else None


def _strip_accents(text: str) -> str:
    apart = unicodedata.normalize("NFD", text.translate(_PLAIN_LETTERS))
    return unicodedata.normalize("NFC", "".join(c for c in apart if not unicodedata.combining(c)))


def _lookup(key: str | float, table: Mapping[str, Any]) -> Any:
    text = key if isinstance(key, str) else f"{key:.15g}"
    return table.get(text)


FUNCTIONS: Mapping[str, Function] = {
    "given_name": Function(_given_name, (_TEXT,), "string", "given_name('Berg, Jan van der')"),
    "family_name": Function(_family_name, (_TEXT,), "string", "family_name('Jan van der Berg')"),
    "lower": Function(str.lower, (_TEXT,), "string", "lower('Jane@Example.com')"),
    "upper": Function(str.upper, (_TEXT,), "string", "upper('ops')"),
    "trim": Function(str.strip, (_TEXT,), "string", "trim('  ops ')"),
    "strip_accents": Function(_strip_accents, (_TEXT,), "string", "strip_accents('Zoë Łukasz')"),
    "replace": Function(_replace, (_TEXT, _TEXT, _TEXT), "string", "replace('jane@old.example', '@old.', '@new.')"),
    "split": Function(_split, (_TEXT, _TEXT), "array", "split('ops/emea', '/') | [1]"),
    "word": Function(_word, (_TEXT, ("number",)), "string", "word('Jane Anne Doe', `2`)"),
    "lookup": Function(
        _lookup, (("string", "number"), ("object",)), "any", "lookup('Berlin', {Berlin: '12', Paris: '34'})"
    ),
}


def value_of(function: Function, arguments: tuple[Any, ...]) -> Any:
    """Call a function: of a null, or a blank text to work on, it makes null. Raises ValueError saying why not."""
    if is_blank(arguments[0]) or any(argument is None for argument in arguments):
        return None
    found = function.call(*arguments)
    return None if is_blank(found) else found


def is_blank(value: Any) -> bool:
    """Tell whether ``value`` is a text without a letter or sign in it, which is as good as null."""
    return type(value) is str and not value.strip()
