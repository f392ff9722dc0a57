-- What is known of the keys in the keyring; the keys themselves are in its file alone.
CREATE TABLE secret_keys (
    id           TEXT PRIMARY KEY,  -- as tokens and sealed values name it
    purpose      TEXT NOT NULL,     -- jwt, fields, presign, webhooks, sessions
    created_at   INTEGER NOT NULL,  -- milliseconds since 1970 UTC
    last_used_at INTEGER            -- exact to some minutes; null: not yet
);

-- What an alert rule found, from when it began to when it was over.
CREATE TABLE alert_incidents (
    id         TEXT PRIMARY KEY,    -- UUIDv7
    rule       TEXT NOT NULL,       -- as the configuration names it: error_rate, disk, …
    detail     TEXT NOT NULL,       -- what was measured, in words
    started_at INTEGER NOT NULL,    -- milliseconds since 1970 UTC
    ended_at   INTEGER              -- null: it goes on
);
-- One incident of a rule at a time.
CREATE UNIQUE INDEX alert_incidents_open ON alert_incidents (rule) WHERE ended_at IS NULL;
CREATE INDEX alert_incidents_started ON alert_incidents (started_at);
