-- What audit events tell of people stands beside the hashed text, which holds salted digests of it: so it can be
-- forgotten, and the chain still holds. Whoever changes it has to say so in a later event.
ALTER TABLE audit_events ADD COLUMN changes TEXT; -- JSON object: before, after; null where they stand in `event`
ALTER TABLE audit_events ADD COLUMN salt TEXT;    -- hex; the digest in `event` is over salt, a line feed and changes
DROP TRIGGER audit_events_no_update;
CREATE TRIGGER audit_events_no_update
BEFORE UPDATE OF seq, at, actor_id, action, target_type, target_id, outcome, request_id, elevation_id, event, prev_hash,
                 hash ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
CREATE TRIGGER audit_events_changes_stay BEFORE UPDATE OF changes, salt ON audit_events
WHEN OLD.changes IS NULL OR NEW.changes IS NULL OR NEW.salt IS NULL
BEGIN SELECT RAISE(ABORT, 'what an audit event tells of is only replaced'); END;

-- What people and keys were called when they did something; `event` holds the digest.
CREATE TABLE audit_labels (
    digest  TEXT PRIMARY KEY, -- SHA-256 in hex over salt, a line feed and label
    subject TEXT NOT NULL,    -- the user or key that is called so
    label   TEXT NOT NULL,
    salt    TEXT NOT NULL     -- hex
) WITHOUT ROWID;
CREATE UNIQUE INDEX audit_labels_subject ON audit_labels (subject, label);
