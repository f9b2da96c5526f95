-- How cards came onto the books: a factory's batches, and the cards of a city that is taken over.

CREATE TABLE card_batch (
    name          text PRIMARY KEY CHECK (name <> ''),
    digest        bytea NOT NULL,                    -- of what the list says; the same list is known again by it
    cards         int NOT NULL CHECK (cards > 0),
    deposits_fen  bigint NOT NULL,                   -- held for cards with riders
    balances_fen  bigint NOT NULL,                   -- on cards with riders
    taken_over    boolean NOT NULL,                  -- cards with riders are in it: it waits for another operator
    imported_by   text NOT NULL,
    imported_at   timestamptz NOT NULL,
    confirmed_by  text,                              -- of stock: who imported it
    confirmed_at  timestamptz,
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);

-- Cards between the import of their batch and its confirmation.
CREATE TABLE card_batch_line (
    batch        text NOT NULL,
    card_no      text NOT NULL,
    asn          text NOT NULL,
    profile      text NOT NULL,
    key_version  smallint NOT NULL,
    file15       bytea NOT NULL,
    status       text NOT NULL,
    enabled      boolean NOT NULL,
    sold_on      date,
    valid_to     date,
    deposit_fen  bigint NOT NULL,
    balance_fen  bigint NOT NULL,
    CONSTRAINT card_is_in_a_batch PRIMARY KEY (card_no)
);

ALTER TABLE card ADD COLUMN batch text NOT NULL DEFAULT '';     -- empty: it came otherwise, e.g. in a phone
CREATE INDEX card_by_batch ON card (batch, card_no) WHERE batch <> '';
