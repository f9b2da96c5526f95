-- What the workers' jobs came to, for monitoring: one row a job, over all workers.
CREATE TABLE job_run (
    name          text PRIMARY KEY,
    succeeded_at  timestamptz,
    failed_at     timestamptz,
    failures      bigint NOT NULL DEFAULT 0,
    error         text NOT NULL DEFAULT ''      -- the code of the last failure
);
