-- Kinds of relationships. One that is not here restricts, and no entity has it to itself.
CREATE TABLE relationship_types (
    name       TEXT PRIMARY KEY,     -- [a-z][a-z0-9_]{0,62}; never changes
    id         TEXT NOT NULL UNIQUE, -- UUIDv7
    on_delete  TEXT NOT NULL,        -- restrict: its ends cannot be deleted; cascade: it is deleted with either of them
    allow_self INTEGER NOT NULL,     -- 1: from an entity to itself is well
    version    INTEGER NOT NULL,     -- one more with each change
    created_at INTEGER NOT NULL,     -- milliseconds since 1970 UTC
    updated_at INTEGER NOT NULL
);
-- What leads from one entity to another.
CREATE TABLE relationships (
    id           TEXT PRIMARY KEY,    -- UUIDv7
    type         TEXT NOT NULL,       -- relationship_types.name, or a name that nobody declared
    from_id      TEXT NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    to_id        TEXT NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    data         TEXT NOT NULL,       -- JSON object, compact
    version      INTEGER NOT NULL,    -- one more with each change
    created_at   INTEGER NOT NULL,    -- milliseconds since 1970 UTC
    updated_at   INTEGER NOT NULL,
    created_by   TEXT,                -- the user, where it was one
    updated_by   TEXT,
    deleted_at   INTEGER,             -- set: deleted, can be restored
    deleted_by   TEXT,
    deleted_with TEXT                 -- the entity whose deletion took it along, and whose restoration brings it back
);
CREATE UNIQUE INDEX relationships_once ON relationships (from_id, to_id, type) WHERE deleted_at IS NULL;
CREATE INDEX relationships_from ON relationships (from_id, id);
CREATE INDEX relationships_to ON relationships (to_id, id);
CREATE INDEX relationships_created ON relationships (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX relationships_type ON relationships (type, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX relationships_deleted_with ON relationships (deleted_with) WHERE deleted_with IS NOT NULL;
-- Viewers read them, unless somebody changed what viewers may.
UPDATE roles SET permissions = substr(permissions, 1, length(permissions) - 1) || ',"relationships:read"]'
WHERE name = 'viewer' AND version = 1;
