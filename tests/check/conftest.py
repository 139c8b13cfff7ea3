"""An office whose NinjaOne answers by way of a proxy, for the probe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.office import Office, Saved


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.configure("run", retries=2)  # a lost answer is tried again, as in everyday runs
    world.proxy_scim()
    yield world, world.save()
    world.stop()
