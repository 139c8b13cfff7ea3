"""A SCIM server that `responses` plays, with its reader, and as the target of the writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import responses
from pydantic import SecretStr

from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from ninjasync.ninjaone.writer import Writer
from tests.support.contexts import context_of
from tests.support.scim_pages import MakeConfig, reading

if TYPE_CHECKING:
    from tests.support.clock import Clock


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


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between two looks, which take no time here."""
    taken: list[float] = []
    for module in ("memberships", "observation"):
        monkeypatch.setattr(f"ninjasync.ninjaone.{module}.time", SimpleNamespace(sleep=taken.append))
    return taken


@pytest.fixture
def target(pauses: list[float]) -> Iterator[responses.RequestsMock]:
    """Replies in the order of registration; each must be asked for."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@pytest.fixture
def make_writer(make_config: MakeConfig, clock: Clock) -> Iterator[Callable[..., Writer]]:
    made: list[Writer] = []

    def make(**dialect: Any) -> Writer:
        config = make_config(ninjaone={"dialect": {"members_per_call": 2} | dialect}, run={"retries": 3})
        context = context_of(config, stop=clock)
        made.append(Writer(connect(context, SecretStr("scim-token")), context))
        return made[-1]

    yield make
    for writer in made:
        writer.endpoint.close()


@pytest.fixture
def writer(make_writer: Callable[..., Writer]) -> Writer:
    return make_writer()
