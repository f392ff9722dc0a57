-- Kinds of entities: what their data holds, and who may see which field.
CREATE TABLE entity_types (
    name       TEXT PRIMARY KEY,     -- as in /entities/{name}; never changes
    id         TEXT NOT NULL UNIQUE, -- UUIDv7
    schema     TEXT NOT NULL,        -- JSON Schema 2020-12 of `data`
    fields     TEXT NOT NULL,        -- JSON object: pointer into `data` to its options
    indexes    TEXT NOT NULL,        -- JSON array of pointers that filters and sorts find quickly
    alias      TEXT UNIQUE,          -- also answers at /{alias}
    owner_only INTEGER NOT NULL,     -- 1: permissions on all types reach one's own entities only
    version    INTEGER NOT NULL,     -- one more with each change; entities are checked against this version
    created_at INTEGER NOT NULL,     -- milliseconds since 1970 UTC
    updated_at INTEGER NOT NULL
);
