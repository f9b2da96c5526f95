-- A payment may be refunded for several cards, where a migration carried the one to the other: each refund is the next of
-- its payment, so that two at once cannot both count on what is left of it.
ALTER TABLE payout_refund ADD COLUMN nth int;        -- of the payment
UPDATE payout_refund SET nth = numbered.nth FROM (
    SELECT refund_no, row_number() OVER (PARTITION BY payment_no ORDER BY refund_no) AS nth FROM payout_refund
) AS numbered WHERE numbered.refund_no = payout_refund.refund_no;
ALTER TABLE payout_refund ALTER COLUMN nth SET NOT NULL,
    ADD CONSTRAINT payment_refunded_in_turn UNIQUE (payment_no, nth);
DROP INDEX payout_refund_by_payment;                 -- the constraint's own does the same
