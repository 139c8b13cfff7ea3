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
PURE = (
    *("email_address", "organizations"),
    *("names_alike", "attribute", "full_name", "functions", "expression", "directory", "scope", "mapping", "names"),
    *("plan", "guards", "scim", "sync_suffix", "plan_schema"),
    *("statuses", "match", "ladder", "user_diff", "group_diff", "diff", "tempo", "progress", "metrics", "notice"),
    *("watch", "story", "rights", "causes", "explain_case", "explain_settings", "explain_steps", "explain"),
)
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
# A field of that name, not the clock: the moment that a run goes by.
OWN_FIELDS = {"user_diff": {"now"}}
IMPURE_MODULES = {
    *(
        f"ninjasync.{name}"
        for name in (
            "secrets",
            "settings",
            "transport",
            "duo",
            "ninjaone",
            "pacing",
            "planner",
            "run",
            "apply_run",
            "record",
        )
    ),
    *(
        f"ninjasync.{name}"
        for name in ("journal", "record", "lock", "saved", "stale", "tenant", "redact", "scim_http", "monitor", "trace")
    ),
    *(f"ninjasync.{name}" for name in ("apply", "ledger", "report", "cli", "sandbox")),
    *(f"ninjasync.{name}" for name in ("explain_run", "seek", "wire", "ninjaone_finder")),
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


def test_the_imports_are_read_right() -> None:
    assert "ninjasync.plan" in ours("ninjasync.diff")
    assert "ninjasync.sandbox.exchange" in ours("ninjasync.sandbox.people")
    assert "ninjasync.planner" in ours("ninjasync.plan_steps")
    assert "requests" in set(imports("ninjasync.scim_http"))
    assert "ninjasync.cli" in ours("ninjasync.__main__"), "also those within functions"


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_knows_no_network_no_clock_no_environment_and_nothing_that_does(name: str) -> None:
    found = set(imports(f"ninjasync.{name}"))
    assert not {module for module in found if within(module, IMPURE_LIBRARIES | IMPURE_MODULES)}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_depends_on_pure_files_alone_but_for_the_shape_of_the_configuration(name: str) -> None:
    allowed = {f"ninjasync.{pure}" for pure in PURE} | {"ninjasync.config", "ninjasync.errors"}
    assert ours(f"ninjasync.{name}") <= allowed


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_opens_nothing_and_evaluates_nothing(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree(f"ninjasync.{name}"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "eval", "exec", "__import__", "input", "print"}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_is_told_the_time_and_never_asks(name: str) -> None:
    asked = {node.attr for node in ast.walk(tree(f"ninjasync.{name}")) if isinstance(node, ast.Attribute)}
    assert not asked & {"now", "utcnow", "today", "monotonic", "perf_counter"} - OWN_FIELDS.get(name, set())


def test_the_configurations_shape_reads_no_file_and_no_environment() -> None:
    found = set(imports("ninjasync.config"))
    assert not {module for module in found if within(module, {"os", "tomllib", "platformdirs", "pydantic_settings"})}
    assert ours("ninjasync.config") == {"ninjasync.attribute", "ninjasync.errors", "ninjasync.expression"}


def test_no_arrow_goes_round() -> None:
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


@pytest.mark.parametrize("name", SANDBOX)
def test_the_sandbox_is_independent_of_all_but_the_version(name: str) -> None:
    assert {module for module in ours(name) if not within(module, {"ninjasync.sandbox"})} <= {"ninjasync"}
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module == "ninjasync":
            assert {alias.name for alias in node.names} <= {"__version__", "sandbox"}


OUTSIDE = [name for name in MODULES if not within(name, {"ninjasync.cli", "ninjasync.__main__"})]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nobody_but_the_entry_point_imports_the_command_line(name: str) -> None:
    assert not {module for module in ours(name) if within(module, {"ninjasync.cli", "ninjasync.__main__"})}


@pytest.mark.parametrize("name", OUTSIDE)
def test_only_the_command_line_prints_asks_or_exits(name: str) -> None:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {
                *("print", "input", "exit", "quit", "sys.exit", "os._exit", "breakpoint", "getpass.getpass"),
                *("sys.stdout.write", "sys.stderr.write", "typer.echo", "click.echo"),
            }
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert not ast.unparse(node.exc).startswith(("SystemExit", "KeyboardInterrupt", "typer.", "click."))
    assert not {module for module in imports(name) if within(module, {"typer", "click", "rich"})}


def test_whoever_plans_is_handed_readers_and_imports_no_writer() -> None:
    assert not {"ninjasync.apply", "ninjasync.ninjaone", "ninjasync.ninjaone_writer"} & ours("ninjasync.planner")
    assert not {"ninjasync.apply", "ninjasync.ninjaone_writer"} & ours("ninjasync.ninjaone")
    writers = {name for name in MODULES if "ninjasync.ninjaone_writer" in ours(name)}
    assert writers <= {"ninjasync.apply_run", "ninjasync.cli.demo"}


def test_renderers_know_plans_and_no_service() -> None:
    allowed = {"ninjasync", "ninjasync.plan", "ninjasync.errors", "ninjasync.directory", "ninjasync.attribute"}
    allowed |= {
        "ninjasync.ledger",
        "ninjasync.mapping",
        "ninjasync.finding",
        "ninjasync.story",
    }  # the history's nouns; when a value is another
    for name in MODULES:
        if within(name, {"ninjasync.report"}):
            assert {module for module in ours(name) if not within(module, {"ninjasync.report"})} <= allowed


def test_the_two_services_do_not_know_each_other() -> None:
    assert "ninjasync.ninjaone" not in ours("ninjasync.duo")
    assert "ninjasync.duo" not in ours("ninjasync.ninjaone")


@pytest.mark.parametrize("name", MODULES)
def test_every_file_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(tree(name))


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_named_for_nothing_in_particular(name: str) -> None:
    assert not {"utils", "util", "helpers", "common", "manager", "service", "handler"} & set(name.split("."))
