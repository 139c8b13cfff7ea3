"""A plan as data: its counts, its exit code, its document and its digest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ninjasync.errors import CredentialsError, NinjasyncError, UnreachableError
from ninjasync.model.attributes import USER_TYPE
from ninjasync.model.change import Change, Delta, Member, count
from ninjasync.model.directory import Problem
from ninjasync.model.document import digest, document
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result, exit_code
from ninjasync.model.plan import Counts, GuardResult, Leaver, Plan
from tests.support.plans import made

CREATE = Change("user", "create", "jane@example.com", None, "DU1", (Delta("userName", None, "jane@example.com"),))
LEAVE = Change("user", "deactivate", "old@example.com", "n1", "DU2", (Delta("active", True, False),))


def plan_of(*changes: Change, **fields: Any) -> Plan:
    """A plan with these changes; ``fields`` replace the rest."""
    base: dict[str, Any] = {
        "source": {"users": 3, "groups": 1, "in_scope": 2},
        "target": {"users": 2, "groups": 0, "managed": 1},
        "users": Counts(count(changes, "user"), unchanged=4, unmanaged=5, held=1),
        "groups": Counts(count(changes, "group"), unchanged=6, unmanaged=7, held=1),
        "guards": (GuardResult("removals", False, Message("fine."), "--approve-removals 1"),),
        "writes": changes,
    }
    return made(*changes, **(base | fields))


TRIPPED = (GuardResult("source", True, Message("shrunk.")),)


@pytest.mark.parametrize(
    ("plan", "detailed", "code"),
    [
        (plan_of(), False, 0),
        (plan_of(CREATE), False, 0),
        (plan_of(), True, 0),
        (plan_of(CREATE), True, 2),
        (plan_of(CREATE, refused=True, guards=TRIPPED), False, 3),
        (plan_of(CREATE, refused=True, guards=TRIPPED), True, 3),
        (plan_of(CREATE, withheld=frozenset({"user:DU1"}), guards=TRIPPED), True, 3),
    ],
)
def test_a_plan_exits_with_changes_only_in_detail_and_a_refusal_goes_first(
    plan: Plan, detailed: bool, code: int
) -> None:
    assert exit_code(plan, detailed=detailed) == code


def test_a_tripped_guard_is_exit_3_even_where_there_was_nothing_to_withhold() -> None:
    plan = plan_of(CREATE, guards=TRIPPED)
    assert exit_code(plan) == 3
    assert exit_code(plan, Result((Outcome(CREATE, "applied"),))) == 3


APPLIED, FAILED, SKIPPED = (
    Outcome(CREATE, "applied"),
    Outcome(LEAVE, "failed", Message("HTTP 500")),
    Outcome(LEAVE, "skipped", Message("interrupted")),
)


@pytest.mark.parametrize(
    ("result", "refused", "code"),
    [
        (Result((APPLIED,)), False, 0),
        (Result((APPLIED, FAILED)), False, 4),
        (Result((APPLIED, FAILED)), True, 4),
        (Result((SKIPPED,)), True, 3),
        (Result((FAILED,), interrupted=True), False, 130),
        (Result((FAILED,), interrupted=True, fatal=CredentialsError("no")), False, 130),
        (Result((FAILED,), fatal=CredentialsError("no")), False, 6),
        (Result((FAILED,), fatal=UnreachableError("gone")), True, 1),
    ],
)
def test_the_exit_code_of_a_run_follows_the_precedence(result: Result, refused: bool, code: int) -> None:
    plan = plan_of(CREATE, LEAVE, refused=refused, guards=TRIPPED if refused else ())
    assert exit_code(plan, result) == code


def test_a_plan_of_which_nothing_was_tried_has_every_change_skipped_with_the_reason() -> None:
    result = Result.skipped(plan_of(CREATE, LEAVE), Message("the operator said no"))
    assert [(one.change, one.status, one.error) for one in result.outcomes] == [
        (CREATE, "skipped", "not tried: the operator said no"),
        (LEAVE, "skipped", "not tried: the operator said no"),
    ]
    assert (result.count("skipped"), result.count("applied")) == (2, 0)


def test_every_action_is_counted_even_if_it_does_not_occur() -> None:
    assert count([], "user") == dict.fromkeys(("create", "adopt", "update", "reactivate", "deactivate", "delete"), 0)
    assert count([CREATE], "group") == {"create": 0, "adopt": 0, "update": 0, "delete": 0}


def test_a_change_is_told_from_every_other_by_its_id_or_else_by_duos() -> None:
    assert CREATE.name == "user:DU1"
    assert LEAVE.name == "user:n1"
    assert Change("group", "update", "x", "x", "x").name != Change("user", "update", "x", "x", "x").name


PROMOTION = Change(
    "user",
    "update",
    "jane@example.com",
    "n7",
    "DU7",
    (Delta(USER_TYPE, "endUser", "technician"), Delta("userName", "a", "jane@example.com", via="tmp@x.yz")),
    reasons=(Message("why"),),
    privilege=True,
)
NEW_MEMBER = Change(
    "group",
    "update",
    "Techs",
    "g1",
    "DG1",
    added=(Member("jane@example.com", "DU7", "n7"),),
    reasons=(Message("in scope"),),
)
CHANGES_IN_THE_DOCUMENT = [
    {
        "resource": "user",
        "action": "update",
        "key": "jane@example.com",
        "id": "n7",
        "external_id": "DU7",
        "privilege": True,
        "diff": [
            {"path": "userType", "before": "endUser", "after": "technician"},
            {"path": "userName", "before": "a", "after": "jane@example.com", "via": "tmp@x.yz"},
        ],
        "reasons": ["why"],
    },
    {
        "resource": "group",
        "action": "update",
        "key": "Techs",
        "id": "g1",
        "external_id": "DG1",
        "diff": [{"path": "members", "added": ["jane@example.com"], "removed": []}],
        "reasons": ["in scope"],
    },
]


def test_the_document_has_the_shape_of_the_contract() -> None:
    body = document(
        plan_of(
            PROMOTION,
            NEW_MEMBER,
            problems=(Problem("user", "bob", "DU8", "invalid-user-type", Message("wrong")),),
            guards=(GuardResult("removals", True, Message("too many"), "--approve-removals 7"), *TRIPPED),
            warnings=("careful",),
        )
    )
    assert list(body) == ["tenant", "source", "target", "summary", "changes", "problems", "guards", "warnings"]
    assert body["source"] == {"users": 3, "groups": 1, "in_scope": 2}
    assert body["target"] == {"users": 2, "groups": 0, "managed": 1}
    assert body["summary"] == {
        "users": {
            "create": 0,
            "adopt": 0,
            "update": 1,
            "reactivate": 0,
            "deactivate": 0,
            "delete": 0,
            "unchanged": 4,
            "held": 1,
            "unmanaged": 5,
        },
        "groups": {"create": 0, "adopt": 0, "update": 1, "delete": 0, "unchanged": 6, "unmanaged": 7},
    }
    assert body["changes"] == CHANGES_IN_THE_DOCUMENT
    assert body["problems"] == [
        {"resource": "user", "key": "bob", "external_id": "DU8", "code": "invalid-user-type", "message": "wrong"}
    ]
    assert body["guards"] == [
        {"name": "removals", "tripped": True, "message": "too many", "approve": "--approve-removals 7"},
        {"name": "source", "tripped": True, "message": "shrunk.", "approve": ""},
    ]
    assert body["warnings"] == ["careful"]
    assert json.loads(json.dumps(body)) == body


def test_the_digest_is_the_same_for_the_same_plan_and_another_for_any_other() -> None:
    first, second = document(plan_of(CREATE)), document(plan_of(CREATE))
    assert digest(first) == digest(second)
    assert digest(first).startswith("sha256:")
    assert len(digest(first)) == 7 + 64
    assert digest(dict(reversed(first.items()))) == digest(first)
    assert digest(document(plan_of(LEAVE))) != digest(first)
    assert digest(document(plan_of(replace(CREATE, reasons=(Message("x"),))))) != digest(first)
    assert digest(document(plan_of(CREATE, warnings=("x",)))) != digest(first)


def test_a_name_that_is_no_valid_unicode_still_has_a_digest() -> None:
    assert digest(document(plan_of(replace(CREATE, key="\ud800"))))


def test_an_error_has_a_sentence_a_hint_and_an_exit_code() -> None:
    error = NinjasyncError("It failed.", "Do this.")
    assert (str(error), error.message, error.hint, error.exit_code) == ("It failed.", "It failed.", "Do this.", 1)


def test_the_document_names_the_leavers_and_what_is_withheld() -> None:
    leaver = Leaver("old@example.com", "DU2", date(2027, 1, 31), deferred=True)
    body = document(plan_of(CREATE, LEAVE, leavers=(leaver,), withheld=frozenset({LEAVE.name}), writes=(CREATE,)))
    (warning,) = body["warnings"]
    assert warning.startswith("old@example.com is inactive: ")
    assert [change.get("withheld") for change in body["changes"]] == [None, True]


def test_the_outcome_of_a_run_names_what_was_withheld_wholly_and_in_part() -> None:
    group = Change("group", "update", "g", "g", "G", added=(Member("a", "A", "a"),), removed=(Member("b", "B", "b"),))
    failed = replace(group, id="h", key="h")
    plan = plan_of(CREATE, LEAVE, group, failed, withheld=frozenset({LEAVE.name, group.name, failed.name}))
    written = Result(
        (
            Outcome(CREATE, "applied"),
            Outcome(replace(group, removed=()), "applied"),
            Outcome(replace(failed, removed=()), "failed", Message("no")),
        )
    )
    whole = written.with_withheld(plan)
    assert [(one.change, one.status, one.error) for one in whole.outcomes] == [
        (CREATE, "applied", ""),
        (LEAVE, "skipped", "withheld by a guard"),
        (group, "applied", "1 member removals withheld by a guard"),
        (failed, "failed", "no"),
    ]


def test_the_outcome_of_a_run_from_which_nothing_was_withheld_is_left_as_it_is() -> None:
    result = Result((Outcome(CREATE, "applied"),))
    assert result.with_withheld(plan_of(CREATE)) is result
