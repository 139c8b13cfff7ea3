"""A plan, its outcomes or an error as one JSON document."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ninjasync import __version__
from ninjasync.errors import ConfigurationError, CredentialsError, NinjasyncError
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Observation
from ninjasync.model.document import digest, document
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.report.json import render, render_error
from tests.support.plans import made

if TYPE_CHECKING:
    from tests.support.sides import Sides

NOW = datetime(2027, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
JANE = Change("user", "create", "jane@example.com", None, "DU1", (Delta("userName", None, "jane@example.com"),))
BOB = Change("user", "deactivate", "bob", "n", "DU2")


def plan_of(*changes: Change) -> Plan:
    return made(*changes, source={"users": 1, "groups": 0, "in_scope": 1}, writes=changes)


def test_a_plan_starts_with_its_version_its_time_and_its_digest() -> None:
    plan = plan_of(JANE)
    text = render(plan, NOW)
    body = json.loads(text)
    assert list(body)[:4] == ["format_version", "ninjasync_version", "created_at", "digest"]
    assert (body["format_version"], body["ninjasync_version"]) == ("1.0", __version__)
    assert body["created_at"] == "2027-01-02T03:04:05Z"
    assert body["digest"] == digest(document(plan))
    assert {key: body[key] for key in document(plan)} == document(plan)
    assert "result" not in body
    assert text.endswith("}\n")


def test_the_digest_covers_everything_below_it_and_can_be_checked_from_the_document() -> None:
    body = json.loads(render(plan_of(JANE), NOW))
    below = {key: value for key, value in body.items() if key not in list(body)[:4]}
    assert digest(below) == body["digest"]


def test_the_same_plan_at_another_time_differs_in_the_time_alone() -> None:
    first, second = render(plan_of(JANE), NOW), render(plan_of(JANE), NOW.replace(year=2028))
    assert first != second
    assert first == second.replace("2028-", "2027-")


def test_a_run_has_an_outcome_for_every_change_and_the_counts() -> None:
    plan = plan_of(JANE, BOB)
    result = Result((Outcome(JANE, "applied"), Outcome(BOB, "failed", Message("HTTP 500"))))
    body = json.loads(render(plan, NOW, result, 4))
    assert [change["outcome"] for change in body["changes"]] == ["applied", "failed"]
    assert [change.get("error") for change in body["changes"]] == [None, "HTTP 500"]
    assert "error" not in body["changes"][0]
    assert body["result"] == {"applied": 1, "failed": 1, "skipped": 0, "exit_code": 4}
    assert body["digest"] == digest(document(plan)), "the digest is that of the plan"


def test_what_ninjaone_shows_otherwise_stands_with_its_change() -> None:
    result = Result((Outcome(JANE, "applied", observed=(Observation("title", "Boss", None),)),))
    (change,) = json.loads(render(plan_of(JANE), NOW, result))["changes"]
    assert change["observed"] == [{"path": "title", "sent": "Boss", "shown": None}]


def test_outcomes_that_do_not_belong_to_the_plan_are_not_shown_as_if_they_did() -> None:
    with pytest.raises(ValueError, match="zip"):
        render(plan_of(JANE, BOB), NOW, Result((Outcome(JANE, "applied"),)))


@pytest.mark.parametrize("name", ["\ud800", "\x1b[31m", "佐藤", '"}', "\u2028", "\0"])
def test_any_name_survives_in_ascii(name: str) -> None:
    text = render(plan_of(replace(JANE, key=name)), NOW)
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["changes"][0]["key"] == name


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            CredentialsError("No.", "Renew."),
            {"message": "No.", "hint": "Renew.", "mistakes": [], "exit_code": 6},
        ),
        (
            ConfigurationError("Two.", "Mend.", mistakes=("a", "b")),
            {"message": "Two.", "hint": "Mend.", "mistakes": ["a", "b"], "exit_code": 78},
        ),
        (NinjasyncError("It."), {"message": "It.", "hint": "", "mistakes": [], "exit_code": 1}),
    ],
)
def test_a_run_that_ended_before_there_was_a_plan_has_an_error(error: NinjasyncError, said: dict[str, Any]) -> None:
    body = json.loads(render_error(error, NOW))
    assert body == {
        "format_version": "1.0",
        "ninjasync_version": __version__,
        "created_at": "2027-01-02T03:04:05Z",
        "error": said,
    }


def test_a_real_difference_can_be_rendered(sides: Sides) -> None:
    sides.settled("A")
    sides.leaver("L")
    sides.duo("N")
    changes = sides.diff().changes
    body = json.loads(render(plan_of(*changes), NOW))
    assert [(change["action"], change["key"]) for change in body["changes"]] == [
        ("create", "n@example.com"),
        ("deactivate", "l@example.com"),
    ]
