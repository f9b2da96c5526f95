-- What merchants are told of a low balance, at the address that was agreed with them.

ALTER TABLE prepaid_account
    ADD COLUMN notify_url  text NOT NULL DEFAULT '',       -- empty: told in the log and the audit trail alone
    ADD COLUMN notify_key  bytea,                          -- sealed by the HSM; signs what is told
    ADD CONSTRAINT notices_are_signed CHECK (notify_url = '' OR notify_key IS NOT NULL);

-- One row each time a balance became low. It stands until it was taken or every try of the schedule is spent.
CREATE TABLE prepaid_notice (
    notice_no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant         text NOT NULL REFERENCES prepaid_account,
    balance_fen      bigint NOT NULL,                      -- when it was noticed
    low_balance_fen  bigint NOT NULL,
    low_since        timestamptz NOT NULL,
    attempts         int NOT NULL DEFAULT 0,
    next_at          timestamptz,                          -- null: taken, or given up
    taken_at         timestamptz
);
CREATE INDEX prepaid_notice_due ON prepaid_notice (next_at) WHERE next_at IS NOT NULL;
