"""A TOML file and the environment become one configuration, or every mistake is told at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.config.section import SecretReference
from ninjasync.config.urls import is_loopback
from ninjasync.errors import ConfigurationError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE

SOUND = """
[duo]
api_hostname = "api-1a2b3c4d.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key = { env = "DUO_SECRET_KEY" }
[ninjaone]
endpoint_url = "https://eu.ninjarmm.com/scim/v2/"
secret_token = "plain-token"
[scope]
groups = ["Staff"]
"""
Load = Callable[..., Config]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("NINJASYNC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def from_text(tmp_path: Path) -> Load:
    """Load a file with this text; without one the sound text with ``more`` after it."""

    def loading(more: str = "", *, text: str = SOUND) -> Config:
        path = tmp_path / "given.toml"
        path.write_text(text + more, "utf-8")
        return load(path)

    return loading


def mistakes(loading: Callable[[], Config]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loading()
    assert caught.value.exit_code == 78
    return list(caught.value.mistakes)


def test_a_short_configuration_gets_the_documented_defaults(from_text: Load) -> None:
    config = from_text()
    assert config.duo.api_hostname == "https://api-1a2b3c4d.duosecurity.com"
    assert config.ninjaone.endpoint_url == "https://eu.ninjarmm.com/scim/v2"
    assert config.duo.secret_key == SecretReference(env="DUO_SECRET_KEY")
    assert config.ninjaone.secret_token == SecretStr("plain-token")
    assert (config.duo.timeout, config.duo.rate_limit) == (30, 50)
    assert (config.ninjaone.timeout, config.ninjaone.rate_limit, config.ninjaone.token_expires) == (30, 0, None)
    dialect = config.ninjaone.dialect
    assert (dialect.discovery, dialect.page_size, dialect.patch, dialect.patch_op_case) == (
        "auto",
        100,
        "patch",
        "lower",
    )
    assert (dialect.booleans, dialect.member_removal, dialect.members_per_call) == ("json", "filter", 100)
    assert (dialect.technician_value, dialect.all_value, dialect.organization_id_type) == (
        "technician",
        "All",
        "string",
    )
    assert dialect.external_id
    assert config.scope.statuses == ("active", "bypass", "locked out")
    assert (config.scope.all_users, config.scope.where) == (False, "")
    assert config.attributes == {
        "userName": "email",
        "name.givenName": "firstname || given_name(realname)",
        "name.familyName": "lastname || family_name(realname)",
        USER_TYPE: "custom_attributes.userType",
        ORGANIZATION_ID: "custom_attributes.organizationID",
    }
    assert (config.groups.push, config.groups.strip_sync_suffix, config.groups.removed) == (("*",), True, "keep")
    deprovision, safety = config.deprovision, config.safety
    assert (deprovision.users, deprovision.delete_after_days, deprovision.adopt) == ("deactivate", 30, True)
    assert (safety.max_removals, safety.max_removals_percent, safety.max_member_removals_percent) == (3, 10, 25)
    assert (safety.min_source_percent, safety.on_refusal, safety.max_privilege_changes) == (80, "stop", 3)
    assert (safety.allow_missing_user_type, safety.allow_missing_organization) == (False, False)
    assert (config.run.parallelism, config.run.retries, config.state.keep_history_days) == (8, 6, 400)
    assert config.monitor.notify_on == ("failure", "refusal", "removals", "held", "token")


def test_every_mistake_is_told_at_once_with_its_key_what_was_found_and_what_is_allowed(from_text: Load) -> None:
    found = mistakes(
        lambda: from_text(
            text="""
[duo]
api_hostname = "api.duosecurity.com/admin"
secret_key = { envv = "X" }
[ninjaone]
endpoint_url = "http://ninjaone.example/scim"
secret_token = ""
[scope]
[safety]
max_removals = -1
on_refusal = "panic"
max_removal = 3
[run]
parallelism = "many"
[groups]
push = "all"
"""
        )
    )
    text = "\n".join(found)
    assert len(found) == 11
    for expected in (
        "[duo] api_hostname: found 'api.duosecurity.com/admin'; is a host name without a path",
        "[duo] integration_key: is missing",
        "[duo] secret_key: allowed: a string, or one of",
        "[ninjaone] endpoint_url: found 'http://ninjaone.example/scim'; plain http is allowed to this machine only",
        "[ninjaone] secret_token: is empty",
        "[scope]: lets no user in; give groups or users, or set all_users = true",
        "[safety] max_removals: found -1; allowed: greater than or equal to 0",
        "[safety] on_refusal: found 'panic'; allowed: 'stop' or 'withhold'",
        '[safety] max_removal: unknown key; did you mean "max_removals"?',
        "[run] parallelism: found 'many'; allowed: a valid integer",
        "[groups] push: found 'all'; allowed: a list",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[safety]\nprotected_user = ["x"]', '[safety] protected_user: unknown key; did you mean "protected_users"?'),
        ("[run]\nmax_removals = 3", '[run] max_removals: unknown key; did you mean "[safety] max_removals"?'),
        ("[run]\nxyzzy = 3", "[run] xyzzy: unknown key; known are parallelism, retries"),
        ('base = "/tmp"\n', "base: unknown key"),
        ("[saftey]\nx = 1", '[saftey]: unknown key; did you mean "safety"?'),
        ("[ninjaone.dialect]\npagesize = 3", '[ninjaone.dialect] pagesize: unknown key; did you mean "page_size"?'),
        ('[ninjaone.dialect]\ntechnician_value = "tech"', 'allowed: "technician" in upper or lower case'),
        ("[deprovision]\ndelete_after_days = 0", 'say so with users = "delete"'),
        ("[deprovision]\ndelete_after_days = -2", "[deprovision] delete_after_days: found -2"),
        ("[safety]\nmax_removals_percent = 100.1", "[safety] max_removals_percent: found 100.1"),
        ("[safety]\nmin_source_percent = nan", "[safety] min_source_percent"),
        ('[safety]\nprotected_users = ["a", 3]', "[safety] protected_users (item 2): found 3"),
        ("[run]\nparallelism = 0", "[run] parallelism: found 0"),
        ("[run]\nparallelism = 65", "[run] parallelism: found 65"),
        ('[attributes]\nuserName = "email ||"', "[attributes] \"userName\": the expression 'email ||' does not parse"),
        ('[attributes]\nuserName = ""', '[attributes] "userName": must be mapped'),
        ('[attributes]\nusrName = "email"', 'did you mean "userName"'),
        ("[attributes]\ntitle = 3", '[attributes] "title": found 3; allowed: an expression in quotes'),
        ('attributes = "x"', "[attributes]: allowed: a table"),
        ('[monitor]\nping_url = "ftp://x"', "[monitor] ping_url"),
        ('[monitor]\nnotify_on = ["always"]', "[monitor] notify_on (item 1): found 'always'; allowed:"),
    ],
)
def test_a_mistake_names_its_key_and_the_nearest_known_one(from_text: Load, more: str, said: str) -> None:
    text = more + SOUND if more.startswith("attributes") else SOUND + more
    (found,) = mistakes(lambda: from_text(text=text))
    assert said in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('statuses = ["activ"]', "[scope] statuses (item 1): found 'activ'"),
        ('where = "email =="', "[scope] where: found 'email =='; the expression 'email ==' does not parse"),
        ('where = "uper(email)"', "calls uper(), which does not exist"),
    ],
)
def test_a_mistake_in_the_scope_is_told(from_text: Load, line: str, said: str) -> None:
    (found,) = mistakes(lambda: from_text(line))
    assert said in found


def test_a_blank_where_is_none(from_text: Load) -> None:
    assert from_text('where = "  "\n').scope.where == ""


@pytest.mark.parametrize(
    "url",
    [
        "ninjaone.example",
        "ftp://x.example",
        "https://",
        "https://bad host.example",
        "https://x.example/?a=1",
        "https://x.example/#a",
        "https://[::1",
    ],
)
def test_what_is_no_proper_https_address_is_refused(from_text: Load, url: str) -> None:
    (found,) = mistakes(lambda: from_text(text=SOUND.replace("https://eu.ninjarmm.com/scim/v2/", url)))
    assert found.startswith("[ninjaone] endpoint_url: ")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8080/scim", "http://127.0.0.1:8080/scim"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
        (" https://x.example/a/ ", "https://x.example/a"),
    ],
)
def test_plain_http_is_for_this_machine_and_a_trailing_slash_is_no_matter(from_text: Load, url: str, kept: str) -> None:
    config = from_text(text=SOUND.replace("https://eu.ninjarmm.com/scim/v2/", url))
    assert config.ninjaone.endpoint_url == kept


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("example.com", False),
        ("10.0.0.1", False),
    ],
)
def test_this_machines_own_addresses_are_known(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("2027-05-01", date(2027, 5, 1)),
        ("2027-05-01T10:00:00Z", date(2027, 5, 1)),
        ('"2027-05-01"', date(2027, 5, 1)),
        ('""', None),
    ],
)
def test_the_day_on_which_the_token_expires_may_be_a_date_a_time_or_nothing(
    from_text: Load, value: str, kept: date | None
) -> None:
    text = SOUND.replace("[scope]", f"token_expires = {value}\n[scope]")
    assert from_text(text=text).ninjaone.token_expires == kept


def test_given_attributes_lie_over_the_default_ones_and_an_empty_one_maps_nothing(from_text: Load) -> None:
    config = from_text(f'[attributes]\nUSERNAME = "username"\ntitle = "notes"\n"{USER_TYPE}" = " "\n')
    assert config.attributes["userName"] == "username"
    assert config.attributes["title"] == "notes"
    assert USER_TYPE not in config.attributes
    assert config.attributes["name.givenName"] == "firstname || given_name(realname)"


# --- secrets ---------------------------------------------------------------------------------

SECRET = "s3cr3t-never-shown"


@pytest.mark.parametrize(
    "text",
    [
        SOUND.replace('secret_token = "plain-token"', f'secret_token = ["{SECRET}"]'),
        SOUND.replace('secret_token = "plain-token"', f'secret_token = {{ envv = "{SECRET}" }}'),
        SOUND.replace('secret_token = "plain-token"', f'secret_token = {{ env = ["{SECRET}"] }}'),
        SOUND.replace('secret_token = "plain-token"', f'secret_token = {{ env = "{SECRET}", file = "{SECRET}" }}'),
        SOUND.replace('secret_token = "plain-token"', f'secret_token = {{ keyring = "{SECRET}" }}'),
        SOUND.replace("integration_key", f'secret_kye = "{SECRET}"\nintegration_key'),
        SOUND.replace('integration_key = "DIXXXXXXXXXXXXXXXXXX"', f'integration_key = ["{SECRET}"]'),
        SOUND.replace("https://eu.", f"https://user:{SECRET}@eu."),
        SOUND.replace("api-1a2b3c4d", f"user:{SECRET}@api"),
        SOUND.replace("[scope]", f'proxy = "socks5://user:{SECRET}@proxy.example"\n[scope]'),
        f'duo = "{SECRET}"\n' + SOUND[SOUND.index("[ninjaone]") :],
        SOUND + f'[monitor]\nnotify = "mailto://user:{SECRET}@example.com"\n',
        SOUND + f'[monitor]\nping_url = "ftp://hc.example/{SECRET}"\n',
        SOUND + f'[monitor]\nnotify = [["{SECRET}"]]\n',
        SOUND + f'[ninjaone.api]\nclient_secret = ["{SECRET}"]\n',
        SOUND + f'[state]\nurl = ["{SECRET}"]\n',
    ],
)
def test_no_mistake_ever_shows_a_secret(from_text: Load, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_text(text=text)
    assert caught.value.mistakes
    assert SECRET not in f"{caught.value.mistakes} {caught.value} {caught.value.hint}"


def test_a_configuration_does_not_show_its_secrets_when_printed(from_text: Load) -> None:
    config = from_text()
    assert "plain-token" not in f"{config!r} {config} {config.model_dump_json()}"


# --- where it is found -----------------------------------------------------------------------


def test_without_a_configuration_it_is_said_where_one_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert caught.value.exit_code == 78
    assert "$NINJASYNC_CONFIG" in caught.value.message
    assert str(tmp_path / "config.toml") in caught.value.message


def test_the_file_named_in_the_environment_goes_before_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(SOUND, "utf-8")
    assert load().scope.groups == ("Staff",)
    other = tmp_path / "other.toml"
    other.write_text(SOUND.replace("Staff", "Others"), "utf-8")
    monkeypatch.setenv("NINJASYNC_CONFIG", str(other))
    assert load().scope.groups == ("Others",)


def test_a_file_that_is_named_but_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.toml cannot be read: No such file"):
        load(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[duo", "is not valid TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"[a]\na.b = 1\nx y = 1", "is not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_the_cure(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        load(path)


def test_a_byte_order_mark_as_windows_editors_write_it_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(SOUND, "utf-8-sig")
    assert load(path).scope.groups == ("Staff",)


def test_a_relative_path_starts_at_the_configuration_file(tmp_path: Path, from_text: Load) -> None:
    config = from_text()
    assert config.file("secret") == tmp_path / "secret"
    assert config.file("../state/ledger") == tmp_path.parent / "state" / "ledger"
    assert config.file("/etc/secret") == Path("/etc/secret")
    assert config.file("~/secret") == tmp_path / "home" / "secret"


# --- the environment -------------------------------------------------------------------------


def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"NINJASYNC_{name}", value)


def test_the_environment_alone_can_be_the_whole_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment(
        monkeypatch,
        DUO__API_HOSTNAME="api-1a2b3c4d.duosecurity.com",
        DUO__INTEGRATION_KEY="DI",
        DUO__SECRET_KEY='{"env": "X"}',
        NINJAONE__ENDPOINT_URL="https://x.example",
        NINJAONE__SECRET_TOKEN="12345",
        NINJAONE__DIALECT__PAGE_SIZE="7",
        NINJAONE__DIALECT__EXTERNAL_ID="false",
        NINJAONE__TOKEN_EXPIRES="2027-05-01",
        SCOPE__GROUPS='["Staff", "Techs"]',
        GROUPS__RENAME='{"Staff": "Everybody"}',
        ATTRIBUTES='{"title": "notes"}',
    )
    config = load()
    assert config.duo.secret_key == SecretReference(env="X")
    assert config.ninjaone.secret_token == SecretStr("12345")
    assert (config.ninjaone.dialect.page_size, config.ninjaone.dialect.external_id) == (7, False)
    assert config.ninjaone.token_expires == date(2027, 5, 1)
    assert config.scope.groups == ("Staff", "Techs")
    assert config.groups.rename == {"Staff": "Everybody"}
    assert config.attributes["title"] == "notes"
    assert config.base == tmp_path


def test_a_variable_goes_before_the_file_and_an_empty_one_does_not(
    monkeypatch: pytest.MonkeyPatch, from_text: Load
) -> None:
    environment(monkeypatch, RUN__RETRIES="2", RUN__PARALLELISM="")
    config = from_text("[run]\nretries = 9\nparallelism = 3\n")
    assert (config.run.retries, config.run.parallelism) == (2, 3)


@pytest.mark.parametrize("name", ["DUO__SECRET_KEY", "duo__secret_key"])
def test_a_variable_may_be_in_any_letter_case(monkeypatch: pytest.MonkeyPatch, from_text: Load, name: str) -> None:
    environment(monkeypatch, **{name: "from-the-environment"})
    assert from_text().duo.secret_key == SecretStr("from-the-environment")


@pytest.mark.parametrize(
    "variables", [{"DUO__SECRET_KEY": '{"file": "/run/key"}'}, {"DUO__SECRET_KEY__FILE": "/run/key"}]
)
def test_a_secret_from_the_environment_takes_the_place_of_the_one_in_the_file(
    monkeypatch: pytest.MonkeyPatch, from_text: Load, variables: dict[str, str]
) -> None:
    environment(monkeypatch, **variables)
    assert from_text().duo.secret_key == SecretReference(file="/run/key")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DOU__SECRET_KEY": "x"}, "NINJASYNC_DOU__SECRET_KEY in the environment: no such key"),
        ({"DUO_SECRET_KEY": "x"}, "NINJASYNC_DUO_SECRET_KEY in the environment: no such key"),
        ({"SCOPE__GRUOPS": '["x"]'}, '[scope] gruops: unknown key; did you mean "groups"?'),
        ({"SCOPE__GROUPS": "Staff"}, "[scope] groups: found 'Staff'; allowed: a list"),
        ({"SCOPE__GROUPS": '["Staff"'}, "[scope] groups: found '[\"Staff\"'; allowed: a list"),
        ({"SCOPE": "Staff"}, "[scope]"),
        ({"RUN__RETRIES": "often"}, "[run] retries: found 'often'"),
    ],
)
def test_a_wrong_variable_is_a_mistake_like_any_other(
    monkeypatch: pytest.MonkeyPatch, from_text: Load, variables: dict[str, str], said: str
) -> None:
    environment(monkeypatch, **variables)
    (found,) = mistakes(from_text)
    assert said in found


def test_a_broken_table_in_the_environment_shows_no_secret(monkeypatch: pytest.MonkeyPatch, from_text: Load) -> None:
    environment(monkeypatch, DUO=f'{{"secret_key": "{SECRET}"')
    assert SECRET not in str(mistakes(from_text))


def test_variables_that_are_no_keys_are_not_mistaken_for_keys(
    monkeypatch: pytest.MonkeyPatch, from_text: Load, tmp_path: Path
) -> None:
    environment(monkeypatch, REDACT_KEY="x", CONFIG=str(tmp_path / "gone.toml"))
    assert from_text().scope.groups == ("Staff",)


@pytest.mark.parametrize("name", ["NINJASYNC_DATABASE", "NINJASYNC_STATE_URL", "NINJASYNC_LEDGER__DATABASE"])
def test_a_variable_in_which_the_file_keeps_a_secret_is_no_key_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, from_text: Load, name: str
) -> None:
    monkeypatch.setenv(name, "postgresql:///ledger")
    assert from_text(f'[state]\nurl = {{ env = "{name}" }}\n').state.url == SecretReference(env=name)
    environment(monkeypatch, STATE__URL=f'{{"env": "{name}"}}')
    assert from_text().state.url == SecretReference(env=name)


def test_where_the_environment_puts_the_ledger_goes_before_where_the_file_does(
    monkeypatch: pytest.MonkeyPatch, from_text: Load
) -> None:
    environment(monkeypatch, STATE__URL="postgresql:///ledger")
    state = from_text('[state]\npath = "ledger"\ntenant = "north"\n').state
    assert (state.path, state.url, state.tenant) == ("", SecretStr("postgresql:///ledger"), "north")
    environment(monkeypatch, STATE__URL="", STATE__PATH="ledger")
    state = from_text('[state]\nurl = { env = "ELSEWHERE" }\n').state
    assert (state.path, state.url) == ("ledger", None)
    environment(monkeypatch, STATE__URL="postgresql:///ledger")
    (found,) = mistakes(from_text)
    assert "give either path or url" in found


def test_mistakes_of_file_and_environment_are_counted_together(
    monkeypatch: pytest.MonkeyPatch, from_text: Load
) -> None:
    environment(monkeypatch, NOPE__KEY="1")
    with pytest.raises(ConfigurationError, match="has 2 mistakes") as caught:
        from_text("[run]\nretries = -1\n")
    assert len(caught.value.mistakes) == 2
