-- Who did what: one row per event, chained by SHA-256 in commit order. Rows are added, never changed.
CREATE TABLE audit_events (
    seq         INTEGER PRIMARY KEY,  -- 1, 2, 3 … without gaps; also inside `event`
    at          INTEGER NOT NULL,     -- milliseconds since 1970 UTC
    actor_id    TEXT,                 -- the user or key, where there is one
    action      TEXT NOT NULL,        -- such as user.created
    target_type TEXT,                 -- what it was done to
    target_id   TEXT,
    outcome     TEXT NOT NULL,        -- success, denied, failed
    request_id  TEXT,
    event       TEXT NOT NULL,        -- the JSON text that the hash covers; the columns above only index it
    prev_hash   TEXT NOT NULL,        -- hash of the event before; 64 zeros for the first
    hash        TEXT NOT NULL         -- SHA-256 in hex over prev_hash, a line feed and event
);
CREATE INDEX audit_events_at ON audit_events (at, seq);
CREATE INDEX audit_events_target ON audit_events (target_id, seq);
CREATE INDEX audit_events_target_type ON audit_events (target_type, seq);
CREATE INDEX audit_events_actor ON audit_events (actor_id, seq);
CREATE INDEX audit_events_action ON audit_events (action, seq);
CREATE INDEX audit_events_outcome ON audit_events (outcome, seq) WHERE outcome <> 'success';
CREATE INDEX audit_events_request ON audit_events (request_id) WHERE request_id IS NOT NULL;

CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;
