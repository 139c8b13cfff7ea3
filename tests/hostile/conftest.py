"""Offices behind proxies: nothing applied, and all applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lies import LEAVER
from tests.support.office import Office, Saved


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Fifteen people behind services that can be meddled with: nothing applied, and all applied."""
    office = Office(tmp_path_factory.mktemp("stage")).start()
    office.configure("run", retries=0)
    office.configure("duo", timeout=1)
    office.configure("ninjaone", timeout=1)
    office.proxy_duo()  # from the start: another address would be another tenant
    office.proxy_scim()
    empty = office.save()
    office.settle()
    yield office, empty, office.save()
    office.stop()


@pytest.fixture
def office(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """Nothing is applied yet."""
    return stage[0].restore(stage[1], tmp_path)


@pytest.fixture
def settled(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """All is applied; since then one person has left."""
    stage[0].restore(stage[2], tmp_path)
    stage[0].people.disable(stage[0].duo(LEAVER))
    return stage[0]
