"""What the contract says of removals that are withheld."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import GROUP
from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.office import Office
from tests.support.urns import CORE_GROUP


def with_an_unreadable_record(office: Office) -> None:
    """Let Duo send one record, that of a stranger to the scope, without groups."""
    made = office.people.hire("Broken", "Record")

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.path != "/admin/v1/users":
            return answer
        document = json.loads(answer.body)
        for row in document["response"]:
            if row["user_id"] == made:
                del row["groups"]
        return HttpResponse(answer.status, json.dumps(document).encode(), answer.headers)

    office.box.intercept("duo", meddle)


def a_removal_of_every_kind(office: Office) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plan deactivation, deletion of a user, of a group and of a member; and a creation and an update beside them."""
    office.configure("groups", removed="delete")
    office.configure("safety", min_source_percent=0, max_member_removals_percent=100, max_removals=10)
    doomed = office.people.add_group("Doomed")
    office.people.join(office.duo(user(4)), doomed)
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "Doomed"])
    office.settle()
    office.configure("scope", groups=[TECHNICIANS, END_USERS])
    office.people.disable(office.duo(user(0)))
    assert office.apply().code == 0
    office.days_pass(31)
    office.people.disable(office.duo(user(1)))
    office.people.join(office.duo(user(2)), office.people.find_group_id(TECHNICIANS))
    office.people.leave(office.duo(user(2)), office.people.find_group_id(END_USERS))
    office.people.users[office.duo(user(3))]["lastname"] = "Changed"
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.box.forget()
    return {user(0): "delete", user(1): "deactivate"}, {user(3): "update", "new.comer@example.com": "create"}


@pytest.mark.parametrize("why", ["limit", "unreadable", "unreadable, stop"])
def test_04_withheld_are_deactivations_deletions_of_users_and_groups_and_removals_of_members(
    office: Office, why: str
) -> None:
    removals, others = a_removal_of_every_kind(office)
    planned = office.plan()
    assert planned.actions() == removals | others
    # Without the guard the doomed group had gone with the second apply already; make another one.
    gone = office.people.add_group("Gone")
    office.ninjaone.create(GROUP, {"schemas": [CORE_GROUP], "displayName": "Gone", "externalId": gone})
    assert office.plan().actions("group")["Gone"] == "delete"
    if why == "limit":
        office.configure("safety", max_removals=0, max_removals_percent=0, on_refusal="withhold")
    else:
        with_an_unreadable_record(office)
        office.configure("safety", on_refusal="stop" if "stop" in why else "withhold")
    accounts, members = office.accounts().keys(), office.members(END_USERS)

    done = office.apply()

    assert done.code == 3
    # They are shown all the same; but what is merely due stays within the limit, which leaves room for nothing here.
    shown = removals if why != "limit" else {user(1): "deactivate"}
    assert done.actions() == shown | others
    assert done.applied() == others
    assert office.accounts().keys() == accounts | {"new.comer@example.com"}
    assert office.account(user(1))["active"] is True
    assert office.members(END_USERS) == members | {"new.comer@example.com"}
    assert user(2) in office.members(TECHNICIANS)
    assert office.group("Gone")
    assert not [write for write in office.writes() if write[0] == "DELETE"]


def test_04_an_unreadable_record_that_withholds_nothing_is_a_warning_and_exit_0(office: Office) -> None:
    office.settle()
    with_an_unreadable_record(office)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    done = office.apply()

    assert done.code == 0
    assert done.actions() == {"new.comer@example.com": "create"}
    assert re.search("could not be read|unreadable|without the groups", done.warnings), done.json["warnings"]
