-- Prepaid virtual cards that we issue as a merchant (Alipay 3.1.1): their holders' money is in our books, one guarded
-- account for each; rides are charged to it, and what changes is told to the gateway (virtualcard.send). Locks are taken
-- in the order card, trip, account.
CREATE TABLE prepaid_card (
    card_type      text NOT NULL,
    card_no        text NOT NULL CHECK (card_no ~ '^[0-9A-Za-z]{1,16}$'),
    user_id        text NOT NULL,
    account        int NOT NULL UNIQUE CHECK (account >= 1000000000),
    state          text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoking', 'revoked')),
    ends_at        timestamptz,                 -- of a card that is given back: when the last rides have come in
    changed_at     timestamptz NOT NULL,        -- last_update_time; it never goes back
    version        bigint NOT NULL DEFAULT 1,   -- raised by each change
    told           bigint NOT NULL DEFAULT 0,   -- the version that the gateway has taken
    tell_at        timestamptz,                 -- null: there is nothing to tell
    tell_attempts  int NOT NULL DEFAULT 0,
    tell_error     text NOT NULL DEFAULT '',
    CONSTRAINT prepaid_card_number PRIMARY KEY (card_type, card_no),
    CHECK ((state = 'active') = (ends_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX prepaid_card_of_rider ON prepaid_card (user_id, card_no);
CREATE INDEX prepaid_card_to_tell ON prepaid_card (tell_at) WHERE tell_at IS NOT NULL;

CREATE TABLE prepaid_card_supply (
    card_type   text NOT NULL,
    card_no     text NOT NULL,
    reference   text NOT NULL CHECK (reference <> ''),
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    at          timestamptz NOT NULL,
    CONSTRAINT prepaid_card_already_supplied PRIMARY KEY (card_type, card_no, reference)
);

CREATE FUNCTION prepaid_card_changed(kind text, number text, moment timestamptz) RETURNS void LANGUAGE sql AS $$
    UPDATE prepaid_card SET version = version + 1, changed_at = greatest(changed_at, moment), tell_at = moment,
                            tell_attempts = 0
    WHERE card_type = kind AND card_no = number
$$;

-- Money in, once under its reference; rides that waited for it are tried at once. Answers the amount that the reference
-- stands for, or null where there is no such card that takes money.
CREATE FUNCTION prepaid_card_supply_money(
    kind text, number text, supply text, wanted_fen bigint, source int, moment timestamptz, day date, actor text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    held       prepaid_card;
    known_fen  bigint;
BEGIN
    SELECT * INTO held FROM prepaid_card WHERE card_type = kind AND card_no = number FOR UPDATE;
    SELECT amount_fen INTO known_fen FROM prepaid_card_supply
    WHERE card_type = kind AND card_no = number AND reference = supply;
    IF known_fen IS NOT NULL OR held.state IS NULL OR held.state = 'revoked' THEN
        RETURN known_fen;
    END IF;
    INSERT INTO prepaid_card_supply (card_type, card_no, reference, amount_fen, at)
    VALUES (kind, number, supply, wanted_fen, moment);
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    VALUES (number, supply, 'single', source, held.account, wanted_fen, 'prepaid_card_supply', moment, day);
    UPDATE trip SET next_try_at = moment
    WHERE user_id = held.user_id AND card_no = number AND state = 'due' AND error_code = 'BALANCE_NOT_ENOUGH';
    PERFORM prepaid_card_changed(kind, number, moment);
    INSERT INTO audit (at, actor, action, subject, detail)
    VALUES (moment, actor, 'supply prepaid card', kind || ' ' || number, wanted_fen || ' ' || supply);
    RETURN wanted_fen;
END $$;

-- Charge a trip to its card. Answers 'settled'; 'short', then it is tried again at `again`; or 'moved' where the trip is
-- not due any more or has no such card.
CREATE FUNCTION prepaid_card_charge(rider_id text, number text, moment timestamptz, day date, again timestamptz)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held     prepaid_card;
    ride     record;
    balance  bigint;
BEGIN
    SELECT p.* INTO held FROM prepaid_card p JOIN trip t
        ON t.user_id = p.user_id AND t.card_no = p.card_no AND t.card_type IN (p.card_type, '')
    WHERE t.user_id = rider_id AND t.out_trade_no = number FOR UPDATE OF p;
    SELECT * INTO ride FROM trip t WHERE t.user_id = rider_id AND t.out_trade_no = number AND t.state = 'due' FOR UPDATE;
    IF held.account IS NULL OR ride.user_id IS NULL THEN
        RETURN 'moved';
    END IF;
    SELECT a.balance_fen INTO balance FROM account a WHERE a.id = held.account FOR UPDATE;
    IF balance < ride.amount_fen THEN
        UPDATE trip SET next_try_at = again, error_code = 'BALANCE_NOT_ENOUGH', moved_at = moment,
                        message = 'the card is short of ' || (ride.amount_fen - balance) || ' fen'
        WHERE user_id = rider_id AND out_trade_no = number;
        IF ride.error_code <> 'BALANCE_NOT_ENOUGH' THEN
            PERFORM prepaid_card_changed(held.card_type, held.card_no, moment);
        END IF;
        RETURN 'short';
    END IF;
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    VALUES (held.card_no, number, 'single', held.account, 11, ride.amount_fen, 'prepaid_ride', moment, day);
    UPDATE trip SET state = 'settled', next_try_at = NULL, error_code = '', message = '', moved_at = moment
    WHERE user_id = rider_id AND out_trade_no = number;
    INSERT INTO trip_report (user_id, out_trade_no, report_at) VALUES (rider_id, number, moment) ON CONFLICT DO NOTHING;
    PERFORM prepaid_card_changed(held.card_type, held.card_no, moment);
    INSERT INTO audit (at, actor, action, subject, detail)
    VALUES (moment, 'merchant', 'charge prepaid card', held.card_type || ' ' || held.card_no,
            number || ' ' || ride.amount_fen);
    RETURN 'settled';
END $$;

-- The end of a card that is given back: what it holds is to be paid out. Cards with rides that wait for money stay.
CREATE FUNCTION prepaid_card_end(kind text, number text, moment timestamptz, day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    held     prepaid_card;
    balance  bigint;
BEGIN
    SELECT * INTO held FROM prepaid_card
    WHERE card_type = kind AND card_no = number AND state = 'revoking' AND ends_at <= moment FOR UPDATE;
    IF NOT FOUND OR EXISTS (
        SELECT FROM trip WHERE user_id = held.user_id AND card_no = number AND state IN ('due', 'unknown', 'held')
    ) THEN
        RETURN false;
    END IF;
    SELECT a.balance_fen INTO balance FROM account a WHERE a.id = held.account FOR UPDATE;
    IF balance > 0 THEN
        INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
        VALUES (number, '', 'single', held.account, 4, balance, 'prepaid_card_returned', moment, day);
    END IF;
    UPDATE prepaid_card SET state = 'revoked' WHERE card_type = kind AND card_no = number;
    PERFORM prepaid_card_changed(kind, number, moment);
    INSERT INTO audit (at, actor, action, subject, detail)
    VALUES (moment, 'merchant', 'end prepaid card', kind || ' ' || number, balance::text);
    RETURN true;
END $$;
