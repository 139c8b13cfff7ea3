"""Quirks of the hosts that serve NinjaOne's public API: each sets one of the ways in which they differ.

Knows their names. How a host with such a way answers is known to the public API itself, which is told the ways
as it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ninjasync.sandbox.ninjaone.public_api import ApiWays

API: Mapping[str, Callable[[ApiWays, int], ApiWays]] = {
    "api.html-throttle": lambda ways, number: replace(ways, html_every=number),
    "api.no-user-lists": lambda ways, number: replace(ways, no_user_lists=True),
    "api.no-organizations": lambda ways, number: replace(ways, no_organizations=True),
    "api.truncated": lambda ways, number: replace(ways, most_rows=number),
    "api.ignores-after": lambda ways, number: replace(ways, ids_stand=True),
    "api.wide-scope": lambda ways, number: replace(ways, scope="monitoring management control"),
    "api.no-scope": lambda ways, number: replace(ways, refuses_scope=True),
    "api.forbidden": lambda ways, number: replace(ways, forbidden=True),
    "api.technicians-forbidden": lambda ways, number: replace(ways, forbids_technicians=True),
    "api.token-elsewhere": lambda ways, number: replace(ways, token_path="/oauth/token"),  # noqa: S106 - a path
    "api.lag": lambda ways, number: replace(ways, lag=number),
}
