-- Riders with their money, what they agreed to, their virtual cards, and the merchants of the open gateway (Alipay).

-- What riders owe for rides that were settled while their account was short.
ALTER TABLE transfer DROP CONSTRAINT account_not_found, ADD CONSTRAINT account_not_found CHECK (
    (debit BETWEEN 1 AND 12 OR debit BETWEEN 101 AND 106 OR debit >= 1000)
    AND (credit BETWEEN 1 AND 12 OR credit BETWEEN 101 AND 106 OR credit >= 1000));
INSERT INTO account (id, name, kind, note) VALUES (12, 'riders_debt', 'asset', 'rides settled on credit, owed by riders');

-- Riders' accounts are guarded; their numbers begin far above those that people open.
CREATE SEQUENCE rider_account_seq AS int START WITH 1000000000;

CREATE TABLE rider (
    user_id         text PRIMARY KEY CHECK (user_id ~ '^[0-9A-Za-z]{16}$'),   -- 16 bytes of every ride code
    account         int NOT NULL UNIQUE CHECK (account >= 1000000000),
    debt_fen        bigint NOT NULL DEFAULT 0 CHECK (debt_fen >= 0),          -- the rider's part of riders_debt
    debt_limit_fen  bigint NOT NULL CHECK (debt_limit_fen >= 0),
    opened_at       timestamptz NOT NULL
) WITH (fillfactor = 80);

-- One row for each supply of money to a rider, once under its reference.
CREATE TABLE rider_supply (
    user_id     text NOT NULL,
    reference   text NOT NULL CHECK (reference <> ''),
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    at          timestamptz NOT NULL,
    CONSTRAINT rider_supply_already_made PRIMARY KEY (user_id, reference)
);

-- Who must not be let through, whatever his code says; each change raises the list's version.
CREATE TABLE rider_blacklist (
    user_id  text PRIMARY KEY,
    reason   text NOT NULL CHECK (reason IN ('debt', 'operator')),
    since    timestamptz NOT NULL,
    note     text NOT NULL DEFAULT ''
);
CREATE TABLE blacklist_version (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version   bigint NOT NULL,
    at        timestamptz NOT NULL
);
INSERT INTO blacklist_version (version, at) VALUES (0, now());

CREATE FUNCTION blacklist_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE blacklist_version SET version = version + 1, at = clock_timestamp();
    RETURN NULL;
END $$;
CREATE TRIGGER blacklist_changed AFTER INSERT OR UPDATE OR DELETE ON rider_blacklist
    FOR EACH ROW EXECUTE FUNCTION blacklist_changed();

-- An application of a merchant at the open gateway.
CREATE TABLE merchant_app (
    app_id        text PRIMARY KEY CHECK (app_id <> ''),
    name          text NOT NULL DEFAULT '',
    public_key    bytea NOT NULL,                        -- RSA, SubjectPublicKeyInfo in DER
    seller        text NOT NULL CHECK (seller <> ''),    -- seller_login_name that is paid when a trade names none
    contracted    boolean NOT NULL DEFAULT true,         -- false: every method answers NO_RIGHT
    active        boolean NOT NULL DEFAULT true
);

-- Who may be paid by an application's trades.
CREATE TABLE seller (
    app_id      text NOT NULL,
    login_name  text NOT NULL CHECK (login_name <> ''),
    PRIMARY KEY (app_id, login_name)
);

-- Registered types of virtual cards; plain bus payment belongs to no application.
CREATE TABLE ride_card_type (
    card_type  text PRIMARY KEY CHECK (card_type ~ '^[0-9A-Za-z]{8}$'),       -- 8 bytes of every ride code
    title      text NOT NULL DEFAULT '',
    app_id     text NOT NULL DEFAULT '',
    prepaid    boolean NOT NULL                                               -- rides never make debts
);

-- A rider agreed to pay rides of a card type from his account (4.3.1.1).
CREATE TABLE agreement (
    user_id    text NOT NULL,
    card_type  text NOT NULL,
    signed_at  timestamptz NOT NULL,
    ended_at   timestamptz,                                                   -- null while it is in force
    PRIMARY KEY (user_id, card_type)
);

CREATE TABLE virtual_card (
    user_id           text NOT NULL,
    card_type         text NOT NULL,
    card_no           text NOT NULL CHECK (card_no ~ '^[0-9A-Za-z]{1,16}$'),
    card_data         bytea NOT NULL DEFAULT '' CHECK (length(card_data) <= 64),
    balance           text NOT NULL DEFAULT '',     -- the issuer's word, as it was sent: its money is not in our books
    disabled          boolean NOT NULL DEFAULT false,
    disabled_code     text NOT NULL DEFAULT '',
    disabled_tips     text NOT NULL DEFAULT '',
    ext_info          text NOT NULL DEFAULT '',
    last_update_time  timestamp NOT NULL,           -- the issuer's clock, Asia/Shanghai
    deleted           boolean NOT NULL DEFAULT false,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT card_belongs_to_one_rider PRIMARY KEY (card_type, card_no)
) WITH (fillfactor = 80);
CREATE INDEX virtual_card_by_rider ON virtual_card (user_id, card_type);

-- What riders are told: rides paid, debts, notices of merchants.
CREATE TABLE rider_message (
    user_id  text NOT NULL,
    id       bigint GENERATED ALWAYS AS IDENTITY,
    at       timestamptz NOT NULL,
    subject  text NOT NULL,
    body     text NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, id)
);

-- Money from outside for a rider, once under its reference; his debt is recovered from it. Answers the amount that the
-- reference stands for (another one than asked: nothing was done), or null for an unknown rider.
CREATE FUNCTION rider_supply_money(
    rider_id text, supply text, wanted_fen bigint, source int, moment timestamptz, day date
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    held       rider;
    known_fen  bigint;
    back_fen   bigint;
BEGIN
    SELECT * INTO held FROM rider WHERE user_id = rider_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT amount_fen INTO known_fen FROM rider_supply WHERE user_id = rider_id AND reference = supply;
    IF FOUND THEN
        RETURN known_fen;
    END IF;
    INSERT INTO rider_supply (user_id, reference, amount_fen, at) VALUES (rider_id, supply, wanted_fen, moment);
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    VALUES (rider_id, supply, 'single', source, held.account, wanted_fen, 'rider_supply', moment, day);
    back_fen := least(held.debt_fen, wanted_fen);
    IF back_fen > 0 THEN
        UPDATE rider SET debt_fen = debt_fen - back_fen WHERE user_id = rider_id;
        INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
        VALUES (rider_id, supply, 'single', held.account, 12, back_fen, 'debt_recovered', moment, day);
        INSERT INTO rider_message (user_id, at, subject, body)
        VALUES (rider_id, moment, '欠款已扣还', to_char(back_fen / 100.0, 'FM999999990.00') || ' 元');
    END IF;
    IF back_fen > 0 AND held.debt_fen = back_fen THEN
        DELETE FROM rider_blacklist WHERE user_id = rider_id AND reason = 'debt';
    END IF;
    INSERT INTO audit (at, actor, action, subject, detail)
    VALUES (moment, 'rider', 'supply', rider_id, wanted_fen || ' ' || back_fen);
    RETURN wanted_fen;
END $$;
