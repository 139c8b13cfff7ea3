"""NinjaOne played by scim2-server, which we did not write, over real HTTP."""

import contextlib
import io
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cheroot import wsgi
from scim2_models import Attribute, ResourceType, Schema, SchemaExtension, ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

from ninjasync.cli import run
from ninjasync.model.attributes import NINJAONE
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import make_company

_TOKEN = "a-token-of-the-independent-server"


def _application() -> tuple[BearerTokenApplication, InMemoryStorage]:
    """Return a SCIM server with NinjaOne's extension and a bearer token."""
    schemas = load_default_schemas()
    extension = Schema(
        id=NINJAONE,
        name="NinjaOne User",
        attributes=[
            Attribute(name=name, type=Attribute.Type.string, multi_valued=False, required=False)
            for name in ("userType", "organizationId")
        ],
    )
    types: dict[str, ResourceType] = load_default_resource_types()
    user = next(one for one in types.values() if one.name == "User")
    user.schema_extensions = [SchemaExtension(schema_=NINJAONE, required=False)]
    provider = ScimProvider.from_discovery(
        [*schemas.values(), extension], types.values(), config=load_default_service_provider_config()
    )
    storage = InMemoryStorage()
    return BearerTokenApplication(storage, provider, service=ScimService(provider), bearer_tokens=[_TOKEN]), storage


class _FailingAnswers:
    """A share of requests ends in a 500; a share of the writes is carried out and answered with a 502."""

    def __init__(self, application: Callable[..., Iterable[bytes]], rate: float, seed: int) -> None:
        self._application, self._rate = application, rate
        self._random, self._lock = random.Random(seed), threading.Lock()
        self.seen: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self._lock:
            fails, loses = self._random.random() < self._rate, self._random.random() < self._rate
            self.seen["requests"] += 1
            self.seen["failed"] += fails
            self.seen["lost"] += loses and not fails
        if fails:
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return []
        answered: list[Any] = []
        body = b"".join(self._application(environ, lambda *args: answered.append(args)))
        if loses:
            start_response("502 Bad Gateway", [("Content-Length", "0")])
            return []
        start_response(*answered[0])
        return [body]


@contextmanager
def _served(application: Callable[..., Iterable[bytes]]) -> Iterator[str]:
    server = wsgi.Server(("127.0.0.1", 0), application, numthreads=8)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.bind_addr[1]}/v2"
    finally:
        server.stop()
        thread.join()


def _config(folder: Path, box: Sandbox, url: str) -> Path:
    text = box.config_toml().replace(box.scim_url, url).replace(box.token, _TOKEN)
    # The sandbox's public API knows nothing of this server's accounts.
    text = re.sub(r"\[ninjaone\.api\]\n(?:[^\[\n].*\n|\n)*", "", text)
    path = folder / "config.toml"
    path.write_text(f'{text}\n[state]\npath = "ledger.db"\n\n[run]\nretries = 12\n', encoding="utf-8")
    return path


def _command(name: str, config: Path, *options: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run([name, "--config", str(config), "--format", "json", *options])
    return code, json.loads(out.getvalue())


def _users(storage: InMemoryStorage) -> list[Any]:
    return [one for one in storage.resources if one.schemas and "User" in one.schemas[0]]


def _expected(people: Company) -> int:
    return sum(
        bool(set(user["groups"]) & set(people.scoped)) and user["status"] in ("active", "bypass", "locked out")
        for user in people.users.values()
    )


def test_a_server_that_we_did_not_write_is_brought_into_step_and_stays_there(tmp_path: Path) -> None:
    people = make_company(users=40, seed=5)
    application, storage = _application()
    with Sandbox(people) as box, _served(application) as url:
        config = _config(tmp_path, box, url)
        code, document = _command("apply", config, "--yes")
        assert code == 0, document
        assert document["summary"]["users"]["create"] == _expected(people) - document["summary"]["users"]["held"]
        assert _command("plan", config, "--detailed-exitcode")[0] == 0

        technician = next(id_ for id_, user in people.users.items() if _is_provisioned(people, user))
        people.set_email(technician, "renamed@example.com")
        leaver = next(id_ for id_, user in people.users.items() if id_ != technician and _is_provisioned(people, user))
        people.disable(leaver)
        code, document = _command("apply", config, "--yes")
        assert code == 0, document
        assert _command("plan", config, "--detailed-exitcode")[0] == 0
        accounts = {one.external_id: one for one in _users(storage)}
        assert accounts[technician].user_name == "renamed@example.com"
        assert accounts[leaver].active is False


def _is_provisioned(people: Company, user: dict[str, Any]) -> bool:
    custom = user["custom_attributes"]
    return (
        bool(set(user["groups"]) & set(people.scoped))
        and user["status"] == "active"
        and custom.get("userType") == "endUser"
        and bool(custom.get("organizationID"))
    )


def test_two_hundred_users_arrive_though_a_tenth_of_the_answers_fail_or_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    people = make_company(users=260, seed=7)
    application, storage = _application()
    answers = _FailingAnswers(application, 0.1, seed=11)
    with Sandbox(people) as box, _served(answers) as url:
        config = _config(tmp_path, box, url)
        for _ in range(3):
            _command("apply", config, "--yes")
            code, document = _command("plan", config, "--detailed-exitcode")
            if code == 0:
                break
    assert code == 0, document["changes"]
    assert answers.seen["failed"] > 20
    assert answers.seen["lost"] > 20
    users = _users(storage)
    assert len(users) >= 200
    assert len(users) == len({one.user_name.casefold() for one in users}) == len({one.external_id for one in users})
    assert len(users) == _expected(people) - document["summary"]["users"]["held"]
