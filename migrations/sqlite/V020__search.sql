-- Full-text search. A type that asks for it has a table of its own, search_<type>, made with the type's index;
-- what was changed in a transaction is taken into it before the commit.
CREATE TABLE search_indexes (
    type    TEXT PRIMARY KEY,  -- entity_types.name
    paths   TEXT NOT NULL,     -- JSON array of paths into `data`, each an array of keys; the columns in this order
    through TEXT NOT NULL,     -- the last entity that was there before and is taken in; '' at first
    done    INTEGER NOT NULL,  -- how many those are
    total   INTEGER NOT NULL,  -- how many there were to take in
    ready   INTEGER NOT NULL   -- 1: all are in, searches may rely on it
);
-- Numbers in the order of creation, so that a search ends at its first page.
CREATE TABLE search_entries (
    number    INTEGER PRIMARY KEY,  -- created_at * 2^20, and one more for each other of the same millisecond
    entity_id TEXT NOT NULL UNIQUE REFERENCES entities (id) ON DELETE CASCADE
);
-- Changed in the transaction under way; empty outside of one.
CREATE TABLE search_pending (
    entity_id TEXT PRIMARY KEY,
    type      TEXT NOT NULL,
    gone      INTEGER         -- the number of an entity that was removed
);
ALTER TABLE entity_types ADD COLUMN search TEXT;  -- JSON array of pointers that searches find quickly; none: not asked for

CREATE TRIGGER search_created AFTER INSERT ON entities
WHEN EXISTS (SELECT 1 FROM search_indexes WHERE type = new.type)
BEGIN
    INSERT INTO search_pending (entity_id, type) VALUES (new.id, new.type) ON CONFLICT (entity_id) DO NOTHING;
END;
CREATE TRIGGER search_updated AFTER UPDATE OF name, data ON entities
WHEN (new.name IS NOT old.name OR new.data IS NOT old.data)
     AND EXISTS (SELECT 1 FROM search_indexes WHERE type = new.type)
BEGIN
    INSERT INTO search_pending (entity_id, type) VALUES (new.id, new.type) ON CONFLICT (entity_id) DO NOTHING;
END;
CREATE TRIGGER search_removed BEFORE DELETE ON entities
WHEN EXISTS (SELECT 1 FROM search_indexes WHERE type = old.type)
BEGIN
    INSERT INTO search_pending (entity_id, type, gone)
    SELECT old.id, old.type, number FROM search_entries WHERE entity_id = old.id
    ON CONFLICT (entity_id) DO UPDATE SET gone = excluded.gone;
END;
