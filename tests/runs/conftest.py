"""An office, and a server that is told how its runs end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import staff
from tests.support.monitoring import Receiver
from tests.support.office import Office


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 1)) as made:
        yield made
