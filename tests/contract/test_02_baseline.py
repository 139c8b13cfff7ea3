"""What the contract says of a run without a ledger, and of a ledger that cannot be written."""

from __future__ import annotations

import re

from tests.support.company import END_USERS, user
from tests.support.office import Office


def test_02_without_a_ledger_leavers_seen_by_external_id_are_planned_and_the_rest_is_adopted_or_left(
    office: Office,
) -> None:
    office.settle()
    office.people.disable(office.duo(user(0)))
    erased = office.duo(user(1))
    office.people.erase(erased)
    office.native("stranger@example.com")
    newcomer = office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.native(office.people.users[newcomer]["email"])
    office.lose_ledger()
    office.configure("safety", min_source_percent=0)

    planned = office.plan()

    assert planned.actions() == {user(0): "deactivate", "new.comer@example.com": "adopt"}
    # A user who was erased is in no Duo read: that account and the unmanaged one cannot be judged.
    assert re.search(r"\b2 accounts\b.*cannot be judged", planned.warnings)
    assert planned.json["summary"]["users"]["unmanaged"] == 2


def test_02_apply_without_a_writable_ledger_exits_1_before_its_first_write(office: Office) -> None:
    (office.folder / "file").write_text("no folder")
    office.configure("state", path="file/ledger.sqlite3")

    planned, done = office.plan(), office.apply()

    assert planned.code == 0
    assert "ledger" in planned.warnings
    assert len(planned.actions()) == 5
    assert done.code == 1
    assert office.writes() == []
