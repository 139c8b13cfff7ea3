"""``ninjasync sandbox``: both services on loopback, and the configuration that reaches them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import run, spawn


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def sandbox(into: Path, *arguments: str) -> Iterator[int]:
    """Serve while the block runs; yields the process's id. Ends with SIGTERM if still there."""
    with spawn("sandbox", "--write-config", str(into), *arguments) as process:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        try:
            assert str(into).encode() in said
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)


def test_the_configuration_it_writes_reaches_it_and_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    into = tmp_path / "config.toml"
    with sandbox(into, "--users", "20", "--seed", "3"):
        assert stat.S_IMODE(into.stat().st_mode) == 0o600
        config = str(into)
        assert run("plan", "--config", config, "--detailed-exitcode").code == 2
        assert run("apply", "--config", config, "--yes").code == 0
        assert run("plan", "--config", config, "--detailed-exitcode").code == 0


def test_a_file_that_was_there_is_made_private_too(tmp_path: Path) -> None:
    into = tmp_path / "config.toml"
    into.write_text("# mine\n")
    into.chmod(0o644)
    with sandbox(into, "--users", "5"):
        assert stat.S_IMODE(into.stat().st_mode) == 0o600
        assert "# mine" not in into.read_text()


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_on_a_signal_without_a_word_too_many(tmp_path: Path, wanted: signal.Signals) -> None:
    into = tmp_path / "config.toml"
    with spawn("sandbox", "--users", "5", "--write-config", str(into)) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.readline()
        process.send_signal(wanted)
        out, err = process.communicate(timeout=20)
    assert process.returncode in (0, 130)
    assert b"Traceback" not in out + err


def test_without_a_file_the_configuration_is_printed_and_nothing_else() -> None:
    with spawn("sandbox", "--users", "5") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.terminate()
        out, _ = process.communicate(timeout=20)
    config = tomllib.loads(out.decode())
    assert config["duo"]["api_hostname"].startswith("http://127.0.0.1:")
    assert config["ninjaone"]["endpoint_url"].startswith("http://127.0.0.1:")


def test_a_file_that_cannot_be_written_ends_it_in_one_sentence(tmp_path: Path) -> None:
    result = run("sandbox", "--write-config", str(tmp_path / "missing" / "config.toml"))
    assert result.code == 1
    assert result.err.startswith("Error: ")
    assert "Traceback" not in result.text


@pytest.mark.parametrize("users", ["0", "-1", "many"])
def test_a_company_without_users_is_a_usage_error(users: str) -> None:
    assert run("sandbox", "--users", users).code == 64


def test_events_are_typed_one_a_line_and_each_is_answered_by_one(tmp_path: Path) -> None:
    into = tmp_path / "config.toml"
    arguments = ("sandbox", "--users", "20", "--write-config", str(into))
    with spawn(*arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(3)]
        assert b"/sandbox/events" in said[-1]
        process.stdin.write(b"hire Mia Lang\n\nhier\nlea")
        process.stdin.flush()
        assert process.stderr.readline() == b"Mia Lang was hired as an end user: mia.lang@example.com.\n"
        assert b"did you mean hire?" in process.stderr.readline()
        process.stdin.write(b"ve mia.lang\n")
        process.stdin.close()
        assert process.stderr.readline() == b"mia.lang@example.com left and is in Duo's trash.\n"
        assert run("plan", "--config", str(into), "--detailed-exitcode").code == 2, "it serves on without anyone typing"
        process.stdin = None
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert (out, err) == (b"", b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a shell's way to close standard input")
def test_without_standard_input_it_serves_all_the_same(tmp_path: Path) -> None:
    into = tmp_path / "config.toml"
    command = [sys.executable, "-m", "ninjasync", "sandbox", "--users", "5", "--write-config", str(into)]
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    with subprocess.Popen(closed, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for _ in range(3):
            process.stderr.readline()
        assert run("plan", "--config", str(into)).code == 0
        process.terminate()
        assert process.communicate(timeout=20)[1] == b""


def test_a_port_can_be_chosen_and_one_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as held, socket.socket() as free:
        for one in (held, free):
            one.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        refused = run("sandbox", "--users", "5", "--port", str(port))
    assert (refused.code, refused.err.count("\n")) == (1, 2)
    assert f"cannot serve on {port}, {port + 1}, {port + 2} of 127.0.0.1" in refused.err
    assert "--port" in refused.err
    assert run("sandbox", "--port", "65535").code == 64
