"""The schema of the JSON documents against real ones, and against what the manual says of them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ninjasync
from ninjasync.report.plan_schema import fields, schema
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office

fastjsonschema = pytest.importorskip("fastjsonschema", reason="it is among the test extra's packages")
PAGE = Path(ninjasync.__file__).parent / "manual" / "json-documents.md"
# What a saved plan holds beyond the document, for ``apply`` alone.
SAVED = {"config_digest", "approvals", "exact", "seal", "file_digest"}


def closed(found: Any) -> Any:
    """The schema without a place for fields that it does not describe."""
    if isinstance(found, list):
        return [closed(one) for one in found]
    if not isinstance(found, dict):
        return found
    made = {name: closed(inner) for name, inner in found.items()}
    return made | {"additionalProperties": False} if "properties" in found else made


def valid(document: Json) -> None:
    fastjsonschema.compile(closed(schema()))({name: each for name, each in document.items() if name not in SAVED})


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(6, 2)) as made:
        yield made


def test_real_documents_hold_nothing_that_the_schema_does_not_describe(office: Office) -> None:
    office.native(user(1))
    office.people.users[office.duo(user(2))]["custom_attributes"]["userType"] = "boss"
    saved = office.folder / "saved.plan"
    planned = office.run("plan", "--format", "json", "--out", saved).json
    valid(planned)
    valid(json.loads(saved.read_bytes()))
    valid(office.run("show", saved, "--format", "json").json)
    valid(office.run("plan", "--format", "json", "--redact").json)
    applied = office.apply().json
    valid(applied)
    assert {one["outcome"] for one in applied["changes"]} == {"applied"}

    office.people.users[office.duo(user(0))]["status"] = "disabled"  # a leaver
    renamed = office.people.users[office.duo(user(1))]
    swapped = office.people.users[office.duo(user(3))]
    renamed["email"], swapped["email"] = swapped["email"], renamed["email"]  # by way of a temporary name
    office.people.users[office.duo(user(4))]["custom_attributes"] = {"userType": "technician"}
    office.people.groups[office.people.scoped[0]]["name"] = "Renamed"
    office.configure("scope", groups=[END_USERS, "Renamed"])
    document = office.plan().json
    valid(document)
    assert {one["action"] for one in document["changes"]} >= {"update", "deactivate"}
    valid(office.run("apply", "--yes", "--format", "json", "--strict").json)  # refused: some are held
    valid(office.apply("--only", user(0)).json)


def test_a_run_that_ended_before_there_was_a_plan_is_described_too(office: Office) -> None:
    office.configure("duo", secret_key="another-secret")
    document = office.plan().json
    valid(document)
    assert document["error"]["exit_code"] == 6
    office.configure("run", retries=-1)
    valid(office.plan().json)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("guards"),
        lambda document: document.update(more=1),
        lambda document: document["changes"][0].update(action="invent"),
        lambda document: document["summary"]["users"].update(create="many"),
        lambda document: document.update(created_at="2026-01-01T00:00:00"),
    ],
)
def test_what_is_no_such_document_is_refused(office: Office, spoil: Any) -> None:
    document = office.plan().json
    valid(document)
    spoil(document)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        valid(document)


def test_a_document_of_a_later_version_may_have_more_fields(office: Office) -> None:
    document = copy.deepcopy(office.plan().json)
    document["later"] = document["changes"][0]["later"] = True
    fastjsonschema.compile(schema())(document)


def test_init_gives_the_schema_of_the_configuration_or_of_a_plan(office: Office) -> None:
    assert json.loads(office.run("init", "--schema", "plan").out) == schema()
    assert json.loads(office.run("init", "--schema", "config").out) == json.loads(office.run("init", "--schema").out)
    assert office.run("init", "--schema", "nonsense").code == 64
    assert office.run("init", "plan").code == 64


def test_the_manual_describes_each_field_in_the_schemas_words() -> None:
    section = PAGE.read_text("utf-8").partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))
    assert rows == fields(schema())
    assert TECHNICIANS not in section
