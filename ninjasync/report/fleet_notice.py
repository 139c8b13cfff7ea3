"""What the one message about a fleet's run says, and whether there is one.

Pure. Names tenants by how they ended, and no user: a message goes to other people's servers.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ninjasync.model.change import REMOVALS
from ninjasync.model.fleet import GOOD, OUTCOMES, FleetResult, FleetRow
from ninjasync.model.problems import HeldNews
from ninjasync.model.token_expiry import tell_expiry
from ninjasync.report.escape import visible
from ninjasync.report.notice import WEIGHTS, Event, Notice
from ninjasync.report.tenant_document import unpack

_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class FleetNews:
    """What there is to say of a run. ``held`` is by tenant, and so is ``tokens``: the days of those to warn of.

    ``why`` is the error that ended the whole run, fit to be sent; ``result`` is None where none came of it.
    """

    command: str
    exit_code: int
    result: FleetResult | None
    held: Mapping[str, HeldNews]
    tokens: Mapping[str, int]
    why: str = ""


def fleet_notice(news: FleetNews, on: Collection[Event]) -> Notice | None:
    """Return the message, None where nothing happened that is asked for by ``on``."""
    told = {event: lines for event, tell in _EVENTS.items() if event in on and (lines := list(tell(news)))}
    if not told:
        return None
    weight = min((WEIGHTS[event] for event in told), key=("failure", "warning", "info").index)
    summary = news.result.summary if news.result else {}
    ends = ", ".join(f"{number} {outcome}" for outcome, number in summary.items()) or "failed"
    body = [line for lines in told.values() for line in lines]
    return Notice(f"ninjasync fleet {news.command}: {ends}", "\n".join([*body, f"Exit code {news.exit_code}."]), weight)


def _failure(news: FleetNews) -> Iterator[str]:
    if news.why:
        yield news.why
    for outcome in OUTCOMES:
        if outcome not in GOOD and outcome != "refused":
            yield from _listed(outcome, (visible(row.tenant) for row in _rows(news) if row.outcome == outcome))


def _refusal(news: FleetNews) -> Iterator[str]:
    refused = [row for row in _rows(news) if row.outcome == "refused"]
    yield from _listed("refused", (_with_guards(row) for row in refused if row.guards or not row.paused))
    yield from _listed("paused", (visible(row.tenant) for row in refused if row.paused and not row.guards))


def _with_guards(row: FleetRow) -> str:
    guards = ", ".join(f"{name}: {option}" if option else name for name, option in row.guards)
    return f"{visible(row.tenant)} ({guards})" if guards else visible(row.tenant)


def _removals(news: FleetNews) -> Iterator[str]:
    def removed(row: FleetRow) -> str:
        document = unpack(row.document) if row.document is not None else {}
        changes = [one for one in document.get("changes", ()) if one["action"] in REMOVALS]
        done = sum(one.get("outcome") == "applied" for one in changes)
        part = "" if news.command == "plan" or done == len(changes) else f"{done} of "
        return f"{visible(row.tenant)} {part}{len(changes)}" if changes else ""

    title = "removals planned" if news.command == "plan" else "removals"
    yield from _listed(title, filter(None, map(removed, _rows(news))))


def _held(news: FleetNews) -> Iterator[str]:
    for title, compared in (("held that were not in the last run", True), ("held", False)):
        found = sorted((tenant, held.number) for tenant, held in news.held.items() if held.compared is compared)
        yield from _listed(title, (f"{visible(tenant)} {number}" for tenant, number in found if number))


def _token(news: FleetNews) -> Iterator[str]:
    soonest = sorted(news.tokens.items(), key=lambda pair: (pair[1], pair[0]))
    tokens = (f"{visible(tenant)} ({tell_expiry(days)})" for tenant, days in soonest)
    yield from _listed("SCIM tokens to be renewed", tokens)


def _rows(news: FleetNews) -> tuple[FleetRow, ...]:
    return news.result.rows if news.result else ()


def _listed(title: str, names: Iterable[str]) -> Iterator[str]:
    found = list(names)
    if found:
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        yield f"{title[0].upper()}{title[1:]}: {', '.join(found[:_MOST_NAMES])}{more}."


_EVENTS: dict[Event, Callable[[FleetNews], Iterator[str]]] = {
    "failure": _failure,
    "refusal": _refusal,
    "removals": _removals,
    "held": _held,
    "token": _token,
}
