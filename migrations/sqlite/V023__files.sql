-- Uploaded files. Their contents lie in the store, under a name of their own.
CREATE TABLE files (
    id           TEXT PRIMARY KEY,    -- UUIDv7
    name         TEXT NOT NULL,       -- as its owner calls it; never a path
    content_type TEXT NOT NULL,       -- told from the content
    size         INTEGER NOT NULL,    -- bytes
    sha256       TEXT NOT NULL,       -- of the content, hexadecimal
    content      TEXT NOT NULL,       -- the content's name in the store, UUIDv7; each content has one of its own
    entity_id    TEXT REFERENCES entities (id) ON DELETE CASCADE, -- what it belongs to: who reads it must be able to read that
    owner_id     TEXT,                -- whose it is
    state        TEXT NOT NULL,       -- processing, ready, failed
    job_id       TEXT,                -- the job that looks into it
    details      TEXT NOT NULL,       -- what the job found, a JSON object
    error        TEXT,                -- why the job gave up
    version      INTEGER NOT NULL,    -- one more with each change
    created_at   INTEGER NOT NULL,    -- milliseconds since 1970 UTC
    updated_at   INTEGER NOT NULL,
    created_by   TEXT,                -- the user, where it was one
    updated_by   TEXT,
    deleted_at   INTEGER,             -- set: deleted, can be restored for a while
    deleted_by   TEXT
);
CREATE UNIQUE INDEX files_content ON files (content);
CREATE INDEX files_created ON files (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX files_name ON files (name, id) WHERE deleted_at IS NULL;
CREATE INDEX files_entity ON files (entity_id, created_at, id) WHERE entity_id IS NOT NULL;
CREATE INDEX files_owner ON files (owner_id, created_at, id);
CREATE INDEX files_deleted ON files (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX files_processing ON files (job_id) WHERE state = 'processing';

-- Uploads that somebody was given an address for, and that have not come yet.
CREATE TABLE file_uploads (
    id           TEXT PRIMARY KEY,    -- of the file that is to come, UUIDv7
    name         TEXT NOT NULL,
    content_type TEXT NOT NULL,       -- which the content has to be of
    size         INTEGER NOT NULL,    -- bytes that it has to have
    entity_id    TEXT REFERENCES entities (id) ON DELETE CASCADE,
    expires_at   INTEGER NOT NULL     -- until when the address is good
);
CREATE INDEX file_uploads_expires ON file_uploads (expires_at);
