-- Which servers the audit trail was written on. A row of `audit` carries the number of its transaction, by which it is
-- sealed; a database that a dump brought to another server finds numbers there that begin anew. So a trail that goes on
-- elsewhere begins an epoch, whose base is added to the numbers (as the default of audit.txid): they only ever grow.

CREATE TABLE audit_epoch (
    number    int PRIMARY KEY CHECK (number > 0),
    server    bigint NOT NULL,              -- the system identifier that initdb gave to the cluster
    timeline  bigint NOT NULL,              -- grows with each promotion of a standby or recovery to a point in time
    base      bigint NOT NULL CHECK (base >= 0),
    began_at  timestamptz NOT NULL
);

CREATE TRIGGER audit_epoch_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_epoch
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

INSERT INTO audit_epoch (number, server, timeline, base, began_at)
SELECT 1, system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint, 0, now()
FROM pg_control_system();
