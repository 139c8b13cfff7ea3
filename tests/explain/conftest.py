"""The two worlds that the tests of ``explain`` begin with: nothing applied yet, and all applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import staff
from tests.support.office import Office, Saved


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Two technicians, six end users; once with an empty NinjaOne, once with all applied."""
    world = Office(tmp_path_factory.mktemp("stage"), staff(6, 2)).start()
    empty = world.save()
    world.settle()
    yield world, empty, world.save()
    world.stop()


def restored(stage: tuple[Office, Saved, Saved], saved: Saved, folder: Path) -> Office:
    stage[0].box.set_behavior()
    return stage[0].restore(saved, folder)


@pytest.fixture
def world(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """Nothing is applied yet."""
    return restored(stage, stage[1], tmp_path)


@pytest.fixture
def settled(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """All is applied."""
    return restored(stage, stage[2], tmp_path)
