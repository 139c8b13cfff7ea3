"""What a plan and an apply print: text, JSON documents, files, logs."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable

import pytest

from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from tests.support.command import Json, one_sentence, run, run_process
from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.lifelike import lifelike
from tests.support.office import Office


def test_equal_inputs_give_the_same_bytes(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    first, second = office.run("plan"), office.run("plan")
    assert first.out == second.out
    one, other = office.plan().json, office.plan().json
    assert one.pop("created_at") != ""
    other.pop("created_at")
    assert list(one) == list(other)
    assert json.dumps(one) == json.dumps(other)


def test_the_order_in_which_the_services_list_users_makes_no_difference(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    office.people.disable(office.duo("joy.partridge@example.com"))
    text, digest = office.run("plan").out, office.plan().json["digest"]
    for table in (office.people.users, office.people.groups):
        items = list(table.items())
        random.Random(4).shuffle(items)
        table.clear()
        table.update(items)
    accounts, groups = list(office.ninjaone.table(USER).values()), list(office.ninjaone.table(GROUP).values())
    office.ninjaone.clear()
    for kind, resources in ((USER, reversed(accounts)), (GROUP, groups)):
        for resource in resources:
            office.ninjaone.overwrite(kind, resource)
    assert office.run("plan").out == text
    assert office.plan().json["digest"] == digest


def test_the_digest_tells_two_plans_apart(settled: Office) -> None:
    before = settled.plan().json["digest"]
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 64
    settled.people.disable(settled.duo(user(0)))
    assert settled.plan().json["digest"] != before


PLAN_KEYS = {
    "format_version",
    "ninjasync_version",
    "created_at",
    "digest",
    "source",
    "target",
    "tenant",
    "summary",
    "changes",
    "problems",
    "guards",
    "warnings",
}


USER_ACTIONS = {
    "create",
    "adopt",
    "update",
    "reactivate",
    "deactivate",
    "delete",
    "unchanged",
    "held",
    "unmanaged",
}


GROUP_ACTIONS = {"create", "adopt", "update", "delete", "unchanged", "unmanaged"}


def check_shape(document: Json) -> None:
    assert document["format_version"] == "1.0"
    assert datetime.datetime.strptime(document["created_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert set(document["source"]) == {"users", "groups", "in_scope"}
    assert set(document["target"]) == {"users", "groups", "managed"}
    assert set(document["summary"]) == {"users", "groups"}
    assert set(document["summary"]["users"]) == USER_ACTIONS
    assert set(document["summary"]["groups"]) == GROUP_ACTIONS
    for problem in document["problems"]:
        assert set(problem) == {"resource", "key", "external_id", "code", "message"}
    for guard in document["guards"]:
        assert set(guard) == {"name", "tripped", "message", "approve"}
        assert isinstance(guard["tripped"], bool)
    assert all(isinstance(each, str) for each in document["warnings"])
    for change in document["changes"]:
        check_change(change)
    counted = {"user": "users", "group": "groups"}
    for resource, name in counted.items():
        actions = [each["action"] for each in document["changes"] if each["resource"] == resource]
        for action in {"create", "adopt", "update", "reactivate", "deactivate", "delete"}:
            assert document["summary"][name].get(action, 0) == actions.count(action)


def check_change(change: Json) -> None:
    common = {"resource", "action", "key", "id", "external_id", "diff", "reasons"}
    allowed = common | {"outcome", "error"}
    if change["resource"] == "user":
        common |= {"privilege"}
        allowed |= {"privilege"}
        assert isinstance(change["privilege"], bool)
    assert common <= set(change) <= allowed
    assert (change["id"] is None) == (change["action"] == "create")
    assert change["reasons"]
    for step in change["diff"]:
        if step["path"] == "members":
            assert set(step) == {"path", "added", "removed"}
            assert step["added"] == sorted(step["added"])
        else:
            assert {"path", "before", "after"} <= set(step) <= {"path", "before", "after", "via"}


def test_the_plan_as_json_has_exactly_the_shape_of_the_contract(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    document = office.plan().json
    assert set(document) == PLAN_KEYS
    check_shape(document)
    assert (document["source"], document["target"]) == (
        {"users": 60, "groups": 5, "in_scope": 53},
        {"users": 7, "groups": 0, "managed": 0},
    )
    assert document["summary"]["users"]["held"] == 2
    assert document["summary"]["users"]["unmanaged"] == 2


def test_the_applied_plan_as_json_has_outcomes_and_a_result_besides(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    document = office.apply().json
    assert set(document) == PLAN_KEYS | {"result"}
    check_shape(document)
    assert {each["outcome"] for each in document["changes"]} == {"applied"}
    assert document["result"] == {
        "applied": len(document["changes"]),
        "failed": 0,
        "skipped": 0,
        "exit_code": 0,
    }


def test_the_change_of_a_user_and_of_a_group_read_as_the_contract_shows_them(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "technician")
    settled.people.join(settled.duo(user(0)), settled.people.scoped[0])
    settled.people.leave(settled.duo(user(0)), settled.people.scoped[1])
    planned = settled.plan()
    change = planned.change(user(0))
    assert change["id"] == settled.id_of(user(0))
    assert change["external_id"] == settled.duo(user(0))
    assert change["diff"] == [{"path": "userType", "before": "endUser", "after": "technician"}]
    assert planned.change(TECHNICIANS)["diff"] == [{"path": "members", "added": [user(0)], "removed": []}]
    assert planned.change(END_USERS)["diff"] == [{"path": "members", "added": [], "removed": [user(0)]}]
    assert planned.change(TECHNICIANS)["external_id"] == settled.people.scoped[0]


def test_standard_output_of_a_failure_as_json_is_one_document_too(office: Office) -> None:
    office.configure("ninjaone", secret_token="wrong-token")
    result = office.plan()
    assert result.code == 6
    assert isinstance(result.json, dict)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_output_file_is_written_on_success_refusal_and_failure(settled: Office, form: str) -> None:
    into = settled.folder / "result"

    def written(code: int) -> str:
        result = settled.run("plan", "--format", form, "--output", str(into))
        assert result.code == code
        text = into.read_text()
        into.unlink()
        if form == "json":
            assert isinstance(json.loads(text), dict)
        return text

    assert "No changes" in written(0) or form == "json"
    for number in range(4):
        settled.people.disable(settled.duo(user(number)))
    assert user(3) in written(3)
    settled.configure("ninjaone", secret_token="wrong-token")
    assert "token" in written(6)
    settled.config_file.write_text("[[[")
    result = run("plan", "--config", str(settled.config_file), "--format", form, "--output", str(into))
    assert result.code == 78
    assert "TOML" in into.read_text()


def test_the_output_file_holds_what_standard_output_would(office: Office) -> None:
    into = office.folder / "result"
    printed = office.run("plan").out
    assert office.run("plan", "--output", str(into)).code == 0
    assert into.read_text() == printed


def test_an_output_file_that_cannot_be_written_is_found_out_before_the_first_write(office: Office) -> None:
    result = office.run("apply", "--yes", "--output", str(office.folder / "missing" / "result"))
    assert result.code != 0
    one_sentence(result)
    assert office.writes() == []


def test_a_log_file_that_cannot_be_written_is_found_out_before_the_first_write(office: Office) -> None:
    result = office.run("apply", "--yes", "--log-file", str(office.folder / "missing" / "log"))
    assert result.code != 0
    one_sentence(result)
    assert office.writes() == []


def test_global_options_may_stand_before_or_after_the_command(office: Office) -> None:
    config = office.write_config()
    assert run("--config", config, "--quiet", "plan").out == run("plan", "--config", config, "--quiet").out != ""


def test_logs_as_json_are_json_line_by_line(office: Office) -> None:
    into = office.folder / "log"
    result = office.run("apply", "--yes", "--log-level", "debug", "--log-format", "json", "--log-file", str(into))
    assert result.code == 0
    lines = into.read_text().splitlines()
    assert lines
    assert all({"time", "level", "message"} <= set(json.loads(line)) for line in lines)


def test_module_and_version_work_as_a_program() -> None:
    result = run_process("--version")
    assert (result.code, result.out.split()[0]) == (0, "ninjasync")


@pytest.mark.parametrize("command", ["plan", "apply", "sandbox", "demo"])
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert "Usage: ninjasync" in result.out


def test_a_plan_shows_the_removals_that_it_withholds(settled: Office) -> None:
    settled.disable(*range(5))
    settled.configure("safety", on_refusal="withhold")
    text = settled.run("plan", "--approve-source", "10")
    assert text.code == 3
    assert "No changes" not in text.out
    assert all(user(number) in text.out for number in range(5))
    assert all(user(number) in settled.plan("--approve-source", "10").out for number in range(5))
