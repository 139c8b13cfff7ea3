"""The one message about a fleet's run: tenants by outcome, no user's name, and only what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from ninjasync.model.fleet import FleetOutcome, FleetRow, total
from ninjasync.model.problems import HeldNews
from ninjasync.report.fleet_notice import FleetNews, fleet_notice
from ninjasync.report.notice import Event
from ninjasync.report.tenant_document import pack

ALL = get_args(Event)
GOOD = FleetRow("north", "north.toml", "done", 0, seconds=1.0)
REFUSED = FleetRow("east", "east.toml", "refused", 3, guards=(("removals", "--approve-removals 7"), ("source", "")))
CHANGES = [{"action": "deactivate", "outcome": "applied", "key": "kim@example.com"}, {"action": "delete"}]

HELD = {
    "north": HeldNews((("missing-name", 2), ("name-taken", 1)), compared=True),
    "south": HeldNews((), compared=True),
    "east": HeldNews((("missing-name", 2),), compared=False),
    "west": HeldNews((), compared=False),
}


def news(*rows: FleetRow, command: str = "apply", **more: object) -> FleetNews:
    result = total(command, rows)
    given = {"held": {}, "tokens": {}} | more
    return FleetNews(command, result.exit_code, result, **given)  # type: ignore[arg-type]  # as the tests give them


def test_tenants_are_named_by_outcome_the_worst_first() -> None:
    told = fleet_notice(news(GOOD, REFUSED, replace(GOOD, tenant="west", outcome="failed", exit_code=1)), ALL)
    assert told is not None
    assert told.title == "ninjasync fleet apply: 1 failed, 1 refused, 1 done"
    assert told.weight == "failure"
    assert told.body.splitlines() == [
        "Failed: west.",
        "Refused: east (removals: --approve-removals 7, source).",
        "Exit code 1.",
    ]


def test_when_all_went_well_there_is_no_message() -> None:
    assert fleet_notice(news(GOOD), ALL) is None


@pytest.mark.parametrize(
    ("given", "event", "said"),
    [
        (news(replace(GOOD, document=pack({"changes": CHANGES}))), "removals", "Removals: north 1 of 2."),
        (
            news(replace(GOOD, document=pack({"changes": CHANGES})), command="plan"),
            "removals",
            "Removals planned: north 2.",
        ),
        (news(GOOD, held=HELD), "held", "Held that were not in the last run: north 3."),
        (news(replace(GOOD, outcome="refused", exit_code=3, paused=True)), "refusal", "Paused: north."),
        (news(replace(REFUSED, paused=True)), "refusal", "Refused: east (removals: --approve-removals 7, source)."),
        (news(GOOD, held=HELD), "held", "Held: east 2."),
        (
            news(GOOD, tokens={"north": 7, "south": -1, "east": 1, "west": 0}),
            "token",
            "SCIM tokens to be renewed: south (has expired), west (expires today), east (expires in 1 day), "
            "north (expires in 7 days).",
        ),
        (news(REFUSED), "refusal", "Refused: east (removals: --approve-removals 7, source)."),
        (news(replace(GOOD, outcome="timed out", exit_code=None)), "failure", "Timed out: north."),
    ],
)
def test_each_event_is_told_only_where_it_is_asked_for(given: FleetNews, event: Event, said: str) -> None:
    told = fleet_notice(given, {event})
    assert told is not None
    assert said in told.body.splitlines()
    assert fleet_notice(given, set(ALL) - {event}) is None


def test_no_user_is_named_and_a_hostile_name_of_a_tenant_is_made_visible() -> None:
    told = fleet_notice(news(replace(GOOD, tenant="a\nb\u202e", document=pack({"changes": CHANGES}))), ALL)
    assert told is not None
    assert "kim" not in told.body
    assert told.body.splitlines()[0] == "Removals: a\\nb\\u202e 1 of 2."


def test_of_hundreds_some_are_named_and_the_others_counted() -> None:
    rows = [replace(GOOD, tenant=f"t{number:03}", outcome="failed", exit_code=1) for number in range(300)]
    told = fleet_notice(news(*rows), ALL)
    assert told is not None
    assert "t019 and 280 more." in told.body
    assert "t020" not in told.body


@pytest.mark.parametrize("outcome", get_args(FleetOutcome))
def test_every_outcome_is_either_well_or_told(outcome: FleetOutcome) -> None:
    well = ("under way", "changes", "warnings", "done", "no changes", "in order")
    assert (fleet_notice(news(replace(GOOD, outcome=outcome)), ALL) is None) is (outcome in well)
