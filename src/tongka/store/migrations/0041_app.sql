-- Your Server (IF2): its riders, their orders, and what they pay (IF3).

CREATE TABLE app_user (
    user_id   text PRIMARY KEY,
    name      text NOT NULL UNIQUE,
    salt      bytea NOT NULL,
    password  bytea NOT NULL,                        -- scrypt
    active    boolean NOT NULL DEFAULT true
);

CREATE TABLE app_token (
    digest      bytea PRIMARY KEY,                   -- of 256 random bits, so a plain hash is enough
    user_id     text NOT NULL,
    expires_at  timestamptz NOT NULL
);

-- What an order is for, and how it stands; the money's part is in payment, the card's in wallet_order.
CREATE TABLE app_order (
    order_no     text PRIMARY KEY,
    user_id      text NOT NULL,
    request_key  text NOT NULL,                      -- of the idempotency header
    digest       bytea NOT NULL,
    business     text NOT NULL CHECK (business IN ('OPEN', 'TOPUP', 'UPDATE', 'DELETE', 'LOCK', 'UNLOCK', 'MIGRATE')),
    issuer_id    text NOT NULL,
    device_id    text NOT NULL,
    to_device    text NOT NULL DEFAULT '',           -- of a migration
    card_no      text NOT NULL DEFAULT '',
    amount_fen   bigint NOT NULL DEFAULT 0 CHECK (amount_fen >= 0),
    deposit_fen  bigint NOT NULL DEFAULT 0 CHECK (deposit_fen >= 0),
    fee_fen      bigint NOT NULL DEFAULT 0 CHECK (fee_fen >= 0),
    holder_type  smallint,
    state        text NOT NULL CHECK (state IN
                     ('created', 'paying', 'paid', 'submitted', 'cancelled', 'refunding', 'refunded', 'failed')),
    reason       text NOT NULL DEFAULT '',
    session_id   text NOT NULL DEFAULT '',
    result_code  text NOT NULL DEFAULT '',           -- the wallet's 1010210xxx, as the app told it
    created_at   timestamptz NOT NULL,
    moved_at     timestamptz NOT NULL,
    CONSTRAINT app_request_repeated UNIQUE (user_id, request_key)
);
CREATE INDEX app_order_by_user ON app_order (user_id, created_at DESC);
CREATE INDEX app_order_due ON app_order (state, moved_at) WHERE state IN ('paying', 'paid', 'refunding');

CREATE TABLE payment (
    payment_no  text PRIMARY KEY,
    order_no    text NOT NULL UNIQUE,                -- an order is paid once
    acquirer    text NOT NULL,
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    state       text NOT NULL CHECK (state IN ('created', 'paid', 'closed', 'differs')),
    trade_no    text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    asked_at    timestamptz NOT NULL                 -- the institution was asked last
);
CREATE INDEX payment_open ON payment (asked_at) WHERE state = 'created';

-- The sandbox's payment institution as an acquirer, and how it behaves: see tongka/payments/simulator.py.
CREATE TABLE simulated_payment (
    payment_no  text PRIMARY KEY,
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    pays_at     timestamptz NOT NULL,
    pays        boolean NOT NULL,
    notices     int NOT NULL,                        -- still to be sent
    notify_at   timestamptz NOT NULL
);
CREATE TABLE simulated_temper (
    single          boolean PRIMARY KEY DEFAULT true CHECK (single),
    unknown_percent int NOT NULL DEFAULT 0 CHECK (unknown_percent BETWEEN 0 AND 100),
    delay_ms        int NOT NULL DEFAULT 0 CHECK (delay_ms BETWEEN 0 AND 600000),
    notices         int NOT NULL DEFAULT 1 CHECK (notices BETWEEN 0 AND 10),   -- 0: lost; 2 and more: repeated
    pays            boolean NOT NULL DEFAULT true
);

-- What riders may open, and what it costs.
CREATE TABLE app_product (
    issuer_id    text PRIMARY KEY,
    name         text NOT NULL,
    fee_fen      bigint NOT NULL DEFAULT 0 CHECK (fee_fen >= 0),
    deposit_fen  bigint NOT NULL DEFAULT 0 CHECK (deposit_fen >= 0),
    topups_fen   bigint[] NOT NULL DEFAULT '{}'      -- amounts to choose from; others may be allowed by the card type
);
