"""A SCIM server that `responses` plays, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import responses
from pydantic import SecretStr

from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from tests.support.contexts import context_of

if TYPE_CHECKING:
    from tests.support.clock import Clock
from tests.support.scim_pages import MakeConfig, reading


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """Replies in the order of registration; each must be asked for."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@pytest.fixture
def reader(make_config: MakeConfig, clock: Clock) -> Iterator[Reader]:
    config = make_config(ninjaone={"dialect": {"page_size": 2}}, run={"retries": 3})
    with reading(context_of(config, stop=clock)) as made:
        yield made


@pytest.fixture
def lookups(make_config: MakeConfig, clock: Clock) -> Iterator[Callable[[str], Reader]]:
    """Make a reader for a kind of discovery; it asks one thing at a time."""
    made: list[Reader] = []

    def make(discovery: str) -> Reader:
        config = make_config(ninjaone={"dialect": {"discovery": discovery}}, run={"parallelism": 1, "retries": 0})
        context = context_of(config, stop=clock)
        made.append(Reader(connect(context, SecretStr("t")), context))
        return made[-1]

    yield make
    for reader in made:
        reader.endpoint.close()
