-- The Linkage OneCard interface: its channels, orders that close by the counter, and stored value.

ALTER TABLE orders
    ADD COLUMN funded_from int NOT NULL DEFAULT 0,                   -- the guarded account that paid; 0: payment_method's
    ADD COLUMN closes_by_counter boolean NOT NULL DEFAULT false,     -- MAC2 left over an interface without a confirm
    DROP CONSTRAINT orders_kind_check,
    ADD CONSTRAINT orders_kind_check CHECK (kind IN ('topup', 'sale', 'return', 'unload'));

CREATE INDEX orders_unpaid ON orders (created_at) WHERE state = '1' AND NOT paid;

-- One row a channel of a domain; its key makes and verifies tokens, and says which channel speaks.
CREATE TABLE linkage_channel (
    domain                text NOT NULL CHECK (domain <> ''),
    channel               text NOT NULL CHECK (channel <> ''),
    name                  text NOT NULL DEFAULT '',
    sealed_key            bytea NOT NULL,                 -- by the HSM, bound to domain and channel
    addresses             text[] NOT NULL DEFAULT '{}',   -- networks that may call; empty: any
    per_minute            int NOT NULL CHECK (per_minute > 0),
    terminal_per_minute   int NOT NULL CHECK (terminal_per_minute > 0),
    active                boolean NOT NULL DEFAULT true,
    PRIMARY KEY (domain, channel)
);

-- Secrets of the platform's own, sealed by the HSM: the key of the password hashes.
CREATE TABLE platform_secret (
    name    text PRIMARY KEY,
    sealed  bytea NOT NULL
);

-- When passwords were wrong, by what they were given for: a domain, a terminal, a card.
CREATE TABLE wrong_password (
    scope  text PRIMARY KEY,
    at     timestamptz[] NOT NULL
);

-- Numbers of guarded accounts that are opened by themselves.
CREATE SEQUENCE guarded_account_seq AS int START WITH 1000001;

CREATE TABLE prepaid_account (
    merchant         text PRIMARY KEY CHECK (merchant <> ''),
    domain           text NOT NULL,
    account          int NOT NULL UNIQUE CHECK (account >= 1000000),
    low_balance_fen  bigint NOT NULL DEFAULT 0 CHECK (low_balance_fen >= 0),
    low_since        timestamptz                          -- when its low balance was noticed; null while it is not low
);

-- Each supply of money to a prepaid account, once under its id.
CREATE TABLE prepaid_supply (
    domain      text NOT NULL,
    trade_id    text NOT NULL,
    merchant    text NOT NULL,
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    at          timestamptz NOT NULL,
    CONSTRAINT supply_already_made PRIMARY KEY (domain, trade_id)
);

-- A recharge card's money stands on its own guarded account from its activation until it is used or expires.
CREATE TABLE recharge_card (
    serial      text PRIMARY KEY,
    batch       text NOT NULL,
    digest      bytea NOT NULL CONSTRAINT recharge_card_digest UNIQUE,   -- keyed hash of the password
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    expires_on  date NOT NULL,
    issued_at   timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'issued' CHECK (state IN ('issued', 'active', 'expired')),
    account     int UNIQUE CHECK (account >= 1000000)
);
CREATE INDEX recharge_card_by_batch ON recharge_card (batch, serial);

-- What a company allots to a card stands on the card's own guarded account.
CREATE TABLE group_card (
    card_no  text PRIMARY KEY,
    company  text NOT NULL,
    account  int NOT NULL UNIQUE CHECK (account >= 1000000),
    digest   bytea NOT NULL                                              -- keyed hash of card number and password
);

CREATE TABLE group_allotment (
    batch       text NOT NULL,
    card_no     text NOT NULL,
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    at          timestamptz NOT NULL,
    CONSTRAINT allotment_already_made PRIMARY KEY (batch, card_no)
);

-- Who has shown a group card's password, and until when that counts.
CREATE TABLE group_unlock (
    card_no  text NOT NULL,
    domain   text NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (card_no, domain)
);
