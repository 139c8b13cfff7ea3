"""The state of a probe: the dialect known so far, what was made, and how dialects are tried one after the other.

A step is tried as configured first, then with what differs least from that. A step counts as
done by what NinjaOne shows afterwards, not by what it answers. Must not know which steps there are.
"""

import threading
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from ninjasync.check.throwaway import ProbeRequests, ProbeResource, Subject
from ninjasync.config.ninjaone import Dialect
from ninjasync.config.schema import Config
from ninjasync.errors import InterruptedRunError, UnreachableError
from ninjasync.model.finding import Finding, Line, red
from ninjasync.model.message import Message, word
from ninjasync.model.message import text as as_text
from ninjasync.ninjaone import scim_responses
from ninjasync.ninjaone.endpoint import PATHS, describe, place
from ninjasync.ninjaone.http import Answer
from ninjasync.ninjaone.statuses import of_one

# What may be tried for each key, beside what is configured.
VALUES: dict[str, tuple[str | bool, ...]] = {
    "organization_id_type": ("string", "number"),
    "booleans": ("json", "string"),
    "external_id": (True, False),
    "all_value": ("All", "all"),
    "patch": ("patch", "put"),
    "group_patch": ("", "patch", "put"),
    "patch_op_case": ("lower", "title"),
    "member_removal": ("filter", "list"),
}
ASK = "Ask NinjaOne's support what the endpoint expects, with this line."


class RefusedError(Exception):
    """NinjaOne did not take it that way; the text says how that showed."""


class Trial:
    """One probe under way. ``dialect`` is what is known by now, ``made`` what is to be removed.

    ``values`` are the attributes that the account was given, by path.
    """

    def __init__(self, config: Config, endpoint: ProbeRequests, subject: Subject, stop: threading.Event) -> None:
        self.dialect = config.ninjaone.dialect
        self.lines: list[Line] = []
        self.made: list[ProbeResource] = []
        self.endpoint = endpoint
        self.subject = subject
        self.account = ProbeResource("user", subject.user_name)
        self.values: dict[str, str] = dict(subject.values)
        self._stop = stop

    @property
    def mark(self) -> str:
        """The throw-away account's externalId, and the beginning of its name."""
        return self.subject.user_name.partition("@")[0]

    def found(self, name: str, finding: Finding) -> None:
        """Put down what a step found."""
        self.lines.append(Line(name, finding))

    def step(
        self,
        name: str,
        keys: tuple[str, ...],
        attempt: Callable[[Dialect], Finding],
        otherwise: Callable[[str], Finding] | None = None,
    ) -> bool:
        """Try the dialects that differ in ``keys`` until one is taken; say which, or why none was.

        Where none was, ``otherwise`` makes the finding from the first refusal; a red line is the default.
        """
        done, refusals = self.tried(keys, attempt)
        if done is not None:
            self.found(name, done)
            return True
        tried = f"in {len(refusals)} ways" if len(refusals) > 1 else "as configured"
        text = f"Refused, tried {tried}: {refusals[0]}."
        self.found(name, otherwise(text) if otherwise else red(text, ASK))
        return False

    def tried(
        self, keys: tuple[str, ...], attempt: Callable[[Dialect], Finding]
    ) -> tuple[Finding | None, tuple[str, ...]]:
        """Return the finding of the first dialect that is taken, which is kept, or None; and all refusals."""
        refusals: list[str] = []
        for dialect in variants(self.dialect, keys):
            self.go_on()
            try:
                done = attempt(dialect)
            except RefusedError as refused:
                refusals.append(str(refused))
                continue
            changed = differing(self.dialect, dialect, keys)
            self.dialect = dialect
            if changed:
                how = ", ".join(f"{key} = {_shown(value)}" for key, value in changed.items())
                text = f"{done.text} Only with {how}: else {refusals[0]}."
                done = Finding(done.color, text, done.cure, done.details, done.exit_code)
            return done, tuple(refusals)
        return None, tuple(refusals)

    def go_on(self) -> None:
        """Raise InterruptedRunError where the probe was stopped."""
        if self._stop.is_set():
            raise InterruptedRunError("The probe was interrupted.")

    # --- requests ----------------------------------------------------------------------------

    def post(self, made: ProbeResource, body: Any) -> dict[str, Any]:
        """Create something and return what NinjaOne then shows. It is noted first: an answer may be lost."""
        if made not in self.made:
            self.made.append(made)
        answer = self.endpoint.send("POST", PATHS[made.resource], body)
        if not self.was_made(made, answer) and answer.status >= 300:
            raise RefusedError(describe(answer))
        row = self.endpoint.look(made.resource, made.id) if made.id else None
        if row is None:
            raise RefusedError(f"{describe(answer)}, but the {made.resource} is not there")
        return row

    def was_made(self, made: ProbeResource, answer: Answer) -> bool:
        """Find out the id of what a POST created; what was not made need not be removed.

        A 409 may be the answer to a second try, after the first one's was lost, and a 500 says
        nothing; the name is random, so whatever bears it was made here.
        """
        if answer.status >= 300 and answer.status not in (409, 500):
            self.made.remove(made)
            return False
        try:
            made.id = scim_responses.read_id(answer.body) if answer.status < 300 else made.id
        except scim_responses.UnreadableResourceError:
            made.id = ""
        made.id = made.id or self.endpoint.find(made)
        return bool(made.id)

    def discard(self, made: ProbeResource) -> None:
        """Remove something that was made."""
        answer = self.endpoint.send("DELETE", place(made.resource, made.id))
        if of_one(answer.status) == "failed":
            raise UnreachableError(
                Message(
                    "The {} {} could not be removed: {}.",
                    word(made.resource),
                    as_text(made.name),
                    as_text(describe(answer)),
                ),
                ASK,
            )
        self.made.remove(made)
        made.id = ""

    def modify(self, made: ProbeResource, method: str, patch: Any, replace: Callable[[dict[str, Any]], Any]) -> str:
        """PATCH or PUT, and PUT where a server has no PATCH for just this, as a run does; return which it was."""
        where = place(made.resource, made.id)
        if method == "patch":
            answer = self.endpoint.send("PATCH", where, patch)
            if answer.status in (405, 501):  # once says nothing
                answer = self.endpoint.send("PATCH", where, patch)
            if answer.status < 300:
                return "PATCH"
            if answer.status not in (405, 501):
                raise RefusedError(describe(answer))
            refusal = describe(answer)
        row = self.endpoint.look(made.resource, made.id)
        if row is None:
            raise RefusedError(f"the {made.resource} is no longer shown, so there is nothing to replace")
        body = replace(row)
        answer = self.endpoint.send("PUT", where, body)
        if answer.status == 400 and (bare := without_empty(body)) != body:
            answer = self.endpoint.send("PUT", where, bare)  # some refuse what they themselves show empty
        if answer.status < 300:
            return "PUT"
        raise RefusedError(refusal if method == "patch" else describe(answer))


def without_empty(body: Any) -> Any:
    """Return ``body`` without what is empty in it: null, "", and lists and objects of such."""
    if isinstance(body, dict):
        kept = {key: without_empty(value) for key, value in body.items()}
        return {key: value for key, value in kept.items() if value not in (None, "", [], {})}
    if isinstance(body, list):
        kept_rows = [without_empty(value) for value in body]
        return [
            row
            for row, whole in zip(kept_rows, body, strict=True)
            if row not in (None, "", [], {}) and not (isinstance(whole, dict) and whole.get("value", row) in (None, ""))
        ]
    return body


def variants(present: Dialect, keys: tuple[str, ...]) -> Iterator[Dialect]:
    """Yield ``present``, then every dialect that differs from it in ``keys``: the smallest difference first."""
    choices = [dict(zip(keys, values, strict=True)) for values in product(*(_ordered(present, key) for key in keys))]
    choices.sort(key=lambda choice: sum(getattr(present, key) != value for key, value in choice.items()))
    seen = []
    for choice in choices:
        dialect = present.model_copy(update=choice)
        if (effect := _effect(dialect, keys)) not in seen:
            seen.append(effect)
            yield dialect


def method_for_groups(dialect: Dialect) -> str:
    """Return how groups are changed: "patch" or "put"."""
    return dialect.group_patch or dialect.patch


def _effect(dialect: Dialect, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return what of ``keys`` makes a difference: a PUT has no operations to be spelt or aimed."""
    effect = {key: getattr(dialect, key) for key in keys}
    method = effect.get("patch")
    if "group_patch" in effect:
        method = effect["group_patch"] = method_for_groups(dialect)
    if method == "put":
        effect = {key: value for key, value in effect.items() if key not in ("patch_op_case", "member_removal")}
    return effect


def differing(present: Dialect, other: Dialect, keys: tuple[str, ...]) -> dict[str, str | int]:
    """Return the values of ``other`` for those of ``keys`` that differ."""
    return {key: getattr(other, key) for key in keys if getattr(other, key) != getattr(present, key)}


def _ordered(present: Dialect, key: str) -> list[str | bool]:
    return sorted(VALUES[key], key=lambda value: value != getattr(present, key))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
