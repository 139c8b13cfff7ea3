"""A headless Chromium for tests, spoken to in the W3C's WebDriver protocol by way of chromedriver.

Knows browsers; knows nothing of ninjasync.
"""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

# Debian's names first, then those of other systems.
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_HOW_TO_INSTALL = "Install Debian's packages with: apt-get install -y --no-install-recommends chromium chromium-driver"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One window. ``script`` is the body of a function that runs in the page."""

    def __init__(self, http: requests.Session, url: str, capabilities: dict[str, Any]) -> None:
        self._http, self._url = http, url
        made = self._call("POST", "session", {"capabilities": {"alwaysMatch": capabilities}})
        self._url = f"{url}/session/{made['sessionId']}"

    def close(self) -> None:
        self._call("DELETE", "")

    def open(self, page: Path) -> None:
        self._call("POST", "url", {"url": page.resolve().as_uri()})

    def open_text(self, text: str, folder: Path) -> None:
        """Show a page from a file in ``folder``."""
        page = folder / "page.html"
        page.write_text(text, "utf-8")
        self.open(page)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run a script that calls its last argument with what it returns."""
        return self._call("POST", "execute/async", {"script": script, "args": list(arguments)})

    def wait(self, script: str, seconds: float = 20) -> Any:
        """Run a script until what it returns is true, and return that."""
        until = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < until, script
        return found

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self._call("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def prefer(self, scheme: str, *, medium: str = "") -> None:
        """Ask for ``light`` or ``dark``, on the screen or on ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", media=medium, features=features)

    def type(self, keys: str) -> None:
        """Press keys, on whatever has the focus."""
        for key in keys:
            pressed = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
            self._call("POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": pressed}]})

    def console(self) -> list[str]:
        """Return what the console said since the last call, breaches of the security policy included."""
        return [entry["message"] for entry in self._call("POST", "se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """Return every address that was asked for since the last call, without what the page's own policy stopped."""
        found = {}
        for entry in self._call("POST", "se/log", {"type": "performance"}):
            event = json.loads(entry["message"])["message"]
            match event["method"], event["params"]:
                case "Network.requestWillBeSent", {"requestId": id_, "request": {"url": url}}:
                    found[id_] = url
                case "Network.loadingFailed", {"requestId": id_, "blockedReason": "csp"}:
                    found.pop(id_, None)
        return list(found.values())

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, f"{self._url}/{path}".rstrip("/"), json=body, timeout=120)
        value = answer.json()["value"]
        assert answer.ok, value
        return value


@contextmanager
def chromium(profile: Path, which: Callable[[str], str | None] = shutil.which) -> Iterator[Browser]:
    """Start a browser with an empty profile in ``profile``, and end it."""
    driver, binary = which("chromedriver"), next(filter(None, map(which, _CHROMIUM)), None)
    assert driver, f"chromedriver is not installed. {_HOW_TO_INSTALL}"
    assert binary, f"Chromium is not installed. {_HOW_TO_INSTALL}"
    capabilities = {
        "browserName": "chrome",
        "goog:chromeOptions": {"binary": binary, "args": [*_FLAGS, f"--user-data-dir={profile}", "about:blank"]},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    with (
        subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
        requests.Session() as http,
    ):
        http.trust_env = False  # a proxy must not stand between the test and its own machine
        try:
            assert process.stdout
            said = (re.search(r"started successfully on port (\d+)", line) for line in process.stdout)
            port = next(filter(None, said))[1]
            browser = Browser(http, f"http://127.0.0.1:{port}", capabilities)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            process.terminate()
