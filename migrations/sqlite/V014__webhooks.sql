-- Where others want to hear of what happens.
CREATE TABLE webhooks (
    id                TEXT PRIMARY KEY, -- UUIDv7
    name              TEXT NOT NULL,
    url               TEXT NOT NULL,    -- in its one normal form
    events            TEXT NOT NULL,    -- patterns of audit actions as a JSON list
    active            INTEGER NOT NULL,
    secret            TEXT NOT NULL,    -- what deliveries are signed with, encrypted
    old_secret        TEXT,             -- the one before the last rotation, encrypted
    overlap_ends_at   INTEGER,          -- until when deliveries are signed with both
    pending           INTEGER NOT NULL, -- deliveries that wait
    skipped           INTEGER NOT NULL, -- events that were not queued, since too many deliveries waited
    failures          INTEGER NOT NULL, -- deliveries given up since the last that got through
    failing_since     INTEGER,          -- when the first of them was given up
    disabled_reason   TEXT,             -- why it was switched off by itself
    last_delivered_at INTEGER,
    version           INTEGER NOT NULL, -- one more with each change of settings
    created_at        INTEGER NOT NULL, -- milliseconds since 1970 UTC
    created_by        TEXT,             -- the user who made it, where it was one
    updated_at        INTEGER NOT NULL
);
CREATE INDEX webhooks_created ON webhooks (created_at, id);

-- What was sent, or will be, enqueued in the transaction of the change that it tells of.
CREATE TABLE webhook_deliveries (
    id          TEXT PRIMARY KEY,       -- UUIDv7
    webhook_id  TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    job_id      TEXT NOT NULL,          -- the job that sends it
    message_id  TEXT NOT NULL,          -- the same when it is sent again, so that receivers know it
    replay_of   TEXT,                   -- the delivery that this one repeats
    action      TEXT NOT NULL,
    body        TEXT NOT NULL,          -- the JSON that is signed and sent
    state       TEXT NOT NULL,          -- waiting, delivered, failed
    attempts    INTEGER NOT NULL,
    status      INTEGER,                -- of the last answer
    duration_ms INTEGER,                -- of the last attempt
    answer      TEXT,                   -- how the last answer begins
    error       TEXT,                   -- why the last attempt failed
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    finished_at INTEGER                 -- when it got through, or was given up
);
CREATE INDEX webhook_deliveries_hook ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (job_id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- Each kind is looked for by itself, so that many waiting deliveries do not stand before other work.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (kind, due_at, id) WHERE state = 'waiting';
