"""Checks of this machine: the configuration, secrets, the clock, the ledger, the lock."""

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from ninjasync.check.context import CheckContext
from ninjasync.config.environment import PREFIX
from ninjasync.config.operation import Monitor
from ninjasync.config.section import SecretReference
from ninjasync.config.tenant import tenant_of
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.model.token_expiry import days_left, is_to_be_renewed, tell_expiry
from ninjasync.runs.listeners import ADDRESSES, INSTALL, apprise_for
from ninjasync.state.schema import SCHEMA_VERSION

# From so many seconds on a difference of clocks is yellow, and red: Duo refuses what was signed minutes ago.
_YELLOW_SKEW, _RED_SKEW = 30, 300
# What Duo's console shows: keys of these lengths, the first of which begins so.
_INTEGRATION_KEY, _BEGINS, _SECRET_KEY = 20, "DI", 40


def check_configuration(context: CheckContext) -> Finding:
    """Whether it can be read and holds no mistake."""
    assert context.config is not None
    return green(f"{context.config_file or 'The environment alone'}: no mistakes.")


def check_duo_secret(context: CheckContext) -> Finding:
    """Whether Duo's secret key is to be had."""
    duo, key = context.config.duo, context.duo_secret.get_secret_value()
    looks_like_secret = len(duo.integration_key) == _SECRET_KEY
    if looks_like_secret and len(key) == _INTEGRATION_KEY and key.startswith(_BEGINS):
        return red(
            "The integration key and the secret key look swapped.", "Exchange [duo] integration_key and secret_key."
        )
    if looks_like_secret or not duo.integration_key.isalnum():
        return red(
            "[duo] integration_key looks like no integration key.",
            'Copy "Integration key" (DI and 18 more characters) from the Admin API application in the Duo Admin Panel.',
        )
    return _kept(context, duo.secret_key, "DUO__SECRET_KEY")


def check_token(context: CheckContext) -> Finding:
    """Whether the SCIM token is to be had."""
    assert context.token
    return _kept(context, context.config.ninjaone.secret_token, "NINJAONE__SECRET_TOKEN")


def _kept(context: CheckContext, secret: SecretStr | SecretReference, variable: str) -> Finding:
    """Say where a secret was found, and whether others may read it there."""
    if isinstance(secret, SecretStr):
        if any(name.upper() == PREFIX + variable for name in os.environ):
            return green(f"Found in the environment variable {PREFIX}{variable}.")
        return _in_file(context.config_file, "Found in the configuration")
    if secret.env:
        return green(f"Found in the environment variable {secret.env}.")
    if secret.file:
        return _in_file(context.config.file(secret.file), "Found in the file")
    return green(f"Found in the keyring, {secret.keyring}." if secret.keyring else f"Given by {secret.command[0]}.")


def _in_file(path: Path | None, found: str) -> Finding:
    # Windows keeps its permissions elsewhere; there the mode says nothing.
    if path is not None and os.name == "posix" and path.stat().st_mode & 0o077:
        return yellow(f"{found} {path}, which others may read.", f"Take that away: chmod 600 {path}")
    return green(f"{found} {path}.")


def check_token_expiry(context: CheckContext) -> Finding:
    """How long the SCIM token still lasts, by what the configuration says."""
    expires = context.config.ninjaone.token_expires
    days = days_left(expires, context.now.date())
    if days is None:
        return yellow(
            "It is not known when the SCIM token expires, so nothing will warn of it.",
            "Set [ninjaone] token_expires to six months after the day on which the token was made.",
        )
    renew = "Make a new token in the NinjaOne console, put it in place and set [ninjaone] token_expires."
    if days < 0:
        return red(f"By [ninjaone] token_expires the SCIM token expired on {expires}.", renew)
    text = f"The SCIM token {tell_expiry(days)}, on {expires}."
    return yellow(text, renew) if is_to_be_renewed(days) else green(text)


def check_ledger(context: CheckContext) -> Finding:
    """Whether the ledger is there, sound, and can be written."""
    path = Path(context.store.place)
    if context.config.state.url is not None:
        return _ledger_in_database(context)
    if context.readable_ledger is not None:
        known = len(context.readable_ledger.owned)
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return red(
                f"The ledger {path} can be read, but not written.",
                "Let this user write the file and its folder, or give [state] path another place.",
            )
        if context.readable_ledger.former is not None:
            return yellow(*context.readable_ledger.former)
        return green(f"{path}: sound; {known} account{'s' * (known != 1)} known as ours.")
    if path.exists():
        return red(f"The ledger {path} cannot be read.", "Let this user read and write it.")
    place = next((folder for folder in path.parents if folder.exists()), Path())
    if not place.is_dir() or not os.access(place, os.W_OK):
        return red(
            f"There is no ledger yet, and none can be made at {path}.",
            "Give [state] path a place that may be written to.",
        )
    return yellow(
        f"There is none yet; the first apply makes it at {path}.",
        "Nothing to do, unless there was one: then put it back, or set [state] path to where it is.",
    )


def _ledger_in_database(context: CheckContext) -> Finding:
    store, facts = context.store, context.readable_ledger
    if facts is None:
        return yellow(
            f"There are no tables yet in {store.place}; the first apply makes them if its role may.",
            "Nothing to do; or let an owner run: ninjasync ledger upgrade",
        )
    if facts.version < SCHEMA_VERSION:
        return yellow(
            f"{store.place}: tables of version {facts.version}; the next apply upgrades them, if its role may.",
            "Nothing to do; or let an owner run: ninjasync ledger upgrade",
        )
    store.open(context.now).close()  # its tables are there, so that nothing is written; it tells what the role may not
    if store.unverified:
        return yellow(
            f"By sslmode={store.unverified} the server of {store.place} need not prove that it is the right one.",
            "Leave sslmode out of [state] url, which is verify-full; sslrootcert=FILE names its authority.",
        )
    if facts.former is not None:
        return yellow(*facts.former)
    known = len(facts.owned)
    return green(f"{store.place}: sound; {known} account{'s' * (known != 1)} known as ours.")


def check_protected_users(context: CheckContext) -> Finding:
    """Whether any account is protected from every change."""
    named = context.config.safety.protected_users
    if named:
        return green(f"Never touched: {', '.join(named[:3])}{f' and {len(named) - 3} more' * (len(named) > 3)}.")
    return yellow(
        "No account is protected: [safety] protected_users is empty.",
        'Name your emergency and administrator accounts there, as protected_users = ["breakglass@example.com"].',
    )


def check_monitoring(context: CheckContext) -> Finding:
    """Whether metrics, pings and messages can be sent. Sends none."""
    wanted = context.config.monitor
    path = context.config.file(wanted.metrics_file) if wanted.metrics_file else None
    return judge_monitor(wanted, path, "[monitor]")


def judge_monitor(wanted: Monitor, path: Path | None, table: str) -> Finding:
    """Return whether what ``table`` asks for can be sent, and metrics written to ``path``. Sends nothing."""
    ways = []
    if path is not None:
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            return yellow(f"The metrics file {path} cannot be written.", "Make its folder, which this user may write.")
        if path.suffix != ".prom":
            return yellow(f"node_exporter would not read {path}.", "Give it a name that ends with .prom.")
        ways.append("a metrics file")
    if wanted.ping_url:
        ways.append("a ping")
    if wanted.notify:
        if find_spec("apprise") is None:
            return yellow(f"Messages ({table} notify) need Apprise.", INSTALL)
        unknown = [str(number) for number, one in enumerate(wanted.notify, 1) if apprise_for(one) is None]
        if unknown:
            return yellow(f"{table} notify: nothing can be sent to item {', '.join(unknown)}.", ADDRESSES)
        ways.append("messages")
    return green(f"Each run is reported by {', '.join(ways)}." if ways else f"No run is reported: {table} is empty.")


def check_lock(context: CheckContext) -> Finding:
    """Whether another run is under way, or was cut short."""
    who = context.store.holder(tenant_of(context.config))
    if who is not None:
        return yellow(f"It is held by {who}.", "Wait until that run has ended; apply --lock-timeout SECONDS does so.")
    if runs := context.ledger_facts.unfinished:
        return yellow(
            f"The run {runs[-1].id} of {runs[-1].actor} was cut short.",
            "Nothing to do: the next apply settles what it left. ninjasync history shows it.",
        )
    return green("No other run is under way, and none was cut short.")


def judge_skew(service: str, skew: timedelta | None) -> Finding:
    """Judge how far a service's clock is ahead of ours."""
    if skew is None:
        return yellow(f"{service} did not say what time it is.", f"It is judged as soon as {service} answers.")
    off = round(abs(skew.total_seconds()))
    if off < _YELLOW_SKEW:
        return green(f"This machine's clock agrees with it, to {max(off, 1)} s.")
    side = "behind" if skew > timedelta(0) else "ahead of"
    text = f"This machine's clock is {_duration(off)} {side} {service}'s."
    cure = "Set this machine's clock, and let it be kept right (NTP; timedatectl shows it)."
    if off < _RED_SKEW:
        return yellow(text, cure)
    return red(text, f"{cure} Duo refuses requests from a clock that is off by minutes.")


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
