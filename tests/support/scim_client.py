"""A plain SCIM client, and a NinjaOne with somebody in it, for the tests of the sandbox's quirks."""

from __future__ import annotations

from typing import Any

import requests

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.exchange import Json
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION, PATCH_OP


class There:
    """A SCIM client, and a NinjaOne with three people (ana, ben, cleo) and a group of the first two."""

    def __init__(self, box: Sandbox) -> None:
        self.box, self.store = box, box.ninjaone
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {box.token}"
        self.ids = {name: str(self.hire(name).json()["id"]) for name in ("ana", "ben", "cleo")}
        members = [{"value": self.ids["ana"]}, {"value": self.ids["ben"]}]
        self.group = str(self.call("POST", "/Groups", self.group_body("Techs", members)).json()["id"])

    def close(self) -> None:
        self._session.close()

    def follow(self, url: str) -> requests.Response:
        return self._session.get(url, timeout=5)

    def quirks(self, *quirks: str) -> None:
        self.box.set_behavior(quirks=quirks)

    def call(self, method: str, path: str, body: Json | None = None, **params: str) -> requests.Response:
        url = self.box.scim_url + path
        return self._session.request(method, url, json=body, params=params, timeout=5, allow_redirects=False)

    def get(self, path: str = "/Users", **params: str) -> Any:
        answer = self.call("GET", path, None, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, **params: str) -> list[str]:
        return [row["userName"].partition("@")[0] for row in self.get(**params)["Resources"]]

    def hire(self, name: str, /, **fields: Any) -> requests.Response:
        body: Json = {
            "schemas": [CORE_USER, EXTENSION],
            "externalId": f"DU{name.upper()}",
            "userName": f"{name}@example.com",
            "name": {"givenName": name, "familyName": "Ruiz"},
            EXTENSION: {"userType": "technician", "organizationId": "4"},
        }
        return self.call("POST", "/Users", body | fields)

    def group_body(self, name: str, members: list[Json]) -> Json:
        return {"schemas": [CORE_GROUP], "externalId": f"DG{name}", "displayName": name, "members": members}

    def patch(self, path: str, *operations: Json) -> requests.Response:
        return self.call("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)})

    def set(self, name: str, path: str, value: Any) -> requests.Response:
        return self.patch(f"/Users/{self.ids[name]}", {"op": "replace", "path": path, "value": value})

    def user(self, name: str) -> Json:
        return dict(self.store.users[self.ids[name]])
