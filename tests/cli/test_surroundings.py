"""What ninjasync meets around it (CONTRACT 7.7): a sentence with the cure, never a traceback.

Streams, limits and start-up are a shell's doing, and get one; for the rest a run inside this process is the same.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.command import Ran, run, run_process
from tests.support.forked import unmeasured
from tests.support.office import Office
from tests.support.toml import toml_document

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the surroundings of a POSIX system")
ROOT = str(Path(__file__).resolve().parents[2])
BOM = "\ufeff"
PASSWORD = "pass-word-of-the-proxy"
# What each ends with that has no terminal and no saved plan.
COMMANDS = {
    "plan": 0,
    "apply": 64,
    "apply --yes": 0,
    "show nothing.plan": 1,
    "explain tech0.one@example.com": 0,
    "check": 0,
    "history": 0,
    "pause --reason incident": 0,
    "resume": 0,
    "init": 64,
    "demo --users 20": 0,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


def config(world: Office) -> str:
    path = world.folder / "config.toml"
    path.write_text(toml_document(world.config), "utf-8")
    path.chmod(0o600)
    return str(path)


def shell(line: str, *, folder: Path) -> Ran:
    """Run a line of shell in which ``ninjasync`` is the program."""
    line = line.replace("ninjasync ", f"{sys.executable} -m ninjasync ")
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=unmeasured() | {"PYTHONPATH": ROOT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def expect_a_sentence(done: Ran, *words: str) -> None:
    said = " ".join(done.text.split())
    for word in words:
        assert word in said
    for bad in ("unexpected", "Traceback", "Please report", "Logging error", "Exception ignored", PASSWORD):
        assert bad not in said, said


# --- streams ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "code"), COMMANDS.items())
def test_a_closed_stream_is_no_error_of_ours(
    world: Office, command: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shell(f"ninjasync {command} -c {config(world)} <&- >&- 2>&-", folder=world.folder)
    assert done.code == code
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it then
    told = run(*command.split(), "-c", config(world), cwd=world.folder)
    expect_a_sentence(told)
    assert told.code == code


def test_to_apply_without_an_input_is_a_mistake_on_the_command_line(world: Office) -> None:
    done = shell(f"ninjasync apply -c {config(world)} <&-", folder=world.folder)
    assert done.code == 64
    expect_a_sentence(done, "--yes")
    assert world.ninjaone.users == {} or not list(world.ninjaone.users.items())


def test_the_ledger_does_not_get_the_number_of_a_closed_stream(world: Office) -> None:
    applied = shell(f"ninjasync apply --yes --log-level debug -c {config(world)} <&- >&- 2>&-", folder=world.folder)
    assert applied.code == 0
    assert run("history", "-c", config(world)).code == 0
    assert run("plan", "--detailed-exitcode", "-c", config(world)).code == 0


@pytest.mark.parametrize(("command", "code"), [("plan", 0), ("plan", 78), ("apply --yes", 0), ("apply", 64)])
def test_a_full_standard_error_changes_no_exit_code(world: Office, command: str, code: int) -> None:
    where = "nothing.toml" if code == 78 else config(world)
    assert shell(f"ninjasync {command} -c {where} --log-level debug 2>/dev/full", folder=world.folder).code == code


@pytest.mark.parametrize("command", ["plan", "apply --yes", "init --example", "--help"])
def test_a_full_standard_output_is_told(world: Office, command: str) -> None:
    where = "" if "--" in command and "yes" not in command else f"-c {config(world)}"
    done = shell(f"ninjasync {command} {where} >/dev/full", folder=world.folder)
    assert done.code == 1
    expect_a_sentence(done, "No space left on device")


# --- a full disk -----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--log-level debug --log-file", "--output", "--out"])
def test_a_full_disk_under_a_file_is_told(world: Office, option: str) -> None:
    done = run("plan", "-c", config(world), *option.split(), "/dev/full")
    expect_a_sentence(done, "/dev/full", "No space left on device")
    assert done.code == (1 if option == "--out" else 0)
    assert ("Plan:" in done.out) is (option != "--out")
    assert done.err.count("No space left on device") == 1


def test_a_full_disk_under_everything_is_told_and_nothing_is_written_to_ninjaone(world: Office) -> None:
    world.config["monitor"] = {"metrics_file": "metrics.prom"}
    # The kernel then refuses every byte to a file, as a full disk does.
    small = "trap '' XFSZ; ulimit -f 0;"
    done = shell(f"{small} ninjasync apply --yes -c {config(world)} --log-file log.txt", folder=world.folder)
    assert done.code == 1
    expect_a_sentence(done, "ledger", "full")
    assert not list(world.ninjaone.users.items())
    planned = shell(f"{small} ninjasync plan -c {config(world)} --output plan.txt", folder=world.folder)
    assert planned.code == 0
    expect_a_sentence(planned, "plan.txt could not be written", "Plan:")
    saved = shell(f"{small} ninjasync plan -c {config(world)} --out saved.plan", folder=world.folder)
    assert saved.code == 1
    expect_a_sentence(saved, "saved.plan could not be written")
    assert not (world.folder / "saved.plan").exists()


@pytest.mark.parametrize("files", [8, 12, 16])
def test_too_few_open_files_are_told(world: Office, files: int) -> None:
    done = shell(f"ulimit -n {files}; ninjasync apply --yes -c {config(world)}", folder=world.folder)
    expect_a_sentence(done)


# --- files and folders -----------------------------------------------------------------------


@pytest.fixture
def open_umask() -> Iterator[None]:
    """What a system has by default: others may read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_file_that_is_made_for_a_result_is_the_users_own_and_one_that_is_there_keeps_its_mode(world: Office) -> None:
    known = world.folder / "known.txt"
    known.write_text("", "utf-8")
    known.chmod(0o644)
    for name, mode in (("known.txt", 0o644), ("new.txt", 0o600)):
        path = world.folder / name
        assert run("plan", "-c", config(world), "--output", str(path)).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert "Plan:" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = " + "[" * 100_000, "not valid TOML"),
        ("a = " + "9" * 5_000, "not valid TOML"),
        ("\x00", "not valid TOML"),
        (b"\xff\xfea\x00", "not UTF-8"),
        (None, "Is a directory"),
    ],
    ids=["too deep", "too large", "a null", "UTF-16", "a folder"],
)
def test_a_file_that_is_no_configuration_is_told(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    path = tmp_path / "config.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    for command in ("plan", "check", "history"):
        done = run(command, "-c", "config.toml", cwd=tmp_path)
        assert done.code == (78 if command != "check" else done.code)
        expect_a_sentence(done, said)


@pytest.mark.parametrize("where", ["nowhere/log.txt", ".", "/dev/null/log.txt"])
def test_a_log_file_that_cannot_be_is_a_mistake_on_the_command_line(world: Office, where: str) -> None:
    done = run("plan", "-c", config(world), "--log-file", where, cwd=world.folder)
    assert done.code == 64
    expect_a_sentence(done, "log file")


@pytest.mark.parametrize("option", ["--out", "--output"])
@pytest.mark.parametrize("where", ["nowhere/plan", "."])
def test_a_result_that_cannot_go_where_it_is_to_go_is_told(world: Office, option: str, where: str) -> None:
    done = run("plan", "-c", config(world), option, where, cwd=world.folder)
    assert done.code in (1, 64)
    expect_a_sentence(done, "could not be written" if option == "--out" else "cannot be written")


def test_a_folder_that_is_gone_is_told_only_where_it_is_needed(world: Office) -> None:
    path, lost = config(world), "mkdir lost; cd lost; rmdir ../lost;"
    whole = shell(f"{lost} ninjasync plan -c {path}", folder=world.folder)
    assert whole.code == 0
    for command, words in (
        ("plan", ("is gone", "Change to another folder")),
        ("history -c config.toml", ()),
        ("init --example --output config.toml", ()),
    ):
        done = shell(f"{lost} ninjasync {command}", folder=world.folder)
        assert done.code in (1, 64, 78)
        expect_a_sentence(done, *words)


# --- home ------------------------------------------------------------------------------------


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container with a made-up user id is like: no HOME, and no entry in the list of users."""

    def getpwuid(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_a_plan_is_made_and_whatever_needs_the_ledger_says_what_to_set(world: Office) -> None:
    world.config["state"] = {}
    path = config(world)
    planned = run("plan", "-c", path, cwd=world.folder)
    assert planned.code == 0
    expect_a_sentence(planned, "There is no home folder", "Plan:")
    for command in (["apply", "--yes"], ["history"], ["check"]):
        done = run(*command, "-c", path, cwd=world.folder)
        assert done.code != 0
        expect_a_sentence(done, "There is no home folder", "[state] path")
    expect_a_sentence(run("plan", cwd=world.folder), "Plan:")  # with ./config.toml
    assert not list(world.folder.glob("~*"))
    assert not list(world.ninjaone.users.items())


@pytest.mark.usefixtures("homeless")
def test_without_a_home_a_path_that_begins_with_it_is_a_mistake(world: Office) -> None:
    world.config["state"] = {"path": "~/ledger.sqlite3"}
    for command in (["plan"], ["apply", "--yes"]):
        done = run(*command, "-c", config(world), cwd=world.folder)
        assert done.code == 78
        expect_a_sentence(done, "~/ledger.sqlite3", "HOME")


@pytest.mark.parametrize("home", ["/nonexistent", "/dev/null", ""])
def test_a_home_that_is_none_is_told(world: Office, home: str) -> None:
    world.config["state"] = {"path": "~/none/ledger.sqlite3"} if not home else {}
    for command in ("plan", "history", "check"):
        env = {"HOME": home, "XDG_STATE_HOME": home and f"{home}/state"}
        expect_a_sentence(run(command, "-c", config(world), env=env))


# --- terminals, places and times -------------------------------------------------------------

READ_AS_PYTHON_STARTS = {"LC_ALL", "TZ"}


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "xx_YY.none"},
        {"TERM": "dumb"},
        {"TERM": ""},
        {"COLUMNS": "1"},
        {"COLUMNS": "0"},
        {"COLUMNS": "-7"},
        {"COLUMNS": "wide"},
        {"TZ": "Nowhere/Garbage"},
        {"TZ": ":\x01"},
        {"NINJASYNC_REDACT_KEY": "\udcff"},
    ],
    ids=str,
)
def test_an_odd_environment_changes_nothing_in_a_plan(world: Office, env: dict[str, str]) -> None:
    world.people.hire("Zoë", "Łukasz", groups=["NinjaOne Technicians"], user_type="technician")
    path = config(world)
    start = run_process if env.keys() & READ_AS_PYTHON_STARTS else run
    for command in (["plan", "--redact", "-c", path], ["plan", "--help"]):
        done = start(*command, env=env)
        assert done.code == 0
        expect_a_sentence(done)


# --- proxies and certificates ----------------------------------------------------------------


def far(world: Office) -> str:
    """A configuration whose services are not on this machine; nothing is sent before it is known how."""
    world.config["duo"] |= {"api_hostname": "api-00000000.invalid", "timeout": 2}
    world.config["ninjaone"] |= {"endpoint_url": "https://ninjaone.invalid/scim", "timeout": 2}
    world.config["run"] = {"retries": 0}
    return config(world)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates but a test's own."""
    for name in ("https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("HTTPS_PROXY", f"socks5://me:{PASSWORD}@127.0.0.1:9"),
        ("https_proxy", "socks5h://127.0.0.1:9"),
        ("ALL_PROXY", f"socks4://me:{PASSWORD}@127.0.0.1:9"),
        ("all_proxy", "http://"),
        ("HTTPS_PROXY", "http://127.0.0.1:port"),
        ("HTTPS_PROXY", "http://[::1"),
        ("ALL_PROXY", f"ftp://{PASSWORD}@x"),
        ("HTTPS_PROXY", f"me:{PASSWORD}@a host:1"),
    ],
)
def test_a_proxy_in_the_environment_that_cannot_be_used_is_told_with_its_variable(
    world: Office, variable: str, proxy: str
) -> None:
    done = run("plan", "-c", far(world), env={variable: proxy})
    assert done.code == 78
    expect_a_sentence(done, variable, "http://host:port")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("variable", "proxy"),
    [("HTTPS_PROXY", "127.0.0.1:9"), ("all_proxy", "127.0.0.1:9"), ("HTTPS_PROXY", f"me:{PASSWORD}@127.0.0.1:9")],
)
def test_a_host_and_a_port_are_a_proxy_that_speaks_http(world: Office, variable: str, proxy: str) -> None:
    done = run("plan", "-c", far(world), env={variable: proxy})
    assert done.code == 1
    expect_a_sentence(done, "the proxy did not let the connection through")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("section", ["duo", "ninjaone"])
def test_a_proxy_in_the_configuration_is_read_as_one_in_the_environment_is(world: Office, section: str) -> None:
    far(world)
    world.config[section]["proxy"] = "127.0.0.1:9"
    expect_a_sentence(run("plan", "-c", config(world)))
    for wrong in (f"socks5://me:{PASSWORD}@127.0.0.1:9", "http://", "http://[::1"):
        world.config[section]["proxy"] = wrong
        done = run("plan", "-c", config(world))
        assert done.code == 78
        expect_a_sentence(done, f"[{section}] proxy", "http://host:port")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("variable", "bundle"),
    [
        ("REQUESTS_CA_BUNDLE", "nowhere.pem"),
        ("REQUESTS_CA_BUNDLE", "folder"),
        ("CURL_CA_BUNDLE", "garbage.pem"),
        ("CURL_CA_BUNDLE", "nowhere.pem"),
        ("SSL_CERT_FILE", "empty.pem"),
        ("SSL_CERT_FILE", "folder"),
    ],
)
def test_a_bundle_in_the_environment_that_cannot_be_used_is_told_with_its_variable(
    world: Office, variable: str, bundle: str
) -> None:
    (world.folder / "folder").mkdir()
    (world.folder / "garbage.pem").write_text("garbage", "utf-8")
    (world.folder / "empty.pem").write_text("", "utf-8")
    far(world)
    if variable == "SSL_CERT_FILE":  # which counts for the system's own authorities
        world.config["ninjaone"]["ca_file"] = "system"
    path = str(world.folder / bundle)
    done = run("plan", "-c", config(world), env={variable: path})
    assert done.code == 78
    expect_a_sentence(done, variable, path)
    checked = run("check", "-c", config(world), env={variable: path})
    assert checked.code != 0
    expect_a_sentence(checked, variable)


# --- secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with a mark", "utf-16-be with a mark"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secrets_file_may_be_as_an_editor_on_windows_writes_it(world: Office, encoding: str, end: str) -> None:
    codec, _, mark = encoding.partition(" with")
    content = f"{BOM if mark else ''}{world.config['ninjaone']['secret_token']}{end}".encode(codec)
    (world.folder / "token.txt").write_bytes(content)
    (world.folder / "token.txt").chmod(0o600)
    world.config["ninjaone"]["secret_token"] = {"file": "token.txt"}
    done = run("plan", "-c", config(world))
    assert done.code == 0, done.err


def test_all_secrets_that_are_missing_are_told_at_once(world: Office) -> None:
    world.config["duo"]["secret_key"] = {"env": "NO_SUCH_DUO_SECRET"}
    world.config["ninjaone"]["secret_token"] = {"env": "NO_SUCH_TOKEN"}
    for command in (["plan"], ["apply", "--yes"], ["explain", "somebody"], ["check"]):
        done = run(*command, "-c", config(world))
        assert done.code == 78 or command == ["check"]
        expect_a_sentence(done, "NO_SUCH_DUO_SECRET", "NO_SUCH_TOKEN")


@pytest.mark.parametrize("short", ["x", "1234567"])
def test_a_secret_that_is_too_short_to_be_one_is_a_mistake_and_not_shown(world: Office, short: str) -> None:
    world.config["ninjaone"]["secret_token"] = short
    done = run("plan", "-c", config(world))
    assert done.code == 78
    expect_a_sentence(done, "[ninjaone] secret_token", "shorter than 8 characters")
    assert f'"{short}"' not in done.text
