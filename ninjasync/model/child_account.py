"""A child account of a Duo parent account, as the parent's Accounts API application lists it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildAccount:
    """``account_id`` begins with DA; ``api_hostname`` is a URL, as [duo] api_hostname is kept."""

    name: str
    account_id: str
    api_hostname: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """A child account, the tenant file that reads it, None where there is none, and whether it was just written."""

    account: ChildAccount
    file: str | None
    written: bool = False
