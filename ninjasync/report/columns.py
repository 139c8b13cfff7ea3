"""Text by the columns that a terminal gives to it: a wide letter takes two, a mark none.

Pure. Letters are counted one by one, so an emoji that is made of several may count for more than it takes.
"""

import unicodedata
from collections.abc import Iterator

# Marks over or around a letter; vowels and ends of a Hangul syllable; what joins letters, or keeps them apart.
_MARKS = frozenset({"Mn", "Me"})
_JAMO = range(0x1160, 0x1200)
_JOINERS = frozenset("\u200c\u200d")


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def pad(text: str, width: int) -> str:
    """Return a text with blanks behind it up to ``width`` columns."""
    return text + " " * (width - columns(text))


def wrap(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Yield a text in lines of at most ``width`` columns; a word is cut only where no line has room for it.

    A no-break space keeps words together.
    """
    room = width - len(indent)
    line, taken = "", 0
    for word in filter(None, text.split(" ")):
        long = columns(word)
        if line and taken + 1 + long <= room:
            line, taken = f"{line} {word}", taken + 1 + long
            continue
        if line:
            yield indent + line
        *whole, line = _cut(word, room)
        yield from (indent + part for part in whole)
        taken = columns(line)
    if line:
        yield indent + line


def _cut(word: str, width: int) -> list[str]:
    """Cut a word into parts of at most ``width`` columns; a mark stays with its letter."""
    parts, part, taken = [], "", 0
    for letter in word:
        wide = _width(letter)
        if taken + wide > width:
            parts.append(part)
            part, taken = "", 0
        part, taken = part + letter, taken + wide
    return [*parts, part]


def _width(letter: str) -> int:
    if letter.isascii():
        return 1
    if unicodedata.category(letter) in _MARKS or letter in _JOINERS or ord(letter) in _JAMO:
        return 0
    return 1 + (unicodedata.east_asian_width(letter) in "WF")
