-- Break-glass: for a while one session holds everything. Closed by somebody else's review.
CREATE TABLE elevations (
    id          TEXT PRIMARY KEY,     -- UUIDv7
    user_id     TEXT NOT NULL REFERENCES users (id),
    session_id  TEXT NOT NULL,        -- the one session that it holds for; sessions are removed in time
    reason      TEXT NOT NULL,
    ip          TEXT,                 -- where it was asked for
    created_at  INTEGER NOT NULL,     -- its start, in milliseconds since 1970 UTC
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,              -- null until its end is written down; it is over at `expires_at` in any case
    end_cause   TEXT,                 -- expired, ended, session_ended, right_lost, password_changed, replaced
    ended_by    TEXT,                 -- the user who ended it early, where it was one
    reviewed_at INTEGER,
    reviewed_by TEXT,                 -- the user; null when it was the command line
    review_note TEXT,
    updated_at  INTEGER NOT NULL
);
CREATE INDEX elevations_session ON elevations (session_id) WHERE ended_at IS NULL;
CREATE INDEX elevations_running ON elevations (user_id) WHERE ended_at IS NULL;
CREATE INDEX elevations_user ON elevations (user_id, created_at);
CREATE INDEX elevations_created ON elevations (created_at, id);
CREATE INDEX elevations_unreviewed ON elevations (created_at) WHERE reviewed_at IS NULL;

-- The elevation under which something was done; also inside `event`.
ALTER TABLE audit_events ADD COLUMN elevation_id TEXT;
CREATE INDEX audit_events_elevation ON audit_events (elevation_id, seq) WHERE elevation_id IS NOT NULL;
