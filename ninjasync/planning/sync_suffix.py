"""What Duo puts behind the name of a group that comes, or came, from another directory (CONTRACT 7.4).

Pure. ``Helpdesk (from AD sync "corp")``; once its sync lets go of the group, ``Helpdesk (formerly from "corp")``.
The quoted text is the sync's display name: free text, quotes and brackets included.
"""

import re

from ninjasync.names_alike import folded, spelled

# "AD" and "Microsoft Entra ID" are documented; the others are taken to differ in that word alone.
_SUFFIX = re.compile(r' \((?:from [^()"]+ sync|(?P<gone>formerly) from) "(?P<sync>.*)"\)\Z', re.DOTALL)


def without_suffix(name: str) -> str:
    """Return ``name`` without what Duo put behind it; all of it where nothing would be left."""
    name = spelled(name)
    return spelled(_SUFFIX.sub("", name)) or name


def is_let_go(name: str) -> bool:
    """Whether Duo says that the group's sync let go of it."""
    found = _SUFFIX.search(spelled(name))
    return found is not None and found["gone"] is not None


def origin(name: str) -> tuple[str, str] | None:
    """Return what stays when a sync lets go of a group: its short name, and the sync's; None without one."""
    found = _SUFFIX.search(spelled(name))
    return None if found is None else (folded(without_suffix(name)), folded(found["sync"]))
