"""Single facts that are remembered from run to run: the baseline, used plans, keys, what was said once.

Knows rows; decides nothing by them.
"""

import json
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from ninjasync.model.directory import Resource
from ninjasync.model.ownership import Baseline
from ninjasync.model.pause import Pause
from ninjasync.state.database import Statement, statement
from ninjasync.state.group_commit import GroupCommit
from ninjasync.state.run_log import Work
from ninjasync.state.schema import PAUSES_SINCE
from ninjasync.state.times import read_time, stamp

# A name that was taken by an account that NinjaOne does not show may have become free.
_CONTESTED_FOR = timedelta(days=1)

_SET_BASELINE = """
    INSERT INTO baselines (tenant, at, in_scope, scope_digest, groups) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (tenant) DO UPDATE SET at = excluded.at, in_scope = excluded.in_scope,
        scope_digest = excluded.scope_digest, groups = excluded.groups"""
_SET = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_SET_ONCE = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING RETURNING key"
_PAUSE = """
    INSERT INTO pauses (tenant, since, until, actor, reason) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (tenant) DO UPDATE SET since = excluded.since, until = excluded.until, actor = excluded.actor,
        reason = excluded.reason"""
_USE_PLAN = "INSERT INTO used_plans (file_digest, run, at) VALUES (?, ?, ?) ON CONFLICT (file_digest) DO NOTHING"


class Memory:
    """The single facts of one tenant. Safe to share between threads. Methods may raise LedgerError."""

    def __init__(self, commits: GroupCommit[Work], tenant: str) -> None:
        self._commits, self._tenant = commits, tenant

    # --- the source, as it was ---------------------------------------------------------------

    def baseline(self) -> Baseline | None:
        """Return what the last good run found, if there was one."""
        query = "SELECT at, in_scope, scope_digest, groups FROM baselines WHERE tenant = ?"
        rows = self._commits.read(query, self._tenant)
        with self._commits.database.errors():
            for at, in_scope, scope_digest, groups in rows:
                return Baseline(read_time(at), in_scope, scope_digest, json.loads(groups))
        return None

    def set_baseline(self, baseline: Baseline) -> None:
        """Record what a good run found."""
        groups = json.dumps(dict(baseline.groups))
        row = (self._tenant, stamp(baseline.at), baseline.in_scope, baseline.scope_digest, groups)
        self._commits.write(statement(_SET_BASELINE, *row))

    # --- names that were refused as taken ----------------------------------------------------

    def contested(self, now: datetime) -> frozenset[tuple[Resource, str]]:
        """Return the folded names that were refused as taken lately; each is tried again after a day."""
        since = stamp(now - _CONTESTED_FOR)
        query = "SELECT resource, name FROM contested WHERE tenant = ? AND at >= ?"
        return frozenset((resource, name) for resource, name in self._commits.read(query, self._tenant, since))

    def uncontest(self, names: Iterable[tuple[Resource, str]]) -> None:
        """Forget refused names whose holders have been seen since: what is seen needs no memory."""
        rows = [(self._tenant, resource, name) for resource, name in names]
        if rows:
            query = "DELETE FROM contested WHERE tenant = ? AND resource = ? AND name = ?"
            self._commits.write(Statement(query, rows))

    # --- pauses ------------------------------------------------------------------------------

    def pause(self) -> Pause | None:
        """Return the tenant's pause, whether or not its time is over; None where there is none."""
        if self._commits.database.version < PAUSES_SINCE:
            return None
        rows = self._commits.read("SELECT since, until, actor, reason FROM pauses WHERE tenant = ?", self._tenant)
        with self._commits.database.errors():
            return next((_pause(*row) for row in rows), None)

    def pauses(self) -> dict[str, Pause]:
        """Return the pauses of all tenants of the ledger, by their ids."""
        if self._commits.database.version < PAUSES_SINCE:
            return {}
        rows = self._commits.read("SELECT tenant, since, until, actor, reason FROM pauses")
        with self._commits.database.errors():
            return {tenant: _pause(*row) for tenant, *row in rows}

    def set_pause(self, pause: Pause) -> None:
        """Put a pause in the place of any other."""
        until = stamp(pause.until) if pause.until is not None else None
        row = (self._tenant, stamp(pause.since), until, pause.actor, pause.reason)
        self._commits.write(statement(_PAUSE, *row))

    def end_pause(self) -> None:
        """Take the tenant's pause away, if there is one."""
        self._commits.write(statement("DELETE FROM pauses WHERE tenant = ?", self._tenant))

    # --- saved plans, keys, what was said ----------------------------------------------------

    def plan_used_by(self, file_digest: str) -> str | None:
        """Return the run that applied a saved plan; None if none did."""
        for (run,) in self._commits.read("SELECT run FROM used_plans WHERE file_digest = ?", file_digest):
            return str(run)
        return None

    def use_plan(self, file_digest: str, run: str, now: datetime) -> None:
        """Record that ``run`` applies a saved plan."""
        self._commits.write(statement(_USE_PLAN, file_digest, run, stamp(now)))

    def redaction_key(self) -> bytes:
        """Return the random key of the redaction tokens, made on first use."""
        return self._made_key("redaction_key")

    def known_redaction_key(self) -> bytes | None:
        """Return the key of the redaction tokens; None where none was made yet."""
        return self._key("redaction_key")

    def seal_key(self) -> bytes:
        """Return the random key by which this tenant's saved plans are sealed, made on first use."""
        return self._made_key(f"seal_key {self._tenant}")

    def known_seal_key(self) -> bytes | None:
        """Return the key of the seals; None where none was made yet."""
        return self._key(f"seal_key {self._tenant}")

    def _made_key(self, name: str) -> bytes:
        if (key := self._key(name)) is None:
            self._commits.write(statement(_SET_ONCE, name, secrets.token_hex(32)))
            return self._made_key(name)  # another process may have been the first
        return key

    def _key(self, name: str) -> bytes | None:
        key = self._get(name)
        return None if key is None else bytes.fromhex(key)

    @property
    def members_shown(self) -> bool:
        """Whether a group of this tenant has ever shown a member, so that one without members has none."""
        return self._get(f"members_shown {self._tenant}") is not None

    def learn_that_members_are_shown(self) -> None:
        """Remember that a group of this tenant has shown a member."""
        if not self.members_shown:
            self._commits.write(statement(_SET_ONCE, f"members_shown {self._tenant}", ""))

    @property
    def members_hidden(self) -> bool:
        """Whether groups of this tenant hide their members; one that was ever shown says that they do not."""
        return self._get(f"members_hidden {self._tenant}") is not None and not self.members_shown

    def learn_that_members_are_hidden(self) -> None:
        """Remember that no group of this tenant shows members, not even by its id, so that they are not asked for."""
        if self._get(f"members_hidden {self._tenant}") is None:
            self._commits.write(statement(_SET_ONCE, f"members_hidden {self._tenant}", ""))

    def first_time(self, what: str) -> bool:
        """Whether this tenant's ledger is asked for ``what`` for the first time; it remembers."""
        (made,) = self._commits.write(statement(_SET_ONCE, f"told {self._tenant} {what}", ""))
        return bool(made)

    def replace_held(self, held: Iterable[str], listener: str = "") -> frozenset[str] | None:
        """Remember which records are held now, and return those of the last time; for each listener apart.

        None where nothing is known of a last time.
        """
        key = f"held {self._tenant} {listener}".rstrip()
        before = self._get(key)
        self._commits.write(statement(_SET, key, json.dumps(sorted(held))))
        with self._commits.database.errors():
            return frozenset(json.loads(before)) if before else None

    def _get(self, key: str) -> str | None:
        for (value,) in self._commits.read("SELECT value FROM meta WHERE key = ?", key):
            return str(value)
        return None


def _pause(since: str, until: str | None, actor: str, reason: str) -> Pause:
    return Pause(read_time(since), read_time(until) if until else None, actor, reason)
