"""What every test may ask for: a clean environment (without asking), a configuration, two sides, a clock."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import settings

from ninjasync.config.schema import Config
from tests.support.clock import Clock
from tests.support.postgres import LedgerFile, Place, TestDatabase, empty_database, shared_server
from tests.support.private_server import BINARIES, PrivateServer
from tests.support.sides import Sides

settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None)
settings.load_profile("same-every-time")


# What a developer's shell or a CI service may hold that changes how help is drawn; Typer reads it when it is imported.
_OF_A_TERMINAL = ("COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS", "TERMINAL_WIDTH")


# Rooms whose tests run whole commands, and those of their files that go through lines which no other test does.
_OF_WHOLE_COMMANDS = {"contract", "hostile", "journeys", "worlds"}
_ALONE = {
    *("test_realname_alone", "test_refused_attributes", "test_tenants", "test_vanished"),
    *("test_api_confirmation", "test_ledger_url"),
}


def pytest_configure() -> None:
    """Run as ``ninjasync.__main__`` does, whose threads and garbage this process has in the tests.

    What is compiled is kept, whatever the shell says: hundreds of processes read it.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    for name in _OF_A_TERMINAL:
        os.environ.pop(name, None)
    gc.set_threshold(200_000)
    sys.setswitchinterval(0.0005)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave one measurement in each of xdist's workers, the one that pytest-cov is about to begin.

    Those that began with the process would take over wherever a test is marked ``no_cover``.
    """
    while hasattr(session.config, "workerinput") and (begun := Coverage.current()):
        begun.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Do not measure what goes through the lines of other tests once more: that takes as long again as the test."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    room, file = item.path.parent.name, item.path.stem
    if plugin is None or plugin.cov_controller is None or room not in _OF_WHOLE_COMMANDS or file in _ALONE:
        return (yield)
    processes = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_")}
    plugin.cov_controller.pause()
    try:
        return (yield)
    finally:
        plugin.cov_controller.resume()
        os.environ.update(processes)


def pytest_collection_finish() -> None:
    """Take the thousands of tests out of what each search for garbage goes through."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says to ninjasync; where a test has a folder, its state goes there as well."""
    for name in list(os.environ):
        if name.startswith("NINJASYNC_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    if "tmp_path" in request.fixturenames:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            monkeypatch.setenv(name, str(request.getfixturevalue("tmp_path") / name))


def _config(**sections: Mapping[str, Any]) -> Config:
    base: dict[str, dict[str, Any]] = {
        "duo": {
            "api_hostname": "http://127.0.0.1:1",
            "integration_key": "DIXXXXXXXXXXXXXXXXXX",
            "secret_key": "duo-secret",
            "rate_limit": 0,
        },
        "ninjaone": {"endpoint_url": "https://ninjaone.test/scim/v2", "secret_token": "scim-token"},
        "scope": {"all_users": True},
    }
    merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in (*base, *sections)}
    return Config.model_validate(merged)


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Make a valid configuration; keyword arguments are sections, their keys go over the defaults."""
    return _config


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> PrivateServer:
    """The PostgreSQL server that all tests of this session share; it ends with the session."""
    if BINARIES is None:
        pytest.skip("needs PostgreSQL's server (Debian: postgresql)")
    base = tmp_path_factory.getbasetemp()
    return shared_server(base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base)


@pytest.fixture
def database(postgres: PrivateServer) -> Iterator[TestDatabase]:
    """An empty database of the test's own."""
    with empty_database(postgres) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a ledger may be, one after the other: a file, and a database."""
    if request.param == "sqlite":
        return LedgerFile(tmp_path / "ledger.sqlite3")
    made: TestDatabase = request.getfixturevalue("database")
    return made


@pytest.fixture
def sides() -> Sides:
    """An empty Duo and an empty NinjaOne."""
    return Sides()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put ``Clock`` in the place of the pacer's time."""
    made = Clock()
    monkeypatch.setattr("ninjasync.net.pacing.time", SimpleNamespace(monotonic=lambda: made.now))
    return made
