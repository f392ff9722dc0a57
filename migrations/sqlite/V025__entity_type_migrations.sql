-- Migrations under way: what is done to the data of each entity of a type, and what the type is once all are done.
-- While one runs the type's entities are read and not written.
CREATE TABLE entity_type_migrations (
    type       TEXT PRIMARY KEY REFERENCES entity_types (name),
    steps      TEXT NOT NULL,    -- JSON object: rename, remove, set_default
    definition TEXT NOT NULL,    -- JSON object: the type as it is at the end
    after_id   TEXT NOT NULL,    -- the last entity that is done; empty before the first
    done       INTEGER NOT NULL, -- entities that are done
    total      INTEGER NOT NULL, -- entities there were when it began, deleted ones too
    begun_at   INTEGER NOT NULL  -- milliseconds since 1970 UTC
);
