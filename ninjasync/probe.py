"""Finds a SCIM endpoint's dialect by writing to one throw-away account, and removes it again.

The account is the least that NinjaOne has: an end user of an organization that somebody in
Duo has already. Each step tries the configured dialect first and then what differs least
from it; what counts as done is what NinjaOne shows afterwards, not what it answers.
"""

import threading
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from pydantic import SecretStr

from ninjasync import scim
from ninjasync.attribute import (
    ACTIVE,
    EXTERNAL_ID,
    FAMILY_NAME,
    GIVEN_NAME,
    ORGANIZATION_ID,
    USER_NAME,
    USER_TYPE,
)
from ninjasync.config import Config, Dialect
from ninjasync.errors import InterruptedRunError, NinjasyncError, UnreachableError
from ninjasync.finding import Finding, Line, Probe, green, red, yellow
from ninjasync.mapping import END_USER, same_value
from ninjasync.ninjaone import PATHS
from ninjasync.plan import Delta
from ninjasync.shapes import Exchange
from ninjasync.throwaway import Broom, Endpoint, Made, Subject, place, said_of

_VALUES: dict[str, tuple[str | bool, ...]] = {
    "organization_id_type": ("string", "number"),
    "booleans": ("json", "string"),
    "external_id": (True, False),
    "patch": ("patch", "put"),
    "patch_op_case": ("lower", "title"),
    "member_removal": ("filter", "list"),
}
_PERSON = "Probe"


def probe(
    config: Config,
    token: SecretStr,
    subject: Subject,
    stop: threading.Event,
    hear: Callable[[Exchange], None] | None = None,
) -> Probe:
    """Try everything out; whatever happens, what was made is removed, or named as left.

    Setting ``stop`` ends the probe after the request that is under way.
    """
    walk = _Walk(config, token, subject, stop, hear)
    interrupted = False
    try:
        walk.go()
    except (InterruptedRunError, KeyboardInterrupt):
        interrupted = True
    except NinjasyncError as error:
        walk.found("probe", red(error.message, error.hint, exit_code=error.exit_code))
    except Exception as error:  # what was made must be removed whatever went wrong
        walk.found("probe", red(f"The probe failed: {type(error).__name__}: {error}.", "Please report it."))
    finally:
        left = Broom(config, token).sweep(walk.made)
    differing = _differing(config.ninjaone.dialect, walk.dialect, tuple(_VALUES))
    return Probe(subject.user_name, tuple(walk.lines), differing, left, interrupted=interrupted)


class _RefusedError(Exception):
    """NinjaOne did not take it that way; the text says how that showed."""


class _Walk:
    """The steps, one after another. ``dialect`` is what is known by now, ``made`` what is to be removed."""

    def __init__(
        self,
        config: Config,
        token: SecretStr,
        subject: Subject,
        stop: threading.Event,
        hear: Callable[[Exchange], None] | None,
    ) -> None:
        self.dialect = config.ninjaone.dialect
        self.lines: list[Line] = []
        self.made: list[Made] = []
        self._endpoint = Endpoint(config, token, stop, hear)
        self._stop = stop
        self._subject = subject
        self._account = Made("user", subject.user_name)
        self._family = _PERSON
        self._renamed = 0

    def found(self, name: str, finding: Finding) -> None:
        self.lines.append(Line(name, finding))

    def go(self) -> None:
        try:
            if self._step("create", ("organization_id_type", "booleans", "external_id"), self._create):
                self._step("patch", ("patch", "patch_op_case"), self._rename)
                self._step("patch extension", ("organization_id_type",), self._move)
                if self._step("deactivate", ("booleans",), lambda dialect: self._activate(dialect, to=False)):
                    self._step("reactivate", (), lambda dialect: self._activate(dialect, to=True))
                self._step("group members", ("member_removal",), self._membership)
                self._delete()
        finally:
            self._endpoint.close()

    def _step(self, name: str, keys: tuple[str, ...], attempt: Callable[[Dialect], str]) -> bool:
        """Try the dialects that differ in ``keys`` until one is taken; say which, or why none was."""
        refusals = []
        for dialect in _variants(self.dialect, keys):
            if self._stop.is_set():
                raise InterruptedRunError("The probe was interrupted.")
            try:
                text = attempt(dialect)
            except _RefusedError as refused:
                refusals.append(str(refused))
                continue
            changed = _differing(self.dialect, dialect, keys)
            self.dialect = dialect
            if changed:
                how = ", ".join(f"{key} = {_shown(value)}" for key, value in changed.items())
                text = f"{text} Only with {how}: else {refusals[0]}."
            self.found(name, green(text))
            return True
        tried = f"in {len(refusals)} ways" if len(refusals) > 1 else "as configured"
        self.found(name, red(f"Refused, tried {tried}: {refusals[0]}.", _ASK))
        return False

    def _create(self, dialect: Dialect) -> str:
        values = (
            Delta(USER_NAME, None, self._subject.user_name),
            Delta(GIVEN_NAME, None, "ninjasync"),
            Delta(FAMILY_NAME, None, self._family),
            Delta(USER_TYPE, None, END_USER),
            Delta(ORGANIZATION_ID, None, self._subject.organization),
        )
        mark = self._subject.user_name.partition("@")[0]
        row = self._post(self._account, scim.new_user(mark, values, dialect))
        for path, sent in ((USER_TYPE, END_USER), (ORGANIZATION_ID, self._subject.organization)):
            shown = scim.value_at(row, path)
            if shown is not None and not same_value(path, shown, sent):
                self._discard(self._account)
                name = path.rpartition(":")[2]
                raise _RefusedError(f'it was created, but {name} "{sent}" became "{shown}"')
        kept = dialect.external_id and scim.value_at(row, EXTERNAL_ID) == mark
        also = f" It {'keeps' if kept else 'does not show'} externalId." if dialect.external_id else ""
        return f"An end user of {self._subject.why}.{also}"

    def _rename(self, dialect: Dialect) -> str:
        self._renamed += 1
        family = f"{_PERSON} {'I' * (self._renamed + 1)}"
        row = self._change((Delta(FAMILY_NAME, self._family, family),), dialect)
        shown = scim.value_at(row, FAMILY_NAME)
        if shown is not None and shown != family:
            raise _RefusedError(f'it was accepted, but the name stayed "{shown}"')
        self._family = family
        return "One attribute was changed."

    def _move(self, dialect: Dialect) -> str:
        row = self._change((Delta(ORGANIZATION_ID, None, self._subject.organization),), dialect)
        shown = scim.value_at(row, ORGANIZATION_ID)
        if shown is not None and not same_value(ORGANIZATION_ID, shown, self._subject.organization):
            raise _RefusedError(f'organizationId became "{shown}"')
        return "organizationId was written once more." + (" NinjaOne does not show it." if shown is None else "")

    def _activate(self, dialect: Dialect, *, to: bool) -> str:
        row = self._change((Delta(ACTIVE, not to, to),), dialect, may_vanish=not to)
        if row is None:
            return "The account is no longer shown, as if it were deleted."
        shown = scim.value_at(row, ACTIVE)
        if shown is not None and shown.casefold() != str(to).casefold():
            raise _RefusedError(f"it was accepted, but active stayed {shown}")
        return "The account is active again." if to else "The account is inactive, and still shown."

    def _membership(self, dialect: Dialect) -> str:
        """Make a group with the account in it, and take the account out again."""
        group = Made("group", self._subject.user_name.partition("@")[0])
        row = self._post(group, scim.new_group(group.name, group.name, [self._account.id], dialect))
        members = scim.read_group(row).members
        if members is not None and self._account.id not in members:
            self._discard(group)
            raise _RefusedError("the group was made without its member")
        if dialect.patch == "put":
            body = scim.with_members(row, (), [self._account.id])
            answer = self._endpoint.send("PUT", place("group", group.id), body)
        else:
            body = scim.member_patch((), [self._account.id], dialect)
            answer = self._endpoint.send("PATCH", place("group", group.id), body)
        after = self._endpoint.look("group", group.id) if answer.status < 300 else None
        self._discard(group)
        if answer.status >= 300:
            raise _RefusedError(f"removing a member: {said_of(answer)}")
        left = scim.read_group(after).members if after else None
        if left is not None and self._account.id in left:
            raise _RefusedError("removing a member was accepted, but he stayed")
        if members is None:
            return "A throw-away group was made, changed and deleted; NinjaOne does not show its members."
        return "A throw-away group was made with it as a member, who was removed again; then deleted."

    def _delete(self) -> None:
        answer = self._endpoint.send("DELETE", place("user", self._account.id))
        if answer.status != 404 and answer.status >= 300:
            cure = "Set [deprovision] delete_after_days = -1, so that leavers' accounts stay, inactive."
            self.found("delete", red(f"Refused: {said_of(answer)}.", cure))
            return
        row = self._endpoint.look("user", self._account.id)
        self.made.remove(self._account)
        if row is None:
            self.found("delete", green("The account is gone."))
        else:
            self.found(
                "delete",
                yellow(
                    "NinjaOne says that it deleted the account, and still shows it "
                    f"(active: {scim.value_at(row, ACTIVE)}).",
                    f"Look in the NinjaOne console whether {self._account.name} is there; remove it if it is.",
                ),
            )

    # --- requests ----------------------------------------------------------------------------

    def _post(self, made: Made, body: Any) -> dict[str, Any]:
        """Create something and return what NinjaOne then shows. It is noted first: an answer may be lost."""
        if made not in self.made:
            self.made.append(made)
        answer = self._endpoint.send("POST", PATHS[made.resource], body)
        if answer.status >= 300 and answer.status != 409:
            self.made.remove(made)
            raise _RefusedError(said_of(answer))
        try:
            made.id = scim.read_id(answer.body) if answer.status < 300 else ""
        except scim.UnreadableResourceError:
            made.id = ""
        # Its name is random, so whatever bears it was made by a POST whose answer was lost.
        made.id = made.id or self._endpoint.find(made)
        row = self._endpoint.look(made.resource, made.id) if made.id else None
        if row is None:
            raise _RefusedError(f"{said_of(answer)}, but the {made.resource} is not there")
        return row

    def _change(self, diff: tuple[Delta, ...], dialect: Dialect, *, may_vanish: bool = False) -> Any:
        """Change the account and return what NinjaOne then shows; None where it may vanish and did."""
        where = place("user", self._account.id)
        if dialect.patch == "put":
            row = self._endpoint.look("user", self._account.id)
            if row is None:
                raise _RefusedError("the account is no longer shown, so there is nothing to replace")
            whole = (
                (USER_TYPE, END_USER),
                (ORGANIZATION_ID, self._subject.organization),
                (FAMILY_NAME, self._family),
            )
            answer = self._endpoint.send("PUT", where, scim.replaced(row, diff, whole, dialect))
        else:
            answer = self._endpoint.send("PATCH", where, scim.patch(diff, dialect))
        if answer.status >= 300:
            raise _RefusedError(said_of(answer))
        after = self._endpoint.look("user", self._account.id)
        if after is None and not may_vanish:
            raise UnreachableError("The account vanished after it was changed.", _ASK)
        return after

    def _discard(self, made: Made) -> None:
        answer = self._endpoint.send("DELETE", place(made.resource, made.id))
        if answer.status != 404 and answer.status >= 300:
            raise UnreachableError(f"The {made.resource} {made.name} could not be removed: {said_of(answer)}.", _ASK)
        self.made.remove(made)
        made.id = ""


_ASK = "Ask NinjaOne's support what the endpoint expects, with this line."


def _variants(present: Dialect, keys: tuple[str, ...]) -> Iterator[Dialect]:
    """Yield ``present``, then every dialect that differs from it in ``keys``: the smallest difference first."""
    choices = [dict(zip(keys, values, strict=True)) for values in product(*(_ordered(present, key) for key in keys))]
    choices.sort(key=lambda choice: sum(getattr(present, key) != value for key, value in choice.items()))
    for choice in choices:
        # A PUT has no operations whose letter case could matter.
        if choice.get("patch") == "put" and choice["patch_op_case"] != present.patch_op_case:
            continue
        yield present.model_copy(update=choice)


def _differing(present: Dialect, other: Dialect, keys: tuple[str, ...]) -> dict[str, str | bool]:
    return {key: getattr(other, key) for key in keys if getattr(other, key) != getattr(present, key)}


def _ordered(present: Dialect, key: str) -> list[str | bool]:
    return sorted(_VALUES[key], key=lambda value: value != getattr(present, key))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
