-- The kill switch as it was last set: no row until it is first used, then one.
CREATE TABLE kill_switch (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    active       INTEGER NOT NULL,    -- 0 or 1
    scope        TEXT NOT NULL,       -- all, writes
    reason       TEXT NOT NULL,       -- told to everyone who is refused
    expires_at   INTEGER,             -- ends by itself; milliseconds since 1970 UTC
    activated_by TEXT NOT NULL,       -- JSON: type, id and label of the actor
    activated_at INTEGER NOT NULL
);
