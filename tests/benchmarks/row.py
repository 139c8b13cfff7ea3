"""One line of the table, and a configuration for the servers that are measured against."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.server import Served


@dataclass(frozen=True)
class Row:
    """One line: the figure, its bound, and in words what lies behind it. Without a bound it is for information."""

    name: str
    figure: float
    bound: float | None = None
    at_least: bool = False
    said: str = ""
    behind: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the figure keeps within its bound."""
        return self.bound is None or (self.figure >= self.bound if self.at_least else self.figure <= self.bound)


_API = """
[ninjaone.api]
url = "{url}"
client_id = "the-client"
client_secret = "the-secret"
"""


@contextmanager
def configured(served: Served, state: str = 'path = "ledger.db"', *, api: bool = False) -> Iterator[Path]:
    """Yield a configuration for the servers, with a ledger of its own that is empty; ``state`` says where it is.

    With the public API or without.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(
            f"""
[duo]
api_hostname = "{served.duo_url}"
integration_key = "DI"
secret_key = "duo-secret"
rate_limit = 0

[ninjaone]
endpoint_url = "{served.scim_url}"
secret_token = "the-token"

[scope]
groups = ["NinjaOne Technicians", "NinjaOne End Users"]

[deprovision]
users = "delete"

[run]
parallelism = 8

[state]
{state}
{_API.format(url=served.api_url) if api else ""}"""
        )
        yield file
