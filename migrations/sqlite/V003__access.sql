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

INSERT INTO roles (name, id, permissions, clearance, per_minute, built_in, version, created_at, updated_at)
SELECT name, id, permissions, clearance, NULL, 1, 1, now, now
FROM (SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000 AS now),
     (SELECT 'viewer' AS name, '01900000-0000-7000-8000-000000000001' AS id, 'internal' AS clearance,
             '["entities.*:read","entity_types:read"]' AS permissions
      UNION ALL
      SELECT 'analyst', '01900000-0000-7000-8000-000000000002', 'confidential',
             '["entities.*:read","entities.*:create","entities.*:update","entity_types:read","relationships:read","relationships:create","relationships:update","files:read","files:create","files:update"]'
      UNION ALL
      SELECT 'admin', '01900000-0000-7000-8000-000000000003', 'restricted', '["*"]'
      UNION ALL
      SELECT 'system', '01900000-0000-7000-8000-000000000004', 'restricted',
             '["entities.*:read","entities.*:create","entities.*:update","entities.*:delete","entities.*:export","entity_types:read","relationships:read","relationships:create","relationships:update","relationships:delete","files:read","files:create","files:update","files:delete","jobs:read","jobs:write","webhooks:read","webhooks:create","webhooks:update","webhooks:delete"]'
      UNION ALL
      SELECT 'anonymous', '01900000-0000-7000-8000-000000000005', 'public', '[]');
