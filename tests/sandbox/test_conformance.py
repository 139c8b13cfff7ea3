"""scim2-tester against the sandbox, over real HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any

import requests
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.urns import EXTENSION

SILENT = "NinjaOne silently stores its default in place of the tester's made-up value"
DEFAULT = "it has a default in NinjaOne, so taking it away brings the default back"
ALLOWED = {
    ("check_add_attribute", EXTENSION): SILENT,
    ("check_add_attribute", f"{EXTENSION}:organizationId"): SILENT,
    ("check_replace_attribute", EXTENSION): SILENT,
    ("check_replace_attribute", f"{EXTENSION}:organizationId"): SILENT,
    ("check_remove_attribute", EXTENSION): DEFAULT,
    ("check_remove_attribute", f"{EXTENSION}:userType"): DEFAULT,
    ("check_remove_attribute", f"{EXTENSION}:organizationId"): DEFAULT,
    ("check_remove_attribute", "active"): DEFAULT,
    ("search_with_attributes", ""): "searching by POST is optional (RFC 7644 §3.4.3) and answered with 501",
}
DOMAIN = "@example.com"


def relay(box: Sandbox) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """A WSGI application that passes everything on to the sandbox.

    The tester makes up a UUID for each string, but NinjaOne wants an address as userName: the
    relay adds a domain on the way there and takes it off on the way back.
    """
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {box.token}"

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = environ["wsgi.input"].read()
        answer = session.request(
            environ["REQUEST_METHOD"],
            box.scim_url.removesuffix("/scim/v2") + environ["PATH_INFO"],
            params=environ.get("QUERY_STRING"),
            data=json.dumps(with_domain(json.loads(sent))) if sent else None,
            headers={"Content-Type": environ.get("CONTENT_TYPE") or "application/scim+json"},
            timeout=5,
        )
        content = answer.content.replace(DOMAIN.encode(), b"")
        start_response(
            f"{answer.status_code} {answer.reason}",
            [("Content-Type", answer.headers["Content-Type"])] if content else [],
        )
        return [content]

    return application


def with_domain(body: dict[str, Any]) -> dict[str, Any]:
    if "userName" in body:
        body["userName"] += DOMAIN
    for operation in body.get("Operations", ()):
        if operation.get("path", "").lower() == "username":
            operation["value"] += DOMAIN
    return body


def test_scim2_tester_finds_no_fault_but_those_that_ninjaone_is_known_for() -> None:
    random.seed(1)
    with Sandbox(make_company(users=2), NinjaOne()) as box:
        results = check_server(WSGISCIMClient(relay(box), base_url=box.scim_url))
        assert len(box.requests) > 100
    faults = {
        (
            result.title,
            (result.data or {}).get("urn", "") if isinstance(result.data, dict) else "",
        ): result.reason
        for result in results
        if result.status is not Status.SUCCESS
    }
    assert faults.keys() - ALLOWED.keys() == set(), faults
    assert ALLOWED.keys() - faults.keys() == set(), "no longer needed"
    assert len(results) > 90
