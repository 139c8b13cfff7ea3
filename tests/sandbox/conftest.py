"""The sandbox's SCIM endpoint without a network."""

from __future__ import annotations

import pytest

from tests.support.scim_endpoint import Endpoint


@pytest.fixture
def scim() -> Endpoint:
    return Endpoint(now=lambda: "2026-01-01T00:00:00.000Z")
