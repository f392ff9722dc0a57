-- What an operator sees of a job, and may do with it.
ALTER TABLE jobs ADD COLUMN about TEXT;                            -- what it is about, in words for people; never personal data
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;   -- 1 goes before 0, and 0 before -1
ALTER TABLE jobs ADD COLUMN unique_key TEXT;                       -- enqueued once only while one with it waits, runs or is done
ALTER TABLE jobs ADD COLUMN recurring INTEGER NOT NULL DEFAULT 0;  -- 1: its schedule made it, and makes the next
ALTER TABLE jobs ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;    -- attempts before it was last retried by hand
ALTER TABLE jobs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0; -- 1: somebody wants the running attempt to end
ALTER TABLE jobs ADD COLUMN progress_done INTEGER;                 -- how much of the running attempt is done
ALTER TABLE jobs ADD COLUMN progress_total INTEGER;                -- of how much
ALTER TABLE jobs ADD COLUMN progress_note TEXT;                    -- at what it is, in words
ALTER TABLE jobs ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0; -- when it was enqueued; milliseconds since 1970 UTC
ALTER TABLE jobs ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0; -- when anything of it last changed
-- States from here on: waiting, running, done, failed (given up), cancelled.
UPDATE jobs SET created_at = due_at, updated_at = coalesce(finished_at, claimed_at, due_at);

DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (kind, priority, due_at, id) WHERE state = 'waiting';
CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running', 'done');
CREATE INDEX jobs_created ON jobs (created_at, id);

-- How attempts ended.
CREATE TABLE job_attempts (
    job_id      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,  -- 1 for the first
    started_at  INTEGER NOT NULL,  -- milliseconds since 1970 UTC
    finished_at INTEGER NOT NULL,
    outcome     TEXT NOT NULL,     -- done, failed, cancelled, or lost when the process ended
    error       TEXT,              -- what went wrong
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
