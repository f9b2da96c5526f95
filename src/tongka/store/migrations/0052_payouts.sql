-- What riders get back: the balance and the deposit of a returned card that was opened at Your Server. The row comes
-- with the move that ends the return; the worker goes on from it. The moves: tongka/journeys/app/payout.py.

CREATE TABLE payout (
    card_no      text NOT NULL,
    order_no     text NOT NULL,                      -- of the return
    amount_fen   bigint NOT NULL CHECK (amount_fen > 0),
    carried_fen  bigint NOT NULL DEFAULT 0,          -- a migration has taken it to another card
    back_fen     bigint NOT NULL DEFAULT 0,          -- and so much came back, for it was not loaded there
    by_hand_fen  bigint NOT NULL DEFAULT 0,          -- people have paid it
    by_hand_from int NOT NULL DEFAULT 0,             -- from this account
    reference    text NOT NULL DEFAULT '',           -- under which they did
    state        text NOT NULL CHECK (state IN ('waiting', 'carried', 'sending', 'owed', 'done')),
    plans        int NOT NULL DEFAULT 0,             -- so many were made, one after the other
    created_at   timestamptz NOT NULL,
    moved_at     timestamptz NOT NULL,
    PRIMARY KEY (card_no, order_no),
    CONSTRAINT carried_whole CHECK (carried_fen IN (0, amount_fen) AND back_fen BETWEEN 0 AND carried_fen),
    CONSTRAINT by_hand_has_its_reference CHECK (
        by_hand_fen >= 0 AND (by_hand_fen > 0) = (reference <> '') AND (by_hand_fen > 0) = (by_hand_from > 0)
    )
);
CREATE INDEX payout_under_way ON payout (moved_at) WHERE state IN ('waiting', 'carried', 'sending');
CREATE INDEX payout_for_people ON payout (moved_at) WHERE state = 'owed';

-- One refund of one of the card's payments. It stands here before anybody is asked, so that it is asked again for as
-- long as it is due under the same number.
CREATE TABLE payout_refund (
    refund_no   text PRIMARY KEY,
    card_no     text NOT NULL,
    order_no    text NOT NULL,
    payment_no  text NOT NULL,
    acquirer    text NOT NULL,
    account     int NOT NULL,                        -- what the payment filled, and this empties
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    state       text NOT NULL CHECK (state IN ('due', 'done', 'refused')),
    asked_at    timestamptz,                         -- the institution was asked last
    decided_at  timestamptz,
    CONSTRAINT payment_refunded_once UNIQUE (card_no, order_no, payment_no)
);
CREATE INDEX payout_refund_due ON payout_refund (asked_at) WHERE state = 'due';
CREATE INDEX payout_refund_by_payment ON payout_refund (payment_no);
CREATE INDEX payout_refund_by_day ON payout_refund (acquirer, decided_at) WHERE state = 'done';

CREATE INDEX app_order_by_card ON app_order (card_no) WHERE card_no <> '';
