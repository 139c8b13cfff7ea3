"""The one rule for names: which two are the same (CONTRACT 5.12).

Pure. Knows text alone, nothing of users or groups. Serves userNames, e-mail addresses,
group names and the entries of the configuration that speak of them. ``str.casefold`` is
not that rule: it makes one name of "groß" and "gross", which are two accounts.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from unicodedata import normalize

# What is invisible at the end of a name and is left there by copying: beside all that str.strip knows (Unicode's
# White_Space), the characters of no width and the marks of direction, which Windows' dialogs put around what is copied.
_UNSEEN = "".join(
    chr(code)
    for first, last in ((0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2064), (0x2066, 0x2069))
    for code in range(first, last + 1)
)
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + _UNSEEN + "\ufeff"


def folded(name: str) -> str:
    """Return the form in which two names are the same: NFC, without blanks at the ends, in lower case."""
    if name.isascii():  # nearly all are, and there are as many as people
        return name.strip().lower()
    # Once more at the end: "J\u030c" has no single character, but its lower case has one.
    return normalize("NFC", spelled(name).lower())


def folded_each(names: Sequence[str]) -> list[str]:
    """Return ``folded`` of each name: of 100,000 in 0.02 s, where they are as usual, instead of 0.09 s."""
    joined = "\n".join(names)
    if joined.isascii() and joined.count("\n") == len(names) - 1:
        return [name.strip() for name in joined.lower().split("\n")]
    return [folded(name) for name in names]


def alike(one: str, other: str) -> bool:
    """Whether two names are the same."""
    return one == other or folded(one) == folded(other)


def spelled(name: str) -> str:
    """Return a name as it is written to NinjaOne: NFC, without blanks at the ends, its letters as they are."""
    return name.strip() if name.isascii() else normalize("NFC", name).strip(_BLANKS)


def is_glob(pattern: str) -> bool:
    """Whether an entry of the configuration stands for more than one name."""
    return any(mark in pattern for mark in "*?[")


def matcher(patterns: Iterable[str]) -> Callable[[str], str | None]:
    """Return a function from a name to the pattern that is the same, else to the first that fits, if any does."""
    exact = {folded(pattern): pattern for pattern in patterns}
    globs = [(fitter(form), pattern) for form, pattern in exact.items() if is_glob(form)]

    def match(name: str) -> str | None:
        form = folded(name)
        if form in exact:
            return exact[form]
        for fits, pattern in globs:
            if fits(form):
                return pattern
        return None

    return match


def fitter(pattern: str) -> Callable[[str], object]:
    """Return what says whether a folded name fits a glob."""
    return re.compile(translate(folded(pattern))).match


def fitting_none(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``patterns`` that neither are nor fit any of ``names``; looks no further than it must."""
    left = {folded(pattern): pattern for pattern in patterns}
    globs = {form: fitter(form) for form in left if is_glob(form)}
    for name in names if left else ():
        form = folded(name)
        left.pop(form, None)
        for glob in [glob for glob, fits in globs.items() if fits(form)] if globs else ():
            left.pop(glob, None)
            del globs[glob]
        if not left:
            break
    return tuple(left.values())


def nearest(wrong: str, allowed: Iterable[str] | Mapping[str, str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return up to ``most`` of ``allowed`` that ``wrong`` may be a misspelling of, the likeliest first.

    ``allowed`` may be a mapping from what is compared (in ``str.casefold``) to what is returned. ``cutoff`` is how
    alike they must be, from 0 to 1.
    """
    shown = allowed if isinstance(allowed, Mapping) else {name.casefold(): name for name in allowed}
    return [shown[hit] for hit in difflib.get_close_matches(wrong.casefold(), shown, n=most, cutoff=cutoff)]
