"""What [state] url may say: TLS by default, no part of a password in any message."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.errors import ConfigurationError
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import Address, read_address
from ninjasync.state.sqlite import SqliteStore
from ninjasync.state.store import store_of


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "authorities.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))


def address(url: str) -> Address:
    return read_address(SecretStr(url))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ann:pw@db.example.com/ledger", "postgresql://db.example.com/ledger"),
        ("postgres://ann:pw@db.example.com:6432/ledger?sslrootcert=/x", "postgresql://db.example.com:6432/ledger"),
        ("postgresql://ann@[::1]:5433/ledger", "postgresql://::1:5433/ledger"),
        ("postgresql:///ledger?host=/run/pg&password=pw", "postgresql:///ledger?host=/run/pg"),
        ("postgresql:///ledger", "postgresql:///ledger"),
        ("postgresql://a.example:1,b.example:2/ledger", "postgresql://a.example:1,b.example:2/ledger"),
    ],
)
def test_a_place_is_told_by_server_and_database_alone(url: str, place: str) -> None:
    assert address(url).place == place
    assert "pw" not in repr(address(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret/part@db.example.com/ledger",
        "postgresql://ann:s3cr@part@db.example.com/ledger",
        "postgresql://ann:123/s3cret@db.example.com/ledger",
        "postgresql://ann:s3cret%zz@db.example.com/ledger",
        "mysql://ann:s3cret@db.example.com/ledger",
        "host=db.example.com password=s3cret",
        "postgresql://ann:pw@db.example.com:s3cret/ledger",
        "postgresql://ann:pw@db.example.com/ledger?s3cret=1",
    ],
)
def test_what_is_no_url_is_a_mistake_that_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        address(url)
    assert "[state] url" in caught.value.message
    assert "s3cr" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("url", "mode", "authorities", "unverified"),
    [
        ("postgresql://db.example.com/l", "verify-full", "system", ""),
        ("postgresql://db.example.com/l?sslrootcert=/ca.pem", "verify-full", "/ca.pem", ""),
        ("postgresql://db.example.com/l?sslmode=require", "require", None, "require"),
        ("postgresql://db.example.com/l?sslmode=verify-ca", "verify-ca", None, "verify-ca"),
        ("postgresql://db.example.com/l?sslmode=disable", "disable", None, "disable"),
        ("postgresql://127.0.0.1,db.example.com/l", "verify-full", "system", ""),
        ("postgresql://localhost/l?hostaddr=192.0.2.7", "verify-full", "system", ""),
        ("postgresql:///l?service=elsewhere", "verify-full", "system", ""),
        ("postgresql://localhost/l", None, None, ""),
        ("postgresql://127.0.0.1/l?sslmode=disable", "disable", None, ""),
        ("postgresql://[::1]/l", None, None, ""),
        ("postgresql:///l?host=/run/pg", None, None, ""),
        ("postgresql:///l", None, None, ""),
    ],
)
def test_another_machine_must_prove_who_it_is_unless_the_url_says_otherwise(
    url: str, mode: str | None, authorities: str | None, unverified: str, tmp_path: Path
) -> None:
    found = address(url)
    assert found.parameters.get("sslmode") == mode
    expected = str(tmp_path / "authorities.pem") if authorities == "system" else authorities
    assert found.parameters.get("sslrootcert") == expected
    assert found.unverified == unverified


def test_an_environment_that_names_another_machine_is_no_way_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert address("postgresql:///ledger").parameters["sslmode"] == "verify-full"
    monkeypatch.setenv("PGHOST", "localhost")
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.7")
    assert address("postgresql:///ledger").parameters["sslmode"] == "verify-full"


@pytest.mark.parametrize("mode", ["prefer", "allow"])
def test_a_mode_that_leaves_open_whether_anything_is_encrypted_is_refused(mode: str) -> None:
    with pytest.raises(ConfigurationError, match=f"sslmode={mode} leaves open"):
        address(f"postgresql://ann:pw@db.example.com/ledger?sslmode={mode}")
    address(f"postgresql://localhost/ledger?sslmode={mode}")


def test_both_ends_of_the_connection_notice_that_the_other_is_gone() -> None:
    parameters = address("postgresql://db.example.com/l").parameters
    assert parameters["keepalives_idle"] + parameters["keepalives_interval"] * parameters["keepalives_count"] == 25
    assert parameters["tcp_user_timeout"] == 25_000


def test_of_several_servers_the_one_that_takes_writes_is_chosen() -> None:
    assert address("postgresql://a.example,b.example/l").parameters["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in address("postgresql://a.example/l").parameters


# --- the key in a configuration --------------------------------------------------------------


def test_without_a_url_the_ledger_is_a_file_and_with_one_a_database(make_config: Callable[..., Config]) -> None:
    assert isinstance(store_of(make_config()), SqliteStore)
    assert isinstance(store_of(make_config(state={"url": ""})), SqliteStore)
    assert isinstance(store_of(make_config(state={"url": "postgresql://localhost/l"})), PostgresStore)


def test_a_url_is_kept_as_other_secrets_are(
    make_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://ann:pw-word@localhost/of-a-file\n")
    (tmp_path / "url").chmod(0o600)
    kept = make_config(state={"url": {"file": str(tmp_path / "url")}})
    assert store_of(kept).place == "postgresql://localhost/of-a-file"
    assert "pw-word" not in repr(kept)
    monkeypatch.setenv("LEDGER", "mysql://ann:pw-word@localhost/l")
    with pytest.raises(ConfigurationError, match="is no URL of a PostgreSQL") as caught:
        store_of(make_config(state={"url": {"env": "LEDGER"}}))
    assert "pw-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('path = "ledger"\nurl = "postgresql://ann:pw-word@localhost/l"', "give either path or url"),
        ('url = "mysql://ann:pw-word@localhost/l"', "[state] url: allowed: a postgresql:// URL, or where it is kept"),
        ('url = { envy = "pw-word" }', "[state] url: allowed: a string, or one of"),
        ("url = 12", "[state] url"),
        (
            'path = "postgresql://ann:pw-word@localhost/l"',
            "is a URL, not a file; that of a PostgreSQL database belongs into url",
        ),
    ],
)
def test_a_wrong_place_is_told_with_all_other_mistakes_and_without_the_secret(
    lines: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(f"[scope]\nall_users = true\n[state]\n{lines}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "config.toml")
    told = "\n".join(caught.value.mistakes)
    assert said in told
    assert "[duo] api_hostname" in told
    assert "pw-word" not in told


def test_where_the_extra_is_missing_the_sentence_says_how_to_get_it(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.startswith(("psycopg", "ninjasync.state.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match="needs the extra package psycopg") as caught:
        store_of(make_config(state={"url": "postgresql://localhost/l"}))
    assert "pip install '.[postgres]'" in caught.value.hint
