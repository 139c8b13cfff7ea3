"""Replaces people's names and addresses in a plan by stable tokens, fit for a public pull request.

Pure; the key comes in as an argument. Tokens are keyed, so that nobody can guess an
address by trying it (CONTRACT §6.14). Groups keep their names, ids stay: they are opaque.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from ninjasync.errors import CommandLineError, ConfigurationError, NinjasyncError
from ninjasync.model.attributes import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member, Value
from ninjasync.model.directory import Observation, Problem
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.model.source import is_duo_id
from ninjasync.model.values import ALL_ORGANIZATIONS, END_USER, TECHNICIAN
from ninjasync.names_alike import folded

Token = Callable[[str], str]

_ADDRESS = re.compile(r"""(?:"[^"]*"|[^\s"(),;<>]+)@[^\s"(),;<>]+""")
# What an address in a sentence may be wrapped in and is not part of it.
_AROUND = "'.:!?`*"

# The sentences that name people, or quote what an operator wrote of them, wherever in them that is.
_BY_PATTERN = re.compile(r'(named by users|excluded by exclude_users) ".*"', re.DOTALL)
_BY_EXPRESSION = re.compile(r"(\[scope\] where is not true): .*", re.DOTALL)
_PROTECTED = re.compile(r"(Protected, left as they are: )(.*)\.", re.DOTALL)
_RIVALS = re.compile(
    r"(.*) (\([^()]*\)) and (.*) (\([^()]*\) both claim the Duo id (\S+); the second is left alone\.)", re.DOTALL
)
_NOBODY = re.compile(r'(\[scope\] users: )".*" (matches nobody in Duo).*', re.DOTALL)
_ACTOR = re.compile(r"(The run \S+ of )(.*)( is under way; .*| was cut short; .*)", re.DOTALL)
_LEDGER = re.compile(r"The ledger .* (is read, but cannot be written|cannot be used)(; .*)", re.DOTALL)

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
    token = tokens(key)

    def delta(row: Delta) -> Delta:
        via = token(row.via) if row.via else None
        return Delta(row.path, _value(row.path, row.before, token), _value(row.path, row.after, token), via)

    def member(one: Member) -> Member:
        return replace(one, key=token(one.key))

    def change(one: Change) -> Change:
        user = one.resource == "user"
        return replace(
            one,
            key=token(one.key) if user else one.key,
            diff=tuple(map(delta, one.diff)) if user else tuple(_group_delta(row, token) for row in one.diff),
            added=tuple(map(member, one.added)),
            removed=tuple(map(member, one.removed)),
            reasons=tuple(_reason(reason, token) for reason in one.reasons),
            whole=(),
        )

    sentence = _sentences(plan, token)
    return replace(
        plan,
        changes=tuple(map(change, plan.changes)),
        writes=(),
        problems=tuple(_problem(problem, token) for problem in plan.problems),
        leavers=tuple(replace(leaver, key=token(leaver.key)) for leaver in plan.leavers),
        warnings=tuple(map(sentence, plan.warnings)),
        guards=tuple(replace(guard, message=sentence(guard.message)) for guard in plan.guards),
        evidence=replace(plan.evidence, missing=tuple(map(sentence, plan.evidence.missing)), vanished=()),
    )


def outcome_redactor(plan: Plan, key: bytes) -> Callable[[Outcome], Outcome]:
    """Return what makes of an outcome of ``plan`` one that names nobody; its change is that of ``redacted``."""
    token = tokens(key)
    sentence = _sentences(plan, token)
    changes = {change.name: change for change in redacted(plan, key).changes}

    def observed(one: Observation) -> Observation:
        sent, shown = (_value(one.path, side, token) for side in (one.sent, one.shown))
        assert not isinstance(sent, bool)
        assert not isinstance(shown, bool)
        return Observation(one.path, sent, shown)

    def outcome(one: Outcome) -> Outcome:
        group = one.change.resource == "group"
        seen = one.observed if group else tuple(map(observed, one.observed))
        return replace(one, change=changes[one.change.name], error=sentence(one.error), observed=seen)

    return outcome


def redacted_result(result: Result, plan: Plan, key: bytes) -> Result:
    """Return ``result`` with a token in the place of every name and address, as ``redacted`` does with ``plan``."""
    fatal = redacted_error(result.fatal, key) if result.fatal else None
    return replace(result, outcomes=tuple(map(outcome_redactor(plan, key), result.outcomes)), fatal=fatal)


def redacted_error(error: NinjasyncError, key: bytes) -> NinjasyncError:
    """Return ``error`` with a token in the place of every address, and without the names that a typo was near to."""
    token = tokens(key)

    def told(text: str) -> str:
        if isinstance(error, CommandLineError):
            text = re.sub('".*"', "(a name)", text)
        return _prose(text, token)

    if isinstance(error, ConfigurationError):
        mistakes = tuple(map(told, error.mistakes))
        return ConfigurationError(told(error.message), told(error.hint), mistakes=mistakes)
    plain = NinjasyncError(told(error.message), told(error.hint))
    plain.exit_code = error.exit_code
    return plain


def _sentences(plan: Plan, token: Token) -> Callable[[str], str]:
    """Return what redacts a sentence about ``plan``."""
    names = sorted(_names(plan), key=len, reverse=True)
    return lambda text: _sentence(text, names, token)


def tokens(key: bytes) -> Token:
    """Return what makes a name's token under this key; names that are the same have the same token."""
    known: dict[str, str] = {}

    def token(text: str) -> str:
        if text not in known:
            digest = hmac.new(key, folded(text).encode("utf-8", "surrogatepass"), hashlib.sha256)
            known[text] = f"person-{digest.hexdigest()[:12]}"
        return known[text]

    return token


def _value(path: str, found: Value, token: Token) -> Value:
    """Keep what can only be an id, a kind or a flag; NinjaOne may hold anything in the same attributes."""
    if not isinstance(found, str):
        return found
    match path:
        case _ if path == EXTERNAL_ID:
            harmless = is_duo_id(found)
        case _ if path == USER_TYPE:
            harmless = found.casefold() in (TECHNICIAN.casefold(), END_USER.casefold())
        case _ if path == ORGANIZATION_ID:
            harmless = found.isdigit() or found.casefold() == ALL_ORGANIZATIONS.casefold()
        case _:
            harmless = path == ACTIVE
    return found if harmless else token(found)


def _group_delta(row: Delta, token: Token) -> Delta:
    """Keep a group's names; its externalId may be anything before it is ours."""
    if row.path != EXTERNAL_ID:
        return row
    return replace(row, before=_value(row.path, row.before, token), after=_value(row.path, row.after, token))


def _problem(problem: Problem, token: Token) -> Problem:
    external_id = problem.external_id
    if external_id is not None and not is_duo_id(external_id):
        external_id = token(external_id)
    message = _MESSAGES.get(problem.code, problem.code)
    if problem.resource == "group":
        message = message if problem.code in _MESSAGES else _prose(problem.message, token)
        return replace(problem, external_id=external_id, message=message)
    return replace(problem, key=token(problem.key), external_id=external_id, message=message)


def _names(plan: Plan) -> set[str]:
    """Return what users are called in the plan; of one letter there is no telling it from a word."""
    names = {change.key for change in plan.changes if change.resource == "user"}
    names |= {member.key for change in plan.changes for member in (*change.added, *change.removed)}
    names |= {problem.key for problem in plan.problems if problem.resource == "user"}
    names |= {leaver.key for leaver in plan.leavers}
    return {name for name in names if len(name) > 1}


def _reason(text: str, token: Token) -> str:
    if hit := _BY_PATTERN.fullmatch(text):
        return f"{hit[1]} (a pattern)"
    if hit := _BY_EXPRESSION.fullmatch(text):
        return f"{hit[1]} (an expression)"
    return _prose(text, token)


def _sentence(text: str, names: Iterable[str], token: Token) -> str:
    """Redact a warning or a guard's message; ``names`` are those to look for where its form is not known."""
    if hit := _PROTECTED.fullmatch(text):
        return f"{hit[1]}{', '.join(map(token, hit[2].split(', ')))}."
    if hit := _RIVALS.fullmatch(text):
        user = not hit[5].startswith("DG")
        first, second = (token(hit[1]), token(hit[3])) if user else (hit[1], hit[3])
        return f"{first} {hit[2]} and {second} {hit[4]}"
    if hit := _NOBODY.fullmatch(text):
        return f"{hit[1]}(a pattern) {hit[2]}"
    if hit := _ACTOR.fullmatch(text):
        return f"{hit[1]}{token(hit[2])}{hit[3]}"
    if hit := _LEDGER.fullmatch(text):
        return f"The ledger {hit[1]}{hit[2]}"
    for name in names:
        if name in text:
            text = re.sub(rf"(?<![\w@.+-]){re.escape(name)}(?![\w@])", token(name), text)
    return _prose(text, token)


def _prose(text: str, token: Token) -> str:
    def replaced(hit: re.Match[str]) -> str:
        address = hit.group().strip(_AROUND)
        before, _, after = hit.group().partition(address)
        return f"{before}{token(address)}{after}"

    return _ADDRESS.sub(replaced, text)
