"""What the journey tests share: a small world, its configuration, and the command line.

Knows the sandbox's public face and the contract. Must not know how ninjasync is built.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from ninjasync import cli
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne

Json: TypeAlias = dict[str, Any]
Config: TypeAlias = dict[str, Any]

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
EXTENSION = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
TECHS, ENDERS = "NinjaOne Technicians", "NinjaOne End Users"


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        document: Json = json.loads(self.out)
        return document

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]

    @property
    def text(self) -> str:
        return self.out + self.err

    def changes(self, resource: str = "user") -> dict[str, str]:
        """The action by key."""
        return {each["key"]: each["action"] for each in self.json["changes"] if each["resource"] == resource}

    def problems(self) -> dict[str, str]:
        """The problem code by key."""
        return {each["key"]: each["code"] for each in self.json["problems"]}

    def change(self, key: str) -> Json:
        (found,) = (each for each in self.json["changes"] if each["key"] == key)
        return dict(found)

    def tripped(self) -> set[str]:
        return {guard["name"] for guard in self.json["guards"] if guard["tripped"]}


def run(*arguments: str) -> Result:
    """Run the command line inside this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(list(arguments))
    return Result(code, out.getvalue(), err.getvalue())


def spawn(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command line as a process of its own."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(
        [sys.executable, "-m", "ninjasync", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_heed_interrupts,
        **options,
    )


def _heed_interrupts() -> None:
    """A shell that runs the tests in the background lets them, and so their children, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_process(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Result:
    """Run the command line as a process of its own, to its end."""
    with spawn(*arguments, env={**os.environ, **(env or {})}, **options) as process:
        out, err = process.communicate(timeout=60)
    return Result(process.returncode, out.decode(), err.decode())


def toml(value: Any) -> str:
    """One TOML value."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def toml_document(config: Config) -> str:
    return "\n".join(
        f"[{section}]\n" + "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in keys.items())
        for section, keys in config.items()
    )


def staff(technicians: int = 3, end_users: int = 12, *, seed: int = 7) -> Company:
    """A company of plain people: techN.one@ and userN.two@, all in scope and valid."""
    made = Company(seed=seed)
    made.scoped += [made.found_group(TECHS), made.found_group(ENDERS)]
    made.found_group("Elsewhere")
    for number in range(technicians):
        made.hire(f"Tech{number}", "One", groups=[TECHS], user_type="technician")
    for number in range(end_users):
        made.hire(f"User{number}", "Two", groups=[ENDERS], user_type="endUser", organization=str(number + 1))
    return made


@dataclass
class Saved:
    """A world at rest."""

    config: Config
    people: tuple[dict[str, Json], dict[str, Json]]
    ninjaone: tuple[dict[str, Json], ...]
    ledger: dict[str, bytes]


class World:
    """A sandbox with a configuration file, and the command line to it."""

    def __init__(self, folder: Path, people: Company | None = None, ninjaone: NinjaOne | None = None) -> None:
        self.folder = folder
        self.people = staff() if people is None else people
        self.ninjaone = NinjaOne(seed=3) if ninjaone is None else ninjaone
        self.box = Sandbox(self.people, self.ninjaone).start()
        self._duo_meddler: Meddler | None = None
        self._scim_meddler: Meddler | None = None
        self.config: Config = {
            "duo": {
                "api_hostname": self.box.duo_url,
                "integration_key": self.box.integration_key,
                "secret_key": self.box.secret_key,
                "rate_limit": 0,
                "timeout": 5,
            },
            "ninjaone": {"endpoint_url": self.box.scim_url, "secret_token": self.box.token, "timeout": 5},
            "ninjaone.dialect": {},
            "scope": {"groups": [TECHS, ENDERS]},
            "attributes": {},
            "groups": {},
            "deprovision": {},
            "safety": {},
            "run": {"retries": 2},
            "state": {"path": "ledger.sqlite"},
        }

    def stop(self) -> None:
        for meddler in filter(None, (self._duo_meddler, self._scim_meddler)):
            meddler.stop()
        self.box.stop()

    def save(self) -> Saved:
        """All that a test may change, so that the next one starts from the same."""
        return copy.deepcopy(
            Saved(
                self.config,
                (self.people.users, self.people.groups),
                tuple(dict(self.ninjaone.table(kind)) for kind in (USER, GROUP)),
                {file.name: file.read_bytes() for file in self.folder.glob("ledger*") if file.is_file()},
            )
        )

    def restore(self, saved: Saved, folder: Path) -> World:
        """Go back to that, in another folder; the addresses stay, and so does the tenant."""
        saved = copy.deepcopy(saved)
        self.folder, self.config = folder, saved.config
        for mine, records in zip((self.people.users, self.people.groups), saved.people, strict=True):
            mine.clear()
            mine.update(records)
        self.ninjaone.clear()
        for kind, resources in zip((USER, GROUP), saved.ninjaone, strict=True):
            for resource in resources.values():
                self.ninjaone.overwrite(kind, resource)
        for name, content in saved.ledger.items():
            (folder / name).write_bytes(content)
        for meddler in filter(None, (self._duo_meddler, self._scim_meddler)):
            meddler.meddle = untouched
            meddler.hits.clear()
        self.box.forget()
        return self

    def meddle_duo(self, meddle: Meddling | None = None) -> Meddler:
        """From now on, ninjasync reaches Duo through this; a second time by the same address."""
        if self._duo_meddler is None:
            self._duo_meddler = Meddler(self.box.duo_url)
            self.configure("duo", api_hostname=self._duo_meddler.url)
        self._duo_meddler.meddle = meddle or untouched
        self._duo_meddler.hits.clear()
        return self._duo_meddler

    def meddle_scim(self, meddle: Meddling | None = None) -> Meddler:
        """From now on, ninjasync reaches NinjaOne through this; a second time by the same address."""
        if self._scim_meddler is None:
            self._scim_meddler = Meddler(self.box.scim_url)
            self.configure("ninjaone", endpoint_url=self._scim_meddler.url)
        self._scim_meddler.meddle = meddle or untouched
        self._scim_meddler.hits.clear()
        return self._scim_meddler

    @property
    def path(self) -> Path:
        return self.folder / "config.toml"

    def configure(self, section: str, **keys: Any) -> None:
        self.config.setdefault(section, {}).update(keys)

    def write(self) -> str:
        self.path.write_text(toml_document(self.config), encoding="utf-8")
        return str(self.path)

    def run(self, command: str, *arguments: str) -> Result:
        return run(command, "--config", self.write(), *arguments)

    def process(self, command: str, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        return run_process(command, "--config", self.write(), *arguments, env=env)

    def writes_of(self, *arguments: str) -> list[tuple[str, str]]:
        """Apply, see that it was fine, and return what it sent."""
        self.box.forget()
        done = self.apply(*arguments)
        assert done.code == 0, done.text
        return self.writes()

    def plan(self, *arguments: str) -> Result:
        return self.run("plan", "--format", "json", *arguments)

    def apply(self, *arguments: str) -> Result:
        return self.run("apply", "--yes", "--format", "json", *arguments)

    def settle(self) -> None:
        """Apply what there is, and see that it was fine and nothing is left."""
        done = self.apply()
        assert done.code == 0, done.text
        left = self.plan("--detailed-exitcode")
        assert (left.code, left.json["changes"]) == (0, []), left.text
        self.box.forget()

    def writes(self) -> list[tuple[str, str]]:
        """What was sent to NinjaOne other than GETs: method and path behind the base."""
        return [
            (each.method, each.path.removeprefix("/scim/v2"))
            for each in self.box.requests
            if each.service == "scim" and each.method != "GET"
        ]

    # NinjaOne as it is

    def accounts(self) -> dict[str, Json]:
        """The accounts by userName."""
        return {each["userName"]: dict(each) for each in self.ninjaone.users.values()}

    def account(self, user_name: str) -> Json:
        return dict(self.accounts()[user_name])

    def groups(self) -> dict[str, set[str]]:
        """The userNames of the members by displayName."""
        names = {each["id"]: each["userName"] for each in self.ninjaone.users.values()}
        return {
            each["displayName"]: {names[member["value"]] for member in each["members"]}
            for each in self.ninjaone.groups.values()
        }

    def snapshot(self) -> str:
        """All that NinjaOne stores, byte for byte."""
        return json.dumps([dict(self.ninjaone.users.items()), dict(self.ninjaone.groups.items())], sort_keys=True)

    def id_of(self, user_name: str) -> str:
        return str(self.account(user_name)["id"])

    def duo(self, email: str) -> str:
        return self.people.user_with_email(email)


# A server of our own between ninjasync and the sandbox


@dataclass
class Hit:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def document(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    @property
    def on(self) -> str:
        """Method and kind of resource, as in ``POST Users``, ``PATCH Groups``, ``GET users``."""
        kinds = [part for part in self.path.split("/") if part.lower() in ("users", "groups")]
        return f"{self.method} {kinds[-1] if kinds else self.path}"


@dataclass
class Reply:
    """What goes out; ``hang_up`` closes the connection after that many bytes of all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    hang_up: int | None = None

    @property
    def document(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    def with_document(self, document: Any) -> Reply:
        return Reply(self.status, json.dumps(document).encode(), self.headers)


Forward: TypeAlias = Callable[[], Reply]
Meddling: TypeAlias = Callable[[Hit, Forward], Reply]

HANG_UP = Reply(hang_up=0)


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


def html_reply(status: int = 200) -> Reply:
    return Reply(status, b"<html><body><h1>Bad Gateway</h1></body></html>", {"Content-Type": "text/html"})


def untouched(hit: Hit, forward: Forward) -> Reply:
    return forward()


class Meddler:
    """Passes requests on to ``target`` but for what ``meddle`` makes of them; remembers every hit."""

    def __init__(self, target: str, meddle: Meddling = untouched) -> None:
        self.meddle = meddle
        self.hits: list[Hit] = []
        self._target = urlsplit(target)
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hit = Hit(self.command, self.path, headers, body)
                meddler.hits.append(hit)
                self._send(meddler.meddle(hit, lambda: meddler._forward(hit)))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

            def _send(self, reply: Reply) -> None:
                lines = [f"HTTP/1.1 {reply.status} Whatever", f"Content-Length: {len(reply.body)}"]
                lines += [f"{name}: {value}" for name, value in reply.headers.items()]
                raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body
                if reply.hang_up is not None:
                    raw, self.close_connection = raw[: reply.hang_up], True
                with contextlib.suppress(OSError):
                    self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._target.path}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, on: str) -> int:
        return sum(hit.on == on for hit in self.hits)

    def _forward(self, hit: Hit) -> Reply:
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port or 0, timeout=10)
        try:
            connection.putrequest(hit.method, hit.target, skip_host=True, skip_accept_encoding=True)
            for name, value in hit.headers.items():
                if name not in ("connection", "content-length", "transfer-encoding"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(hit.body)))
            connection.endheaders(hit.body)
            response = connection.getresponse()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name in ("Content-Type", "Date", "ETag", "Location")
            }
            return Reply(response.status, response.read(), kept)
        finally:
            connection.close()
