"""Runs that end badly, and a server that hears of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ninjasync.report.metrics import Ended
from ninjasync.sandbox.exchange import HttpResponse
from tests.support.command import Ran
from tests.support.office import Office
from tests.support.server import HANG_UP, Hit, LoopbackServer, Reply

AT = datetime(2027, 3, 1, 4, 5, 6, tzinfo=UTC)
HUSH = "hush-4d1f"  # in every address; nothing that is shown may hold it


class Receiver(LoopbackServer):
    """Answers every ping and message with ``status``; 0 is no answer at all."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.status = 200
        self.location = ""

    def _answer(self, hit: Hit) -> Reply:
        if not self.status:
            self.ended.wait()
            return HANG_UP
        return Reply(self.status, headers={"Location": self.location} if self.location else {})

    @property
    def requests(self) -> list[str]:
        """What it was sent: method and path."""
        return [f"{hit.method} {hit.target}" for hit in self.hits]

    @property
    def messages(self) -> list[dict[str, str]]:
        """What Apprise's json:// sent: title, message, type."""
        return [hit.document for hit in self.hits]


def nowhere(office: Office) -> None:
    """From now on Duo is out of order."""
    office.box.intercept("duo", lambda request, serve: HttpResponse(503, b"", ()))


def wrong_token(office: Office) -> None:
    office.configure("ninjaone", secret_token="wrong-token")


def all_gone(office: Office) -> None:
    """Nearly all leave: more than may be removed."""
    office.disable(*range(5))


def one_gone(office: Office) -> None:
    office.disable(0)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read a file of metrics as Prometheus would; no series may be there twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert max(Counter(key for key, _ in found).values(), default=0) <= 1
    return dict(found)


def figures(office: Office, command: str) -> dict[str, float]:
    """The metrics of one command by name and the labels that only some have."""
    shared = {"tenant", "tenant_id", "command"}
    return {
        " ".join(
            [name.removeprefix("ninjasync_"), *(value for key, value in sorted(labels) if key not in shared)]
        ): value
        for (name, labels), value in samples((office.folder / "n.prom").read_text("utf-8")).items()
        if ("command", command) in labels
    }


def warnings(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("warning: [monitor]")]


def ended(**fields: Any) -> Ended:
    made: dict[str, Any] = {
        "tenant": "acme",
        "tenant_id": "0123",
        "command": "apply",
        "exit_code": 0,
        "begun": AT,
        "ended": AT,
    }
    return Ended(**(made | fields))
