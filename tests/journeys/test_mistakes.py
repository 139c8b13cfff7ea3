"""What goes wrong before anything is read: each mistake ends in one sentence and the right exit code."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.box import Access, Sandbox
from tests.support.command import Ran, end_of, one_sentence, run, run_process
from tests.support.forked import fork
from tests.support.office import Office
from tests.support.proxy import Proxy


def test_a_wrong_duo_secret_exits_six_and_says_where_to_fix_it(office: Office) -> None:
    office.configure("duo", secret_key="0" * 40)
    result = office.run("apply", "--yes")
    assert result.code == 6
    assert "[duo] secret_key" in one_sentence(result)
    assert office.writes() == []


def test_a_wrong_duo_integration_key_exits_six_and_names_it(office: Office) -> None:
    office.configure("duo", integration_key="DIWRONG0000000000000")
    result = office.run("plan")
    assert result.code == 6
    assert "[duo] integration_key" in one_sentence(result)


def test_a_duo_application_without_the_permission_exits_six_and_names_it(office: Office) -> None:
    box = Sandbox(office.people, office.ninjaone, access=Access(permissions=()))
    with box:
        office.configure("duo", api_hostname=box.duo_url)
        result = office.run("plan")
    assert result.code == 6
    assert "Grant resource - Read" in one_sentence(result)


def test_a_wrong_scim_token_exits_six_and_says_where_to_renew_it(office: Office) -> None:
    office.configure("ninjaone", secret_token="wrong-token")
    result = office.run("apply", "--yes")
    assert result.code == 6
    told = one_sentence(result)
    assert "[ninjaone] secret_token" in told
    assert "NinjaOne console" in told
    assert office.writes() == []


@pytest.mark.parametrize(("section", "key"), [("duo", "api_hostname"), ("ninjaone", "endpoint_url")])
def test_a_service_that_cannot_be_reached_exits_one_and_names_the_key(office: Office, section: str, key: str) -> None:
    gone = Proxy(office.box.duo_url).start()
    office.configure(section, **{key: gone.url})
    office.configure("run", retries=0)
    gone.stop()
    result = office.run("apply", "--yes")
    assert result.code == 1
    assert f"[{section}] {key}" in one_sentence(result)
    assert office.writes() == []


def test_broken_toml_exits_78_and_says_where(office: Office) -> None:
    office.config_file.write_text("[duo]\napi_hostname = \n")
    result = run("plan", "--config", str(office.config_file))
    assert result.code == 78
    assert "line 2" in one_sentence(result)


def test_every_mistake_in_the_configuration_is_listed_at_once(office: Office) -> None:
    office.configure("duo", secretkey="x", timeout="soon")
    office.configure("ninjaone", endpoint_url="http://scim.example.com/v2")
    office.configure("scope", statuses=["active", "retired"], where="starts_with(")
    office.configure("run", parallelism=0)
    office.configure("safety", max_removals=-1, max_removals_percent=101, on_refusal="ask")
    office.configure("deprovision", users="remove", delete_after_days=-2)
    office.configure("attributes", userName="email[", title=5)
    office.configure("nonsense", key=1)
    result = office.run("plan")
    assert result.code == 78
    for key in (
        "secretkey",
        "timeout",
        "endpoint_url",
        "statuses",
        "where",
        "parallelism",
        "max_removals",
        "max_removals_percent",
        "on_refusal",
        "users",
        "delete_after_days",
        "userName",
        "title",
        "nonsense",
    ):
        assert any(key in line for line in result.err.splitlines() if line.startswith("  - ")), key
    one_sentence(result)


def test_an_unknown_key_is_an_error_that_names_the_nearest_known_one(office: Office) -> None:
    office.configure("duo", secrt_key="x")
    result = office.run("plan")
    assert result.code == 78
    assert 'secrt_key: unknown key; did you mean "secret_key"?' in result.err


def test_an_unknown_key_in_the_environment_names_the_nearest_known_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINJASYNC_DOU__SECRET_KEY", "x")
    result = office.run("plan")
    assert result.code == 78
    assert "NINJASYNC_DUO" in result.err


MISTAKES: dict[str, tuple[str, str, Any, str]] = {
    "a bad type": ("duo", "timeout", "soon", "[duo] timeout: found 'soon'"),
    "a list that is a string": ("scope", "groups", "Staff", "[scope] groups: found 'Staff'"),
    "plain http to another host": (
        "ninjaone",
        "endpoint_url",
        "http://scim.example.com/v2",
        "[ninjaone] endpoint_url: found 'http://scim.example.com/v2'",
    ),
    "plain http to a host that looks local": (
        "ninjaone",
        "endpoint_url",
        "http://127.0.0.1.example.com/",
        "[ninjaone] endpoint_url",
    ),
    "plain http to a foreign Duo": ("duo", "api_hostname", "http://api-1.duosecurity.com", "[duo] api_hostname"),
    "a Duo host with a path": ("duo", "api_hostname", "api-1.duosecurity.com/admin", "[duo] api_hostname"),
    "a Duo host with a space": ("duo", "api_hostname", "api 1.duosecurity.com", "[duo] api_hostname"),
    "a URL whose host has an empty part": ("ninjaone", "endpoint_url", "https://a..b/", "[ninjaone] endpoint_url"),
    "a port out of range": ("ninjaone", "endpoint_url", "https://a.example:99999/", "[ninjaone] endpoint_url"),
    "an expression that does not parse": ("scope", "where", "email ==", "[scope] where"),
    "a function that JMESPath lacks": ("attributes", "title", "reversed(notes)", '[attributes] "title"'),
    "an attribute that SCIM lacks": ("attributes", "shoeSize", "notes", '[attributes] "shoeSize"'),
    "an attribute that is ninjasync's own": ("attributes", "active", "`true`", '[attributes] "active"'),
    "no userName": ("attributes", "userName", "", '[attributes] "userName"'),
    "a limit out of range": ("safety", "min_source_percent", 101, "[safety] min_source_percent: found 101"),
    "deletion at once": ("deprovision", "delete_after_days", 0, 'users = "delete"'),
    "an empty token": ("ninjaone", "secret_token", "", "[ninjaone] secret_token"),
    "a secret kept in two places": ("duo", "secret_key", {"env": "A", "file": "b"}, "[duo] secret_key"),
    "a secret kept in an unknown place": ("duo", "secret_key", {"vault": "A"}, "[duo] secret_key"),
    "an environment variable that is not set": ("duo", "secret_key", {"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
    "a secrets file that is not there": ("duo", "secret_key", {"file": "no-such-file"}, "no-such-file"),
    "a command that fails": ("duo", "secret_key", {"command": ["false"]}, "[duo] secret_key"),
    "a command that is not there": ("duo", "secret_key", {"command": ["no-such-command"]}, "no-such-command"),
    "a scope that names nobody": ("scope", "groups", [], "[scope]"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_configuration_exits_78_and_is_named(
    office: Office, mistake: tuple[str, str, Any, str]
) -> None:
    section, key, value, told = mistake
    office.configure(section, **{key: value})
    office.configure("run", retries=0)
    result = office.run("plan")
    assert result.code == 78, result.text
    assert told in result.err
    one_sentence(result)


def test_no_configuration_at_all_exits_78_and_says_where_it_was_looked_for(tmp_path: Path) -> None:
    result = run_process("plan", cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    assert result.code == 78
    told = one_sentence(result)
    assert all(
        place in told
        for place in ("NINJASYNC_CONFIG", str(tmp_path / "config.toml"), str(tmp_path / "XDG_CONFIG_HOME"))
    )


def test_the_configuration_is_found_through_the_environment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NINJASYNC_CONFIG", office.write_config())
    assert run("plan").code == 0


def test_the_configuration_is_found_in_the_working_folder(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.write_config()
    monkeypatch.chdir(office.folder)
    assert run("plan").code == 0


def test_a_configuration_with_a_byte_order_mark_and_windows_line_ends_is_read(office: Office) -> None:
    text = Path(office.write_config()).read_bytes()
    office.config_file.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert run("plan", "--config", str(office.config_file)).code == 0


USAGE = {
    "an unknown option": ["plan", "--no-such-option"],
    "an unknown command": ["plam"],
    "an unknown format": ["plan", "--format", "yaml"],
    "a number that is none": ["apply", "--approve-removals", "many"],
    "a negative approval": ["apply", "--approve-removals", "-1"],
    "parallelism of nothing": ["apply", "--parallelism", "0"],
    "an unknown log level": ["plan", "--log-level", "noisy"],
    "an option of another command": ["apply", "--detailed-exitcode"],
    "a missing value": ["plan", "--config"],
    "no command": [],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_exits_64(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.code == 64
    assert "Traceback" not in result.text


def test_apply_without_a_terminal_needs_yes(office: Office) -> None:
    result = office.run_forked("apply")
    assert result.code == 64
    assert "--yes" in one_sentence(result)
    assert office.writes() == []


def on_a_terminal(office: Office, answer: bytes, *arguments: str) -> Ran:
    ours, theirs = pty.openpty()
    process = fork("apply", "--config", office.write_config(), *arguments, stdin=theirs)
    os.close(theirs)
    os.write(ours, answer)
    done = end_of(process)
    os.close(ours)
    return done


@pytest.mark.parametrize("answer", [b"n\n", b"\n"])
def test_the_answer_no_is_a_refusal_and_nothing_is_written(office: Office, answer: bytes) -> None:
    result = on_a_terminal(office, answer, "--format", "json")
    assert result.code == 3
    assert result.json["result"] == {"applied": 0, "failed": 0, "skipped": 17, "exit_code": 3}
    assert "17 changes" in result.err
    assert office.writes() == []


def test_the_answer_yes_applies_what_was_shown(office: Office) -> None:
    result = on_a_terminal(office, b"y\n")
    assert result.code == 0, result.text
    assert len(office.accounts()) == 15


def test_nothing_is_asked_when_there_is_nothing_to_do(settled: Office) -> None:
    result = on_a_terminal(settled, b"")
    assert result.code == 0
    assert "?" not in result.err
