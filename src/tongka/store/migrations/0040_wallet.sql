-- Transit cards in phones: secure elements, the pool of card numbers, IF4's orders, and what was said in each round.

-- A chip that we may manage. Its keys come from its maker, and are kept sealed under the HSM's data key.
CREATE TABLE secure_element (
    se_id            text PRIMARY KEY CHECK (se_id <> ''),
    device_id        text NOT NULL CHECK (device_id <> ''),
    scp              text NOT NULL CHECK (scp IN ('02', '03')),
    key_version      smallint NOT NULL CHECK (key_version BETWEEN 1 AND 127),
    security_domain  bytea NOT NULL CHECK (length(security_domain) BETWEEN 5 AND 16),
    keys             bytea NOT NULL                     -- sealed: ENC, MAC, DEK of 16 bytes each
);
CREATE INDEX secure_element_by_device ON secure_element (device_id);

-- The numbers that an issuer may give to cards in phones. A number is given out once and never comes back: keys that
-- were diversified for it may have reached a chip.
CREATE TABLE card_range (
    issuer_id    text PRIMARY KEY,
    profile      text NOT NULL,
    prefix       text NOT NULL CHECK (prefix ~ '^[0-9]+$'),
    digits       smallint NOT NULL CHECK (digits BETWEEN 1 AND 18),     -- behind the prefix
    next_serial  bigint NOT NULL DEFAULT 1,
    last_serial  bigint NOT NULL,
    CONSTRAINT numbers_are_used_up CHECK (next_serial <= last_serial + 1)
);

-- A card that is, or is to be, in a phone.
CREATE TABLE wallet_card (
    card_no      text PRIMARY KEY,
    issuer_id    text NOT NULL,
    institution  text NOT NULL,                       -- who opened it
    device_id    text NOT NULL,
    se_id        text NOT NULL DEFAULT '',            -- '' until the opening knows the chip
    state        text NOT NULL CHECK (state IN ('opening', 'live', 'locked', 'gone')),
    opened_at    timestamptz NOT NULL
);
CREATE INDEX wallet_card_by_device ON wallet_card (device_id) WHERE state <> 'gone';
-- The package has one instance in a chip.
CREATE UNIQUE INDEX element_holds_one_card ON wallet_card (se_id) WHERE state IN ('live', 'locked') AND se_id <> '';

-- IF4: one row for each business that was ordered, with the session in which it is carried out (IF5).
CREATE TABLE wallet_order (
    institution      text NOT NULL,
    server_order_id  text NOT NULL CHECK (server_order_id <> ''),
    digest           bytea NOT NULL,                  -- of the order's contents
    session_id       text NOT NULL UNIQUE,
    business         text NOT NULL CHECK (business IN ('OPEN', 'TOPUP', 'UPDATE', 'DELETE', 'LOCK', 'UNLOCK')),
    issuer_id        text NOT NULL,
    device_id        text NOT NULL,
    card_no          text NOT NULL,
    amount_fen       bigint NOT NULL CHECK (amount_fen BETWEEN 0 AND 4294967295),
    fee_fen          bigint NOT NULL DEFAULT 0 CHECK (fee_fen >= 0),
    holder_type      smallint,                        -- byte 10 of file 0017, where it is to change
    elements         text[] NOT NULL DEFAULT '{}',    -- the chips that the order allows; none: all of the device
    state            text NOT NULL CHECK (state IN ('accepted', 'running', 'done', 'failed', 'unknown', 'cancelled')),
    reason           text NOT NULL DEFAULT '',
    sale_no          text NOT NULL DEFAULT '',        -- its orders in the table orders
    load_no          text NOT NULL DEFAULT '',
    se_id            text NOT NULL DEFAULT '',        -- as chosen at the handshake
    se_type          text NOT NULL DEFAULT '',
    round            int NOT NULL DEFAULT 0,          -- of the latest order message
    greeted          boolean NOT NULL DEFAULT false,  -- there was a handshake since
    program          bytea,                           -- sealed: where the script stands
    created_at       timestamptz NOT NULL,
    contacted_at     timestamptz NOT NULL,
    CONSTRAINT server_order_exists PRIMARY KEY (institution, server_order_id)
);
CREATE INDEX wallet_order_by_card ON wallet_order (card_no);

-- Each round: the report that asked for it, and the order's bytes, for repeats.
CREATE TABLE wallet_round (
    session_id  text NOT NULL,
    round       int NOT NULL,
    report      bytea NOT NULL,                       -- digest
    body        bytea NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (session_id, round)
);
