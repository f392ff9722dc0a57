-- What an entity was before each of its changes. What it is now stands in `entities` alone.
CREATE TABLE entity_versions (
    id         TEXT NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    name       TEXT,             -- this and what follows: as in `entities` at that version
    confidence REAL,
    data       TEXT NOT NULL,
    owner_id   TEXT,
    updated_at INTEGER NOT NULL,
    updated_by TEXT,
    deleted_at INTEGER,
    deleted_by TEXT,
    ended_by   TEXT NOT NULL,    -- what made the next version: updated, deleted, restored, reverted
    PRIMARY KEY (id, version)
);
-- Values that only one live entity of a type may have.
CREATE TABLE entity_unique (
    type      TEXT NOT NULL,     -- entity_types.name
    pointer   TEXT NOT NULL,     -- where in `data` the value stands
    digest    BLOB NOT NULL,     -- SHA-256 of the value
    entity_id TEXT NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    PRIMARY KEY (type, pointer, digest)
);
CREATE INDEX entity_unique_entity ON entity_unique (entity_id, pointer);
-- Days after its deletion until an entity is gone for good; null: it is kept.
ALTER TABLE entity_types ADD COLUMN retention_days INTEGER;
-- First answers to requests with an `Idempotency-Key`, for a day.
CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY, -- digest of the caller, the route and the key they chose
    request    TEXT NOT NULL,    -- digest of what was asked
    answer     TEXT NOT NULL,    -- status, headers and body, sealed
    created_at INTEGER NOT NULL  -- milliseconds since 1970 UTC
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
