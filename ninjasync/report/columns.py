"""Text by the columns that a terminal gives to it, as rich counts them: a wide letter takes two, a mark none."""

from collections.abc import Iterator


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


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
        *whole, line = _cut(word, room) if long > room else [word]
        yield from (indent + part for part in whole)
        taken = columns(line)
    if line:
        yield indent + line


def _cut(word: str, width: int) -> list[str]:
    """Cut a word into parts of at most ``width`` columns; a mark stays with its letter."""
    from rich.cells import chop_cells

    return chop_cells(word, width)
