"""``check --shapes``: what the services' answers look like is told, what they say is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.check.shapes import ABOUT, Shapes
from ninjasync.model.exchange import Exchange
from tests.support.command import Ran
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling
from tests.support.server import Hit, Reply, html_reply, json_reply

MARK = "zebra"
# In no file: what the company's people, groups, hosts and keys are called.
SECRETS = (MARK, "127.0.0.1", "tech0", "user3", "example", "elsewhere", "sandbox", "disandbox", "breakglass")


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.proxy_scim()
    world.proxy_duo()
    world.settle()
    yield world, world.save()
    world.stop()


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    restored = at_rest[0].restore(at_rest[1], tmp_path)
    restored.box.set_behavior()
    return restored


def look(world: Office, *arguments: str) -> tuple[Ran, str]:
    """Run ``check --probe --shapes`` and return what it said and the file's text."""
    file = world.folder / "shapes.json"
    done = world.run("check", "--probe", "--yes", "--shapes", str(file), *arguments)
    return done, file.read_text("utf-8") if file.exists() else ""


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a document but timings, which differ each time."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "seconds":
                yield from flat(inner, f"{path} > {key}")
    else:
        yield path, json.dumps(value)


def services(text: str) -> dict[str, Any]:
    return dict(flat(json.loads(text)["services"]))


# --- what is told ----------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_and_says_what_is_in_it(world: Office) -> None:
    done, text = look(world)
    assert done.code == 0, done.text
    document = json.loads(text)
    assert (document["format"], document["format_version"], document["about"]) == ("ninjasync-shapes", "1.0", ABOUT)
    assert document["services"].keys() == {"Duo", "NinjaOne"}
    assert (world.folder / "shapes.json").stat().st_mode & 0o777 == 0o600
    assert ABOUT in done.err
    assert "before you send it" in done.err
    assert max(map(len, text.splitlines())) < 400, "a person is to read it"


def test_a_check_without_a_probe_writes_it_too_and_sends_nothing_but_get(world: Office) -> None:
    file = world.folder / "shapes.json"
    assert world.run("check", "--shapes", str(file)).code == 0
    assert json.loads(file.read_text())["probe"] is None
    assert world.writes() == []


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(world: Office) -> None:
    done = world.run("check", "--shapes", str(world.folder / "nowhere" / "shapes.json"))
    assert done.code == 64
    assert "--shapes" in done.err
    assert world.box.requests == []


def test_it_is_written_where_an_endpoint_refuses_everything(world: Office) -> None:
    world.proxy_scim(lambda hit, forward: json_reply({"detail": MARK}, 403))
    file = world.folder / "shapes.json"
    assert world.run("check", "--shapes", str(file)).code == 6
    found = json.loads(file.read_text())["services"]["NinjaOne"]
    assert {tuple(kind["answers"]) for kind in found.values()} == {("403",)}


def test_without_a_configuration_there_is_a_sentence_and_no_file(world: Office) -> None:
    world.configure("duo", api_hostname="")
    file = world.folder / "shapes.json"
    done = world.run("check", "--shapes", str(file))
    assert done.code == 78
    assert "Traceback" not in done.text
    assert "is not written" in done.err
    assert not file.exists()


# Where a server with this way of its own shows it: a part of a path, and what stands there.
TOLD: dict[str, tuple[str, str]] = {
    "no-external-id": ("GET /Users/{id} > kept > externalId > absent", ""),
    "upper-case-family-name": ("kept > name.familyName > same, in another case", ""),
    "organization-becomes-all": ("organizationId > another value", ""),
    "created-in-vain": ("GET /Users/{id} > answers > 404", ""),
    "delete-is-inactive": ("GET /Users/{id} > body > answer > fields > active > values > False", ""),
    "patch-501": ("PATCH /Users/{id}", "501"),
    "patch-title-case-only": ("PATCH /Users/{id} [Replace name.familyName] > answers > 200", ""),
    "member-removal-list-only": ("[remove members] > answers > 200", ""),
    "overlapping-pages": ("GET /Users (count, startIndex) > lists", ""),
    "page-cap=3": ("GET /Users (count, startIndex) > lists", '"came": 3'),
    "ignores-start-index": ("GET /Users (count, startIndex) > lists", '"seen_before": 2'),
    "cursor-paging": ("fields > startIndex", "gone"),
    "too-many": ("GET /Users (count, startIndex) > answers > 400", ""),
    "no-filter": ("GET /Users (filter: userName eq for no one) > hits > more", ""),
    "no-external-id-filter": ("GET /Users (filter: externalId eq for no one) > answers > 400", ""),
    "filter-404": ("GET /Users (filter: userName eq for no one) > answers > 404", ""),
    "total-of-page": ("GET /Users (count, startIndex) > lists", '"totalResults": 2'),
    "no-total-results": ("GET /Users (count, startIndex) > lists", '"itemsPerPage": 2}'),
    "members-absent": ("GET /Groups (count, startIndex) > body > answer > fields > Resources > items > fields", ""),
    "members-hidden": ("GET /Groups/{id} > body > answer > fields", ""),
    "no-extension": ("kept > urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User:userType > absent", ""),
    "flat-extension": ("fields > urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User:userType > types", ""),
    "nulls": ("null", ""),
    "numeric-ids": ("fields > id > types", "number"),
    "string-booleans": ("fields > active > words > True", ""),
    "created-without-body": ("POST /Users", "none"),
    "patch-204": ("PATCH /Users/{id} [replace name.familyName] > answers > 204", ""),
    "error-status-number": ("error > fields > status > types", "number"),
    "html-errors": ("GET /Users/{id} > bodies > HTML", ""),
    "no-discovery": ("GET /ServiceProviderConfig > answers > 404", ""),
    "login-page": ("bodies > HTML", ""),
}


@pytest.fixture(scope="module")
def fair(at_rest: tuple[Office, Saved], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    world = at_rest[0].restore(at_rest[1], tmp_path_factory.mktemp("fair"))
    world.box.set_behavior()
    return services(look(world)[1])


@pytest.mark.parametrize("quirk", TOLD)
def test_a_maintainer_sees_from_the_file_alone_what_is_odd_about_a_server(
    world: Office, fair: dict[str, Any], quirk: str
) -> None:
    world.box.set_behavior(quirks=[quirk])
    place, value = TOLD[quirk]
    odd = services(look(world)[1])
    differing = {path: found for path, found in odd.items() if fair.get(path) != found}
    differing |= dict.fromkeys(fair.keys() - odd.keys(), "gone")
    assert any(place in path and value in f"{path} {found}" for path, found in differing.items()), sorted(differing)[
        :40
    ]


# --- what is not -----------------------------------------------------------------------------


def marked(value: Any) -> Any:
    """Put the mark into every text, key of data and number of a document but what it takes to go on."""
    if isinstance(value, dict):
        return {key: marked(inner) if key not in ("id", "schemas", "stat") else inner for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(marked, value))
    return f"{MARK} {value}" if isinstance(value, str) else value


def in_documents(change: Callable[[Any], Any]) -> Meddling:
    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        return reply.with_document(change(reply.document)) if reply.body else reply

    return meddle


def with_rare_fields(document: Any) -> Any:
    for row in document.get("Resources", [])[:1]:
        row[f"{MARK}Field"] = "x"
        row["name"][MARK] = 1
    return document


def with_open_keys(document: Any) -> Any:
    for row in document.get("response", []):
        if "user_id" in row:
            row["custom_attributes"][MARK.title()] = "x"
            row["aliases"] = {MARK: MARK}
            row["status"] = MARK if row["email"] and row["email"].startswith("tech") else row["status"]
    return document


def with_headers(hit: Hit, forward: Forward) -> Reply:
    reply = forward()
    reply.headers |= {
        "X-Zebra": MARK,
        "Server": MARK,
        "Retry-After": MARK,
        "X-RateLimit-Remaining": MARK,
        "Content-Type": f"application/{MARK}+json; charset=utf-8; x={MARK}",
        "Location": f"https://{MARK}.invalid/",
        "Set-Cookie": f"{MARK}={MARK}",
    }
    return reply


SCIM_WORLDS: dict[str, Meddling] = {
    "every text of NinjaOne's": in_documents(marked),
    "fields that one record has": in_documents(with_rare_fields),
    "every header": with_headers,
    "an error's text": lambda hit, forward: json_reply({"detail": MARK, "scimType": MARK, "status": MARK}, 400),
    "an error that is HTML": lambda hit, forward: Reply(500, f"<html>{MARK}</html>".encode(), {"Content-Type": MARK}),
    "a page in place of every answer": lambda hit, forward: html_reply(),
    "a list of texts": lambda hit, forward: json_reply(
        {"Resources": [MARK, [MARK], {"id": MARK}], "totalResults": MARK}
    ),
    "a bare text": lambda hit, forward: json_reply(MARK),
    "broken JSON": lambda hit, forward: Reply(200, b'{"' + MARK.encode()),
    "numbers that tell": in_documents(lambda document: {**document, "phone": 5550100, "zip": [5550100]}),
}
DUO_WORLDS: dict[str, Meddling] = {
    "every text of Duo's": in_documents(marked),
    "keys that are data": in_documents(with_open_keys),
    "an error of Duo's": lambda hit, forward: json_reply(
        {"stat": "FAIL", "code": 40002, "message": MARK, "message_detail": MARK}, 400
    ),
}


def is_clean(text: str) -> None:
    assert text
    folded = text.lower().replace("ninjasync-shapes", "")
    assert not [secret for secret in (*SECRETS, "5550100") if secret in folded]


@pytest.mark.parametrize("name", SCIM_WORLDS)
def test_nothing_that_ninjaone_says_is_in_the_file(world: Office, name: str) -> None:
    world.proxy_scim(SCIM_WORLDS[name])
    is_clean(look(world)[1])


@pytest.mark.parametrize("name", DUO_WORLDS)
def test_nothing_that_duo_says_is_in_the_file(world: Office, name: str) -> None:
    world.proxy_duo(DUO_WORLDS[name])
    is_clean(look(world)[1])


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: f"{MARK}{text}")
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "status", "x"]), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["id", "members", "status", "userType", "schemas", "totalResults", "op", "scimType", "aliases"]),
    VALUES,
    st.sampled_from([200, 400, 404, 500]),
    st.sampled_from(["GET", "POST", "PATCH"]),
)
def test_no_value_of_any_field_comes_out(field: str, value: Any, status: int, method: str) -> None:
    shapes = Shapes({"userType"})
    body = {field: value, "Resources": [{field: value, "custom_attributes": {field: value}}, value]}
    sent = {"Operations": [{"op": value, "path": MARK, "value": value}], field: value}
    for path in ("/Users", f"/Users/{MARK}", f"/{MARK}/{MARK}"):
        content = json.dumps(body).encode()
        filter_ = f'{MARK} eq "{MARK}" and {MARK} {MARK} "{MARK}"'
        headers = {MARK: MARK, "Retry-After": MARK, "Content-Type": MARK}
        params = {"filter": filter_, "count": MARK, MARK + "1x": "1"}
        shapes.hear(Exchange("NinjaOne", method, path, params, sent, status, headers, content, 0.1))
        shapes.hear(Exchange("Duo", "GET", path, params, None, status, headers, content, 0.1))
    assert MARK not in json.dumps(shapes.document(), ensure_ascii=False).lower()
