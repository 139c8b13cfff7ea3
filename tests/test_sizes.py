"""How long a function and a file may be, how much a function may take, and what may be imported late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import ninjasync
from ninjasync.cli.commands import COMMANDS

ROOT = Path(ninjasync.__file__).parent.parent
FILES = [*sorted((ROOT / "ninjasync").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]
Function = ast.FunctionDef | ast.AsyncFunctionDef
MOST_LINES_OF_A_FUNCTION = 50
MOST_LINES_OF_A_FILE = 500
MOST_PARAMETERS = 6
# Typer makes the options of these: a parameter is an option there.
COMMAND_LINES = {("commands/" + entry.module, entry.function) for entry in COMMANDS.values()} | {("__init__", "root")}
# Libraries that take longer to import than most commands take to run, each with less than every run in need of it.
HEAVY = {"apprise", "filelock", "jinja2", "keyring", "procrastinate", "psycopg", "psycopg_pool", "rich"}
# Our own files that import one of those, or that only a failure needs.
LATE = {
    "ninjasync.cli.failure",
    "ninjasync.cli.progress_bars",
    "ninjasync.fleet.asking",
    "ninjasync.report.fleet_html",
    "ninjasync.state.postgres",
    "ninjasync.state.postgres_address",
    "ninjasync.state.postgres_session",
}


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, Function):
            yield node


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def parameters(function: Function) -> list[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def is_command_line(path: Path, function: Function) -> bool:
    folder = ROOT / "ninjasync" / "cli"
    return path.is_relative_to(folder) and (
        (path.relative_to(folder).with_suffix("").as_posix(), function.name) in COMMAND_LINES
    )


def test_the_tables_of_this_test_name_what_there_is() -> None:
    for module, name in COMMAND_LINES - {("commands/", "")}:
        assert name in [one.name for one in functions(ROOT / "ninjasync" / "cli" / f"{module}.py")], (module, name)
    assert all(find_spec(name) for name in LATE)


def test_no_function_is_longer_than_fifty_lines() -> None:
    long = [
        f"{place(path, one)} {one.name}: {length}"
        for path in FILES
        for one in functions(path)
        if (length := (one.end_lineno or 0) - one.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long


def test_no_function_takes_more_than_six_parameters_but_those_whose_parameters_are_options() -> None:
    wide = [
        f"{place(path, one)} {one.name}: {', '.join(parameters(one))}"
        for path in FILES
        for one in functions(path)
        if len(parameters(one)) > MOST_PARAMETERS and not is_command_line(path, one)
    ]
    assert not wide


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    long = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_A_FILE} == {}


def test_only_heavy_libraries_are_imported_within_a_function() -> None:
    late = []
    for path in FILES:
        if not path.is_relative_to(ROOT / "ninjasync") or path.name == "__main__.py":  # that one catches an interrupt
            continue
        for node in set(chain.from_iterable(map(ast.walk, functions(path)))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            late += [f"{place(path, node)} {name}" for name in names if not {name, name.split(".")[0]} & (HEAVY | LATE)]
    assert not late
