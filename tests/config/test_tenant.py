"""Words and commands as they stand in a message: pasted into a shell, they mean what was meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ninjasync.config.load import load
from ninjasync.config.tenant import in_a_command, write_command


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("customers/north.toml", "customers/north.toml"),
        ("/srv/cust omers/north.toml", '"/srv/cust omers/north.toml"'),
        ("C:\\Users\\Kim Berg\\north.toml", '"C:\\Users\\Kim Berg\\north.toml"'),
        ("", '""'),
        ("a;b", '"a;b"'),
        ('$(touch x)`y`"', "'$(touch x)`y`\"'"),
        ("it's $5", "'it'\"'\"'s $5'"),
    ],
)
def test_a_word_is_quoted_where_a_shell_would_take_it_for_something_else(word: str, shown: str) -> None:
    assert in_a_command(word) == shown
    assert shlex.split(shown) == [word]


def test_a_command_names_the_file_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[duo]\napi_hostname = "api-1.duosecurity.com"\nintegration_key = "DI00000000000000KIMB"\n'
        'secret_key = "long-enough-to-be-one"\n[ninjaone]\nendpoint_url = "https://north.example.com/scim"\n'
        'secret_token = "long-enough-to-be-one"\n[scope]\nall_users = true\n'
    )
    assert write_command(load(file), "resume") == f"ninjasync resume --config {file}"
    monkeypatch.chdir(file.parent)
    assert write_command(load(Path(file.name)), "plan") == f"ninjasync plan --config {file.name}"
    assert write_command(load(), "plan") == "ninjasync plan"
