"""``init``: from a few answers to a configuration that passes ``check``; the example; the schema."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.config import example
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.runs.interview import interview
from ninjasync.runs.questions import Answers
from tests.support.command import run, run_process
from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.office import Office

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime(2026, 8, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    yield world
    world.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wait little, and leave the developer's own ledger alone."""
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


class Person:
    """Answers by the beginning of the question: a list is answered one by one, an unexpected question is an error."""

    def __init__(self, **answers: str | list[str]) -> None:
        self._answers = {
            question.replace("_", " "): [given] if isinstance(given, str) else list(given)
            for question, given in answers.items()
        }
        self.heard: list[str] = []
        self.hidden: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)

    def text(self, question: str, default: str = "") -> str:
        for beginning, given in self._answers.items():
            if question.startswith(beginning) and given:
                return given.pop(0) or default
        return default

    def secret(self, question: str) -> str:
        self.hidden.append(question)
        return self._answers[f"hidden {question}"].pop(0)

    @property
    def told(self) -> str:
        return " ".join(self.heard)


def person(world: Office, **answers: Any) -> Person:
    """Somebody who knows what belongs where; ``answers`` go before."""
    usual: dict[str, Any] = {
        "API_hostname": world.box.duo_url,
        "Integration_key": world.box.integration_key,
        "Secret_key_is": "literal",
        "hidden_Secret_key": world.box.secret_key,
        "API_endpoint_URL": world.box.scim_url,
        "SCIM_token_is": "literal",
        "hidden_SCIM_token": world.box.token,
        "Group": [TECHNICIANS, END_USERS, ""],
    }
    return Person(**(usual | answers))


def answered(folder: Path, who: Person) -> tuple[Answers, dict[str, Any]]:
    answers = interview(who, folder, TODAY)
    path = folder / "config.toml"
    path.write_text(answers.config_toml(), "utf-8")
    path.chmod(0o600)
    for file, secret in answers.files.items():
        file.write_text(secret.get_secret_value(), "utf-8")
        file.chmod(0o600)
    return answers, tomllib.loads(path.read_text("utf-8"))


def test_the_configuration_passes_check_and_has_every_key_with_its_comment(shared: Office, tmp_path: Path) -> None:
    _, found = answered(tmp_path, person(shared))
    assert found["scope"]["groups"] == [TECHNICIANS, END_USERS]
    text = (tmp_path / "config.toml").read_text("utf-8")
    done = run("check", "--format", "json", "--config", str(tmp_path / "config.toml"))
    assert done.code == 0, done.out
    # Nothing was applied yet, and this person named no account to be protected.
    untold = {"ledger", "externalId", "protected"}
    assert {line["name"] for line in done.json["checks"] if line["color"] != "green"} == untold
    assert "FILL IN" not in text
    plain = tomllib.loads(example.example())
    assert {name: set(keys) for name, keys in found.items()} == {name: set(keys) for name, keys in plain.items()}
    comments = [line.partition("#")[2] for line in example.example().splitlines() if line.startswith("timeout")]
    assert all(comment in text for comment in comments)


def test_the_token_expires_six_months_from_today_unless_told_otherwise(shared: Office, tmp_path: Path) -> None:
    assert answered(tmp_path, person(shared))[1]["ninjaone"]["token_expires"] == date(2027, 2, 28)
    who = person(shared, The_token_expires=["soon", "2027-01-31"])
    assert answered(tmp_path, who)[1]["ninjaone"]["token_expires"] == date(2027, 1, 31)
    assert "Write the day as 2027-05-01." in who.told


def test_a_secret_may_be_kept_in_a_variable(shared: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_DUO_KEY", shared.box.secret_key)
    monkeypatch.delenv("NINJAONE_SCIM_TOKEN", raising=False)
    who = person(shared, Secret_key_is="env", Name_of="OUR_DUO_KEY", SCIM_token_is="")
    _, found = answered(tmp_path, who)
    assert found["duo"]["secret_key"] == {"env": "OUR_DUO_KEY"}
    assert found["ninjaone"]["secret_token"] == {"env": "NINJAONE_SCIM_TOKEN"}
    assert "NINJAONE_SCIM_TOKEN is not set now" in who.told
    assert who.hidden == []
    assert shared.box.secret_key not in (tmp_path / "config.toml").read_text("utf-8")


def test_a_secret_may_be_kept_in_a_file_that_is_written_where_there_is_none(shared: Office, tmp_path: Path) -> None:
    (tmp_path / "ninja.secret").write_text(f"{shared.box.token}\n")
    who = person(shared, Secret_key_is="file", SCIM_token_is="file", File=["", "ninja.secret"])
    answers, found = answered(tmp_path, who)
    assert found["duo"]["secret_key"] == {"file": "duo.secret"}
    assert found["ninjaone"]["secret_token"] == {"file": "ninja.secret"}
    assert list(answers.files) == [tmp_path / "duo.secret"]
    assert who.hidden == ["Secret key"]


def test_groups_are_chosen_by_number_or_by_name_and_a_wrong_one_is_asked_again(shared: Office, tmp_path: Path) -> None:
    who = person(shared, Group=["", "9", "NinjaOne Tecs", "1, 2", TECHNICIANS, "Ninja*", ""])
    assert answered(tmp_path, who)[1]["scope"]["groups"] == ["Elsewhere", END_USERS, TECHNICIANS, "Ninja*"]
    assert "At least one group is needed." in who.told
    assert f'Duo has no such group; did you mean "{TECHNICIANS}"?' in who.told
    assert "  3  NinjaOne Technicians" in who.told


def test_where_duo_cannot_be_asked_the_reason_is_told_and_names_are_typed(shared: Office, tmp_path: Path) -> None:
    who = person(shared, hidden_Secret_key="wrong" * 8, Group=["Anything at all", ""])
    assert answered(tmp_path, who)[1]["scope"]["groups"] == ["Anything at all"]
    assert "Duo's groups cannot be shown: Duo refused the credentials" in who.told
    assert "wrong" * 8 not in who.told


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"API_hostname": ["", "api-x.duosecurity.com/admin"]}, "without a path"),
        ({"API_hostname": ["http://api-x.duosecurity.com"]}, "use https://"),
        ({"Integration_key": ["k" * 40]}, "That looks like the secret key"),
        ({"Integration_key": ["DI has blanks"]}, "letters and digits only"),
        ({"API_endpoint_URL": ["eu.ninjarmm.com/scim"]}, "a URL that starts with https://"),
        ({"Secret_key_is": ["vault"]}, "Answer env, file or literal."),
        ({"hidden_Secret_key": ["two words"]}, "holds a character that no key or token has"),
        ({"hidden_SCIM_token": ["Bearer abc"]}, "Keep the token alone"),
    ],
)
def test_a_wrong_answer_is_told_and_asked_again(
    shared: Office, tmp_path: Path, wrong: dict[str, list[str]], told: str
) -> None:
    usual = person(shared)._answers
    answers = {key: [*given, *usual[key.replace("_", " ")]] for key, given in wrong.items()}
    who = person(shared, **answers)
    _, found = answered(tmp_path, who)
    assert told in who.told
    assert found["duo"]["api_hostname"] == shared.box.duo_url
    assert found["duo"]["integration_key"] == shared.box.integration_key


@pytest.mark.parametrize("name", ['Help "desk"', "back\\slash", "tab\there", "del\x7fete", "美咲 🎉", "# no comment"])
def test_a_group_of_any_name_comes_through_the_file(shared: Office, tmp_path: Path, name: str) -> None:
    who = person(shared, hidden_Secret_key="wrong" * 8, Group=[name, ""])
    assert answered(tmp_path, who)[1]["scope"]["groups"] == [name]
    assert load(tmp_path / "config.toml").scope.groups == (name,)


# --- on a terminal ---------------------------------------------------------------------------


def on_a_terminal(folder: Path, *typed: tuple[str, str], options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run ``init`` on a terminal of its own; type each answer once its question is there."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ninjasync", "init", *options],
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
    )
    os.close(follower)
    with process, closing_descriptor(leader):
        try:
            return _conversation(process, leader, typed)
        finally:
            process.kill()


@contextmanager
def closing_descriptor(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _conversation(process: subprocess.Popen[bytes], leader: int, typed: tuple[tuple[str, str], ...]) -> tuple[int, str]:
    seen = read = ""
    for question, answer in typed:
        while question not in read:
            some = _some_output(leader)
            assert some, f"{question!r} was not asked: {seen}"
            seen, read = seen + some, read + some
        read = read.partition(question)[2]
        os.write(leader, f"{answer}\n".encode())
    while some := _some_output(leader):
        seen += some
    return process.wait(30), seen


def _some_output(leader: int) -> str:
    """Return what is shown next; nothing where the process has ended, or is silent for too long."""
    ready, _, _ = select.select([leader], [], [], 30)
    try:
        return os.read(leader, 4096).decode() if ready else ""
    except OSError:  # Linux's way to say that nobody is at the other end any more
        return ""


def test_on_a_terminal_secrets_are_not_echoed_and_files_are_for_the_owner_alone(shared: Office, tmp_path: Path) -> None:
    code, seen = on_a_terminal(
        tmp_path,
        ("API hostname:", shared.box.duo_url),
        ("Integration key:", shared.box.integration_key),
        ("[env]:", "file"),
        ("File [duo.secret]:", ""),
        ("Secret key (not shown):", shared.box.secret_key),
        ("API endpoint URL:", shared.box.scim_url),
        ("[env]:", "literal"),
        ("SCIM token (not shown):", shared.box.token),
        ("The token expires on", ""),
        ("Group:", "2, 3"),
        ("Group:", ""),
        ("Protected account:", "breakglass@example.com"),
        ("Protected account:", ""),
        ("A name for this tenant", "north"),
    )
    assert code == 0, seen
    assert shared.box.secret_key not in seen
    assert shared.box.token not in seen
    assert "Next: ninjasync check" in seen
    for name in ("config.toml", "duo.secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    written = load(tmp_path / "config.toml")
    assert (written.scope.groups, written.state.tenant) == ((END_USERS, TECHNICIANS), "north")
    assert written.safety.protected_users == ("breakglass@example.com",)
    assert run("check", "--config", str(tmp_path / "config.toml")).code == 0


def test_a_file_that_is_there_is_not_overwritten_without_a_yes(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("precious")
    code, seen = on_a_terminal(tmp_path, ("Overwrite it? [y/N]:", "n"))
    assert code == 3, seen
    assert (tmp_path / "config.toml").read_text() == "precious"


# --- without questions -----------------------------------------------------------------------


def test_without_a_terminal_nothing_is_asked_and_the_exit_code_is_64(tmp_path: Path) -> None:
    done = run_process("init", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert done.code == 64
    assert "--example or --schema" in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_example_is_the_one_at_the_top_of_the_repository_to_the_byte(tmp_path: Path) -> None:
    top = (ROOT / "config.example.toml").read_text("utf-8")
    assert run("init", "--example").out == top
    path = tmp_path / "new.toml"
    assert run("init", "--example", "--output", str(path)).code == 0
    assert path.read_text("utf-8") == top
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_terminal_the_example_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("precious")
    done = run_process("init", "--example", "--output", str(path))
    assert done.code == 64
    assert "is there already" in done.err
    assert path.read_text() == "precious"


def test_the_example_and_the_schema_at_once_are_a_mistake() -> None:
    assert run("init", "--example", "--schema").code == 64


def test_the_schema_describes_every_table_and_key_in_the_example_s_words() -> None:
    schema = json.loads(run("init", "--schema").out)
    assert set(schema["properties"]) == set(Config.model_fields)
    assert all(found.get("description") for found in schema["properties"].values())
    for name, model in schema["$defs"].items():
        for key, found in model["properties"].items():
            assert found.get("description") or name == "SecretReference", f"{name}.{key}"
    timeout = schema["$defs"]["Duo"]["properties"]["timeout"]
    assert timeout["description"] == "seconds to wait for a connection and for each answer"
    assert schema["$defs"]["Duo"]["additionalProperties"] is False
    assert "FILL IN" not in json.dumps(schema)


# --- organizations by name ---------------------------------------------------------------------


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Office]:
    """Duo has names in place of numbers: one that NinjaOne has, one misspelt."""
    folder = tmp_path / "world"
    folder.mkdir()
    with Office(folder) as world:
        world.ninjaone.organizations.update({7: "Contoso Ltd", 8: "Fabrikam"})
        world.people.set_attribute(world.duo(user(0)), "organizationID", "contoso ltd")
        world.people.set_attribute(world.duo(user(1)), "organizationID", "Fabricam")
        yield world


def with_api(world: Office, **answers: Any) -> Person:
    usual = {
        "The_console's_address": world.box.api_url,
        "Client_ID": world.box.access.client_id,
        "Client_secret_is": "literal",
        "hidden_Client_secret": world.box.access.client_secret,
    }
    return person(world, **(usual | answers))


def test_names_that_the_public_api_knows_need_no_number_and_the_others_are_asked_for(
    named: Office, tmp_path: Path
) -> None:
    who = with_api(named, **{'Number_of_"Fabricam"': ["99", "8"], 'Number_of_"contoso': "4711"})
    _, found = answered(tmp_path, who)
    assert '"contoso ltd" is 7.' in who.told
    assert 'did you mean "Fabrikam"' in who.told
    assert "8  Fabrikam" in who.told
    assert "NinjaOne has no organization of that number." in who.told
    assert found["organizations"] == {"Fabricam": 8}
    assert found["ninjaone"]["api"]["url"] == named.box.api_url
    done = run("plan", "--format", "json", "--config", str(tmp_path / "config.toml"))
    moved = {row["after"] for change in done.json["changes"] for row in change["diff"] if change["key"] == user(0)}
    assert "7" in moved


def test_without_the_public_api_each_number_is_asked_for(named: Office, tmp_path: Path) -> None:
    who = person(named, **{'Number_of_"contoso': "7", 'Number_of_"Fabricam"': ""})
    _, found = answered(tmp_path, who)
    assert found["organizations"] == {"contoso ltd": 7}
    assert found["ninjaone"]["api"]["url"] == ""
    assert not [request for request in named.box.requests if request.service == "api"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"hidden_Client_secret": "another-secret-altogether"}, "refused the client app"),
        ({"The_console's_address": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"The_console's_address": ["app.ninjarmm.com", "http://127.0.0.1:9"]}, "a URL that starts with https://"),
        ({"Client_secret_is": "env", "Name_of": "NOT_SET_ANYWHERE"}, "is not to be had now"),
    ],
)
def test_where_the_public_api_cannot_be_asked_that_is_told_and_numbers_are_typed(
    named: Office, tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    who = with_api(named, **wrong, **{'Number_of_"contoso': "7"})
    _, found = answered(tmp_path, who)
    assert told in who.told
    assert "another-secret-altogether" not in who.told
    assert found["organizations"] == {"contoso ltd": 7}


def test_the_client_secret_has_a_file_of_its_own(named: Office, tmp_path: Path) -> None:
    who = with_api(named, Client_secret_is="file")
    answers, found = answered(tmp_path, who)
    assert found["ninjaone"]["api"]["client_secret"] == {"file": "ninjaone-api.secret"}
    assert list(answers.files) == [tmp_path / "ninjaone-api.secret"]
