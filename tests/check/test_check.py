"""``check``: one line for everything that must be in place, whatever the others say."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ninjasync.check import local, run
from ninjasync.config.load import load
from ninjasync.config.tenant import tenant_of
from ninjasync.model.finding import Finding, Line, exit_code, green, red, yellow
from ninjasync.state.ledger import Ledger
from ninjasync.state.sqlite import SqliteStore
from tests.support.command import Json, Ran, end_of
from tests.support.company import TECHNICIANS, staff
from tests.support.forked import Forked
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling
from tests.support.server import Hit, Reply, html_reply, json_reply
from tests.support.urns import EXTENSION


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    """A world in step, so that all is well."""
    world = Office(tmp_path_factory.mktemp("world"), staff(6, 1)).start()
    world.proxy_duo()
    world.proxy_scim()
    world.configure("ninjaone", token_expires=datetime.now(UTC).date() + timedelta(days=100))
    world.settle()
    world.configure("safety", protected_users=["breakglass@example.com"])
    yield world, world.save()
    world.stop()


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    world = at_rest[0].restore(at_rest[1], tmp_path)
    world.write_config()
    world.config_file.chmod(0o600)
    return world


def checked(world: Office, meddle: Meddling | None = None) -> Ran:
    if meddle:
        world.proxy_scim(meddle)
    return world.run("check", "--format", "json")


def lines(done: Ran) -> dict[str, Json]:
    return {line["name"]: line for line in done.json["checks"]}


def test_where_all_is_well_every_line_is_green_and_nothing_but_get_is_sent(world: Office) -> None:
    done = checked(world)
    assert (done.code, done.err) == (0, "")
    assert {name: line["color"] for name, line in lines(done).items() if line["color"] != "green"} == {}
    assert list(lines(done)) == [one.name for one in run.CHECKS]
    assert {request.method for request in world.box.requests} == {"GET"}
    assert done.json["summary"] == {"green": len(run.CHECKS), "yellow": 0, "red": 0, "not_checked": 0}


def test_a_check_changes_nothing_in_the_folder_of_the_ledger(world: Office) -> None:
    before = (world.folder / "ledger.sqlite3").read_bytes()
    checked(world)
    assert (world.folder / "ledger.sqlite3").read_bytes() == before


def test_one_failing_side_does_not_hide_the_other(world: Office) -> None:
    world.configure("duo", secret_key="x" * 40)
    done = checked(world)
    found = lines(done)
    assert found["Duo groups"]["color"] == "red"
    assert found["NinjaOne users"]["color"] == found["filter"]["color"] == found["ledger"]["color"] == "green"
    waiting = {name for name, line in found.items() if line["waits_for"] == "Duo groups"}
    about_users = {"people in scope", "attributes", "names", "addresses", "values", "custom attributes"}
    assert waiting == {"Duo users", "groups in scope"} | about_users
    assert found["attributes"]["text"] == "Not checked, as the check of Duo groups failed."
    assert found["Duo's clock"]["color"] == "green"


def test_what_waits_for_something_that_waits_names_the_root(world: Office) -> None:
    world.configure("duo", timeout="soon")
    done = checked(world)
    assert done.code == 78
    assert {line["waits_for"] for line in lines(done).values()} == {None, "configuration"}
    assert done.json["summary"]["red"] == 1


def test_a_check_that_breaks_down_is_one_red_line(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: Any) -> Finding:
        raise KeyError("surprise")

    monkeypatch.setattr(run, "CHECKS", (run.Check("broken", broken), *run.CHECKS))
    done = checked(world)
    assert done.code == 1
    assert "KeyError: 'surprise'" in lines(done)["broken"]["text"]
    assert done.json["summary"] == {"green": len(run.CHECKS) - 1, "yellow": 0, "red": 1, "not_checked": 0}


@pytest.mark.parametrize(
    ("codes", "expected"), [((), 0), ((1,), 1), ((1, 6), 6), ((6, 78, 1), 78), ((5,), 1), ((1, 5), 1)]
)
def test_the_exit_code_is_that_of_what_must_be_fixed_first(codes: tuple[int, ...], expected: int) -> None:
    findings = [green("."), yellow(".", "."), *(red(".", ".", exit_code=code) for code in codes)]
    assert exit_code([Line("x", finding) for finding in findings]) == expected


# --- what the endpoint can do ----------------------------------------------------------------


def without_discovery(hit: Hit, forward: Forward) -> Reply:
    known = ("/Users", "/Groups")
    return forward() if any(name in hit.path for name in known) else html_reply(404)


def ignoring_filters(hit: Hit, forward: Forward) -> Reply:
    if "filter" in hit.query:
        hit.target = hit.path
    return forward()


def refusing_filters(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"detail": "no filters"}, 400) if "filter" in hit.query else forward()


def blind_to_filters(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"totalResults": 0, "Resources": []}) if "filter" in hit.query else forward()


def ignoring_pages(hit: Hit, forward: Forward) -> Reply:
    if "filter" not in hit.query and hit.path.endswith("/Users"):
        hit.target = hit.path
    return forward()


def saying_that_it_has_no_patch(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"patch": {"supported": False}}) if "ServiceProviderConfig" in hit.path else forward()


def not_listing(hit: Hit, forward: Forward) -> Reply:
    listed = hit.path.endswith(("/Users", "/Groups")) and "filter" not in hit.query
    return json_reply({"detail": "too many"}, 400) if listed else forward()


def hiding(name: str) -> Meddling:
    def hide(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if not hit.path.endswith("/Users"):
            return reply
        found = reply.document
        rows = [{key: value for key, value in row.items() if key != name} for row in found["Resources"]]
        return reply.with_document(found | {"Resources": rows})

    return hide


ENDPOINTS: dict[str, tuple[Meddling, str, str, str]] = {
    "nothing about itself": (without_discovery, "discovery", "green", "does no harm"),
    "nothing about PATCH": (without_discovery, "PATCH", "green", "check --probe finds out"),
    "all accounts for a filter": (ignoring_filters, "filter", "yellow", "ignores filters"),
    "an error for a filter": (refusing_filters, "filter", "yellow", 'discovery = "list"'),
    "none for a filter": (blind_to_filters, "filter", "yellow", "finds none"),
    "the same page again": (ignoring_pages, "paging", "yellow", "page_size to more than the number of accounts (7"),
    "no PATCH": (saying_that_it_has_no_patch, "PATCH", "yellow", 'patch = "put"'),
    "no list": (not_listing, "NinjaOne users", "yellow", "each is looked up"),
    "no list of groups": (not_listing, "NinjaOne groups", "yellow", "each is looked up"),
    "no externalId": (hiding("externalId"), "externalId", "yellow", "Back up the ledger"),
    "no extension": (hiding(EXTENSION), "extension", "yellow", "organizationId and userType"),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_that_shows_is_known_for_what_it_is(world: Office, name: str) -> None:
    meddle, line, color, said = ENDPOINTS[name]
    done = checked(world, meddle)
    assert done.code == 0
    found = lines(done)[line]
    assert found["color"] == color
    assert said in f"{found['text']} {found['cure']}"


def test_a_list_that_was_asked_for_and_is_not_there_is_red(world: Office) -> None:
    world.configure("ninjaone.dialect", discovery="list")
    done = checked(world, not_listing)
    assert done.code == 1
    assert lines(done)["NinjaOne users"]["cure"] == 'Set [ninjaone.dialect] discovery = "lookup".'


def test_the_ledger_s_experience_counts_where_the_data_say_nothing(world: Office) -> None:
    world.configure("ninjaone.dialect", external_id=False)
    assert "as [ninjaone.dialect] external_id says" in lines(checked(world))["externalId"]["text"]


def test_before_the_first_apply_nothing_is_held_against_the_endpoint(world: Office) -> None:
    for file in world.folder.glob("ledger*"):
        file.unlink()
    world.ninjaone.clear()
    done = checked(world)
    assert done.code == 0
    found = lines(done)
    assert {name for name, line in found.items() if line["color"] != "green"} == {"ledger", "externalId"}
    assert "the first apply makes it" in found["ledger"]["text"]
    assert "too few to tell" in found["paging"]["text"]
    assert list(world.folder.glob("ledger*")) == []


# --- here ------------------------------------------------------------------------------------


def test_a_run_that_was_cut_short_is_told(world: Office) -> None:
    config = load(world.config_file)
    ledger = Ledger.open(SqliteStore(config.file(config.state.path)), tenant_of(config), datetime.now(UTC))
    run = ledger.run_log.begin("ann@desk", "apply", datetime.now(UTC))
    ledger.close()
    found = lines(checked(world))["lock"]
    assert found["color"] == "yellow"
    assert f"The run {run} of ann@desk was cut short." in found["text"]


def test_held_users_are_counted_by_reason(world: Office) -> None:
    user = world.people.users[world.duo("user1.two@example.com")]
    user["custom_attributes"]["userType"] = "Technican"
    found = lines(checked(world))["people in scope"]
    assert found["color"] == "yellow"
    assert found["text"] == "7 of Duo's 7 users; 1 of them is held: invalid-user-type (1)."


def test_a_group_that_left_the_scope_by_a_new_name_is_told_with_that_name(world: Office) -> None:
    world.configure("scope", groups=["NinjaOne *"])
    assert world.run("apply", "--yes").code == 0
    group = next(one for one in world.people.groups.values() if one["name"] == TECHNICIANS)
    group["name"] = "Ops"
    found = lines(checked(world))["groups in scope"]
    assert found["color"] == "red"
    assert 'is now called "Ops" in Duo' in found["text"]


@pytest.mark.parametrize(
    ("seconds", "color", "said"),
    [
        (0, "green", "to 1 s"),
        (29, "green", "to 29 s"),
        (30, "yellow", "30 s behind"),
        (-299, "yellow", "4 min 59 s ahead of"),
        (300, "red", "5 min behind"),
        (-3725, "red", "1 h 2 min 5 s ahead of"),
    ],
)
def test_a_clock_is_judged_by_its_distance(seconds: int, color: str, said: str) -> None:
    found = local.judge_skew("Duo", timedelta(seconds=seconds))
    assert found.color == color
    assert said in found.text


def test_a_clock_that_no_service_reported_is_no_failure() -> None:
    assert local.judge_skew("Duo", None).color == "yellow"


# --- how it looks ----------------------------------------------------------------------------


def test_the_text_fits_80_columns_and_ends_with_the_counts(world: Office) -> None:
    world.configure("duo", secret_key="x" * 40)
    world.configure("state", path="elsewhere/ledger")
    shown = world.run("check").out
    wide = [line for line in shown.splitlines() if len(line) > 80 and str(world.folder) not in line]
    assert wide == []
    assert "\nNot checked, as the check of Duo groups failed: Duo users, groups in scope," in shown
    assert shown.endswith("Check: 20 green, 2 yellow, 1 red, 8 not checked.\n")
    assert "\x1b" not in shown


def test_a_hostile_name_is_shown_as_text(world: Office) -> None:
    world.people.add_group("\x1b[31mNinja\nRed")
    world.configure("scope", groups=["*Ninja*"])
    shown = world.run("check").out
    assert "\x1b" not in shown
    assert "\\x1b[31mNinja\\nRed" in "".join(shown.split())


def test_the_json_has_a_line_for_each_check_and_is_all_that_is_on_standard_output(world: Office) -> None:
    done = world.run_process("check", "--format", "json")
    document = json.loads(done.out)
    assert done.code == document["exit_code"] == 0
    assert set(document["checks"][0]) == {"name", "color", "text", "cure", "details", "waits_for", "exit_code"}
    assert all(line["cure"] for line in document["checks"] if line["color"] != "green")


def test_ctrl_c_ends_a_check_without_a_word_of_python(world: Office) -> None:
    started: list[Forked] = []
    ready = threading.Event()

    def interrupt(hit: Hit, forward: Forward) -> Reply:
        ready.wait(10)
        started[0].send_signal(signal.SIGINT)
        return forward()

    world.proxy_duo(interrupt)
    started.append(world.fork("check"))
    ready.set()
    done = end_of(started[0])
    assert done.code == 130
    assert "Traceback" not in done.text


def test_a_ledger_with_a_table_missing_is_one_red_line_and_hides_nothing(world: Office) -> None:
    with closing(sqlite3.connect(world.folder / "ledger.sqlite3")) as connection:
        connection.execute("DROP TABLE resources")
        connection.commit()
    done = checked(world)
    assert done.code == 1
    assert [name for name, line in lines(done).items() if line["color"] == "red"] == ["ledger"]
