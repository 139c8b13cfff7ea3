"""The arrows of DESIGN.md: who may import whom, and who may speak, ask and exit. Read from the source by ``ast``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ninjasync

ROOT = Path(ninjasync.__file__).parent
MODULES = {
    ".".join(("ninjasync", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
# Which room may import which others (DESIGN, "The tree"). Every room may import ``GROUND``.
ROOMS: dict[str, set[str]] = {
    "model": set(),
    "config": {"model"},
    "net": {"config", "model"},
    "state": {"config", "model"},
    "duo": {"net", "config", "model"},
    "ninjaone": {"net", "config", "model"},
    "planning": {"config", "model"},
    "report": {"config", "model"},
    "explain": {"runs", "planning", "config", "model"},
    "runs": {"planning", "report", "state", "duo", "ninjaone", "net", "config", "model"},
    "check": {"runs", "planning", "report", "state", "duo", "ninjaone", "net", "config", "model"},
    "fleet": {"runs", "report", "state", "config", "model"},
    "cli": {"fleet", "check", "explain", "runs", "planning", "report", "state", "config", "model", "sandbox"},
    "sandbox": set(),
}
# Files beside the rooms that know nothing of any of them. ``log`` and ``threads`` do something, so not all may.
GROUND = {"errors", "names_alike"}
TOOLS = {"log", "threads", "files"}
# Parts of a room that another one may know, although the room as a whole is none of its business.
PARTS = {("planning", "ninjasync.duo.records")}
# A field of that name, not the clock: the moment that a run goes by.
OWN_FIELDS = {"now"}
# Of libraries that can do more, the parts that compute, or read what is shipped with the package.
HARMLESS = {
    "ninjasync.model.tenant": {"urllib.parse"},
    "ninjasync.report.columns": {"rich.cells"},
    "ninjasync.report.html": {"importlib.resources"},
    "ninjasync.report.formats": {"importlib"},  # of the room's own files, each when it is asked for
}
PURE_ROOMS = ("model", "planning", "report")
PURE = tuple(name for name in MODULES if name.split(".")[1:2] and name.split(".")[1] in PURE_ROOMS)
# Network, clock, environment, randomness, processes.
IMPURE_LIBRARIES = {
    *("socket", "ssl", "http", "urllib", "urllib3", "requests", "duo_client", "smtplib", "asyncio", "selectors"),
    *("time", "calendar", "sched", "tenacity"),
    *(
        "os",
        "sys",
        "platform",
        "platformdirs",
        "pathlib",
        "tempfile",
        "shutil",
        "subprocess",
        "io",
        "sqlite3",
        "logging",
    ),
    *("random", "secrets", "uuid", "threading", "concurrent", "multiprocessing", "signal", "keyring", "importlib"),
    *("typer", "click", "rich"),
}


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def imports(name: str) -> Iterator[str]:
    """Yield the full name of every module that ``name`` imports, wherever in the file; ``from`` a package its parts."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in MODULES else source


def within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@cache
def ours(name: str) -> frozenset[str]:
    return frozenset(module for module in imports(name) if within(module, {"ninjasync"}))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_the_imports_are_read_right() -> None:
    assert "ninjasync.model.plan" in ours("ninjasync.planning.planner")
    assert "ninjasync.sandbox.exchange" in ours("ninjasync.sandbox.company.people")
    assert "requests" in set(imports("ninjasync.ninjaone.http"))
    assert "ninjasync.cli" in ours("ninjasync.__main__"), "also those within functions"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_allows(room: str) -> None:
    allowed = ROOMS[room] | {room, ""} | (set() if room == "sandbox" else GROUND)
    if room not in ("model", "planning", "report", "sandbox"):
        allowed |= TOOLS
    strangers = {
        (name, module)
        for name in MODULES
        if room_of(name) == room
        for module in ours(name)
        if room_of(module) not in allowed and (room, module) not in PARTS
    }
    assert not strangers


def test_every_file_is_in_a_room_or_on_the_ground() -> None:
    known = {*ROOMS, *GROUND, *TOOLS, "", "__main__"}
    assert {room_of(name) for name in MODULES} <= known


def test_a_pure_room_knows_no_network_no_clock_no_environment_and_no_randomness() -> None:
    found = {
        (name, module)
        for name in PURE
        for module in imports(name)
        if within(module, IMPURE_LIBRARIES) and module not in HARMLESS.get(name, set())
    }
    assert not found


def test_a_pure_file_opens_nothing_and_evaluates_nothing() -> None:
    called = {
        (name, node.func.id)
        for name in PURE
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {one for one in called if one[1] in ("open", "eval", "exec", "__import__", "input", "print")}


def test_a_pure_file_is_told_the_time_and_never_asks() -> None:
    asked = {(name, node.attr) for name in PURE for node in ast.walk(tree(name)) if isinstance(node, ast.Attribute)}
    of_a_clock = {"now", "utcnow", "today", "monotonic", "perf_counter"} - OWN_FIELDS
    assert not {one for one in asked if one[1] in of_a_clock}


def test_no_rooms_import_each_other_in_a_circle() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' -> '.join((*path, name))}"
        if name in done:
            return
        for other in ours(name):
            # A package's own front door holds the version; that is no arrow.
            if other in MODULES and other != "ninjasync" and not name.startswith(f"{other}."):
                visit(other, (*path, name))
        done.add(name)

    for name in MODULES:
        visit(name, ())


SANDBOX = [name for name in MODULES if within(name, {"ninjasync.sandbox"})]


def test_the_sandbox_is_independent_of_all_but_the_version() -> None:
    strangers = {(name, module) for name in SANDBOX for module in ours(name)}
    assert not {one for one in strangers if not within(one[1], {"ninjasync.sandbox"}) and one[1] != "ninjasync"}
    for name in SANDBOX:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ImportFrom) and node.module == "ninjasync":
                assert {alias.name for alias in node.names} <= {"__version__", "sandbox"}, name


OUTSIDE = [name for name in MODULES if not within(name, {"ninjasync.cli", "ninjasync.__main__"})]


def test_only_the_entry_point_imports_the_command_line() -> None:
    entry = {"ninjasync.cli", "ninjasync.__main__"}
    assert not {(name, module) for name in OUTSIDE for module in ours(name) if within(module, entry)}


SPEAKS = {
    *("print", "input", "exit", "quit", "sys.exit", "os._exit", "breakpoint", "getpass.getpass"),
    *("sys.stdout.write", "sys.stderr.write", "typer.echo", "click.echo"),
}


def test_only_the_command_line_prints_asks_or_exits() -> None:
    for name in OUTSIDE:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in SPEAKS, name
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised = ast.unparse(node.exc)
                assert not raised.startswith(("SystemExit", "KeyboardInterrupt", "typer.", "click.")), name
        faces = {module for module in imports(name) if within(module, {"typer", "click", "rich"})}
        assert not faces - HARMLESS.get(name, set()), name


def test_code_that_plans_is_handed_readers_and_imports_no_writer() -> None:
    assert not {"ninjasync.runs.executor", "ninjasync.ninjaone.reader", "ninjasync.ninjaone.writer"} & ours(
        "ninjasync.planning.planner"
    )
    assert not {"ninjasync.runs.executor", "ninjasync.ninjaone.writer"} & ours("ninjasync.ninjaone.reader")
    writers = {name for name in MODULES if "ninjasync.ninjaone.writer" in ours(name)}
    assert writers <= {"ninjasync.runs.apply", "ninjasync.cli.commands.demo"}


def test_every_file_says_what_it_is() -> None:
    assert not [name for name in MODULES if not ast.get_docstring(tree(name))]


def test_no_file_is_named_for_nothing_in_particular() -> None:
    nothing = {"utils", "util", "helpers", "common", "manager", "service", "handler"}
    assert not [name for name in MODULES if nothing & set(name.split("."))]
