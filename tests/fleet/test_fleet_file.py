"""``fleet.toml``, the defaults under a tenant's file, and tenants that must not stand beside each other."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from ninjasync.config.fleet import TenantFile, is_canary
from ninjasync.config.load import load
from ninjasync.config.section import SecretReference
from ninjasync.errors import CommandLineError, ConfigurationError
from ninjasync.fleet.rows import broken_row
from ninjasync.fleet.tenants import choose_tenants, file_name_of, load_fleet, parse_shard

DEFAULTS = """
    [ninjaone]
    secret_token = "a-token-for-training"
    ca_file = "certs/ca.pem"
    [ninjaone.dialect]
    page_size = 50
    [scope]
    groups = ["Staff"]
    statuses = ["active"]
    [duo]
    secret_key = { file = "secrets/duo" }
    """


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def tenant(folder: Path, name: str, more: str = "", host: str | None = None) -> Path:
    return write(
        folder / "tenants" / f"{name}.toml",
        f"""
        [duo]
        api_hostname = "api-{host or name}.duosecurity.com"
        integration_key = "DI{name}"
        [ninjaone]
        endpoint_url = "https://ninja.example.com/scim/{host or name}"
        """
        + textwrap.dedent(more),
    )


def fleet(folder: Path, more: str = "") -> Path:
    write(folder / "defaults.toml", DEFAULTS)
    return write(folder / "fleet.toml", "[fleet]\n" + textwrap.dedent(more))


def test_defaults_lie_under_each_tenants_file_key_by_key(tmp_path: Path) -> None:
    tenant(tmp_path, "north", '[ninjaone.dialect]\nbooleans = "string"\n[scope]\nstatuses = ["bypass"]\n')
    found = load_fleet(fleet(tmp_path))
    (north,) = found.tenants
    assert north.config is not None
    dialect, scope = north.config.ninjaone.dialect, north.config.scope
    assert (dialect.page_size, dialect.booleans) == (50, "string")
    assert (scope.groups, scope.statuses) == (("Staff",), ("bypass",)), "a list is replaced, not added to"


def test_a_tenants_own_place_for_the_ledger_goes_before_that_of_the_defaults(tmp_path: Path) -> None:
    path = fleet(tmp_path)
    with (tmp_path / "defaults.toml").open("a", encoding="utf-8") as defaults:
        defaults.write('\n[state]\npath = "ledger.sqlite3"\n')
    tenant(tmp_path, "north", '[state]\nurl = "postgresql:///north"\n')
    tenant(tmp_path, "south", '[state]\npath = "south.sqlite3"\n')
    north, south = (one.config for one in load_fleet(path).tenants)
    assert north is not None
    assert south is not None
    assert (north.state.path, north.state.url is not None) == ("", True)
    assert (south.state.path, south.state.url) == ("south.sqlite3", None)


def test_relative_paths_in_the_defaults_start_at_the_defaults(tmp_path: Path) -> None:
    tenant(tmp_path, "north")
    (north,) = load_fleet(fleet(tmp_path)).tenants
    assert north.config is not None
    assert north.config.file(north.config.ninjaone.ca_file) == tmp_path / "certs" / "ca.pem"
    assert north.config.duo.secret_key.file == str(tmp_path / "secrets" / "duo")  # type: ignore[union-attr]  # a reference


def test_every_secret_of_the_defaults_starts_there_and_is_replaced_whole_by_a_tenants_own(tmp_path: Path) -> None:
    path = fleet(tmp_path)
    with (tmp_path / "defaults.toml").open("a", encoding="utf-8") as defaults:
        defaults.write('\n[ninjaone.api]\nclient_secret = { file = "api" }\n[state]\nurl = { file = "ledger" }\n')
    tenant(tmp_path, "north")
    tenant(tmp_path, "south", '[ninjaone.api]\nclient_secret = { env = "API" }\n[state]\nurl = { env = "LEDGER" }\n')
    kept = [
        (config.ninjaone.api.client_secret, config.state.url)
        for config in (one.config for one in load_fleet(path).tenants)
        if config is not None
    ]
    files = tuple(SecretReference(file=str(tmp_path / name)) for name in ("api", "ledger"))
    assert kept == [files, (SecretReference(env="API"), SecretReference(env="LEDGER"))]


@pytest.mark.parametrize("by", ["folder", "variable"])
def test_a_tenant_looked_at_by_itself_takes_the_same_defaults(
    tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fleet(tmp_path)
    north = tenant(tmp_path, "north")
    if by == "variable":
        monkeypatch.setenv("NINJASYNC_FLEET", str(path))
    assert load(north).ninjaone.dialect.page_size == 50


def test_a_fleet_named_for_others_does_not_take_a_tenant_the_defaults_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(tmp_path / "ours")
    north = tenant(tmp_path / "ours", "north")
    tenant(tmp_path / "theirs", "south")
    monkeypatch.setenv("NINJASYNC_FLEET", str(fleet(tmp_path / "theirs")))
    assert load(north).ninjaone.dialect.page_size == 50


def test_a_file_that_the_fleet_does_not_name_takes_none_of_its_defaults(tmp_path: Path) -> None:
    fleet(tmp_path)
    elsewhere = write(tmp_path / "elsewhere" / "south.toml", tenant(tmp_path, "south").read_text())
    with pytest.raises(ConfigurationError) as raised:
        load(elsewhere)
    assert any("secret_token" in mistake for mistake in raised.value.mistakes)


@pytest.mark.parametrize("named", ["", 'defaults = "defaults.toml"'])
@pytest.mark.parametrize("pattern", ["tenants/*.toml", "**/*.toml", "tenants/north.toml", "./tenants/n*.toml"])
def test_tenants_are_found_by_file_or_glob_and_the_defaults_are_none(tmp_path: Path, pattern: str, named: str) -> None:
    north = tenant(tmp_path, "north")
    path = fleet(tmp_path, f'tenants = ["{pattern}"]\n{named}\n')
    assert [one.name for one in load_fleet(path).tenants] == ["north"]
    assert load(north).ninjaone.dialect.page_size == 50


def test_every_mistake_in_every_file_is_told_at_once_with_its_file(tmp_path: Path) -> None:
    tenant(tmp_path, "north", "[safety]\nmax_removalls = 3\n[run]\nparallelism = 0\n")
    tenant(tmp_path, "south", "[scope")
    tenant(tmp_path, "west")
    found = {one.name: one for one in load_fleet(fleet(tmp_path)).tenants}
    assert found["west"].mistakes == ()
    assert len(found["north"].mistakes) == 2
    assert any("max_removals" in mistake for mistake in found["north"].mistakes)
    assert "not valid TOML" in found["south"].mistakes[0]


def test_a_mistake_in_the_defaults_is_told_with_their_file_and_one_in_a_tenants_file_is_not(tmp_path: Path) -> None:
    path = fleet(tmp_path)
    with (tmp_path / "defaults.toml").open("a", encoding="utf-8") as defaults:
        defaults.write("\n[safety]\nmax_removalls = 3\nmax_held = -1\n")
    tenant(tmp_path, "north", "[safety]\nmax_held = -2\n")
    (north,) = load_fleet(path).tenants
    in_defaults = f"(in {tmp_path / 'defaults.toml'})"
    assert {("max_removalls" in one, in_defaults in one) for one in north.mistakes} == {(True, True), (False, False)}
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path / "tenants" / "north.toml")
    assert raised.value.mistakes == north.mistakes, "looked at by itself it says the same"
    assert broken_row(north).error.startswith(f"{tmp_path / 'tenants' / 'north.toml'}: ")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({}, {"host": "north"}, "the same identity"),
        (
            {"more": '[state]\ntenant = "a"\n'},
            {"host": "north", "more": '[state]\ntenant = "b"\n[duo]\nintegration_key = "DInorth"\n'},
            "the same Duo account into one endpoint",
        ),
        (
            {"more": '[monitor]\nmetrics_file = "/tmp/m.prom"\n'},
            {"more": '[monitor]\nmetrics_file = "/tmp/m.prom"\n'},
            "the same [monitor] metrics_file",
        ),
        ({"more": '[state]\ntenant = "x"\n'}, {"more": '[state]\ntenant = "x"\n'}, "the same name"),
        # Files that have their names would be one on a disk that knows no case.
        ({"more": '[state]\ntenant = "Zürich"\n'}, {"more": '[state]\ntenant = "ZU\u0308RICH"\n'}, "the same name"),
        # Two applications of one Duo account, each with a key of its own.
        (
            {"more": '[state]\ntenant = "a"\n'},
            {"host": "north", "more": '[state]\ntenant = "b"\n'},
            "the same Duo account into one endpoint",
        ),
    ],
)
def test_two_tenants_that_must_not_stand_beside_each_other_are_mistakes_of_both(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], said: str
) -> None:
    tmp_path = tmp_path / "identity" / "Duo account into"  # a folder's name says nothing of what was found
    tenant(tmp_path, "north", **first)
    more = second.get("more", "")
    if "integration_key" in more:
        more, second = more.replace('[duo]\nintegration_key = "DInorth"\n', ""), {**second, "key": "DInorth"}
    path = tenant(tmp_path, "south", more, second.get("host"))
    if "key" in second:
        path.write_text(path.read_text().replace("DIsouth", "DInorth"))
    tenant(tmp_path, "west")
    found = {one.path.stem: one for one in load_fleet(fleet(tmp_path)).tenants}
    assert found["west"].mistakes == ()
    for name, other in (("north", "south"), ("south", "north")):
        assert any(said in mistake and f"{other}.toml" in mistake for mistake in found[name].mistakes)
        assert found[name].config is None


def test_behind_a_host_that_is_not_duos_the_application_tells_accounts_apart(tmp_path: Path) -> None:
    path = fleet(tmp_path)
    for name, key in (("north", "DInorth"), ("south", "DIsouth"), ("west", "DIsouth")):
        file = tenant(tmp_path, name, f'[state]\ntenant = "{name}"\n', "one")
        file.write_text(file.read_text().replace("api-one.duosecurity.com", "duo.example").replace(f"DI{name}", key))
    found = {one.name: bool(one.mistakes) for one in load_fleet(path).tenants}
    assert found == {"north": False, "south": True, "west": True}


def test_what_many_tenants_share_is_told_with_some_of_them(tmp_path: Path) -> None:
    for number in range(9):
        tenant(tmp_path, f"t{number}", f'[state]\ntenant = "{number}"\n', "one")
    for one in load_fleet(fleet(tmp_path)).tenants:
        [mistake] = one.mistakes
        assert mistake.count(".toml") == 3
        assert mistake.endswith(" and 5 more")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at_onec = 3", 'did you mean "at_once"?'),
        ("at_once = 0", "[fleet] at_once"),
        ("timeout = -1", "[fleet] timeout"),
        ('tenants = ["nowhere/*.toml"]', "fits no file"),
        ("tenants = []", "names no tenant"),
        ('tenants = [""]', "is no pattern"),
        ('tenants = ["tenants/**x.toml"]', "is no pattern"),
        ('tenants = ["/nowhere-at-all/*.toml"]', "fits no file"),
        ('defaults = "missing.toml"', "there is no file"),
        ('canaries = ["nort"]', 'did you mean "north"?'),
        ("[fleet.monitor]\nping_url = 'ftp://x'", "ping_url"),
    ],
)
def test_a_mistake_in_the_fleets_file_is_told_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    tenant(tmp_path, "north")
    with pytest.raises(ConfigurationError) as raised:
        load_fleet(fleet(tmp_path, text))
    assert any(said in mistake for mistake in raised.value.mistakes), raised.value.mistakes
    assert raised.value.exit_code == 78


def test_a_variable_that_would_change_every_tenant_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant(tmp_path, "north")
    path = fleet(tmp_path)
    monkeypatch.setenv("NINJASYNC_SCOPE__GROUPS", '["Others"]')
    with pytest.raises(ConfigurationError, match="NINJASYNC_SCOPE__GROUPS"):
        load_fleet(path)


def test_a_tenants_metrics_file_must_not_be_that_of_the_fleet(tmp_path: Path) -> None:
    tenant(tmp_path, "north", '[monitor]\nmetrics_file = "../x/../fleet.prom"\n')
    (north,) = load_fleet(fleet(tmp_path, '[fleet.monitor]\nmetrics_file = "fleet.prom"\n')).tenants
    assert north.mistakes == (f"the same [monitor] metrics_file as {tmp_path / 'fleet.toml'}",)


def test_a_file_that_two_patterns_name_is_one_tenant_and_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    tenant(tmp_path, "north")
    (tmp_path / "tenants" / "south.toml").symlink_to("nowhere.toml")
    (tmp_path / "same").symlink_to("tenants")
    patterns = '["tenants/*.toml", "tenants/../tenants/n*.toml", "same/north.toml"]'
    north, south = load_fleet(fleet(tmp_path, f"tenants = {patterns}")).tenants
    assert (north.name, north.mistakes) == ("north", ())
    assert "south.toml cannot be read" in south.mistakes[0]


@pytest.mark.parametrize("pattern", ["customers/*/tenant.toml", "**/tenant.toml", "{folder}/customers/*/*.toml"])
def test_a_folder_that_cannot_be_looked_into_leaves_no_tenant_out_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    closed = tmp_path / "customers" / "south"
    closed.mkdir(parents=True)
    north = tenant(tmp_path, "north", "[state]\ntenant = 'north'\n").rename(tmp_path / "customers" / "tenant.toml")
    (tmp_path / "customers" / "north").mkdir()
    north.rename(tmp_path / "customers" / "north" / "tenant.toml")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed)  # root may look into all
    found = load_fleet(fleet(tmp_path, f'tenants = ["{pattern.format(folder=tmp_path)}"]')).tenants
    assert [(one.config is not None, bool(one.mistakes)) for one in found] == [(True, False), (False, True)]
    assert f"{closed}{os.sep}" in found[1].mistakes[0]
    assert "cannot be read" in found[1].mistakes[0]


def test_names_on_the_command_line_and_of_canaries_follow_the_one_rule_for_names(tmp_path: Path) -> None:
    tenant(tmp_path, "Zu\u0308rich")  # as some disks have it
    found = load_fleet(fleet(tmp_path, 'canaries = ["zürich"]'))
    for glob in ("Zürich", "zür*"):
        assert [one.path for one in choose_tenants(found, [glob], None)] == [found.tenants[0].path]
    assert is_canary(found.settings, found.tenants[0].name)


def test_a_broken_file_moves_no_tenant_to_another_shard(tmp_path: Path) -> None:
    files = [
        tenant(tmp_path, name, f'[state]\ntenant = "{key}"\n') for name, key in (("a", "z"), ("b", "y"), ("c", "x"))
    ]
    path = fleet(tmp_path)

    def shards() -> list[list[str]]:
        found = load_fleet(path)
        return [[one.path.stem for one in choose_tenants(found, [], (number, 2))] for number in (1, 2)]

    before = shards()
    files[1].write_text("[broken")
    assert shards() == before


def test_tenants_are_chosen_by_glob_and_a_glob_that_fits_none_is_told(tmp_path: Path) -> None:
    for name in ("north", "south", "northwest"):
        tenant(tmp_path, name)
    found = load_fleet(fleet(tmp_path))
    assert [one.name for one in choose_tenants(found, ["north*"], None)] == ["north", "northwest"]
    with pytest.raises(CommandLineError, match='did you mean "south"'):
        choose_tenants(found, ["souht"], None)


@pytest.mark.parametrize("of", [1, 2, 3, 5, 9])
def test_shards_have_each_tenant_exactly_once(tmp_path: Path, of: int) -> None:
    for number in range(7):
        tenant(tmp_path, f"t{number}")
    found = load_fleet(fleet(tmp_path))
    parts = [choose_tenants(found, [], parse_shard(f"{number}/{of}")) for number in range(1, of + 1)]
    assert sorted(one.name for part in parts for one in part) == [f"t{number}" for number in range(7)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "/", "1/3/5", "-1/3", ""])
def test_a_shard_that_is_none_is_told(text: str) -> None:
    with pytest.raises(CommandLineError, match="--shard"):
        parse_shard(text)


def test_a_tenants_files_have_names_that_are_safe_and_differ(tmp_path: Path) -> None:
    names = ("plain", "../../etc", "a/b", "a b", "a-b", "ä", "")
    for number, name in enumerate(names):
        tenant(tmp_path, f"t{number}", f'[state]\ntenant = "{name}"\n')
    # The last: a file's name in bytes that are no UTF-8.
    files = [Path(f"{name}.toml") for name in ("a" * 240, "nor\udcffth")]
    others = [TenantFile(file.stem, file, None) for file in files]
    made = [file_name_of(one.name) for one in (*load_fleet(fleet(tmp_path)).tenants, *others)]
    assert len(set(made)) == len(names) + len(others)
    assert all("/" not in name and name not in ("", ".", "..") for name in made)
    assert max(map(len, made)) < 100


@pytest.mark.parametrize("pattern", ["{folder}/tenants/*.toml", "../customers/tenants/*.toml", "~/tenants/*.toml"])
def test_tenants_may_be_anywhere_and_take_the_defaults_by_themselves_too(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = tmp_path / "customers"
    north = tenant(customers, "north")
    monkeypatch.setenv("HOME", str(customers))
    path = fleet(tmp_path / "fleet", f'tenants = ["{pattern.format(folder=customers)}"]')
    (found,) = load_fleet(path).tenants
    assert (found.name, found.mistakes) == ("north", ())
    monkeypatch.setenv("NINJASYNC_FLEET", str(path))
    assert load(north).ninjaone.dialect.page_size == 50


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('tenants = "x"', '[fleet] tenants: allowed: a list, as in ["…"]'),
        ("canaries = [5]", "[fleet] canaries (item 1): found 5; allowed: a valid string"),
        ("monitor = 1", "[fleet] monitor: found 1; allowed: a table"),
        ("at_once = 0", "[fleet] at_once: found 0; allowed: greater than or equal to 1"),
        (r'defaults = "a\u0000b"', "[fleet] defaults: holds a NUL"),
        ('timeout = "pass-word"', "[fleet] timeout: allowed: a valid number"),
        ('monitor.ping_urll = "x"', '[fleet.monitor] ping_urll: unknown key; did you mean "ping_url"?'),
        ("accounts = {}", "[fleet.accounts] secret_key: is missing"),
        ("accounts.secret_key = 77001234567", "[fleet.accounts] secret_key: allowed: a string, or one of {"),
        ("database = 77001234567", "[fleet] database: allowed: a string, or one of {"),
    ],
)
def test_a_mistake_of_the_fleet_says_what_was_found_and_what_is_allowed(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "fleet.toml").write_text(f"[fleet]\n{line}\n", "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(tmp_path / "fleet.toml")
    told = "\n".join(caught.value.mistakes)
    assert said in told
    assert not [secret for secret in ("pass-word", "77001234567", "SecretReference") if secret in told]


@pytest.mark.parametrize(
    "line", ['state.path = "{}/x"', 'monitor.metrics_file = "{}/x"', 'duo.secret_key.file = "{}/x"']
)
def test_defaults_in_a_home_folder_that_is_not_there_are_a_mistake(tmp_path: Path, line: str) -> None:
    tenant(tmp_path, "north")
    path = fleet(tmp_path)
    (tmp_path / "defaults.toml").write_text(f"{line.format('~no-such-user')}\n", "utf-8")
    with pytest.raises(ConfigurationError, match="no home folder"):
        load_fleet(path)


def test_defaults_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "shared.toml").write_text(f"{textwrap.dedent(DEFAULTS)}\n[run]\nretries = 2\n", "utf-8")
    tenant(tmp_path, "north")
    fleet(tmp_path).write_text('[fleet]\ndefaults = "~/shared.toml"\n', "utf-8")
    [north] = load_fleet(tmp_path / "fleet.toml").tenants
    assert north.config is not None
    assert north.config.run.retries == 2
