-- How often a link to choose a new password was asked for, so that nobody is flooded with mail. Addresses that
-- belong to nobody count like any other.
CREATE TABLE password_requests (
    account  TEXT PRIMARY KEY,   -- keyed fingerprint of the address in lower case, in hex
    requests INTEGER NOT NULL,   -- in the hour that began at `since`
    since    INTEGER NOT NULL
);
CREATE INDEX password_requests_since ON password_requests (since);

-- What each user has signed in from.
CREATE TABLE known_devices (
    user_id      TEXT NOT NULL REFERENCES users (id),
    device       TEXT NOT NULL,  -- keyed fingerprint of browser, system and network, in hex
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, device)
);
ALTER TABLE sessions ADD COLUMN new_device INTEGER; -- 1: the device was not seen before, though others were
