"""Which child accounts of a Duo parent account have a tenant file, and the file for one that has none.

Knows ``fleet.toml`` and what a tenant's file must hold; how Duo is asked is in ``runs.child_accounts``.
Decides nothing by itself: a file is written for an account that was named, and none is ever changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from pydantic import SecretStr

from ninjasync.config.duo import Duo
from ninjasync.config.example import toml
from ninjasync.config.fleet import FleetSection, find_tenant_files, read_defaults, read_settings, read_toml
from ninjasync.config.secrets import read_secret
from ninjasync.config.section import whole_path
from ninjasync.config.urls import check_duo_host
from ninjasync.errors import CommandLineError, ConfigurationError
from ninjasync.files import write_new
from ninjasync.model.child_account import ChildAccount, Discovered
from ninjasync.model.message import Message, did_you_mean, text
from ninjasync.names_alike import folded
from ninjasync.report.escape import visible
from ninjasync.runs.child_accounts import read_child_accounts


def discover(path: Path, named: Sequence[str]) -> tuple[list[Discovered], int]:
    """List the child accounts, and write a tenant file for those that are ``named`` by name or id.

    ``path`` is that of ``fleet.toml``. Returns also how many rows of Duo's answer could not be
    read. Raises CommandLineError, before anything is written, for a name that fits none or
    several, and for one that has a file.
    """
    settings = read_settings(path)
    if settings.accounts is None:
        raise ConfigurationError(
            Message("{} has no table [fleet.accounts].", text(path)),
            "It has api_hostname, integration_key and secret_key of the parent account's Accounts API application.",
        )
    folder = path.resolve().parent
    kept, name = settings.accounts.secret_key, "[fleet.accounts] secret_key"
    key = read_secret(name, kept, partial(whole_path, folder))
    accounts, unreadable = read_child_accounts(settings.accounts, key, folder)
    files = _files_by_account(accounts, find_tenant_files(path, settings)[0])
    chosen = [_choose(accounts, one) for one in named]
    for account in chosen:
        if account.account_id in files:
            raise CommandLineError(
                Message("{} has the tenant file {} already.", text(account.name), text(files[account.account_id])),
                "Change that file by hand.",
            )
    written = _write_files(path, settings, list(dict.fromkeys(chosen)))
    return [
        Discovered(one, written.get(one.account_id) or files.get(one.account_id), one.account_id in written)
        for one in accounts
    ], unreadable


def _files_by_account(accounts: Sequence[ChildAccount], files: Sequence[Path]) -> dict[str, str]:
    """Find the file of each account: by its account_id, else by its host, which each child has for itself."""
    hosts = Counter(one.api_hostname for one in accounts)
    by_host = {one.api_hostname: one.account_id for one in accounts if hosts[one.api_hostname] == 1}
    known = {one.account_id for one in accounts}
    found: dict[str, str] = {}
    for file in files:
        duo = _duo_table(file)
        id_ = str(duo.get("account_id", "")).strip() or by_host.get(_host(duo.get("api_hostname")), "")
        if id_ in known:
            found.setdefault(id_, str(file))
    return found


def _duo_table(file: Path) -> Mapping[str, Any]:
    """Return [duo] of a tenant's file, which may have mistakes elsewhere."""
    try:
        duo = read_toml(file).get("duo")
    except ConfigurationError:  # for fleet plan to tell
        return {}
    return duo if isinstance(duo, dict) else {}


def _host(value: object) -> str:
    try:
        return check_duo_host(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def _choose(accounts: Sequence[ChildAccount], named: str) -> ChildAccount:
    fitting = [one for one in accounts if one.account_id == named] or [
        one for one in accounts if folded(one.name) == folded(named)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(one.account_id for one in fitting)
        raise CommandLineError(
            Message("{} child accounts are called {}.", text(len(fitting)), text(named)),
            Message("Give the id of one: {}.", text(ids)),
        )
    raise CommandLineError(
        Message(
            'There is no child account "{}"{}',
            text(named),
            text(did_you_mean(named, [one.name for one in accounts]) or "."),
        ),
        "ninjasync fleet discover lists them all.",
    )


def _write_files(path: Path, settings: FleetSection, chosen: Sequence[ChildAccount]) -> dict[str, str]:
    """Write a tenant file for each, where the fleet will find it; return the files by account."""
    if not chosen:
        return {}
    accounts = settings.accounts
    assert accounts is not None
    if isinstance(accounts.secret_key, SecretStr):
        raise ConfigurationError(
            "[fleet.accounts] secret_key is the secret itself, which is copied into no other file.",
            'Keep it elsewhere, as in { file = "duo-parent.secret" }, so that the tenants can refer to it.',
        )
    folder = path.resolve().parent
    defaults = read_defaults(path, settings).table
    place = _place_for_new(folder, settings)
    found = {}
    for account in chosen:
        slug = _slug(account.name) or account.account_id.lower()
        if (place / f"{slug}.toml").exists():
            slug = f"{slug}-{account.account_id.lower()}"
        file = place / f"{slug}.toml"
        write_new(file, _tenant_file(account, slug, accounts, defaults, folder).encode())
        found[account.account_id] = str(file)
    return found


def _place_for_new(folder: Path, settings: FleetSection) -> Path:
    """Return the folder in which a new file is one of the fleet's: that of the first pattern that takes any name."""
    for pattern in map(PurePath, settings.tenants):
        if not set("*?[") & set(str(pattern.parent)) and PurePath("any-name.toml").match(pattern.name):
            return whole_path(folder, str(pattern.parent))
    raise ConfigurationError(
        "[fleet] tenants names single files alone, so that a new one would not be in the fleet.",
        'Add a pattern that takes any name, as "tenants/*.toml".',
    )


def _slug(name: str) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return "-".join(filter(None, plain.split("-")))[:60]


def _tenant_file(account: ChildAccount, slug: str, parent: Duo, defaults: Mapping[str, Any], folder: Path) -> str:
    """Return a file that is complete but for what NinjaOne's console shows; secrets are referred to."""
    shared = defaults.get("duo", {})
    lines = [
        f"# The Duo child account {visible(account.name)}; written by ninjasync fleet discover.",
        "# [scope] and all that tenants share belong into the file that [fleet] defaults names.",
        "",
        "[duo]",
        f"api_hostname = {toml(account.api_hostname)}",
        f"account_id = {toml(account.account_id)}",
    ]
    if "integration_key" not in shared:
        lines.append(f"integration_key = {toml(parent.integration_key)}")
    if "secret_key" not in shared:
        assert not isinstance(parent.secret_key, SecretStr)
        kept = parent.secret_key.model_dump(exclude_defaults=True)
        if "file" in kept:
            kept["file"] = str(whole_path(folder, kept["file"]))
        lines.append(f"secret_key = {toml(kept)}")
    lines += [
        "",
        "[ninjaone]",
        "# FILL IN: the API endpoint URL that the console shows; and the SCIM token, in a file beside this one",
        'endpoint_url = "https://FILL-IN.example/scim"',
        f"secret_token = {{ file = {toml(f'{slug}.token')} }}",
        "",
        "[state]",
        f"tenant = {toml(slug)}",
        "",
    ]
    return "\n".join(lines)
