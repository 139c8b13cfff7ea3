"""Finds one person in Duo, NinjaOne and the ledger, and everybody on whom his fate depends.

A plan reads both sides whole. Here is read what a diff needs to decide on one person as
on the whole: his account, who holds the name that he wants, what that one wants in turn.
Handed readers that cannot write; what follows from it all is ``explain``'s affair.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ninjasync.config.schema import Config
from ninjasync.duo.reader import DuoReader
from ninjasync.duo.records import clean, group_ids
from ninjasync.errors import CommandLineError
from ninjasync.explain.case import Seen
from ninjasync.model.attributes import USER_NAME
from ninjasync.model.directory import Directory, Group, Problem, Resource, User
from ninjasync.model.ownership import Ownership
from ninjasync.model.source import Source, SourceUser, Standing, is_duo_id
from ninjasync.names_alike import folded
from ninjasync.ninjaone.finder import Finder
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.planner import source_reader
from ninjasync.planning.scope import resolve

# A chain of people who each want the next one's name has seldom more than two.
_MOST_PEOPLE = 12
# Each group is a request, and its answer as long as it has members.
_MOST_GROUPS = 20


def seek(config: Config, who: str, duo: DuoReader, ninjaone: Finder, owned: Ownership, at: datetime) -> Seen | None:
    """Return everything that decides on ``who``; None where nobody is called so.

    Raises CommandLineError where several are.
    """
    search = _Search(config, duo, ninjaone, owned)
    found = search.subject(who.strip())
    return search.seen(who.strip(), found, at) if found else None


# Duo id, NinjaOne id, and how he was found.
_Subject = tuple[str | None, str | None, str]


class _Search:
    def __init__(self, config: Config, duo: DuoReader, ninjaone: Finder, owned: Ownership) -> None:
        self._config, self._duo, self._ninjaone, self._owned = config, duo, ninjaone, owned
        self._duo_groups = duo.groups()
        self._scope = resolve(config.scope, config.groups, self._duo_groups)
        self._mapping = compile_mapping(config.attributes, config.safety, config.organizations)
        self._convert = source_reader(self._scope, self._mapping)
        self._by_account = {entry.id: duo_id for duo_id, entry in owned.users.items()}
        self._users: dict[str, SourceUser] = {}
        self._records: dict[str, Mapping[str, Any]] = {}
        self._accounts: dict[str, User] = {}
        # Answers by question, so that nothing is asked twice.
        self._asked_duo: dict[tuple[str, str], list[str]] = {}
        self._asked_names: dict[str, list[User]] = {}
        self._pending: deque[str] = deque()
        self._unsure: list[str] = []

    # --- who is meant ------------------------------------------------------------------------

    def subject(self, who: str) -> _Subject | None:
        return (self._in_duo(who) or self._in_ledger(who) or self._in_ninjaone(who)) if who else None

    def _in_duo(self, who: str) -> _Subject | None:
        if is_duo_id(who) and self._by_ids([who]):
            return who, None, "Duo user id"
        by_mail = self._called("email", who) if "@" in who else []
        by_name = self._called("username", who)
        for how, ids in (("e-mail address", by_mail), ("username or an alias", by_name)):
            if not ids:
                continue
            # Who was deleted and made anew is there twice for some days.
            likely = [id_ for id_ in ids if self._users[id_].standing is not Standing.OUT]
            if len(ids) == 1 or len(likely) == 1:
                chosen = (likely or ids)[0]
                others = [id_ for id_ in ids if id_ != chosen]
                return chosen, None, how + (f", which {self._listed(others)} has too" if others else "")
            raise CommandLineError(
                f'"{who}" is what several users in Duo are called: {self._listed(ids)}.',
                "Give one of these ids.",
            )
        return None

    def _listed(self, ids: Iterable[str]) -> str:
        rows = (self._records[id_] for id_ in ids)
        return ", ".join(f"{row['user_id']} (username {row.get('username')}, {row.get('status')})" for row in rows)

    def _in_ledger(self, who: str) -> _Subject | None:
        form = folded(who)
        hits = {
            duo_id: entry
            for duo_id, entry in self._owned.users.items()
            if who in (duo_id, entry.id) or folded(entry.name) == form
        }
        there = {duo_id: entry for duo_id, entry in hits.items() if not entry.deleted} or hits
        if len(there) > 1:
            each = "; ".join(f"{entry.id} (Duo id {duo_id})" for duo_id, entry in sorted(there.items()))
            raise CommandLineError(
                f'"{who}" is what the ledger calls several accounts: {each}.', "Give one of the ids."
            )
        for duo_id, entry in there.items():
            self._by_ids([duo_id])
            return duo_id, entry.id, "the ledger"
        return None

    def _in_ninjaone(self, who: str) -> _Subject | None:
        accounts = self._named(who) if "@" in who else []
        how = "the userName of an account in NinjaOne"
        if not accounts and is_duo_id(who):
            accounts, how = self._keep(self._ninjaone.accounts_of(who)), "the externalId of an account in NinjaOne"
        if not accounts and "@" not in who:
            account = self._account(who)
            accounts, how = [account] if account else [], "the id of an account in NinjaOne"
        if not accounts:
            accounts = self._named(who)
        for account in accounts:
            self._by_ids(self._claims(account))
            owner = next((one for one in self._claims(account) if one in self._users), None)
            return owner or self._by_account.get(account.id or ""), account.id, how
        return None

    def _wisher(self, account: User) -> str | None:
        """Return the Duo user in scope who is to have this account's name, if there is one."""
        name = account.user_name
        ids = [*self._called("email", name), *self._called("username", name)]
        return next((one for one in ids if folded(self._wish(one)) == folded(name)), None)

    # --- on whom it depends ------------------------------------------------------------------

    def seen(self, who: str, subject: _Subject, at: datetime) -> Seen:
        duo_id, account_id, how = subject
        account = self._account(account_id) if account_id is not None else None
        there = duo_id is not None and self._by_ids([duo_id])
        self._pending += filter(None, [duo_id])
        if not there and account is not None:
            self._pending += filter(None, [self._wisher(account)])  # he may take it over
        if there and not self._wish(duo_id or "") and "@" in self._users[duo_id or ""].label:
            self._named(self._users[duo_id or ""].label)  # to know of an account that is not ours
        done = self._follow()
        if self._pending:
            self._unsure.append(
                f"More than {_MOST_PEOPLE} people want one another's userNames; who gets which, a plan tells."
            )
        record = self._records.get(duo_id or "")
        user = self._users.get(duo_id or "")
        groups = self._groups(user, duo_id)
        users = {id_: one for id_, one in self._users.items() if id_ in done}
        return Seen(
            who=who,
            at=at,
            how=how,
            duo_id=duo_id,
            account_id=account_id,
            record=record,
            groups=group_ids(record) if record is not None else None,
            scope=self._scope,
            mapping=self._mapping,
            source=Source(
                self._mapping.paths,
                users,
                self._duo_groups,
                self._scope.pushed,
                scoped=self._scope.included,
                missing=self._scope.missing,
            ),
            actual=Directory(
                self._mapping.paths,
                (*self._accounts.values(), *self._witnesses(duo_id)),
                groups,
                tuple(dict.fromkeys(self._ninjaone.problems)),
                complete=False,
                hidden=self._hidden(user),
            ),
            owned=self._owned,
            looked=self._looked(duo_id),
            listed=self._ninjaone.listed,
            unsure=(*self._unsure, *self._ninjaone.unsure),
        )

    def _looked(self, duo_id: str | None) -> tuple[str, ...]:
        """Say by what his account was looked for in NinjaOne."""
        user, entry = self._users.get(duo_id or ""), self._owned.users.get(duo_id or "")
        names = (self._wish(duo_id or ""), user.label if user else "")
        said = [f'the userName "{name}"' for name in names if folded(name) in self._asked_names][:1]
        said += [f"the externalId {duo_id}"] if duo_id and self._ninjaone.finds_external_ids else []
        return (*said, f"the id {entry.id}, which the ledger has") if entry else tuple(said)

    def _follow(self) -> set[str]:
        """Look at who is pending, and at everybody to whom that leads; return their Duo ids."""
        done: set[str] = set()
        while self._pending and len(done) < _MOST_PEOPLE:
            duo_id = self._pending.popleft()
            if duo_id in done:
                continue
            done.add(duo_id)
            self._by_ids([duo_id])
            entry = self._owned.users.get(duo_id)
            his = self._account(entry.id) if entry else None
            if his is None or his.external_id != duo_id:
                self._keep(self._ninjaone.accounts_of(duo_id))
            if wish := self._wish(duo_id):
                self._named(wish)
                self._pending += self._rivals(wish)
        return done

    def _rivals(self, wish: str) -> list[str]:
        """Return the Duo ids of all who want this userName."""
        expression = self._config.attributes[USER_NAME]
        parameters = (expression,) if expression in ("email", "username") else ("email", "username")
        if len(parameters) > 1:
            unsure = f"Whether somebody else in Duo gets the same userName by {expression}, only a full plan tells."
            self._unsure += [unsure] if unsure not in self._unsure else []
        ids = [one for parameter in parameters for one in self._called(parameter, wish)]
        return [one for one in ids if folded(self._wish(one)) == folded(wish)]

    def _witnesses(self, duo_id: str | None) -> tuple[User, ...]:
        """Return nameless accounts by which is seen whether NinjaOne shows an attribute at all, where it counts.

        A value that was applied and is not there was taken away, unless NinjaOne shows it of nobody.
        """
        entry, user = self._owned.users.get(duo_id or ""), self._users.get(duo_id or "")
        account = self._accounts.get(entry.id) if entry else None
        if entry is None or account is None or user is None or user.desired is None:
            return ()
        columns = zip(self._mapping.paths, account.values, user.desired.values, strict=True)
        if not any(old is None and new is not None and entry.applied.get(path) == new for path, old, new in columns):
            return ()
        return tuple(User("", None, one.active, one.values) for one in self._ninjaone.some_accounts())

    def _hidden(self, user: SourceUser | None) -> frozenset[tuple[Resource, str]]:
        """Return his userName if NinjaOne lately refused it as taken and shows nobody who has it."""
        if user is None or user.desired is None or self._config.ninjaone.dialect.discovery == "lookup":
            return frozenset()
        name: tuple[Resource, str] = ("user", folded(user.desired.user_name))
        return frozenset({name} if name in self._owned.contested and not self._named(name[1]) else ())

    def _groups(self, user: SourceUser | None, duo_id: str | None) -> tuple[Group, ...]:
        """Return the pushed groups as far as he is in question: of the members, those whose accounts are known."""
        pushed, entries = self._scope.pushed, self._owned.groups
        if duo_id is None:
            return ()
        wanted = dict(pushed)
        if len(wanted) > _MOST_GROUPS:
            his = set(user.groups if user else ()) | {id_ for id_, one in entries.items() if duo_id in one.members}
            wanted = {id_: name for id_, name in wanted.items() if id_ in his}
            self._unsure.append(
                f"{len(pushed)} groups are pushed; looked at were those that he is in by Duo or by the ledger."
            )
        ids = [entries[id_].id for id_ in wanted if id_ in entries and not entries[id_].deleted]
        names = {id_: name for id_, name in wanted.items() if id_ not in entries or entries[id_].deleted}
        known = self._accounts.keys()
        return tuple(
            replace(group, members=None if group.members is None else group.members & known)
            for group in self._ninjaone.groups(ids, names)
        )

    # --- asking, each thing once -------------------------------------------------------------

    def _wish(self, duo_id: str) -> str:
        user = self._users.get(duo_id)
        return user.desired.user_name if user and user.desired else ""

    def _called(self, parameter: str, name: str) -> list[str]:
        asked = (parameter, folded(name))
        if asked not in self._asked_duo:
            ids = self._duo.users_called(parameter, name, self._take)
            self._asked_duo[asked] = sorted({id_ for id_ in ids if id_})
        return self._asked_duo[asked]

    def _by_ids(self, ids: Iterable[str]) -> bool:
        """Read these users, if they are not known; return whether Duo has any of them."""
        every = [*ids]
        unknown = [id_ for id_ in every if id_ not in self._users and ("id", id_) not in self._asked_duo]
        if unknown:
            self._duo.users_by_id(unknown, self._take)
            self._asked_duo |= {("id", id_): [] for id_ in unknown}
        return any(id_ in self._users for id_ in every)

    def _take(self, row: Any) -> str:
        """Keep one record of Duo; return his id, empty where it has none."""
        user = self._convert(row)
        if isinstance(user, Problem):
            return ""
        self._users[user.id], self._records[user.id] = user, clean(row)
        return user.id

    def _named(self, name: str) -> list[User]:
        form = folded(name)
        if form not in self._asked_names:
            self._asked_names[form] = self._keep(self._ninjaone.accounts_named(name))
        return self._asked_names[form]

    def _account(self, id_: str) -> User | None:
        if id_ not in self._accounts:
            account = self._ninjaone.account(id_)
            self._keep([account] if account else [])
        return self._accounts.get(id_)

    def _keep(self, accounts: list[User]) -> list[User]:
        """Keep accounts, and note whose they may be."""
        for account in accounts:
            if account.id and account.id not in self._accounts:
                self._accounts[account.id] = account
                self._pending += self._claims(account)
        return accounts

    def _claims(self, account: User) -> list[str]:
        """Return the Duo ids whose account this may be."""
        claims = (account.external_id, self._by_account.get(account.id or ""))
        return [
            one for one in dict.fromkeys(claims) if one is not None and (is_duo_id(one) or one in self._owned.users)
        ]
