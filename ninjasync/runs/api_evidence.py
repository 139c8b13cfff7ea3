"""Reads the public API's evidence for a plan, and looks once more after the writes (CONTRACT 7.9).

Where it fails, a run goes on without it and says what that costs; refused credentials alone
end it. Writes nothing anywhere.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.errors import CredentialsError, InterruptedRunError, NinjasyncError
from ninjasync.model.api_evidence import ApiAccount, ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change
from ninjasync.model.message import NOTHING, Message, as_message, listed, text, word
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.values import ALL_ORGANIZATIONS, same_value
from ninjasync.names_alike import folded
from ninjasync.ninjaone.public_api import SCOPE, ApiUser, PublicApi
from ninjasync.threads import in_background

log = logging.getLogger(__name__)

# The API may show a write some seconds late; it is looked at so long after, and once more.
_LOOKS_AFTER = (0.0, 5.0)
_DENIED = (
    'NinjaOne accepted {} "{}" over SCIM, and its public API still shows "{}". Look at this account in the NinjaOne '
    "console: it may have other rights than it should."
)
_WIDE = (
    "The client app of [ninjaone.api] may do more than read ({}). Take these scopes away in the NinjaOne console; "
    "{} is enough."
)
_UNCONFIRMED = "NinjaOne's public API could not be read after the writes, so not every change is confirmed."
_TOLD = {USER_TYPE: "userType", ORGANIZATION_ID: "organizationId"}


def begin_evidence(context: RunContext) -> Future[ApiEvidence] | None:
    """Begin to read, in the background; None where [ninjaone.api] is not set up."""
    if not context.config.ninjaone.api.url:
        return None
    secret = secrets.api_client_secret(context.config)

    def read() -> ApiEvidence:
        with closing(PublicApi(context, secret)) as api:
            return read_evidence(api)

    return in_background(read)


def read_evidence(api: PublicApi) -> ApiEvidence:
    """Read organizations and users. Raises CredentialsError; other failures are in the evidence, a sentence each."""
    failures: list[Message] = []
    organizations: tuple[tuple[str, str], ...] | None = None
    accounts: dict[str, ApiAccount] | None = None
    ambiguous: frozenset[str] = frozenset()
    try:
        found = api.organizations()
        # None of a tenant's is more likely a list that may not be read than a tenant without any.
        organizations = tuple((one.id, one.name) for one in found) or None
    except (CredentialsError, InterruptedRunError):
        raise
    except NinjasyncError as error:
        failures.append(
            Message("{} Organizations by name are held, and numbers are not checked.", as_message(error.message))
        )
    try:
        accounts, ambiguous = _by_address(api.users())
    except (CredentialsError, InterruptedRunError):
        raise
    except NinjasyncError as error:
        failures.append(
            Message("{} Who is a system administrator is not known, nor what SCIM hides.", as_message(error.message))
        )
    return ApiEvidence(organizations, accounts or None, ambiguous, tuple(failures), tuple(_wide_scope(api.granted)))


def _wide_scope(granted: Iterable[str]) -> list[Message]:
    wider = sorted(set(granted) - {SCOPE})
    return [Message(_WIDE, listed(map(text, wider)), word(SCOPE))] if wider else []


def _by_address(users: Iterable[ApiUser]) -> tuple[dict[str, ApiAccount], frozenset[str]]:
    """Return accounts by folded address, and the addresses that several have."""
    users = list(users)
    # An end user without a number is one of all organizations, if the API tells any number at all.
    tells = any(user.organization for user in users)
    found: dict[str, ApiAccount] = {}
    ambiguous: set[str] = set()
    for user in users:
        name = folded(user.email)
        if name in found:
            ambiguous.add(name)
        organization = user.organization or (ALL_ORGANIZATIONS if user.organization == "" and tells else None)
        found[name] = ApiAccount(user.email, user.kind, organization, user.enabled, user.administrator)
    return {name: account for name, account in found.items() if name not in ambiguous}, frozenset(ambiguous)


# --- after the writes ------------------------------------------------------------------------


def confirm_writes(context: RunContext, result: Result) -> Result:
    """Look at what the API says of user types and organizations that were written, and fail those that it denies.

    Once at once, and once more some seconds later for those that differ. Where it cannot be
    read, which is logged, or does not know an account, SCIM's word counts as before.
    """
    written = {outcome.change.name: outcome for outcome in result.outcomes if _is_to_confirm(outcome)}
    if not written or not context.config.ninjaone.api.url:
        return result
    denied: dict[str, Message] = {}
    try:
        with closing(PublicApi(context, secrets.api_client_secret(context.config))) as api:
            for pause in _LOOKS_AFTER:
                if pause and (not denied or context.stop.wait(pause)):
                    break
                accounts, _ = _by_address(api.users())
                left = denied or written
                denied = {name: why for name in left if (why := _denial(written[name].change, accounts))}
    except NinjasyncError:  # what the first look denied stays denied; the report of the writes must not be lost
        log.warning(_UNCONFIRMED)
    outcomes = tuple(
        replace(outcome, status="failed", error=denied[outcome.change.name], there=True)
        if outcome.change.name in denied
        else outcome
        for outcome in result.outcomes
    )
    return replace(result, outcomes=outcomes)


def _is_to_confirm(outcome: Outcome) -> bool:
    change = outcome.change
    sends = any(delta.path in _TOLD and delta.after is not None for delta in change.diff)
    return change.resource == "user" and outcome.status == "applied" and sends


def _denial(change: Change, accounts: dict[str, ApiAccount]) -> Message:
    """Say what the API shows otherwise than was written; empty where it agrees, or does not know."""
    account = accounts.get(folded(change.key))
    if account is None:
        return NOTHING
    shown = {USER_TYPE: account.kind, ORGANIZATION_ID: account.organization}
    for delta in change.diff:
        shows = shown.get(delta.path)
        if delta.path in shown and shows is not None and not same_value(delta.path, shows, str(delta.after)):
            return Message(_DENIED, word(_TOLD[delta.path]), text(delta.after), text(shows))
    return NOTHING
