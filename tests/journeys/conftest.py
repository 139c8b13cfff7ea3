"""Offices for the journeys: one at will, and two that are made once for all tests of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, Saved


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def build(*arguments: Any) -> Office:
        folder = tmp_path / f"office{len(made)}"
        folder.mkdir()
        made.append(Office(folder, *arguments).start())
        return made[-1]

    yield build
    for each in made:
        each.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Three technicians, twelve end users; once with an empty NinjaOne, once with all applied."""
    office = Office(tmp_path_factory.mktemp("stage")).start()
    office.configure("run", retries=2)
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
    """All is applied."""
    return stage[0].restore(stage[2], tmp_path)
