"""What ninjasync is measured against, each as a process of its own that prints the seconds it took.

The floor fetches a plan's pages and parses them, nothing else. The posts are what plain
``requests`` makes of as many writes. The naive script is what an admin would write.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.benchmarks.world import DUO_PAGE, EXTENSION, NAMES, SCIM_PAGE


def floor(duo_url: str, scim_url: str, users: int) -> float:
    """Fetch every page of a plan over one kept-alive connection to each service and parse it."""
    duo = [f"/admin/v1/users?limit={DUO_PAGE}&offset={offset}" for offset in range(0, users, DUO_PAGE)]
    scim = [f"/scim/Users?startIndex={start + 1}&count={SCIM_PAGE}" for start in range(0, users, SCIM_PAGE)]
    began = time.perf_counter()
    for url, targets in (
        (duo_url, [*duo, "/admin/v1/groups?limit=500&offset=0"]),
        (scim_url, [*scim, f"/scim/Groups?startIndex=1&count={SCIM_PAGE}"]),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port)
        for target in targets:
            connection.request("GET", target)
            json.loads(connection.getresponse().read())
        connection.close()
    return time.perf_counter() - began


def posts(scim_url: str, number: int, threads: int, *, trust_env: bool) -> float:
    """POST ``number`` users by plain requests, one Session for each of ``threads``."""
    import requests

    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "a@example.com", "active": True}
    body |= {"name": {"givenName": "Given", "familyName": "Family"}, "externalId": "DU000000000000000001"}
    body |= {EXTENSION: {"userType": "endUser", "organizationId": "7"}}

    def work(mine: int) -> None:
        with requests.Session() as session:
            session.trust_env = trust_env
            session.headers["Authorization"] = "Bearer t"
            for _ in range(mine):
                session.post(f"{scim_url}/Users", json=body, timeout=30).json()

    shares = [number // threads + (one < number % threads) for one in range(threads)]
    began = time.perf_counter()
    workers = [threading.Thread(target=work, args=(share,)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def naive(duo_url: str, scim_url: str) -> float:
    """Sync as a script does: Duo's iterator, one thread, a look-up for each user, then what differs is written."""
    import duo_client
    import requests

    began = time.perf_counter()
    place = urlsplit(duo_url)
    admin = duo_client.Admin(ikey="DI", skey="x", host=place.hostname, ca_certs="HTTP", port=place.port)
    session = requests.Session()
    session.headers["Authorization"] = "Bearer t"
    for user in admin.get_users_iterator():
        if user["status"] != "active" or not any(group["name"] in NAMES.values() for group in user["groups"]):
            continue
        wanted = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", EXTENSION],
            "userName": user["email"],
            "externalId": user["user_id"],
            "active": True,
            "name": {"givenName": user["firstname"], "familyName": user["lastname"]},
            EXTENSION: {
                "userType": user["custom_attributes"]["userType"],
                "organizationId": user["custom_attributes"].get("organizationID"),
            },
        }
        filter_ = {"filter": f'userName eq "{user["email"]}"'}
        found = session.get(f"{scim_url}/Users", params=filter_, timeout=30).json()["Resources"]
        if not found:
            session.post(f"{scim_url}/Users", json=wanted, timeout=30).raise_for_status()
        elif found[0]["name"] != wanted["name"]:
            operations = [{"op": "replace", "path": "name", "value": wanted["name"]}]
            session.patch(
                f"{scim_url}/Users/{found[0]['id']}", json={"Operations": operations}, timeout=30
            ).raise_for_status()
    return time.perf_counter() - began


_PEERS: dict[str, Callable[..., float]] = {"floor": floor, "posts": posts, "naive": naive}

if __name__ == "__main__":
    print(_PEERS[sys.argv[1]](**json.loads(sys.argv[2])))  # noqa: T201 - read by whoever started this
