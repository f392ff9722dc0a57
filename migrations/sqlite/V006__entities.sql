-- The team's records. Their type says what `data` holds.
CREATE TABLE entities (
    id         TEXT PRIMARY KEY,  -- UUIDv7
    type       TEXT NOT NULL,     -- entity_types.name
    name       TEXT,              -- what people call it
    confidence REAL,              -- 0 to 1
    data       TEXT NOT NULL,     -- JSON object, compact; checked against the type's schema
    owner_id   TEXT,              -- the user whose own it is
    version    INTEGER NOT NULL,  -- one more with each change
    created_at INTEGER NOT NULL,  -- milliseconds since 1970 UTC
    updated_at INTEGER NOT NULL,
    created_by TEXT,              -- the user or key, where it was one
    updated_by TEXT,
    deleted_at INTEGER,           -- set: deleted, can be restored
    deleted_by TEXT
);
CREATE INDEX entities_created ON entities (type, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX entities_updated ON entities (type, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX entities_name ON entities (type, name, id) WHERE deleted_at IS NULL;
CREATE INDEX entities_owner ON entities (type, owner_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX entities_deleted ON entities (type, deleted_at, id) WHERE deleted_at IS NOT NULL;
