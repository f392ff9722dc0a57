-- Work to be done later, enqueued in the transaction of the change that causes it.
CREATE TABLE jobs (
    id          TEXT PRIMARY KEY,     -- UUIDv7, so it also says when the job was enqueued
    kind        TEXT NOT NULL,        -- which handler runs it
    payload     TEXT NOT NULL,        -- JSON, for the handler
    state       TEXT NOT NULL,        -- waiting, running, done, failed
    attempts    INTEGER NOT NULL,     -- started so far
    due_at      INTEGER NOT NULL,     -- not before; milliseconds since 1970 UTC
    claimed_at  INTEGER,              -- when the running attempt began
    finished_at INTEGER,              -- when it was done, or given up
    error       TEXT                  -- what the last attempt said
);
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE state = 'waiting';
CREATE INDEX jobs_unfinished ON jobs (kind) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
