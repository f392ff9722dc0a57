-- What is known of backups besides their files; a file that stands here not yet is known by its own head.
CREATE TABLE backups (
    name         TEXT PRIMARY KEY,  -- of the file in `backup.to`
    created_at   INTEGER NOT NULL,  -- when its snapshot was taken; milliseconds since 1970 UTC
    scheduled    INTEGER NOT NULL,  -- 1: by the schedule, 0: by hand
    took_ms      INTEGER,           -- how long making it took
    verified_at  INTEGER,           -- when it was last put into a scratch place and found good
    verify_ms    INTEGER,           -- how long that took
    rows         INTEGER,           -- rows that were counted there
    events       INTEGER,           -- events of the audit log whose chain was checked there
    error        TEXT,              -- why the last check refused it
    updated_at   INTEGER NOT NULL
);
CREATE INDEX backups_created ON backups (created_at);
