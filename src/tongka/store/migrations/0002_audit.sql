-- The audit trail. Writers only append; a job seals what is committed, in batches, so that sealing never makes them
-- queue. What is hashed, and how: tongka/audit.py.

CREATE TABLE audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    actor    text NOT NULL,
    action   text NOT NULL CHECK (action <> ''),
    subject  text NOT NULL,
    detail   text NOT NULL DEFAULT '',
    txid     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint  -- left to its default: it orders the sealing
);

CREATE INDEX audit_by_txid ON audit USING brin (txid) WITH (autosummarize = on);
CREATE INDEX audit_by_subject ON audit (subject, id);

-- One batch: the rows of all transactions from the horizon of the seal before up to this one's. Ids alone would not do:
-- they are drawn in another order than transactions commit in.
CREATE TABLE audit_seal (
    number     bigint PRIMARY KEY CHECK (number > 0),
    sealed_at  timestamptz NOT NULL,
    horizon    bigint NOT NULL,  -- every transaction below it had ended
    ids        bigint[] NOT NULL CHECK (cardinality(ids) > 0),
    leaves     bytea NOT NULL,   -- 32 bytes for each of ids
    seal       bytea NOT NULL    -- over the seal before, number, ids and leaves
);

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
