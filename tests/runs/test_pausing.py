"""A paused tenant: no apply begins, whoever asks and however; a plan says so; it ends when told to or by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from tests.support.command import run
from tests.support.company import staff
from tests.support.office import Office

REASON = "the import of Duo is broken, ticket 4711"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(3, 1)) as made:
        yield made


def test_while_paused_an_apply_is_refused_with_who_when_and_why_and_asks_neither_side(office: Office) -> None:
    paused = office.run("pause", "--reason", REASON)
    assert paused.code == 0
    assert f"It ends with: ninjasync resume --config {office.write_config()}\n" in paused.out
    office.box.forget()

    done = office.run("apply", "--yes")

    assert done.code == 3, done.printed
    assert REASON in done.err
    assert "process" in done.err, "who"
    assert f"{datetime.now(UTC):%Y-%m-%d}" in done.err, "when"
    assert f"ninjasync resume --config {office.write_config()}" in done.err
    assert not office.asked_anything()


def test_a_saved_plan_is_refused_as_well_and_is_not_used_up_by_that(office: Office) -> None:
    file = office.folder / "the.plan"
    office.plan("--out", file)
    office.run("pause", "--reason", REASON)
    office.box.forget()
    assert office.run("apply", file).code == 3
    assert not office.asked_anything()

    assert office.run("resume").code == 0
    assert office.run("apply", file).code == 0


def test_a_plan_warns_and_goes_on(office: Office) -> None:
    office.run("pause", "--reason", REASON)
    done = office.plan("--detailed-exitcode")
    assert done.code == 2
    assert REASON in done.warnings
    assert "No apply begins before that ends." in done.warnings
    office.run("resume")
    assert "paused" not in office.plan().warnings


def test_after_its_time_a_pause_is_over_by_itself(office: Office) -> None:
    until = datetime.now(UTC) + timedelta(days=2)
    assert office.run("pause", "--reason", REASON, "--until", until.isoformat()).code == 0
    refused = office.run("apply", "--yes")
    assert refused.code == 3
    assert f"until {until:%Y-%m-%d %H:%M} UTC" in refused.err

    office.days_pass(2.01)

    assert "paused" not in office.plan().text
    assert office.run("ledger", "show").out.count("paused") == 0
    assert office.run("apply", "--yes").code == 0
    assert office.run("resume").out == "This tenant was not paused. [tenant 127.0.0.1]\n"


def test_a_run_that_is_under_way_goes_on(office: Office) -> None:
    codes: list[int] = []

    def pause_at_the_first_write(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if request.method == "POST" and not codes:
            codes.append(office.run_forked("pause", "--reason", REASON).code)
        return serve(request)

    office.box.intercept("scim", pause_at_the_first_write)
    done = office.apply("--parallelism", "1")

    assert codes == [0]
    assert done.code == 0, done.printed
    assert office.apply().code == 3


def test_history_and_the_ledger_tell_of_it(office: Office) -> None:
    office.run("pause", "--reason", "first", "--until", "2031-05-06")
    again = office.run("pause", "--reason", REASON)
    assert "first" in again.out, "what it took the place of"

    past = office.run("history").out
    assert "pause --until 2031-05-06T00:00+00:00 --reason first" in past
    assert f'pause --reason "{REASON}"' in past
    assert REASON in office.run("ledger", "show").out
    (tenant,) = json.loads(office.run("ledger", "show", "--format", "json").out)["tenants"]
    assert (tenant["paused"]["reason"], tenant["paused"]["until"]) == (REASON, None)

    office.run("resume")
    assert "resume" in office.run("history").out
    (tenant,) = json.loads(office.run("ledger", "show", "--format", "json").out)["tenants"]
    assert tenant["paused"] is None


def test_another_tenant_of_the_same_ledger_is_not_paused(office: Office) -> None:
    office.configure("state", tenant="one")
    office.run("pause", "--reason", REASON)
    office.configure("state", tenant="other")
    assert office.run("apply", "--yes").code == 0


def test_redacted_outputs_show_neither_the_reason_nor_who_paused(office: Office) -> None:
    office.run("pause", "--reason", "mallory@example.com left")
    actor = office.ask_ledger("SELECT actor FROM pauses")[0][0]
    for done in (office.plan("--redact"), office.run("apply", "--yes", "--redact", "--format", "json")):
        assert "paused" in done.text
        assert "mallory" not in done.text
        assert actor not in done.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--reason"),
        (("--reason", " \t"), "says nothing"),
        (("--reason", "x" * 501), "longer than 500"),
        (("--reason", "x", "--until", "soon"), '"soon" is no date'),
        (("--reason", "x", "--until", "2020-01-01"), "over already"),
        (("--reason", "x", "--until", "0001-01-01T00:00+23:00"), "no date"),
        (("--reason", "x", "--until", ""), "no date"),
        (("--reason", "x", "stray"), "stray"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_told_without_a_configuration(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = run("pause", "--config", str(tmp_path / "none.toml"), *arguments)
    assert done.code == 64, done.printed
    assert says in done.printed


def test_hostile_text_in_a_reason_reaches_no_terminal(office: Office) -> None:
    office.run("pause", "--reason", "\x1b[2J\u202eevil\0 [red]|x|")
    for command in (("apply", "--yes"), ("plan",), ("ledger", "show"), ("history",), ("resume",)):
        done = office.run(*command)
        assert "evil" in done.text
        assert not {"\x1b", "\u202e", "\0"} & set(done.text), command
