"""What the contract says of the tenant: its fingerprint, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ninjasync.cli import clock
from ninjasync.config.tenant import tenant_of
from ninjasync.state import lock
from tests.support.office import Office


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url + "/"), True),
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url.replace("http:", "HTTP:")), True),
        (lambda office: office.configure("duo", integration_key="DIOTHER0000000000000"), True),
        (lambda office: office.configure("state", tenant="north"), False),
        (lambda office: office.configure("duo", api_hostname="https://api-2.duosecurity.com"), False),
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url.replace("v2", "v3")), False),
        (lambda office: office.configure("ninjaone", endpoint_url="http://127.0.0.1:1/scim/v2"), False),
    ],
    ids=["slash", "case", "key", "name", "duo", "path", "port"],
)
def test_01_a_tenant_is_the_normalised_endpoint_the_duo_hostname_and_the_name(
    office: Office, change: Callable[[Office], None], same: bool
) -> None:
    before = tenant_of(office.load_config()).id

    change(office)

    assert (tenant_of(office.load_config()).id == before) is same


def test_01_entries_lock_plans_and_baselines_belong_to_one_tenant(office: Office, tmp_path: Path) -> None:
    office.settle()
    assert office.plan("--out", tmp_path / "plan").code == 0
    office.configure("state", tenant="north")
    office.box.forget()

    # Entries: to the other tenant these accounts are another's, though their ids are in this Duo read.
    other = office.plan()
    assert other.actions() == {}
    assert "ledger rename-tenant" in " ".join(other.json["warnings"])
    # Saved plans.
    refused = office.run("apply", tmp_path / "plan")
    assert (refused.code, office.writes()) == (3, [])
    assert "another tenant" in refused.printed
    # Lock: that of the first tenant is none for the second.
    office.configure("state", tenant=None)
    config = office.load_config()
    with lock.hold_lock(office.ledger, tenant_of(config), 0, clock.now()):
        assert office.apply().code == 5
        office.configure("state", tenant="north")
        assert office.apply().code == 3, "refused, as all accounts are the first tenant's, and not locked out"
    # Baselines: that of the first tenant is none for the second, and a refused run makes none.
    assert set(dict(office.ask_ledger("select tenant, in_scope from baselines"))) == {tenant_of(config).id}


def test_01_every_apply_also_one_without_changes_records_all_that_is_ours(office: Office) -> None:
    office.settle()
    office.lose_ledger()

    done = office.apply()

    assert done.json["changes"] == []
    recorded = office.ask_ledger("select resource, external_id, id from resources")
    accounts = {("user", one["externalId"], one["id"]) for one in office.ninjaone.users.values()}
    groups = {("group", one["externalId"], one["id"]) for one in office.ninjaone.groups.values()}
    assert set(recorded) == accounts | groups
    assert len(accounts | groups) == 7


def test_01_the_apply_of_a_saved_plan_records_all_that_is_ours_too(office: Office, tmp_path: Path) -> None:
    office.settle()
    office.lose_ledger()
    assert office.plan("--out", tmp_path / "plan").code == 0

    assert office.run("apply", tmp_path / "plan").code == 0

    assert office.ask_ledger("select count(*) from resources") == [(7,)]
