-- What was changed while running. The file's value holds where there is no row; the environment wins over both.
CREATE TABLE settings (
    key        TEXT PRIMARY KEY,  -- full name, such as limits.public_per_minute
    value      TEXT NOT NULL,     -- JSON
    updated_at INTEGER NOT NULL   -- milliseconds since 1970 UTC
);

-- The right to change settings is called update, as elsewhere.
UPDATE roles SET permissions = replace(permissions, '"settings:write"', '"settings:update"');
UPDATE api_keys SET scopes = replace(scopes, '"settings:write"', '"settings:update"');
