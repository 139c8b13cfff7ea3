"""What log lines have for programs: one JSON object each, with the run, the operation, its duration and its status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.runs import plan
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from tests.support.command import Ran
from tests.support.company import staff, user
from tests.support.office import Office

JSON_LOGS = ("--log-format", "json", "--log-level")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 1)) as made:
        yield made


def lines(ran: Ran) -> list[dict[str, Any]]:
    """Standard error, every line of which is to be an object."""
    return [json.loads(line) for line in ran.err.splitlines()]


def test_every_line_has_time_level_message_and_the_run_that_history_shows(office: Office) -> None:
    told = lines(office.apply(*JSON_LOGS, "debug"))
    (run,) = office.run("history", "--format", "json").json["runs"]
    for line in told:
        assert line["run"] == run["id"]
        assert datetime.fromisoformat(line["time"]).tzinfo
        assert line["level"] in ("debug", "info", "warning", "error")
        assert line["message"]


def test_an_apply_logs_what_it_read_and_each_write_with_duration_and_status(office: Office) -> None:
    def refuse_one(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if request.path.endswith("/Users") and user(0).encode() in request.body:
            return HttpResponse(400, b"{}", ())
        return serve(request)

    office.box.intercept("scim", refuse_one)
    done = office.apply(*JSON_LOGS, "info")
    assert done.code == 4
    timed = {line["operation"]: line for line in lines(done) if "operation" in line}
    assert all(isinstance(line["duration"], float) for line in timed.values())
    ended = {operation: (line["level"], line["status"]) for operation, line in timed.items()}
    assert ended["read Duo users"] == ended["read Duo groups"] == ended["read NinjaOne"] == ("info", "done")
    assert ended[f"create user {user(1)}"] == ("info", "applied")
    assert ended[f"create user {user(0)}"] == ("error", "failed")
    assert timed[f"create user {user(1)}"]["duration"] > 0
    writes = [operation for operation in timed if operation.startswith(("create ", "update "))]
    assert len(writes) == len(done.json["changes"])


def test_a_request_is_logged_at_level_debug_with_its_http_status_and_without_its_query(office: Office) -> None:
    office.configure("ninjaone.dialect", discovery="lookup")
    done = office.plan(*JSON_LOGS, "debug")
    asked = {(line["operation"], line["status"]) for line in lines(done) if line["level"] == "debug"}
    assert asked == {
        ("GET /admin/v1/users", 200),
        ("GET /admin/v1/groups", 200),
        ("GET /Users", 200),
        ("GET /Groups", 200),
    }
    assert "?" not in done.err
    assert user(0) not in done.err
    assert not lines(office.plan(*JSON_LOGS, "warning"))


def test_a_request_without_an_answer_is_logged_as_failed(office: Office) -> None:
    office.configure("ninjaone", endpoint_url="http://127.0.0.1:1")
    done = office.plan(*JSON_LOGS, "debug")
    assert done.code == 1
    (asked,) = (line for line in lines(done) if line.get("operation") == "GET /Users")
    assert asked["status"] == "failed"
    (read,) = (line for line in lines(done) if line.get("operation") == "read NinjaOne")
    assert read["status"] == "failed"


def test_an_error_is_told_by_kind_and_places_and_not_as_a_stack_of_text(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer") from error

    monkeypatch.setattr(plan, "make_plan", failing)
    done = office.plan(*JSON_LOGS, "debug")
    assert done.code == 1
    assert "Traceback" not in done.err
    (where,) = (line for line in lines(done) if "errors" in line)
    assert [error["type"] for error in where["errors"]] == ["RuntimeError", "KeyError"]
    last = where["errors"][0]["frames"][-1]
    assert (Path(last["file"]).name, last["function"]) == (Path(__file__).name, "failing")
    assert isinstance(last["line"], int)
    (said,) = (line for line in lines(done) if line["level"] == "error")
    assert "RuntimeError: outer" in said["message"]


def test_nothing_but_json_comes_on_standard_error_whatever_happens(office: Office) -> None:
    made = office.apply(*JSON_LOGS, "warning")
    assert any("Give a role" in line["message"] for line in lines(made)), "what is left for a person is a line as well"

    def revoked(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        return serve(request) if request.method == "GET" else HttpResponse(401, b"{}", ())

    office.people.disable(office.duo(user(0)))
    office.box.intercept("scim", revoked)
    halted = office.apply(*JSON_LOGS, "warning")
    assert halted.code == 6
    assert any("refused the SCIM token" in line["message"] for line in lines(halted))
    office.configure("monitor", metrics_file="nowhere/n.prom", ping_url="http://127.0.0.1:1/")
    office.configure("duo", secret_key="wrong" * 8)
    assert len(lines(office.plan(*JSON_LOGS, "warning"))) == 3
    office.configure("scope", groups=[], nonsense=1)
    mistaken = office.plan(*JSON_LOGS, "warning")
    assert mistaken.code == 78
    assert len(lines(mistaken)) > 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_in_the_logs(office: Office, form: str) -> None:
    office.configure("monitor", ping_url="http://127.0.0.1:1/HUSH?k=HUSH", metrics_file="n.prom")
    shown = ""
    for command in (("plan",), ("apply", "--yes"), ("check",)):
        shown += office.run(*command, "--log-format", form, "--log-level", "debug").err
    assert "/Users" in shown
    assert not [secret for secret in (office.box.secret_key, office.box.token, "HUSH") if secret in shown]


def test_a_run_without_trouble_logs_nothing_unless_it_is_asked_to(office: Office) -> None:
    assert office.apply(*JSON_LOGS, "warning").code == 0
    assert office.plan().err == ""
    assert "read Duo users: done after" in office.plan("--log-level", "info").err


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_line_of_a_redacted_run_names_a_user_also_where_it_shows_a_traceback(office: Office, format: str) -> None:
    def refuse_all(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        said = {"detail": f"no such user as {user(0)}", "status": "400"}
        return HttpResponse(400, json.dumps(said).encode(), (("content-type", "application/scim+json"),))

    office.settle()
    office.box.intercept("scim", refuse_all)
    logs = ("--log-format", format, "--log-level", "debug")
    assert user(0) in office.plan("--log-format", "text", "--log-level", "debug").err
    for done in (office.plan(*logs, "--redact"), office.plan(*logs, "--redact", "--only", "user9.two@example.com")):
        assert done.code in (1, 64)
        assert ".two@example.com" not in done.printed
        assert "look_ups.py" in done.err or "only.py" in done.err


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_line_about_a_run_that_was_cut_short_does_not_say_whose_it_was_in_a_redacted_one(
    office: Office, format: str
) -> None:
    office.settle()
    office.ask_ledger("UPDATE runs SET ended_at = NULL, exit_code = NULL, actor = 'user0.two@example.com'")
    logs = ("--log-format", format, "--log-level", "info")
    done = office.apply(*logs, "--redact")
    assert done.code == 0, done.printed
    assert "was cut short" in done.err
    assert ".two@example.com" not in done.printed
