-- Orders: one table for top-ups, sales and returns. The moves: tongka/orders.py.

CREATE TABLE orders (
    card_no          text NOT NULL,
    order_no         text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('topup', 'sale', 'return')),
    state            text NOT NULL CHECK (state IN ('1','2','3','4','5','6','7','8','9','A','B','C','D')),
    institution      text NOT NULL,
    payment_order    text NOT NULL DEFAULT '',
    payment_method   text NOT NULL,
    order_type       text NOT NULL DEFAULT '40',
    channel          text NOT NULL,
    amount_fen       bigint NOT NULL CHECK (amount_fen BETWEEN 0 AND 4294967295),
    paid             boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL,
    moved_at         timestamptz NOT NULL,
    settlement_date  date NOT NULL,
    attempt          int NOT NULL DEFAULT 0,
    -- The card's answer that this order is pinned to: at most one CREDIT per ATC.
    pin_atc          int,
    init             bytea,        -- the INIT's answer as the card gave it
    terminal         bytea,        -- 6 bytes of the INIT command
    moment           bytea,        -- date and time of the command that was released, 7 bytes BCD
    command          bytea,        -- the command that was released (CREDIT, DEBIT, UPDATE BINARY)
    evidence         bytea,        -- TAC of a confirm that could not be verified yet, or for a clerk
    challenge        bytea,        -- of the last card management script
    pending_id       bigint,       -- the open two-phase transfer
    reference        text NOT NULL DEFAULT '',
    return_type      text NOT NULL DEFAULT '',
    customer         bytea,
    refund_no        text NOT NULL DEFAULT '',
    closed_by        text NOT NULL DEFAULT '',   -- 'tac', 'counter', 'clerks', …
    PRIMARY KEY (card_no, order_no)
) WITH (fillfactor = 80);

-- At most one order of a card may have a command under way.
CREATE UNIQUE INDEX card_has_another_open_order ON orders (card_no) WHERE state IN ('2', '4', '6', '7', '9');
CREATE INDEX orders_by_number ON orders (order_no);
CREATE INDEX orders_to_sweep ON orders (state, moved_at) WHERE state IN ('2', '6', '7', 'A');

-- A payment pays for one order.
CREATE TABLE payment_claim (
    institution    text NOT NULL,
    payment_order  text NOT NULL,
    card_no        text NOT NULL,
    order_no       text NOT NULL,
    CONSTRAINT payment_already_claimed PRIMARY KEY (institution, payment_order)
);

-- What was answered, for repeats. It commits with the effect that it tells of.
CREATE TABLE reply (
    request  text NOT NULL,       -- partner, institution, date, serial
    digest   bytea NOT NULL,      -- of the request's contents
    body     bytea NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT request_already_answered PRIMARY KEY (request)
);
