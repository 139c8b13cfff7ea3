"""Is everything in place? A table of small checks, each with one sentence and the cure.

One failing check never hides the others; those that cannot be made without it say so.
Nothing is written anywhere, and nothing but GET is sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from ninjasync.check import duo, local, ninjaone, public_api
from ninjasync.check.context import CheckContext
from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.finding import Finding, Line, red


@dataclass(frozen=True, slots=True)
class Check:
    """One check, and the names of those that it cannot do without."""

    name: str
    look: Callable[[CheckContext], Finding]
    needs: tuple[str, ...] = ()


_CONFIG, _KEY, _TOKEN = "configuration", "Duo secret key", "SCIM token"
_DUO_GROUPS, _DUO_USERS, _ACCOUNTS = "Duo groups", "Duo users", "NinjaOne users"

CHECKS = (
    Check(_CONFIG, local.check_configuration),
    Check(_KEY, local.check_duo_secret, (_CONFIG,)),
    Check(_TOKEN, local.check_token, (_CONFIG,)),
    Check("token expiry", local.check_token_expiry, (_CONFIG,)),
    Check(_DUO_GROUPS, duo.check_groups, (_KEY,)),
    Check(_DUO_USERS, duo.check_users, (_DUO_GROUPS,)),
    Check("Duo's clock", duo.check_clock, (_KEY,)),
    Check("groups in scope", duo.check_scoped_groups, (_DUO_USERS,)),
    Check("people in scope", duo.check_scope, (_DUO_USERS,)),
    Check("attributes", duo.check_attributes, (_DUO_USERS,)),
    Check("names", duo.check_names, (_DUO_USERS,)),
    Check("addresses", duo.check_addresses, (_DUO_USERS,)),
    Check("values", duo.check_values, (_DUO_USERS,)),
    Check("custom attributes", duo.check_custom_attributes, (_DUO_USERS,)),
    Check(_ACCOUNTS, ninjaone.check_users, (_TOKEN,)),
    Check("NinjaOne groups", ninjaone.check_groups, (_ACCOUNTS,)),
    Check("NinjaOne's clock", ninjaone.check_clock, (_TOKEN,)),
    Check("discovery", ninjaone.check_discovery, (_ACCOUNTS,)),
    Check("filter", ninjaone.check_filtering, (_ACCOUNTS,)),
    Check("paging", ninjaone.check_paging, (_ACCOUNTS,)),
    Check("PATCH", ninjaone.check_patching, (_ACCOUNTS,)),
    Check("externalId", ninjaone.check_external_id, (_ACCOUNTS,)),
    Check("extension", ninjaone.check_extension, (_ACCOUNTS,)),
    Check("public API", public_api.check_token, (_CONFIG,)),
    Check("organizations", public_api.check_organizations, ("public API",)),
    Check("administrators", public_api.check_administrators, ("public API",)),
    Check("agreement", public_api.agreement, ("public API", _ACCOUNTS)),
    Check("ledger", local.check_ledger, (_CONFIG,)),
    Check("lock", local.check_lock, (_CONFIG,)),
    Check("protected", local.check_protected_users, (_CONFIG,)),
    Check("monitoring", local.check_monitoring, (_CONFIG,)),
)


def check(context: CheckContext) -> tuple[Line, ...]:
    """Make every check that can be made, in the table's order."""
    lines: dict[str, Line] = {}
    for one in CHECKS:
        lines[one.name] = _make(one, context, lines)
    return tuple(mask(line, context.secrets_read) for line in lines.values())


def _make(one: Check, context: CheckContext, before: dict[str, Line]) -> Line:
    for name in one.needs:
        needed = before[name]
        if needed.finding.color == "red":
            root = needed.waits_for or name
            cure = f"Fix that first: {root}."
            # Red is what failed; this one merely could not be looked at.
            return Line(one.name, Finding("yellow", f"Not checked, as the check of {root} failed.", cure), root)
        if needed.waits_for:
            return replace(needed, name=one.name)
    try:
        return Line(one.name, one.look(context))
    except ConfigurationError as error:
        return Line(one.name, red(error.message, error.hint, exit_code=error.exit_code, details=error.mistakes))
    except NinjasyncError as error:
        return Line(one.name, red(error.message, error.hint, exit_code=error.exit_code))
    except Exception as error:  # whatever it is, the other checks are still made
        text = f"The check itself failed: {type(error).__name__}: {error}."
        return Line(one.name, red(text, "Please report it, with what --log-level debug shows."))


def obstacle(lines: Sequence[Line]) -> str:
    """Say what keeps a probe from being made; empty where nothing does."""
    for line in lines:
        if line.name in (_DUO_USERS, _ACCOUNTS) and (line.waits_for or line.finding.color == "red"):
            return f"the check of {line.waits_for or line.name} failed"
    return ""


def mask(line: Line, secrets: list[SecretStr]) -> Line:
    """Return ``line`` without any of ``secrets`` in its words."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret.get_secret_value(), "***")
        return text

    found = line.finding
    safe = replace(found, text=clean(found.text), cure=clean(found.cure), details=tuple(map(clean, found.details)))
    return replace(line, finding=safe)
