-- People and services that can sign in.
CREATE TABLE users (
    id            TEXT PRIMARY KEY,   -- UUIDv7
    email         TEXT NOT NULL,      -- as given, its domain in lower case
    email_key     TEXT NOT NULL,      -- the whole address in lower case: what must be unique
    name          TEXT,
    data          TEXT NOT NULL,      -- free JSON object, for row rules
    kind          TEXT NOT NULL,      -- person, service
    status        TEXT NOT NULL,      -- active, disabled, pending
    password      TEXT,               -- bcrypt; null until one is set
    version       INTEGER NOT NULL,   -- one more with each change that others see
    created_at    INTEGER NOT NULL,   -- milliseconds since 1970 UTC
    updated_at    INTEGER NOT NULL,
    last_login_at INTEGER,
    deleted_at    INTEGER,            -- set: deleted, the address is free again
    deleted_by    TEXT                -- the user who did it, where it was one
);
CREATE UNIQUE INDEX users_email ON users (email_key) WHERE deleted_at IS NULL;
CREATE INDEX users_created ON users (created_at, id);

CREATE TABLE user_roles (
    user_id TEXT NOT NULL REFERENCES users (id),
    role    TEXT NOT NULL REFERENCES roles (name),
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role ON user_roles (role);

-- One log-in on one device. Ending it ends everything that was issued for it.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,    -- UUIDv7; `sid` in access tokens
    user_id      TEXT NOT NULL REFERENCES users (id),
    kind         TEXT NOT NULL,       -- token, cookie
    secret       TEXT UNIQUE,         -- of a cookie: its keyed fingerprint in hex
    user_agent   TEXT,
    ip           TEXT,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,    -- exact to a minute
    expires_at   INTEGER NOT NULL,    -- at the latest; a cookie also ends when idle
    ended_at     INTEGER              -- log-out, revocation, or a refresh token used twice
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Every refresh token of a session, so that one used twice is known. The newest is not replaced yet.
CREATE TABLE refresh_tokens (
    fingerprint TEXT PRIMARY KEY,     -- keyed, in hex; the token itself is nowhere
    session_id  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    replaced_at INTEGER,              -- when it was used
    replaced_by TEXT                  -- the fingerprint of its successor
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Links that work once: the set-up of the first administrator, and choosing a password.
CREATE TABLE one_time_links (
    fingerprint TEXT PRIMARY KEY,     -- keyed, in hex
    purpose     TEXT NOT NULL,        -- setup, password
    user_id     TEXT REFERENCES users (id),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
);
CREATE INDEX one_time_links_user ON one_time_links (user_id);

-- Failed log-ins, by account and the network they came from. Unknown accounts count like any other.
CREATE TABLE login_attempts (
    account       TEXT NOT NULL,      -- keyed fingerprint of the address in lower case, in hex
    network       TEXT NOT NULL,      -- an IPv4 address, an IPv6 /64, or `local`
    failures      INTEGER NOT NULL,   -- attempts under way count until they succeed
    blocked_until INTEGER,            -- no attempt is evaluated before this
    last_at       INTEGER NOT NULL,   -- of the newest attempt
    PRIMARY KEY (account, network)
);
CREATE INDEX login_attempts_last ON login_attempts (last_at);
