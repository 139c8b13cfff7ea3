"""``explain`` from beginning to end: what the ledger knows, the few reads that it takes, the story.

Puts the parts together; writes nothing anywhere, not even the ledger.
"""

import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime

from ninjasync import ledger_file, run, scim, secrets, wire
from ninjasync.config import Config
from ninjasync.directory import Ownership
from ninjasync.duo import DuoReader
from ninjasync.errors import CommandLineError
from ninjasync.explain import nearest, tell
from ninjasync.explain_case import Case
from ninjasync.ledger import Ledger
from ninjasync.mapping import compile_mapping
from ninjasync.ninjaone_finder import Finder
from ninjasync.seek import seek
from ninjasync.story import Story
from ninjasync.tenant import tenant_of


def explain(config: Config, who: str, stop: threading.Event) -> Story:
    """Tell the story of ``who``. Raises CommandLineError where nobody is called so, or several are."""
    at = run.now()
    paths = compile_mapping(config.attributes, config.safety).paths
    token, duo_secret = secrets.both(config)
    with ExitStack() as stack:
        ledger = Ledger.open_to_read(ledger_file.path_of(config), tenant_of(config))
        if ledger is not None:
            stack.enter_context(closing(ledger))
        owned = ledger.ownership(at) if ledger else Ownership()
        duo = stack.enter_context(closing(DuoReader(config, duo_secret, stop)))
        ninjaone = stack.enter_context(Finder(config, token, stop, paths))
        seen = seek(config, who, duo, ninjaone, owned, at)
        last_plan = ledger.last_plan() if ledger else None
        if seen is None:
            names = [*(ledger.last_names() if ledger else ()), *(entry.name for entry in owned.users.values())]
            raise _unknown(who, names, last_plan.at if last_plan else None)
        if heir := Case(config, seen).heir:
            # Deleted and made anew in Duo: the account's story is that of who has it from now on.
            found = seek(config, heir, duo, ninjaone, owned, at)
            assert found is not None
            seen = replace(found, who=seen.who, how="the account that is taken over")
        story = tell(config, seen, last_plan)
        return replace(story, requests=wire.requests(story.changes, config, _rows(config, story, ninjaone)))


def _rows(config: Config, story: Story, ninjaone: Finder) -> dict[str, object]:
    """Read again what would be replaced as a whole, for the body is made of it."""
    return {
        change.id: ninjaone.raw(change.resource, change.id)
        for change in story.changes
        if change.id is not None and scim.replaces(change.resource, config.ninjaone.dialect)
    }


def _unknown(who: str, names: list[str], planned_at: datetime | None) -> CommandLineError:
    looked = "Duo by user id, username and e-mail address, NinjaOne by userName and id, and the ledger"
    if near := nearest(who, names):
        quoted = ", ".join(f'"{name}"' for name in near)
        since = f" (names of the last full plan, {planned_at:%Y-%m-%d %H:%M} UTC)" if planned_at else ""
        hint = f"Did you mean {quoted}{since}?"
    elif planned_at is None:
        hint = "Nearest names come from the last full plan; the ledger has none yet."
    else:
        hint = "Give an e-mail address, a Duo username, a Duo user id or a NinjaOne id."
    return CommandLineError(f'Nobody is called "{who}"; looked in {looked}.', hint)
