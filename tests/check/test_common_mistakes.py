"""What people get wrong at first, each with the exit code and the one sentence that says how to put it right."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from ninjasync.config.load import load
from ninjasync.config.tenant import tenant_of
from ninjasync.state import lock
from tests.support.command import run
from tests.support.company import TECHNICIANS
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling
from tests.support.server import Hit, LoopbackServer, Reply, html_reply, json_reply
from tests.support.urns import ORGANIZATION_ID, USER_TYPE

CONSOLE_URL = "it is the SCIM URL that the NinjaOne console shows, unchanged"
NEW_TOKEN = "Make a new token in the NinjaOne console"
ADMIN_API = "it must be that of an Admin API application of this Duo account"


@dataclass
class Bench:
    """A world in which one thing is wrong, and what the mistake needs for it."""

    world: Office
    monkeypatch: pytest.MonkeyPatch
    after: ExitStack

    def duo(self, **keys: Any) -> None:
        self.world.configure("duo", **keys)

    def ninjaone(self, **keys: Any) -> None:
        self.world.configure("ninjaone", **keys)

    def file(self, name: str, text: str, mode: int = 0o600) -> str:
        path = self.world.folder / name
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return str(path)


@dataclass(frozen=True)
class Mistake:
    """``check`` says so in ``line`` and ends with ``code``; ``plan`` says the same and ends with ``plan``."""

    made: Callable[[Bench], Any]
    line: str
    code: int
    cure: str
    plan: int | None = None


def empty_variable(bench: Bench) -> None:
    bench.monkeypatch.setenv("OUR_KEY", "")
    bench.duo(secret_key={"env": "OUR_KEY"})


def secret_file(bench: Bench) -> None:
    name = bench.file("duo.secret", bench.world.box.secret_key, 0o644)
    bench.duo(secret_key={"file": name})


def closed_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def unresolvable(bench: Bench, host: str) -> None:
    real = socket.getaddrinfo

    def lookup(name: Any, *rest: Any, **more: Any) -> Any:
        if name == host:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(name, *rest, **more)

    bench.monkeypatch.setattr(socket, "getaddrinfo", lookup)


def unresolvable_duo(bench: Bench) -> None:
    unresolvable(bench, "api-wrong.invalid")
    bench.duo(api_hostname="api-wrong.invalid")


def unresolvable_ninjaone(bench: Bench) -> None:
    unresolvable(bench, "wrong.invalid")
    bench.ninjaone(endpoint_url="https://wrong.invalid/scim")


def dated(offset: timedelta, reply: Reply) -> Reply:
    then = format_datetime(datetime.now(UTC) + offset, usegmt=True)
    return Reply(reply.status, reply.body, {**reply.headers, "Date": then})


def off_by(offset: timedelta) -> Meddling:
    return lambda hit, forward: dated(offset, forward())


def duo_refuses_the_time(hit: Hit, forward: Forward) -> Reply:
    body = {"stat": "FAIL", "code": 40105, "message": "Bad request timestamp", "message_detail": None}
    return dated(timedelta(hours=1), json_reply(body, 401))


def forbidding_groups(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"detail": "groups are not allowed"}, 403) if "Groups" in hit.path else forward()


def rename_group(bench: Bench) -> None:
    groups = bench.world.people.groups
    next(group for group in groups.values() if group["name"] == TECHNICIANS)["name"] = "NinjaOne Technician"


def empty_groups(bench: Bench) -> None:
    for user in bench.world.people.users.values():
        user["groups"] = []


def intercepted(bench: Bench) -> str:
    """Serve TLS with a certificate of an unknown authority, as an inspecting firewall does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    server = LoopbackServer(lambda hit: Reply(), context).start()
    bench.after.callback(server.stop)
    return server.url.replace("127.0.0.1", "localhost")


def missing_quote(bench: Bench) -> None:
    name = bench.file("config.toml", '[duo]\napi_hostname = "x\n')
    bench.monkeypatch.setattr(Office, "write_config", lambda office: name)


def ledger_of_another_program(bench: Bench) -> None:
    bench.file("ledger.sqlite3", "not a database, by far")


def lock_held(bench: Bench) -> None:
    config = load(Path(bench.world.write_config()))
    path = config.file(config.state.path)
    bench.after.enter_context(lock.hold_lock(path, tenant_of(config), 0, datetime.now(UTC)))


def days(number: int) -> Any:
    return datetime.now(UTC).date() + timedelta(days=number)


def mapping(**lines: str) -> Callable[[Bench], None]:
    names = {"type": USER_TYPE, "organization": ORGANIZATION_ID, "user_name": "userName", "given": "name.givenName"}
    return lambda bench: bench.world.configure("attributes", **{names[key]: text for key, text in lines.items()})


def proxied(bench: Bench, proxy: str) -> None:
    unresolvable(bench, "api-1a2b3c4d.duosecurity.com")
    bench.duo(api_hostname="api-1a2b3c4d.duosecurity.com", proxy=proxy)


MISTAKES: dict[str, Mistake] = {
    # Duo
    "the host of another service": Mistake(
        lambda b: b.duo(api_hostname=b.world.box.scim_url.removesuffix("/scim/v2")),
        "Duo groups",
        1,
        "Check [duo] api_hostname, and that no proxy answers in Duo's place.",
        1,
    ),
    "a host that does not exist": Mistake(
        unresolvable_duo, "Duo groups", 1, "Check [duo] api_hostname, the network", 1
    ),
    "a port on which nothing listens": Mistake(
        lambda b: b.duo(api_hostname=f"http://127.0.0.1:{closed_port()}"),
        "Duo groups",
        1,
        "Check [duo] api_hostname, the network",
        1,
    ),
    "a path behind the host": Mistake(
        lambda b: b.duo(api_hostname="api-1a2b3c4d.duosecurity.com/admin/v1"),
        "configuration",
        78,
        "is a host name without a path, as Duo's console shows it",
        78,
    ),
    "plain http to Duo": Mistake(
        lambda b: b.duo(api_hostname="http://api-1a2b3c4d.duosecurity.com"), "configuration", 78, "use https://", 78
    ),
    "the two keys swapped": Mistake(
        lambda b: b.duo(integration_key="k" * 40, secret_key="DIABCDEFGHIJKLMNOPQR"),
        "Duo secret key",
        1,
        "Exchange [duo] integration_key and secret_key.",
    ),
    "the secret key given twice": Mistake(
        lambda b: b.duo(integration_key="k" * 40), "Duo secret key", 1, 'Copy "Integration key" (DI and 18 more'
    ),
    "the key of an Auth API application": Mistake(
        lambda b: b.duo(integration_key="DIAUTHAPI00000000000"), "Duo groups", 6, ADMIN_API, 6
    ),
    "the wrong secret key": Mistake(
        lambda b: b.duo(secret_key="x" * 40),
        "Duo groups",
        6,
        "Check [duo] secret_key, and that this machine's clock is right",
        6,
    ),
    "no permission to read users and groups": Mistake(
        lambda b: b.world.box.permissions.clear(), "Duo groups", 6, 'the permission "Grant resource - Read"', 6
    ),
    "a clock that is an hour off": Mistake(
        lambda b: b.world.proxy_duo(duo_refuses_the_time), "Duo's clock", 6, "Set this machine's clock", 6
    ),
    "a clock that is a minute off": Mistake(
        lambda b: b.world.proxy_duo(off_by(timedelta(minutes=1))), "Duo's clock", 0, "Set this machine's clock"
    ),
    "a clock that is off from NinjaOne's": Mistake(
        lambda b: b.world.proxy_scim(off_by(timedelta(minutes=-20))), "NinjaOne's clock", 1, "Set this machine's clock"
    ),
    "a page of HTML instead of Duo": Mistake(
        lambda b: b.world.proxy_duo(lambda hit, forward: html_reply(200)),
        "Duo groups",
        1,
        "that no proxy answers in Duo's place",
        1,
    ),
    "a proxy that does not listen": Mistake(
        lambda b: proxied(b, f"http://127.0.0.1:{closed_port()}"),
        "Duo groups",
        1,
        "a proxy in the way ([duo] proxy, HTTPS_PROXY)",
        1,
    ),
    "a proxy that answers with HTML": Mistake(
        lambda b: proxied(b, b.world.box.duo_url), "Duo groups", 1, "a proxy in the way ([duo] proxy, HTTPS_PROXY)", 1
    ),
    "TLS to Duo inspected": Mistake(
        lambda b: b.duo(api_hostname=intercepted(b)), "Duo groups", 1, "its certificate authority by [duo] ca_file", 1
    ),
    "a CA bundle that is none": Mistake(
        lambda b: b.duo(api_hostname="https://localhost:1", ca_file=b.file("ca.pem", "nothing")),
        "Duo groups",
        78,
        'Give a file of PEM certificates, or "system".',
        78,
    ),
    # NinjaOne
    "a token that expired": Mistake(lambda b: b.ninjaone(secret_token="an-old-one"), "NinjaOne users", 6, NEW_TOKEN, 6),
    "the token of another provider's entry": Mistake(
        lambda b: b.ninjaone(secret_token="another-one"),
        "NinjaOne users",
        6,
        "fits its own provider's endpoint alone",
        6,
    ),
    "a token with the word Bearer": Mistake(
        lambda b: b.ninjaone(secret_token="Bearer abc"), "SCIM token", 78, "Keep the token alone", 78
    ),
    "an endpoint without its path": Mistake(
        lambda b: b.ninjaone(endpoint_url=b.world.box.scim_url.removesuffix("/scim/v2")),
        "NinjaOne users",
        1,
        CONSOLE_URL,
        1,
    ),
    "an endpoint with too much path": Mistake(
        lambda b: b.ninjaone(endpoint_url=b.world.box.scim_url + "/Users"), "NinjaOne users", 1, CONSOLE_URL, 1
    ),
    "an endpoint that does not exist": Mistake(unresolvable_ninjaone, "NinjaOne users", 1, CONSOLE_URL, 1),
    "an endpoint on which nothing listens": Mistake(
        lambda b: b.ninjaone(endpoint_url=f"http://127.0.0.1:{closed_port()}/scim"), "NinjaOne users", 1, CONSOLE_URL, 1
    ),
    "plain http to NinjaOne": Mistake(
        lambda b: b.ninjaone(endpoint_url="http://eu.ninjarmm.com/scim"), "configuration", 78, "use https://", 78
    ),
    "an endpoint that leads to a login page": Mistake(
        lambda b: b.world.proxy_scim(lambda hit, forward: Reply(302, headers={"Location": "https://login.invalid/"})),
        "NinjaOne users",
        1,
        CONSOLE_URL,
        1,
    ),
    "a page of HTML instead of NinjaOne": Mistake(
        lambda b: b.world.proxy_scim(lambda hit, forward: html_reply(200)), "NinjaOne users", 1, CONSOLE_URL, 1
    ),
    "a provider that may not manage groups": Mistake(
        lambda b: b.world.proxy_scim(forbidding_groups),
        "NinjaOne groups",
        6,
        "this kind of provider may not manage groups",
    ),
    "TLS to NinjaOne inspected": Mistake(
        lambda b: b.ninjaone(endpoint_url=intercepted(b) + "/scim"),
        "NinjaOne users",
        1,
        "its certificate authority by [ninjaone] ca_file",
        1,
    ),
    "a token past its day": Mistake(
        lambda b: b.ninjaone(token_expires=days(-2)), "token expiry", 1, "set [ninjaone] token_expires"
    ),
    "a token about to expire": Mistake(
        lambda b: b.ninjaone(token_expires=days(0)), "token expiry", 0, "The SCIM token expires today, on ", 0
    ),
    # secrets
    "an environment variable that is empty": Mistake(
        empty_variable,
        "Duo secret key",
        78,
        "Set OUR_KEY before ninjasync starts.",
        78,
    ),
    "a file of secrets that is not there": Mistake(
        lambda b: b.ninjaone(secret_token={"file": "nowhere.secret"}),
        "SCIM token",
        78,
        "Check the path and who may read it.",
        78,
    ),
    "a file of secrets that is empty": Mistake(
        lambda b: b.ninjaone(secret_token={"file": b.file("empty.secret", "\n")}),
        "SCIM token",
        78,
        "Put the secret there.",
        78,
    ),
    "a file of secrets that others may read": Mistake(secret_file, "Duo secret key", 0, "chmod 600"),
    "a secret kept in two places": Mistake(
        lambda b: b.duo(secret_key={"env": "OUR_KEY", "file": "duo.secret"}),
        "configuration",
        78,
        "name exactly one of env, file, keyring, command",
        78,
    ),
    # the configuration
    "a missing quote": Mistake(
        missing_quote,
        "configuration",
        78,
        "Fix that line",
        78,
    ),
    "a key misspelt": Mistake(
        lambda b: b.duo(api_hostnam="x"), "configuration", 78, 'unknown key; did you mean "api_hostname"?', 78
    ),
    "a word where a number belongs": Mistake(
        lambda b: b.duo(timeout="soon"), "configuration", 78, "[duo] timeout: found 'soon'; allowed: a valid number", 78
    ),
    "a scope that names nobody": Mistake(
        lambda b: b.world.configure("scope", groups=[]), "configuration", 78, "lets no user in; give groups", 78
    ),
    "an expression that does not parse": Mistake(
        mapping(type="custom_attributes.["), "configuration", 78, "does not parse at character", 78
    ),
    "a variable with a section misspelt": Mistake(
        lambda b: b.monkeypatch.setenv("NINJASYNC_DOU__TIMEOUT", "3"),
        "configuration",
        78,
        'did you mean "NINJASYNC_DUO__TIMEOUT"?',
        78,
    ),
    # people and groups
    "an attribute misspelt": Mistake(
        mapping(type="custom_attributes.userTpye"), "attributes", 1, "Write custom_attributes.userType there"
    ),
    "an attribute in the wrong letter case": Mistake(
        mapping(organization="custom_attributes.organizationId"),
        "attributes",
        1,
        "Write custom_attributes.organizationID there; letter case counts.",
    ),
    "a field of Duo misspelt": Mistake(mapping(user_name="emial"), "attributes", 1, "Write email there"),
    "an attribute that no user has": Mistake(
        mapping(organization="custom_attributes.site"), "attributes", 0, "or give the attribute a value in Duo"
    ),
    "a group renamed in Duo": Mistake(
        rename_group, "groups in scope", 1, f'Duo has no group "{TECHNICIANS}"; did you mean "NinjaOne Technician"?', 3
    ),
    "a group with the suffix of another directory": Mistake(
        lambda b: b.world.configure("scope", groups=[f'{TECHNICIANS} (from AD sync "c")']),
        "groups in scope",
        1,
        f'did you mean "{TECHNICIANS}"?',
        3,
    ),
    "a pattern that no group fits": Mistake(
        lambda b: b.world.configure("scope", groups=[TECHNICIANS, "Ninjas*"]),
        "groups in scope",
        0,
        "Fix the pattern",
        None,
    ),
    "groups without members": Mistake(empty_groups, "people in scope", 1, "do its groups have members in Duo", None),
    # this machine
    "a ledger where none can be": Mistake(
        lambda b: b.world.configure("state", path="config.toml/ledger"),
        "ledger",
        1,
        "Give [state] path a place that may be written to.",
    ),
    "another program's file as the ledger": Mistake(
        ledger_of_another_program, "ledger", 1, "Put a backup in its place.", 1
    ),
    "another run under way": Mistake(lock_held, "lock", 0, "Wait until that run has ended", 0),
}


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.proxy_duo()
    world.proxy_scim()
    yield world, world.save()
    world.stop()


@pytest.fixture
def bench(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    world, saved = at_rest
    world.restore(saved, tmp_path)
    world.configure("ninjaone", token_expires=days(100))
    permissions = set(world.box.permissions)
    with ExitStack() as after:
        yield Bench(world, monkeypatch, after)
    world.box.permissions.update(permissions)


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", MISTAKES)
def test_check_finds_the_mistake_says_how_to_put_it_right_and_shows_no_secret(bench: Bench, name: str) -> None:
    mistake = MISTAKES[name]
    mistake.made(bench)
    done = bench.world.run("check", "--format", "json")
    assert done.code == done.json["exit_code"] == mistake.code, done.out
    lines = {line["name"]: line for line in done.json["checks"]}
    line = lines[mistake.line]
    assert line["color"] == ("red" if mistake.code else "yellow")
    assert mistake.cure in " ".join([line["text"], *line["details"], line["cure"]])
    assert "Traceback" not in done.text
    for secret in (bench.world.config["duo"]["secret_key"], bench.world.config["ninjaone"]["secret_token"]):
        assert not isinstance(secret, str) or secret not in done.text
    assert bench.world.writes() == []


@pytest.mark.parametrize("name", [name for name, mistake in MISTAKES.items() if mistake.plan is not None])
def test_plan_ends_with_the_right_exit_code_and_the_same_cure(bench: Bench, name: str) -> None:
    mistake = MISTAKES[name]
    mistake.made(bench)
    done = bench.world.run("plan")
    assert done.code == mistake.plan, done.text
    if done.code:
        assert mistake.cure in words(done.text)


def test_no_configuration_at_all_leads_to_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "mine"))
    for name in list(os.environ):
        if name.startswith("NINJASYNC_"):
            monkeypatch.delenv(name)
    for command in ("check", "plan"):
        done = run(command)
        assert done.code == 78
        assert "ninjasync init" in words(done.text)


def test_a_service_that_repeats_the_token_does_not_make_it_show(bench: Bench) -> None:
    def repeat(hit: Hit, forward: Forward) -> Reply:
        return json_reply({"detail": f"no such token: {hit.headers['authorization']}"}, 422)

    bench.world.configure("ninjaone.dialect", discovery="list")
    bench.world.proxy_scim(repeat)
    for arguments in (("check",), ("check", "--format", "json"), ("plan",), ("apply", "--yes")):
        done = bench.world.run(*arguments)
        assert done.code == 1
        assert "no such token: Bearer ***" in words(done.text)
        assert bench.world.box.token not in done.text
