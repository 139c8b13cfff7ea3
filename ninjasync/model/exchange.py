"""One HTTP request to a service and its answer, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Service = Literal["Duo", "NinjaOne"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. ``path`` is behind the service's URL, ``sent`` the JSON body, ``content`` raw."""

    service: Service
    method: str
    path: str
    params: Mapping[str, str]
    sent: Any
    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float
