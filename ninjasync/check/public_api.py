"""Checks of NinjaOne's public API, where [ninjaone.api] is set up: the token, and what the API tells.

Sends nothing but GET, and the request for the token. What is not told makes plans stricter
(CONTRACT 7.9), so it is yellow; refused credentials end every run, so they are red.
"""

from collections import Counter

from ninjasync.check.context import CheckContext
from ninjasync.model.attributes import USER_NAME
from ninjasync.model.finding import Finding, green, yellow
from ninjasync.model.message import counted
from ninjasync.names_alike import folded

_NOT_SET_UP = green("Not asked, as [ninjaone.api] is not set up.")
_PERMISSION = "See in the NinjaOne console that the client app may read (monitoring)."


def token(context: CheckContext) -> Finding:
    """Whether the client app is given a token, and one that may do no more than read."""
    if context.evidence is None:
        return _NOT_SET_UP
    for warning in context.evidence.warnings:
        return yellow(str(warning), "Runs go on; take the scopes away.")
    return green(f"{context.config.ninjaone.api.url} gives a token that may read and nothing else.")


def organizations(context: CheckContext) -> Finding:
    """Whether the organizations can be read, so that names and numbers can be checked."""
    if context.evidence is None:
        return _NOT_SET_UP
    found = context.evidence.organizations
    if found is None:
        return yellow(
            "The public API shows no organization, so numbers are not checked.",
            _PERMISSION,
            details=tuple(map(str, context.evidence.failures)),
        )
    names = Counter(folded(name) for _, name in found)
    twice = sorted({name for _, name in found if names[folded(name)] > 1})
    if twice:
        return yellow(
            f"The public API shows {counted(len(found), 'organization')}; several are called {', '.join(twice)}.",
            "Users who name one of these are held; write its number.",
        )
    return green(f"The public API shows {counted(len(found), 'organization')}.")


def users(context: CheckContext) -> Finding:
    """Whether the accounts can be read, who is a system administrator is told, and SCIM shows the same tenant."""
    evidence = context.evidence
    if evidence is None:
        return _NOT_SET_UP
    if not evidence.accounts:
        return yellow(
            "The public API shows no account, so no technician is deactivated, deleted or given another type.",
            _PERMISSION,
            details=tuple(map(str, evidence.failures)),
        )
    kinds = Counter(account.kind for account in evidence.accounts.values())
    found = f"{counted(kinds['technician'], 'technician')} and {counted(kinds['endUser'], 'end user')}"
    shown = [name for row in context.rows if isinstance(row, dict) and isinstance(name := row.get(USER_NAME), str)]
    if shown and not any(folded(name) in evidence.accounts for name in shown):
        return yellow(
            f"The public API shows {found}, and none of the {counted(len(shown), 'account')} that SCIM shows.",
            "See that [ninjaone.api] url and [ninjaone] endpoint_url are of the same tenant.",
        )
    if all(account.administrator is None for account in evidence.accounts.values() if account.kind == "technician"):
        return yellow(
            f"The public API shows {found}, but not who is a system administrator.",
            "No technician is deactivated, deleted or given another type; see [safety] protect_administrators.",
        )
    administrators = sum(account.administrator is True for account in evidence.accounts.values())
    return green(f"The public API shows {found}, of whom {administrators} may do everything (system administrators).")
