"""Checks of NinjaOne's SCIM endpoint: is it reached, and what can it do. Sends nothing but GET."""

from collections.abc import Callable
from typing import Any

from ninjasync.check.context import CheckContext
from ninjasync.check.local import judge_skew
from ninjasync.errors import CredentialsError, UnreachableError
from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.model.message import Message, text
from ninjasync.names_alike import folded
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.http import CHECK_URL, Answer
from ninjasync.ninjaone.statuses import of_list

_DISCOVERY = ("ServiceProviderConfig", "ResourceTypes", "Schemas")
# No account has this address (RFC 2606), so a filter that works finds none.
_NO_ONE = "ninjasync-check@nobody.invalid"


def check_users(context: CheckContext) -> Finding:
    """Whether NinjaOne answers, accepts the token and lists its accounts, or finds them one by one."""
    if context.looks_up:
        _expect_look_up(context, _ask(context, "/Users", USER_NAME))
        return green(f"{context.scim.url} accepts the token; accounts are looked up one by one, as configured.")
    answer = context.accounts
    if _is_list(answer) or not _found_otherwise(context, answer, "/Users", USER_NAME):
        page = _page(context, answer, "list")
        return green(f"{context.scim.url} accepts the token; {_accounts(page, 'account')}.")
    said = f"NinjaOne accepts the token, but does not list its accounts (HTTP {answer.status})"
    if context.config.ninjaone.dialect.discovery == "list":
        return red(f"{said}.", 'Set [ninjaone.dialect] discovery = "lookup".')
    if of_list(answer.status) == "no-list":
        cure = "Nothing to do; runs take longer, and unmanaged accounts are not counted."
        return yellow(f"{said}; each is looked up.", cure)
    cure = 'Set [ninjaone.dialect] discovery = "lookup"; runs take longer, and unmanaged accounts are not counted.'
    return yellow(f"{said}, but finds them one by one.", cure)


def check_groups(context: CheckContext) -> Finding:
    """Whether NinjaOne lists its groups, or finds them one by one."""
    if context.looks_up:
        answer = _ask(context, "/Groups", DISPLAY_NAME)
    else:
        answer = context.try_to_get("/Groups", startIndex="1", count="1")
    if answer.status == 403:
        detail, _ = scim_responses.read_error(answer.body)
        return red(
            f"NinjaOne accepts the token for users, but not for groups (HTTP 403{': ' * bool(detail)}{detail}).",
            "Look at this identity provider's SCIM settings in the NinjaOne console: this kind of provider may not "
            "manage groups.",
            exit_code=CredentialsError.exit_code,
        )
    if context.looks_up:
        _expect_look_up(context, answer)
        return green("Groups are looked up one by one, as configured.")
    if not _is_list(answer) and _found_otherwise(context, answer, "/Groups", DISPLAY_NAME):
        return yellow(f"NinjaOne does not list its groups (HTTP {answer.status}); each is looked up.", "Nothing to do.")
    return green(f"It lists them; {_accounts(_page(context, answer, 'list of groups'), 'group')}.")


def check_clock(context: CheckContext) -> Finding:
    """Whether this machine's clock agrees with NinjaOne's."""
    return judge_skew("NinjaOne", context.ninjaone_skew())


def check_discovery(context: CheckContext) -> Finding:
    """Which of the endpoints that describe a service there are (RFC 7644 §4)."""
    there = [name for name in _DISCOVERY if _described(context, name) is not None]
    if not there:
        return green("NinjaOne does not describe its endpoint, which does no harm.")
    return green(f"NinjaOne has {', '.join(there)}.")


def _described(context: CheckContext, name: str) -> Any:
    """Return what an endpoint says of itself; None where it says nothing, or not to us: the token was taken before."""
    try:
        answer = context.try_to_get(f"/{name}")
    except CredentialsError:
        return None
    return answer.body if answer.status == 200 and isinstance(answer.body, dict) else None


def check_filtering(context: CheckContext) -> Finding:
    """Whether an account can be looked up by its userName."""
    named = [name for row in context.rows if (name := _text(row, USER_NAME))]
    wanted = named[0] if named else _NO_ONE
    answer = context.get("/Users", filter=f"{USER_NAME} eq {scim_requests.quoted(wanted)}")
    cure = 'Set [ninjaone.dialect] discovery = "list", so that accounts are read by pages.'
    if answer.status == 404 and not named:
        return green("Looking up a userName works (none is there, by HTTP 404).")
    if answer.status != 200 or (page := scim_responses.read_page(answer.body)) is None:
        return yellow(f"NinjaOne cannot look up a userName (HTTP {answer.status}).", cure)
    hits = [_text(row, USER_NAME) or "" for row in page.resources]
    if named and folded(wanted) not in map(folded, hits):
        return yellow("Looking up the userName of an account that is there finds none.", cure)
    if any(folded(hit) != folded(wanted) for hit in hits):
        return yellow("NinjaOne ignores filters and sends all accounts; ninjasync picks the right one.", cure)
    return green("Looking up a userName works.")


def check_paging(context: CheckContext) -> Finding:
    """Whether a second page is another one than the first."""
    if context.looks_up or context.accounts.status != 200:
        return green("Not needed, as each account is looked up by itself.")
    page = context.first_page
    total = page.total if page.total is not None else len(page.resources)
    if len(page.resources) < 2:
        return green(f"{total} account{'s' * (total != 1)}: too few to tell, and to need pages.")
    first, second = (context.get("/Users", startIndex=start, count="1") for start in ("1", "2"))
    ids = [_first_id(answer) for answer in (first, second)]
    if ids[0] != ids[1]:
        return green("Pages begin where they are asked to.")
    return yellow(
        "NinjaOne ignores startIndex: each page begins with the same account.",
        f"Set [ninjaone.dialect] page_size to more than the number of accounts ({total} now).",
    )


def check_patching(context: CheckContext) -> Finding:
    """Whether NinjaOne says that it can change single attributes (RFC 7643 §5)."""
    config = _described(context, "ServiceProviderConfig") or {}
    patch = scim_responses.get(config, "patch")
    supported = scim_responses.get(patch, "supported") if isinstance(patch, dict) else None
    if supported is False and context.config.ninjaone.dialect.patch == "patch":
        return yellow("NinjaOne says that it has no PATCH.", 'Set [ninjaone.dialect] patch = "put".')
    if supported is True:
        return green("NinjaOne says that it has PATCH.")
    return green("NinjaOne does not say; ninjasync check --probe finds out.")


def check_external_id(context: CheckContext) -> Finding:
    """Whether NinjaOne shows the externalId of accounts that were given one."""
    if not context.config.ninjaone.dialect.external_id:
        return green("Not sent, as [ninjaone.dialect] external_id says; the ledger alone knows what is ours.")
    rows = _written(context, lambda _: True)
    if not rows:
        return yellow(
            "No account yet that was given one, so it is not known whether NinjaOne keeps it.",
            "Run ninjasync check again after the first apply, or try it now: ninjasync check --probe.",
        )
    shown = sum(_text(row, EXTERNAL_ID) is not None for row in rows)
    if shown:
        return green(f"NinjaOne shows it ({shown} of {len(rows)} accounts of ours looked at).")
    return yellow(
        "NinjaOne does not show the externalId of our accounts: the ledger alone knows what is ours.",
        f"Back up the ledger, {context.store.place}.",
    )


def check_extension(context: CheckContext) -> Finding:
    """Whether NinjaOne shows user type and organization."""
    mapped = [path for path in (USER_TYPE, ORGANIZATION_ID) if path in context.config.attributes]
    rows = context.rows
    names = {path: path.rpartition(":")[2] for path in mapped}
    shown = [names[path] for path in mapped if any(_value(row, path) for row in rows)]
    owned = context.ledger_facts.owned.values()
    hidden = [names[path] for path in mapped if any(one.shown.get(path, "") is None for one in owned)]
    hidden = [name for name in hidden if name not in shown]
    lacking = [name for path, name in names.items() if name not in shown and _written(context, _gave(path))]
    dark = sorted({*hidden, *lacking})
    if dark:
        return yellow(
            f"NinjaOne does not show {' and '.join(dark)} after it was written, so a change made in NinjaOne itself "
            "goes unseen.",
            "Look at some accounts in the NinjaOne console after the first apply.",
        )
    if shown:
        return green(f"NinjaOne shows {' and '.join(shown)}.")
    return green("No account shows NinjaOne's extension yet, so it is not known whether it is kept.")


def _gave(path: str) -> Callable[[Any], bool]:
    return lambda owned: owned.applied.get(path) is not None


def _written(context: CheckContext, chosen: Callable[[Any], bool]) -> list[Any]:
    """Return those of the accounts looked at that the ledger knows as ours, if ``chosen``."""
    ours = {one.id for one in context.ledger_facts.owned.values() if chosen(one)}
    return [row for row in context.rows if _text(row, "id") in ours]


def _is_list(answer: Answer) -> bool:
    return answer.status == 200 and scim_responses.read_page(answer.body) is not None


def _ask(context: CheckContext, path: str, naming: str) -> Answer:
    return context.try_to_get(path, filter=f"{naming} eq {scim_requests.quoted(_NO_ONE)}")


def _expect_look_up(context: CheckContext, answer: Answer) -> None:
    if not _is_list(answer) and answer.status != 404:
        raise context.scim.unexpected("look-up", answer)


def _found_otherwise(context: CheckContext, answer: Answer, path: str, naming: str) -> bool:
    """Whether what is not listed can still be looked up; 404 is the answer of a wrong URL, to all."""
    if answer.status in (200, 403, 404):
        return False
    return of_list(answer.status) == "no-list" or _is_list(_ask(context, path, naming))


def _page(context: CheckContext, answer: Answer, what: str) -> scim_responses.Page:
    if answer.status != 200:
        raise context.scim.unexpected(what, answer)
    page = scim_responses.read_page(answer.body)
    if page is None:
        raise UnreachableError(Message("{} answered with no SCIM list.", text(context.scim.url)), CHECK_URL)
    return page


def _accounts(page: scim_responses.Page, what: str) -> str:
    number = page.total if page.total is not None else len(page.resources)
    return f"{number} {what}{'s' * (number != 1)}"


def _first_id(answer: Answer) -> str | None:
    page = scim_responses.read_page(answer.body) if answer.status == 200 else None
    return _text(page.resources[0], "id") if page and page.resources else None


def _text(row: Any, name: str) -> str | None:
    value = scim_responses.get(row, name) if isinstance(row, dict) else None
    return str(value) if value not in (None, "") and not isinstance(value, dict | list) else None


def _value(row: Any, path: str) -> str | None:
    return scim_responses.value_at(row, path) if isinstance(row, dict) else None
