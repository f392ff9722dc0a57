-- Keys with which programs call, each acting for its owner.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,    -- UUIDv7
    owner_id     TEXT NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,       -- how the newest secret begins, so that people recognise it
    scopes       TEXT NOT NULL,       -- permissions as a JSON list; the owner's rights limit them on each request
    per_minute   INTEGER,             -- its own rate limit; null: only its owner's
    version      INTEGER NOT NULL,    -- one more with each change that others see
    created_at   INTEGER NOT NULL,    -- milliseconds since 1970 UTC
    created_by   TEXT,                -- the user who made it, where it was one
    updated_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER              -- exact to a minute
);
CREATE INDEX api_keys_owner ON api_keys (owner_id, created_at, id);
CREATE INDEX api_keys_created ON api_keys (created_at, id);

-- What a key is presented with: its newest secret, and after a rotation the one before until its end.
CREATE TABLE api_key_secrets (
    fingerprint TEXT PRIMARY KEY,     -- keyed, in hex; the secret itself is nowhere
    key_id      TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    ends_at     INTEGER               -- set by a rotation
);
CREATE INDEX api_key_secrets_key ON api_key_secrets (key_id);
