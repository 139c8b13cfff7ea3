"""The ledger's tables and its versions, as data. How they get into a database is that database's business."""

from collections.abc import Mapping

SCHEMA_VERSION = 2
# The oldest version that can be read as it stands, where it may not be written.
READABLE_SINCE = 1

TABLES = """
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT
);
CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    endpoint_url TEXT NOT NULL,
    api_hostname TEXT NOT NULL,
    name TEXT NOT NULL,
    since TEXT NOT NULL,
    recorded_at TEXT
);
CREATE TABLE resources (
    tenant TEXT NOT NULL REFERENCES tenants (id),
    resource TEXT NOT NULL,
    external_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    since TEXT NOT NULL,
    deactivated_at TEXT,
    applied TEXT NOT NULL DEFAULT '{}',
    shown TEXT NOT NULL DEFAULT '{}',
    members TEXT NOT NULL DEFAULT '[]',
    deleted_at TEXT,
    PRIMARY KEY (tenant, resource, external_id)
);
CREATE INDEX ix_resources_id ON resources (id);
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    counts TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX ix_runs_tenant ON runs (tenant);
CREATE TABLE operations (
    number INTEGER NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id),
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    key TEXT NOT NULL,
    external_id TEXT,
    id TEXT,
    diff TEXT NOT NULL,
    intended_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ix_operations_run ON operations (run);
CREATE INDEX ix_operations_status ON operations (status);
CREATE TABLE baselines (
    tenant TEXT NOT NULL PRIMARY KEY REFERENCES tenants (id),
    at TEXT NOT NULL,
    in_scope INTEGER NOT NULL,
    scope_digest TEXT NOT NULL,
    groups TEXT NOT NULL
);
CREATE TABLE contested (
    tenant TEXT NOT NULL REFERENCES tenants (id),
    resource TEXT NOT NULL,
    name TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, resource, name)
);
CREATE TABLE used_plans (
    file_digest TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL,
    at TEXT NOT NULL
);
"""

# Version n's entry takes a ledger from version n to n + 1; a new one is a row here.
MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    # What explain needed before it made a plan of its own.
    1: ("DELETE FROM meta WHERE key LIKE 'last_plan %' OR key LIKE 'last_names %'",),
}
