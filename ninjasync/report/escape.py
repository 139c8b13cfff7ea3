"""Makes hostile text harmless on a terminal: names come from directories, where users may have set them."""

import unicodedata

# Control characters and escapes, surrogates, and the formatting characters that reorder or hide text.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# A zero-width joiner makes one emoji or ligature out of several and does no harm.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """Return ``text`` with every character that a terminal would obey, or hide, written as its escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in _HIDDEN and char not in _JOINERS
        else char
        for char in text
    )


def in_quotes_with_name(value: object, name: str) -> str:
    """Return a value as ``in_quotes`` does, and behind it what it is called, where that is known."""
    return f"{in_quotes(value)} ({visible(name)})" if name else in_quotes(value)


def in_quotes(value: object) -> str:
    """Return a value as it stands in a plan: text in quotes, so that blanks at its ends are seen."""
    match value:
        case None:
            return "(none)"
        case bool():
            return str(value).lower()
        case _:
            text = visible(str(value)).replace('"', '\\"')
            return f'"{text}"'
