"""What can be made to happen in the company: the words, the users they are for, and what is answered."""

from __future__ import annotations

import copy

import pytest
import requests

from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.events import ON_ONE, WORDS, Events, UnknownEvent
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.company.year import live_a_year
from ninjasync.sandbox.ninjaone.store import NinjaOne


@pytest.fixture
def people() -> Company:
    return make_company(users=60, seed=2)


def in_scope(people: Company, user_id: str) -> bool:
    return bool(set(people.users[user_id]["groups"]) & set(people.scoped))


def an_end_user(people: Company) -> str:
    return next(
        user_id
        for user_id, user in people.users.items()
        if user["status"] == "active" and user["custom_attributes"].get("userType") == "endUser" and user["email"]
    )


def test_hire_takes_on_an_end_user_of_that_name_or_any(people: Company) -> None:
    events, before = Events(people), set(people.users)
    assert " was hired as an end user: " in events.run("hire")
    assert events.run("hire Mia van Lang") == "Mia van Lang was hired as an end user: miavan.lang@example.com."
    new = [people.users[user_id] for user_id in people.users if user_id not in before]
    assert len(new) == 2
    assert all(user["custom_attributes"]["userType"] == "endUser" and user["status"] == "active" for user in new)
    assert all(in_scope(people, user["user_id"]) for user in new)


@pytest.mark.parametrize("kind", ["email", "username", "user_id"])
def test_an_event_finds_its_user_by_address_username_or_id_in_any_case(people: Company, kind: str) -> None:
    user_id = an_end_user(people)
    Events(people).run(f"  DISABLE {people.users[user_id][kind].upper()} ")
    assert people.users[user_id]["status"] == "disabled"


def test_each_word_does_what_its_meaning_says(people: Company) -> None:
    events, user_id = Events(people), an_end_user(people)
    user = people.users[user_id]
    username, email = user["username"], user["email"]
    assert "became a technician" in events.run(f"promote {username}")
    assert user["custom_attributes"]["userType"] == "technician"
    assert people.scoped[0] in user["groups"]
    assert people.scoped[1] not in user["groups"]
    assert "already" in events.run(f"promote {username}")
    told = events.run(f"rename {username}")
    assert told.startswith(f"{email} married")
    assert told.endswith(f"the address {user['email']}.")
    assert user["email"] != email
    assert "freelance" in events.run(f"move {username}")
    assert not in_scope(people, user_id)
    assert "came back" in events.run(f"return {username}")
    assert people.scoped[0] in user["groups"]
    assert "trash" in events.run(f"leave {username}")
    assert user["status"] == "pending deletion"
    events.run(f"return {username}")
    assert user["status"] == "active"
    assert events.run("rename-group") == "The group Helpdesk is now called Service Desk."


def test_an_event_without_a_user_draws_one_by_the_seed(people: Company) -> None:
    lines = [*ON_ONE, *ON_ONE, "hire"]
    twin, other = copy.deepcopy(people.users), make_company(users=60, seed=2)
    told = [Events(people, 5).run("leave"), *map(Events(people, 6).run, lines)]
    assert told == [Events(other, 5).run("leave"), *map(Events(other, 6).run, lines)]
    assert people.users == other.users != twin


def test_return_without_a_user_brings_back_one_that_left() -> None:
    people = make_company(users=5)
    events = Events(people)
    with pytest.raises(UnknownEvent, match="no user left who could return"):
        events.run("return")
    gone = events.run("leave").partition(" ")[0]
    assert events.run("return") == f"{gone} came back and is active."


def test_a_year_goes_by_as_in_the_demo_and_the_next_is_another(people: Company) -> None:
    same = make_company(users=60, seed=2)
    assert Events(people, 2).run("year") == " ".join(live_a_year(same, seed=2))
    assert people.users == same.users
    events = Events(make_company(users=60), 1)
    assert events.run("year") != events.run("year")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hier", 'There is no event "hier"; did you mean hire? "help" lists them.'),
        ("rename_group", 'There is no event "rename_group"; did you mean rename-group? "help" lists them.'),
        ("xyzzy", 'There is no event "xyzzy". "help" lists them.'),
        ("leave ada.lovelac", 'Duo has no user "ada.lovelac"; did you mean ada.lovelace?'),
        ("leave 77", 'Duo has no user "77".'),
    ],
)
def test_what_is_not_known_names_the_nearest_and_changes_nothing(people: Company, line: str, words: str) -> None:
    people.hire("Ada", "Lovelace")
    before = copy.deepcopy(people.users)
    with pytest.raises(UnknownEvent) as caught:
        Events(people).run(line)
    assert str(caught.value) == words
    assert people.users == before


def test_help_lists_every_word_in_one_line(people: Company) -> None:
    shown = Events(people).run("help")
    assert "\n" not in shown
    assert all(word in shown for word in (*WORDS, *ON_ONE))


def test_events_happen_also_in_a_company_without_groups() -> None:
    people = Company()
    people.scoped.append(people.add_group("Staff"))
    user_id = people.hire("Ada", "Abara", groups=["Staff"], user_type="endUser", organization="1")
    events = Events(people)
    for line in ("hire", "promote ada.abara", "move ada.abara", "return ada.abara", "rename-group", "year"):
        assert events.run(line).endswith(".")
    assert people.users[user_id]["custom_attributes"]["userType"] == "technician"


def test_an_event_can_be_sent_by_post_under_any_fault() -> None:
    with Sandbox(make_company(users=5), NinjaOne(), behavior=Behavior({"500": "1"})) as box:
        before = len(box.company.users)
        answer = requests.post(box.events_url, data="hire Zoë Ito", timeout=5)
        assert (answer.status_code, answer.text) == (200, "Zoë Ito was hired as an end user: zoe.ito@example.com.\n")
        assert len(box.company.users) == before + 1
        wrong = requests.post(box.events_url, data=b"hir\xff", timeout=5)
        assert (wrong.status_code, wrong.text.startswith("There is no event")) == (400, True)
        assert requests.get(box.events_url, timeout=5).text.startswith("hire [FIRST LAST]")
