"""What is an e-mail address, and what sticks to one that was copied with more than itself (CONTRACT 7.2).

Pure. Knows RFC 5321's form as far as directories use it: no quoted local parts, no
addresses in brackets, at least one dot in the domain.
"""

import re

from ninjasync.model.message import NOTHING, Message, join, number, text

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


def find_fault(address: str) -> Message:
    """Say why ``address``, which has no blanks around it, is no e-mail address; empty where it is one."""
    if len(address) > LONGEST:
        length = number(len(address))
        return Message("is {} characters long, and an e-mail address has {} at most", length, number(LONGEST))
    if _ADDRESS.fullmatch(address) and address.isprintable():
        return NOTHING
    if (marks := address.count("@")) > 1:
        return Message("is not one e-mail address: it has {} @", number(marks))
    core = _ADDRESS.search(address)
    around = (address[: core.start()], address[core.end() :]) if core and marks else ()
    if parts := [text(repr(part)) for part in around if part]:
        sticks = "{} sticks to it" if len(parts) == 1 else "{} stick to it"
        return Message(f"is not an e-mail address: {sticks}", join(" and ", parts))
    return Message("is not an e-mail address")
