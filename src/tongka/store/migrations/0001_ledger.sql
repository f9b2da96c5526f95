-- The books. Rules and words: tongka/ledger.py; constraints bear the names of its REFUSALS.

CREATE TABLE account (
    id           int PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    kind         text NOT NULL CHECK (kind IN ('asset', 'expense', 'liability', 'income', 'equity')),
    note         text NOT NULL DEFAULT '',
    -- Kept for guarded accounts (id >= 1000000) only, all of them liabilities: posted, less pending debits.
    balance_fen  bigint NOT NULL DEFAULT 0,
    CONSTRAINT balance_would_be_negative CHECK (balance_fen >= 0),
    CONSTRAINT only_guarded_accounts_keep_a_balance CHECK (id >= 1000000 OR balance_fen = 0),
    CONSTRAINT guarded_accounts_are_liabilities CHECK (id < 1000000 OR kind = 'liability'),
    CONSTRAINT account_ids_are_positive CHECK (id > 0)
) WITH (fillfactor = 50);  -- room for the new versions of a contended balance on the same page

INSERT INTO account (id, name, kind, note) VALUES
    (1, 'card_float', 'liability', 'value on cards, owed to their holders'),
    (2, 'orders_in_hand', 'liability', 'orders paid and not yet loaded or refunded'),
    (3, 'deposits_held', 'liability', 'deposits for cards that are out'),
    (4, 'refunds_payable', 'liability', 'refunds and returned cards, decided and not yet paid out'),
    (5, 'suspense', 'liability', 'amounts whose owner is not yet known'),
    (6, 'card_fee_income', 'income', 'fees for cards'),
    (7, 'opening_balances', 'equity', 'what cards and accounts held before this ledger began'),
    (8, 'cash_desk', 'asset', 'cash at the operator''s own counters'),
    (9, 'bank', 'asset', 'money that institutions have settled'),
    (10, 'write_offs', 'expense', 'differences that a clerk has decided to bear'),
    (11, 'merchants_payable', 'liability', 'rides and purchases, owed to their merchants'),
    (101, 'receivable_cash', 'asset', 'cash taken by terminals and agents'),
    (102, 'receivable_unionpay', 'asset', 'paid by UnionPay, not yet settled'),
    (103, 'receivable_alipay', 'asset', 'paid by Alipay, not yet settled'),
    (104, 'receivable_wechat', 'asset', 'paid by WeChat Pay, not yet settled'),
    (105, 'receivable_yipay', 'asset', 'paid by Yipay, not yet settled'),
    (106, 'receivable_other', 'asset', 'paid in other ways, not yet settled');

-- One row moves amount_fen from debit to credit. No foreign key to account: its share locks would make every top-up
-- queue at the float's row. The chart's numbers are checked here, guarded accounts by their trigger, the others by
-- `tongka ledger check`.
CREATE TABLE transfer (
    card_no        text NOT NULL DEFAULT '',
    id             bigint GENERATED ALWAYS AS IDENTITY,
    order_no       text NOT NULL DEFAULT '',
    kind           text NOT NULL,
    pending_id     bigint,
    debit          int NOT NULL,
    credit         int NOT NULL,
    amount_fen     bigint NOT NULL,
    reason         text NOT NULL,
    posted_at      timestamptz NOT NULL,
    business_date  date NOT NULL,
    PRIMARY KEY (card_no, id),
    CONSTRAINT kind_unknown CHECK (kind IN ('single', 'pending', 'post', 'void')),
    CONSTRAINT pending_id_belongs_to_post_and_void CHECK ((kind IN ('post', 'void')) = (pending_id IS NOT NULL)),
    CONSTRAINT accounts_must_be_different CHECK (debit <> credit),
    CONSTRAINT amount_out_of_range CHECK (amount_fen BETWEEN 1 AND 4294967295),
    CONSTRAINT reason_must_not_be_empty CHECK (reason <> ''),
    CONSTRAINT account_not_found CHECK (
        (debit BETWEEN 1 AND 11 OR debit BETWEEN 101 AND 106 OR debit >= 1000)
        AND (credit BETWEEN 1 AND 11 OR credit BETWEEN 101 AND 106 OR credit >= 1000)
    )
);

CREATE UNIQUE INDEX pending_already_resolved ON transfer (card_no, pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX transfer_by_day ON transfer USING brin (business_date) WITH (autosummarize = on);

-- A post or void has the contents of its pending transfer.
CREATE FUNCTION transfer_resolves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    reserved transfer;
BEGIN
    SELECT * INTO reserved FROM transfer WHERE card_no = NEW.card_no AND id = NEW.pending_id AND kind = 'pending';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % of card % is not pending', NEW.pending_id, NEW.card_no
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'pending_not_found';
    END IF;
    IF (reserved.debit, reserved.credit, reserved.amount_fen, reserved.order_no)
        <> (NEW.debit, NEW.credit, NEW.amount_fen, NEW.order_no) THEN
        RAISE EXCEPTION 'transfer % was pending with other contents', NEW.pending_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'pending_has_other_contents';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER transfer_resolves BEFORE INSERT ON transfer FOR EACH ROW
    WHEN (NEW.pending_id IS NOT NULL) EXECUTE FUNCTION transfer_resolves();

-- Guarded accounts keep their balance under a row lock; the check constraint on it decides every race.
CREATE FUNCTION account_move(account_id int, delta_fen bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF account_id >= 1000000 AND delta_fen <> 0 THEN
        UPDATE account SET balance_fen = balance_fen + delta_fen WHERE id = account_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no account %', account_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'account_not_found';
        END IF;
    END IF;
END $$;

CREATE FUNCTION transfer_guarded() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    debit_delta   bigint := CASE WHEN NEW.kind IN ('single', 'pending') THEN -NEW.amount_fen
                                 WHEN NEW.kind = 'void' THEN NEW.amount_fen ELSE 0 END;
    credit_delta  bigint := CASE WHEN NEW.kind IN ('single', 'post') THEN NEW.amount_fen ELSE 0 END;
BEGIN
    IF NEW.debit < NEW.credit THEN  -- always the lower id first, so that opposite transfers cannot deadlock
        PERFORM account_move(NEW.debit, debit_delta);
        PERFORM account_move(NEW.credit, credit_delta);
    ELSE
        PERFORM account_move(NEW.credit, credit_delta);
        PERFORM account_move(NEW.debit, debit_delta);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER transfer_guarded AFTER INSERT ON transfer FOR EACH ROW
    WHEN (NEW.debit >= 1000000 OR NEW.credit >= 1000000) EXECUTE FUNCTION transfer_guarded();

CREATE FUNCTION transfer_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_are_append_only';
END $$;

CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION transfer_append_only();

-- Posted sums of each account and day, made by the day close from the transfers and always reproducible from them.
CREATE TABLE account_rollup (
    account        int NOT NULL,
    business_date  date NOT NULL,
    debit_fen      bigint NOT NULL,
    credit_fen     bigint NOT NULL,
    transfers      bigint NOT NULL,
    PRIMARY KEY (account, business_date)
);

CREATE TABLE closed_day (
    business_date  date PRIMARY KEY,
    rolled_up_at   timestamptz NOT NULL DEFAULT now()
);
