"""Pages of a SCIM server as `responses` answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.model.directory import Wanted
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader

MakeConfig = Callable[..., Config]
URL = "https://ninjaone.test/scim/v2"
USERS, GROUPS = f"{URL}/Users", f"{URL}/Groups"


@contextmanager
def reading(context: RunContext) -> Iterator[Reader]:
    with connect(context, SecretStr("scim-token")) as endpoint:
        yield Reader(endpoint, context)


def listed(*rows: Any, total: Any = "number of rows") -> dict[str, Any]:
    body: dict[str, Any] = {"Resources": list(rows)}
    if total is not None:
        body["totalResults"] = len(rows) if total == "number of rows" else total
    return body


def user(id_: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "userName": f"{id_}@example.com"} | fields


def group(id_: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "displayName": id_, "members": []} | fields


NOBODY = Wanted(frozenset(), frozenset(), {}, {})
