-- Attempts that did fail; `failures` also counts those under way. From so many on, log-in asks for work.
ALTER TABLE login_attempts ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX login_attempts_network ON login_attempts (network, last_at) WHERE failed > 0;

-- Challenges that were answered, until they expire in any case: each is good once.
CREATE TABLE spent_challenges (
    salt       TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL      -- milliseconds since 1970 UTC
);
