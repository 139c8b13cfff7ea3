"""Replaces people's names and addresses in a plan by stable tokens, fit for a public pull request.

Pure; the key comes in as an argument. Tokens are keyed, so that nobody can guess an
address by trying it (CONTRACT §6.14). Groups keep their names, ids stay: they are opaque.
"""

import hashlib
import hmac
import re
from dataclasses import replace

from ninjasync.attribute import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE
from ninjasync.plan import Change, Delta, Member, Plan, Value

_ADDRESS = re.compile(r"[^\s\"'(),;<>]+@[^\s\"'(),;<>]+")
_PATTERN = re.compile(r'((?:users|exclude_users|protected_users) )"[^"]*"')
_HARMLESS = {ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE}

# A problem's own message quotes the record; these say the same without it.
_MESSAGES = {
    "missing-user-name": "has no e-mail address to be the userName",
    "invalid-user-name": "the userName is not an e-mail address",
    "duplicate-user-name": "wants the same userName as somebody else",
    "missing-name": "a name is missing or too long",
    "missing-user-type": "has no user type",
    "invalid-user-type": "the user type is not one of those allowed",
    "unknown-status": "Duo gives a status that is not documented",
    "missing-organization": "has no organization",
    "invalid-organization": 'the organization is neither a whole number nor "All"',
    "name-taken": "the userName is held by another account",
    "expression-failed": "an expression failed on the record",
    "unreadable-record": "the record could not be read",
}


def redacted(plan: Plan, key: bytes) -> Plan:
    """Return ``plan`` with a token in the place of every name and address; the same one gets the same token."""
    tokens: dict[str, str] = {}

    def token(text: str) -> str:
        known = tokens.get(text)
        if known is None:
            digest = hmac.new(key, text.casefold().encode("utf-8", "surrogatepass"), hashlib.sha256)
            known = tokens[text] = f"person-{digest.hexdigest()[:12]}"
        return known

    def value(path: str, found: Value) -> Value:
        return token(found) if isinstance(found, str) and path not in _HARMLESS else found

    def delta(row: Delta) -> Delta:
        via = token(row.via) if row.via else None
        return Delta(row.path, value(row.path, row.before), value(row.path, row.after), via)

    def member(one: Member) -> Member:
        return replace(one, key=token(one.key))

    def prose(text: str) -> str:
        plain = _PATTERN.sub(r"\1(a pattern)", text)
        return _ADDRESS.sub(lambda hit: token(hit.group().rstrip(".:")), plain)

    def change(one: Change) -> Change:
        user = one.resource == "user"
        return replace(
            one,
            key=token(one.key) if user else one.key,
            diff=tuple(map(delta, one.diff)) if user else one.diff,
            added=tuple(map(member, one.added)),
            removed=tuple(map(member, one.removed)),
            reasons=tuple(map(prose, one.reasons)),
        )

    changes = tuple(map(change, plan.changes))
    problems = tuple(
        replace(problem, key=token(problem.key), message=_MESSAGES.get(problem.code, problem.code))
        if problem.resource == "user"
        else problem
        for problem in plan.problems
    )
    leavers = tuple(replace(leaver, key=token(leaver.key)) for leaver in plan.leavers)

    def warning(text: str) -> str:
        for name in sorted((name for name in tokens if len(name) > 1 and name in text), key=len, reverse=True):
            text = text.replace(name, tokens[name])
        return prose(text)

    return replace(
        plan,
        changes=changes,
        writes=(),
        problems=problems,
        leavers=leavers,
        warnings=tuple(map(warning, plan.warnings)),
        guards=tuple(replace(guard, message=prose(guard.message)) for guard in plan.guards),
    )
