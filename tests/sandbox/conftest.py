"""The sandbox's SCIM endpoint, without a network and with one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.scim_client import There
from tests.support.scim_endpoint import Endpoint


@pytest.fixture
def scim() -> Endpoint:
    return Endpoint(now=lambda: "2026-01-01T00:00:00.000Z")


@pytest.fixture
def there() -> Iterator[There]:
    """Three users in a NinjaOne that answers over HTTP."""
    with Sandbox(make_company(users=1), NinjaOne()) as box:
        there = There(box)
        yield there
        there.close()
