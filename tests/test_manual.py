"""The manual as a whole: its pages and links, where it sends a newcomer, and its examples, which are run."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from ninjasync.cli import run
from ninjasync.files import write_private
from ninjasync.sandbox.box import EVENTS_PATH, Sandbox
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from tests.support.documents import (
    MANUAL,
    PACKAGE,
    README,
    ROOT,
    below,
    headings,
    table,
    without_code,
)


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.split()) <= 2500


def test_the_readme_leads_to_every_page_of_the_manual() -> None:
    rows = table(README.partition("\n## Where to go on\n")[2])
    assert sorted(row[0] for row in rows) == [f"[{name}](ninjasync/manual/{name}.md)" for name in MANUAL]


@pytest.mark.parametrize("name", MANUAL)
def test_a_page_of_the_manual_begins_with_its_one_title(name: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert MANUAL[name].startswith("# ")
    assert [line for line in headings(MANUAL[name]) if line.startswith("# ")] == [MANUAL[name].partition("\n")[0]]


def anchor(heading: str) -> str:
    """Return what a link to ``heading`` ends with, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((PACKAGE / "manual").glob("*.md"))]
)
def test_every_link_within_the_documents_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        file, _, place = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if place:
            assert place in map(anchor, headings(target.read_text("utf-8"))), link


@pytest.mark.parametrize("name", MANUAL)
def test_a_page_names_only_pages_that_exist(name: str) -> None:
    named = re.findall(r"ninjasync manual ([a-z-]+)", MANUAL[name] + README)
    assert set(named) <= set(MANUAL)


_PERSONS = r"he|him|his|himself|nobody|somebody|anybody|everybody|whoever|whomever"


def test_no_document_and_no_line_of_the_code_calls_an_account_he_or_somebody() -> None:
    files = [path for path in PACKAGE.rglob("*.*") if path.suffix in {".py", ".md", ".jinja", ".js", ".css"}]
    files += [ROOT / name for name in ("README.md", "CHANGELOG.md", "config.example.toml")]
    assert len(files) > 150
    lines = [(path, line) for path in files for line in path.read_text("utf-8").splitlines()]
    found = [
        (path, line) for path, line in lines if re.search(rf"\b(?:{_PERSONS})\b(?!\.invalid)", line, re.IGNORECASE)
    ]
    assert found == []


# --- where it sends a reader ------------------------------------------------------------------


def test_the_files_to_which_the_manual_sends_a_newcomer_exist_and_hold_what_it_names() -> None:
    def file(path: str) -> Path:
        return PACKAGE / path if (PACKAGE / path).exists() else ROOT / path

    page = MANUAL["architecture"]
    paths = set(re.findall(r"`([\w./-]+/[\w./-]*|[\w.-]+\.(?:py|toml|md))`", page))
    assert len(paths) > 60
    assert [path for path in sorted(paths) if not file(path).exists()] == []
    named = re.findall(r"`(\w+)` in `([\w/]+\.py)`", page)
    assert len(named) >= 10
    for name, path in named:
        begins = rf"^(?:class |(?:    )?def )?{name}\b"
        assert re.search(begins, file(path).read_text("utf-8"), re.MULTILINE), (name, path)
    known = {name for text in PACKAGE.rglob("*.py") for name in re.findall(r"\w+", text.read_text("utf-8"))}
    assert {name for name in re.findall(r"`(\w+)`", page) if name not in known} == set()


def test_the_architecture_page_names_every_room() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.[pm][yd]"))}
    assert {row[0].strip("`/") for row in table(below("architecture", "## The rooms"))} == rooms


def texts() -> Iterator[str]:
    """Yield every text and number of the code, of a template its fixed parts."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
                yield str(node.value)


def test_the_manual_explains_only_messages_that_the_code_has() -> None:
    known = "\n".join(texts())
    messages = [message for says, *_ in table(MANUAL["troubleshooting"]) for message in re.findall(r"`([^`]+)`", says)]
    parts = [part.strip(' ."') for message in messages for part in message.split("...")]
    assert len(messages) > 10
    assert [part for part in parts if part not in known] == []


# --- its examples -----------------------------------------------------------------------------


def examples(page: str) -> list[tuple[str, str]]:
    """Return the commands in a page's blocks of ``console``, in order, each with what it is shown to print."""
    shown = "".join(re.findall(r"^```console\n(.*?)^```$", MANUAL[page], re.MULTILINE | re.DOTALL))
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in shown.split("$ ")[1:])]


def pattern(printed: str) -> str:
    """Return the pattern of what is shown; […] stands for anything."""
    return ".*".join(re.escape(piece) for piece in re.split(r"\[…\]\n?", printed))


def run_here(arguments: list[str]) -> tuple[str, int]:
    """Run the program in this process; return what a terminal shows, and the exit code."""
    shown, drops = io.StringIO(), arguments[-2:] == [">", "/dev/null"]
    with redirect_stdout(io.StringIO() if drops else shown), redirect_stderr(shown):
        code = run(arguments[:-2] if drops else arguments)
    return shown.getvalue(), code


@pytest.mark.parametrize("page", [page for page in MANUAL if examples(page)])
def test_the_examples_of_the_manual_print_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NINJASYNC_CONFIG", "config.toml")
    monkeypatch.setenv("NINJASYNC_STATE__PATH", str(tmp_path / "ledger.sqlite3"))
    people, code = make_company(60), 0
    with Sandbox(people, existing_accounts(people)) as box:
        write_private(tmp_path / "config.toml", box.config_toml().encode())
        for command, shown in examples(page):
            match shlex.split(command):
                case ["ninjasync", *arguments]:
                    printed, code = run_here(arguments)
                case ["curl", "-d", event, url]:
                    assert url.endswith(EVENTS_PATH)
                    printed = f"{box.events.run(event)}\n"
                case ["echo", "$?"]:
                    printed = f"{code}\n"
                case _:
                    raise AssertionError(command)
            assert re.fullmatch(pattern(shown), printed, re.DOTALL), f"$ {command}\n{printed}"


# --- JSON documents beside those of a plan ----------------------------------------------------


def fields(value: object, above: str = "") -> Iterator[str]:
    """Yield each field of a document as the manual writes it; below ``facts`` the names differ from user to user."""
    match value:
        case dict():
            for name, inner in value.items():
                yield f"{above}{name}{'[]' * isinstance(inner, list)}"
                yield from () if name == "facts" else fields(inner, f"{above}{name}{'[]' * isinstance(inner, list)}.")
        case list():
            for item in value:
                yield from fields(item, above)


@pytest.mark.parametrize(
    ("section", "arguments"),
    {
        "check": ["check"],
        "explain": ["explain", "joy.partridge@example.com"],
        "history": ["history"],
        "ledger show": ["ledger", "show"],
    }.items(),
)
def test_the_manual_describes_each_field_of_a_real_document(
    section: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NINJASYNC_STATE__PATH", str(tmp_path / "ledger.sqlite3"))
    people = make_company(30)
    with Sandbox(people, existing_accounts(people)) as box:
        write_private(tmp_path / "config.toml", box.config_toml().encode())
        run_here(["apply", "--yes", "--quiet"])
        document = json.loads(run_here([*arguments, "--format", "json"])[0])
    described = {
        name
        for names, _ in table(below("json-documents", f"## `ninjasync {section}`"))
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert len(described) > 5
    assert set(fields(document)) <= described
