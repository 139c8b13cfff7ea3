"""A local Duo Admin API and a local NinjaOne SCIM endpoint, with people in them.

For training, for CI and for the tests: the independent other side. It must not import anything of
ninjasync but the version, so that a mistake in ninjasync cannot hide in a shared piece of code.
"""

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.exchange import Request
from ninjasync.sandbox.ninjaone import NinjaOne
from ninjasync.sandbox.people import Company
from ninjasync.sandbox.staffing import company, existing_accounts
from ninjasync.sandbox.year import year_of_life

__all__ = ["Company", "NinjaOne", "Request", "Sandbox", "company", "existing_accounts", "year_of_life"]
