"""Other servers' ways: the table of all quirks, and how they go together.

Knows which quirk is in which file. Must not know how any of them works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.exchange import Service
from ninjasync.sandbox.faults.catalogue import QUIRKS, parse_quirks
from ninjasync.sandbox.faults.messages import Context, Quirk
from ninjasync.sandbox.faults.quirks_answering import ANSWERING
from ninjasync.sandbox.faults.quirks_api import API
from ninjasync.sandbox.faults.quirks_asking import ASKING
from ninjasync.sandbox.faults.quirks_duo import DUO, duo_quirks
from ninjasync.sandbox.faults.quirks_lists import LISTS
from ninjasync.sandbox.faults.quirks_members import MEMBERS
from ninjasync.sandbox.faults.quirks_storing import KEEPING
from ninjasync.sandbox.faults.rewrite import compose
from ninjasync.sandbox.ninjaone.public_api import ApiWays
from ninjasync.sandbox.ninjaone.store import NinjaOne

SCIM: Mapping[str, Quirk] = {**KEEPING, **ASKING, **MEMBERS, **LISTS, **ANSWERING}


def add_scim_quirks(
    service: Service, over: Callable[[NinjaOne], Service], store: NinjaOne, quirks: Iterable[str]
) -> Service:
    """Return the SCIM service with the quirks that are SCIM's, in the table's order, the first innermost.

    ``over`` makes a plain service over any store. Raises ValueError, in a sentence.
    """
    wanted = parse_quirks(quirks)
    chosen = [(SCIM[name], wanted[name]) for name in QUIRKS if name in wanted and name in SCIM]
    return compose(service, Context(store, over), chosen)


def add_duo_quirks(service: Service, people: Company, quirks: Iterable[str]) -> Service:
    """Return the Duo Admin API with the quirks that are Duo's. Raises ValueError, in a sentence."""
    wanted = parse_quirks(quirks)
    return duo_quirks(service, people, [name for name in QUIRKS if name in wanted and name in DUO])


def read_api_ways(quirks: Iterable[str]) -> ApiWays:
    """Return the ways of a public API with the quirks that are its own. Raises ValueError, in a sentence."""
    wanted = parse_quirks(quirks)
    ways = ApiWays()
    for name, set_way in API.items():
        if name in wanted:
            ways = set_way(ways, wanted[name])
    return ways
