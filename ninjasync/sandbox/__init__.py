"""A local Duo Admin API and a local NinjaOne SCIM endpoint, with people in them.

For training, for CI and for the tests: the independent other side. It must not import anything of
ninjasync but the version, so that a mistake in ninjasync cannot hide in a shared piece of code.
What it offers is imported when it is asked for, so that the command line can tell the names of
faults and quirks without the servers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninjasync.sandbox.box import Sandbox
    from ninjasync.sandbox.exchange import Request
    from ninjasync.sandbox.ninjaone import NinjaOne
    from ninjasync.sandbox.people import Company
    from ninjasync.sandbox.staffing import company, existing_accounts
    from ninjasync.sandbox.year import year_of_life
else:
    _HOMES = {
        "Company": "people",
        "NinjaOne": "ninjaone",
        "Request": "exchange",
        "Sandbox": "box",
        "company": "staffing",
        "existing_accounts": "staffing",
        "year_of_life": "year",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Company", "NinjaOne", "Request", "Sandbox", "company", "existing_accounts", "year_of_life"]
