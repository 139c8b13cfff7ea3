"""Companies of 60 people, and a public API with every quirk and fault: nothing is changed that would not be without it.

A few worlds are in the suite. All of them, each quirk alone and with each other on twenty seeds:
``NINJASYNC_API_SEEDS=20 pytest tests/worlds/test_api_worlds.py`` (half an hour).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ninjasync.sandbox.company.staffing import END_USERS, TECHNICIANS, existing_accounts, make_company
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from tests.support.command import Ran
from tests.support.office import Office

PEOPLE = 60
GIVEN = int(os.environ.get("NINJASYNC_API_SEEDS", "0"))
SEEDS = range(1, (GIVEN or 2) + 1)
QUIRKS = (
    *("api.html-throttle=1", "api.html-throttle=2", "api.html-throttle=3", "api.no-user-lists", "api.no-organizations"),
    *("api.truncated=3", "api.truncated=10", "api.ignores-after", "api.wide-scope", "api.no-scope", "api.forbidden"),
    *("api.technicians-forbidden", "api.token-elsewhere", "api.lag=2"),
)
FAULTS = ("api.500=0.5", "api.429=0.5:0", "api.reset=0.4", "api.403=0.5:0", "api.cut-short=0.4", "api.503=1")
WEATHER = (*QUIRKS, *FAULTS)
# With these the client app is refused as a whole, and the run ends with exit code 6.
REFUSED = {"api.no-scope", "api.forbidden"}
MISTYPED, TAKEN = "4711", "kim.kiosk@example.com"


@contextmanager
def lived_in(folder: Path, seed: int) -> Iterator[Office]:
    """A company that was settled, and in which something happened since; SCIM hides the extension of every other."""
    company = make_company(PEOPLE, seed)
    with Office(folder, company, existing_accounts(company, seed)) as made:
        made.configure("scope", groups=[company.groups[id_]["name"] for id_ in company.scoped])
        made.configure("run", retries=2)
        made.configure("safety", max_removals=60, max_privilege_changes=60, max_held=60, min_source_percent=1)
        behave(made, seed)
        done = made.apply()
        assert done.code == 0, done.printed
        live(made, Random(seed))
        yield made


def behave(office: Office, seed: int, weather: tuple[str, ...] = ()) -> None:
    quirks = [one for one in weather if one in QUIRKS] + (["no-extension"] if seed % 2 else [])
    office.box.set_behavior(quirks=quirks, faults=dict(one.split("=") for one in weather if one in FAULTS), seed=seed)


def live(office: Office, rng: Random) -> None:
    """Users leave, come, move, are promoted and demoted; one number is mistyped, one address is taken."""
    people, managed = office.people, {row.get("externalId") for row in office.ninjaone.users.values()}
    settled = sorted(id_ for id_, row in people.users.items() if id_ in managed and row["status"] == "active")
    chosen = rng.sample(settled, 14)
    for number, id_ in enumerate(chosen):
        match number:
            case 0 | 1 | 2:
                people.trash(id_)
            case 3 | 4:
                people.disable(id_)
            case 5 | 6:
                people.set_attribute(id_, "organizationID", rng.choice(["1", "4", "12", "107"]))
            case 7 | 8:
                people.set_attribute(id_, "userType", "technician")
            case 9 | 10:
                people.set_attribute(id_, "userType", "endUser")
                people.set_attribute(id_, "organizationID", "12")
            case 11:
                people.set_email(id_, f"renamed.{id_.lower()}@example.com")
            case 12:
                people.set_attribute(id_, "organizationID", "All")
            case _:
                people.set_attribute(id_, "organizationID", MISTYPED)
    people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    people.hire("New", "Hand", groups=[TECHNICIANS], user_type="technician")
    people.hire("Kim", "Kiosk", groups=[END_USERS], user_type="endUser", organization="1")
    office.ninjaone.unlisted[TAKEN] = {
        "userName": TAKEN.title(),
        "active": True,
        NINJAONE_USER: {"userType": "endUser"},
    }
    staying = set(chosen[5:])
    technicians = [
        id_
        for id_, row in office.ninjaone.users.items()
        if (row.get(NINJAONE_USER) or {}).get("userType") == "technician" and row.get("externalId") not in staying
    ]
    office.ninjaone.administrators.update(rng.sample(sorted(technicians), 3))


def parts(done: Ran) -> set[tuple[Any, ...]]:
    """All that a plan would do, in the smallest parts: an action, an attribute's new value, a member."""
    found: set[tuple[Any, ...]] = set()
    for change in done.json["changes"]:
        key = (change["resource"], change["external_id"])
        found.add((*key, change["action"]))
        for row in change["diff"]:
            found.add((*key, row["path"], str(row.get("after"))))
            found |= {(*key, how, name) for how in ("added", "removed") for name in row.get(how, [])}
    return found


def judge(without: Ran, given: Ran, office: Office, weather: tuple[str, ...]) -> str:
    """Judge a plan by the one without the API; return what was the most that the API did to it."""
    if REFUSED & set(weather) and given.code == 6:
        return "ended"
    assert given.code in (0, 3), (weather, given.printed)
    before, now = parts(without), parts(given)
    assert now <= before, (weather, now - before)
    # What is not planned any more has its sentence, and so has what is planned and withheld.
    held = {each["external_id"] for each in given.json["problems"]}
    told = " ".join(given.json["warnings"])
    for resource, duo_id, *_ in before - now:
        name = office.people.users[duo_id]["email"] if resource == "user" else ""
        account = [row["userName"] for row in office.ninjaone.users.values() if row.get("externalId") == duo_id]
        said = duo_id in held or any(one in told for one in (name, *account) if one) or resource == "group"
        assert said, (weather, resource, name)
    withheld = [each for each in given.json["changes"] if each.get("withheld")]
    tripped = {guard["name"] for guard in given.json["guards"] if guard["tripped"]}
    assert bool(withheld) == bool(tripped) == (given.code == 3)
    assert tripped <= {"administrators"}
    for change in withheld:
        assert change["action"] in ("deactivate", "delete") or {row["path"] for row in change["diff"]} & {"userType"}
    return "withheld" if withheld else "left out" if before - now else "as without"


def cases(rng: Random) -> list[tuple[str, ...]]:
    """Each alone, and each with each other; in the suite some of these."""
    alone, together = [(one,) for one in WEATHER], list(combinations(WEATHER, 2))
    return [(), *alone, *together] if GIVEN else [(), *rng.sample(alone, 3), *rng.sample(together, 3)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_WAIT", "FIRST_WAIT_OF_429"):
        monkeypatch.setattr(f"ninjasync.net.pacing.{name}", 0.001)
    monkeypatch.setattr("ninjasync.runs.confirmation.LOOKS_AFTER", (0.0, 0.01))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_api_does_nothing_happens_that_would_not_without_it(seed: int, tmp_path: Path) -> None:
    with lived_in(tmp_path, seed) as office:
        without = office.plan()
        access = office.box.access
        office.configure(
            "ninjaone.api", url=office.box.api_url, client_id=access.client_id, client_secret=access.client_secret
        )
        seen = Counter[str]()
        for weather in cases(Random(seed)):
            behave(office, seed, weather)
            seen[judge(without, office.plan(), office, weather)] += 1
        sys.stdout.write(f"seed {seed}: {dict(seen)}\n")
        behave(office, seed)
        given = office.apply()
        assert given.code == 0, given.printed
        assert {each["code"] for each in given.json["problems"] if MISTYPED in each["message"]} == {
            "unknown-organization"
        }
        assert [each["code"] for each in given.json["problems"] if each["key"] == TAKEN] == ["name-taken"]
        for id_ in office.ninjaone.administrators:
            assert office.ninjaone.users[id_]["active"], "a system administrator stays"
        assert office.plan("--detailed-exitcode").code == 0
