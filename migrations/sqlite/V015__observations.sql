-- What rules in observe mode would have refused, counted by rule.
CREATE TABLE observations (
    rule       TEXT PRIMARY KEY, -- as in observe.rules, such as permissions.entities.customers:delete
    count      INTEGER NOT NULL, -- since the first, or since somebody began anew
    first_seen INTEGER NOT NULL, -- ms
    last_seen  INTEGER NOT NULL, -- ms
    examples   TEXT NOT NULL     -- JSON: the latest few, without any value that was sent
);
