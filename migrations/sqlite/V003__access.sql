-- Named sets of permissions. The built-in ones are here from the start.
CREATE TABLE roles (
    name        TEXT PRIMARY KEY,     -- [a-z][a-z0-9_]{0,62}
    id          TEXT NOT NULL UNIQUE, -- UUIDv7
    permissions TEXT NOT NULL,        -- JSON array such as ["entities.*:read"]
    clearance   TEXT NOT NULL,        -- public, internal, confidential, restricted: the fields it may see
    per_minute  INTEGER,              -- requests a minute for each holder; null for no limit
    built_in    INTEGER NOT NULL,     -- 1: cannot be deleted
    version     INTEGER NOT NULL,     -- one more with each change
    created_at  INTEGER NOT NULL,     -- milliseconds since 1970 UTC
    updated_at  INTEGER NOT NULL
);
