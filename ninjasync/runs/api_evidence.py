"""Reads the public API's evidence for a plan (CONTRACT 7.9).

Where it fails, a run goes on without it and says what that costs; refused credentials alone
end it. Writes nothing anywhere.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import TypeVar

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.errors import CredentialsError, InterruptedRunError, NinjasyncError
from ninjasync.model.api_evidence import KINDS, ApiAccount, ApiEvidence, Kind
from ninjasync.model.message import Message, as_message, counted, listed, text, word
from ninjasync.model.values import ALL_ORGANIZATIONS
from ninjasync.names_alike import folded
from ninjasync.ninjaone.oauth import SCOPE, NotPermittedError, OAuthClient
from ninjasync.ninjaone.public_api import ApiUser, PublicApi
from ninjasync.threads import in_background

T = TypeVar("T")

# What a list that cannot be had costs.
_WITHOUT_ORGANIZATIONS = "Organizations by name are held, and numbers are not checked."
_WITHOUT: dict[Kind, str] = {
    "endUser": "What SCIM hides of end users is not known.",
    "technician": "Who is a system administrator is not known, nor what SCIM hides of technicians.",
}
_WITHOUT_ALL = (
    "Organizations by name are held, numbers are not checked, and who is a system administrator is not known, nor "
    "what SCIM hides."
)
_NONE_THERE = "NinjaOne's public API at {} shows none of its {}."
_WIDE = (
    "The client app of [ninjaone.api] may do more than read ({}). Take these scopes away in the NinjaOne console; "
    "{} is enough."
)
_UNREADABLE = "{} of NinjaOne's public API cannot be read; what they say is not known."


def begin_evidence(context: RunContext) -> Future[ApiEvidence] | None:
    """Begin to read, in the background; None where [ninjaone.api] is not set up."""
    if not context.config.ninjaone.api.url:
        return None
    secret = secrets.read_api_client_secret(context.config)

    def read() -> ApiEvidence:
        with closing(OAuthClient(context, secret)) as client:
            return read_evidence(client)

    return in_background(read)


def read_evidence(client: OAuthClient) -> ApiEvidence:
    """Read organizations and users.

    Raises CredentialsError where the client app is refused, or may read none of the lists;
    other failures are in the evidence, a sentence each.
    """
    api, look = PublicApi(client), _Look(client.url)
    if not look.succeeds(client.authorize, _WITHOUT_ALL):
        return ApiEvidence(unread=frozenset(KINDS), failures=tuple(look.failures))
    organizations = look.at(api.read_organizations, _WITHOUT_ORGANIZATIONS, "organizations")
    # A tenant has an administrator at least, and perhaps no end user yet.
    found = {
        kind: look.at(partial(api.read_users, kind), _WITHOUT[kind], "technicians" if kind == "technician" else "")
        for kind in KINDS
    }
    if look.forbidden == 1 + len(KINDS):
        assert look.refusal is not None
        raise look.refusal
    accounts, ambiguous = by_address(user for users in found.values() for user in users or ())
    return ApiEvidence(
        tuple((one.id, one.name) for one in organizations) if organizations is not None else None,
        accounts,
        ambiguous,
        frozenset(kind for kind, users in found.items() if users is None),
        tuple(look.failures),
        (*_wide_scope(client.granted), *_unreadable(api.unreadable)),
    )


class _Look:
    """Reads one list after the other, and keeps what failed, in a sentence each."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.failures: list[Message] = []
        self.refusal: NotPermittedError | None = None
        self.forbidden = 0

    def succeeds(self, read: Callable[[], object], cost: str) -> bool:
        """Whether ``read`` comes to its end; where it does not, that is kept with what it costs."""
        try:
            read()
        except NotPermittedError as error:
            self.refusal, self.forbidden = error, self.forbidden + 1
            self._fail(as_message(error.message), cost)
            return False
        except (CredentialsError, InterruptedRunError):
            raise
        except NinjasyncError as error:
            self._fail(as_message(error.message), cost)
            return False
        return True

    def at(self, read: Callable[[], list[T]], cost: str, needed: str) -> list[T] | None:
        """Return what ``read`` returns; None where it fails, or has none of what is ``needed``, which no tenant lacks.

        An empty list is more likely one that may not be read.
        """
        found: list[T] = []
        if not self.succeeds(lambda: found.extend(read()), cost):
            return None
        if not found and needed:
            self._fail(Message(_NONE_THERE, word(self._url), word(needed)), cost)
            return None
        return found

    def _fail(self, why: Message, cost: str) -> None:
        self.failures.append(Message("{} {}", why, as_message(cost)))


def _wide_scope(granted: Iterable[str]) -> list[Message]:
    wider = sorted(set(granted) - {SCOPE})
    return [Message(_WIDE, listed(map(text, wider)), word(SCOPE))] if wider else []


def _unreadable(rows: int) -> list[Message]:
    return [Message(_UNREADABLE, counted(rows, "record"))] if rows else []


def by_address(users: Iterable[ApiUser]) -> tuple[dict[str, ApiAccount], dict[str, frozenset[Kind]]]:
    """Return accounts by folded address, and the addresses of which several accounts say different things."""
    users = list(users)
    # An end user without a number is one of all organizations, if the API tells any number at all.
    tells = any(user.organization for user in users)
    found: dict[str, ApiAccount] = {}
    ambiguous: dict[str, frozenset[Kind]] = {}
    for user in users:
        name = folded(user.email)
        organization = user.organization or (ALL_ORGANIZATIONS if user.organization == "" and tells else None)
        account = ApiAccount(name, user.kind, organization, user.enabled, user.administrator)
        other = found.setdefault(name, account)
        if other is not account and other != account:
            ambiguous[name] = ambiguous.get(name, frozenset()) | {other.kind, account.kind}
    return {name: one for name, one in found.items() if name not in ambiguous}, ambiguous
