"""The fast way to parse pages of users: to what is read of them, without their phones, tokens and keys.

With ``planning.source_pages`` a sixth of a plan of 100,000 users. It must agree with ``parse_json`` on all that is
read; tests/duo/test_user_pages.py sees to that.
"""

from collections.abc import Callable
from types import GenericAlias
from typing import Any, TypedDict

import msgspec

from ninjasync.net.connection import require_utf8

# What is read of every user, whatever the expressions are (``records``, ``planning``).
_READ = frozenset({"custom_attributes", "email", "groups", "realname", "status", "user_id", "username"})


def page_parser(fields: frozenset[str]) -> Callable[[bytes], Any]:
    """Return what parses pages of users to records of ``fields`` and what is always read.

    It raises ValueError where a page is of another shape or not in UTF-8. Groups that are not among ``fields`` stay as
    they were sent (``records.group_ids`` reads them): most users have those of many others.
    """
    kinds: dict[str, Any] = dict.fromkeys(fields | _READ, Any)
    if "groups" not in fields:
        kinds["groups"] = msgspec.Raw
    make: Any = TypedDict  # of names that no checker of types can know
    record = make("Record", kinds, total=False)
    page = make("Page", {"stat": Any, "response": GenericAlias(list, (record,)), "metadata": Any}, total=False)
    decode = msgspec.json.Decoder(page).decode
    return lambda data: decode(require_utf8(data))
