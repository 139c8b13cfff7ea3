"""A plan as a file: reviewed now, applied later, exactly once and only unchanged.

The file is the plan's JSON document (CONTRACT §4) with all that is needed to
apply it, a seal over that by a key which only the ledger has, and a digest over
every other byte of it. Damage is found by the digest, without a ledger; a plan
that was altered and given a new digest, by the seal. It holds no secret.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ninjasync import __version__
from ninjasync.config.schema import Config
from ninjasync.errors import NinjasyncError, RefusedForSafetyError
from ninjasync.model.directory import Group, User
from ninjasync.model.document import FORMAT_VERSION, digest, document
from ninjasync.model.message import Message, from_data, text, to_data
from ninjasync.model.plan import Approvals, Plan

_DIGEST = re.compile(rb'"file_digest": "sha256:([0-9a-f]{64})"')
_SEAL = re.compile(rb'"seal": "hmac-sha256:([0-9a-f]{64})"')
_BLANK = b"0" * 64


@dataclass(frozen=True, slots=True)
class Exact:
    """What a saved plan has beyond its JSON document.

    ``seen`` maps the name of each change of a resource that exists to the fingerprint
    that it had; ``ours`` and ``our_groups`` are what was found to be ours (Duo id,
    NinjaOne id, name), ``undated`` and ``clocks_to_stop`` the leavers whose time
    begins and ends, ``scope_digest`` and ``scoped`` what makes the next baseline, unless
    the plan was narrowed. ``of_technicians`` names the removals and changes of type of accounts
    that may be technicians'.
    """

    plan: Plan
    seen: dict[str, str]
    ours: list[tuple[str, str, str]]
    our_groups: list[tuple[str, str, str]]
    undated: list[str]
    clocks_to_stop: list[str]
    scope_digest: str
    scoped: dict[str, str]
    whole_scope: bool
    of_technicians: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan read from a file whose every byte goes with its digest; ``seal`` is empty where it has none."""

    exact: Exact
    created_at: datetime
    tenant_id: str
    config_digest: str
    approvals: Approvals
    file_digest: str
    seal: str
    content: bytes = field(repr=False)

    def is_sealed_by(self, key: bytes) -> bool:
        """Whether it was sealed with ``key`` and is as it was then."""
        seal = _seal_of(_with(_DIGEST, _with(_SEAL, self.content, _BLANK), _BLANK), key) if self.seal else ""
        return bool(seal) and hmac.compare_digest(seal.encode(), self.seal.encode("utf-8", "surrogatepass"))

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.exact.plan


def dump(
    exact: Exact, tenant_id: str, config_digest: str, approvals: Approvals, created_at: datetime, key: bytes | None
) -> bytes:
    """Return the file's bytes, sealed with ``key``; without a key only the digest tells that they are unchanged."""
    body = document(exact.plan)
    whole: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digest": digest(body),
        **body,
        "tenant_id": tenant_id,
        "config_digest": config_digest,
        "approvals": msgspec.to_builtins(approvals),
        "exact": msgspec.to_builtins(exact, enc_hook=_encode),
        **({"seal": f"hmac-sha256:{_BLANK.decode()}"} if key else {}),
        "file_digest": f"sha256:{_BLANK.decode()}",
    }
    blank = (json.dumps(whole, indent=1) + "\n").encode()
    if key:
        blank = _with(_SEAL, blank, _seal_of(blank, key).encode())
    return _with(_DIGEST, blank, hashlib.sha256(blank).hexdigest().encode())


def _seal_of(blank: bytes, key: bytes) -> str:
    return hmac.new(key, blank, hashlib.sha256).hexdigest()


def read(path: Path) -> SavedPlan:
    """Read a saved plan. Raises RefusedForSafetyError where it was changed, NinjasyncError where there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NinjasyncError(
            Message("The saved plan {} cannot be read: {}.", text(path), text(error.strerror or error)),
            "Check the path.",
        ) from error
    return load(data, str(path))


def load(data: bytes, path: str) -> SavedPlan:
    """Read a file's bytes. Raises RefusedForSafetyError where it is no plan, or not as it was written."""
    found = _DIGEST.findall(data)
    if not found:
        raise RefusedForSafetyError(
            Message("{} is no saved plan of ninjasync.", text(path)), "Make one with plan --out FILE."
        )
    stated = found[-1]
    if hashlib.sha256(_with(_DIGEST, data, _BLANK)).hexdigest().encode() != stated:
        raise RefusedForSafetyError(
            Message("The saved plan {} was changed after it was made.", text(path)),
            "Make a new one with plan --out FILE.",
        )
    try:
        whole = json.loads(data)
        return SavedPlan(
            exact=msgspec.convert(whole["exact"], Exact, dec_hook=_decode),
            created_at=datetime.fromisoformat(whole["created_at"]),
            tenant_id=whole["tenant_id"],
            config_digest=whole["config_digest"],
            approvals=msgspec.convert(whole["approvals"], Approvals),
            file_digest=stated.decode(),
            seal=str(whole.get("seal", "")).removeprefix("hmac-sha256:"),
            content=data,
        )
    except (ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise RefusedForSafetyError(
            Message(
                "The saved plan {} is of another version of ninjasync ({}).", text(path), text(type(error).__name__)
            ),
            "Make a new one with plan --out FILE, with this version.",
        ) from error


def _encode(value: Any) -> Any:
    """Keep messages as data, so that ``show --redact`` and ``apply --redact`` know who is named in them."""
    if isinstance(value, Message):
        return to_data(value)
    raise NotImplementedError(f"a saved plan has no {type(value).__name__}")


def _decode(kind: type, value: Any) -> Any:
    if kind is Message:
        return from_data(value)
    raise NotImplementedError(f"a saved plan has no {kind.__name__}")


def config_digest(config: Config) -> str:
    """Return the digest of those parts of the configuration that a plan depends on."""
    parts = {
        "scope": config.scope,
        "groups": config.groups,
        "deprovision": config.deprovision,
        "safety": config.safety,
        "dialect": config.ninjaone.dialect,
    }
    body = {name: part.model_dump(mode="json") for name, part in parts.items()}
    return digest(body | {"attributes": config.attributes, "organizations": config.organizations})


def fingerprint(resource: User | Group) -> str:
    """Return a digest of everything that a plan saw of a resource."""
    if isinstance(resource, User):
        seen: Any = [resource.user_name, resource.external_id, resource.active, list(resource.values)]
    else:
        # Null and empty are the same (RFC 7643 §2.5): a list may show the one and a look-up the other.
        seen = [resource.display_name, resource.external_id, sorted(resource.members or ())]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _with(pattern: re.Pattern[bytes], data: bytes, digits: bytes) -> bytes:
    """Return ``data`` with the last digest, or seal, in it replaced; as it is where there is none."""
    found = list(pattern.finditer(data))
    if not found:
        return data
    last = found[-1]
    return data[: last.start(1)] + digits + data[last.end(1) :]
