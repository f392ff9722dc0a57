-- Keys of personal data: one for each entity or user that some is kept of. Without it nobody reads what it sealed,
-- wherever that stands: in the row, in its history, in audit events.
CREATE TABLE data_keys (
    subject    TEXT PRIMARY KEY,  -- the entity or user it belongs to; `index` for the key of comparable digests
    key_id     TEXT NOT NULL,     -- UUIDv7 of this key, by which an erasure names it
    wrapped    TEXT NOT NULL,     -- the key, sealed under a key of the keyring for fields
    made_at    INTEGER NOT NULL   -- milliseconds since 1970 UTC
) WITHOUT ROWID;
-- An entity that is gone for good takes its key along.
CREATE TRIGGER data_keys_of_entities AFTER DELETE ON entities
BEGIN DELETE FROM data_keys WHERE subject = old.id; END;

ALTER TABLE entities ADD COLUMN erased_at INTEGER; -- set: its personal data was erased, it is never restored
ALTER TABLE users ADD COLUMN erased_at INTEGER;    -- set: the person was erased, only the id remains
ALTER TABLE idempotency_keys ADD COLUMN targets TEXT; -- JSON array of the ids that the answer tells of
