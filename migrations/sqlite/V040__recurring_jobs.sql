-- The earlier runs of what comes by itself are found without looking at every job.
CREATE INDEX jobs_recurring ON jobs (kind) WHERE recurring = 1;
