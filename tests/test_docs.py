"""The documents say what the code does: README, manual, example configuration, changelog and `.ci/run`."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import ninjasync
from ninjasync import errors
from ninjasync.cli import app
from ninjasync.cli.commands import COMMANDS as COMMAND_TABLE
from ninjasync.config import mapping, secrets
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.config.section import SecretReference
from ninjasync.model import outcome, problems
from ninjasync.planning import guards
from ninjasync.report import fleet_metrics, metrics
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.faults.catalogue import FAULTS, QUIRKS, SERVERS
from tests.support.documents import CHANGELOG, EXAMPLE, MANUAL, PACKAGE, README, ROOT, below, table, without_code

CI = (ROOT / ".ci" / "run").read_text("utf-8")

# What nobody else can fill in; every other line of the example holds the default.
FILLED_IN = {
    "duo.api_hostname",
    "duo.integration_key",
    "duo.secret_key",
    "ninjaone.endpoint_url",
    "ninjaone.secret_token",
    "scope.groups",
}
# Keys whose bare name is read elsewhere as something else, with the table that they are read from.
AMBIGUOUS = {"path": "state", "patch": "dialect"}


# --- reading the documents -------------------------------------------------------------------


def commands() -> list[str]:
    """Return the README's commands that start from nothing."""
    return [line for line in README.splitlines() if line.startswith("python3 ")]


# --- reading the code ------------------------------------------------------------------------


def tables(model: type[BaseModel] = Config, above: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every table of the configuration but [attributes], by its name in TOML, with its model."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"{above}{name}", kind
            yield from tables(kind, f"{above}{name}.")


def keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of one table, without the tables in it."""
    inner = {name for name, _ in tables(model)}
    return [name for name in model.model_fields if name not in inner]


TABLES = dict(tables())


def as_toml(value: Any) -> str:
    """Write a default as TOML does; a date that is not given is an empty string."""
    match value:
        case None:
            return '""'
        case SecretReference(env=name):
            return f'{{ env = "{name}" }}'
        case tuple():
            return f"[{', '.join(map(as_toml, value))}]"
        case _:
            return json.dumps(value)


def is_read(key: str) -> bool:
    """Whether any code but the configuration's own looks at ``key``."""
    owner = re.escape(f"{AMBIGUOUS[key]}.") if key in AMBIGUOUS else r"\."
    return any(
        re.search(rf"{owner}{key}\b", path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
        if path.name != "config.py" and "sandbox" not in path.relative_to(PACKAGE).parts
    )


COMMAND_LINE: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {
    name: reduce(lambda group, word: group.load(word), name.split(), COMMAND_LINE) for name in COMMAND_TABLE
}
GLOBAL = set.intersection(*({option.name for option in command.params} for command in COMMANDS.values()))


def option_rows(options: list[Any]) -> list[list[str]]:
    """Return the manual's rows for some options and arguments of the command line: of help, the first paragraph."""
    rows = []
    for option in options:
        given = option.metavar or ""
        if option.param_type_name == "argument":
            names = f"`{given}`"
        else:
            names = ", ".join(f"`{name} {given}`".replace(" `", "`") for name in option.opts)
        default = getattr(option.default, "value", option.default)
        meaning = option.help.partition("\n\n")[0]
        rows.append([names, "" if default is None or default is False else f"`{default}`", meaning])
    return rows


# --- the example configuration ---------------------------------------------------------------


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in [name for name in os.environ if name.startswith("NINJASYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DUO_SECRET_KEY", "a-secret")
    monkeypatch.setenv("NINJAONE_SCIM_TOKEN", "the-token")
    return load(ROOT / "config.example.toml")


def test_the_example_configuration_loads_and_finds_its_secrets_in_the_environment(example: Config) -> None:
    assert secrets.read_duo_secret_key(example).get_secret_value() == "a-secret"
    assert secrets.read_ninjaone_token(example).get_secret_value() == "the-token"


def test_the_example_configuration_holds_every_key_and_no_other() -> None:
    def leaves(found: dict[str, Any], above: str = "") -> set[str]:
        flat: set[str] = set()
        for name, value in found.items():
            table_inside = f"{above}{name}" in TABLES
            flat |= leaves(value, f"{above}{name}.") if table_inside else {f"{above}{name}"}
        return flat

    in_file = tomllib.loads(EXAMPLE)
    attributes, organizations = in_file.pop("attributes"), in_file.pop("organizations")
    assert leaves(in_file) == {f"{name}.{key}" for name, model in TABLES.items() for key in keys(model)}
    assert attributes == mapping.DEFAULT_ATTRIBUTES
    assert organizations == {}


def test_the_example_configuration_differs_from_the_defaults_only_where_it_says_fill_in(example: Config) -> None:
    differing = set()
    for name, model in TABLES.items():
        section: Any = example
        for part in name.split("."):
            section = getattr(section, part)
        for key in keys(model):
            field = model.model_fields[key]
            if field.is_required() or getattr(section, key) != field.default:
                differing.add(f"{name}.{key}")
    assert differing == FILLED_IN
    marked = re.findall(r"^(\w+) = .*# FILL IN", EXAMPLE, re.MULTILINE)
    assert sorted(marked) == sorted(key.split(".")[1] for key in FILLED_IN)


def test_every_line_of_the_example_configuration_says_what_it_is_for() -> None:
    bare = [line for line in EXAMPLE.splitlines() if re.match(r"\w+ = |\[", line) and "#" not in line]
    assert [line for line in bare if not line.startswith("userName")] == []


# --- the manual's tables ---------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_the_manual_gives_the_options_of_each_command_as_its_help_does(name: str) -> None:
    command = COMMANDS[name]
    section = below("commands", f"## `ninjasync {name}`")
    rows = option_rows([option for option in command.params if option.name not in GLOBAL])
    assert (table(section) if rows else []) == rows
    assert command.help in "\n\n".join(" ".join(part.split()) for part in section.split("\n\n"))


def test_the_manual_gives_the_global_options_as_the_help_does() -> None:
    options = COMMAND_LINE.params
    assert table(below("commands", "## Global options")) == option_rows([one for one in options if one.name in GLOBAL])
    assert table(below("commands", "## Without a command")) == option_rows(
        [one for one in options if one.name not in GLOBAL]
    )


def test_the_manual_describes_no_command_that_does_not_exist() -> None:
    described = re.findall(r"^## `ninjasync ([a-z -]+)`$", MANUAL["commands"], re.MULTILINE)
    assert sorted(described) == sorted(COMMANDS)


def named_commands(page: str) -> list[str]:
    """Return the command lines of ours that a page names, in its sentences and in its blocks, without the program."""
    text = page.replace("\\\n", " ")
    places = re.findall(r"(?<!`)`([^`]+)`(?!`)", without_code(text))
    for language, block in re.findall(r"^ *```(\w+)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        lines = block.splitlines() if language in ("sh", "cron", "console", "ini", "yaml") else []
        places += [re.sub(r'[]["{}]|,(?= )', "", line) if language == "yaml" else line for line in lines]
    found = [re.search(r"(?:^|[ /=])ninjasync ([a-z].*)", " ".join(place.split())) for place in places]
    return [re.split(r" *(?:[|;>#]|&&)", one[1])[0] for one in found if one]


@pytest.mark.parametrize("page", [*MANUAL, "README"])
def test_every_command_that_a_page_names_exists_with_the_options_that_it_has_there(page: str) -> None:
    for line in named_commands(MANUAL.get(page, README)):
        words, command = shlex.split(line), COMMAND_LINE
        while words and hasattr(command, "load") and not words[0].startswith("-"):
            command, words = command.load(words[0]), words[1:]
        known = {"--help", *(name for option in command.params for name in option.opts)}
        assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known, line


def test_the_commands_that_pages_name_are_found_there() -> None:
    assert sum(len(named_commands(page)) for page in MANUAL.values()) > 150


def test_the_manual_lists_every_exit_code() -> None:
    def every(kind: type[errors.NinjasyncError]) -> Iterator[int]:
        yield kind.exit_code
        for child in kind.__subclasses__():
            yield from every(child)

    module = ast.parse(Path(outcome.__file__).read_text("utf-8"))
    (function,) = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "exit_code")
    returned = {
        node.value
        for statement in ast.walk(function)
        if isinstance(statement, ast.Return) and statement.value
        for node in ast.walk(statement.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
    }
    codes = [int(code) for code, _ in table(below("commands", "## Exit codes"))]
    assert codes == sorted(set(every(errors.NinjasyncError)) | returned)


@pytest.mark.parametrize("name", TABLES)
def test_the_manual_gives_each_key_of_the_configuration_with_its_default(name: str) -> None:
    model = TABLES[name]
    expected = [
        [
            f"`{key}`",
            "required" if model.model_fields[key].is_required() else f"`{as_toml(model.model_fields[key].default)}`",
        ]
        for key in keys(model)
    ]
    rows = table(below("configuration", f"## `[{name}]`"))
    assert [row[:2] for row in rows] == expected
    assert all(meaning for _, _, meaning in rows)


def test_the_manual_gives_the_default_attributes() -> None:
    expected = [[f"`{path}`", f"`{text}`"] for path, text in mapping.DEFAULT_ATTRIBUTES.items()]
    assert table(below("configuration", "## `[attributes]`")) == expected


@pytest.mark.parametrize("name", TABLES)
def test_a_key_is_marked_not_yet_exactly_if_no_code_reads_it(name: str) -> None:
    rows = table(below("configuration", f"## `[{name}]`"))
    unread = {key for key in keys(TABLES[name]) if not is_read(key)}
    assert {key.strip("`") for key, _, meaning in rows if meaning.startswith("**(not yet)**")} == unread
    in_example = {
        (section, key)
        for section, body in re.findall(r"^\[([\w.]+)\](.*?)(?=^\[|\Z)", EXAMPLE, re.MULTILINE | re.DOTALL)
        for key in re.findall(r"^(\w+) = .*# \(not yet\)", body, re.MULTILINE)
    }
    assert {key for section, key in in_example if section == name} == unread


def test_the_manual_lists_every_guard_that_a_plan_shows(tmp_path: Path) -> None:
    people = make_company(users=20)
    path = tmp_path / "config.toml"
    with Sandbox(people, existing_accounts(people)) as box:
        path.write_text(box.config_toml(), "utf-8")
        ledger = {"NINJASYNC_STATE__PATH": str(tmp_path / "ledger.sqlite3")}
        shown = json.loads(ninjasync_prints("plan", "--format", "json", "--config", str(path), **ledger))["guards"]
    rows = table(MANUAL["guards"])
    assert [name.strip("`") for name, *_ in rows] == [guard["name"] for guard in shown]
    assert len(shown) == len(guards.GUARDS) + 2  # the last two say what is withheld
    for (_, _, _, approved), guard in zip(rows, shown, strict=True):
        flag = (guard["approve"] or "").split(" ")[0]
        assert approved == f"`{flag} N`" if flag else not approved.startswith("`")


def test_the_manual_lists_every_metric() -> None:
    assert [name.strip("`") for name, _ in table(below("monitoring-and-logs", "## Metrics"))] == list(metrics.NAMES)
    fleet = table(below("many-tenants", "## Monitoring"))
    assert [name.strip("`") for name, _ in fleet] == list(fleet_metrics.NAMES)


def test_the_manual_lists_every_fault_quirk_and_imitated_server() -> None:
    for heading, entries in {"## Faults": FAULTS, "## Quirks": QUIRKS}.items():
        expected = [[f"`{f'{name}={entry.form}'.rstrip('=')}`", entry.meaning] for name, entry in entries.items()]
        assert table(below("sandbox", heading)) == expected
    servers = [[f"`{name}`", ", ".join(f"`{quirk}`" for quirk in quirks)] for name, quirks in SERVERS.items()]
    assert table(below("sandbox", "## Servers by name")) == servers


def test_the_manual_explains_every_problem_code_and_no_other() -> None:
    rows = table(MANUAL["held-records"])
    assert sorted(code.strip("`") for code, _ in rows) == sorted(problems.CODES)
    assert all(cure for _, cure in rows)


# --- what the README shows and tells to run --------------------------------------------------


def ninjasync_prints(*arguments: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NINJASYNC_")}
    environment |= variables
    done = subprocess.run(
        [sys.executable, "-m", "ninjasync", *arguments],
        capture_output=True,
        cwd=ROOT,
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def test_the_plan_in_the_readme_is_what_the_demo_prints() -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    _, _, printed = ninjasync_prints("demo").rpartition("$ ninjasync plan\n\n")
    pieces = [piece.strip("\n") for piece in shown.split("[…]\n")]
    assert len(pieces) > 1
    at = 0
    for piece in pieces:
        at = printed.find(f"{piece}\n", at)
        assert at >= 0, f"the demo no longer prints, or not here:\n{piece}"


def test_the_readme_holds_exactly_two_commands_that_start_from_nothing_each_on_one_line() -> None:
    demo, tests = commands()
    assert demo.endswith("&& .venv/bin/ninjasync demo")
    assert " -e '.[test]' " in tests
    assert tests.endswith(".venv/bin/pytest -n 4 --cov --cov-fail-under=95")
    for command in (demo, tests):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -qq ")
        assert f"```sh\n{command}\n```" in README


def test_the_checks_end_with_the_readme_s_own_test_command() -> None:
    (pattern,) = re.findall(r"grep -E '([^']+)' README\.md", CI)
    assert re.findall(pattern, README, re.MULTILINE) == [commands()[1]]
    code = [line for line in CI.splitlines() if line and not line.lstrip().startswith("#")]
    assert code[-1] == 'eval "$tests"'
    assert CI.count("pytest") == 1, "but for the browser's, the tests are run by that one command"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_documents_and_checks_name_no_package_index_and_no_folder_of_one_machine() -> None:
    for text in (README, EXAMPLE, CI, CHANGELOG, *MANUAL.values()):
        assert not re.search(r"pypi|index-url|/home/|/root\b|/work/|/tmp/", text)


def test_the_changelog_has_the_current_version() -> None:
    assert "## [Unreleased]" in CHANGELOG
    assert f"## [{ninjasync.__version__}] - " in CHANGELOG
