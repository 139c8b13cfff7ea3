"""What is an e-mail address, and what sticks to one that was copied with more than itself (CONTRACT 7.2).

Pure. Knows RFC 5321's form as far as directories use it: no quoted local parts, no
addresses in brackets, at least one dot in the domain.
"""

import re

LONGEST = 254
# No blanks, and none of RFC 5322's "specials" but the dot; nor quotes and brackets of any language.
_LETTER = r"[^\s@()<>\[\]:;,\\\"“”„‟‘’‚‛«»‹›（）［］【】「」『』〈〉《》＜＞；：，、。．｡､؛،]"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
# A local part begins with no quote, dot or mark of lists and markup; the last label has a letter.
_ADDRESS = re.compile(rf"[\w+\-#$!~&]{_LETTER}*@(?:[^\W_][\w-]*\.)+(?=[\w-]*[^\W\d_]){_LABEL}")
# What nearly all addresses are: each of these is one by the rule above, and not too long.
is_usual = re.compile(
    r"[a-zA-Z0-9_+-][a-zA-Z0-9.+_-]{0,63}@(?:[a-zA-Z0-9][a-zA-Z0-9-]{0,59}\.){1,2}[a-zA-Z]{1,60}"
).fullmatch


def address_fault(text: str) -> str:
    """Say why ``text``, which has no blanks around it, is no e-mail address; empty where it is one."""
    if len(text) > LONGEST:
        return f"is {len(text)} characters long, and an e-mail address has {LONGEST} at most"
    if _ADDRESS.fullmatch(text) and text.isprintable():
        return ""
    found = _ADDRESS.search(text)
    if (
        found is not None
        and text.count("@") == 1
        and (sticking := _sticking(text[: found.start()], text[found.end() :]))
    ):
        return f"is not an e-mail address: {sticking} to it"
    if text.count("@") > 1:
        return f"is not one e-mail address: it has {text.count('@')} @"
    return "is not an e-mail address"


def _sticking(before: str, after: str) -> str:
    parts = [f"{part!r}" for part in (before, after) if part]
    return f"{' and '.join(parts)} {'sticks' if len(parts) == 1 else 'stick'}" if parts else ""
