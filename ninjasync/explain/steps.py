"""The six steps of an explanation: read, scope, map, match, diff, decide.

Pure. Words what a case holds, with the line of the configuration that led to it; must not
decide anything.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ninjasync.config.expression import ExpressionError, alternatives_of, compile_expression, is_true
from ninjasync.config.functions import is_blank
from ninjasync.explain.case import Case
from ninjasync.explain.config_lines import decision_lines, push_lines, scope_lines
from ninjasync.explain.sources import account_facts
from ninjasync.model.attributes import ORGANIZATION_ID, USER_NAME
from ninjasync.model.explanation import Attribute, Conclusion, Fact, Step
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text
from ninjasync.model.source import Standing
from ninjasync.model.values import same_value
from ninjasync.names_alike import alike
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.organizations import is_name

_DECISIONS: dict[Conclusion, str] = {
    "create": "create an account: in scope, valid, and none there",
    "adopt": "take the account over",
    "update": "change the account",
    "reactivate": "make the account active again, as the user is back",
    "deactivate": "deactivate the account",
    "delete": "delete the account",
    "unchanged": "nothing to do",
    "left-alone": "leave everything as it is",
    "protected": "leave the account alone, as it is protected",
    "out-of-scope": "nothing to do: not in scope, and no account to remove",
    "kept": "keep the account, though the user is gone",
    "unmanaged": "leave the account alone",
    "gone": "nothing to do; the next apply forgets the account",
}
_STANDINGS = {
    Standing.IN: "in",
    Standing.OUT: "out",
    Standing.LEFT_ALONE: "neither in nor out",
    Standing.HELD: "held",
}
_WAYS_IN = {
    "": "To give an account, put the user into one of these groups in Duo.",
    "exclude_users": "To give an account, take that entry out.",
    "exclude_groups": "To give an account, take the user out of that group in Duo, or that entry out.",
    "where": "To give an account, change the record in Duo, or the expression.",
    "disabled": "To give an account, make the user active in Duo.",
    "pending deletion": "To give an account, restore the user from Duo's trash.",
    "statuses": "To give an account, add the status, or change it in Duo.",
}


def steps(case: Case) -> tuple[Step, ...]:
    """Return the steps in their order."""
    return (_read(case), _scope(case), _map(case), _match(case), _diff(case), _decide(case))


def attributes(case: Case) -> tuple[Attribute, ...]:
    """Return how each attribute came about; none for a user who is not in scope, as nothing was mapped."""
    user, record = case.user, case.record
    if user is None or record is None or user.standing is not Standing.IN:
        return ()
    mapping = compile_mapping(case.config.attributes, case.config.safety, case.config.organizations)
    values: dict[str, str | None] = {}
    if user.desired is not None:
        values = dict(zip(mapping.paths, user.desired.values, strict=True))
        values[USER_NAME] = user.desired.user_name
    found = []
    for path, text in case.config.attributes.items():
        try:
            given = mapping.expressions[path](record)
        except ExpressionError:
            given = None
        found.append(Attribute(path, text, given, values.get(path), _source(text, record)))
    return tuple(found)


def _source(text: str, record: Mapping[str, Any]) -> str:
    """Say which part of ``a || b`` gives the value, and why not one before it."""
    parts = alternatives_of(text)
    empty: list[str] = []
    for part in parts if len(parts) > 1 else ():
        try:
            value = compile_expression(part)(record)
        except ExpressionError:
            return f"{part} fails"
        if is_true(value) and not is_blank(value):
            as_ = f", as {_and(empty)} {'is' if len(empty) == 1 else 'are'} empty" if empty else ""
            return f"from {part}{as_}"
        empty.append(part)
    return f"{_and(empty)} are empty" if empty else ""


def _notes_on_attributes(case: Case) -> list[str]:
    """Say where the values of attributes come from that several parts of an expression or a name may give."""
    notes = []
    for one in attributes(case):
        name = one.path.rpartition(":")[2]
        if one.source:
            notes.append(f"{name}: {one.source}")
        if one.path == ORGANIZATION_ID and one.value and is_name(one.given):
            notes.append(f'{name}: "{one.given}" is {one.value} {_organizations_of(case, str(one.given))}')
    return notes


def _organizations_of(case: Case, name: str) -> str:
    """Say where the number of a name is from."""
    if any(alike(name, one) for one in case.config.organizations):
        return "in [organizations]"
    return "in NinjaOne's public API"


def _read(case: Case) -> Step:
    record, how = case.record, case.subject.how
    if record is None:
        where = "only in NinjaOne" if case.account else "only in the ledger"
        return Step("read", f"{where}, found by {how}; Duo has no such user", _remembered(case))
    names = case.planning.source.groups
    facts = [
        Fact("username", record.get("username")),
        Fact("email", record.get("email")),
        Fact("name", record.get("realname") or _joined(record.get("firstname"), record.get("lastname"))),
        Fact("status", record.get("status")),
        Fact("groups", None if case.groups is None else [names.get(id_, id_) for id_ in case.groups]),
    ]
    return Step("read", f"Duo user {case.subject.duo_id}, found by {how}", (*facts, *_remembered(case)))


def _joined(*names: Any) -> str | None:
    return " ".join(name for name in names if isinstance(name, str)) or None


def _remembered(case: Case) -> tuple[Fact, ...]:
    """Return what the ledger knows of the user."""
    if case.entry is None:
        return ()
    known = [Fact("ledger id", case.entry.id)]
    if case.account is None or case.account.user_name != case.entry.name:
        known.append(Fact("ledger name", case.entry.name))
    if case.entry.deactivated_at is not None:
        known.append(Fact("deactivated", _stamp(case.entry.deactivated_at)))
    if case.entry.deleted:
        known.append(Fact("deleted", True))
    return tuple(known)


def _scope(case: Case) -> Step:
    verdict = case.verdict
    if verdict is None:
        return Step("scope", "out: no longer in Duo" if case.entry else "not asked: Duo has no such user")
    return Step("scope", f"{_STANDINGS[verdict.standing]}: {verdict.reason}", settings=scope_lines(case))


def _map(case: Case) -> Step:
    if case.user is None or case.user.standing is not Standing.IN:
        return Step("map", "not mapped: only users in scope are")
    pushed, problems = case.planning.source.pushed, case.user.problems
    groups = [id_ for id_ in case.user.groups if id_ in pushed]
    number = len(problems)
    text = f"held, by {number} problem{'s' * (number > 1)}" if problems else "every attribute is valid"
    notes = (*_notes_on_attributes(case), *(f"{problem.code}: {problem.message}" for problem in problems))
    return Step("map", text, (Fact("groups", sorted(pushed[id_] for id_ in groups)),), notes, push_lines(case, groups))


def _match(case: Case) -> Step:
    account, owned = case.account, case.inspection.moment.owned
    notes: list[str] = [*case.warnings]
    if not owned.known:
        notes.append("There is no ledger for this tenant yet." if owned.readable else "The ledger cannot be read now.")
    if case.namesake is not None:
        notes.append(f"NinjaOne has an account {case.namesake.user_name} ({case.namesake.id}) that is not this user's.")
    if account is None:
        if case.entry is not None:
            notes.append(f"The ledger knows the account {case.entry.id}, but NinjaOne no longer has it.")
        if case.namesake is None:
            notes.insert(0, f"Looked for {_and(_marks(case))}.")
        return Step("match", "no account in NinjaOne", account_facts(case), tuple(notes))
    groups = case.planning.actual.groups
    member = sorted(one.display_name for one in groups if one.members is not None and account.id in one.members)
    unknown = sorted(one.display_name for one in groups if one.members is None)
    if unknown:
        notes.append(f"NinjaOne does not show the members of {_and(unknown)}; those last applied count instead.")
    facts = (
        Fact("id", account.id),
        Fact("userName", account.user_name),
        Fact("active", account.active),
        Fact("externalId", account.external_id),
        Fact("groups", member),
    )
    return Step("match", f"account {account.id}, {_evidence(case)}", (*facts, *account_facts(case)), tuple(notes))


def _marks(case: Case) -> list[str]:
    """List what the user's account would be recognised by."""
    name = case.user.desired.user_name if case.user and case.user.desired else case.name
    marks = [f'the userName "{name}"']
    marks += [f"the externalId {case.subject.duo_id}"] if case.subject.duo_id else []
    return [*marks, f"the id {case.entry.id}, which the ledger has"] if case.entry else marks


def _evidence(case: Case) -> str:
    assert case.account is not None
    duo_id = case.subject.duo_id
    if case.conclusion == "adopt":
        return (
            "not managed so far, which has the right userName: the name alone is no proof, so it is taken over openly"
        )
    proofs = []
    if case.entry is not None and case.entry.id == case.account.id:
        proofs.append("the ledger")
    if duo_id is not None and case.account.external_id == duo_id:
        proofs.append("its externalId, which is the Duo user id")
    return f"proven by {_and(proofs)}" if proofs else "which nothing links to a user in Duo"


def _diff(case: Case) -> Step:
    change, account = case.change, case.account
    notes = _settled(case)
    if change is None and not case.memberships:
        compared = case.conclusion == "unchanged"
        return Step("diff", "nothing differs" if compared else "not compared", notes=tuple(notes))
    rows = len(change.diff) if change else 0
    if change is None or change.action == "delete":
        text = "memberships differ" if case.memberships else "the whole account goes"
    elif account is None:
        text = "all of it is new"
    else:
        text = f"{rows} attribute{'s' * (rows != 1)} differ{'s' * (rows == 1)}" if rows else "no attribute differs"
    if change is not None and change.needs:
        notes.append("Another user gives up the name first.")
    return Step("diff", text, notes=tuple(notes))


def _settled(case: Case) -> list[str]:
    """Say which differences are NinjaOne's own doing, and not sent again."""
    user, account = case.user, case.account
    if user is None or user.desired is None or account is None or case.conclusion in ("held", "protected"):
        return []
    planned = {row.path for row in case.change.diff} if case.change else set()
    notes = []
    for path, shown, wanted in zip(case.planning.source.paths, account.values, user.desired.values, strict=True):
        name = path.rpartition(":")[2]
        if path in planned or same_value(path, shown, wanted):
            continue
        if shown is None:
            notes.append(f"NinjaOne does not show {name}; what was last applied counts instead.")
        else:
            notes.append(f'NinjaOne keeps {name} "{shown}" where "{wanted}" was sent; it is not sent again.')
    return notes


def _decide(case: Case) -> Step:
    known = case.user.problems if case.user else ()
    notes = [f"{problem.code}: {problem.message}" for problem in case.problems if problem not in known]
    if case.conclusion == "unmanaged":
        notes.append(_whose(case))
    if case.change is not None:
        # The first reason is the scope's, which stands above, but for a deletion that is due.
        notes += case.change.reasons if case.change.action == "delete" else case.change.reasons[1:]
    if case.conclusion in ("out-of-scope", "deactivate", "inactive", "kept") and case.verdict is not None:
        status = str(case.record.get("status")) if case.record else ""
        key = status if case.verdict.key == "statuses" and status in _WAYS_IN else case.verdict.key
        notes.append(_WAYS_IN[key])
    facts = (Fact("due", _stamp(case.turn.due)),) if case.turn else ()
    sentences = tuple(Message("{}.", as_text(note)) for note in notes)
    return Step("decide", _decision(case), facts, sentences, decision_lines(case))


def _decision(case: Case) -> str:
    match case.conclusion:
        case "held":
            stays = "everything stays as it is, memberships too," if case.managed else "no account is made"
            return f"hold: {stays} until that is fixed"
        case "inactive":
            return _waiting(case)
        case "unchanged" if case.memberships:
            return "change memberships"
        case conclusion:
            return _DECISIONS[conclusion]


def _waiting(case: Case) -> str:
    days = case.config.deprovision.delete_after_days
    if case.deferred:
        return "wait: the deletion is due, but the removal limit lets the older ones go first"
    if case.turn is not None:
        return "wait: the first apply after the due date deletes the account"
    if case.entry is not None and case.entry.deleted:
        return "nothing to do: NinjaOne accepted the deletion and keeps the account inactive"
    if days < 0:
        return "keep it inactive: no account is ever deleted"
    return f"wait: the next apply records the date, and {days} days later the account is deleted"


def _whose(case: Case) -> str:
    assert case.account is not None
    owned, account = case.inspection.moment.owned, case.account
    if (tenant := owned.foreign_users.get(account.id or "")) is not None:
        return f"It belongs to the tenant {tenant}, which shares this ledger"
    if account.external_id is not None:
        return f"It carries the externalId {account.external_id}, which no user in Duo has; the ledger does not know it"
    return "No user in scope has its userName, and ninjasync neither made it nor took it over"


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}Z"


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
