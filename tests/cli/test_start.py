"""How the program starts: its version, its help, its global options, and how little it loads for them."""

from __future__ import annotations

import ast
import errno
import gc
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.markup import render

from ninjasync import __version__, cli
from ninjasync.__main__ import main
from ninjasync.cli.commands import COMMANDS as COMMAND_TABLE
from ninjasync.errors import ConfigurationError
from ninjasync.sandbox.faults.catalogue import FAULTS, QUIRKS
from tests.support.command import Ran, run
from tests.support.company import staff
from tests.support.forked import unmeasured
from tests.support.office import Office

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "plan",
    "apply",
    "show",
    "explain",
    "check",
    "history",
    "pause",
    "resume",
    "ledger",
    "fleet",
    "init",
    "sandbox",
    "manual",
    "demo",
)
HEAVY = {"requests", "pydantic", "duo_client", "jmespath", "rich", "tenacity"}


def start(*arguments: str) -> Ran:
    """Run the command line as its user does, 80 columns wide and without a configuration."""
    return run(*arguments, cwd=ROOT / "tests", env={"COLUMNS": "80"})


def start_process(*program: str, **variables: str) -> Ran:
    """Start a program in a process of its own, in the same way."""
    done = subprocess.run(
        program,
        capture_output=True,
        cwd=ROOT / "tests",
        env=unmeasured() | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(ROOT)} | variables,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_the_version_is_one_line() -> None:
    done = start("--version")
    assert (done.code, done.out, done.err) == (0, f"ninjasync {__version__}\n", "")


def test_python_m_ninjasync_is_the_same_program_as_the_installed_script() -> None:
    script = shutil.which("ninjasync", path=str(Path(sys.executable).parent))
    assert script, "the package is not installed beside this Python"
    for arguments in (["--version"], ["--help"], ["plan", "--nonsense"]):
        assert start_process(sys.executable, "-m", "ninjasync", *arguments) == start_process(script, *arguments)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_a_help_that_fits_80_columns(command: str) -> None:
    done = start(*command.split(), "--help")
    assert done.code == 0
    assert f"Usage: ninjasync {command}".rstrip() in done.out
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_the_help_has_a_short_option_too() -> None:
    assert start("show", "-h").out == start("show", "--help").out


def test_the_help_lists_every_command() -> None:
    assert sorted(re.findall(r"^│ (\w+)  ", start("--help").out, re.MULTILINE)) == sorted(COMMANDS)


def test_the_help_is_grouped_and_ends_with_the_options_that_every_command_has() -> None:
    headings = re.findall(r"^╭─ (.*?) ─", start("apply", "--help").out, re.MULTILINE)
    last = "Global options, before or after the command"
    assert headings == ["Arguments", "Options", "Result", "Approvals, by number", last]


def test_no_word_of_the_help_is_taken_for_markup() -> None:
    root: Any = typer.main.get_command(cli.app)
    for name in COMMAND_TABLE:
        command = reduce(lambda group, word: group.load(word), name.split(), root)
        texts = [command.help, command.epilog or "", *(param.help for param in command.params)]
        assert all(render(text).plain == text for text in texts)


def test_the_sandboxes_help_has_a_line_for_each_fault_and_quirk() -> None:
    shown = start("sandbox", "--help").out
    for name, entry in (*FAULTS.items(), *QUIRKS.items()):
        assert re.search(rf"^ {re.escape(name)}{'=' if entry.form else ':'}", shown, re.MULTILINE), name


def test_without_a_command_the_help_is_shown_and_the_exit_code_says_that_the_command_line_is_wrong() -> None:
    done = start()
    assert done.code == 64
    assert done.out == ""
    assert done.err == start("--help").out


@pytest.mark.parametrize("arguments", [("--config", "nowhere.toml", "plan"), ("plan", "-c", "nowhere.toml")])
def test_a_global_option_works_before_and_after_the_command(arguments: tuple[str, ...]) -> None:
    done = start(*arguments)
    assert done.code == ConfigurationError.exit_code
    assert "nowhere.toml cannot be read" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_global_option_after_the_command_wins_and_the_others_before_it_stay() -> None:
    done = start("--log-level", "debug", "--config", "before.toml", "plan", "--config", "after.toml")
    assert "after.toml" in done.err
    assert "before.toml" not in done.err
    assert "Traceback" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plna",), "Did you mean 'plan'?"),
        (("plan", "--detailed-exit"), "--detailed-exitcode"),
        (("--log-level", "loud", "plan"), "'debug', 'info', 'warning', 'error'"),
        (("plan", "--approve-removals", "-1"), "'--approve-removals'"),
    ],
)
def test_a_mistake_on_the_command_line_is_never_taken_for_changes(arguments: tuple[str, ...], told: str) -> None:
    done = start(*arguments)
    assert done.code == 64
    assert told in done.err
    assert done.out == ""


def test_the_version_is_told_without_loading_what_only_a_run_needs() -> None:
    done = start_process(sys.executable, "-X", "importtime", "-m", "ninjasync", "--version")
    loaded = set(re.findall(r"\|\s+(\w+)[\w.]*$", done.err, re.MULTILINE))
    assert {"ninjasync", "typer"} <= loaded, "nothing was measured"
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--version"], ["plan", "--config", "nowhere.toml"], ["fleet", "--help"]])
def test_what_an_extra_brings_is_loaded_by_none_that_does_without(arguments: list[str]) -> None:
    done = start_process(sys.executable, "-X", "importtime", "-m", "ninjasync", *arguments)
    loaded = set(re.findall(r"\|\s+(\w+)[\w.]*$", done.err, re.MULTILINE))
    assert "ninjasync" in loaded, "nothing was measured"
    assert loaded & {"psycopg", "procrastinate", "apprise", "keyring"} == set()


# --- where its output goes -------------------------------------------------------------------


def test_a_reader_that_has_seen_enough_changes_neither_the_exit_code_nor_what_is_applied(tmp_path: Path) -> None:
    with Office(tmp_path, staff(5, 0)) as office:
        config = office.write_config()
        for command in (("plan", "--detailed-exitcode"), ("apply", "--yes")):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(
                [sys.executable, "-m", "ninjasync", *command, "--config", config],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=False,
            )
            os.close(writer)
            assert (done.returncode, done.stderr) == (2 if command[0] == "plan" else 0, b"")
        assert len(office.accounts().keys()) == 5


class Full(io.StringIO):
    """A file on a disk without space."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_standard_output_that_cannot_be_written_is_a_failure_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Office(tmp_path, staff(5, 0)) as office:
        monkeypatch.setattr(sys, "stdout", Full())
        assert cli.run(["plan", "--config", office.write_config()]) == 1
    assert capsys.readouterr().err == (
        "Error: Standard output cannot be written: No space left on device. [tenant 127.0.0.1]\nDirect it elsewhere.\n"
    )


def test_a_program_without_a_console_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Office(tmp_path, staff(5, 0)) as office:
        monkeypatch.setattr(sys, "stdout", None)
        monkeypatch.setattr(sys, "stderr", None)
        assert cli.run(["apply", "--yes", "--config", office.write_config()]) == 0
        assert len(office.accounts().keys()) == 5


def test_an_old_windows_consoles_letters_are_enough() -> None:
    for encoding in ("cp437", "cp1252", "ascii"):
        done = start_process(sys.executable, "-m", "ninjasync", "sandbox", "--help", PYTHONIOENCODING=encoding)
        assert (done.code, done.err) == (0, "")


# --- on other systems ------------------------------------------------------------------------

# What Python on Windows lacks of the modules that it has, and the modules that it lacks.
POSIX_ONLY = {
    "os": "chown chroot fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getuid "
    "killpg lchown lockf mkfifo nice O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC openpty "
    "posix_fallocate posix_spawn sched_getaffinity setegid seteuid setgid setpgid setsid setuid sync sysconf "
    "tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 WEXITSTATUS WIFEXITED WNOHANG",
    "signal": "alarm pause pthread_kill pthread_sigmask setitimer SIGALRM siginterrupt sigwait SIGCHLD SIGCONT SIGHUP "
    "SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH set_wakeup_fd",
    "socket": "AF_UNIX SO_REUSEPORT socketpair",
    "select": "epoll kqueue poll",
    "time": "tzset clock_gettime",
}
POSIX_MODULES = {"crypt", "curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios"}
PACKAGE = sorted((ROOT / "ninjasync").rglob("*.py"))


def unguarded(tree: ast.AST) -> Iterator[str]:
    """Yield what would fail on Windows; what stands behind a look at ``hasattr`` or ``os.name`` is guarded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If | ast.IfExp) and re.search(
            r"hasattr|os\.name|sys\.platform", ast.unparse(node.test)
        ):
            continue
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in POSIX_ONLY.get(module, "").split():
                yield f"{module}.{name}"
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name in POSIX_MODULES)
            case ast.ImportFrom(module=str(module)) if module in POSIX_MODULES:
                yield module
        yield from unguarded(node)


def test_what_windows_lacks_is_found_where_it_is_used_unguarded() -> None:
    source = "import fcntl\nfrom pwd import getpwnam\nos.getuid() if hasattr(os, 'getuid') else 0\nos.kill(os.getuid())"
    assert list(unguarded(ast.parse(source))) == ["fcntl", "pwd", "os.getuid"]


@pytest.mark.parametrize("room", sorted({path.parent for path in PACKAGE}), ids=lambda room: room.name)
def test_nothing_that_windows_lacks_is_used_unguarded_and_text_is_utf_8(room: Path) -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in room.glob("*.py")}
    assert [(path, found) for path, tree in trees.items() for found in unguarded(tree)] == []
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            given = ast.unparse(node)
            if name in ("read_text", "write_text"):
                assert "'utf-8" in given, given
            if name == "open" and re.search(r"'[rwax]\+?t?'", given):
                assert "'utf-8'" in given, given


def test_an_interrupt_while_the_program_starts_is_130_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    monkeypatch.setattr(sys, "setswitchinterval", lambda seconds: None)
    monkeypatch.setattr(gc, "set_threshold", lambda objects: None)
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Error: Interrupted.\n"


def test_an_interrupt_that_became_another_error_on_its_way_is_130_just_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    monkeypatch.setattr("ninjasync.cli.session.load", interrupted)
    assert cli.run(["plan"]) == 130
    assert capsys.readouterr().err == "Error: Interrupted.\n"


def test_an_interrupt_before_the_command_has_begun_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ninjasync.cli.group.Group.get_command", interrupted)
    assert cli.run(["plan"]) == 130
    assert capsys.readouterr().err.strip() == "Error: Interrupted."
