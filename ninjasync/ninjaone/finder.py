"""Looks single accounts and groups up in NinjaOne; lists them only where it cannot be asked for one.

A Reader, so it has no verb that writes. Knows how to come by somebody; why he is wanted
is ``seek``'s affair.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.errors import UnreachableError
from ninjasync.model.attributes import EXTERNAL_ID, USER_NAME
from ninjasync.model.directory import Directory, Group, Problem, User, Wanted
from ninjasync.names_alike import folded
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_responses
from ninjasync.ninjaone.reader import PATHS, Reader

_NOBODY = Wanted(frozenset(), frozenset(), {}, {})


class Finder(Reader):
    """Finds accounts with these mapped attributes (``paths``).

    ``problems`` are records that could not be read. Methods raise as a Reader's do.
    """

    def __init__(self, context: RunContext, token: SecretStr, paths: tuple[str, ...]) -> None:
        super().__init__(context, token)
        self.problems: list[Problem] = []
        self._paths, self._read = paths, scim_responses.user_reader(paths)
        self._listing = False

    @property
    def unsure(self) -> tuple[str, ...]:
        """What could not be asked, in sentences."""
        said = []
        if self._listing and not self._everything.complete:
            said.append("NinjaOne can neither be asked for a userName nor list its accounts.")
        if not self.finds_external_ids:
            said.append(
                "NinjaOne cannot be asked for an externalId, so an account that carries it under another userName "
                "is found by a full plan only."
            )
        return tuple(said)

    @property
    def finds_external_ids(self) -> bool:
        """Whether an account can be found by its externalId."""
        return self._listing or EXTERNAL_ID not in self._unfilterable

    @property
    def listed(self) -> bool:
        """Whether everything had to be read, as NinjaOne cannot be asked for one account."""
        return self._listing

    def account(self, id_: str) -> User | None:
        """Return the account with NinjaOne's id; None where there is none, or it cannot be read."""
        return next(iter(self._look_for("user", [id_], {}, self._read, self.problems)), None)

    def accounts_named(self, name: str) -> list[User]:
        """Return the accounts of this userName, letter case aside."""
        return self._matching(USER_NAME, name, lambda account: folded(account.user_name) == folded(name))

    def accounts_of(self, duo_id: str) -> list[User]:
        """Return the accounts that carry this externalId."""
        return self._matching(EXTERNAL_ID, duo_id, lambda account: account.external_id == duo_id)

    def some_accounts(self) -> tuple[User, ...]:
        """Return the first page of accounts, from which is seen which attributes are shown at all."""
        answer = self._transport.call("GET", PATHS["user"], {"startIndex": "1", "count": str(self._dialect.page_size)})
        page = scim_responses.read_page(answer.body) if answer.status == 200 else None
        found = []
        for row in page.resources if page else ():
            try:
                found.append(self._read(row))
            except scim_responses.UnreadableResourceError:
                continue
        return tuple(found)

    def groups(self, ids: Iterable[str], names: Mapping[str, str]) -> list[Group]:
        """Return the groups with these NinjaOne ids, and those of these names by Duo id, with their members."""
        try:
            found = self._look_for("group", ids, names, scim_responses.read_group, self.problems)
        except TransientError:
            raise
        except UnreachableError:
            found = list(self._everything.groups)
        return self._with_members(found, [group for group in found if group.members is None], self.problems)[0]

    def _matching(self, attribute: str, value: str, fits: Callable[[User], bool]) -> list[User]:
        if not self._listing:
            try:
                found = self._find("user", attribute, value, self._read, self.problems)
            except TransientError:
                raise
            except UnreachableError:
                self._listing = True
            else:
                hits = [account for account in found if fits(account)]
                if len(hits) == len(found):
                    return hits
                self._listing = True  # it sent others too: it ignores filters, and this may be but one page
        return [account for account in self._everything.users if fits(account)]

    @cached_property
    def _everything(self) -> Directory:
        self._listing = True
        found = self.directory(self._paths, _NOBODY)
        self.problems += found.unreadable
        return found
