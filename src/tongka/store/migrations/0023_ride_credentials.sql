-- What a rider's phone keeps for days: the signed credential of each of his cards and formats, and how far its codes are
-- generated. A code is made by an UPDATE that raises `last_generated`: one credential never makes two codes of a second.
CREATE SEQUENCE ride_user_key_seq;
CREATE TABLE ride_credential (
    user_id         text NOT NULL,
    card_type       text NOT NULL,
    card_no         text NOT NULL,                -- empty: plain bus payment
    format          text NOT NULL,
    key_serial      bigint NOT NULL UNIQUE,       -- which of the rider's keys: the key itself stays with the key store
    states          bytea NOT NULL,               -- SHA-256 of what it says of the rider and his card
    unsigned        bytea NOT NULL,               -- the code without generation time and the user's signature
    renew_at        timestamptz NOT NULL,
    last_generated  bigint NOT NULL,              -- unix seconds
    PRIMARY KEY (user_id, card_type, card_no, format)
) WITH (fillfactor = 80);
