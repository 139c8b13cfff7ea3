"""``explain`` from beginning to end: what the ledger knows, the few reads that it takes, the story.

Puts the parts together; writes nothing anywhere, not even the ledger.
"""

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.duo.reader import DuoReader
from ninjasync.errors import CommandLineError
from ninjasync.explain.answer import nearest, tell
from ninjasync.explain.case import Case
from ninjasync.explain.search import seek
from ninjasync.model.explanation import Story
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone import change_requests, scim_requests
from ninjasync.ninjaone.finder import Finder
from ninjasync.planning.mapping import compile_mapping
from ninjasync.state import sqlite
from ninjasync.state.ledger import Ledger


def explain(context: RunContext, who: str) -> Story:
    """Tell the story of ``who``. Raises CommandLineError where nobody is called so, or several are."""
    config, at = context.config, context.started_at
    paths = compile_mapping(config.attributes, config.safety).paths
    token, duo_secret = secrets.both(config)
    with ExitStack() as stack:
        ledger = Ledger.open_to_read(sqlite.path_of(config), tenant_of(config))
        if ledger is not None:
            stack.enter_context(closing(ledger))
        owned = ledger.ownership(at) if ledger else Ownership()
        duo = stack.enter_context(closing(DuoReader(context, duo_secret)))
        ninjaone = stack.enter_context(Finder(context, token, paths))
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
        return replace(story, requests=change_requests.requests(story.changes, config, _rows(config, story, ninjaone)))


def _rows(config: Config, story: Story, ninjaone: Finder) -> dict[str, object]:
    """Read again what would be replaced as a whole, for the body is made of it."""
    return {
        change.id: ninjaone.raw(change.resource, change.id)
        for change in story.changes
        if change.id is not None and scim_requests.replaces(change.resource, config.ninjaone.dialect)
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
