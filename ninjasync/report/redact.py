"""Replaces people's names and addresses in a plan by stable tokens, fit for a public pull request.

Pure; the key comes in as an argument. Tokens are keyed, so that an address cannot be guessed by trying it (CONTRACT
§6.14). Groups keep their names, the ids of resources stay: they are opaque. In a sentence each argument is treated by
its kind (``model.message``); no sentence is searched for names.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.attributes import ACTIVE, ENABLED, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member, Value
from ninjasync.model.directory import Observation, Problem
from ninjasync.model.message import Argument, Message, as_message
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.model.source import is_duo_id
from ninjasync.model.values import ALL_ORGANIZATIONS, END_USER, TECHNICIAN
from ninjasync.names_alike import folded

Token = Callable[[str], str]

# Stands for what a service, an operator or the system wrote: it may name any user, in any form.
HIDDEN = Argument("text", "(redacted)")


def redacted(plan: Plan, key: bytes) -> Plan:
    """Return ``plan`` with a token in the place of every name and address; the same one gets the same token."""
    token = make_tokens(key)

    def message(sentence: Message) -> Message:
        return redact_message(sentence, token)

    def change(one: Change) -> Change:
        user = one.resource == "user"
        return replace(
            one,
            key=token(one.key) if user else one.key,
            diff=tuple(_redact_delta(row, token, user=user) for row in one.diff),
            added=tuple(_redact_member(member, token) for member in one.added),
            removed=tuple(_redact_member(member, token) for member in one.removed),
            reasons=tuple(map(message, one.reasons)),
            whole=(),
        )

    return replace(
        plan,
        changes=tuple(map(change, plan.changes)),
        organizations={},  # customers' names
        writes=(),
        problems=tuple(_redact_problem(problem, token) for problem in plan.problems),
        leavers=tuple(replace(leaver, key=token(leaver.key)) for leaver in plan.leavers),
        warnings=tuple(map(message, plan.warnings)),
        guards=tuple(replace(guard, message=message(guard.message)) for guard in plan.guards),
        evidence=replace(
            plan.evidence,
            missing=tuple(map(message, plan.evidence.missing)),
            vanished=(),
            commonest=message(plan.evidence.commonest),
        ),
    )


def outcome_redactor(plan: Plan, key: bytes) -> Callable[[Outcome], Outcome]:
    """Return what makes of an outcome of ``plan`` one that names no user; its change is that of ``redacted``."""
    token = make_tokens(key)
    changes = {change.name: change for change in redacted(plan, key).changes}

    def observed(one: Observation) -> Observation:
        sent, shown = (_redact_value(one.path, side, token) for side in (one.sent, one.shown))
        assert not isinstance(sent, bool)
        assert not isinstance(shown, bool)
        return Observation(one.path, sent, shown)

    def outcome(one: Outcome) -> Outcome:
        group = one.change.resource == "group"
        seen = one.observed if group else tuple(map(observed, one.observed))
        return replace(one, change=changes[one.change.name], error=redact_message(one.error, token), observed=seen)

    return outcome


def redacted_result(result: Result, plan: Plan, key: bytes) -> Result:
    """Return ``result`` with a token in the place of every name and address, as ``redacted`` does with ``plan``."""
    fatal = redacted_error(result.fatal, key) if result.fatal else None
    return replace(result, outcomes=tuple(map(outcome_redactor(plan, key), result.outcomes)), fatal=fatal)


def redacted_error(error: NinjasyncError, key: bytes) -> NinjasyncError:
    """Return ``error`` with a token in the place of every name and address, and the same exit code."""
    token = make_tokens(key)
    message, hint = (redact_message(as_message(part), token) for part in (error.message, error.hint))
    if isinstance(error, ConfigurationError):
        mistakes = tuple(redact_message(as_message(mistake), token) for mistake in error.mistakes)
        return ConfigurationError(message, hint, mistakes=mistakes)
    plain = NinjasyncError(message, hint)
    plain.exit_code = error.exit_code
    return plain


def make_tokens(key: bytes) -> Token:
    """Return what makes a name's token under this key; names that are the same have the same token."""
    known: dict[str, str] = {}

    def token(name: str) -> str:
        if name not in known:
            digest = hmac.new(key, folded(name).encode("utf-8", "surrogatepass"), hashlib.sha256)
            known[name] = f"person-{digest.hexdigest()[:12]}"
        return known[name]

    return token


def redact_message(sentence: Message, token: Token) -> Message:
    """Return the sentence with tokens for persons, and without what others wrote."""

    def argument(one: Argument) -> Argument:
        match one.kind:
            case "person":
                return Argument("person", token(one.value))
            case "text":
                return HIDDEN
            case "group" | "word" | "number":
                return one

    return sentence.replaced(argument)


def _redact_value(path: str, value: Value, token: Token) -> Value:
    """Keep what can only be an id, a kind or a flag; NinjaOne may hold anything in the same attributes."""
    if not isinstance(value, str):
        return value
    match path:
        case _ if path == EXTERNAL_ID:
            harmless = is_duo_id(value)
        case _ if path == USER_TYPE:
            harmless = value.casefold() in (TECHNICIAN.casefold(), END_USER.casefold())
        case _ if path == ORGANIZATION_ID:
            harmless = value.isdigit() or value.casefold() == ALL_ORGANIZATIONS.casefold()
        case _:
            harmless = path in (ACTIVE, ENABLED)
    return value if harmless else token(value)


def _redact_delta(row: Delta, token: Token, *, user: bool) -> Delta:
    """Redact a row; a group keeps its names, but its externalId may be anything before it is ours."""
    if not user and row.path != EXTERNAL_ID:
        return row
    before, after = (_redact_value(row.path, side, token) for side in (row.before, row.after))
    return Delta(row.path, before, after, token(row.via) if row.via else None)


def _redact_member(member: Member, token: Token) -> Member:
    return replace(member, key=token(member.key))


def _redact_problem(problem: Problem, token: Token) -> Problem:
    external_id = problem.external_id
    if external_id is not None and not is_duo_id(external_id):
        external_id = token(external_id)
    return replace(
        problem,
        key=token(problem.key) if problem.resource == "user" else problem.key,
        external_id=external_id,
        message=redact_message(problem.message, token),
        what=redact_message(problem.what, token),
    )
