"""Checks of NinjaOne's public API, where [ninjaone.api] is set up: the token, and what the API tells.

Sends nothing but GET, and the request for the token. What is not told makes plans stricter
(CONTRACT 7.9), so it is yellow; refused credentials end every run, so they are red.
"""

from collections import Counter
from collections.abc import Iterable

from ninjasync.check.context import CheckContext
from ninjasync.model.finding import Finding, green, yellow
from ninjasync.model.message import Message, counted
from ninjasync.names_alike import folded
from ninjasync.ninjaone.oauth import CHECK_URL

_NOT_SET_UP = green("Not asked, as [ninjaone.api] is not set up.")
_RUNS_GO_ON = "Runs go on all the same."
_MOST_NAMES = 5
_PERMISSION = "See in the NinjaOne console that the client app may read (monitoring)."


def check_token(context: CheckContext) -> Finding:
    """Whether the client app is given a token, and one that may do no more than read."""
    evidence = context.evidence
    if evidence is None:
        return _NOT_SET_UP
    if evidence.unread and evidence.organizations is None:
        return yellow(
            "Nothing could be read of the public API.", f"{_RUNS_GO_ON} {CHECK_URL}", details=_said(evidence.failures)
        )
    if evidence.warnings:
        return yellow(str(evidence.warnings[0]), _RUNS_GO_ON, details=_said(evidence.warnings[1:]))
    return green(f"{context.config.ninjaone.api.url} gives a token that may read and nothing else.")


def check_organizations(context: CheckContext) -> Finding:
    """Whether the organizations can be read, so that names and numbers can be checked."""
    if context.evidence is None:
        return _NOT_SET_UP
    found = context.evidence.organizations
    if found is None:
        return yellow(
            "The public API shows no organization, so numbers are not checked.",
            _PERMISSION,
            details=_said(context.evidence.failures),
        )
    names = Counter(folded(name) for _, name in found)
    twice = sorted({name for _, name in found if names[folded(name)] > 1})
    if twice:
        return yellow(
            f"The public API shows {counted(len(found), 'organization')}; several are called {', '.join(twice)}.",
            "Users who name one of these are held; write its number.",
        )
    return green(f"The public API shows {counted(len(found), 'organization')}.")


def check_administrators(context: CheckContext) -> Finding:
    """Whether the accounts can be read, and who is a system administrator is told."""
    evidence = context.evidence
    if evidence is None:
        return _NOT_SET_UP
    kinds = Counter(account.kind for account in evidence.accounts.values())
    found = f"{counted(kinds['technician'], 'technician')} and {counted(kinds['endUser'], 'end user')}"
    if evidence.unread:
        return yellow(
            f"The public API shows {found}, and not all of its lists.", _PERMISSION, details=_said(evidence.failures)
        )
    technicians = [account for account in evidence.accounts.values() if account.kind == "technician"]
    if all(account.administrator is None for account in technicians):
        return yellow(
            f"The public API shows {found}, but not who is a system administrator.",
            "No technician is deactivated, deleted or given another type; see [safety] protect_administrators.",
        )
    administrators = sum(account.administrator is True for account in technicians)
    return green(f"The public API shows {found}, of whom {administrators} may do everything (system administrators).")


def agreement(context: CheckContext) -> Finding:
    """Whether SCIM and the public API show the same accounts, by their addresses."""
    evidence = context.evidence
    if evidence is None:
        return _NOT_SET_UP
    if not (evidence.accounts or evidence.ambiguous):
        return yellow("Not compared, as the public API shows no account.", _PERMISSION)
    shown = context.every_name
    if shown is None:
        return green("Not compared: SCIM does not list all of its accounts, so it is not known which there are.")
    listed = evidence.accounts.keys() | evidence.ambiguous.keys()
    both, scim_alone, api_alone = (sorted(names) for names in (shown & listed, shown - listed, listed - shown))
    details = [f"In SCIM alone: {_some(scim_alone)}"] if scim_alone else []
    details += [f"In the public API alone: {_some(api_alone)}"] if api_alone else []
    text = (
        f"SCIM shows {counted(len(shown), 'account')} and the public API {len(listed)}: {len(both)} in both, "
        f"{len(scim_alone)} in SCIM alone, {len(api_alone)} in the public API alone."
    )
    if shown and not both:
        cure = "See that [ninjaone.api] url and [ninjaone] endpoint_url are of the same tenant."
        return yellow(text, cure, details=tuple(details))
    if scim_alone or evidence.unread:
        cure = "What the public API would say of these is not known; a list that is cut off may be why."
        return yellow(text, cure, details=tuple(details))
    return Finding("green", text, details=tuple(details))


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _said(messages: Iterable[Message]) -> tuple[str, ...]:
    return tuple(map(str, messages))
