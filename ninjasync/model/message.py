"""A message: a sentence of ours, and what was filled into it.

Pure. A ``Message`` is the finished sentence, as ``markupsafe.Markup`` is finished HTML: a ``str`` that remembers how
it was made. A renderer may show it as it is; one that treats the arguments differently (redaction, Markdown,
HTML) asks ``pieces`` and never looks for names in the sentence. Knows nothing of users, of tokens or of formats.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ninjasync.names_alike import nearest

Kind = Literal["person", "group", "text", "word", "number"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BLANK = "{}"
# What ends a sentence. Empty text does not: "" is in every str, so these are a tuple.
_END_MARKS = (".", "?", "!")
_MOST_SAID = 500  # characters


@dataclass(frozen=True, slots=True)
class Argument:
    """What was filled in, and what it is.

    "person": a name, an address, a username or an id of a user or an account. "group": a group's name or id.
    "text": what a service, an operator or the system wrote; it may name any user. "word": one of a
    closed set (a key of the configuration, an attribute, a problem code, a file's kind). "number": digits, or a date.
    """

    kind: Kind
    value: str


class Message(str):
    """``template`` with ``arguments`` in the place of each ``{}``; another Message may be one of them.

    Equal to, and usable as, the finished sentence. An operation of ``str`` on it gives a mere ``str``: to put messages
    together, make them arguments of another one. A sentence has one end mark: a full stop of the template that follows
    an argument with an end mark of its own is left out. Raises ValueError where the number of arguments does not fit.
    """

    __slots__ = ("arguments", "template")
    template: str
    arguments: "tuple[Argument | Message, ...]"

    def __new__(cls, template: str, *arguments: "Argument | Message") -> "Message":
        """Fill the arguments into the template."""
        parts = template.split(_BLANK)
        if len(parts) != len(arguments) + 1:
            raise ValueError(f"{len(arguments)} arguments for {len(parts) - 1} places in {template!r}")
        sentence = parts[0]
        for argument, words in zip(arguments, parts[1:], strict=True):
            sentence += argument.value if isinstance(argument, Argument) else argument
            sentence += words[1:] if sentence[-1:] in _END_MARKS and _is_full_stop(words) else words
        message = super().__new__(cls, sentence)
        message.template, message.arguments = template, arguments
        return message

    def __getnewargs__(self) -> "tuple[Any, ...]":
        """Let a copy, and a pickle that crosses a process's border, be the same."""
        return (self.template, *self.arguments)

    def pieces(self) -> "Iterator[str | Argument]":
        """Yield the words of the sentence and the arguments between them, in order; empty words are left out."""
        first, *words = self.template.split(_BLANK)
        if first:
            yield first
        last = first[-1:]
        for argument, word in zip(self.arguments, words, strict=True):
            if isinstance(argument, Argument):
                yield argument
                last = argument.value[-1:] or last
            else:
                yield from argument.pieces()
                last = argument[-1:] or last
            after = word[1:] if last in _END_MARKS and _is_full_stop(word) else word
            if after:
                yield after
                last = after[-1:]

    def without_stop(self) -> "Message":
        """Return the sentence without the full stop at its end, to go on within another one."""
        if self.template.endswith("."):
            return Message(self.template.rstrip("."), *self.arguments)
        if self.template.endswith(_BLANK) and isinstance(last := self.arguments[-1], Message):
            return Message(self.template, *self.arguments[:-1], last.without_stop())
        return self

    def replaced(self, replace: Callable[[Argument], Argument]) -> "Message":
        """Return the same sentence with ``replace`` of each argument."""
        return Message(
            self.template,
            *(
                replace(argument) if isinstance(argument, Argument) else argument.replaced(replace)
                for argument in self.arguments
            ),
        )

    def rendered(self, words: Callable[[str], str], argument: Callable[[Argument], str]) -> str:
        """Return the sentence as text in a format that has its own way with our ``words`` and with an ``argument``."""
        return "".join(words(piece) if isinstance(piece, str) else argument(piece) for piece in self.pieces())


def _is_full_stop(words: str) -> bool:
    """Whether words of a template begin with the end of a sentence."""
    return words[:1] == "." and not words[1:2].strip()


NOTHING = Message("")


def as_message(text: str) -> Message:
    """Return a sentence as a Message: itself where it is one, else one without arguments.

    A mere ``str`` is taken for words of ours; a test sees to it that none is made by filling something in.
    """
    if isinstance(text, Message):
        return text
    return Message(text) if _BLANK not in text else Message(_BLANK, Argument("word", text))


def reason_of(error: Exception) -> Message:
    """Return what an error says: its own Message where it was made with one, else its text, which may name any user."""
    said = error.args[0] if error.args else ""
    return said if isinstance(said, Message) else Message(_BLANK, text(error))


def person(value: str) -> Argument:
    """Mark a user's name, address, username or id."""
    return Argument("person", value)


def group(value: str) -> Argument:
    """Mark a group's name or id."""
    return Argument("group", value)


def text(value: object) -> Argument:
    """Mark what a service, an operator or the system wrote: it may name any user."""
    return Argument("text", str(value))


def shortened(said: str) -> str:
    """Return what a service said of an error, cut off behind a few sentences: it may be a page, or megabytes."""
    return said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}…"


def word(value: str) -> Argument:
    """Mark one of a closed set of words."""
    return Argument("word", value)


def number(value: object) -> Argument:
    """Mark a number or a date."""
    return Argument("number", str(value))


def join(separator: str, parts: "Iterable[Argument | Message]") -> Message:
    """Return the parts with ``separator``, which is one of our words, between them."""
    every = tuple(parts)
    return Message(separator.join([_BLANK] * len(every)), *every)


def listed(parts: "Iterable[Argument | Message]", most: int = 0) -> Message:
    """Return the parts with commas between them; with ``most`` no more than so many, and how many more there are."""
    every = tuple(parts)
    if not most or len(every) <= most:
        return join(", ", every)
    return Message("{} and {} more", join(", ", every[:most]), number(len(every) - most))


def counted(count: int, noun: str, plural: str = "") -> Message:
    """Return a number with its noun: "1 user", "2 users"."""
    return Message(f"{_BLANK} {noun if count == 1 else plural or f'{noun}s'}", number(count))


def did_you_mean(
    wrong: str, allowed: Iterable[str] | Mapping[str, str], mark: Callable[[str], Argument] = word
) -> Message:
    """Return ``; did you mean "…"?`` with the nearest of ``allowed`` (``names_alike.nearest``), or nothing."""
    hits = nearest(wrong, allowed)
    return Message('; did you mean "{}"?', mark(hits[0])) if hits else NOTHING


def to_data(message: Message) -> dict[str, Any]:
    """Return a message as plain JSON."""
    return {
        "template": message.template,
        "arguments": [
            {"kind": one.kind, "value": one.value} if isinstance(one, Argument) else to_data(one)
            for one in message.arguments
        ],
    }


def from_data(data: Any) -> Message:
    """Return the message that ``to_data`` gave. Raises ValueError, KeyError or TypeError where it is none."""
    arguments: list[Argument | Message] = []
    for one in data["arguments"]:
        if "kind" not in one:
            arguments.append(from_data(one))
        elif one["kind"] in KINDS and isinstance(one["value"], str):
            arguments.append(Argument(one["kind"], one["value"]))
        else:
            raise ValueError(f"{one!r} is no argument")
    if not isinstance(data["template"], str):
        raise TypeError("a template is text")
    return Message(data["template"], *arguments)
