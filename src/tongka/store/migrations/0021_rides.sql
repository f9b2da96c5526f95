-- Rides settled: trades of merchants, the codes and records that they used up, and what merchants are told of it.
-- Words and rules: tongka/settlement.py.

CREATE TABLE ride_trade (
    app_id        text NOT NULL,
    out_trade_no  text NOT NULL,
    trade_no      text NOT NULL,
    digest        bytea NOT NULL,             -- of the contents: the same number with others is refused
    state         text NOT NULL CHECK (state IN ('settled', 'refused', 'waiting')),  -- waiting: may be tried again
    why           text NOT NULL DEFAULT '',   -- of a refusal: tongka.settlement.Why, and for people
    reason        text NOT NULL DEFAULT '',
    note          text NOT NULL DEFAULT '',
    next_try_at   timestamptz,
    user_id       text NOT NULL,
    amount_fen    bigint NOT NULL CHECK (amount_fen > 0),
    debt_fen      bigint NOT NULL,            -- the part of a settled trade that became a debt
    ordered_at    timestamptz NOT NULL,
    subject       text NOT NULL,
    context       text NOT NULL,
    seller        text NOT NULL,
    card_type     text NOT NULL DEFAULT '',
    card_no       text NOT NULL DEFAULT '',
    first_at      timestamptz NOT NULL,
    moved_at      timestamptz NOT NULL,
    CONSTRAINT ride_trade_number PRIMARY KEY (app_id, out_trade_no),
    CHECK ((state = 'settled') = (why = '')),
    CHECK ((state = 'waiting') = (next_try_at IS NOT NULL))
) WITH (fillfactor = 90);
CREATE INDEX ride_trade_of_rider ON ride_trade (user_id, moved_at);

-- One charge for one code, and one for each record of a gate.
CREATE TABLE ride_code_used (
    user_id       text NOT NULL,
    code          bytea NOT NULL,             -- SHA-256 of user, credential and generation time
    app_id        text NOT NULL,
    out_trade_no  text NOT NULL,
    CONSTRAINT ride_code_settled PRIMARY KEY (user_id, code)
);
CREATE TABLE ride_record (
    app_id        text NOT NULL,
    pos_id        text NOT NULL,
    record_id     text NOT NULL,
    out_trade_no  text NOT NULL,
    user_id       text NOT NULL,
    at            timestamptz NOT NULL,       -- the gate's clock
    record        bytea NOT NULL,             -- as the gate wrote it
    CONSTRAINT ride_record_settled PRIMARY KEY (app_id, pos_id, record_id)
);

-- Notices to a merchant's notify_url, committed with the trade that they tell of; the worker posts them.
CREATE TABLE merchant_notice (
    app_id        text NOT NULL,
    out_trade_no  text NOT NULL,
    url           text NOT NULL,
    attempts      int NOT NULL DEFAULT 0,
    next_at       timestamptz,                -- null: taken, or given up
    taken_at      timestamptz,
    PRIMARY KEY (app_id, out_trade_no)
);
CREATE INDEX merchant_notice_due ON merchant_notice (next_at) WHERE next_at IS NOT NULL;

-- What merchants tell of rides (commerce.data.send); the same number twice counts once.
CREATE TABLE ride_report (
    app_id   text NOT NULL,
    type     text NOT NULL CHECK (type IN ('order', 'event')),
    biz_no   text NOT NULL,
    user_id  text NOT NULL,
    at       timestamptz NOT NULL,
    report   jsonb NOT NULL,
    PRIMARY KEY (app_id, type, biz_no)
);
CREATE INDEX ride_report_of_rider ON ride_report (user_id, at);

-- Settle trades of one application in their order. Each element of `trades` has passed, or was refused by, the rules of
-- tongka/settlement.py: then `why` says so, and only its number is looked up. Riders are locked first, in the order of
-- their ids; from there on every look is at what is committed, so a code or number that another call used is seen.
CREATE FUNCTION settle_rides(
    app text, trades jsonb, moment timestamptz, day date, retry_at timestamptz, notify text
) RETURNS TABLE (nth int, state text, why text, reason text, note text, trade_no text, next_try_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    t        record;
    known    ride_trade;
    held     rider;
    balance  bigint;
    short    bigint;
    refused  text;
    outcome  text;
    credit   boolean;
    again_at timestamptz;
BEGIN
    PERFORM FROM rider r WHERE r.user_id IN (SELECT x ->> 'user_id' FROM jsonb_array_elements(trades) AS x)
    ORDER BY r.user_id FOR UPDATE;
    FOR t IN
        SELECT * FROM jsonb_to_recordset(trades) AS x (
            nth int, user_id text, out_trade_no text, trade_no text, digest text, amount_fen bigint,
            ordered_at timestamptz, subject text, context text, seller text, card_type text, card_no text,
            why text, reason text, note text, records jsonb
        ) ORDER BY nth
    LOOP
        SELECT * INTO known FROM ride_trade k WHERE k.app_id = app AND k.out_trade_no = t.out_trade_no;
        IF FOUND AND known.digest <> decode(t.digest, 'hex') THEN
            RETURN QUERY SELECT t.nth, 'refused', 'other_contents', '', '', '', NULL::timestamptz;
            CONTINUE;
        ELSIF FOUND AND known.state <> 'waiting' THEN
            RETURN QUERY SELECT t.nth, known.state, known.why, known.reason, known.note, known.trade_no,
                                NULL::timestamptz;
            CONTINUE;
        END IF;
        t.trade_no := coalesce(known.trade_no, t.trade_no);
        short := 0;
        refused := t.why;
        SELECT * INTO held FROM rider r WHERE r.user_id = t.user_id;
        IF refused = '' AND held.user_id IS NULL THEN
            refused := 'rider_unknown';
        ELSIF refused = '' AND EXISTS (
            SELECT FROM ride_record u JOIN jsonb_to_recordset(t.records) AS x (pos_id text, record_id text)
                ON (u.app_id, u.pos_id, u.record_id) = (app, x.pos_id, x.record_id)
        ) THEN
            refused := 'record_settled';
        ELSIF refused = '' AND EXISTS (
            SELECT FROM ride_code_used u JOIN jsonb_to_recordset(t.records) AS x (code text)
                ON (u.user_id, u.code) = (t.user_id, decode(x.code, 'hex'))
        ) THEN
            refused := 'code_settled';
        END IF;
        IF refused = '' THEN
            SELECT a.balance_fen INTO balance FROM account a WHERE a.id = held.account FOR UPDATE;
            short := greatest(0, t.amount_fen - balance);
            -- Debts are for riders who agreed to pay afterwards, with a card type that is paid so.
            SELECT EXISTS (
                SELECT FROM agreement g WHERE g.user_id = t.user_id AND g.ended_at IS NULL
                AND g.card_type IN (t.card_type, 'ANT00001')
            ) AND NOT EXISTS (SELECT FROM ride_card_type c WHERE c.card_type = t.card_type AND c.prepaid) INTO credit;
            IF short > 0 AND NOT (credit AND held.debt_fen + short <= held.debt_limit_fen) THEN
                refused := 'money_short';
                short := 0;
                IF credit THEN
                    INSERT INTO rider_blacklist (user_id, reason, since) VALUES (t.user_id, 'debt', moment)
                    ON CONFLICT DO NOTHING;
                END IF;
            END IF;
        END IF;
        outcome := CASE refused WHEN '' THEN 'settled' WHEN 'money_short' THEN 'waiting' ELSE 'refused' END;
        again_at := CASE outcome WHEN 'waiting' THEN retry_at END;
        IF known.app_id IS NOT NULL THEN
            UPDATE ride_trade k SET state = outcome, why = refused, reason = t.reason, note = t.note,
                                    next_try_at = again_at, debt_fen = short, moved_at = moment
            WHERE k.app_id = app AND k.out_trade_no = t.out_trade_no;
        ELSE  -- a number that another call took just now violates the key: the caller looks again
            INSERT INTO ride_trade (
                app_id, out_trade_no, trade_no, digest, state, why, reason, note, next_try_at, user_id, amount_fen,
                debt_fen, ordered_at, subject, context, seller, card_type, card_no, first_at, moved_at
            ) VALUES (
                app, t.out_trade_no, t.trade_no, decode(t.digest, 'hex'), outcome, refused, t.reason, t.note, again_at,
                t.user_id, t.amount_fen, short, t.ordered_at, t.subject, t.context, t.seller, t.card_type, t.card_no,
                moment, moment
            );
        END IF;
        IF refused = '' THEN
            INSERT INTO ride_code_used (user_id, code, app_id, out_trade_no)
            SELECT DISTINCT t.user_id, decode(x.code, 'hex'), app, t.out_trade_no
            FROM jsonb_to_recordset(t.records) AS x (code text);
            INSERT INTO ride_record (app_id, pos_id, record_id, out_trade_no, user_id, at, record)
            SELECT app, x.pos_id, x.record_id, t.out_trade_no, t.user_id, to_timestamp(x.at), decode(x.record, 'hex')
            FROM jsonb_to_recordset(t.records) AS x (pos_id text, record_id text, at bigint, record text);
            INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
            SELECT t.user_id, t.trade_no, 'single', leg.debit, 11, leg.amount_fen, 'ride', moment, day
            FROM (VALUES (held.account, t.amount_fen - short), (12, short)) AS leg (debit, amount_fen)
            WHERE leg.amount_fen > 0;
            IF short > 0 THEN
                UPDATE rider r SET debt_fen = r.debt_fen + short WHERE r.user_id = t.user_id;
            END IF;
            INSERT INTO rider_message (user_id, at, subject, body) VALUES (
                t.user_id, moment, t.subject, to_char(t.amount_fen / 100.0, 'FM999999990.00') || ' 元'
            );
            INSERT INTO audit (at, actor, action, subject, detail)
            VALUES (moment, app, 'settle ride', t.trade_no, t.amount_fen || ' ' || short);
            IF notify <> '' THEN
                INSERT INTO merchant_notice (app_id, out_trade_no, url, next_at)
                VALUES (app, t.out_trade_no, notify, moment);
            END IF;
        END IF;
        RETURN QUERY SELECT t.nth, outcome, refused, t.reason, t.note, t.trade_no, again_at;
    END LOOP;
END $$;
