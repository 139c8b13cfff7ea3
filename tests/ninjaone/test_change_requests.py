"""What ``explain`` shows is what the Writer sends, over random changes and dialects."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.model.attributes import FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.exchange import Exchange
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone.change_requests import requests
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.writer import Writer
from ninjasync.runs.executor import apply_plan
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.contexts import context_of
from tests.support.plans import made
from tests.support.urns import EXTENSION

Json = dict[str, Any]

DIALECTS: dict[str, tuple[Any, ...]] = {
    "patch": ("patch", "put"),
    "group_patch": ("", "patch", "put"),
    "booleans": ("json", "string"),
    "member_removal": ("filter", "list"),
    "members_per_call": (1, 2, 100),
    "external_id": (True, False),
    "organization_id_type": ("string", "number"),
    "patch_op_case": ("lower", "title"),
    "media_type": ("scim", "json"),
}


class _Journal:
    """Takes everything and keeps nothing."""

    def intend(self, change: Change, step: str) -> int:
        return 0

    def conclude(self, *_: Any) -> None:
        """Do nothing with an outcome."""


@pytest.mark.parametrize("seed", range(60))
def test_the_requests_that_are_shown_are_those_that_are_sent(seed: int, make_config: Callable[..., Config]) -> None:
    chance = random.Random(seed)
    store = NinjaOne(seed=seed)
    dialect = {key: chance.choice(values) for key, values in DIALECTS.items()}
    box = Sandbox(Company(seed=seed), store)
    box.start()
    try:
        config = make_config(ninjaone={"endpoint_url": box.scim_url, "dialect": dialect}, run={"parallelism": 1})
        context, change = context_of(config), _change(chance, store)
        heard: list[Exchange] = []
        with connect(context, SecretStr(box.token), heard.append) as endpoint:
            rows = {change.id: endpoint.get(change.resource, change.id)} if change.id else {}
            shown = requests((change,), config, rows, Ownership())
            before = {*store.users, *store.groups}
            plan = made(change, writes=(change,))
            result = apply_plan(plan, Writer(endpoint, context), _Journal(), parallelism=1, stop=context.stop)
        assert [outcome.error for outcome in result.outcomes] == [""]
        new = next(iter({*store.users, *store.groups} - before), "")
        sent = [(one.method, box.scim_url + one.path, one.sent) for one in heard if one.method != "GET"]
        assert [_plain(*one, new) for one in sent] == [_plain(one.method, one.url, one.body, new) for one in shown]
        assert sent
    finally:
        box.stop()


def _change(chance: random.Random, store: NinjaOne) -> Change:
    """Make people and a group, and a change of one of them."""
    names = [f"user{number}@example.com" for number in range(6)]
    ids = [_account(store, name, active=chance.random() < 0.8) for name in names]
    members = chance.sample(ids, 3)
    group = store.create(GROUP, {"displayName": "Staff", "members": [{"value": one} for one in members]})["id"]
    kinds = [_new_user, _changed_user, _gone, _new_group, _changed_group]
    return chance.choice(kinds)(chance, store, ids, group)


def _new_user(chance: random.Random, *_: Any) -> Change:
    rows = (Delta(USER_NAME, None, "new@example.com"), *_attributes(chance), *_rights(chance))
    return Change("user", "create", "new@example.com", None, "DU1", rows)


def _changed_user(chance: random.Random, store: NinjaOne, ids: list[str], _: str) -> Change:
    id_ = chance.choice(ids)
    active = store.users[id_]["active"]
    rows = [*_attributes(chance), *_rights(chance)]
    if chance.random() < 0.5:
        rows.append(Delta(USER_NAME, "x", "other@example.com", via=chance.choice((None, "ninjasync-du1@example.com"))))
    if chance.random() < 0.5 or not rows:
        rows.append(Delta("active", active, not active))
    whole = tuple((row.path, str(row.after)) for row in rows if isinstance(row.after, str))
    return Change("user", "update", "x", id_, "DU1", tuple(rows), whole=whole if chance.random() < 0.8 else ())


def _gone(chance: random.Random, _: NinjaOne, ids: list[str], group: str) -> Change:
    if chance.random() < 0.3:
        return Change("group", "delete", "Staff", group, "DG1")
    return Change("user", "delete", "x", chance.choice(ids), "DU1")


def _new_group(chance: random.Random, _: NinjaOne, ids: list[str], group: str) -> Change:
    added = chance.sample(ids, chance.randrange(len(ids)))
    row = Delta("displayName", None, "New")
    return Change("group", "create", "New", None, "DG2", (row,), tuple(Member(one, one, one) for one in added))


def _changed_group(chance: random.Random, store: NinjaOne, ids: list[str], group: str) -> Change:
    there = {one["value"] for one in store.groups[group]["members"]}
    added = [one for one in ids if one not in there and chance.random() < 0.7]
    removed = [one for one in ids if one in there and chance.random() < 0.7]
    renamed = chance.random() < 0.5 or not (added or removed)
    rows = (Delta("displayName", "Staff", "Renamed", via=chance.choice((None, "ninjasync-DG1"))),) if renamed else ()
    into, out_of = (tuple(Member(one, one, one) for one in some) for some in (added, removed))
    return Change("group", "update", "Staff", group, "DG1", rows, into, out_of)


def _attributes(chance: random.Random) -> list[Delta]:
    return [
        Delta(path, "x", chance.choice(("Ann", None))) for path in (GIVEN_NAME, FAMILY_NAME) if chance.random() < 0.5
    ]


def _rights(chance: random.Random) -> list[Delta]:
    if chance.random() < 0.5:
        return [Delta(USER_TYPE, None, "endUser"), Delta(ORGANIZATION_ID, None, chance.choice(("7", "All")))]
    return []


def _account(store: NinjaOne, name: str, *, active: bool) -> str:
    extension = {"userType": "endUser", "organizationId": "1"}
    body = {"userName": name, "active": active, "name": {"givenName": "A", "familyName": "B"}, EXTENSION: extension}
    return str(store.create(USER, body)["id"])


def _plain(method: str, url: str, body: Any, new: str) -> tuple[str, str, str]:
    """Return a request as text, but for what NinjaOne alone knows before a PUT: its own fields, and how it stores."""
    url = url.replace("<id of the new group>", new) if new else url
    if method == "PUT":
        body = {name: value for name, value in body.items() if name not in ("id", "schemas")}
    text = json.dumps(body, sort_keys=True)
    for stored, written in (('"True"', "true"), ('"False"', "false"), ('"organizationId": 7', '"organizationId": "7"')):
        text = text.replace(stored, written) if method == "PUT" else text
    return method, url, text
