"""What SCIM and NinjaOne's public API each say of an account.

Pure. Tells both side by side; which of the two counts was decided in the plan.
"""

from collections.abc import Mapping

from ninjasync.explain.case import Case
from ninjasync.model.api_evidence import ApiAccount, ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.directory import User
from ninjasync.model.explanation import Fact
from ninjasync.model.values import ALL_ORGANIZATIONS
from ninjasync.names_alike import folded

_NOT_TOLD = "no {} told"


def account_facts(case: Case) -> tuple[Fact, ...]:
    """Return what each of the two says of the user's account, or of the address; none where the API is not asked."""
    evidence = case.inspection.moment.api
    if evidence is None:
        return ()
    user = case.user
    wanted = user.desired.user_name if user is not None and user.desired is not None else case.name
    address = folded(case.account.user_name if case.account else wanted)
    names = dict(evidence.organizations or ())
    shown = _as_scim_shows(case)
    said = [Fact("SCIM", _told_by_scim(shown, case, names))] if shown is not None else []
    return (*said, Fact("public API", _told_by_api(evidence, address, names)))


def _as_scim_shows(case: Case) -> User | None:
    if case.account is None:
        return None
    return next((one for one in case.planning.shown.users if one.id == case.account.id), None)


def _told_by_scim(user: User, case: Case, names: Mapping[str, str]) -> list[str]:
    values = dict(zip(case.planning.shown.paths, user.values, strict=True))
    state = ("active" if user.active else "inactive") if user.shows_active else None
    return _in_words(values.get(USER_TYPE), values.get(ORGANIZATION_ID), state, names)


def _told_by_api(evidence: ApiEvidence, address: str, names: Mapping[str, str]) -> list[str]:
    account = evidence.account(address)
    if account is not None:
        state = None if account.enabled is None else "enabled" if account.enabled else "disabled"
        said = _in_words(account.kind, account.organization, state, names, technician=account.kind == "technician")
        return [*said, *_on_administration(account)]
    if address in evidence.ambiguous:
        return ["several accounts of this address, which say different things"]
    if evidence.unread:
        return ["not known: its lists could not be read"]
    return ["no account of this address"]


def _on_administration(account: ApiAccount) -> list[str]:
    if account.kind != "technician":
        return []
    if account.administrator is None:
        return [_NOT_TOLD.format("system administrator")]
    return ["a system administrator"] if account.administrator else ["no system administrator"]


def _in_words(
    kind: str | None, organization: str | None, state: str | None, names: Mapping[str, str], *, technician: bool = False
) -> list[str]:
    """Return kind, organization and state; what is not told is said, but for an organization that no one expects."""
    name = names.get(organization or "")
    place = f"organization {organization}" + (f" ({name})" if name else "")
    if organization == ALL_ORGANIZATIONS:
        place = "all organizations"
    said = [kind or _NOT_TOLD.format("userType")]
    if organization is not None or not technician:
        said.append(place if organization is not None else _NOT_TOLD.format("organization"))
    return [*said, state or _NOT_TOLD.format("state")]
