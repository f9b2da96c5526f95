-- Business days: closed one after the other, and what is closed takes no posting any more. Words: docs/operating/day.md.

-- A day is closed in two steps: its row here shuts it, and its figures are added up afterwards from what cannot change.
INSERT INTO closed_day (business_date)
SELECT day FROM generate_series((SELECT min(business_date) FROM transfer), (SELECT max(business_date) FROM closed_day),
                                interval '1 day') AS day
ON CONFLICT DO NOTHING;
ALTER TABLE closed_day RENAME COLUMN rolled_up_at TO closed_at;
ALTER TABLE closed_day ALTER COLUMN closed_at DROP DEFAULT;
ALTER TABLE closed_day ADD COLUMN closed_by text NOT NULL DEFAULT '';
ALTER TABLE closed_day ADD COLUMN figures_at timestamptz;           -- null: not yet added up

-- What an account held when the day began, as debits less credits.
ALTER TABLE account_rollup ADD COLUMN opening_fen bigint NOT NULL DEFAULT 0;
UPDATE account_rollup r SET opening_fen = coalesce((
    SELECT sum(b.debit_fen - b.credit_fen) FROM account_rollup b
    WHERE b.account = r.account AND b.business_date < r.business_date), 0);
ALTER TABLE account_rollup ALTER COLUMN opening_fen DROP DEFAULT;

CREATE FUNCTION transfer_day_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.business_date <= (SELECT max(business_date) FROM closed_day) THEN
        RAISE EXCEPTION 'business date % is closed', NEW.business_date
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'day_is_closed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER transfer_day_open BEFORE INSERT ON transfer FOR EACH ROW EXECUTE FUNCTION transfer_day_open();

-- What is closed stays as it is; only the figures of a shut day are still to come.
CREATE FUNCTION closed_day_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a closed day is not changed'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'closed_days_stay_closed';
END $$;
UPDATE closed_day SET figures_at = closed_at;
CREATE TRIGGER closed_day_stays BEFORE UPDATE ON closed_day FOR EACH ROW
    WHEN (OLD.figures_at IS NOT NULL
          OR (NEW.business_date, NEW.closed_at, NEW.closed_by) <> (OLD.business_date, OLD.closed_at, OLD.closed_by))
    EXECUTE FUNCTION closed_day_stays();
CREATE TRIGGER closed_day_kept BEFORE DELETE OR TRUNCATE ON closed_day
    FOR EACH STATEMENT EXECUTE FUNCTION closed_day_stays();
CREATE TRIGGER rollup_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON account_rollup
    FOR EACH STATEMENT EXECUTE FUNCTION closed_day_stays();

ALTER TABLE transfer DROP CONSTRAINT account_not_found, ADD CONSTRAINT account_not_found CHECK (
    (debit BETWEEN 1 AND 13 OR debit BETWEEN 101 AND 106 OR debit >= 1000)
    AND (credit BETWEEN 1 AND 13 OR credit BETWEEN 101 AND 106 OR credit >= 1000));
INSERT INTO account (id, name, kind, note) VALUES (13, 'settlement_fee_income', 'income', 'fees kept of what is paid out');

-- Money that passes between us and a partner's bank account for what closed days left owed. Proposed by one person,
-- approved by another, paid once the bank says so. Of one account of a partner one is under way at a time.
CREATE TABLE remittance (
    number          text PRIMARY KEY CHECK (number <> ''),
    role            text NOT NULL,
    party           text NOT NULL,
    account         int NOT NULL,                    -- of the books, whose balance with the partner it settles
    direction       text NOT NULL CHECK (direction IN ('pay', 'receive')),
    through         date NOT NULL,                   -- the last closed day that is in it
    amount_fen      bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 4294967295),
    fee_fen         bigint NOT NULL CHECK (fee_fen >= 0 AND fee_fen < amount_fen),   -- kept back of what is paid
    pay_to          text NOT NULL DEFAULT '',
    state           text NOT NULL CHECK (state IN ('proposed', 'approved', 'paid', 'withdrawn')),
    proposed_by     text NOT NULL CHECK (proposed_by <> ''),
    proposed_at     timestamptz NOT NULL,
    approved_by     text NOT NULL DEFAULT '',
    pending_id      bigint,                          -- reserves amount less fee while it is approved
    fee_pending_id  bigint,
    bank_reference  text NOT NULL DEFAULT '',
    moved_at        timestamptz NOT NULL,
    CONSTRAINT two_people_remit CHECK (approved_by = '' OR lower(approved_by) <> lower(proposed_by)),
    CONSTRAINT paid_has_its_reference CHECK ((state = 'paid') = (bank_reference <> '')),
    CONSTRAINT fees_are_kept_of_what_is_paid CHECK (direction = 'pay' OR fee_fen = 0)
);
CREATE UNIQUE INDEX remittance_under_way ON remittance (role, party, account) WHERE state IN ('proposed', 'approved');
CREATE UNIQUE INDEX bank_reference_used_once ON remittance (bank_reference) WHERE bank_reference <> '';

-- Where a partner's money goes, and the part of it that is ours, in hundredths of a per cent.
CREATE TABLE settlement_account (
    role    text NOT NULL,
    party   text NOT NULL,
    pay_to  text NOT NULL CHECK (pay_to <> ''),
    fee_bp  int NOT NULL DEFAULT 0 CHECK (fee_bp BETWEEN 0 AND 9999),
    PRIMARY KEY (role, party)
);

-- Money between us and a partner: one row for each transfer that touches what partners owe us (101 to 106) or what we
-- owe merchants (11). Above zero they owe us the amount, below zero we owe them. The roles: tongka/reconcile.py.
CREATE VIEW settlement_leg AS
SELECT t.business_date, t.id, t.posted_at, t.card_no, t.order_no, leg.account, leg.amount_fen,
    CASE WHEN t.reason = 'remitted' THEN 'remitted'
         WHEN o.order_no IS NOT NULL AND o.kind IN ('return', 'unload') THEN o.kind
         WHEN o.order_no IS NOT NULL THEN CASE WHEN leg.amount_fen > 0 THEN o.kind ELSE 'refund' END
         ELSE split_part(t.reason, ' ', 1) END AS kind,
    CASE WHEN m.role IS NOT NULL THEN m.role
         WHEN o.institution LIKE 'linkage/%' THEN 'onecard'
         WHEN o.institution <> 'app' THEN 'institution'
         WHEN coalesce(p.acquirer, b.acquirer) IS NOT NULL THEN 'payments'
         WHEN r.seller IS NOT NULL THEN 'merchant'
         WHEN a.domain IS NOT NULL THEN 'onecard' ELSE '' END AS role,
    CASE WHEN m.party IS NOT NULL THEN m.party
         WHEN o.institution <> 'app' THEN replace(o.institution, 'linkage/', '')
         ELSE coalesce(p.acquirer, b.acquirer, r.seller, a.domain, '') END AS party,
    coalesce(o.channel, '') AS channel,
    coalesce(nullif(o.payment_order, ''), r.out_trade_no, p.payment_no, b.refund_no, m.bank_reference, '') AS their_no
FROM transfer t
CROSS JOIN LATERAL (VALUES (t.debit, t.amount_fen), (t.credit, -t.amount_fen)) AS leg (account, amount_fen)
LEFT JOIN orders o ON t.order_no <> '' AND o.card_no = t.card_no AND o.order_no = t.order_no
LEFT JOIN payment p ON p.order_no = CASE WHEN o.institution = 'app' THEN split_part(o.payment_order, '/', 1)
                                         WHEN t.reason LIKE 'payment %' THEN t.order_no END
LEFT JOIN payout_refund b ON t.reason LIKE 'payout %' AND b.refund_no = substr(t.reason, 8)
LEFT JOIN ride_trade r ON t.reason = 'ride' AND r.user_id = t.card_no AND r.trade_no = t.order_no
LEFT JOIN prepaid_account a ON t.reason = 'prepaid' AND a.account = t.credit
LEFT JOIN remittance m ON t.reason = 'remitted' AND m.number = t.order_no
WHERE t.kind IN ('single', 'post') AND (leg.account BETWEEN 101 AND 106 OR leg.account = 11);

-- A closed day's sums of that, as they were told.
CREATE TABLE day_figure (
    business_date  date NOT NULL,
    role           text NOT NULL,
    party          text NOT NULL,
    channel        text NOT NULL,
    kind           text NOT NULL,
    account        int NOT NULL,
    lines          bigint NOT NULL,
    amount_fen     bigint NOT NULL,                  -- above zero: they owe us
    PRIMARY KEY (business_date, role, party, channel, kind, account)
);
CREATE INDEX day_figure_of_party ON day_figure (role, party, account);

-- Orders that were not at their end when the day was: what of them was in hand, and what was on its way back.
CREATE TABLE day_carried (
    business_date  date NOT NULL,
    card_no        text NOT NULL,
    order_no       text NOT NULL,
    in_hand_fen    bigint NOT NULL,
    payable_fen    bigint NOT NULL,
    PRIMARY KEY (business_date, card_no, order_no)
);
INSERT INTO day_figure
SELECT business_date, role, party, channel, kind, account, count(*), sum(amount_fen) FROM settlement_leg
WHERE business_date <= (SELECT max(business_date) FROM closed_day)
GROUP BY business_date, role, party, channel, kind, account;
INSERT INTO day_carried
SELECT d.business_date, t.card_no, t.order_no, sum(leg.in_hand), sum(leg.payable)
FROM closed_day d JOIN transfer t ON t.business_date <= d.business_date AND t.kind IN ('single', 'post')
CROSS JOIN LATERAL (VALUES
    (CASE t.credit WHEN 2 THEN t.amount_fen ELSE 0 END - CASE t.debit WHEN 2 THEN t.amount_fen ELSE 0 END,
     CASE t.credit WHEN 4 THEN t.amount_fen ELSE 0 END - CASE t.debit WHEN 4 THEN t.amount_fen ELSE 0 END)
) AS leg (in_hand, payable)
GROUP BY d.business_date, t.card_no, t.order_no HAVING sum(leg.in_hand) <> 0 OR sum(leg.payable) <> 0;
CREATE TRIGGER figures_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON day_figure
    FOR EACH STATEMENT EXECUTE FUNCTION closed_day_stays();
CREATE TRIGGER carried_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON day_carried
    FOR EACH STATEMENT EXECUTE FUNCTION closed_day_stays();

-- What a partner's own list says otherwise.
CREATE TABLE list_difference (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_date  date NOT NULL,
    role           text NOT NULL,
    party          text NOT NULL,
    kind           text NOT NULL,
    number         text NOT NULL,                    -- ours, or theirs where ours is not known
    what           text NOT NULL CHECK (what IN ('missing here', 'missing there', 'other amount')),
    ours_fen       bigint NOT NULL,
    theirs_fen     bigint NOT NULL,
    found_at       timestamptz NOT NULL,
    resolved_at    timestamptz,
    resolved_by    text NOT NULL DEFAULT '',
    note           text NOT NULL DEFAULT '',
    CONSTRAINT difference_noted_once UNIQUE (business_date, role, party, kind, number, what, ours_fen, theirs_fen),
    CHECK ((resolved_at IS NULL) = (resolved_by = ''))
);
CREATE INDEX list_difference_open ON list_difference (business_date) WHERE resolved_at IS NULL;
