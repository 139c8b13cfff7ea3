"""What a good run found in scope, and which groups have gone from it since.

Pure. Knows [scope] and one read of Duo; must not know the ledger that keeps a baseline.
"""

import hashlib

from ninjasync.config.example import toml
from ninjasync.config.schema import Config
from ninjasync.model.message import Message, group, word
from ninjasync.model.ownership import Baseline
from ninjasync.model.source import Source


def lost_groups(config: Config, source: Source, baseline: Baseline | None) -> list[Message]:
    """Name the groups that were in scope at the last good run and that the unchanged [scope] no longer reaches."""
    if baseline is None or baseline.scope_digest != scope_digest(config):
        return []
    lost = []
    for id_, name in sorted(baseline.groups.items(), key=lambda pair: pair[1]):
        if id_ in source.scoped:
            continue
        if id_ in source.groups:
            now = group(source.groups[id_])
            entry = group(toml(now.value)[1:-1])  # within quotes of ours, so that a redacted name keeps its token
            lost.append(Message(_RENAMED, group(name), now, _SCOPED, entry))
        else:
            lost.append(Message(_DELETED, group(name), _SCOPED))
    return lost


_SCOPED = word("[scope] groups")


_RENAMED = (
    'The group "{}" was in scope at the last good run and is now called "{}" in Duo, which no entry of {} matches. '
    'Write groups = [..., "{}"] to go on with it.'
)


_DELETED = (
    'The group "{}" was in scope at the last good run and is gone from Duo. If that is meant, change {} so that it no '
    "longer speaks of it."
)


def scope_digest(config: Config) -> str:
    """Tell one [scope] from another."""
    return hashlib.sha256(config.scope.model_dump_json().encode()).hexdigest()
