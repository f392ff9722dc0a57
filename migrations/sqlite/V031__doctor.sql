-- How the instance judged itself, once a day, for the trend.
CREATE TABLE doctor_scores (
    day   TEXT PRIMARY KEY,           -- in UTC, as 2030-01-31
    at    INTEGER NOT NULL,           -- when it was looked at; milliseconds since 1970 UTC
    score INTEGER NOT NULL            -- of 100
);
