-- The version of what gates verify codes with: keys and card types. It grows whenever they change.
CREATE TABLE gate_keys_version (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version   bigint NOT NULL,
    digest    bytea NOT NULL,
    at        timestamptz NOT NULL
);
