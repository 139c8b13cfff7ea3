"""A tenant whose name alone has changed: its entries lie in the ledger under the former name. Pure."""

from collections import Counter
from dataclasses import replace

from msgspec.structs import replace as replace_row

from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, write_command
from ninjasync.model.message import Message, number, word
from ninjasync.model.ownership import Ownership
from ninjasync.model.source import Source, Standing


def await_entries(config: Config, source: Source, owned: Ownership) -> Source:
    """Leave everything as it is where most in scope belong to a tenant whose name alone differs: it was renamed.

    Else all of them would be held for their own accounts. Nothing is created either: a
    tenant that has entries of its own cannot take over those of its former name.
    """
    wanted = {duo_id: user for duo_id, user in source.users.items() if user.desired} if owned.namesakes else {}
    owners = Counter(owned.namesakes[duo_id] for duo_id in wanted.keys() & owned.namesakes.keys())
    name, theirs = max(owners.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    if theirs * 2 <= len(wanted):
        return source
    command = write_command(config, f"ledger rename-tenant {in_a_command(name)}")
    whose = Message('the tenant "{}"', word(name)) if name else Message("the tenant without a name")
    missing = Message(
        "{} of {} users in scope belong in the ledger to {}, and none to the one of {}, with the same endpoint and "
        "Duo. If both are meant to be, take these users out of the scope of one; if it was renamed, run: {}",
        number(theirs),
        number(len(wanted)),
        whose,
        word("[state] tenant"),
        word(command),
    )
    why = Message("belongs to {} in the ledger", whose)
    left = {
        duo_id: replace_row(user, standing=Standing.LEFT_ALONE, desired=None, reason=why)
        for duo_id, user in wanted.items()
    }
    return replace(source, users={**source.users, **left}, pushed={}, missing=(*source.missing, missing))
