-- The authenticator app of an account.
CREATE TABLE totp (
    user_id      TEXT PRIMARY KEY REFERENCES users (id),
    secret       TEXT NOT NULL,       -- sealed with a key of the keyring, bound to the user
    last_step    INTEGER NOT NULL,    -- of the newest code that was taken; codes up to it are refused
    created_at   INTEGER NOT NULL,    -- milliseconds since 1970 UTC
    confirmed_at INTEGER              -- null: handed out, no code seen yet
);

-- Codes for when the app is lost; each works once and is removed when used.
CREATE TABLE recovery_codes (
    fingerprint TEXT PRIMARY KEY,     -- keyed, in hex
    user_id     TEXT NOT NULL REFERENCES users (id)
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);
