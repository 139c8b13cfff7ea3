"""A large company as ready-made answers: what Duo and NinjaOne would send, rendered once."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

EXTENSION = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
DUO_PAGE, SCIM_PAGE = 300, 100
TECHNICIANS, END_USERS = "DGTECHNICIANS0000001", "DGENDUSERS0000000001"
NAMES = {TECHNICIANS: "NinjaOne Technicians", END_USERS: "NinjaOne End Users"}


@dataclass(frozen=True)
class Pages:
    """Bodies by path and query: answers to every GET of a plan, and to the public API's request for a token."""

    duo: dict[str, bytes]
    scim: dict[str, bytes]
    api: dict[str, bytes]


def duo_id(number: int) -> str:
    """Return the Duo id of the n-th person."""
    return f"DU{number:018d}"


def address(number: int) -> str:
    """Return the e-mail address of the n-th person."""
    return f"person.{number:06d}@example.com"


def number_of(address: str) -> int:
    """Return which person an address is of."""
    return int(address.partition("@")[0].removeprefix("person."))


def account_id(number: int) -> str:
    """Return NinjaOne's id of the n-th person."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def is_technician(number: int) -> bool:
    """Every fifth person is one."""
    return number % 5 == 0


def pages(users: int, *, missing: int = 0, changed: int = 0, left: int = 0) -> Pages:
    """Render a company of ``users`` people and the NinjaOne that it has.

    The first ``missing`` have no account yet, the next ``changed`` another family name
    there, the next ``left`` are disabled in Duo; all others are in step.
    """
    disabled = range(missing + changed, missing + changed + left)
    people = [_person(number, disabled=number in disabled) for number in range(users)]
    accounts = [
        _account(number, family="Former" if number < missing + changed else None) for number in range(missing, users)
    ]
    return Pages(_duo_pages(people), _scim_pages(accounts, _groups(users, missing)), _api_lists(range(missing, users)))


def _person(number: int, *, disabled: bool) -> dict[str, Any]:
    group = TECHNICIANS if is_technician(number) else END_USERS
    custom = {"userType": "technician"} if is_technician(number) else {"userType": "endUser", "organizationID": "7"}
    return {
        "alias1": f"p{number}",
        "alias2": None,
        "alias3": None,
        "alias4": None,
        "aliases": {"alias1": f"p{number}"},
        "created": 1718021544,
        "custom_attributes": custom,
        "email": address(number),
        "enable_auto_prompt": True,
        "external_id": None,
        "firstname": f"Given{number % 977}",
        "lastname": f"Family{number % 1999}",
        "realname": f"Given{number % 977} Family{number % 1999}",
        "groups": [
            {
                "desc": "",
                "group_id": group,
                "name": NAMES[group],
                "status": "Active",
                "mobile_otp_enabled": False,
                "push_enabled": False,
                "sms_enabled": False,
                "voice_enabled": False,
            }
        ],
        "is_enrolled": True,
        "last_directory_sync": None,
        "last_login": 1767225600,
        "lockout_reason": None,
        "notes": "",
        "phones": [{"number": "+15550000000", "type": "Mobile", "platform": "Apple iOS", "activated": True}],
        "tokens": [],
        "u2ftokens": [],
        "webauthncredentials": [],
        "status": "disabled" if disabled else "active",
        "user_id": duo_id(number),
        "username": f"person{number:06d}",
    }


def _account(number: int, *, family: str | None) -> dict[str, Any]:
    extension = {"userType": "technician"} if is_technician(number) else {"userType": "endUser", "organizationId": "7"}
    return {
        "schemas": [CORE, EXTENSION],
        "id": account_id(number),
        "externalId": duo_id(number),
        "userName": address(number),
        "name": {"givenName": f"Given{number % 977}", "familyName": family or f"Family{number % 1999}"},
        "active": True,
        EXTENSION: extension,
        "meta": {
            "resourceType": "User",
            "created": "2026-01-01T00:00:00Z",
            "lastModified": "2026-01-01T00:00:00Z",
            "version": 'W/"1"',
        },
    }


def _groups(users: int, missing: int) -> list[dict[str, Any]]:
    return [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "id": f"group-{duo_group}",
            "externalId": duo_group,
            "displayName": name,
            "members": [
                {"value": account_id(number)}
                for number in range(missing, users)
                if is_technician(number) == (duo_group == TECHNICIANS)
            ],
        }
        for duo_group, name in NAMES.items()
    ]


def _duo_pages(people: list[dict[str, Any]]) -> dict[str, bytes]:
    found = {}
    for offset in range(0, max(len(people), 1), DUO_PAGE):
        metadata: dict[str, Any] = {"total_objects": len(people)}
        if offset + DUO_PAGE < len(people):
            metadata["next_offset"] = offset + DUO_PAGE
        body = {"stat": "OK", "response": people[offset : offset + DUO_PAGE], "metadata": metadata}
        found[f"/admin/v1/users?offset={offset}"] = json.dumps(body).encode()
    groups = [
        {"group_id": id_, "name": name, "desc": "", "status": "Active", "push_enabled": False}
        for id_, name in NAMES.items()
    ]
    body = {"stat": "OK", "response": groups, "metadata": {"total_objects": len(groups)}}
    return found | {"/admin/v1/groups?offset=0": json.dumps(body).encode()}


def _api_lists(people: Iterable[int]) -> dict[str, bytes]:
    """Render NinjaOne's public API: 20 organizations, and both lists of users."""
    lists: dict[str, list[dict[str, Any]]] = {"/v2/user/end-users": [], "/v2/user/technicians": []}
    for number in people:
        kind = (
            {"userType": "TECHNICIAN", "administrator": number == 0} if is_technician(number) else {"organizationId": 7}
        )
        row = {
            "id": number + 1,
            "uid": account_id(number),
            "enabled": True,
            "firstName": f"Given{number % 977}",
            "lastName": f"Family{number % 1999}",
            "email": address(number),
            "phone": None,
            "mustChangePw": False,
            "mfaConfigured": True,
            "scimUser": True,
            "authType": "SSO",
            "invitationStatus": "REGISTERED",
            "assignedDeviceIds": [],
            "roles": [],
        }
        lists["/v2/user/technicians" if is_technician(number) else "/v2/user/end-users"].append(row | kind)
    token = {"access_token": "the-access-token", "token_type": "Bearer", "expires_in": 3600, "scope": "monitoring"}
    organizations = [{"id": number, "name": f"Customer {number}", "description": None} for number in range(1, 21)]
    found: dict[str, Any] = {"/ws/oauth/token": token, "/v2/organizations": organizations, **lists}
    return {path: json.dumps(body).encode() for path, body in found.items()}


def _scim_pages(accounts: list[dict[str, Any]], groups: list[dict[str, Any]]) -> dict[str, bytes]:
    found = {}
    for path, rows in (("/scim/Users", accounts), ("/scim/Groups", groups)):
        for start in range(0, max(len(rows), 1), SCIM_PAGE):
            page = rows[start : start + SCIM_PAGE]
            body = {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": len(rows),
                "startIndex": start + 1,
                "itemsPerPage": len(page),
                "Resources": page,
            }
            found[f"{path}?startIndex={start + 1}"] = json.dumps(body).encode()
    for account in accounts:
        found[f"/scim/Users/{account['id']}"] = json.dumps(account).encode()
    for group in groups:
        found[f"/scim/Groups/{group['id']}"] = json.dumps(group).encode()
    return found
