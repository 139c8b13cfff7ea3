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
    from ninjasync.sandbox.company.people import Company
    from ninjasync.sandbox.company.staffing import existing_accounts, make_company
    from ninjasync.sandbox.company.year import year_of_life
    from ninjasync.sandbox.exchange import Request
    from ninjasync.sandbox.ninjaone.store import NinjaOne
else:
    _HOMES = {
        "Company": "company.people",
        "NinjaOne": "ninjaone.store",
        "Request": "exchange",
        "Sandbox": "box",
        "make_company": "company.staffing",
        "existing_accounts": "company.staffing",
        "year_of_life": "company.year",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Company", "NinjaOne", "Request", "Sandbox", "existing_accounts", "make_company", "year_of_life"]
