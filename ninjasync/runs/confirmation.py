"""Looks after the writes at what the public API says of them (CONTRACT 5.2, 7.9).

NinjaOne may accept over SCIM what it does not do. Fails what the API denies, and tells the
accounts that are still enabled after their deactivation. Writes nothing to NinjaOne.
"""

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.errors import NinjasyncError
from ninjasync.model.api_evidence import KINDS, ApiAccount
from ninjasync.model.attributes import ENABLED, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import REMOVALS
from ninjasync.model.directory import Observation
from ninjasync.model.message import NOTHING, Message, text, word
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.values import ALL_ORGANIZATIONS, same_value
from ninjasync.names_alike import folded
from ninjasync.ninjaone.oauth import OAuthClient
from ninjasync.ninjaone.public_api import PublicApi
from ninjasync.runs.api_evidence import by_address

log = logging.getLogger(__name__)

# Seconds. The API may show a write some seconds late; it is looked at so long after, and once more.
LOOKS_AFTER = (0.0, 5.0)
_DENIED = (
    'NinjaOne accepted {} "{}" over SCIM, and its public API still shows "{}". Look at this account in the NinjaOne '
    "console: it may have other rights than it should."
)
_UNCONFIRMED = "NinjaOne's public API could not be read after the writes, so not every change is confirmed."
_TOLD = {USER_TYPE: "userType", ORGANIZATION_ID: "organizationId"}


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What the API shows otherwise than was written; with ``error`` the write counts as failed."""

    observed: Observation
    error: Message = NOTHING


def confirm_writes(context: RunContext, result: Result) -> Result:
    """Look at what the API says of the accounts that were written, and return the outcomes in that light.

    A user type or an organization that it denies is a failure; a deactivation or a deletion
    after which it calls the account enabled is told. It is looked at at once, and once more
    some seconds later for those that differ. Where it cannot be read, which is logged, or does
    not know an account, SCIM's word counts as before.
    """
    written = {outcome.change.name: outcome for outcome in result.outcomes if _is_to_confirm(outcome)}
    if not written or not context.config.ninjaone.api.url:
        return result
    doubts: dict[str, _Doubt] = {}
    try:
        with closing(OAuthClient(context, secrets.read_api_client_secret(context.config))) as client:
            for pause in LOOKS_AFTER:
                if pause and (not doubts or context.stop.wait(pause)):
                    break
                api = PublicApi(client)
                accounts, _ = by_address(user for kind in KINDS for user in api.read_users(kind))
                left = doubts or written
                doubts = {name: doubt for name in left if (doubt := _doubt(written[name], accounts))}
    except NinjasyncError:  # what the first look denied stays denied; the report of the writes must not be lost
        log.warning(_UNCONFIRMED)
    outcomes = (_in_the_light_of(outcome, doubts.get(outcome.change.name)) for outcome in result.outcomes)
    return replace(result, outcomes=tuple(outcomes))


def _in_the_light_of(outcome: Outcome, doubt: _Doubt | None) -> Outcome:
    if doubt is None:
        return outcome
    observed = (*(one for one in outcome.observed if one.path != doubt.observed.path), doubt.observed)
    if not doubt.error:
        return replace(outcome, observed=observed)
    return replace(outcome, observed=observed, status="failed", error=doubt.error, there=True)


def _is_to_confirm(outcome: Outcome) -> bool:
    change = outcome.change
    if change.resource != "user" or outcome.status != "applied":
        return False
    return change.action in REMOVALS or any(delta.path in _TOLD and delta.after is not None for delta in change.diff)


def _doubt(outcome: Outcome, accounts: Mapping[str, ApiAccount]) -> _Doubt | None:
    """Return what the API shows otherwise than was written; None where it agrees, or does not know."""
    change = outcome.change
    account = accounts.get(folded(change.key))
    if account is None:
        return None
    if change.action in REMOVALS:
        return _Doubt(Observation(ENABLED, "false", "true")) if account.enabled else None
    shown = {USER_TYPE: account.kind, ORGANIZATION_ID: _organization(outcome, account)}
    for delta in change.diff:
        shows = shown.get(delta.path)
        if shows is not None and not same_value(delta.path, shows, str(delta.after)):
            error = Message(_DENIED, word(_TOLD[delta.path]), text(delta.after), text(shows))
            return _Doubt(Observation(delta.path, str(delta.after), shows), error)
    return None


def _organization(outcome: Outcome, account: ApiAccount) -> str | None:
    """Return the organization that the API tells; none where it tells none and SCIM showed the one that was sent."""
    hidden = any(one.path == ORGANIZATION_ID and one.shown is None for one in outcome.observed)
    return None if account.organization == ALL_ORGANIZATIONS and not hidden else account.organization
