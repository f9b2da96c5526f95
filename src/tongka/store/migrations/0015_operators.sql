-- People who act at the command line with money: they show a passphrase. What they do bears their name in the audit trail.
CREATE TABLE operator (
    name    text PRIMARY KEY CHECK (name <> ''),
    salt    bytea NOT NULL,
    digest  bytea NOT NULL,                        -- scrypt of the passphrase
    active  boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX operator_names_differ ON operator (lower(name));
