"""Compares what NinjaOne shows after a write with what was sent (CONTRACT 5.2).

Knows which differences are failures: rights that came out as others, an account that is active
and should not be. Must not know how it was written.
"""

import time
from collections.abc import Iterable
from typing import Any

from ninjasync.errors import NotKeptError
from ninjasync.model.attributes import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.model.directory import Observation, Resource
from ninjasync.model.message import Message, text, word
from ninjasync.model.values import differs
from ninjasync.ninjaone import scim_responses
from ninjasync.ninjaone.endpoint import Endpoint

# Seconds. A server may need a moment before it shows what it was just sent.
LOOKS_AGAIN_AFTER = (0.0, 0.2, 0.6)

_OTHER_RIGHTS = (
    "Look at this account in the NinjaOne console: it may have other rights than it should. If no change of this "
    "attribute arrives, `ninjasync check --probe` finds out whether another [ninjaone.dialect] patch helps."
)


def observe(
    endpoint: Endpoint, resource: Resource, id_: str, diff: Iterable[Delta], shown: Any
) -> tuple[Observation, ...]:
    """Return what NinjaOne shows otherwise than sent; ``shown`` is the answer, read back where it has no resource.

    Raises NotKeptError where a user type or an organization came out as another (NinjaOne
    silently makes an end user, and a global one, of what it does not accept), and where
    an account is active that should not be, or the other way round.
    """
    sent = {delta.path: delta.after for delta in diff}
    active = sent.pop(ACTIVE, None)
    if isinstance(active, bool):
        shown = _require_active(endpoint, resource, id_, shown, active=active)
    if not sent or (sent.keys() == {EXTERNAL_ID} and not _is_resource(shown)):
        return ()
    observed = _compare(sent, shown) if _is_resource(shown) else _read_back(endpoint, resource, id_, sent)
    for one in observed:
        if one.path in (USER_TYPE, ORGANIZATION_ID) and one.shown and differs(one.path, one.shown, one.sent):
            name = one.path.rpartition(":")[2]
            value = Message('"{}"', text(one.sent)) if one.sent is not None else Message("(none)")
            raise NotKeptError(
                Message('NinjaOne was sent {} {} and made it "{}".', word(name), value, text(one.shown)),
                _OTHER_RIGHTS,
                id_=id_,
            )
    return observed


def observe_refusal(delta: Delta) -> Observation:
    """Return the observation of an attribute that NinjaOne refused: it has what it had before."""
    return Observation(delta.path, _text(delta.after), _text(delta.before))


def _require_active(endpoint: Endpoint, resource: Resource, id_: str, shown: Any, *, active: bool) -> Any:
    """Return what NinjaOne shows; raise NotKeptError where it shows the opposite of ``active`` twice."""
    if scim_responses.read_active(shown) is not (not active):
        return shown
    shown = endpoint.get(resource, id_)  # an answer may be older than what it answers
    if scim_responses.read_active(shown) is (not active):
        raise NotKeptError(
            Message(
                f"NinjaOne took the change, and the account is {'active' if not active else 'inactive'} as before."
            ),
            "Look at this account in the NinjaOne console.",
            id_=id_,
            undone=frozenset([ACTIVE]),
        )
    return shown


def _read_back(endpoint: Endpoint, resource: Resource, id_: str, sent: dict[str, Any]) -> tuple[Observation, ...]:
    observed: tuple[Observation, ...] = ()
    for pause in LOOKS_AGAIN_AFTER:
        time.sleep(pause)
        row = endpoint.get(resource, id_)
        if not isinstance(row, dict):
            return ()
        observed = _compare(sent, row)
        if not observed:
            break
    return observed


def _compare(sent: dict[str, Any], row: dict[str, Any]) -> tuple[Observation, ...]:
    observed = []
    for path, value in sent.items():
        shown, wanted = scim_responses.value_at(row, path), _text(value)
        if path == EXTERNAL_ID and (shown is None or shown.lower() == str(wanted).lower()):
            continue  # one that is hidden is known by the ledger
        if shown != wanted and not (wanted is None and not differs(path, shown, None)):
            observed.append(Observation(path, wanted, shown))
    return tuple(observed)


def _is_resource(shown: Any) -> bool:
    return isinstance(shown, dict) and bool(scim_responses.get(shown, "id"))


def _text(value: str | bool | None) -> str | None:
    return value if value is None else str(value)
