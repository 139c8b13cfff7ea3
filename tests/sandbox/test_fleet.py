"""Many companies behind one port: each is reached by its own keys and path alone, and their files make a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ninjasync.config.load import load
from ninjasync.fleet.tenants import load_fleet
from ninjasync.sandbox.box import Behavior
from ninjasync.sandbox.company.events import UnknownEvent
from ninjasync.sandbox.fleet import SandboxFleet, make_fleet
from tests.support.command import run


@pytest.fixture
def served() -> Iterator[SandboxFleet]:
    with SandboxFleet(make_fleet(3, users=5)) as fleet:
        yield fleet


def write(fleet: SandboxFleet, folder: Path) -> Path:
    for name, text in fleet.render_files().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o600)
    return folder / "fleet.toml"


def test_the_files_are_a_fleet_without_a_mistake(served: SandboxFleet, tmp_path: Path) -> None:
    fleet = load_fleet(write(served, tmp_path))
    assert [tenant.name for tenant in fleet.tenants] == ["alder", "birch", "cedar"]
    assert [tenant.mistakes for tenant in fleet.tenants] == [(), (), ()]


def test_each_tenant_is_planned_and_applied_by_itself(served: SandboxFleet, tmp_path: Path) -> None:
    write(served, tmp_path)
    for name, box in served.boxes.items():
        config = str(tmp_path / "tenants" / f"{name}.toml")
        others = [len(other.ninjaone.users) for other in served.boxes.values() if other is not box]
        assert run("apply", "--config", config, "--yes").code == 0
        assert run("plan", "--config", config, "--detailed-exitcode").code == 0
        in_scope = {user["email"].lower() for user in box.company.users.values()}
        assert in_scope <= {account["userName"].lower() for account in box.ninjaone.users.values()}
        assert others == [len(other.ninjaone.users) for other in served.boxes.values() if other is not box]


def test_the_token_or_key_of_another_tenant_is_refused(served: SandboxFleet) -> None:
    alder, birch = served.boxes["alder"], served.boxes["birch"]
    headers = {"Authorization": f"Bearer {birch.token}"}
    assert requests.get(f"{alder.scim_url}/Users", headers=headers, timeout=5).status_code == 401
    assert requests.get(f"{birch.scim_url}/Users", headers=headers, timeout=5).status_code == 200
    unknown = requests.get(f"{served.url}/admin/v1/users", auth=("DINOBODY", "x"), timeout=5)
    assert (unknown.status_code, unknown.json()["code"]) == (401, 40102)
    assert requests.get(f"{served.url}/rowan/scim/v2/Users", headers=headers, timeout=5).status_code == 404


def test_addresses_in_answers_lead_to_the_company_again(served: SandboxFleet) -> None:
    box = served.boxes["cedar"]
    headers = {"Authorization": f"Bearer {box.token}"}
    page = requests.get(f"{box.scim_url}/Users", headers=headers, timeout=5).json()
    location = page["Resources"][0]["meta"]["location"]
    assert location.startswith(f"{served.url}/cedar/scim/v2/Users/")
    assert requests.get(location, headers=headers, timeout=5).json()["id"] == page["Resources"][0]["id"]


def test_the_public_api_is_each_companys_own(served: SandboxFleet) -> None:
    box = served.boxes["birch"]
    form = {"grant_type": "client_credentials", "client_id": box.access.client_id}
    url = f"{box.api_url}/ws/oauth/token"
    assert requests.post(url, data=form | {"client_secret": box.access.client_secret}, timeout=5).status_code == 200
    assert requests.post(url.replace("birch", "alder"), data=form, timeout=5).status_code == 404


def test_events_happen_in_the_company_that_is_named(served: SandboxFleet) -> None:
    assert served.run_event("birch hire Mia Lang").endswith("mia.lang@birch.example.com.")
    answer = requests.post(served.boxes["cedar"].events_url, data="hire Mia Lang", timeout=5)
    assert answer.text.endswith("mia.lang@cedar.example.com.\n")
    assert "hire" in served.run_event("help")
    with pytest.raises(UnknownEvent, match=r'There is no company "rowan"; the companies are alder, birch, cedar\.'):
        served.run_event("rowan hire")


def test_faults_and_quirks_apply_to_every_company() -> None:
    with SandboxFleet(make_fleet(2, users=3, behavior=Behavior({"scim.500": "1"}))) as fleet:
        statuses = {requests.get(f"{box.scim_url}/Users", timeout=5).status_code for box in fleet.boxes.values()}
    assert statuses == {500}


def test_every_tenant_has_its_own_names_and_keys() -> None:
    boxes = make_fleet(30, users=1)
    assert len(boxes) == 30
    assert list(boxes)[12] == "alder-2"
    assert len({box.integration_key for box in boxes.values()}) == len({box.token for box in boxes.values()}) == 30


def test_a_tenant_of_it_passes_the_configurations_own_checks(served: SandboxFleet, tmp_path: Path) -> None:
    write(served, tmp_path)
    config = load(tmp_path / "tenants" / "alder.toml")
    assert config.state.tenant == "alder"
    assert str(config.ninjaone.api.url) == f"{served.url}/alder"
